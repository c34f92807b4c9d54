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
from bot.words.sentence import Code, Item, Seconds, Sentence, Share, said

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
            said("preflight.no_prometheus", why=telemetry.failure),
            remedy=said("preflight.until_prometheus", command=Code("canary-bot check")),
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
        skew = Seconds(abs(telemetry.skew))
        yield warns(
            said("preflight.clock_ahead", skew=skew)
            if telemetry.skew > 0
            else said("preflight.clock_behind", skew=skew),
            remedy=said("preflight.set_clocks"),
        )


def _counted(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Whether the primary's requests are found under the labels and the callers that services.yaml names."""
    name, source = subject.service.primary_deployment, subject.service.metrics
    total = sum(one.requests for one in telemetry.traffic)
    if not telemetry.reporters:
        yield warns(
            said("preflight.no_request", name=name),
            remedy=said(
                "preflight.why_no_request", query=Code(f'istio_requests_total{{destination_workload="{name}"}}')
            ),
        )
    elif not any(re.fullmatch(source.reporter, one) for one in telemetry.reporters):
        found = tuple(sorted(telemetry.reporters))
        yield warns(
            said("preflight.other_reporter", name=name, found=found, wanted=source.reporter),
            remedy=said("preflight.correct_reporter", setting=Code("prometheus.reporter")),
        )
    elif not total:
        yield warns(
            said("preflight.not_called", name=name),
            remedy=said("preflight.wait_for_traffic"),
        )
    elif not _expected(subject, telemetry):
        yield warns(
            said(
                "preflight.other_callers",
                n=round(total),
                name=name,
                wanted=source.source_workload,
                found=_by_source(telemetry.traffic),
            ),
            remedy=said("preflight.correct_callers", setting=Code("prometheus.source_workload")),
        )
    slowest = 2 * source.scrape_interval + _TOLERANCE
    if telemetry.age is not None and telemetry.age > slowest:
        yield warns(
            said("preflight.old_figures", name=name, age=Seconds(telemetry.age), every=Seconds(source.scrape_interval)),
            remedy=said(
                "preflight.scrape_oftener",
                interval=Code("prometheus.scrape_interval"),
                delay=Code("prometheus.read_delay"),
            ),
        )


def _mixed(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """One Prometheus for several clusters with the same names: what is judged is the sum of them."""
    name = subject.service.primary_deployment
    for label, values in sorted(telemetry.clusters.items()):
        shown = tuple(sorted(value or '""' for value in values))
        yield warns(
            said("preflight.several_places", name=name, label=label, values=shown),
            remedy=said("preflight.which_cluster", key=Code(f"prometheus: {{labels: {{{label}: ...}}}}")),
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
                said("analysis.foreign", name=name_of(side), others=listed(found)),
                remedy=said("preflight.name_job", name=name_of(side), key=Code("prometheus: {labels: {job: ...}}")),
            )


def _expected(subject: Subject, telemetry: MetricFacts) -> list[Traffic]:
    wanted = subject.service.metrics.source_workload
    return [one for one in telemetry.traffic if one.requests > 0 and re.fullmatch(wanted, one.source)]


def _by_source(traffic: Sequence[Traffic]) -> tuple[Sentence, ...]:
    sources: dict[str, float] = {}
    for one in traffic:
        sources[one.source] = sources.get(one.source, 0.0) + one.requests
    ranked = sorted(sources.items(), key=lambda one: (-one[1], one[0]))[:MOST_NAMED]
    return tuple(said("preflight.requests_from", n=round(count), who=source or "unknown") for source, count in ranked)


def _scraped(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """By the names of pods: whoever is not scraped is not counted."""
    sides = [(side, _ready(subject, side)) for side in subject.sides]
    if any(names for _, names in sides) and not any(names & telemetry.scraped for _, names in sides):
        if telemetry.reporters:  # scraped they are, but without that label
            yield warns(
                said("preflight.scraped_unknown"),
                remedy=said("preflight.scrape_alike"),
            )
        return
    for side, names in sides:
        silent = sorted(names - telemetry.scraped)
        if silent:
            yield warns(
                said(
                    "preflight.not_scraped",
                    scraped=len(names) - len(silent),
                    n=len(names),
                    name=name_of(side),
                    silent=tuple(silent[:MOST_NAMED]),
                ),
                remedy=said("preflight.scrape_them"),
            )


def _ready(subject: Subject, side: Object) -> set[str]:
    return {name_of(pod) for pod in pods_of(side, subject.snapshot.pods) if is_ready(pod)}


def _buckets(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Shares of slow requests can be compared only by the same bounds."""
    primary, canary = subject.service.primary_deployment, subject.service.canary_name(subject.version)
    ours, theirs = (telemetry.bounds.get(name, frozenset()) for name in (primary, canary))
    if ours and theirs and ours != theirs:
        bounds = tuple(f"{bound:g} ms" for bound in sorted(ours ^ theirs)[:MOST_NAMED])
        yield warns(
            said("preflight.buckets_differ", primary=primary, canary=canary, bounds=bounds),
            remedy=said("preflight.same_buckets", annotation=Code("sidecar.istio.io/statsHistogramBuckets")),
        )
    if telemetry.reporters and not ours and subject.service.gates.latency:
        yield warns(
            said("preflight.no_buckets", name=primary),
            remedy=said(
                "preflight.keep_buckets",
                metric=Code("istio_request_duration_milliseconds_bucket"),
                key=Code("latency: false"),
                gates=Code("gates"),
            ),
        )


def _enough(subject: Subject, telemetry: MetricFacts) -> Iterator[Problem]:
    """Whether each stage sees the requests a verdict needs within its time, at the present rate."""
    service, rate = subject.service, telemetry.rate
    if not rate:
        return
    least = service.gates.minimum_requests
    stages: list[tuple[Item, float, float]] = [
        (Share(weight / _EVERYONE), float(weight), service.stage_seconds) for weight in service.weights
    ]
    if service.mirror_methods is None:  # only then is it known how many requests are copied
        stages.insert(0, (said("rollout.stage_mirror"), service.mirror_percent, service.mirror_seconds))
    short = [
        (name, share, seconds)
        for name, share, seconds in stages
        if rate * share / _EVERYONE * seconds < least and share
    ]
    if short:
        shown = tuple(
            said(
                "preflight.stage_short",
                stage=name,
                n=round(rate * share / _EVERYONE * seconds),
                time=Seconds(seconds),
                needed=Seconds(ceil(least * _EVERYONE / (rate * share))),
            )
            for name, share, seconds in short
        )
        yield warns(
            said("preflight.too_little_traffic", rate=float(f"{rate:.2g}"), least=least, stages=shown),
            remedy=said("preflight.give_time", mirror=Code("mirror.for"), stage=Code("stage.for")),
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
            said("preflight.only_grpc", name=name, methods=tuple(methods)),
            remedy=said("preflight.mirror_all", key=Code("mirror: {methods: all}")),
        )
    if total and writes and methods is None:
        yield warns(
            said("preflight.writes_copied", share=Share(writes / total), name=name, methods=_WRITES),
            remedy=said("preflight.mirror_reads", key=Code("mirror: {methods: [GET, HEAD]}")),
        )
