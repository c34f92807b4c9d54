"""What counters read, and what was answered between two moments. Arithmetic on answers; nothing is asked here.

A *level* is what all counters of a side read at a moment, as one ``SideFigures``. Levels of the start and the end of a
window tell what was answered in it. The level at the end is kept as a *watermark*: when the next window begins there,
its start reads the same, unless samples of that time came late, or another replica of Prometheus answers, which
scraped earlier or later. The difference is then added, so that not a request is lost or counted twice.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from bot.adapters import queries
from bot.adapters.prometheus_connection import Labels, Sample
from bot.model.figures import CLIENT_CODES, CLIENT_ERRORS, ScrapeTarget, SideFigures

Owner = tuple[str, str]  # namespace and workload
Name = TypeVar("Name", str, float)

NOTHING = SideFigures(requests=0, errors=0)
# How much of a correction is believed, in requests and in times of what is usual for the time that came late: what is
# more is no late sample but counters that are others than before.
FEW, TIMES = 20.0, 2.0
EXACT = 1e-3  # requests; counts are whole, and sums of floating numbers nearly
COUNTLESS = 1e15  # requests in one window; up to some nine times as many a float still holds each whole number


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
    answered: defaultdict[Owner, list[Sample]] = defaultdict(list)
    for sample in answers:
        if math.isfinite(sample[1]):
            answered[owner_of(sample[0])].append(sample)
    bounds = buckets_by_owner(buckets)
    return {owner: _side(samples, bounds.get(owner, {})) for owner, samples in answered.items()}


def buckets_by_owner(samples: Iterable[Sample]) -> dict[Owner, dict[float, float]]:
    """By bound. Prometheus 3 writes ``500.0`` where 2 wrote ``500``; a window may hold both, and they are one bound."""
    found: dict[Owner, dict[float, float]] = {}
    read: dict[str, float] = {}  # bounds as they are written: there are few, and each is read once
    for labels, value in samples:
        written = labels.get("le")
        if written is not None and math.isfinite(value):
            bound = read.get(written)
            if bound is None:
                bound = read[written] = float(written)
            counts = found.setdefault(owner_of(labels), {})
            counts[bound] = counts.get(bound, 0.0) + value
    return {owner: dict(sorted(bounds.items())) for owner, bounds in found.items()}


def difference(later: SideFigures, earlier: SideFigures) -> SideFigures:
    """``later`` without ``earlier``, count by count; client errors that did not move are left out."""
    moved = _less(later.client_errors, earlier.client_errors)
    return SideFigures(
        requests=later.requests - earlier.requests,
        errors=later.errors - earlier.errors,
        buckets=_less(later.buckets, earlier.buckets),
        client_errors={code: count for code, count in moved.items() if count},
    )


def _less(later: Mapping[Name, float], earlier: Mapping[Name, float]) -> dict[Name, float]:
    if later.keys() == earlier.keys():  # nearly always
        return {name: count - earlier[name] for name, count in later.items()}
    return {name: later.get(name, 0.0) - earlier.get(name, 0.0) for name in sorted(later.keys() | earlier.keys())}


def is_odd(side: SideFigures) -> bool:
    """Whether the counts cannot be: below zero, or more under a bound than in all."""
    counts = (side.requests, side.errors, *side.buckets.values(), *side.client_errors.values())
    most = side.buckets.get(math.inf, math.inf) + EXACT
    return min(counts) < -EXACT or max(side.buckets.values(), default=0.0) > most


def is_countless(side: SideFigures) -> bool:
    """Whether it counts more than anybody can have answered: sums of such counts are exact no more."""
    return max(side.requests, side.errors, *side.buckets.values(), *side.client_errors.values()) >= COUNTLESS


def is_same(one: SideFigures, other: SideFigures) -> bool:
    """Whether all counts are alike."""
    apart = difference(one, other)
    counts = (apart.requests, apart.errors, *apart.buckets.values(), *apart.client_errors.values())
    return max(map(abs, counts)) <= EXACT


def since_watermark(
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


def _side(samples: Iterable[Sample], buckets: Mapping[float, float]) -> SideFigures:
    requests = errors = 0.0
    refused: defaultdict[str, float] = defaultdict(float)
    for labels, count in samples:
        code = labels.get(queries.CODE, "")
        requests += count
        if _is_of(code, "5") or labels.get(queries.GRPC, "") in queries.GRPC_ERRORS:
            errors += count
        if _is_of(code, "4"):
            for name in {CLIENT_ERRORS, code} & _COUNTED:
                refused[name] += count
    refusals = {code: refused[code] for code in sorted(refused)}
    return SideFigures(requests=requests, errors=errors, buckets=buckets, client_errors=refusals)


_COUNTED = frozenset({CLIENT_ERRORS, *CLIENT_CODES})


def _is_of(code: str, hundred: str) -> bool:
    return len(code) == len("500") and code.startswith(hundred)
