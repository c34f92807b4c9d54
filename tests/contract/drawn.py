"""Scrape targets drawn at random: what they served, what was scraped of it, and when that could be seen.

A pod counts whole requests by answer. It may restart (its counters begin at zero), be replaced, be given another label,
come late or go early. A scraper finds it at times of its own, may take as long as a scrape may, fail, or be cut off for
minutes; what it found bears the time of its beginning, and is seen once it has ended and has arrived.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.promql import Labels, Matcher, Point, Series

INTERVAL, TIMEOUT = 15.0, 10.0
BEFORE, TRAFFIC, SETTLING = 900.0, 330.0, 240.0  # seconds of traffic before and after the start, and without any after
APART = 90.0  # seconds between two restarts, at least
CODES = ("200", "404", "500")

Key = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One proxy's life.

    Attributes:
        rates: requests a second by HTTP code.
        since: for each code, from when on there are any; its series does not exist before the first.
        starts: when its process began and restarted.
        until: when it went.
        names: a label of the pod's own and since when it has that value.
        missed: scrapes of it fail from one moment until before another one.
    """

    workload: str
    name: str
    rates: Mapping[str, float]
    since: Mapping[str, float]
    starts: tuple[float, ...]
    until: float
    names: tuple[tuple[float, str], ...]
    missed: tuple[float, float] = (0.0, 0.0)

    def reads(self, code: str, at: float, end: float) -> int | None:
        """What its counter of a code reads; None where there is no such counter. Nobody calls it after ``end``."""
        began = max((start for start in self.starts if start <= at), default=None)
        if began is None:
            return None
        count = math.floor(self.rates[code] * max(0.0, min(at, end) - max(began, self.since[code])))
        return count or None

    def is_there(self, at: float) -> bool:
        return self.starts[0] <= at < self.until

    def named(self, at: float) -> str:
        return next(name for since, name in reversed(self.names) if since <= at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraper:
    """Who scrapes: the labels that it adds, the share of its scrapes that fail, and how late its samples arrive.

    ``away``: the share of pods from which it is cut off for minutes. ``together``: its scrapes begin when those of all
    such scrapers do, and are answered alike.
    """

    labels: Mapping[str, str]
    failing: float = 0.0
    lag: float = 0.0
    longest: float = TIMEOUT
    away: float = 0.1
    together: bool = False


@dataclass(slots=True)
class _Line:
    """One series: times, arrivals and values of its samples; None annotations that it ended there."""

    labels: Labels
    times: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)


@dataclass(slots=True)
class Store:
    """What one Prometheus has, as far as it has arrived by ``now``."""

    now: float = 0.0
    lines: dict[Key, _Line] = field(default_factory=dict)
    _known: dict[tuple[Matcher, ...], list[_Line]] = field(default_factory=dict)

    def add(self, key: Key, at: float, arrives: float, value: float | None) -> None:
        """A sample, later than those before it."""
        line = self.lines.setdefault(key, _Line(dict(key)))
        line.times.append(at)
        line.arrivals.append(arrives)
        line.values.append(value)

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        for line in self._matching(tuple(matchers)):
            places = range(bisect_right(line.times, start), self._last(line, end))
            if places:
                points: list[Point] = [(line.times[place], line.values[place]) for place in places]
                yield line.labels, points

    def newest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[tuple[Labels, Point]]:
        for line in self._matching(tuple(matchers)):
            last = self._last(line, end) - 1
            if last >= 0 and line.times[last] > start:
                yield line.labels, (line.times[last], line.values[last])

    def _last(self, line: _Line, end: float) -> int:
        """One after the last sample that is not after ``end`` and is there."""
        return min(bisect_right(line.times, end), bisect_right(line.arrivals, self.now))

    def _matching(self, matchers: tuple[Matcher, ...]) -> list[_Line]:
        """Nothing is added any more once somebody asks."""
        if matchers not in self._known:
            self._known[matchers] = [
                line
                for line in self.lines.values()
                if all(matcher.fits(line.labels.get(matcher.name, "")) for matcher in matchers)
            ]
        return self._known[matchers]


def pods(rng: random.Random, workload: str, start: float) -> list[Pod]:
    """A side's pods around a rollout that starts at ``start``: some restart, come, go, or are renamed."""
    end = start + TRAFFIC
    drawn = []
    for number in range(rng.randint(1, 3)):
        began = start - BEFORE + rng.uniform(0, 300)
        moments = [rng.uniform(start - 60, end) for _ in range(4)]
        starts, until, names = [began], end + 2 * SETTLING, [(began, "a")]
        kind = rng.choice(["steady", "steady", "restarts", "comes", "goes", "renamed", "replaced"])
        if kind == "restarts":
            starts += sorted(moments[: rng.randint(1, 2)])
            # A life that ends before it has answered more than the next one by its first scrape shows nowhere.
            starts[2:] = [max(starts[-1], starts[1] + APART)] if len(starts) > 2 else []
        elif kind == "comes":
            starts, names = [moments[0]], [(moments[0], "a")]
        elif kind in {"goes", "replaced"}:
            until = moments[0]
        elif kind == "renamed":
            names.append((moments[0], "b"))
        rates = {"200": rng.uniform(1, 60), "404": rng.uniform(0, 2), "500": rng.uniform(0, 3)}
        since = {code: 0.0 if rng.random() < 0.6 else rng.uniform(start, end) for code in CODES}
        own = Pod(
            workload=workload,
            name=f"{workload}-{number}",
            rates=rates,
            since={**since, "200": 0.0},
            starts=tuple(starts),
            until=until,
            names=tuple(names),
        )
        drawn.append(own)
        if kind == "replaced":
            drawn.append(
                Pod(
                    workload=workload,
                    name=f"{workload}-{number}n",
                    rates=rates,
                    since=dict.fromkeys(CODES, 0.0),
                    starts=(until + rng.uniform(-20, 20),),
                    until=end + 2 * SETTLING,
                    names=((0.0, "a"),),
                )
            )
    return drawn


def hidden_restarts(rng: random.Random, workload: str, start: float) -> list[Pod]:
    """A side's pods, each young, and restarted soon in a scrape that fails: what it answers grows, and hides that."""
    drawn = []
    for number in range(rng.randint(1, 2)):
        began = start + rng.uniform(0, TRAFFIC / 2)
        again = began + rng.uniform(INTERVAL, 3 * INTERVAL)
        pod = Pod(
            workload=workload,
            name=f"{workload}-{number}",
            rates={"200": rng.uniform(1, 60), "404": 0.0, "500": rng.uniform(0, 3)},
            since=dict.fromkeys(CODES, 0.0),
            starts=(began, again),
            until=start + TRAFFIC + 2 * SETTLING,
            names=((began, "a"),),
            missed=(again, again + INTERVAL) if rng.random() < 0.8 else (again, again),
        )
        drawn.append(pod)
    return drawn


@dataclass(slots=True)
class Scraped:
    """What was scraped of one pod by all scrapers of one Prometheus: for the truth."""

    seen: list[tuple[float, str, int, int]] = field(default_factory=list)  # time, code, life, count

    def is_new(self, start: float, end: float) -> bool:
        """Whether it was scraped for the first time after ``start`` and not after ``end``."""
        return start < min((at for at, *_ in self.seen), default=math.inf) <= end

    def by(self, end: float) -> dict[str, int]:
        """Requests by code, as far as anybody had scraped them by ``end``."""
        found = dict.fromkeys(CODES, 0)
        for code in CODES:
            lives: dict[int, int] = {}
            for at, of, life, count in self.seen:
                if of == code and at <= end:
                    lives[life] = max(lives.get(life, 0), count)
            found[code] = sum(lives.values())
        return found


def scrape(rng: random.Random, store: Store, scraper: Scraper, pod: Pod, namespace: str, start: float) -> Scraped:
    """Everything one scraper finds of one pod."""
    truth, end = Scraped(), start + TRAFFIC
    times = random.Random(f"{namespace} {pod.name}") if scraper.together else rng  # noqa: S311  # not a secret
    at = start - BEFORE + times.uniform(0, INTERVAL)
    usual = times.choice([0.05, 0.5, scraper.longest * 0.99])
    away, most = _away(rng, scraper, pod, start)
    alive: set[Key] = set()
    while at < end + SETTLING:
        takes = min(scraper.longest, usual * times.uniform(0.5, 1.0))
        arrives = at + takes + scraper.lag
        failed = rng.random() < scraper.failing or away <= at < away + most or pod.missed[0] <= at < pod.missed[1]
        found: dict[Key, float] = {}
        if pod.is_there(at) and pod.is_there(at + takes) and not failed:
            moment = at + takes / 2
            life = bisect_right(pod.starts, moment)
            for code in CODES:
                count = pod.reads(code, moment, end)
                if count is not None:
                    truth.seen.append((at, code, life, count))
                    found |= _series(pod, scraper, namespace, code, count, pod.named(at))
        for labels, value in found.items():
            store.add(labels, at, arrives, float(value))
        for labels in alive - found.keys():
            store.add(labels, at, arrives, None)
        alive = set(found)
        at += INTERVAL
    return truth


def _away(rng: random.Random, scraper: Scraper, pod: Pod, start: float) -> tuple[float, float]:
    """Since when it is cut off from a pod, and for how long: where the pod restarts often enough while it does.

    Such a restart shows nowhere: by then the counters have passed what they read before.
    """
    if rng.random() >= scraper.away:
        return math.inf, 0.0
    restarted = [at for at in pod.starts[1:] if at > start]
    if restarted and rng.random() < 0.7:
        return restarted[-1] - rng.uniform(0, 60), rng.uniform(60, TRAFFIC / 2)
    return rng.uniform(start, start + TRAFFIC), TRAFFIC / 2


def _series(
    pod: Pod, scraper: Scraper, namespace: str, code: str, count: int, name: str
) -> Iterable[tuple[Key, float]]:
    labels = {
        "reporter": "destination",
        "destination_workload_namespace": namespace,
        "destination_workload": pod.workload,
        "source_workload": "istio-ingressgateway",
        "response_code": code,
        "grpc_response_status": "",
        "pod": pod.name,
        "namespace": namespace,
        "app_kubernetes_io_version": name,
        "instance": f"10.0.0.1:{name}",
        **scraper.labels,
    }
    labels = {label: value for label, value in labels.items() if value}
    yield frozenset({**labels, "__name__": "istio_requests_total"}.items()), count
    bucket = {**labels, "__name__": "istio_request_duration_milliseconds_bucket"}
    for le, share in (("100", 2), ("+Inf", 1)):
        yield frozenset({**bucket, "le": le}.items()), count // share
