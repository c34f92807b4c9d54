"""Whether Prometheus will be able to judge: who is counted, how often, by whose clock, and how many requests come.

The canary need not be known yet: a proxy creates its series with its first request. That it is scraped is seen by
``istio_build``, which every proxy shows from its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import ceil

from bot.analysis.targets import foreign, listed
from bot.cluster.objects import Object, name_of, pods_of
from bot.model.figures import SideFigures
from bot.model.images import is_ready
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import MetricFacts, Subject, Traffic

LATELY = "the last ten minutes"
RECENT_ROWS = 40
MOST_NAMED = 5
_EVERYONE = 100
_TOLERANCE = 5.0  # seconds that clocks, or a scrape and its storage, may be apart
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


def pace(rows: Sequence[SideFigures | None], interval: float) -> float | None:
    """Requests per second in rows of ``interval`` seconds; None when too few are known.

    The first row that is known may hold all that a proxy has ever counted, and tells no rate.
    """
    known = [row for row in rows if row is not None][1:][-RECENT_ROWS:]
    return sum(row.requests for row in known) / (len(known) * interval) if known and interval else None


def apart(theirs: float | None, before: float, after: float) -> float:
    """How far a clock is from ours that was asked between two moments; 0 where it says a time between them."""
    if theirs is None or before <= theirs <= after:
        return 0.0
    return theirs - (after if theirs > after else before)


def check(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Nothing here blocks: a rollout without figures holds, and that is safe."""
    if telemetry.failure:
        yield warns(
            f"Nothing can be judged now: {telemetry.failure}",
            remedy="Every stage holds until Prometheus answers; `canary-bot check` says whether it does.",
        )
        return
    yield from _clock(telemetry)
    if subject.primary is None:
        return
    yield from _counted(subject, telemetry)
    yield from _mixed(subject, telemetry)
    yield from _foreign(subject, telemetry)
    yield from _scraped(subject, telemetry)
    yield from _buckets(subject, telemetry)
    yield from _enough(subject, telemetry)
    yield from _copied(subject, telemetry)


def _clock(telemetry: MetricFacts) -> Iterator[Problem]:
    if abs(telemetry.skew) > _TOLERANCE:
        how = "ahead of" if telemetry.skew > 0 else "behind"
        yield warns(
            f"Prometheus's clock is {abs(telemetry.skew):.0f} s {how} canary-bot's.",
            remedy="Set both by NTP: by the wrong clock, what is judged is older than it need be, or comes late.",
        )


def _counted(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Whether the primary's requests are found under the labels and the callers that services.yaml names."""
    name, source = subject.service.primary_deployment, subject.service.metrics
    total = sum(one.requests for one in telemetry.traffic)
    if not telemetry.reporters:
        yield warns(
            f"Prometheus has no request of {name}.",
            remedy="Nothing can be judged without: is it called at all, are its proxies scraped, and does the "
            f'Telemetry API keep the labels? Ask for `istio_requests_total{{destination_workload="{name}"}}`.',
        )
    elif not any(re.fullmatch(source.reporter, one) for one in telemetry.reporters):
        found = ", ".join(sorted(telemetry.reporters))
        yield warns(
            f"The requests of {name} are counted by {found}, and not by {source.reporter}.",
            remedy="Nothing can be judged: correct `prometheus.reporter` in services.yaml, or let its own proxies be "
            "scraped.",
        )
    elif not total:
        yield warns(
            f"Nobody has called {name} in {LATELY}.",
            remedy="A canary that nobody calls proves nothing, and its stages hold: start when there is traffic.",
        )
    elif not _expected(subject, telemetry):
        yield warns(
            f"None of the {total:,.0f} requests of {name} in {LATELY} came from {source.source_workload}: "
            f"{_by_source(telemetry.traffic)}.",
            remedy="Nothing can be judged: correct `prometheus.source_workload` in services.yaml.",
        )
    slowest = 2 * source.scrape_interval + _TOLERANCE
    if telemetry.age is not None and telemetry.age > slowest:
        yield warns(
            f"The newest figures of {name} are {telemetry.age:.0f} s old, with a scrape each "
            f"{source.scrape_interval:g} s.",
            remedy="Its proxies are scraped more rarely than services.yaml says (`prometheus.scrape_interval`), or not "
            "any more: look at Prometheus's targets. Where figures arrive late (remote write, Thanos, Mimir), write "
            "how late in `prometheus.read_delay`.",
        )


def _mixed(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """One Prometheus for several clusters with the same names: what is judged is the sum of them."""
    name = subject.service.primary_deployment
    for label, values in sorted(telemetry.clusters.items()):
        shown = ", ".join(sorted(value or "none" for value in values))
        yield warns(
            f"The requests of {name} or its canary are counted in several places at once ({label}: {shown}).",
            remedy="Their sum is judged, or nothing where the others' pods bear names. Are they clusters with the "
            "same names? Then write which one is meant: "
            f"`prometheus: {{labels: {{{label}: ...}}}}` in services.yaml.",
        )


def _foreign(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Whoever is scraped may show figures in a workload's name: those of other pods are somebody else's words."""
    if not subject.snapshot.is_read("Pod"):
        return
    for side in subject.sides:
        own = frozenset(map(name_of, pods_of(side, subject.snapshot.pods)))
        found = foreign(telemetry.targets.get(name_of(side), ()), subject.service.namespace, own)
        if found:
            yield warns(
                f"Prometheus counts requests of {name_of(side)} from what is none of its pods: {listed(found)}.",
                remedy=f"While it does, {name_of(side)} is unknown and every stage holds. Name the job that scrapes "
                "the mesh's proxies, or the cluster: `prometheus: {labels: {job: ...}}` in services.yaml.",
            )


def _expected(subject: Subject, telemetry: MetricFacts) -> list[Traffic]:
    wanted = subject.service.metrics.source_workload
    return [one for one in telemetry.traffic if one.requests > 0 and re.fullmatch(wanted, one.source)]


def _by_source(traffic: Sequence[Traffic]) -> str:
    sources: dict[str, float] = {}
    for one in traffic:
        sources[one.source] = sources.get(one.source, 0.0) + one.requests
    ranked = sorted(sources.items(), key=lambda one: (-one[1], one[0]))[:MOST_NAMED]
    return ", ".join(f"{count:,.0f} from {source or 'unknown'}" for source, count in ranked)


def _scraped(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """By the names of pods: whoever is not scraped is not counted."""
    sides = [(side, _ready(subject, side)) for side in subject.sides]
    if any(names for _, names in sides) and not any(names & telemetry.scraped for _, names in sides):
        if telemetry.reporters:  # scraped they are, but without that label
            yield warns(
                "Which pods are scraped is not known: Prometheus has no istio_build of theirs with the label pod.",
                remedy="The canary's proxies must be scraped like the primary's: look at Prometheus's targets.",
            )
        return
    for side, names in sides:
        silent = sorted(names - telemetry.scraped)
        if silent:
            listed = ", ".join(silent[:MOST_NAMED])
            yield warns(
                f"Prometheus scrapes {len(names) - len(silent)} of the {len(names)} ready pods of {name_of(side)} "
                f"(not {listed}).",
                remedy="What the others answer is counted nowhere. New pods are found within moments; else look at "
                "Prometheus's targets, and at the scrape annotations of the pods.",
            )


def _ready(subject: Subject, side: Object) -> set[str]:
    return {name_of(pod) for pod in pods_of(side, subject.snapshot.pods) if is_ready(pod)}


def _buckets(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Shares of slow requests can be compared only by the same bounds."""
    primary, canary = subject.service.primary_deployment, subject.service.canary_name(subject.version)
    ours, theirs = (telemetry.bounds.get(name, frozenset()) for name in (primary, canary))
    if ours and theirs and ours != theirs:
        listed = ", ".join(f"{bound:g}" for bound in sorted(ours ^ theirs)[:MOST_NAMED])
        yield warns(
            f"{primary} and {canary} count latencies in different buckets ({listed} ms on one side only).",
            remedy="Give both the same annotation sidecar.istio.io/statsHistogramBuckets.",
        )
    if telemetry.reporters and not ours and subject.service.gates.latency:
        yield warns(
            f"Prometheus has no latency buckets of {primary}.",
            remedy="Latency is not judged: let istio_request_duration_milliseconds_bucket be kept, or write "
            "`latency: false` under `gates`, so that nobody relies on it.",
        )


def _enough(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Whether each stage sees the requests a verdict needs within its time, at the present rate."""
    service, rate = subject.service, telemetry.rate
    if not rate:
        return
    least = service.gates.minimum_requests
    stages = [(f"{weight} %", float(weight), service.stage_seconds) for weight in service.weights]
    if service.mirror_methods is None:  # only then is it known how many requests are copied
        stages.insert(0, ("the mirror", service.mirror_percent, service.mirror_seconds))
    short = [
        (name, share, seconds)
        for name, share, seconds in stages
        if rate * share / _EVERYONE * seconds < least and share
    ]
    if short:
        shown = ", ".join(
            f"{name}: about {rate * share / _EVERYONE * seconds:.0f} in {seconds:g} s, and needs "
            f"{ceil(least * _EVERYONE / (rate * share))} s"
            for name, share, seconds in short
        )
        yield warns(
            f"At {rate:.2g} requests a second a stage does not see the {least} requests of a verdict in its time "
            f"({shown}).",
            remedy="It waits until it has: give it that time (`mirror.for`, `stage.for`), begin with larger weights, "
            "or start when there is more traffic.",
        )


def _copied(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """What is copied: nothing of gRPC where only reads are, and writes where everything is."""
    traffic, methods = _expected(subject, telemetry), subject.service.mirror_methods
    total = sum(one.requests for one in traffic)
    rpc = sum(one.requests for one in traffic if one.protocol == "grpc")
    writes = sum(one.requests for one in traffic if one.method.upper() in _WRITES and one.protocol != "grpc")
    name = subject.service.primary_deployment
    if total and rpc == total and methods is not None and "POST" not in methods:
        yield warns(
            f"All requests of {name} are gRPC, which is always POST, and only {', '.join(methods)} is mirrored.",
            remedy="Nothing would be copied and the mirror would wait for ever: with calls that may be made twice, "
            "write `mirror: {methods: all}`.",
        )
    if total and writes and methods is None:
        yield warns(
            f"{writes / total:.1%} of the requests of {name} in {LATELY} were writes "
            f"({', '.join(_WRITES)}), and every method is mirrored.",
            remedy="Each of them happens twice, with all that follows (e-mails, payments, queues): `mirror: {methods: "
            "[GET, HEAD]}` copies reads alone.",
        )
