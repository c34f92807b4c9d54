"""What users did to a cluster, worked out from its routes instead of measured, and what scrapes make of it.

``Traffic`` keeps since when which pod gets how many requests, and how many of them fail. ``Scraped`` is what a
Prometheus has of that: samples at the moments of its scrapes, of counters that only know whole requests. The clock is
an argument: an hour of a rehearsal may pass in a millisecond.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, zip_longest

from sandbox.promql import Labels, Matcher, Point, Series

BUCKETS = {"5": 0.2, "10": 0.5, "25": 0.8, "50": 0.95, "100": 0.99, "250": 0.995, "500": 0.999, "+Inf": 1.0}
REQUESTS, LATENCY, BUILD = "istio_requests_total", "istio_request_duration_milliseconds_bucket", "istio_build"
SCRAPE_SECONDS = 5.0

Scrape = tuple[float, tuple[int, int] | None]  # when, and what it read: requests, and those that failed; None: nothing


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
    """What users did so far."""

    clock: Callable[[], float]
    stretches: list[Stretch] = field(default_factory=list)
    restarted: dict[str, list[float]] = field(default_factory=dict)  # when a workload's counters began at zero again
    _ends: dict[str, list[tuple[float, float]]] = field(
        default_factory=dict
    )  # by target: sums until each stretch's end
    _targets: tuple[int, dict[str, tuple[float, float]]] = (0, {})  # as of so many stretches

    def now(self, rates: Mapping[str, float] | None = None, bad: Mapping[str, float] | None = None) -> None:
        """From now on these rates, or these shares of failures; what is None goes on as it was."""
        at = self.clock()
        last = self.stretches[-1] if self.stretches else Stretch(since=at, rates={}, bad={})
        changed = replace(last, rates=last.rates if rates is None else rates, bad=last.bad if bad is None else bad)
        if changed != last or not self.stretches:
            self.stretches.append(replace(changed, since=at))

    def restart(self, workload: str) -> None:
        """Its pods restart: counters begin at zero, and what was not scraped is lost."""
        self.restarted.setdefault(workload, []).append(self.clock())

    def targets(self) -> Mapping[str, tuple[float, float]]:
        """Every target so far, from when until when it was there."""
        if self._targets[0] != len(self.stretches):
            found: dict[str, tuple[float, float]] = {}
            for stretch, after in zip_longest(self.stretches, self.stretches[1:]):
                end = after.since if after else math.inf
                found |= {name: (found.get(name, (stretch.since, end))[0], end) for name in stretch.rates}
            self._targets = (len(self.stretches), found)
        return self._targets[1]

    def counted(self, target: str, at: float) -> tuple[int, int]:
        """What a target's counters read at a moment: requests, and those of them that failed."""
        zero = max((when for when in self.restarted.get(_workload(target), ()) if when <= at), default=-math.inf)
        total, failed = self._until(target, at)
        before = self._until(target, zero)
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


@dataclass(slots=True)
class Scraped:
    """A Prometheus' samples of some traffic; every target is scraped at moments of its own.

    Attributes:
        skew: seconds by which Prometheus' clock is ahead of everybody else's.
        salt: another one, and targets are scraped at other moments, and other scrapes fail.
    """

    traffic: Traffic
    namespace: str = "default"
    every: float = SCRAPE_SECONDS
    skew: float = 0.0
    salt: str = ""
    scrapings: dict[str, list[Scraping]] = field(default_factory=dict)  # by workload, oldest first
    _labels: dict[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)  # by target

    def scrape(self, workload: str, *, seconds: float = 0.0, lost: float = 0.0, late: bool = False) -> None:
        """From now on the workload's scrapes go like that."""
        told = Scraping(since=self.traffic.clock(), seconds=seconds, lost=lost, late=late)
        self.scrapings.setdefault(workload, []).append(told)

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        """Every series that fits, with what was scraped of it after ``start`` and not after ``end``."""
        for target, fitting in self._fitting(matchers):
            scrapes = list(self._between(target, start - self.skew, end - self.skew))
            for labels in fitting:
                points = [(at + self.skew, self._value(labels, counts)) for at, counts in scrapes]
                if any(value is not None for _, value in points):
                    yield labels, points

    def newest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[tuple[Labels, Point]]:
        """The last of these samples, of every series that has any."""
        for target, fitting in self._fitting(matchers):
            scrape = self._last(target, start - self.skew, end - self.skew)
            if scrape is not None:
                for labels in fitting:
                    yield labels, (scrape[0] + self.skew, self._value(labels, scrape[1]))

    def _fitting(self, matchers: Sequence[Matcher]) -> Iterator[tuple[str, list[Labels]]]:
        for target in self.traffic.targets():
            labels = [one for one in self._series(target) if all(m.fits(one.get(m.name, "")) for m in matchers)]
            if labels:
                yield target, labels

    def _between(self, target: str, start: float, end: float) -> Iterator[Scrape]:
        born, gone = self.traffic.targets()[target]
        if born > end or gone + self.every < start:
            return
        yield from (one for one in self._scrapes(target, max(born, start), min(gone, end)) if one[0] > start)
        if start < gone <= end:
            yield gone, None  # the target is taken off the list, and its series are marked as ended

    def _last(self, target: str, start: float, end: float) -> Scrape | None:
        """Looked for from the end: there may be many."""
        span = self.every + self._how(_workload(target), end).seconds
        while True:
            found = list(self._between(target, max(start, end - span), end))
            if found or end - span <= start:
                return found[-1] if found else None
            span *= 4

    def served(self, workload: str, at: float) -> tuple[int, int]:
        """All that a workload's targets were seen to serve by a moment of Prometheus' clock, by what is scraped now.

        Requests, and those that failed. A counter that fell began at zero, and what it read before is kept.
        """
        requests = failed = 0
        for target, (born, gone) in self.traffic.targets().items():
            if _workload(target) == workload:
                total, last = (0, 0), (0, 0)
                for _, counts in self._scrapes(target, born, min(gone, at - self.skew)):
                    now = counts or last
                    if now[0] - now[1] < last[0] - last[1] or now[1] < last[1]:
                        total = (total[0] + last[0], total[1] + last[1])
                    last = now
                requests, failed = requests + total[0] + last[0], failed + total[1] + last[1]
        return requests, failed

    def _scrapes(self, target: str, first: float, last: float) -> Iterator[Scrape]:
        """When a target was scraped from ``first`` to ``last``, and what it read; None where the scrape failed."""
        phase = _chance(self.salt, target) * self.every
        now, workload = self.traffic.clock(), _workload(target)
        for number in count(math.ceil((first - phase) / self.every)):
            at = phase + number * self.every
            how = self._how(workload, at)
            if at > last or at + how.seconds > now:
                return  # the last one is still under way
            lost = how.lost > 0 and _chance(self.salt, target, str(number)) < how.lost
            yield at, None if lost else self.traffic.counted(target, at + (how.seconds if how.late else 0.0))

    def _how(self, workload: str, at: float) -> Scraping:
        told = [one for one in self.scrapings.get(workload, ()) if one.since <= at]
        return told[-1] if told else Scraping(since=0.0)

    def _series(self, target: str) -> Sequence[Mapping[str, str]]:
        if target not in self._labels:
            self._labels[target] = tuple(_labels(target, self.namespace))
        return self._labels[target]

    @staticmethod
    def _value(labels: Mapping[str, str], counts: tuple[int, int] | None) -> float | None:
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
