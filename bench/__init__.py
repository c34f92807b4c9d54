"""Timings. Machines are noisy: compare ratios of one run, not single figures."""
