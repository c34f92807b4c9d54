"""The port ``Metrics``: what both sides of rollouts answered, asked of Prometheus. The questions are in ``queries``.

Windows of the same times are asked for together: a turn costs the same two queries for one rollout or for hundreds.

Three things an answer may say are kept apart: nothing (the series are not there: ``None``), zero (they are there and
did not move), and no number (``NaN``, ``+Inf``: as good as nothing).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.adapters import queries
from bot.adapters.prometheus_link import PrometheusLink, Query, Sample, Series
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
ANYBODY, GATEWAYS = ".*", ".*gateway.*"

Owner = tuple[str, str]  # namespace and workload
Answers = Mapping[str, tuple[Sample, ...] | Fault]


@dataclass(frozen=True, slots=True)
class _Group:
    """Windows that can be asked for together: of the same times, and of the same kind of callers."""

    since: float
    until: float
    reporter: str
    source_workload: str

    @classmethod
    def of(cls, window: Window) -> _Group:
        source = window.rollout.metrics
        return cls(window.since, window.until, source.reporter, source.source_workload)


class PrometheusMetrics:
    """Figures from one Prometheus."""

    def __init__(self, link: PrometheusLink) -> None:
        self._link = link

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        """Both sides' exact counts in each window, with the custom queries' values."""
        groups: defaultdict[_Group, list[Window]] = defaultdict(list)
        for window in windows:
            groups[_Group.of(window)].append(window)
        asked = {name: query for window in windows for name, query in _own_queries(window)}
        for number, (group, members) in enumerate(groups.items()):
            asked |= {f"{number} {name}": query for name, query in _shared_queries(group, members)}
        answers = self._link.ask(asked)
        read: dict[RolloutId, Figures | Fault] = {}
        for number, members in enumerate(groups.values()):
            counted = _Counted.of(answers, number)
            read |= {window.rollout.id: _figures(window, counted, answers) for window in members}
        return read

    def rows(
        self, service: Service, workloads: Sequence[str], start: float, end: float
    ) -> Mapping[str, Sequence[SideFigures | None]]:
        """Each workload's counts in rows of a scrape interval each, oldest first."""
        step = service.metrics.scrape_interval
        asked = _counts(_selector(service.metrics, [service.namespace], workloads), step)
        first = round(start + step)  # the client asks for whole seconds
        answers = self._link.ask_range(asked, first, end, step)
        times = [round(first + number * step, 3) for number in range(int((round(end) - first) / step) + 1)]
        return {name: [_row(answers, (service.namespace, name), at) for at in times] for name in workloads}

    def callers(self, service: Service, canary: str, end: float) -> Callers:
        """Who reached the canary lately, and who inside the mesh calls the service at all, counted at the callers."""
        named = service.metrics.source_workload
        # Without a name for the way in, whatever is called a gateway is taken for one.
        known = named if named != ANYBODY else GATEWAYS
        reached, calls = "callers of the canary", "callers of the service"
        answers = self._link.ask(
            {
                reached: Query(about=reached, text=queries.reached(service.namespace, canary, LATELY_SECONDS), at=end),
                calls: Query(about=calls, text=queries.calls(full_host(service), known, INSIDE_SECONDS), at=end),
            }
        )
        return Callers(of_canary=_by_caller(answers[reached]), of_service=_by_caller(answers[calls]))

    def telemetry(self, service: Service, canary: str, end: float) -> Telemetry:
        """Who counts what of both sides, how often, and by which clock; see ``Telemetry``. Its rate stays unknown."""
        source, space, primary = service.metrics, [service.namespace], service.primary_deployment
        anybody = replace(source, source_workload=ANYBODY)
        ours, both = _selector(anybody, space, [primary]), _selector(anybody, space, [primary, canary])
        asked = {
            TRAFFIC: queries.traffic(ours, RECENT_SECONDS),
            REPORTERS: queries.reporters(replace(ours, reporter=ANYBODY)),
            BUCKETS: queries.bounds(both),
            PROXIES: queries.proxies(service.namespace, [primary, canary]),
            NOW: queries.scraped(ours),
        }
        wanted = {name: Query(about=name, text=text, at=end) for name, text in asked.items()}
        answers = self._link.ask(wanted | {CLOCK: Query(about=CLOCK, text=queries.CLOCK)})
        found = {name: _read(answer) for name, answer in answers.items()}
        return Telemetry(
            traffic=tuple(_traffic(labels, value) for labels, value in found[TRAFFIC] if math.isfinite(value)),
            reporters=frozenset(labels.get("reporter", "") for labels, _ in found[REPORTERS]),
            bounds={name: frozenset(les) for (_, name), les in _buckets(found[BUCKETS]).items()},
            scraped=frozenset(labels["pod"] for labels, _ in found[PROXIES] if "pod" in labels),
            age=next((end - value for _, value in found[NOW] if math.isfinite(value)), None),
            clock=next((value for _, value in found[CLOCK]), None),
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
    selector = Selector(
        namespaces=tuple(sorted({target.namespace for target in targets})),
        workloads=tuple(sorted({name for t in targets for name in (t.primary_deployment, t.canary_deployment)})),
        reporter=group.reporter,
        source_workload=group.source_workload,
    )
    seconds = group.until - group.since
    several = _counts(selector, seconds) | {
        NOW: queries.scraped(selector),
        BEFORE: queries.scraped(selector, seconds),
        USERS: queries.users(sorted({target.host for target in targets}), group.source_workload, seconds),
    }
    buckets = several.pop(BUCKETS)  # by far the most series: on their own, beside the others
    texts = {COUNTS: queries.together(several), BUCKETS: buckets}
    return ((name, Query(about=name, text=text, at=group.until)) for name, text in texts.items())


def _own_queries(window: Window) -> Iterable[tuple[str, Query]]:
    rollout, target = window.rollout, window.rollout.target
    deployment = target.primary_deployment if rollout.primary_judged else target.canary_deployment
    for gate in rollout.gates.custom:
        text = queries.custom(
            gate.query, namespace=target.namespace, deployment=deployment, seconds=gates.lately(rollout)
        )
        name = _own(rollout, gate.name)
        yield name, Query(about=f"custom gate {gate.name}", text=text, at=window.until, forgiving=True)


def _own(rollout: Rollout, gate: str) -> str:
    return f"{rollout.id} {gate}"


TRAFFIC, REPORTERS, PROXIES, CLOCK = "the primary's requests", "who reports", "scraped proxies", "Prometheus's clock"
REQUESTS, ERRORS, BUCKETS = "requests", "errors", "latency buckets"
USERS = "requests of users"
NOW, BEFORE = "the newest scrape", "the scrape before"
COUNTS = "counts"  # all of these but the buckets


def _selector(source: MetricsSource, namespaces: Sequence[str], workloads: Sequence[str]) -> Selector:
    return Selector(
        namespaces=tuple(namespaces),
        workloads=tuple(workloads),
        reporter=source.reporter,
        source_workload=source.source_workload,
    )


def _counts(selector: Selector, seconds: float) -> dict[str, str]:
    return {
        REQUESTS: queries.requests(selector, seconds),
        ERRORS: queries.errors(selector, seconds),
        BUCKETS: queries.buckets(selector, seconds),
    }


# What was answered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """One group's answers by owner; or why there are none."""

    fault: Fault | None = None
    requests: Mapping[Owner, float]
    errors: Mapping[Owner, float]
    buckets: Mapping[Owner, Mapping[float, float]]
    now: Mapping[Owner, float]
    before: Mapping[Owner, float]
    users: Mapping[Owner, float]  # by Service and workload

    @classmethod
    def of(cls, answers: Answers, group: int) -> _Counted:
        try:
            found = _by_question(_read(answers[f"{group} {COUNTS}"]))
            buckets = _buckets(_read(answers[f"{group} {BUCKETS}"]))
        except Fault as fault:
            return cls(fault=fault, requests={}, errors={}, buckets={}, now={}, before={}, users={})
        return cls(
            requests=_by_owner(found.get(REQUESTS, ())),
            errors=_by_owner(found.get(ERRORS, ())),
            buckets=buckets,
            now=_by_owner(found.get(NOW, ())),
            before=_by_owner(found.get(BEFORE, ())),
            users={
                (labels.get(queries.SERVICE, ""), labels.get(queries.WORKLOAD, "")): n
                for labels, n in found.get(USERS, ())
            },
        )

    def side(self, namespace: str, workload: str) -> SideFigures | None:
        """What a workload answered; None where nothing is known of it."""
        owner = (namespace, workload)
        if owner not in self.requests:
            return None
        return SideFigures(
            requests=self.requests[owner],
            # Only because requests are being counted does a missing error series mean that nothing failed.
            errors=self.errors.get(owner, 0.0),
            buckets=self.buckets.get(owner, {}),
            first=self.before.get(owner),
            last=self.now.get(owner),
        )

    def seen(self, target: Target) -> UserView | None:
        """Where the users of a rollout's Service went; None where no proxy of theirs reports."""
        host, sides = target.host, (target.canary_deployment, target.primary_deployment, queries.NOWHERE)
        if not any((host, name) in self.users for name in sides):
            return None
        canary, primary, nowhere = (self.users.get((host, name), 0.0) for name in sides)
        return UserView(canary=canary, primary=primary, nowhere=nowhere)


def _figures(window: Window, counted: _Counted, answers: Answers) -> Figures | Fault:
    rollout, target = window.rollout, window.rollout.target
    own = [answers[_own(rollout, gate.name)] for gate in rollout.gates.custom]
    fault = counted.fault or next((answer for answer in own if isinstance(answer, Fault)), None)
    if fault is not None:
        return fault
    return Figures(
        start=window.since,
        end=window.until,
        primary=counted.side(target.namespace, target.primary_deployment),
        canary=counted.side(target.namespace, target.canary_deployment),
        users=counted.seen(target),
        custom={gate.name: _single(answers[_own(rollout, gate.name)]) for gate in rollout.gates.custom},
    )


def _read(answer: tuple[Sample, ...] | Fault) -> tuple[Sample, ...]:
    if isinstance(answer, Fault):
        raise answer
    return answer


def _owner(labels: Mapping[str, str]) -> Owner:
    return labels.get(queries.NAMESPACE, ""), labels.get(queries.WORKLOAD, "")


def _by_question(samples: Iterable[Sample]) -> dict[str, tuple[Sample, ...]]:
    found: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample[0].get(queries.ASKED, "")].append(sample)
    return {name: tuple(answers) for name, answers in found.items()}


def _by_owner(samples: Iterable[Sample]) -> dict[Owner, float]:
    return {_owner(labels): value for labels, value in samples if math.isfinite(value)}


def _by_caller(answer: tuple[Sample, ...] | Fault) -> dict[str, float]:
    return {labels.get(queries.CALLER, ""): value for labels, value in _read(answer) if math.isfinite(value)}


def _traffic(labels: Mapping[str, str], requests: float) -> Traffic:
    return Traffic(
        source=labels.get(queries.CALLER, ""),
        requests=requests,
        protocol=labels.get(queries.PROTOCOL, ""),
        method=labels.get(queries.METHOD, ""),
    )


def _buckets(samples: Iterable[Sample]) -> dict[Owner, dict[float, float]]:
    """By bound. Prometheus 3 writes ``500.0`` where 2 wrote ``500``; a window may hold both, and they are one bound."""
    found: defaultdict[Owner, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for labels, value in samples:
        if "le" in labels and math.isfinite(value):
            found[_owner(labels)][float(labels["le"])] += value
    return {owner: dict(sorted(bounds.items())) for owner, bounds in found.items()}


def _single(answer: tuple[Sample, ...] | Fault) -> float | None:
    """The one number of an answer; None for nothing, for no number, and for several of which none is *the* value."""
    values = [value for _, value in _read(answer)]
    return values[0] if len(values) == 1 and math.isfinite(values[0]) else None


def _row(answers: Mapping[str, list[Series]], owner: Owner, at: float) -> SideFigures | None:
    """One workload's row of a range."""
    requests = [values[at] for labels, values in answers[REQUESTS] if _owner(labels) == owner and at in values]
    if not requests:
        return None
    errors = [values[at] for labels, values in answers[ERRORS] if _owner(labels) == owner and at in values]
    buckets: defaultdict[float, float] = defaultdict(float)
    for labels, values in answers[BUCKETS]:
        if _owner(labels) == owner and at in values:
            buckets[float(labels["le"])] += values[at]
    return SideFigures(requests=requests[0], errors=sum(errors), buckets=dict(sorted(buckets.items())))
