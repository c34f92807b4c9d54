"""Latency histograms: cumulative counts by upper bound in milliseconds, the last bound being infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping

# Shares of the reference's requests above the two bounds that are chosen when none are configured.
TAILS = (0.10, 0.01)


def slower(buckets: Mapping[float, float], bound: float) -> float | None:
    """Requests slower than ``bound`` milliseconds, exact where it is a bucket's bound; None where it is not."""
    if bound not in buckets:
        return None
    return max(buckets.values()) - buckets[bound]


def tail_bounds(buckets: Mapping[float, float]) -> tuple[float, ...]:
    """The smallest bounds with at most 10 % and at most 1 % of the requests above them (equal ones once)."""
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return ()
    chosen = []
    for tail in TAILS:
        within = [bound for bound in sorted(buckets) if math.isfinite(bound) and total - buckets[bound] <= tail * total]
        chosen.extend(within[:1])
    return tuple(dict.fromkeys(chosen))


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """A latency quantile in milliseconds by linear interpolation inside its bucket, as Prometheus does it.

    None without requests. A quantile in the last bucket is that bucket's lower bound.
    """
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return None
    rank, below_bound, below = share * total, 0.0, 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return below_bound
            inside = buckets[bound] - below
            return below_bound + (bound - below_bound) * ((rank - below) / inside if inside else 1.0)
        below_bound, below = bound, buckets[bound]
    return below_bound
