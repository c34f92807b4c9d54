"""Counting series by series, for the few workloads of whom sums tell too little.

A series that is new in a window was born in it, or is an old one under a new name: its pod was relabelled, or another
scraper has found it. A counter that fell began at zero again, and with it every counter of its process.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from bot.adapters import queries
from bot.adapters.counters import Owner, sides
from bot.adapters.prometheus_link import Labels, Sample, Series
from bot.rollout.figures import SideFigures

NAME, POD, INSTANCE, BOUND = "__name__", "pod", "instance", "le"
OF_A_POD = ("namespace", queries.NAMESPACE, queries.WORKLOAD)  # names of pods are one Namespace's own

# Istio's own labels: with the pod they tell which of its counters it is, whatever else a scraper adds.
ISTIO = frozenset(
    {
        NAME,
        BOUND,
        "reporter",
        "source_workload",
        "source_workload_namespace",
        "source_principal",
        "source_app",
        "source_version",
        "source_canonical_service",
        "source_canonical_revision",
        "source_cluster",
        "destination_workload",
        "destination_workload_namespace",
        "destination_principal",
        "destination_app",
        "destination_version",
        "destination_service",
        "destination_service_name",
        "destination_service_namespace",
        "destination_canonical_service",
        "destination_canonical_revision",
        "destination_cluster",
        "request_protocol",
        "response_code",
        "response_flags",
        "grpc_response_status",
        "connection_security_policy",
    }
)

Samples = tuple[Labels, list[tuple[float, float]]]
Key = frozenset[tuple[str, str]]
Scrape = tuple[Key, Key]  # a process, and who scraped it


@dataclass(frozen=True, slots=True)
class _Seen:
    """One sample. ``fell``: the counter had begun at zero again since its last one."""

    at: float
    value: float
    scrape: Scrape
    fell: bool


@dataclass(slots=True)
class _Counter:
    """One counter of one process, by whomever it was scraped: what it read long before, and its samples since."""

    labels: Labels
    before: float | None = None
    seen: list[_Seen] = field(default_factory=list)

    @property
    def ended(self) -> float:
        """When it was seen last; long ago where only before."""
        return self.seen[-1].at if self.seen else -math.inf

    @property
    def reads(self) -> float:
        """What it read last."""
        return self.seen[-1].value if self.seen else self.before or 0.0

    def grown(self, since: float, began: float, restarts: Mapping[Scrape, AbstractSet[float]]) -> float:
        """What it counted after ``since``; ``began`` is what it read before its first sample."""
        total, reads, life = 0.0, began, 0
        lives: defaultdict[Key, int] = defaultdict(int)  # how many restarts each scraper has seen
        earlier: dict[Scrape, float] = {}  # when each scrape found it last: a restart may lie where it was not there
        for one in self.seen:
            last = earlier.get(one.scrape, -math.inf if self.before is not None else math.nextafter(one.at, -math.inf))
            lives[one.scrape[1]] += max(one.fell, sum(last < at <= one.at for at in restarts.get(one.scrape, ())))
            earlier[one.scrape] = one.at
            if lives[one.scrape[1]] < life:
                continue  # this scraper still shows the life before
            if lives[one.scrape[1]] > life:
                life, reads = lives[one.scrape[1]], 0.0
            if one.at > since:
                total += max(0.0, one.value - reads)
            reads = max(reads, one.value)
        return total


def counted(behind: Iterable[Series], inside: Iterable[Series], since: float) -> dict[Owner, SideFigures]:
    """What each owner answered after ``since``.

    Args:
        behind: every series that was there before, as it was last.
        inside: every sample since then, and of some scrapes before.
        since: seconds since the epoch.
    """
    before: dict[Key, float] = {}
    for labels, values in behind:
        before[_key(labels)] = max(*values.values(), before.get(_key(labels), 0.0))
    samples = [(labels, sorted(values.items())) for labels, values in inside]
    counters, restarts = _counters(before, samples), _restarts(before, samples)
    lines = _lines(counters.values())
    grown = [
        (one.labels, one.grown(since, _began(one, lines), restarts))
        for one in counters.values()
        if one.seen and one.ended > since
    ]
    return sides(_of(queries.REQUESTS, grown), _of(queries.BUCKETS, grown))


def _of(metric: str, grown: Iterable[Sample]) -> Iterator[Sample]:
    return ((labels, count) for labels, count in grown if labels.get(NAME) == metric)


def _restarts(before: Mapping[Key, float], samples: Iterable[Samples]) -> dict[Scrape, AbstractSet[float]]:
    """The scrapes that found a process restarted: one of its counters fell, from one scrape to the next.

    All its counters began at zero then, also one that has passed its old value already. A counter that was not there at
    the scrape between tells nothing of the others: it is the first of its kind since a restart that was seen before.
    """
    scraped: defaultdict[Scrape, set[float]] = defaultdict(set)
    for labels, seen in samples:
        scraped[_scrape(labels)].update(at for at, _ in seen)
    times = {scrape: sorted(found) for scrape, found in scraped.items()}
    found: defaultdict[Scrape, set[float]] = defaultdict(set)
    for labels, seen in samples:
        last_at, last = -math.inf, before.get(_key(labels), -math.inf)
        known = times[_scrape(labels)]
        for at, value in seen:
            if value < last and (place := bisect_left(known, at)) and known[place - 1] <= last_at:
                found[_scrape(labels)].add(at)
            last_at, last = at, value
    return dict(found)


def _counters(before: Mapping[Key, float], samples: Iterable[Samples]) -> dict[Key, _Counter]:
    found: dict[Key, _Counter] = {}
    for key, value in before.items():
        old = dict(key)
        counter = found.setdefault(_same(old), _Counter(old))
        counter.before = max(value, counter.before or 0.0)
    for labels, seen in samples:
        counter = found.setdefault(_same(labels), _Counter(labels))
        last, scrape = before.get(_key(labels), -math.inf), _scrape(labels)
        for at, value in seen:
            counter.seen.append(_Seen(at, value, scrape, value < last))
            last = value
    for counter in found.values():
        counter.seen.sort(key=lambda one: one.at)
    return found


def _lines(counters: Iterable[_Counter]) -> dict[Key | None, list[_Counter]]:
    """Counters that are one and the same but for the labels of their pod."""
    found: defaultdict[Key | None, list[_Counter]] = defaultdict(list)
    for counter in counters:
        found[_line(counter.labels)].append(counter)
    found.pop(None, None)
    return found


def _began(counter: _Counter, lines: Mapping[Key | None, list[_Counter]]) -> float:
    """What a counter read when the window began: what it did under other labels, if it is new; 0 if it was born."""
    if counter.before is not None:
        return counter.before
    first, others = counter.seen[0], lines.get(_line(counter.labels), ())
    ended = [one for one in others if one.ended < first.at and one.reads <= first.value]
    return max(ended, key=lambda one: (one.ended, one.reads)).reads if ended else 0.0


def _key(labels: Labels) -> Key:
    return frozenset(_plain(labels).items())


def _plain(labels: Labels) -> dict[str, str]:
    """With bounds as Prometheus 2 and 3 both would write them."""
    return {name: f"{float(value):g}" if name == BOUND else value for name, value in labels.items()}


def _same(labels: Labels) -> Key:
    """Which counter it is, by whomever it was scraped: without a pod's name only an instance tells pods apart."""
    scrapers = queries.SCRAPERS if labels.get(POD) else queries.REPLICAS
    return frozenset((name, value) for name, value in _plain(labels).items() if name not in scrapers)


def _line(labels: Labels) -> Key | None:
    """Which counter it is, whatever the labels of its pod are; None where its process is not known."""
    process = next((name for name in (POD, INSTANCE) if labels.get(name)), None)
    known = ISTIO | {process}
    return frozenset((name, value) for name, value in _plain(labels).items() if name in known) if process else None


def _scrape(labels: Labels) -> Scrape:
    """The process and its scraper: what one scrape finds bears the same time in every series."""
    own = POD if labels.get(POD) else INSTANCE
    process = frozenset((name, labels.get(name, "")) for name in (own, *OF_A_POD))
    return process, frozenset((name, value) for name, value in labels.items() if name in queries.SCRAPERS)
