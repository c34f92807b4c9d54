"""How rows add up: capital that bets against the null and can grow past 1/alpha only by luck of at most alpha.

``Worse`` spreads its capital over alternatives. A part is held back and joins over time and at each stage's start: a
mixture of restarts, so that a canary which turns bad in its last stage need not first repay its good minutes. One row
may add at most a part of what an abort needs (``cap``, a third by default): that many rows must agree, and it stays a
supermartingale. The cap is what forgives a blip, and an incident that one side's scrape shows before the other's. It
takes from the reserve as well, which a blip of thousands of errors leaves with nothing: whoever must also see a relapse
lets the cap spare it (``spare``). Both are valid bets.

``NotWorse`` is the mirror image for a pass: evidence that the canary is better than the margin, overall and in this
stage.

Both are frozen values over one or more metrics (leading axes) and alternatives (last axis). Values are rounded to nine
decimals at every step, so that a state that went through JSON is the same state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bot.analysis.judge.settings import LOWER, ROW_SECONDS, Bools, Floats

DECIMALS = 9
MOST_JOINING = 1 - 1e-12
EVEN = -float(np.log(len(LOWER)))  # log capital of each alternative of ``NotWorse`` at its start


def lse(values: Floats) -> Floats:
    """The log of the sum of exponentials over the last axis."""
    total: Floats = np.logaddexp.reduce(values, axis=-1)
    return total


def hazard(rate: float, seconds: float) -> float:
    """The part of the reserve that joins in a row of this length; after days of silence still not quite all."""
    return min(1 - float((1 - rate) ** (seconds / ROW_SECONDS)), MOST_JOINING)


@dataclass(frozen=True, slots=True, eq=False)
class Worse:
    """Evidence that something is worse than allowed: log capital per alternative, the reserve, and the whole."""

    active: Floats
    reserve: Floats
    log_e: Floats

    @classmethod
    def fresh(cls, shape: tuple[int, ...], active: float) -> Worse:
        """Capital 1 each, ``active`` of it spread evenly over the alternatives (last axis of ``shape``)."""
        whole = np.zeros(shape[:-1])
        each = np.full(shape, np.log(active / shape[-1]))
        return cls(each.round(DECIMALS), (whole + np.log(1 - active)).round(DECIMALS), whole)

    def step(self, gains: Floats, h: float, cap: Floats, *, spare: bool = False) -> Worse:
        """After one row: ``gains`` per alternative, the share ``h`` of the reserve joins, growth at most ``cap``.

        What is above the cap is taken from everything alike, or with ``spare`` from the alternatives alone.
        """
        joining = self.reserve + math.log(h / self.active.shape[-1])
        active = np.logaddexp(self.active, joining[..., None]) + gains
        reserve = self.reserve + math.log1p(-h)
        total = np.logaddexp(lse(active), reserve)
        over = np.maximum(total - self.log_e - cap, 0.0)
        whole = (total - over).round(DECIMALS)
        if not spare:
            return Worse((active - over[..., None]).round(DECIMALS), (reserve - over).round(DECIMALS), whole)
        # Where a row was capped the reserve is a smaller part of the whole than it was of the whole before.
        share = np.where(over > 0, reserve - whole, -np.inf)
        fewer = np.where(over > 0, whole + np.log1p(-np.exp(share)) - lse(active), 0.0)
        return Worse((active + fewer[..., None]).round(DECIMALS), reserve.round(DECIMALS), whole)

    def joined(self, other: Worse) -> Worse:
        """With further metrics (first axis)."""
        return Worse(
            np.concatenate([self.active, other.active]),
            np.concatenate([self.reserve, other.reserve]),
            np.concatenate([self.log_e, other.log_e]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class NotWorse:
    """Evidence that the canary is not worse than the margin, over all stages and over this one."""

    all: Floats
    stage: Floats

    @classmethod
    def fresh(cls, metrics: int) -> NotWorse:
        """Nothing is shown yet."""
        even = np.full((metrics, len(LOWER)), round(EVEN, DECIMALS))
        return cls(even, even)

    def step(self, gains: Floats, cap: float) -> NotWorse:
        """After one row; a single good row is not believed beyond ``cap``."""
        gained = np.minimum(gains, cap)
        return NotWorse((self.all + gained).round(DECIMALS), (self.stage + gained).round(DECIMALS))

    def next_stage(self, carry: float, needed: float) -> NotWorse:
        """Half of the evidence needed is inherited: with all of it, canaries that went bad after the mirror passed."""
        carried = EVEN + carry * (self.all - EVEN)
        carried = carried - np.maximum(lse(carried) - carry * needed, 0.0)[..., None]
        return NotWorse(carried.round(DECIMALS), NotWorse.fresh(len(self.all)).stage)

    def shown(self, needed: float) -> Bools:
        """Per metric: enough evidence overall, and none against it in this stage."""
        return (lse(self.all) >= needed) & (lse(self.stage) >= 0)

    def joined(self, other: NotWorse) -> NotWorse:
        """With further metrics (first axis)."""
        return NotWorse(np.concatenate([self.all, other.all]), np.concatenate([self.stage, other.stage]))
