"""What the Prometheus of the contract tests has scraped, and the exact figures that follow from it.

Each namespace is one situation, scraped every 15 seconds for ten minutes up to ``NOW``; the window read is the last two
minutes, eight scrapes. The samples are blocks made by ``promtool``, so every count can be said in advance.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path

from bot.model.figures import ScrapeTarget, SideFigures
from bot.preflight import Callers, MetricFacts, Traffic
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, answers, find_program

NOW = 1_750_000_000
SCRAPE = 15
WINDOW = 120
FIRST = -40  # scrapes before NOW

PRIMARY, CANARY = "reviews-v1", "reviews-v2"

Value = Callable[[int], float | None]  # by number of the scrape, 0 being NOW and -8 the window's start


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One counter of one pod's proxy."""

    namespace: str
    workload: str
    value: Value
    pod: str = "a"
    labels: Mapping[str, str] = field(default_factory=dict)
    metric: str = "istio_requests_total"

    def text(self) -> Iterator[str]:
        labels = {
            "reporter": "destination",
            "destination_workload_namespace": self.namespace,
            "destination_workload": self.workload,
            "source_workload": "istio-ingressgateway",
            "pod": f"{self.workload}-{self.pod}",
            **self.labels,
        }
        if self.metric == "istio_requests_total":
            labels = {"response_code": "200", "grpc_response_status": "", **labels}
        inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
        for scrape in range(FIRST, 1):
            value = self.value(scrape)
            if value is not None:
                yield f"{self.metric}{{{inside}}} {value} {NOW + scrape * SCRAPE}"


def growing(per_scrape: float, start: float = 1000) -> Value:
    return lambda scrape: start + per_scrape * (scrape - FIRST)


def born(at: int, value: float) -> Value:
    """First seen at a scrape inside the window, already with a value."""
    return lambda scrape: value if scrape >= at else None


def restarted(before: float, since: float) -> Value:
    """Back to zero in mid-window, and past its old value by NOW."""
    return lambda scrape: before if scrape < -4 else since * (scrape + 5) / 5


def gone(scrape: int) -> float | None:
    """Not scraped for longer than Prometheus looks back."""
    return 500 if scrape < -25 else None


def only(at: int) -> Value:
    """There for one scrape."""
    return lambda scrape: 5000 if scrape == at else None


def of(pod: str, namespace: str = "") -> Mapping[str, str]:
    """The labels of a pod that is none of the workload's."""
    return {"pod": pod} | ({"namespace": namespace} if namespace else {})


HTTP_500 = {"response_code": "500"}
GRPC_UNAVAILABLE = {"grpc_response_status": "14"}
GRPC_NOT_FOUND = {"grpc_response_status": "5"}
FROM_GATEWAY = {"reporter": "source", "destination_service": "reviews.called.svc.cluster.local"}
FROM_PAGE = {**FROM_GATEWAY, "source_workload": "productpage-v1"}
BUCKET = "istio_request_duration_milliseconds_bucket"

SERIES: Sequence[Series] = (
    # Two pods answer alike; one of them fails now and then. The canary gets a copy of everything.
    Series(namespace="busy", workload=PRIMARY, value=growing(10)),
    Series(namespace="busy", workload=PRIMARY, value=growing(10), pod="b"),
    Series(namespace="busy", workload=PRIMARY, value=growing(1), labels=HTTP_500),
    Series(namespace="busy", workload=CANARY, value=growing(18)),
    Series(namespace="busy", workload=CANARY, value=growing(1), labels=GRPC_UNAVAILABLE),
    Series(namespace="busy", workload=CANARY, value=growing(2), labels=GRPC_NOT_FOUND),
    # What the callers' own proxies say is the same requests again, and another namespace is none of ours.
    Series(namespace="busy", workload=CANARY, value=growing(99), labels={"reporter": "source"}),
    Series(namespace="busy-too", workload=CANARY, value=growing(99)),
    # Prometheus was upgraded from 2 to 3 pod by pod: bounds are written in two ways.
    Series(namespace="busy", workload=CANARY, value=growing(9), metric=BUCKET, labels={"le": "500"}),
    Series(namespace="busy", workload=CANARY, value=growing(6), metric=BUCKET, labels={"le": "500.0"}, pod="b"),
    Series(namespace="busy", workload=CANARY, value=growing(21), metric=BUCKET, labels={"le": "+Inf"}),
    # The first 500 ever creates the series with its value.
    Series(namespace="first-error", workload=PRIMARY, value=growing(10)),
    Series(namespace="first-error", workload=CANARY, value=growing(10)),
    Series(namespace="first-error", workload=CANARY, value=born(-3, 7), labels=HTTP_500),
    # A proxy restarted: 90 since then, although its counter reads only 40 more than at the window's start.
    Series(namespace="restarted", workload=PRIMARY, value=growing(10)),
    Series(namespace="restarted", workload=CANARY, value=restarted(50, 90)),
    Series(namespace="restarted", workload=CANARY, value=restarted(50, 90), metric=BUCKET, labels={"le": "+Inf"}),
    # The tenth of it that is fast never passes its old value: both buckets must be counted from the restart.
    Series(namespace="restarted", workload=CANARY, value=restarted(20, 9), metric=BUCKET, labels={"le": "5"}),
    Series(namespace="idle", workload=PRIMARY, value=growing(10)),
    Series(namespace="idle", workload=CANARY, value=growing(0)),
    Series(namespace="idle", workload=CANARY, value=growing(0), metric=BUCKET, labels={"le": "5"}),
    Series(namespace="idle", workload=CANARY, value=growing(0), metric=BUCKET, labels={"le": "+Inf"}),
    Series(namespace="gone", workload=PRIMARY, value=growing(10)),
    Series(namespace="gone", workload=CANARY, value=gone),
    Series(namespace="born", workload=PRIMARY, value=growing(10)),
    Series(namespace="born", workload=CANARY, value=lambda scrape: 20 * (scrape + 3) if scrape >= -2 else None),
    # What the callers' own proxies say: a page inside the mesh, the gateway, and requests to another Service.
    Series(namespace="called", workload=CANARY, value=growing(1), labels=FROM_PAGE),
    Series(namespace="called", workload=PRIMARY, value=born(-3, 7), labels=FROM_PAGE),
    Series(namespace="called", workload=PRIMARY, value=growing(99), labels=FROM_GATEWAY),
    Series(namespace="called", workload="unknown", value=growing(2), labels=FROM_GATEWAY),
    Series(namespace="called", workload=PRIMARY, value=growing(99), labels={**FROM_PAGE, "destination_service": "x"}),
    # Where each version has a Service, the same users are counted at two of them, and each may find no pod.
    *(
        Series(
            namespace="apart",
            workload=workload,
            value=growing(requests),
            labels={**FROM_GATEWAY, "destination_service": f"{host}.apart.svc.cluster.local"},
        )
        for host, workload, requests in (
            (PRIMARY, PRIMARY, 30),
            (CANARY, CANARY, 10),
            (PRIMARY, "unknown", 1),
            (CANARY, "unknown", 2),
            ("reviews", PRIMARY, 99),
        )
    ),
    # Every proxy shows itself from its start; one of two pods of each side is scraped, and one of a longer name.
    *(
        Series(
            namespace="busy",
            workload=workload,
            value=lambda _: 1,
            metric="istio_build",
            labels={"component": "proxy", "namespace": "busy", "pod": f"{workload}-5d8f-abcde"},
        )
        for workload in (PRIMARY, CANARY, f"{CANARY}-next")
    ),
    # Pods of somebody else's speak for the canary: all the time, for one scrape, of times alone, of a minute ago, and
    # in no number. And one of another Namespace's has the very name of a pod of its own.
    Series(namespace="shared", workload=PRIMARY, value=growing(10)),
    Series(namespace="shared", workload=CANARY, value=growing(10)),
    Series(namespace="shared", workload=CANARY, value=growing(10), metric=BUCKET, labels={"le": "+Inf"}),
    Series(namespace="shared", workload=CANARY, value=growing(900), labels={**HTTP_500, **of("forger-1")}),
    Series(namespace="shared", workload=CANARY, value=only(-3), labels={**HTTP_500, **of("forger-2")}),
    Series(
        namespace="shared", workload=CANARY, value=born(-3, 5000), metric=BUCKET, labels={"le": "5", **of("forger-3")}
    ),
    Series(namespace="shared", workload=CANARY, value=only(-12), labels={**HTTP_500, **of("forger-4")}),
    Series(namespace="shared", workload=CANARY, value=lambda _: nan, labels=of("forger-5")),
    Series(namespace="shared", workload=CANARY, value=growing(900), labels=of(f"{CANARY}-a", "elsewhere")),
    Series(namespace="busy", workload=PRIMARY, value=lambda _: 1, metric="queue_lag"),
    Series(namespace="busy", workload=CANARY, value=lambda _: 42, metric="queue_lag"),
)

EXPECTED: Mapping[str, SideFigures] = {
    "busy/reviews-v1": SideFigures(requests=168, errors=8),
    "busy/reviews-v2": SideFigures(requests=168, errors=8, buckets={500.0: 120, inf: 168}),
    "first-error/reviews-v1": SideFigures(requests=80, errors=0),
    "first-error/reviews-v2": SideFigures(requests=87, errors=7),
    "restarted/reviews-v1": SideFigures(requests=80, errors=0),
    "restarted/reviews-v2": SideFigures(requests=90, errors=0, buckets={5.0: 9, inf: 90}),
    "idle/reviews-v1": SideFigures(requests=80, errors=0),
    "idle/reviews-v2": SideFigures(requests=0, errors=0, buckets={5.0: 0, inf: 0}),
    "gone/reviews-v1": SideFigures(requests=80, errors=0),
    "shared/reviews-v1": SideFigures(requests=80, errors=0),
    "shared/reviews-v2": SideFigures(requests=80, errors=0, buckets={inf: 80}),
}

# The canary's are of the last two minutes; the service's of an hour, which is all that these series have seen.
CALLERS = Callers(of_canary={"productpage-v1": 8}, of_service={"productpage-v1": 1040 + 7})

# The last ten minutes are all that these series have seen.
TELEMETRY = MetricFacts(
    traffic=(Traffic(source="istio-ingressgateway", requests=840, protocol=""),),
    reporters=frozenset({"destination"}),
    bounds={CANARY: frozenset({500.0, inf})},
    scraped=frozenset({f"{PRIMARY}-5d8f-abcde", f"{CANARY}-5d8f-abcde"}),
    age=0.0,
    targets={
        PRIMARY: frozenset(ScrapeTarget(pod=f"{PRIMARY}-{name}") for name in "ab"),
        CANARY: frozenset(ScrapeTarget(pod=f"{CANARY}-{name}") for name in "ab"),
    },
)


def serve(directory: Path) -> Iterator[str]:
    """The address of a Prometheus that holds ``SERIES`` and scrapes nothing."""
    samples, data, port = directory / "samples.txt", directory / "data", free_port()
    in_families = sorted(SERIES, key=lambda series: series.metric)
    samples.write_text("\n".join((*(line for series in in_families for line in series.text()), "# EOF\n")))
    (directory / "prometheus.yml").write_text("{}\n")
    promtool = [find_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)]
    subprocess.run(promtool, check=True, capture_output=True, timeout=60)  # noqa: S603  # Debian ships it beside prometheus
    argv = [
        find_program("prometheus"),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    ]
    program = Program(argv, log=directory / "prometheus.log", ready=answers(port, "/-/ready")).start()
    yield f"http://{LOOPBACK}:{port}"
    program.stop()
