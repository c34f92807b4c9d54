"""How rows add up to a pass: bets that the canary is within its margin of the primary, now and in its last hour.

The first bet is that it is exactly like the primary (its factor is the root of a quadratic, informed by the primary's
share so far), three more that it has a small part of what the margin allows; and the same four against a share that is
known, the primary's usual one. Their mean is valid where a canary is beyond both; two point checks (``within``) keep
short what passes because only the primary has recovered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P
from bot.analysis.judge.processes import lse
from bot.analysis.judge.second.baseline import Baseline, Limits
from bot.analysis.judge.second.constants import DECIMALS, EACH_LOWER, INFORMED, LOWER
from bot.analysis.judge.settings import Bools, Floats

HALF = np.array([INFORMED, *[EACH_LOWER] * len(LOWER)])
NOTHING = -1e6  # the log of a weight that is none: a number that JSON can write
_LARGEST, _LEAST = -1e-6, -0.999
_LOG_LOWER = np.log(LOWER)


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Log capital by component (last axis): of the rollout, and of this stage."""

    all: Floats
    here: Floats

    def step(self, gains: Floats) -> Proof:
        """After one row."""
        return Proof((self.all + gains).round(DECIMALS), (self.here + gains).round(DECIMALS))

    def carried(self, weights: Floats, carry: float, needed: float) -> Proof:
        """What the next stage inherits: half of what a pass needs at most."""
        lowered = weights + carry * (self.all - weights)
        over = np.maximum(lse(lowered) - carry * needed, 0.0)
        return Proof((lowered - over[..., None]).round(DECIMALS), weights)

    def again(self, weights: Floats) -> Proof:
        """With a second start: half of the capital that a new rollout has."""
        return replace(self, all=np.logaddexp(self.all, halved(weights)).round(DECIMALS))


def log_weights(base: Baseline) -> Floats:
    """By metric and component; where nothing is usual, the claims about now have all of it."""
    known = np.log(np.concatenate([HALF, HALF]))
    alone = np.concatenate([np.log(2 * HALF), np.full(len(HALF), NOTHING)])
    return np.asarray(np.where(np.isnan(base.usual)[..., None], alone, known).round(DECIMALS))


def halved(weights: Floats) -> Floats:
    """The start of a probation."""
    return np.asarray((weights - np.log(2)).round(DECIMALS))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Absolute:
    """The factors of the bets against the limit that the primary's usual share makes, by metric and alternative.

    Attributes:
        bad, requests: what a bad request, and any, of the canary adds; nothing where no share is known.
    """

    bad: Floats
    requests: Floats


def absolute_of(base: Baseline, limits: Limits) -> Absolute:
    """Against ``margin`` times the usual share, and its slack."""
    usual = base.usual[..., None]
    limit = limits.margin * usual + limits.margin_slack
    like = np.log(np.clip(usual / limit, 0.001, 0.999))
    log_q = np.concatenate([like, np.broadcast_to(_LOG_LOWER, (*like.shape[:-1], len(LOWER)))], axis=-1)
    known = ~np.isnan(limit)
    return Absolute(bad=np.where(known, log_q, 0.0), requests=np.where(known, limit * -np.expm1(log_q), 0.0))


def gains(
    counts: Floats, better: Floats, so_far: Floats, base: Baseline, limits: Limits, absolute: Absolute, most: float
) -> Floats:
    """Of a row, by metric and component.

    Args:
        counts: (..., metric, column of ``evidence``).
        better: of ``row_evidence.both_ways``.
        so_far: the primary's requests and bad ones since the rollout began.
        base: the primary's last hour.
        limits: what is tolerated.
        absolute: of these two.
        most: what a row may add.
    """
    known = counts[..., B_C, None] * absolute.bad + counts[..., N_C, None] * absolute.requests
    parts = [informed(counts, so_far, base, limits)[..., None], better, known]
    return np.minimum(np.concatenate(parts, axis=-1) / base.phi_pass[..., None], most)


def informed(counts: Floats, so_far: Floats, base: Baseline, limits: Limits) -> Floats:
    """The bet on "exactly like the primary"."""
    n_c, b_c, n_p, b_p = (counts[..., column] for column in range(4))
    share = (base.bad + 0.5 + so_far[..., 1]) / (base.requests + 1 + so_far[..., 0])
    margin, slack = limits.margin[..., 0], limits.margin_slack[..., 0]
    comparable = (n_c > 0) & (n_p > 0)
    t = margin * np.where(comparable, n_c / np.maximum(n_p, 1.0), 1.0)
    k = root(share, margin, slack, t)
    gain = b_c * np.log1p(k) + b_p * np.log1p(-t * k) - n_c * slack * k
    return np.asarray(gain * comparable)


def root(share: Floats, margin: Floats, slack: Floats, t: Floats) -> Floats:
    """The factor that grows fastest at this share of bad requests, from -0.999 to nearly 0."""
    a = slack * t
    b = -share * t - share * margin - slack * (1 - t)
    c = share - share * margin - slack
    quadratic = 2 * c / (-b + np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))
    return np.maximum(np.minimum(quadratic, _LARGEST), _LEAST)  # where a is 0 this is -c / b as well


def within(totals: Floats, limits: Limits) -> Bools:
    """By metric: whether these counts themselves look within the margin."""
    share = totals[..., B_P] / np.maximum(totals[..., N_P], 1.0)
    most = (limits.margin[..., 0] * share + limits.margin_slack[..., 0]) * totals[..., N_C]
    return np.asarray(totals[..., B_C] <= most)
