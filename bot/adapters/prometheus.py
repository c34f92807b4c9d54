"""The port ``Metrics``: what both sides of rollouts answered, asked of Prometheus. The questions are in ``queries``.

Windows of the same times are asked for together: a turn costs the same two queries for one rollout or for hundreds, and
two more where counters were born or began at zero again. Queries that services wrote themselves come after those.

Three things an answer may say are kept apart: nothing (the series are not there: ``None``), zero (they are there and
did not move), and no number (``NaN``, ``+Inf``: as good as nothing).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from bot.adapters import queries, series
from bot.adapters.counters import (
    NOTHING,
    Owner,
    buckets_by_owner,
    by_owner,
    closed,
    difference,
    is_odd,
    owner_of,
    sides,
)
from bot.adapters.prometheus_link import Answer, PrometheusLink, Query, Sample, Series
from bot.adapters.queries import Selector
from bot.controller.ports import Window
from bot.rollout import gates
from bot.rollout.errors import Fault
from bot.rollout.figures import Figures, SideFigures, UserView
from bot.rollout.model import Rollout, RolloutId, Target
from bot.rollout.preflight import Callers, Telemetry, Traffic
from bot.rollout.preflight.objects import full_host
from bot.rollout.service import MetricsSource, Service

LATELY_SECONDS = 120.0  # real requests on the canary before a start: an aborted rollout's are forgotten soon
RECENT_SECONDS = 600.0  # what the primary answers before a start
INSIDE_SECONDS = 3600.0  # callers inside the mesh may be rare
BEHIND_SECONDS = 3600.0  # how long ago a series may have been seen last that is not new
ANYBODY, GATEWAYS = ".*", ".*gateway.*"

Answers = Mapping[str, Answer]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Windows that can be asked for together: of the same times, and of the same kind of callers."""

    since: float
    until: float
    source: MetricsSource

    @classmethod
    def of(cls, window: Window) -> _Group:
        return cls(since=round(window.since, 3), until=round(window.until, 3), source=_plain(window.rollout.metrics))

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def selector(self, owners: Iterable[Owner]) -> Selector:
        spaces, names = zip(*owners, strict=True)
        return _selector(self.source, sorted(set(spaces)), sorted(set(names)))


class PrometheusMetrics:
    """Figures from one Prometheus."""

    def __init__(self, link: PrometheusLink) -> None:
        self._link = link

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        """Both sides' exact counts in each window, with the custom queries' values."""
        groups: defaultdict[_Group, list[Window]] = defaultdict(list)
        for window in windows:
            groups[_Group.of(window)].append(window)
        asked = {
            f"{number} {name}": query
            for number, (group, members) in enumerate(groups.items())
            for name, query in _shared_queries(group, members)
        }
        answers = self._link.ask(asked)
        counted = [_Counted.of(answers, number) for number in range(len(groups))]
        counted = self._in_detail(list(groups), counted)
        own = self._own_values(windows)
        read: dict[RolloutId, Figures | Fault] = {}
        for found, members in zip(counted, groups.values(), strict=True):
            read |= {window.rollout.id: _figures(window, found, own.get(window.rollout.id, {})) for window in members}
        return read

    def _in_detail(self, groups: Sequence[_Group], counted: Sequence[_Counted]) -> list[_Counted]:
        """With the owners counted series by series of whom sums tell too little; unknown where that cannot be had."""
        asked: dict[str, Query] = {}
        for number, (group, found) in enumerate(zip(groups, counted, strict=True)):
            if found.unusual:
                selector = group.selector(found.unusual)
                texts = {
                    BEHIND: queries.behind(selector, group.seconds + queries.JUST_BEFORE, BEHIND_SECONDS),
                    INSIDE: queries.inside(selector, group.seconds + queries.JUST_BEFORE),
                }
                asked |= {
                    f"{number} {name}": Query(about=name, text=text, at=group.until) for name, text in texts.items()
                }
        if not asked:
            return list(counted)
        answers = self._link.ask_series(asked)
        return [
            replace(found, detailed=_detailed(answers, number, groups[number].since)) if found.unusual else found
            for number, found in enumerate(counted)
        ]

    def _own_values(self, windows: Sequence[Window]) -> dict[RolloutId, dict[str, float | None]]:
        """The values of the custom queries by their gates' names; None where there is not one number, whyever."""
        asked = {
            str(window.rollout.id): dict(_own_queries(window)) for window in windows if window.rollout.gates.custom
        }
        if not asked:
            return {}
        found: dict[RolloutId, dict[str, float | None]] = {}
        for rollout, answers in self._link.ask_apart(asked).items():
            for name, answer in answers.items():
                if isinstance(answer, Fault):
                    log.warning("custom_query_failed", rollout=rollout, gate=name, reason=answer.sentence)
            found[RolloutId(rollout)] = {name: _single(answer) for name, answer in answers.items()}
        return found

    def rows(
        self, service: Service, workloads: Sequence[str], start: float, end: float
    ) -> Mapping[str, Sequence[SideFigures | None]]:
        """Each workload's counts in rows of a scrape interval each, oldest first."""
        step = service.metrics.scrape_interval
        selector = _selector(service.metrics, [service.namespace], workloads)
        asked = {ANSWERS: queries.answers(selector, step), BUCKETS: queries.buckets(selector, step)}
        first = round(start + step)  # the client asks for whole seconds
        answers = self._link.ask_range(asked, first, end, step)
        times = [round(first + number * step, 3) for number in range(int((round(end) - first) / step) + 1)]
        rows = [_row(answers, at) for at in times]
        return {name: [row.get((service.namespace, name)) for row in rows] for name in workloads}

    def callers(self, service: Service, canary: str, end: float, since: float | None = None) -> Callers:
        """Who reached the canary lately, and who inside the mesh calls the service at all, counted at the callers."""
        lately = LATELY_SECONDS if since is None else min(LATELY_SECONDS, end - since)
        named = service.metrics.source_workload
        # Without a name for the way in, whatever is called a gateway is taken for one.
        known = named if named != ANYBODY else GATEWAYS
        reached, calls = "callers of the canary", "callers of the service"
        labels = service.metrics.labels
        asked = {calls: queries.calls(full_host(service), known, INSIDE_SECONDS, labels)}
        if lately > 0:
            asked[reached] = queries.reached(service.namespace, canary, lately, labels)
        answers = self._link.ask({name: Query(about=name, text=text, at=end) for name, text in asked.items()})
        return Callers(of_canary=_by_caller(answers.get(reached, ())), of_service=_by_caller(answers[calls]))

    def telemetry(self, service: Service, canary: str, end: float) -> Telemetry:
        """Who counts what of both sides, how often, and by which clock; see ``Telemetry``. Its rate stays unknown."""
        source, space, primary = service.metrics, [service.namespace], service.primary_deployment
        anybody = replace(source, source_workload=ANYBODY)
        ours, both = _selector(anybody, space, [primary]), _selector(anybody, space, [primary, canary])
        asked = {
            TRAFFIC: queries.traffic(ours, RECENT_SECONDS),
            REPORTERS: queries.reporters(replace(ours, reporter=ANYBODY)),
            BUCKETS: queries.bounds(both),
            PROXIES: queries.proxies(service.namespace, [primary, canary], source.labels),
            CLUSTERS: queries.clusters(both),
            NOW: queries.scraped(ours),
        }
        wanted = {name: Query(about=name, text=text, at=end) for name, text in asked.items()}
        answers = self._link.ask(wanted | {CLOCK: Query(about=CLOCK, text=queries.CLOCK)})
        found = {name: _read(answer) for name, answer in answers.items()}
        return Telemetry(
            traffic=tuple(_traffic(labels, value) for labels, value in found[TRAFFIC] if math.isfinite(value)),
            reporters=frozenset(labels.get("reporter", "") for labels, _ in found[REPORTERS]),
            bounds={name: frozenset(les) for (_, name), les in buckets_by_owner(found[BUCKETS]).items()},
            scraped=frozenset(labels["pod"] for labels, _ in found[PROXIES] if "pod" in labels),
            age=next((end - value for _, value in found[NOW] if math.isfinite(value)), None),
            clock=next((value for _, value in found[CLOCK]), None),
            clusters=_several(labels for labels, _ in found[CLUSTERS]),
        )

    def ping(self) -> None:
        """Raise ``Fault`` when Prometheus cannot be asked."""
        _read(self._link.ask({"alive": Query(about="liveness", text=queries.ALIVE)})["alive"])

    def close(self) -> None:
        """Let go of connections and threads."""
        self._link.close()


# What is asked


def _shared_queries(group: _Group, members: Iterable[Window]) -> Iterable[tuple[str, Query]]:
    targets = [window.rollout.target for window in members]
    owners = {(t.namespace, name) for t in targets for name in (t.primary_deployment, t.canary_deployment)}
    selector, seconds = group.selector(owners), group.seconds
    hosts = sorted({target.host for target in targets})
    counts = dict(_levels(group, selector, queries.REQUESTS, queries.ANSWER)) | {
        UNUSUAL: queries.unusual(selector, seconds, group.since - _reach(group.since)),
        NOW: queries.scraped(selector),
        BEFORE: queries.scraped(selector, seconds),
        USERS: queries.users(hosts, group.source.source_workload, seconds, group.source.labels),
    }
    # By far the most series: on their own, beside the others.
    buckets = dict(_levels(group, selector, queries.BUCKETS, f"{queries.OWNER}, le"))
    texts = {COUNTS: queries.together(counts), BUCKETS: queries.together(buckets)}
    return ((name, Query(about=name, text=text, at=group.until)) for name, text in texts.items())


def _levels(group: _Group, selector: Selector, metric: str, by: str) -> Iterator[tuple[str, str]]:
    """The levels at both ends of a window, which look back to the same moment; and at its end as the next will ask."""
    reach, later = _reach(group.since), _reach(group.until)
    yield BEGAN, queries.level(selector, metric, by, group.since - reach, group.seconds)
    yield ENDED, queries.level(selector, metric, by, group.until - reach)
    if later != reach:
        yield MARKED, queries.level(selector, metric, by, group.until - later)


def _reach(at: float) -> float:
    """How far back is looked for what counters read at a moment: at least ``LOOK_BACK``, and alike for all."""
    return (math.floor(at / queries.LOOK_BACK) - 1) * queries.LOOK_BACK


def _own_queries(window: Window) -> Iterator[tuple[str, Query]]:
    rollout, target = window.rollout, window.rollout.target
    for gate in rollout.gates.custom:
        text = queries.custom(
            gate.query,
            namespace=target.namespace,
            deployment=target.primary_deployment if rollout.primary_judged else target.canary_deployment,
            seconds=gates.lately(rollout),
            labels=rollout.metrics.labels,
        )
        yield gate.name, Query(about=f"custom gate {gate.name}", text=text, at=window.until)


TRAFFIC, REPORTERS, PROXIES, CLOCK = "the primary's requests", "who reports", "scraped proxies", "Prometheus's clock"
CLUSTERS = "clusters"
ANSWERS, BUCKETS, COUNTS = "answers", "latency buckets", "counts"
BEGAN, ENDED, MARKED = "where counters began", "where counters ended", "where counters are"
UNUSUAL, BEHIND, INSIDE = "new counters", "counters as they were", "counters as they went"
USERS = "requests of users"
NOW, BEFORE = "the newest scrape", "the scrape before"


def _plain(source: MetricsSource) -> MetricsSource:
    """Only whose requests are counted: windows that are asked together may be read at other times."""
    return replace(source, scrape_interval=0.0, read_delay=None)


def _selector(source: MetricsSource, namespaces: Sequence[str], workloads: Sequence[str]) -> Selector:
    return Selector(
        namespaces=tuple(namespaces),
        workloads=tuple(workloads),
        reporter=source.reporter,
        source_workload=source.source_workload,
        labels=source.labels,
    )


# What was answered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """One group's answers by owner; or why there are none.

    Attributes:
        began, ended, marked: levels; what ``marked`` looks back to is what the next window's start will.
        unusual: owners of whom levels tell too little.
        detailed: those, counted series by series, or why they could not be.
        users: by Service and workload.
    """

    fault: Fault | None = None
    began: Mapping[Owner, SideFigures] = field(default_factory=dict)
    ended: Mapping[Owner, SideFigures] = field(default_factory=dict)
    marked: Mapping[Owner, SideFigures] = field(default_factory=dict)
    unusual: frozenset[Owner] = frozenset()
    detailed: Mapping[Owner, SideFigures] | Fault = field(default_factory=dict)
    now: Mapping[Owner, float] = field(default_factory=dict)
    before: Mapping[Owner, float] = field(default_factory=dict)
    users: Mapping[Owner, float] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: Answers, group: int) -> _Counted:
        try:
            found = _by_question(_read(answers[f"{group} {COUNTS}"]))
            buckets = _by_question(_read(answers[f"{group} {BUCKETS}"]))
        except Fault as fault:
            return cls(fault=fault)
        began, ended, marked = (sides(found.get(name, ()), buckets.get(name, ())) for name in (BEGAN, ENDED, MARKED))
        odd = {owner for owner, end in ended.items() if is_odd(difference(end, began.get(owner, NOTHING)))}
        return cls(
            began=began,
            ended=ended,
            marked=marked if MARKED in found else ended,
            unusual=frozenset(odd | {owner_of(labels) for labels, _ in found.get(UNUSUAL, ())}),
            now=by_owner(found.get(NOW, ())),
            before=by_owner(found.get(BEFORE, ())),
            users={
                (labels.get(queries.SERVICE, ""), labels.get(queries.WORKLOAD, "")): n
                for labels, n in found.get(USERS, ())
            },
        )

    def side(self, window: Window, workload: str) -> tuple[SideFigures | None, SideFigures | None]:
        """What a workload answered, None where that is not known; and its mark, None where there are no counters."""
        rollout = window.rollout
        owner = (rollout.target.namespace, workload)
        last, counted = self.now.get(owner), self._counts(owner)
        level = self.marked.get(owner)
        if level is None:
            return None, None
        mark = replace(level, last=last)
        if last is None or counted is None or last < window.until - gates.lately(rollout):
            return None, mark
        side = replace(counted, first=self.before.get(owner), last=last)
        past = rollout.trial
        if not past.marks or past.until != window.since:
            return side, mark
        known, began = past.marks.get(workload, NOTHING), self.began.get(owner, NOTHING)
        if owner in self.unusual and is_odd(difference(began, known)):
            return None, mark  # a restart that came late: what was counted before it and since cannot be told apart
        total, mark = closed(
            side,
            began=began,
            mark=known,
            ended=mark,
            rate=_usual(rollout, workload, side),
            spacing=rollout.metrics.scrape_interval,
        )
        if total is None:
            log.warning("counters_replaced", rollout=rollout.id, workload=workload)
            return None, mark
        first = known.last if known.last is not None else side.first
        return replace(total, first=first, last=last), replace(mark, last=last)

    def _counts(self, owner: Owner) -> SideFigures | None:
        """What was answered in the window itself."""
        if owner not in self.ended:
            return None
        if owner in self.unusual:
            return None if isinstance(self.detailed, Fault) else self.detailed.get(owner, NOTHING)
        return difference(self.ended[owner], self.began.get(owner, NOTHING))

    def seen(self, target: Target) -> UserView | None:
        """Where the users of a rollout's Service went; None where no proxy of theirs reports."""
        host, names = target.host, (target.canary_deployment, target.primary_deployment, queries.NOWHERE)
        if not any((host, name) in self.users for name in names):
            return None
        canary, primary, nowhere = (self.users.get((host, name), 0.0) for name in names)
        return UserView(canary=canary, primary=primary, nowhere=nowhere)


def _usual(rollout: Rollout, workload: str, now: SideFigures) -> float:
    """The most requests a second of a side, in this window or a row of the last minute; 0 where that is not known."""
    is_canary = workload == rollout.target.canary_deployment
    rows = [now, *(row.canary if is_canary else row.primary for row in rollout.trial.recent)]
    return max((side.per_second or 0.0 for side in rows if side is not None), default=0.0)


def _detailed(
    answers: Mapping[str, list[Series] | Fault], group: int, since: float
) -> Mapping[Owner, SideFigures] | Fault:
    behind, inside = (answers[f"{group} {name}"] for name in (BEHIND, INSIDE))
    if isinstance(behind, Fault):
        return behind
    return inside if isinstance(inside, Fault) else series.counted(behind, inside, since)


def _figures(window: Window, counted: _Counted, own: Mapping[str, float | None]) -> Figures | Fault:
    if counted.fault is not None:
        return counted.fault
    target = window.rollout.target
    names = (target.primary_deployment, target.canary_deployment)
    (primary, its_mark), (canary, other_mark) = (counted.side(window, name) for name in names)
    return Figures(
        start=window.since,
        end=window.until,
        primary=primary,
        canary=canary,
        users=counted.seen(target),
        custom=dict(own),
        marks={name: mark for name, mark in zip(names, (its_mark, other_mark), strict=True) if mark is not None},
    )


def _read(answer: Answer) -> tuple[Sample, ...]:
    if isinstance(answer, Fault):
        raise answer
    return answer


def _by_question(samples: Iterable[Sample]) -> dict[str, tuple[Sample, ...]]:
    found: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample[0].get(queries.ASKED, "")].append(sample)
    return {name: tuple(answers) for name, answers in found.items()}


def _by_caller(answer: Answer) -> dict[str, float]:
    return {labels.get(queries.CALLER, ""): value for labels, value in _read(answer) if math.isfinite(value)}


def _traffic(labels: Mapping[str, str], requests: float) -> Traffic:
    return Traffic(
        source=labels.get(queries.CALLER, ""),
        requests=requests,
        protocol=labels.get(queries.PROTOCOL, ""),
        method=labels.get(queries.METHOD, ""),
    )


def _several(found: Iterable[Mapping[str, str]]) -> dict[str, frozenset[str]]:
    """The labels that have more than one value in one workload's series, with all of them; none is a value too."""
    values: defaultdict[tuple[Owner, str], set[str]] = defaultdict(set)
    for labels in found:
        for name in queries.CLUSTERS:
            values[owner_of(labels), name].add(labels.get(name, ""))
    return {name: frozenset(known) for (_, name), known in sorted(values.items()) if len(known) > 1}


def _single(answer: Answer) -> float | None:
    """The one number of an answer; None for nothing, no number, a fault, or several of which none is *the* value."""
    values = [value for _, value in answer] if not isinstance(answer, Fault) else []
    return values[0] if len(values) == 1 and math.isfinite(values[0]) else None


def _row(answers: Mapping[str, list[Series]], at: float) -> dict[Owner, SideFigures]:
    """Every workload's row of a range."""
    answered, buckets = (
        [(labels, values[at]) for labels, values in answers[name] if at in values] for name in (ANSWERS, BUCKETS)
    )
    return sides(answered, buckets)
