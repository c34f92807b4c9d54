"""The gates beside the sequential judge: a new gate is a file here. Pure.

``thresholds`` holds what is judged by fixed limits, and calls ``mirror_harm``; ``client_errors`` has bets of its own.
``bot.analysis.analysis`` calls both. What is no gate and serves several (``sides``, ``amounts``, ``histograms``) is
outside.
"""
