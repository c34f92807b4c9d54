"""Typical latency, from all buckets of a histogram: a question to people, never an abort.

A request's score is its log latency as far as buckets know it, 0 to 1: the sum of the weights of the bounds that it is
slower than. How far a version that is ten per cent slower moves the mean score is read off the primary's last hour,
with the distribution taken for log-normal between neighbouring bounds; then the canary's mean score is compared with
the primary's now. Bounds that nearly all or nearly no requests are beyond say nothing about what is typical.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bot.analysis.judge.second.baseline import dispersion
from bot.analysis.judge.second.constants import BLOCKS, FINE, STRETCH, STRETCH_MEMORY, STRETCHES
from bot.analysis.judge.settings import Bools, Floats

USED = (0.02, 0.98)  # shares of requests beyond a bound between which it says something
BEYOND = 0.35  # how far the outermost buckets are taken to go on, in logs
MOST_AT_STAKE = 0.7
LEAST = 1e-9
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Typical:
    """The primary's last hour; scores end in an axis of buckets, shifts in one of ``STRETCHES``.

    Attributes:
        allowed: how far the mean score may be above the primary's.
        shifts: how far beyond that a version is which is so many times slower.
        mean, variance: of a request's score.
        phi: how much more than independent requests the scores of rows spread.
        used: whether any bound says something.
    """

    scores: Floats
    allowed: Floats
    shifts: Floats
    mean: Floats
    variance: Floats
    phi: Floats
    used: Bools


def typical(bounds: Floats, slower: Floats, requests: Floats) -> Typical:
    """From the history.

    Args:
        bounds: of the histogram's buckets, ascending, in any unit; at least one.
        slower: requests beyond each (..., bound, row).
        requests: (..., row).
    """
    total = requests.sum(axis=-1)
    share = slower.sum(axis=-1) / np.maximum(total, 1.0)[..., None]
    weights, used = _weights(np.log(bounds), share)
    scores = np.concatenate([np.zeros((*weights.shape[:-1], 1)), np.cumsum(weights, axis=-1)], axis=-1)
    one = np.ones((*share.shape[:-1], 1))
    buckets = np.concatenate([one, share], axis=-1) - np.concatenate([share, 0 * one], axis=-1)
    mean = (buckets * scores).sum(axis=-1)
    variance = np.maximum((buckets * scores**2).sum(axis=-1) - mean**2, 1e-6)
    moved = {times: (weights * _stretched(bounds, share, total, times)).sum(axis=-1) for times in (STRETCH, *STRETCHES)}
    summed = (weights[..., None] * slower).sum(axis=-2)
    return Typical(
        scores=scores.round(FINE),
        allowed=np.asarray(moved[STRETCH] - mean).round(FINE),
        shifts=np.stack([moved[times] - moved[STRETCH] for times in STRETCHES], axis=-1).round(FINE),
        mean=np.asarray(mean).round(FINE),
        variance=np.asarray(variance).round(FINE),
        phi=dispersion(requests, summed, BLOCKS, variance).round(FINE),
        used=used,
    )


def _weights(logs: Floats, share: Floats) -> tuple[Floats, Bools]:
    """By bound, summing to one: the log latency from the middle of the bucket below it to that of the one above."""
    middles = np.concatenate([[logs[0] - BEYOND], (logs[:-1] + logs[1:]) / 2, [logs[-1] + BEYOND]])
    says = (share >= USED[0]) & (share <= USED[1])
    found = np.where(says, np.diff(middles), 0.0)
    return found / np.maximum(found.sum(axis=-1, keepdims=True), 1e-12), np.asarray(says.any(axis=-1))


def _stretched(bounds: Floats, share: Floats, total: Floats, times: float) -> Floats:
    """The share beyond each bound if everything took so many times as long: straight lines of probits in log time."""
    least = (0.5 / np.maximum(total, 1.0))[..., None]
    probits = _each(_NORMAL.inv_cdf, np.clip(share, least, 1 - least))
    if len(bounds) == 1:
        return share
    slopes = np.diff(probits, axis=-1) / np.diff(np.log(bounds))
    slopes = np.concatenate([slopes[..., :1], slopes], axis=-1)
    return np.maximum(share, _each(_NORMAL.cdf, probits - np.log(times) * slopes))


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    return np.asarray(np.vectorize(function, otypes=[float])(values))


def gains(canary: Floats, primary: Floats, mean: Floats, base: Typical) -> Floats:
    """Of a row, by stretch; ``canary``, ``primary``: requests by bucket, ``mean``: the primary's score lately."""
    n_c, n_p = canary.sum(axis=-1), primary.sum(axis=-1)
    comparable = (n_c > 0) & (n_p > 0) & base.used
    r = np.where(comparable, n_c / np.maximum(n_p, 1.0), 1.0)[..., None]
    at_stake = np.minimum(base.shifts / (base.variance[..., None] * (1 + r)), MOST_AT_STAKE / np.maximum(1.0, r))
    above = base.scores - mean[..., None]
    theirs = np.log(np.maximum(1 + at_stake[..., None] * (above - base.allowed[..., None])[..., None, :], LEAST))
    others = np.log(np.maximum(1 - (at_stake * r)[..., None] * above[..., None, :], LEAST))
    found = (canary[..., None, :] * theirs + primary[..., None, :] * others).sum(axis=-1)
    return np.asarray(found / base.phi[..., None] * comparable[..., None])


def followed(mean: Floats, primary: Floats, base: Typical) -> Floats:
    """The primary's mean score after a row of it."""
    requests = primary.sum(axis=-1)
    row = (primary * base.scores).sum(axis=-1) / np.maximum(requests, 1.0)
    return np.asarray(mean + np.minimum(requests / STRETCH_MEMORY, 0.5) * (row - mean))
