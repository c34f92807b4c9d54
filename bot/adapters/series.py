"""Counting series by series, for the few workloads of whom sums tell too little.

A series that is new in a window was born in it, or is an old one under a new name: its pod was relabelled, or another
scraper has found it. A counter that fell began at zero again, and with it every counter of its process. One that was
not scraped for a while may have begun again unseen: where that cannot be ruled out, nobody knows what it counted.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from bot.adapters import queries
from bot.adapters.counters import NOTHING, Owner, owner_of, sides
from bot.adapters.prometheus_connection import Labels, Sample, Series
from bot.model.figures import SideFigures

NAME, POD, INSTANCE, BOUND = "__name__", "pod", "instance", "le"
CLOSE = 1e-9
HOLE = 1.5  # scrapes: from here on one is missing, or more
AGREED = 3  # scrapes of one scraper, after which their spacing is its own and no missing one
GONE = 3  # scrapes in a row that miss a pod: it is not waited for any more
JITTER = 0.1  # seconds that a scrape may begin earlier than it should
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
LeftOut = Mapping[Owner, AbstractSet[tuple[str, str]]]  # Namespaces and names of pods whose series do not count
NOBODY: LeftOut = {}


@dataclass(frozen=True, slots=True)
class _Sample:
    """One sample."""

    at: float
    value: float
    scrape: Scrape


@dataclass(slots=True)
class _Restart:
    """A process began again: each of its scrapers was there before, and found that at a scrape of its own.

    Attributes:
        after, by: it was between these moments, as far as anybody tells.
        found: by whom, and when.
    """

    after: float
    by: float
    found: dict[Scrape, float] = field(default_factory=dict)


@dataclass(slots=True)
class Lives:
    """How often each process had begun again by a sample of it.

    A restart that one scraper has missed, because the counters had passed their old values, is known from the others.
    """

    restarts: dict[Key, list[_Restart]]
    firsts: Mapping[Scrape, float]
    slack: float

    def of(self, one: _Sample) -> int:
        """Which life of its process a sample is of."""
        return sum(self._since(restart, one.scrape) <= one.at for restart in self.restarts.get(one.scrape[0], ()))

    def between(self, process: Key, earlier: float, later: float) -> bool:
        """Whether a process is known to have begun again after one moment and by another one."""
        return any(restart.by > earlier and restart.after < later for restart in self.restarts.get(process, ()))

    def _since(self, restart: _Restart, scrape: Scrape) -> float:
        first = self.firsts[scrape]
        # A scrape that began after the other one may have been answered before it: it shows the old life still.
        return restart.found.get(scrape, first if restart.after < first else restart.by + self.slack)


@dataclass(slots=True)
class _Counter:
    """One counter of one process, by whomever it was scraped."""

    labels: Labels
    seen: list[_Sample] = field(default_factory=list)

    @property
    def ended(self) -> float:
        """When it was seen last."""
        return self.seen[-1].at

    def reads(self, lives: Lives) -> tuple[float, float]:
        """How far it has come in its last life, by whoever saw least of it lately, and by whoever saw most."""
        life = max(map(lives.of, self.seen))
        last = {one.scrape: one.value for one in self.seen if lives.of(one) == life}
        return min(last.values()), max(last.values())

    def grown(self, since: float, began: float, lives: Lives) -> float:
        """What it counted after ``since``; ``began`` is what it read before its first sample."""
        reads: defaultdict[int, float] = defaultdict(float)  # by life: one scraper may still show the life before
        reads[lives.of(self.seen[0])] = began
        total = 0.0
        for one in self.seen:
            life = lives.of(one)
            if one.at > since:
                total += max(0.0, one.value - reads[life])
            reads[life] = max(reads[life], one.value)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What one owner answered in a window, and how far that can be trusted.

    Attributes:
        checks: sums over every sample in the window and just before it, where counters are counted from: without and
            with those of its very beginning.
        is_shaky: in the window or just before it counters began at zero again, or went on under other labels: whoever
            scraped earlier or later reads something else.
        is_unknown: a counter may have begun again unseen, a scrape is on its way, or a series could not be read.
        first, last: when its newest samples at both ends were taken (the mean over its series); None: there were none.
    """

    side: SideFigures
    checks: tuple[float, float]
    is_shaky: bool
    is_unknown: bool
    first: float | None = None
    last: float | None = None

    def is_of(self, check: float | None) -> bool:
        """Whether it was made of the very samples that ``check`` was."""
        return any(math.isclose(check or 0.0, known, rel_tol=CLOSE, abs_tol=CLOSE) for known in self.checks)


NOTHING_MOVED = Detail(side=NOTHING, checks=(0.0, 0.0), is_shaky=False, is_unknown=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The window: what was answered after ``since``, as it was scraped every ``interval`` seconds.

    Attributes:
        near: since when samples are looked at for whether others may read something else, or have read them otherwise.
        due: Prometheus's time, how long a scrape may take, and the window's end: a scrape that was due shortly before
            that time and not after the end may not be there yet.
    """

    since: float
    near: float
    interval: float
    due: tuple[float, float, float] | None = None


def counted(inside: Iterable[Series], span: Span, left_out: LeftOut = NOBODY) -> dict[Owner, Detail]:
    """What each owner answered after ``span.since``.

    Args:
        inside: every sample since then, and of some scrapes before; a series without any could not be read.
        span: which samples count.
        left_out: whose series are as if they were not there; only ``checks`` are over all samples.
    """
    everything = list(inside)
    checks = _checks([(labels, sorted(values.items())) for labels, values in everything if values], span.near)
    inside = [one for one in everything if not _is_left_out(one[0], left_out)]
    unreadable = {owner_of(labels) for labels, values in inside if not values}
    samples = [(labels, sorted(values.items())) for labels, values in inside if values]
    lives, processes = _lives(samples, span.interval), _processes(samples)
    added = _added(samples)
    counters = _counters(samples, added)
    lines = _lines(counters.values())
    grown: list[Sample] = []
    shaky = {
        process
        for process, restarts in lives.restarts.items()
        if any(at > span.near for restart in restarts for at in restart.found.values())
    }
    for one in counters.values():
        if one.ended > span.since:
            began = _began(one, lines, lives)
            grown.append((one.labels, one.grown(span.since, began, lives)))
            if began and one.seen[0].at > span.near:
                shaky.add(one.seen[0].scrape[0])
    unknown = {name for name, one in processes.items() if one.is_hiding(name, span, lives) or one.is_awaited(span)}
    unknown |= _shown_twice(samples, added)
    found = sides(_of(queries.REQUESTS, grown), _of(queries.BUCKETS, grown))
    moments = _moments(samples, span)
    owners = {name: owner_of(one.labels) for name, one in processes.items()}
    whose = {_scrape(labels)[0]: owner_of(labels) for labels, _ in samples}  # also of those that have buckets alone
    return {
        owner: Detail(
            side=found.get(owner, NOTHING),
            checks=checks.get(owner, (0.0, 0.0)),
            is_shaky=any(whose[process] == owner for process in shaky),
            is_unknown=owner in unreadable or any(owners[process] == owner for process in unknown),
            first=moments.get(owner, (None, None))[0],
            last=moments.get(owner, (None, None))[1],
        )
        for owner in {*owners.values(), *unreadable}
    }


def _is_left_out(labels: Labels, left_out: LeftOut) -> bool:
    return (labels.get("namespace", ""), labels.get(POD, "")) in left_out.get(owner_of(labels), ())


def _moments(samples: Iterable[Samples], span: Span) -> dict[Owner, tuple[float | None, float | None]]:
    """When each owner was scraped last before the window and in it: the mean over those series that were by then."""
    before: defaultdict[Owner, list[float]] = defaultdict(list)
    after: defaultdict[Owner, list[float]] = defaultdict(list)
    for labels, seen in samples:
        if labels.get(NAME) == queries.REQUESTS:
            early = [at for at, _ in seen if at <= span.since]
            before[owner_of(labels)] += early[-1:]
            after[owner_of(labels)].append(seen[-1][0])
    return {owner: (_lately(before[owner], span), _lately(after[owner], span)) for owner in after}


def _lately(times: Sequence[float], span: Span) -> float | None:
    """The mean of those that are not more than a missing scrape behind the newest."""
    newest = max(times, default=0.0)
    alive = [at for at in times if at >= newest - HOLE * span.interval]
    return sum(alive) / len(alive) if alive else None


def _checks(samples: Iterable[Samples], since: float) -> dict[Owner, tuple[float, float]]:
    found: dict[Owner, tuple[float, float]] = {}
    for labels, seen in samples:
        if labels.get(NAME) == queries.REQUESTS:
            after, at = found.get(owner_of(labels), (0.0, 0.0))
            after += _summed(value for moment, value in seen if moment > since)
            at += _summed(value for moment, value in seen if moment >= since)
            found[owner_of(labels)] = after, at
    return found


def _summed(values: Iterable[float]) -> float:
    """As ``queries.check`` does it."""
    total = sum(values)
    return total if abs(total) < queries.MOST_READ else 0.0


def _of(metric: str, grown: Iterable[Sample]) -> Iterator[Sample]:
    return ((labels, count) for labels, count in grown if labels.get(NAME) == metric)


@dataclass(slots=True)
class _Process:
    """One process: what all its requests' counters read together, by scraper and moment."""

    labels: Labels
    totals: defaultdict[Scrape, dict[float, float]] = field(default_factory=lambda: defaultdict(dict))

    def is_hiding(self, name: Key, span: Span, lives: Lives) -> bool:
        """Whether it may have begun again while nobody looked, and have passed since what it had read before.

        Then it would have answered all that it reads now in the time that nobody looked: that is believed of it where
        it does not take twice as many requests a second as it is known to have answered, or where that is not known.
        """
        read = sorted((at, total) for found in self.totals.values() for at, total in found.items())
        pairs, longest = list(pairwise(read)), HOLE * max(span.interval, self._habit())
        usual = max((_rate(*pair) for pair in pairs if pair[1][0] - pair[0][0] <= longest), default=math.inf)
        for (last_at, last), (at, total) in pairs:
            if at <= span.since or at - last_at <= longest:
                continue
            if not lives.between(name, last_at, at) and total < 2 * max(usual * (at - last_at), total - last):
                return True
        return False

    def _habit(self) -> float:
        """Seconds between scrapes, where they are seen to be rarer than the settings say; 0 where too few are known."""
        known = [self._apart(found) for found in self.totals.values() if len(found) >= AGREED]
        return min((min(apart) for apart in known), default=0.0)

    def is_awaited(self, span: Span) -> bool:
        """Whether a scrape that counts may be on its way."""
        return span.due is not None and any(self._is_due(max(found), span.due) for found in self.totals.values())

    def _is_due(self, last: float, due: tuple[float, float, float]) -> bool:
        spacing = self._spacing()
        if spacing is None:
            return True
        now, longest, until = due
        first = now - min(longest, spacing)  # no scrape takes longer than until the next one
        if last < until - GONE * spacing:
            return False
        return any(first < last + number * spacing <= until + JITTER for number in range(1, GONE + 1))

    def _spacing(self) -> float | None:
        """Seconds between two scrapes of one scraper; None after a single one."""
        return min((seconds for found in self.totals.values() for seconds in self._apart(found)), default=None)

    @staticmethod
    def _apart(found: Iterable[float]) -> list[float]:
        return [later - at for at, later in pairwise(sorted(found))]


def _rate(before: tuple[float, float], after: tuple[float, float]) -> float:
    seconds = after[0] - before[0]
    return max(0.0, after[1] - before[1]) / seconds if seconds > 0 else 0.0


def _processes(samples: Iterable[Samples]) -> dict[Key, _Process]:
    found: dict[Key, _Process] = {}
    for labels, seen in samples:
        if labels.get(NAME) == queries.REQUESTS:
            scrape = _scrape(labels)
            totals = found.setdefault(scrape[0], _Process(labels)).totals[scrape]
            for at, value in seen:
                totals[at] = totals.get(at, 0.0) + value
    return found


def _lives(samples: Iterable[Samples], interval: float) -> Lives:
    """The restarts of all processes: one of its counters fell, or was away for a scrape and came back with less.

    All its counters began at zero then, also one that has passed its old value already.
    """
    scraped: defaultdict[Scrape, set[float]] = defaultdict(set)
    for labels, seen in samples:
        scraped[_scrape(labels)].update(at for at, _ in seen)
    times = {scrape: sorted(found) for scrape, found in scraped.items()}
    falls: defaultdict[Scrape, set[tuple[float, float]]] = defaultdict(set)
    for labels, seen in samples:
        scrape = _scrape(labels)
        for (last_at, last), (_, value) in pairwise(seen):
            if value < last:
                known = times[scrape]
                falls[scrape].add((last_at, known[bisect_right(known, last_at)]))
    lives = Lives(restarts={}, firsts={scrape: known[0] for scrape, known in times.items()}, slack=interval)
    for by, after, scrape in sorted(
        ((by, after, scrape) for scrape, found in falls.items() for after, by in found), key=lambda found: found[:2]
    ):
        _know(lives.restarts.setdefault(scrape[0], []), _Restart(after, by, {scrape: by}), slack=interval)
    return lives


def _know(restarts: list[_Restart], new: _Restart, slack: float) -> None:
    """One restart more, or one that another scraper has found already: a scrape may take until the next one."""
    (scrape,) = new.found
    for one in restarts:
        if scrape not in one.found and new.after < one.by + slack:
            one.found |= new.found
            one.after, one.by = max(one.after, new.after), min(one.by, new.by)
            return
    restarts.append(new)


def _added(samples: Iterable[Samples]) -> dict[Key, frozenset[str]]:
    """Labels that scrapers add to all that they show of a process, each of its own: they make no other counter."""
    shown: defaultdict[Key, dict[Key, set[tuple[str, str]]]] = defaultdict(dict)
    for labels, _ in samples:
        (process, scraper), own = _scrape(labels), set(labels.items())
        shown[process][scraper] = shown[process].get(scraper, own) & own
    names: defaultdict[Key, dict[Key, set[str]]] = defaultdict(dict)
    for labels, _ in samples:
        process, scraper = _scrape(labels)
        names[process].setdefault(scraper, set()).update(labels)
    several = {process: scrapers for process, scrapers in shown.items() if len(scrapers) > 1}
    return {process: _of_scrapers(scrapers, names[process]) for process, scrapers in several.items()}


def _of_scrapers(always: Mapping[Key, set[tuple[str, str]]], names: Mapping[Key, set[str]]) -> frozenset[str]:
    """The labels that each scraper has with one value in all of its series, or in none, and not all with the same."""
    values = [dict(constant) for constant in always.values()]
    varying = {name for scraper, known in names.items() for name in known - dict(always[scraper]).keys()}
    differing = {name for one in values for name in one if len({other.get(name) for other in values}) > 1}
    return frozenset(differing - varying - ISTIO)


def _shown_twice(samples: Iterable[Samples], added: Mapping[Key, frozenset[str]]) -> set[Key]:
    """Processes of which several scrapers show the same line of Istio's under labels that do not say which is which."""
    counters: defaultdict[tuple[Key, Key], dict[Key, list[tuple[Key, float, float]]]] = defaultdict(dict)
    for labels, seen in samples:
        (process, scraper), line = _scrape(labels), _line(labels)
        if process in added and line is not None:
            shown = counters[process, line].setdefault(scraper, [])
            shown.append((_same(labels, added[process]), seen[0][0], seen[-1][0]))
    return {
        process
        for (process, _), shown in counters.items()
        if any(_are_apart(one, other) for one, other in combinations(shown.values(), 2))
    }


def _are_apart(one: Sequence[tuple[Key, float, float]], other: Sequence[tuple[Key, float, float]]) -> bool:
    """Whether two scrapers showed counters at one time, and none of them alike."""
    if {same for same, *_ in one} & {same for same, *_ in other}:
        return False
    return any(first <= late and early <= last for _, first, last in one for _, early, late in other)


def _counters(samples: Iterable[Samples], added: Mapping[Key, frozenset[str]]) -> dict[Key, _Counter]:
    found: dict[Key, _Counter] = {}
    for labels, seen in samples:
        own = added.get(_scrape(labels)[0], frozenset())
        counter = found.setdefault(_same(labels, own), _Counter(labels))
        scrape = _scrape(labels)
        counter.seen += [_Sample(at, value, scrape) for at, value in seen]
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


def _began(counter: _Counter, lines: Mapping[Key | None, list[_Counter]], lives: Lives) -> float:
    """What a counter read before its first sample: what it did under other labels; 0 if it was born, or is older."""
    first, others = counter.seen[0], lines.get(_line(counter.labels), ())
    ended = [(one.ended, *one.reads(lives)) for one in others if one.ended < first.at]
    return max(((at, most) for at, least, most in ended if least <= first.value), default=(0.0, 0.0))[1]


def _plain(labels: Labels) -> dict[str, str]:
    """With bounds as Prometheus 2 and 3 both would write them."""
    return {name: f"{float(value):g}" if name == BOUND else value for name, value in labels.items()}


def _same(labels: Labels, added: AbstractSet[str]) -> Key:
    """Which counter it is, by whomever it was scraped: without a pod's name only an instance tells pods apart.

    ``added``: labels that are its scraper's own.
    """
    scrapers = queries.SCRAPERS if labels.get(POD) else queries.REPLICAS
    return frozenset(
        (name, value) for name, value in _plain(labels).items() if name not in scrapers and name not in added
    )


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
