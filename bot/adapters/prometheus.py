"""The port ``Metrics``: what both sides of rollouts answered, asked of Prometheus. The questions are in ``queries``.

Windows that end together are asked for together (``counted``): a turn costs one query for one rollout or for hundreds,
and one more where counters were born or began at zero again. Queries that services wrote themselves come after those.

Three things an answer may say are kept apart: nothing (the series are not there: ``None``), zero (they are there and
did not move), and no number (``NaN``, ``+Inf``: as good as nothing).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import structlog

from bot.adapters import queries
from bot.adapters.clock import stopwatch as steady
from bot.adapters.counters import Owner, buckets_by_owner, owner_of, sides, targets_by_owner
from bot.adapters.prometheus_clock import ABOUT_CLOCK, CLOCK, PrometheusClock
from bot.adapters.prometheus_connection import Answer, PrometheusConnection, Query, Series
from bot.adapters.windows import ANSWERS, BUCKETS, NOW, TARGETS, Counted, batched, read, selector_of
from bot.cluster.objects import full_host
from bot.controller.ports import Window
from bot.model.errors import Fault
from bot.model.figures import Figures, SideFigures
from bot.model.rollout import RolloutId
from bot.model.service import ServiceConfig
from bot.preflight import Callers, MetricFacts, Traffic
from bot.words.sentence import Sentence, said

LATELY_SECONDS = 120.0  # real requests on the canary before a start: an aborted rollout's are forgotten soon
RECENT_SECONDS = 600.0  # what the primary answers before a start
INSIDE_SECONDS = 3600.0  # callers inside the mesh may be rare
ANYBODY, GATEWAYS = ".*", ".*gateway.*"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PrometheusMetrics:
    """Figures from one Prometheus."""

    def __init__(self, connection: PrometheusConnection, stopwatch: Callable[[], float] = steady) -> None:
        """``stopwatch``: seconds that go by itself, to know Prometheus's time between two answers."""
        self._connection = connection
        self._clock = PrometheusClock(connection, stopwatch)

    def clock(self, now: float) -> float:
        """The earlier of ``now`` and the time by Prometheus's own clock."""
        return self._clock.now(now)

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        """Both sides' exact counts in each window, with the custom queries' values.

        A window that ends so late that scrapes may be on their way has a side only where none is: a caller who keeps
        the delay, by ``clock``, is told of everybody.
        """
        batches = batched(windows, self._clock.surely())
        answers = self._connection.ask({str(number): batch.query() for number, batch in enumerate(batches)})
        turns = [Counted.of(batch, answers[str(number)]) for number, batch in enumerate(batches)]
        wanted = {str(number): query for number, turn in enumerate(turns) if (query := turn.wanted()) is not None}
        detailed = self._connection.ask_series(wanted) if wanted else {}
        for number, found in detailed.items():
            turns[int(number)].explain(found)
        own = self._own_values(windows)
        return {
            window.rollout.spec.id: turn.figures(window, own.get(window.rollout.spec.id, {}))
            for turn in turns
            for window in turn.batch.windows
        }

    def _own_values(self, windows: Sequence[Window]) -> dict[RolloutId, dict[str, float | None]]:
        """The values of the custom queries by their gates' names; None where there is not one number, whyever."""
        asked = {
            str(window.rollout.spec.id): dict(_own_queries(window))
            for window in windows
            if window.rollout.spec.gates.custom
        }
        if not asked:
            return {}
        found: dict[RolloutId, dict[str, float | None]] = {}
        for rollout, answers in self._connection.ask_apart(asked).items():
            for name, answer in answers.items():
                if isinstance(answer, Fault):
                    log.warning("custom_query_failed", rollout=rollout, gate=name, reason=answer.sentence)
            found[RolloutId(rollout)] = {name: _single(answer) for name, answer in answers.items()}
        return found

    def rows(
        self, service: ServiceConfig, workloads: Sequence[str], start: float, end: float
    ) -> Mapping[str, Sequence[SideFigures | None]]:
        """Each workload's counts in rows of a scrape interval each, oldest first."""
        step = service.metrics.scrape_interval
        if end < round(start + step):
            return {name: [] for name in workloads}
        selector = selector_of(service.metrics, [service.namespace], workloads)
        asked = {
            ANSWERS: Query(about=ABOUT[ANSWERS], text=queries.answers(selector, step)),
            BUCKETS: Query(about=ABOUT[BUCKETS], text=queries.buckets(selector, step)),
        }
        first = round(start + step)  # the client asks for whole seconds
        answers = self._connection.ask_range(asked, first, end, step)
        times = [round(first + number * step, 3) for number in range(int((round(end) - first) / step) + 1)]
        # Of what was answered last some may not have been scraped, or not be stored yet: that is no row.
        surely = self._clock.surely()
        complete = math.inf if surely is None else surely - service.metrics.delay
        rows = [_row(answers, at) if at <= complete else {} for at in times]
        return {name: [row.get((service.namespace, name)) for row in rows] for name in workloads}

    def callers(self, service: ServiceConfig, canary: str, end: float, since: float | None = None) -> Callers:
        """Who reached the canary lately, and who inside the mesh calls the service at all, counted at the callers."""
        lately = LATELY_SECONDS if since is None else min(LATELY_SECONDS, end - since)
        named = service.metrics.source_workload
        # Without a name for the way in, whatever is called a gateway is taken for one.
        known = named if named != ANYBODY else GATEWAYS
        labels = service.metrics.labels
        asked = {CALLS: queries.calls(full_host(service), known, INSIDE_SECONDS, labels)}
        if lately > 0:
            asked[REACHED] = queries.reached(service.namespace, canary, lately, labels)
        answers = self._connection.ask(
            {name: Query(about=ABOUT[name], text=text, at=end) for name, text in asked.items()}
        )
        return Callers(of_canary=_by_caller(answers.get(REACHED, ())), of_service=_by_caller(answers[CALLS]))

    def telemetry(self, service: ServiceConfig, canary: str, end: float) -> MetricFacts:
        """Who counts what of both sides, how often, and by which clock; see ``MetricFacts``. Its rate stays unknown."""
        source, space, primary = service.metrics, [service.namespace], service.primary_deployment
        anybody = replace(source, source_workload=ANYBODY)
        ours, both = selector_of(anybody, space, [primary]), selector_of(anybody, space, [primary, canary])
        asked = {
            TRAFFIC: queries.traffic(ours, RECENT_SECONDS),
            REPORTERS: queries.reporters(replace(ours, reporter=ANYBODY)),
            BUCKETS: queries.bounds(both),
            PROXIES: queries.proxies(service.namespace, [primary, canary], source.labels),
            CLUSTERS: queries.clusters(both),
            TARGETS: queries.targets(both, 2 * source.scrape_interval, 2 * source.scrape_interval),
            NOW: queries.scraped(ours),
        }
        wanted = {name: Query(about=ABOUT[name], text=text, at=end) for name, text in asked.items()}
        answers = self._connection.ask(wanted | {CLOCK: Query(about=ABOUT_CLOCK, text=queries.CLOCK)})
        found = {name: read(answer) for name, answer in answers.items()}
        return MetricFacts(
            traffic=tuple(_traffic(labels, value) for labels, value in found[TRAFFIC] if math.isfinite(value)),
            reporters=frozenset(labels.get("reporter", "") for labels, _ in found[REPORTERS]),
            bounds={name: frozenset(les) for (_, name), les in buckets_by_owner(found[BUCKETS]).items()},
            scraped=frozenset(labels["pod"] for labels, _ in found[PROXIES] if "pod" in labels),
            age=next((end - value for _, value in found[NOW] if math.isfinite(value)), None),
            clock=next((value for _, value in found[CLOCK] if math.isfinite(value)), None),
            clusters=_several(labels for labels, _ in found[CLUSTERS]),
            targets={name: shown for (_, name), shown in targets_by_owner(found[TARGETS]).items()},
        )

    def ping(self) -> None:
        """Raise ``Fault`` when Prometheus cannot be asked."""
        read(self._connection.ask({"alive": Query(about=said("adapters.about_liveness"), text=queries.ALIVE)})["alive"])

    def istio_series(self) -> int:
        """How many series of Istio's requests there are now, of the whole mesh.

        Raises:
            Fault: Prometheus cannot be asked.
        """
        answer = self._connection.ask({"istio": Query(about=said("adapters.about_istio"), text=queries.ISTIO)})["istio"]
        return round(sum(value for _, value in read(answer) if math.isfinite(value)))

    def close(self) -> None:
        """Let go of connections and threads."""
        self._connection.close()


# What is asked


def _own_queries(window: Window) -> Iterator[tuple[str, Query]]:
    rollout, target = window.rollout, window.rollout.spec.target
    for gate in rollout.spec.gates.custom:
        text = queries.custom(
            gate.query,
            namespace=target.namespace,
            deployment=target.primary_deployment if rollout.primary_judged else target.canary_deployment,
            seconds=rollout.spec.metrics.lately,
            labels=rollout.spec.metrics.labels,
        )
        yield gate.name, Query(about=said("adapters.about_gate", name=gate.name), text=text, at=window.until)


TRAFFIC, REPORTERS, PROXIES, CLUSTERS, REACHED, CALLS = (
    "traffic",
    "reporters",
    "proxies",
    "clusters",
    "reached",
    "calls",
)
# What each is for, where Prometheus refuses it.
ABOUT: Mapping[str, Sentence] = {
    ANSWERS: said("adapters.about_answers"),
    BUCKETS: said("adapters.about_buckets"),
    TRAFFIC: said("adapters.about_traffic"),
    REPORTERS: said("adapters.about_reporters"),
    PROXIES: said("adapters.about_proxies"),
    CLUSTERS: said("adapters.about_clusters"),
    REACHED: said("adapters.about_reached"),
    CALLS: said("adapters.about_calls"),
    TARGETS: said("adapters.about_targets"),
    NOW: said("adapters.about_newest"),
}

# What was answered


def _by_caller(answer: Answer) -> dict[str, float]:
    return {labels.get(queries.CALLER, ""): value for labels, value in read(answer) if math.isfinite(value)}


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
    """Every workload's row of a range; none of one of whom a series cannot be read, or is no number then."""
    answered, buckets = (
        [(labels, values.get(at, math.nan)) for labels, values in answers[name] if at in values or not values]
        for name in (ANSWERS, BUCKETS)
    )
    unknown = {owner_of(labels) for labels, value in (*answered, *buckets) if not math.isfinite(value)}
    return {owner: side for owner, side in sides(answered, buckets).items() if owner not in unknown}
