"""The gates beside the sequential judge: a new gate is a file here, and its line in ``all_gates``. Pure.

``client_errors`` has bets of its own, and is called by ``bot.analysis.analysis``. What is no gate and serves several:
``strikes`` and ``unknown`` here; ``sides``, ``amounts`` and ``histograms`` outside.
"""
