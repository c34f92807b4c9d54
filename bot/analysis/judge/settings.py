"""The judge's fixed grids, and its settings from where services keep them (``bot.model.judge_settings``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.model.judge_settings import ERRORS, SLOW, WEIGHTS, JudgeSettings, MetricLimits, Weights

__all__ = [
    "CEILING_TIMES",
    "ERRORS",
    "LADDER",
    "LOWER",
    "NEEDED_AGAIN",
    "ROW_SECONDS",
    "SLOW",
    "WEIGHTS",
    "Bools",
    "Floats",
    "JudgeSettings",
    "MetricLimits",
    "Weights",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Alternatives: how many times worse (or better) a canary may be that a process is built to notice.
LADDER: Floats = np.geomspace(1.2, 64, 12)
LOWER: Floats = np.geomspace(0.02, 0.8, 8)
CEILING_TIMES = (1.5, 2.5, 4.0, 8.0)
ROW_SECONDS = 15.0  # the hazard is per row of this length
# Log evidence of a relapse that aborts: by chance at most one rollout in 2,000.
NEEDED_AGAIN = float(np.log(2000))
