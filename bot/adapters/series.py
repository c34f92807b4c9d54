"""Counting series by series, for the few workloads of whom sums tell too little.

A series that is new in a window was born in it, or is an old one under a new name: its pod was relabelled, or another
scraper has found it. A counter that fell began at zero again, and with it every counter of its process.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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

Key = frozenset[tuple[str, str]]
Scrape = tuple[Key, Key]  # a process, and who scraped it


@dataclass(slots=True)
class _Counter:
    """One counter of one process, by whomever it was scraped: what it read before the window, and since."""

    labels: Labels
    before: float | None = None
    seen: list[tuple[float, float, Scrape]] = field(default_factory=list)  # time, value, and of which scrape

    @property
    def first(self) -> float:
        return self.seen[0][0]

    @property
    def ended(self) -> float:
        """When it was seen last; long ago where only before the window."""
        return self.seen[-1][0] if self.seen else -math.inf

    @property
    def reads(self) -> float:
        return self.seen[-1][1] if self.seen else self.before or 0.0

    def grown(self, restarts: Mapping[Scrape, frozenset[float]], began: float) -> float:
        """What it counted in the window, from ``began`` on."""
        total, reads, life = 0.0, began, 0
        lives: defaultdict[Scrape, int] = defaultdict(int)  # how many restarts each scraper has seen
        for at, value, scrape in self.seen:
            if at in restarts.get(scrape, frozenset()):
                lives[scrape] += 1
            if lives[scrape] < life:
                continue  # this scraper still shows the life before
            if lives[scrape] > life:
                life, reads = lives[scrape], 0.0
            total += max(0.0, value - reads)
            reads = max(reads, value)
        return total


def counted(behind: Iterable[Series], inside: Iterable[Series]) -> dict[Owner, SideFigures]:
    """What each owner answered in a window.

    Args:
        behind: every series that was there before the window, as it was last.
        inside: every sample of the window.
    """
    before = {_key(labels): max(values.values()) for labels, values in behind}
    samples = [(labels, sorted(values.items())) for labels, values in inside]
    restarts = _restarts(before, samples)
    counters = _counters(before, samples)
    lines = _lines(counters.values())
    grown = [(one.labels, one.grown(restarts, _began(one, lines))) for one in counters.values() if one.seen]
    return sides(_of(queries.REQUESTS, grown), _of(queries.BUCKETS, grown))


def _of(metric: str, grown: Iterable[Sample]) -> Iterator[Sample]:
    return ((labels, count) for labels, count in grown if labels.get(NAME) == metric)


def _restarts(
    before: Mapping[Key, float], samples: Iterable[tuple[Labels, list[tuple[float, float]]]]
) -> dict[Scrape, frozenset[float]]:
    """The scrapes at which a counter of a process was found to have fallen."""
    found: defaultdict[Scrape, set[float]] = defaultdict(set)
    for labels, seen in samples:
        last = before.get(_key(labels), -math.inf)
        for at, value in seen:
            if value < last:
                found[_scrape(labels)].add(at)
            last = value
    return {scrape: frozenset(times) for scrape, times in found.items()}


def _counters(
    before: Mapping[Key, float], samples: Iterable[tuple[Labels, list[tuple[float, float]]]]
) -> dict[Key, _Counter]:
    found: dict[Key, _Counter] = {}
    for key, value in before.items():
        old = dict(key)
        counter = found.setdefault(_same(old), _Counter(old))
        counter.before = max(value, counter.before or 0.0)
    for labels, seen in samples:
        counter = found.setdefault(_same(labels), _Counter(labels))
        counter.seen.extend((at, value, _scrape(labels)) for at, value in seen)
    for counter in found.values():
        counter.seen.sort(key=lambda one: one[0])
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
    others = lines.get(_line(counter.labels), ())
    ended = [one for one in others if one.ended < counter.first and one.reads <= counter.seen[0][1]]
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
