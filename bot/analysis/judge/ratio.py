"""What people are shown: how many times worse the canary probably is, valid at any time. No verdict rests on it.

The likelihood of each ratio of the two shares, mixed over a broad prior, gives a confidence sequence. Only rows with
bad requests say anything, and only through the canary's part of the traffic (pi), so the whole past is kept as a few
classes of pi; beyond ``CLASSES`` the two closest are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from bot.analysis.judge.processes import DECIMALS, lse
from bot.analysis.judge.settings import Floats

CLASSES = 8
SURPRISE = np.log(20)  # a 95 % interval
MOST_SURE = 0.999  # more than this is never shown
REMEMBERED = 1024  # intervals: each is told in several sentences of one judgement
GRID: Floats = np.geomspace(1 / 64, 1024, 400)
_LOG_GRID = np.log(GRID)
_PRIOR = -(_LOG_GRID**2) / (2 * 1.5**2)
_PRIOR = _PRIOR - lse(_PRIOR)


@dataclass(frozen=True, slots=True)
class Ratio:
    """The canary's share over the primary's: likely between ``low`` and ``high``, ``best`` fits best.

    ``log_sure``: minus the log of the anytime p-value of "within tolerance".
    """

    low: float
    best: float
    high: float
    log_sure: float

    @property
    def sure(self) -> float:
        """How sure it is worse than tolerated, 0 to 1; at most ``MOST_SURE``."""
        return min(1 - float(np.exp(-self.log_sure)), MOST_SURE)


@dataclass(frozen=True, slots=True)
class BadRequests:
    """Bad requests by class of pi: (pi, canary's, primary's)."""

    classes: tuple[tuple[float, float, float], ...] = ()

    def add(self, row: Sequence[float]) -> BadRequests:
        """With one more row: (n_c, b_c, n_p, b_p)."""
        n_c, b_c, n_p, b_p = row
        if n_c <= 0 or n_p <= 0 or b_c + b_p <= 0:
            return self
        classes = sorted([*self.classes, (round(n_c / (n_c + n_p), DECIMALS), b_c, b_p)])
        while len(classes) > CLASSES:
            gaps = [after[0] - before[0] for before, after in pairwise(classes)]
            at = gaps.index(min(gaps))
            classes[at : at + 2] = [_merged(classes[at], classes[at + 1])]
        return BadRequests(tuple(classes))

    def ratio(self, tolerance: float, phi: float) -> Ratio:
        """The interval as it stands."""
        return _ratio(self.classes, tolerance, phi)


@lru_cache(REMEMBERED)
def _ratio(classes: tuple[tuple[float, float, float], ...], tolerance: float, phi: float) -> Ratio:
    likelihood = np.zeros_like(GRID)
    for pi, b_c, b_p in classes:
        q = GRID * pi / (GRID * pi + 1 - pi)
        likelihood += (b_c * np.log(q) + b_p * np.log1p(-q)) / phi
    mixed = float(lse(likelihood + _PRIOR))
    inside = GRID[mixed - likelihood < SURPRISE]
    sure = mixed - float(likelihood[tolerance >= GRID].max())
    best = float(GRID[int(likelihood.argmax())])
    return Ratio(float(inside[0]), best, float(inside[-1]), max(0.0, sure))


def _merged(one: tuple[float, float, float], two: tuple[float, float, float]) -> tuple[float, float, float]:
    weight_one, weight_two = one[1] + one[2], two[1] + two[2]
    pi = (one[0] * weight_one + two[0] * weight_two) / (weight_one + weight_two)
    return round(pi, DECIMALS), one[1] + two[1], one[2] + two[2]
