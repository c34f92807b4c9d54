"""What one row says about "worse than allowed", three ways: the gains that ``mixture`` and ``shield`` add up.

``WORSE``: than the primary in this very row (``judge.evidence``), over the burst factor. ``USUAL``: than the primary's
usual share, or its share lately if that is less; so what was bad for a minute and is quiet now is forgotten by the next
requests instead of the next errors. ``VOTES``: the first once more, but a row counts as one event at most. Each kind is
valid by itself, and so is the least of the first two.
"""

from __future__ import annotations

import numpy as np

from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P, originals, relative
from bot.analysis.judge.second.arrays import any_of
from bot.analysis.judge.second.baseline import Baseline, Limits
from bot.analysis.judge.second.constants import BOTH, LADDER
from bot.analysis.judge.settings import Bools, Floats

WORSE, USUAL, VOTES = range(3)
ALL_KINDS = 3
_LOG_LADDER = np.log(LADDER)
_ABOVE = LADDER - 1


def both_ways(counts: Floats, limits: Limits, limited: Bools) -> tuple[Floats, Floats]:
    """``evidence.relative`` of a row: beyond what is tolerated (``LADDER``), and within the margin (``LOWER``).

    Args:
        counts: (..., metric, column of ``evidence``).
        limits: what is tolerated.
        limited: by rollout, whether the canary's copies are of some requests only (``evidence.originals``).
    """
    found = relative(counts, limits.theta, limits.slacks, BOTH)
    worse, better = found[..., : len(LADDER)], found[..., len(LADDER) :]
    if any_of(limited):
        fair = relative(originals(counts), limits.tolerance, limits.slack, LADDER)
        worse = np.where(limited[..., None, None], fair, worse)
    return worse, better


def gains(counts: Floats, worse: Floats, lately: Floats, base: Baseline, limits: Limits, *, votes: bool) -> Floats:
    """Of a row and each alternative: (..., kind, metric, alternative), ``VOTES`` only where they are wanted.

    Args:
        counts: (..., metric, column of ``evidence``).
        worse: of ``both_ways``.
        lately: as ``counts``, of the rows before with less and less weight.
        base: the primary's last hour.
        limits: what is tolerated.
        votes: whether rows of any metric vote.
    """
    phi = base.phi[..., None]
    kinds = [worse / phi, usually(counts, lately, base, limits, worse) / phi]
    if votes:
        events = np.maximum(counts[..., B_C] + counts[..., B_P], 1.0) * base.rho
        kinds.append(worse / events[..., None])
    found = np.empty((*worse.shape[:-2], len(kinds), *worse.shape[-2:]))
    for kind, of_kind in enumerate(kinds):
        found[..., kind, :, :] = of_kind
    return found


def usually(counts: Floats, lately: Floats, base: Baseline, limits: Limits, worse: Floats) -> Floats:
    """Against the primary's usual share; where none is known, what the row itself says."""
    now = (lately[..., B_P] + 1) / np.maximum(lately[..., N_P], 1.0)
    share = np.minimum(base.usual, now)[..., None]
    allowed = limits.tolerance * share + limits.slack
    found = counts[..., B_C, None] * _LOG_LADDER - counts[..., N_C, None] * allowed * _ABOVE
    return np.where(np.isnan(share), worse, found)
