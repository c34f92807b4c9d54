"""Istio's standard metrics as its proxies export them: names, the 25 labels, bucket bounds, text format.

A proxy owns one ``IstioMetrics``. Which label values a request gets is the business of the proxy (``pods``,
``gateway``); the labels of either end are built here, from one pod, so that both reporters agree on them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sandbox.mesh.objects import Pod, Service

METRICS_PATH = "/stats/prometheus"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ISTIO_VERSION = "1.28.1"

# Envoy's default histogram bounds, milliseconds.
BUCKETS = (
    *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000),
    *(300000, 600000, 1800000, 3600000),
)

LABELS = (
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
)

GATEWAY_AS_SOURCE = {
    "source_workload": "istio-ingressgateway",
    "source_workload_namespace": "istio-system",
    "source_principal": "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
    "source_app": "istio-ingressgateway",
    "source_version": "unknown",
    "source_canonical_service": "istio-ingressgateway",
    "source_canonical_revision": "latest",
    "source_cluster": "Kubernetes",
}

CALLER_AS_SOURCE = GATEWAY_AS_SOURCE | {
    "source_workload": "productpage-v1",
    "source_workload_namespace": "default",
    "source_principal": "spiffe://cluster.local/ns/default/sa/default",
    "source_app": "productpage",
    "source_version": "v1",
    "source_canonical_service": "productpage",
    "source_canonical_revision": "v1",
}

# What a source reports when no host was picked (no route, no cluster, no healthy host).
NO_DESTINATION = {
    "destination_workload": "unknown",
    "destination_workload_namespace": "unknown",
    "destination_principal": "unknown",
    "destination_app": "unknown",
    "destination_version": "unknown",
    "destination_canonical_service": "unknown",
    "destination_canonical_revision": "latest",
    "destination_cluster": "unknown",
}

UNKNOWN_SERVICE = {
    "destination_service": "unknown",
    "destination_service_name": "unknown",
    "destination_service_namespace": "unknown",
}


def destination_labels(pod: Pod) -> dict[str, str]:
    """The labels that name ``pod`` as the destination; a pod without a ``version`` label has an empty version."""
    labels = pod.labels
    app = labels.get("app", "")
    revision_keys = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
    service_keys = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
    return {
        "destination_workload": pod.workload,
        "destination_workload_namespace": pod.namespace,
        "destination_principal": f"spiffe://cluster.local/ns/{pod.namespace}/sa/{pod.service_account}",
        "destination_app": app,
        "destination_version": labels.get("version", ""),
        "destination_canonical_service": _first(labels, service_keys, pod.workload),
        "destination_canonical_revision": _first(labels, revision_keys, "latest"),
        "destination_cluster": "Kubernetes",
    }


def service_labels(service: Service | None) -> dict[str, str]:
    """The labels that name the service a request was for."""
    if service is None:
        return UNKNOWN_SERVICE
    return {
        "destination_service": service.fqdn,
        "destination_service_name": service.name,
        "destination_service_namespace": service.namespace,
    }


@dataclass(slots=True)
class _Series:
    requests: int = 0
    milliseconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))  # not cumulative; the last is +Inf


class IstioMetrics:
    """What one proxy has counted. A series appears with its first request, as Envoy's do; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, _Series] = {}

    def record(self, labels: Mapping[str, str], milliseconds: float) -> None:
        """Count one finished request under all 25 labels."""
        key = ",".join(f'{name}="{labels[name]}"' for name in LABELS)
        with self._lock:
            series = self._series.setdefault(key, _Series())
            series.requests += 1
            series.milliseconds += milliseconds
            series.buckets[bisect_left(BUCKETS, milliseconds)] += 1

    def exposition(self) -> str:
        """Everything, in Prometheus' text format."""
        with self._lock:
            return "\n".join([*_build(), *_counters(self._series), *_histograms(self._series), ""])


def _first(labels: Mapping[str, str], keys: Iterable[str], otherwise: str) -> str:
    return next((labels[key] for key in keys if key in labels), otherwise)


def _build() -> Iterator[str]:
    yield "# TYPE istio_build gauge"
    yield f'istio_build{{component="proxy",tag="{ISTIO_VERSION}"}} 1'


def _counters(series: Mapping[str, _Series]) -> Iterator[str]:
    yield "# TYPE istio_requests_total counter"
    for labels, counted in series.items():
        yield f"istio_requests_total{{{labels}}} {counted.requests}"


def _histograms(series: Mapping[str, _Series]) -> Iterator[str]:
    name = "istio_request_duration_milliseconds"
    yield f"# TYPE {name} histogram"
    for labels, counted in series.items():
        below = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), counted.buckets, strict=True):
            below += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {below}'
        yield f"{name}_sum{{{labels}}} {counted.milliseconds:.3f}"
        yield f"{name}_count{{{labels}}} {counted.requests}"
