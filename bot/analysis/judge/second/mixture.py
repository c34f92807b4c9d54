"""How rows add up to an abort: capital that bets on every alternative, capped by its level instead of by the row.

``most`` is how high the evidence may stand. From no earlier level may it rise by more than ``first`` at once, and by
``step`` for every further row: a total failure takes as many rows as patience says, and a short one, however bad, no
more than half of what an abort needs. What is above is taken from the alternatives alone, so the reserve for late
faults is untouched by a blip. ``most`` is known before the row, so lowering capital to meet it keeps a supermartingale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.analysis.judge.processes import lse
from bot.analysis.judge.second.arrays import any_of, rounded
from bot.analysis.judge.second.constants import DECIMALS
from bot.analysis.judge.settings import ROW_SECONDS, Floats

MOST_JOINING = 1 - 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Log capital: by alternative (last axis), in reserve, all together (``log_e``), and the cap on that."""

    active: Floats
    reserve: Floats
    log_e: Floats
    most: Floats

    def step(self, gains: Floats, h: Floats, first: Floats, step: Floats) -> Mixture:
        """After one row, in which the share ``h`` of the reserve joins; arguments broadcast to ``log_e``."""
        most = np.minimum(self.most + step, self.log_e + first)
        joining = self.reserve + np.log(h / self.active.shape[-1])
        active = np.logaddexp(self.active, joining[..., None]) + gains
        reserve = self.reserve + np.log1p(-h)
        bets = lse(active)
        log_e = np.logaddexp(bets, reserve)
        over = log_e > most
        if any_of(over):
            room = np.where(over, reserve - most, -1.0)  # the reserve is below the cap: it was below an earlier level
            lowered = most + np.log1p(-np.exp(np.minimum(room, -1e-9))) - bets
            active = active + np.where(over, lowered, 0.0)[..., None]
            log_e = np.where(over, most, log_e)
        return Mixture(active.round(DECIMALS), rounded(reserve), rounded(log_e), rounded(np.asarray(most)))


def fresh(shape: tuple[int, ...], active: float, first: Floats) -> Mixture:
    """Capital 1 each, ``active`` of it spread evenly over the alternatives (last axis of ``shape``)."""
    whole = np.zeros(shape[:-1])
    return Mixture(
        np.full(shape, np.log(active / shape[-1])).round(DECIMALS),
        (whole + np.log(1 - active)).round(DECIMALS),
        whole,
        (whole + first).round(DECIMALS),
    )


def joining(rate: float, seconds: Floats) -> Floats:
    """The part of the reserve that joins in a row of this length."""
    return np.minimum(1 - (1 - rate) ** (seconds / ROW_SECONDS), MOST_JOINING)
