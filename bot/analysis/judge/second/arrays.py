"""Arrays that may have no axis: those of one rollout, which is judged row by row. Single values go a shorter way."""

from __future__ import annotations

import numpy as np

from bot.analysis.judge.second.constants import DECIMALS
from bot.analysis.judge.settings import Bools, Floats

_UNIT = 10.0**DECIMALS


def any_of(these: Bools) -> bool:
    """Whether any is."""
    return bool(these.any() if these.ndim else these)


def rounded(values: Floats) -> Floats:
    """To the decimals that a state keeps."""
    if values.ndim:
        return values.round(DECIMALS)
    return np.float64(round(float(values) * _UNIT) / _UNIT)  # type: ignore[return-value]  # what arrays without axes give
