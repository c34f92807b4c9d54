"""How bursty errors are, from the primary's own past, before the canary takes traffic.

Errors that come in clusters make a Poisson test too sure. ``phi`` is how much wider than Poisson the counts are, at the
worst of several block lengths: long blocks matter, because a burst outlasts a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bot.analysis.judge.settings import Floats

BLOCKS = (1, 2, 4, 8)  # rows per block
FEWEST_BLOCKS = 8
WIDEST = 1000.0


def dispersion(requests: Sequence[float], bad: Sequence[float]) -> float:
    """``phi``: 1 where errors are independent or there is too little history to tell."""
    n, b = np.asarray(requests, float), np.asarray(bad, float)
    if n.sum() <= 0 or b.sum() <= 0:
        return 1.0
    share = b.sum() / n.sum()
    widths = [width for length in BLOCKS if (width := _width(n, b, share, length)) is not None]
    return float(np.clip(max([1.0, *widths]), 1.0, WIDEST))


def _width(n: Floats, b: Floats, share: float, length: int) -> float | None:
    blocks = len(n) // length
    if blocks < FEWEST_BLOCKS:
        return None
    expected = share * n[: blocks * length].reshape(blocks, length).sum(axis=1)
    counted = b[: blocks * length].reshape(blocks, length).sum(axis=1)
    if expected.sum() <= 0:
        return None
    chi = float(((counted - expected) ** 2).sum() / expected.sum() * blocks / (blocks - 1))
    return chi - float(np.sqrt((2 + 1 / expected.mean()) / blocks))
