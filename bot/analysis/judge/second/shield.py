"""How rows add up to a step back: the greatest sum of gains that ends now (CUSUM), over the same alternatives.

One row may add at most a part of what going home needs, so two must agree. Nothing is final here: the shield is zeroed
by a step back and by a return, and a healthy canary's false alarms are rare rather than bounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bot.analysis.judge.processes import lse
from bot.analysis.judge.second.arrays import rounded
from bot.analysis.judge.second.constants import DECIMALS
from bot.analysis.judge.settings import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Shield:
    """Sums by alternative (last axis), and their log mean (``value``)."""

    sums: Floats
    value: Floats

    def step(self, gains: Floats, most: Floats) -> Shield:
        """After one row, which may lift ``value`` by at most ``most``."""
        sums = np.maximum(self.sums, 0.0) + gains
        value = lse(sums) - math.log(gains.shape[-1])
        over = np.maximum(value - np.maximum(self.value, 0.0) - most, 0.0)
        return Shield((sums - over[..., None]).round(DECIMALS), rounded(value - over))


def idle(shape: tuple[int, ...]) -> Shield:
    """Nothing yet."""
    return Shield(np.zeros(shape), np.zeros(shape[:-1]))
