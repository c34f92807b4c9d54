"""What the primary's last hour fixes before the canary takes traffic: how bursty it is, what is usual, what is allowed.

Counts have any leading axes and, last, rows of 15 s. Rows are put together in blocks of several lengths, because a
burst outlasts a row; a straight trend is taken out first, so that a tide is no burst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.analysis.judge.second.constants import (
    BLOCKS,
    BLOCKS_SHORT,
    BLOCKS_TO_PASS,
    DECIMALS,
    FEWEST_BLOCKS,
    FIRST,
    LADDER,
    LOWER,
    PATIENCE,
    SPREAD,
    TREND_LEAST,
    USUAL_BLOCK,
    VOTE_FIRST,
    WIDEST,
)
from bot.analysis.judge.settings import Bools, Floats, JudgeSettings, MetricLimits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """Fixed at the start; arrays end in an axis of metrics, errors first.

    Attributes:
        phi: how much wider than Poisson the primary's counts were; ``phi_pass`` of shorter blocks, ``rho`` how much of
            it comes of rows that hang together.
        usual: the primary's share of bad requests; NaN: there is no history.
        requests, bad: the primary's, over that hour.
        bursty: rows also vote.
    """

    phi: Floats
    phi_pass: Floats
    rho: Floats
    usual: Floats
    requests: Floats
    bad: Floats
    bursty: Bools


def baseline(requests: Floats, bad: Floats, settings: JudgeSettings) -> Baseline:
    """Of counts (..., metric, row); rounded, so that a baseline that went through JSON is the same one."""
    if not requests.shape[-1]:
        return unknown(requests.shape[:-1])
    phi = dispersion(requests, bad, BLOCKS)
    return Baseline(
        phi=phi.round(DECIMALS),
        phi_pass=dispersion(requests, bad, BLOCKS_TO_PASS).round(DECIMALS),
        rho=np.maximum(1.0, phi / dispersion(requests, bad, BLOCKS_SHORT)).round(DECIMALS),
        usual=usual(requests, bad).round(DECIMALS),
        requests=requests.sum(axis=-1),
        bad=bad.sum(axis=-1),
        bursty=phi > settings.vote_above,
    )


def unknown(shape: tuple[int, ...]) -> Baseline:
    """Without history: nothing is bursty, and nothing is usual."""
    one, nothing = np.ones(shape), np.zeros(shape)
    return Baseline(
        phi=one,
        phi_pass=one,
        rho=one,
        usual=np.full(shape, np.nan),
        requests=nothing,
        bad=nothing,
        bursty=np.zeros(shape, bool),
    )


def dispersion(requests: Floats, bad: Floats, lengths: Sequence[int], variance: Floats | None = None) -> Floats:
    """How much wider than independent requests the counts are, at least 1.

    Args:
        requests: (..., row).
        bad: (..., row); any sum over a row's requests.
        lengths: rows in a block; those with fewer than eight blocks say nothing.
        variance: of one request's part of ``bad``, where that is no count of rare events.
    """
    total = requests.sum(axis=-1)
    known = (bad.sum(axis=-1) > 0) & (total > 0)
    expected = trend(requests, bad)
    spread = expected if variance is None else variance[..., None] * requests
    found = np.ones(known.shape)
    for length in lengths:
        blocks = requests.shape[-1] // length
        if blocks >= FEWEST_BLOCKS:
            in_blocks = [summed(one, blocks, length) for one in (bad, expected, spread)]
            found = np.maximum(found, width(*in_blocks, rare=variance is None))
    return np.where(known, np.minimum(found, WIDEST), 1.0)


def trend(requests: Floats, bad: Floats) -> Floats:
    """What is expected of each row: the mean share with a straight trend over the hour."""
    total = np.maximum(requests.sum(axis=-1, keepdims=True), 1.0)
    share = bad.sum(axis=-1, keepdims=True) / total
    t = np.arange(requests.shape[-1], dtype=float)
    t = t - (requests * t).sum(axis=-1, keepdims=True) / total
    swing = np.maximum((requests * t**2).sum(axis=-1, keepdims=True), 1.0)
    slope = ((bad - share * requests) * t).sum(axis=-1, keepdims=True) / swing
    return np.asarray(np.maximum(share + slope * t, TREND_LEAST * share) * requests)


def summed(rows: Floats, blocks: int, length: int) -> Floats:
    """The rows of each block together."""
    return np.asarray(rows[..., : blocks * length].reshape(*rows.shape[:-1], blocks, length).sum(axis=-1))


def width(bad: Floats, expected: Floats, spread: Floats, *, rare: bool) -> Floats:
    """The blocks' variance over that of independent requests, less what chance may do."""
    blocks = bad.shape[-1]
    whole = np.maximum(spread.sum(axis=-1), 1e-12)
    chi = ((bad - expected) ** 2).sum(axis=-1) / whole * blocks / (blocks - 2)
    thin = blocks / whole if rare else 0.0
    return np.asarray(chi - SPREAD * np.sqrt((2 + thin) / blocks))


def usual(requests: Floats, bad: Floats) -> Floats:
    """The usual share of bad requests, NaN without requests; an incident in that hour does not lift it."""
    total = requests.sum(axis=-1)
    mean = np.where(total > 0, (bad.sum(axis=-1) + 0.5) / (total + 1), np.nan)
    blocks = requests.shape[-1] // USUAL_BLOCK
    if not blocks:
        return mean
    n, b = (summed(one, blocks, USUAL_BLOCK) for one in (requests, bad))
    shares = np.where(n > 0, b / np.maximum(n, 1.0), np.nan)
    answered = np.asarray((n > 0).any(axis=-1))
    median = np.nanmedian(np.where(answered[..., None], shares, 0.0), axis=-1)
    return np.asarray(np.minimum(mean, np.maximum(median, mean / 2)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """What is tolerated, by metric (axis of one alternative after it), and what each part of an abort needs.

    Attributes:
        theta, slacks: tolerance and margin, with their slacks, for each alternative of ``BOTH``.
        log_weights: of the metrics and, last, of the ceiling.
        needed: the log evidence with which one of them alone would abort; in the same order.
        home: the log evidence at which users go home; in the same order.
        first: how much the evidence of a kind and metric may rise at once; ``further``: and by every further row;
            ``first_alone``, ``further_alone``: the same where nobody is ever sent home. The ceiling's come last, as
            kinds do not apply.
    """

    tolerance: Floats
    slack: Floats
    margin: Floats
    margin_slack: Floats
    theta: Floats
    slacks: Floats
    log_weights: Floats
    needed: Floats
    home: Floats
    first: Floats
    further: Floats
    first_alone: Floats
    further_alone: Floats


def limits(
    metrics: Sequence[MetricLimits], weights: Sequence[float], home: Sequence[float], settings: JudgeSettings
) -> Limits:
    """``weights`` and ``home``: of the metrics, then of the ceiling; weights sum to one."""
    log_weights = np.log(np.asarray(weights, float))
    columns = [(one.tolerance, one.slack, one.margin, one.margin_slack) for one in metrics]
    tolerance, slack, margin, margin_slack = np.array(columns).T[..., None]
    needed = settings.needed - log_weights
    votes = _further(needed, VOTE_FIRST, settings.vote_patience)
    worse, better = len(LADDER), len(LOWER)
    alone = max(FIRST, 1 / settings.patience)  # a patience of one row needs no second
    return Limits(
        tolerance=tolerance,
        slack=slack,
        margin=margin,
        margin_slack=margin_slack,
        theta=np.repeat(np.concatenate([tolerance, margin], axis=-1), [worse, better], axis=-1),
        slacks=np.repeat(np.concatenate([slack, margin_slack], axis=-1), [worse, better], axis=-1),
        log_weights=log_weights,
        needed=needed,
        home=np.log(np.asarray(home, float)),
        first=_by_kind(needed * FIRST, needed * VOTE_FIRST),
        further=_by_kind(_further(needed, FIRST, PATIENCE), votes),
        first_alone=_by_kind(needed * alone, needed * VOTE_FIRST),
        further_alone=_by_kind(_further(needed, alone, settings.patience), votes),
    )


def _further(needed: Floats, first: float, patience: float) -> Floats:
    return needed * ((1 - first) / (patience - 1) if patience > 1 else first)


def _by_kind(value: Floats, votes: Floats) -> Floats:
    """Two kinds of evidence with one value, and votes with their own."""
    return np.stack([value, value, votes])
