"""How rows add up: capital that bets against the null and can grow past 1/alpha only by luck of at most alpha.

``Bets`` spreads its capital over alternatives. A part is held back and joins over time and at each stage's start: a
mixture of restarts, so that a canary which turns bad in its last stage need not first repay its good minutes. One row
may add at most a third of what an abort needs (``cap``): three rows must agree, and it stays a supermartingale.

Values are rounded to nine decimals at every step, so that a state that went through JSON is the same state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.rollout.judge.settings import LOWER, ROW_SECONDS, Floats

DECIMALS = 9


def lse(values: Floats) -> float:
    """The log of the sum of exponentials."""
    top = float(np.max(values))
    return top + float(np.log(np.sum(np.exp(values - top))))


def hazard(rate: float, seconds: float) -> float:
    """The part of the reserve that joins in a row of this length."""
    return 1 - float((1 - rate) ** (seconds / ROW_SECONDS))


@dataclass(frozen=True, slots=True)
class Bets:
    """Evidence that something is worse: log capital per alternative, the reserve, and the whole."""

    bets: tuple[float, ...]
    reserve: float
    log_e: float = 0.0

    @classmethod
    def fresh(cls, alternatives: int, active: float) -> Bets:
        """Capital 1, ``active`` of it spread evenly."""
        return cls((round(float(np.log(active / alternatives)), DECIMALS),) * alternatives, float(np.log(1 - active)))

    def step(self, gains: Floats, h: float, cap: float) -> Bets:
        """After one row: ``gains`` per alternative, the share ``h`` of the reserve joins, growth at most ``cap``."""
        joined = np.logaddexp(np.array(self.bets), self.reserve + np.log(h / len(self.bets))) + gains
        reserve = self.reserve + float(np.log1p(-h))
        total = lse(np.append(joined, reserve))
        over = max(total - self.log_e - cap, 0.0)
        return Bets(_rounded(joined - over), round(reserve - over, DECIMALS), round(total - over, DECIMALS))


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that the canary is not worse than the margin, over all stages and over this one."""

    all: tuple[float, ...]
    stage: tuple[float, ...]

    @classmethod
    def fresh(cls) -> Proof:
        """Nothing is shown yet."""
        even = (round(float(-np.log(len(LOWER))), DECIMALS),) * len(LOWER)
        return cls(even, even)

    @property
    def log_e(self) -> float:
        """Log evidence over all stages."""
        return lse(np.array(self.all))

    @property
    def stage_log_e(self) -> float:
        """Log evidence of this stage alone."""
        return lse(np.array(self.stage))

    def step(self, gains: Floats, cap: float) -> Proof:
        """After one row."""
        gained = np.minimum(gains, cap)
        return Proof(_rounded(np.array(self.all) + gained), _rounded(np.array(self.stage) + gained))

    def next_stage(self, carry: float, needed: float) -> Proof:
        """Half of the evidence is inherited: with all of it, canaries that went bad after the mirror passed."""
        even = -np.log(len(LOWER))
        carried = even + carry * (np.array(self.all) - even)
        carried = carried - max(0.0, lse(carried) - carry * needed)
        return Proof(_rounded(carried), Proof.fresh().stage)


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), DECIMALS) for value in values)
