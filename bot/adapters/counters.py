"""What counters read, and what was answered between two moments. Arithmetic on answers; nothing is asked here.

A *level* is what all counters of a side read at a moment, as one ``SideFigures``. Levels of the start and the end of a
window tell what was answered in it. The level at the end is kept as a *watermark*: when the next window begins there,
its start reads the same, unless samples of that time came late, or another replica of Prometheus answers, which
scraped earlier or later. The difference is then added, so that not a request is lost or counted twice.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from bot.adapters import queries
from bot.adapters.prometheus_connection import Labels, Sample
from bot.model.figures import CLIENT_CODES, CLIENT_ERRORS, ScrapeTarget, SideFigures

Owner = tuple[str, str]  # namespace and workload

NOTHING = SideFigures(requests=0, errors=0)
# How much of a correction is believed, in requests and in times of what is usual for the time that came late: what is
# more is no late sample but counters that are others than before.
FEW, TIMES = 20.0, 2.0
EXACT = 1e-3  # requests; counts are whole, and sums of floating numbers nearly


def owner_of(labels: Labels) -> Owner:
    """Whose sample it is."""
    return labels.get(queries.NAMESPACE, ""), labels.get(queries.WORKLOAD, "")


def by_owner(samples: Iterable[Sample]) -> dict[Owner, float]:
    """One number for each owner; what is no number is left out."""
    return {owner_of(labels): value for labels, value in samples if math.isfinite(value)}


def targets_by_owner(samples: Iterable[Sample]) -> dict[Owner, frozenset[ScrapeTarget]]:
    """Who shows each owner's series."""
    found: defaultdict[Owner, set[ScrapeTarget]] = defaultdict(set)
    for labels, _ in samples:
        place = {name: labels.get(name, "") for name in ("namespace", "pod", "instance")}
        found[owner_of(labels)].add(ScrapeTarget(**place))
    return {owner: frozenset(targets) for owner, targets in found.items()}


def sides(answers: Iterable[Sample], buckets: Iterable[Sample]) -> dict[Owner, SideFigures]:
    """Each owner's figures from samples by HTTP code and gRPC status, and from buckets by bound."""
    found: dict[Owner, SideFigures] = {}
    for labels, value in answers:
        if math.isfinite(value):
            owner = owner_of(labels)
            found[owner] = found.get(owner, NOTHING) + _answered(labels, value)
    for owner, bounds in buckets_by_owner(buckets).items():
        if owner in found:
            found[owner] = replace(found[owner], buckets=bounds)
    return found


def buckets_by_owner(samples: Iterable[Sample]) -> dict[Owner, dict[float, float]]:
    """By bound. Prometheus 3 writes ``500.0`` where 2 wrote ``500``; a window may hold both, and they are one bound."""
    found: defaultdict[Owner, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for labels, value in samples:
        if "le" in labels and math.isfinite(value):
            found[owner_of(labels)][float(labels["le"])] += value
    return {owner: dict(sorted(bounds.items())) for owner, bounds in found.items()}


def difference(later: SideFigures, earlier: SideFigures) -> SideFigures:
    """``later`` without ``earlier``, count by count; client errors that did not move are left out."""
    moved = {
        code: later.client_errors.get(code, 0.0) - earlier.client_errors.get(code, 0.0)
        for code in sorted(later.client_errors.keys() | earlier.client_errors.keys())
    }
    return SideFigures(
        requests=later.requests - earlier.requests,
        errors=later.errors - earlier.errors,
        buckets={
            bound: later.buckets.get(bound, 0.0) - earlier.buckets.get(bound, 0.0)
            for bound in sorted(later.buckets.keys() | earlier.buckets.keys())
        },
        client_errors={code: count for code, count in moved.items() if count},
    )


def is_odd(side: SideFigures) -> bool:
    """Whether the counts cannot be: below zero, or more under a bound than in all."""
    counts = (side.requests, side.errors, *side.buckets.values(), *side.client_errors.values())
    most = side.buckets.get(math.inf, math.inf) + EXACT
    return min(counts) < -EXACT or max(side.buckets.values(), default=0.0) > most


def is_same(one: SideFigures, other: SideFigures) -> bool:
    """Whether all counts are alike."""
    apart = difference(one, other)
    counts = (apart.requests, apart.errors, *apart.buckets.values(), *apart.client_errors.values())
    return max(map(abs, counts)) <= EXACT


def closed(
    side: SideFigures, *, began: SideFigures, watermark: SideFigures, ended: SideFigures, rate: float, spacing: float
) -> tuple[SideFigures | None, SideFigures]:
    """What was answered since the watermark, and the watermark for the next window.

    Args:
        side: what was answered in the window.
        began: the level at the window's start, as it is known now.
        ended: the level at the window's end.
        watermark: the level at the window's start, as it was known when the last window was kept.
        rate: requests a second that are usual; 0 where that is not known.
        spacing: seconds between two scrapes.

    Tells None where the levels have nothing to do with each other: they are of other counters.
    """
    late = difference(began, watermark)
    # When the newest sample was taken, as it was known then and as it is known now: 0 where nothing came late.
    seconds = side.first - watermark.last if side.first is not None and watermark.last is not None else 0.0
    if abs(late.requests) > FEW + TIMES * rate * (abs(seconds) + spacing):
        return None, ended
    total = side + late
    if min(total.requests, total.errors, *total.buckets.values(), *total.client_errors.values()) >= -EXACT:
        return total, ended
    # Whoever answers has not come as far as what is counted already: it is not counted twice when it has.
    owed = _part(total, below=True)
    return _part(total, below=False), difference(ended, owed)


def _part(side: SideFigures, *, below: bool) -> SideFigures:
    """The counts below zero, or those above."""

    def kept(count: float) -> float:
        return min(count, 0.0) if below else max(count, 0.0)

    return SideFigures(
        requests=kept(side.requests),
        errors=kept(side.errors),
        buckets={bound: kept(count) for bound, count in side.buckets.items()},
        client_errors={code: kept(count) for code, count in side.client_errors.items()},
    )


def _answered(labels: Labels, count: float) -> SideFigures:
    code, status = labels.get(queries.CODE, ""), labels.get(queries.GRPC, "")
    failed = _is_of(code, "5") or status in queries.GRPC_ERRORS
    refused = {name: count for name in (CLIENT_ERRORS, code) if name in (CLIENT_ERRORS, *CLIENT_CODES)}
    return SideFigures(
        requests=count, errors=count if failed else 0.0, client_errors=refused if _is_of(code, "4") else {}
    )


def _is_of(code: str, hundred: str) -> bool:
    return len(code) == len("500") and code.startswith(hundred)
