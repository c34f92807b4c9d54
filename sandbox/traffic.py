"""What users did to a cluster, worked out from its routes instead of measured, and what scrapes make of it.

``Traffic`` keeps since when which pod gets how many requests, and how many of them fail. ``Scraped`` is what a
Prometheus has of that: samples at the moments of its scrapes, of counters that only know whole requests. The clock is
an argument: an hour of a rehearsal may pass in a millisecond.
"""

from __future__ import annotations

import hashlib
import math
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from sandbox.promql import Labels, Matcher, Point, Series

BUCKETS = {"5": 0.2, "10": 0.5, "25": 0.8, "50": 0.95, "100": 0.99, "250": 0.995, "500": 0.999, "+Inf": 1.0}
REQUESTS, LATENCY, BUILD = "istio_requests_total", "istio_request_duration_milliseconds_bucket", "istio_build"
SCRAPE_SECONDS = 5.0

Counts = tuple[int, int]  # requests, and those that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Requests per second by target from a moment on, and the share of a workload's that fails.

    A target is a pod, as ``workload/pod``, or a whole workload; one that is not named is not there to be scraped.
    """

    since: float
    rates: Mapping[str, float]
    bad: Mapping[str, float]


@dataclass(slots=True)
class Traffic:
    """What users did so far.

    Attributes:
        lock: held by whoever adds to it, and by whoever works out what was: what is past does not change.
    """

    clock: Callable[[], float]
    lock: threading.RLock = field(default_factory=threading.RLock)
    stretches: list[Stretch] = field(default_factory=list)
    restarted: dict[str, list[float]] = field(default_factory=dict)  # when a workload's counters began at zero again
    _ends: dict[str, list[tuple[float, float]]] = field(
        default_factory=dict
    )  # by target: sums until each stretch's end
    _targets: tuple[int, dict[str, tuple[float, float]]] = (0, {})  # as of so many stretches

    def now(self, rates: Mapping[str, float] | None = None, bad: Mapping[str, float] | None = None) -> None:
        """From now on these rates, or these shares of failures; what is None goes on as it was."""
        with self.lock:
            at = self.clock()
            last = self.stretches[-1] if self.stretches else Stretch(since=at, rates={}, bad={})
            changed = replace(last, rates=last.rates if rates is None else rates, bad=last.bad if bad is None else bad)
            if changed != last or not self.stretches:
                self.stretches.append(replace(changed, since=at))

    def restart(self, workload: str) -> None:
        """Its pods restart: counters begin at zero, and what was not scraped is lost."""
        with self.lock:
            self.restarted.setdefault(workload, []).append(self.clock())

    def targets(self) -> Mapping[str, tuple[float, float]]:
        """Every target so far, from when until when it was there."""
        with self.lock:
            if self._targets[0] != len(self.stretches):
                found: dict[str, tuple[float, float]] = {}
                for stretch, after in zip_longest(self.stretches, self.stretches[1:]):
                    end = after.since if after else math.inf
                    found |= {name: (found.get(name, (stretch.since, end))[0], end) for name in stretch.rates}
                self._targets = (len(self.stretches), found)
            return self._targets[1]

    def counted(self, target: str, at: float) -> Counts:
        """What a target's counters read at a moment."""
        zero = max((when for when in self.restarted.get(_workload(target), ()) if when <= at), default=None)
        total, failed = self._until(target, at)
        before = (0.0, 0.0) if zero is None else self._until(target, zero)
        return math.floor(total - before[0] + 1e-6), math.floor(failed - before[1] + 1e-6)

    def _until(self, target: str, at: float) -> tuple[float, float]:
        ends = self._ends.setdefault(target, [])
        for number in range(len(ends), len(self.stretches) - 1):  # the last one still grows
            total, failed = ends[-1] if ends else (0.0, 0.0)
            more = self._part(number, target, self.stretches[number + 1].since)
            ends.append((total + more[0], failed + more[1]))
        number = bisect_right(self.stretches, at, key=lambda stretch: stretch.since) - 1
        if number < 0:
            return 0.0, 0.0
        total, failed = ends[number - 1] if number else (0.0, 0.0)
        more = self._part(number, target, at)
        return total + more[0], failed + more[1]

    def _part(self, number: int, target: str, until: float) -> tuple[float, float]:
        stretch = self.stretches[number]
        requests = max(0.0, until - stretch.since) * stretch.rates.get(target, 0.0)
        return requests, requests * stretch.bad.get(_workload(target), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraping:
    """How a workload's scrapes go from a moment on.

    Attributes:
        seconds: how long each takes; its samples are of the moment at which it began.
        lost: the share of them that fails.
        late: the page is written at the end of that time, and not at its beginning.
    """

    since: float
    seconds: float = 0.0
    lost: float = 0.0
    late: bool = False


AT_ONCE = Scraping(since=-math.inf)


@dataclass(slots=True)
class _Taken:
    """The scrapes of one target so far, oldest first; each is worked out once, when it is first asked for.

    Attributes:
        phase: seconds; scrapes are at so many after each multiple of the interval.
        number: which scrape is the next one.
        points: what they said, by series, on everybody's clock.
        begun: the series that there have been.
    """

    phase: float
    number: int
    times: list[float] = field(default_factory=list)
    counts: list[Counts | None] = field(default_factory=list)  # None: that scrape failed
    points: dict[int, list[Point]] = field(default_factory=lambda: defaultdict(list))
    begun: set[int] = field(default_factory=set)

    def add(self, at: float, counts: Counts | None, series: Sequence[Labels]) -> None:
        """The next one."""
        self.number += 1
        self.times.append(at)
        self.counts.append(counts)
        for number, labels in enumerate(series):
            value = _value(labels, counts)
            self.points[number].append((at, value))
            if value is not None:
                self.begun.add(number)


@dataclass(slots=True)
class Scraped:
    """A Prometheus' samples of some traffic; every target is scraped at moments of its own.

    Attributes:
        skew: seconds by which Prometheus' clock is ahead of everybody else's.
        salt: another one, and targets are scraped at other moments, and other scrapes fail; set before the first
            question.
    """

    traffic: Traffic
    namespace: str = "default"
    every: float = SCRAPE_SECONDS
    skew: float = 0.0
    salt: str = ""
    scrapings: dict[str, list[Scraping]] = field(default_factory=dict)  # by workload, oldest first
    _labels: dict[str, tuple[Labels, ...]] = field(default_factory=dict)  # by target
    _scrapes: dict[str, _Taken] = field(default_factory=dict)  # by target
    _fits: dict[tuple[Matcher, ...], dict[str, tuple[int, ...]]] = field(default_factory=dict)  # series, by target

    def scrape(self, workload: str, *, seconds: float = 0.0, lost: float = 0.0, late: bool = False) -> None:
        """From now on the workload's scrapes go like that."""
        with self.traffic.lock:
            planned = Scraping(since=self.traffic.clock(), seconds=seconds, lost=lost, late=late)
            self.scrapings.setdefault(workload, []).append(planned)

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        """Every series that fits, with what was scraped of it after ``start`` and not after ``end``."""
        start, end = start - self.skew, end - self.skew
        for target, fitting in self._fitting(matchers):
            taken, first, last = self._between(target, start, end)
            gone = self.traffic.targets()[target][1]
            ended: list[Point] = [(gone, None)] if start < gone <= end else []
            for number in fitting if first < last else ():
                points = taken.points[number][first:last] + ended
                if number in taken.begun and any(value is not None for _, value in reversed(points)):
                    yield self._series(target)[number], self._shifted(points)

    def newest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[tuple[Labels, Point]]:
        """The last of these samples, of every series that has any."""
        start, end = start - self.skew, end - self.skew
        for target, fitting in self._fitting(matchers):
            taken, first, last = self._between(target, start, end)
            gone = self.traffic.targets()[target][1]
            ended = (gone, None) if start < gone <= end else None
            for number in fitting if ended or first < last else ():
                yield self._series(target)[number], self._shifted([ended or taken.points[number][last - 1]])[0]

    def _shifted(self, points: list[Point]) -> list[Point]:
        return [(at + self.skew, value) for at, value in points] if self.skew else points

    def _fitting(self, matchers: Sequence[Matcher]) -> Iterator[tuple[str, tuple[int, ...]]]:
        known = self._fits.setdefault(tuple(matchers), {})
        for target in self.traffic.targets():
            if target not in known:
                known[target] = tuple(
                    number
                    for number, labels in enumerate(self._series(target))
                    if all(matcher.fits(labels.get(matcher.name, "")) for matcher in matchers)
                )
            if known[target]:
                yield target, known[target]

    def _between(self, target: str, start: float, end: float) -> tuple[_Taken, int, int]:
        """A target's scrapes, and which of them are after ``start`` and not after ``end``: from, and up to."""
        until = min(end, self.traffic.targets()[target][1])  # when it is gone it is taken off the list
        taken = self._until(target, until)
        return taken, bisect_right(taken.times, start), bisect_right(taken.times, until)

    def served(self, workload: str, at: float) -> Counts:
        """All that a workload's targets were seen to serve by a moment of Prometheus' clock, by what is scraped now.

        Requests, and those that failed. A counter that fell began at zero, and what it read before is kept.
        """
        requests = failed = 0
        for target in self.traffic.targets():
            if _workload(target) == workload:
                total, last = (0, 0), (0, 0)
                taken, first, end = self._between(target, -math.inf, at - self.skew)
                for counts in taken.counts[first:end]:
                    now = counts or last
                    if now[0] - now[1] < last[0] - last[1] or now[1] < last[1]:
                        total = (total[0] + last[0], total[1] + last[1])
                    last = now
                requests, failed = requests + total[0] + last[0], failed + total[1] + last[1]
        return requests, failed

    def _until(self, target: str, last: float) -> _Taken:
        """Every scrape of a target until then that is over."""
        with self.traffic.lock:
            now, workload, taken = self.traffic.clock(), _workload(target), self._begun(target)
            while (at := taken.phase + taken.number * self.every) <= last:
                how = self._how(workload, at)
                if at + how.seconds > now:
                    break  # it is still under way
                lost = how.lost > 0 and _chance(self.salt, target, str(taken.number)) < how.lost
                counts = None if lost else self.traffic.counted(target, at + (how.seconds if how.late else 0.0))
                taken.add(at, counts, self._series(target))
            return taken

    def _begun(self, target: str) -> _Taken:
        if target not in self._scrapes:
            phase, born = _chance(self.salt, target) * self.every, self.traffic.targets()[target][0]
            self._scrapes[target] = _Taken(phase=phase, number=math.ceil((born - phase) / self.every))
        return self._scrapes[target]

    def _how(self, workload: str, at: float) -> Scraping:
        begun = [one for one in self.scrapings.get(workload, ()) if one.since <= at]
        return begun[-1] if begun else AT_ONCE

    def _series(self, target: str) -> Sequence[Mapping[str, str]]:
        if target not in self._labels:
            self._labels[target] = tuple(_labels(target, self.namespace))
        return self._labels[target]


def _value(labels: Labels, counts: Counts | None) -> float | None:
    """What a scrape said of a series; None: nothing, and whatever it had is marked as ended."""
    if counts is None:
        return None
    requests, failed = counts
    if labels["__name__"] == BUILD:
        return 1.0
    if labels["__name__"] == LATENCY:
        value = math.floor(requests * BUCKETS[labels["le"]]) if requests else -1
    else:
        value = (failed if labels["response_code"] == "500" else requests - failed) or -1
    return None if value < 0 else float(value)  # a series is there from its first request on


def _labels(target: str, namespace: str) -> Iterator[Mapping[str, str]]:
    workload, _, pod = target.partition("/")
    scraped = {"namespace": namespace, "pod": pod or f"{workload}-0", "job": "kubernetes-pods"}
    ours = {
        **scraped,
        "reporter": "destination",
        "source_workload": "istio-ingressgateway",
        "destination_workload": workload,
        "destination_workload_namespace": namespace,
        "request_protocol": "http",
        "grpc_response_status": "",
    }
    yield {**scraped, "__name__": BUILD, "component": "proxy"}
    for code in ("200", "500"):
        yield {**ours, "__name__": REQUESTS, "response_code": code}
    for bound in BUCKETS:
        yield {**ours, "__name__": LATENCY, "response_code": "200", "le": bound}


def _workload(target: str) -> str:
    return target.partition("/")[0]


def _chance(*parts: str) -> float:
    """A number from 0 to 1 that is always the same for the same words."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:6]) / 2**48
