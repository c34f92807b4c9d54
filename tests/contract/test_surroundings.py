"""What readiness says of rights, of Istio's series and of watchdogs: by name, with what to do, and from memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.adapters.kube import Kube
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.adapters.surroundings import ABOUT, MOST_NAMED, RIGHTS, RIGHTS_AT_ONCE, SERIES, WATCHDOGS, Surroundings
from bot.app import OPTIONAL
from bot.cluster import heartbeat_lease
from bot.model.service import ServiceConfig
from bot.words.rendering import plain
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from tests.builders import a_service
from tests.unit.adapters.test_own_queries import Answer, serving

NOW = 1_750_000_000.0
LIMIT = 120.0


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02).load(bookinfo.objects()) as api:
        yield api


@contextmanager
def looking(
    api: KubeApi, folder: Path, services: Sequence[ServiceConfig] = (a_service(),), series: int | None = 12
) -> Iterator[Surroundings]:
    """``series``: how many Prometheus has of Istio; None: it answers nothing."""

    def answer(_query: str) -> Answer:
        found = [{"metric": {}, "value": [1.0, str(series)]}] if series else []
        return (
            500 if series is None else 200,
            json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode(),
        )

    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url))
        kube = Kube.connect(str(api.write_kubeconfig(folder / "kubeconfig")))
        yield Surroundings(kube, metrics, services, limit=LIMIT, now=lambda: NOW)
        metrics.close()


def watching(api: KubeApi, limit: float, age: float = 5.0) -> None:
    api.load([heartbeat_lease.watching(None, "default", limit, NOW - age)])


def test_where_nothing_is_wrong_nothing_is_said(api: KubeApi, tmp_path: Path) -> None:
    watching(api, LIMIT)
    with looking(api, tmp_path) as surroundings:
        assert [surroundings.trouble(about) for about in ABOUT] == [None, None, None]
        surroundings.check()
        assert [surroundings.trouble(about) for about in ABOUT] == [None, None, None]


@pytest.mark.parametrize(
    ("verb", "kind", "resource"),
    [
        ("get", "VirtualService", "virtualservices"),
        ("update", "VirtualService", "virtualservices"),
        ("list", "Deployment", "deployments"),
        ("patch", "Deployment", "deployments"),
        ("create", "Lease", "leases"),
        ("delete", "Lease", "leases"),
        ("watch", "Pod", "pods"),
        ("list", "ReplicaSet", "replicasets"),
        ("get", "DestinationRule", "destinationrules"),
        ("get", "Service", "services"),
        ("list", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ],
)
def test_each_verb_that_is_missing_is_named_with_the_rule_to_add(
    api: KubeApi, tmp_path: Path, verb: str, kind: str, resource: str
) -> None:
    api.forbid(verb=verb, kind=kind, namespace="default")
    with looking(api, tmp_path) as surroundings:
        surroundings.check()

        found = plain(surroundings.trouble(RIGHTS) or "")

    assert f"canary-bot may not {verb} {resource}" in found
    assert f"resources: [{resource}]" in found
    assert f"verbs: [{verb}]" in found


def test_many_services_are_asked_about_in_turns_and_the_first_findings_named(api: KubeApi, tmp_path: Path) -> None:
    services = [
        replace(a_service(), name=f"s{n}", virtual_service=f"s{n}", primary_deployment=f"s{n}-v1") for n in range(60)
    ]
    api.forbid(verb="update", kind="VirtualService", namespace="default")
    with looking(api, tmp_path, services) as surroundings:
        surroundings.check()
        first = plain(surroundings.trouble(RIGHTS) or "")
        for _ in range(60 * 8 // RIGHTS_AT_ONCE + 1):
            surroundings.check()
        found = plain(surroundings.trouble(RIGHTS) or "")

    assert "may not update virtualservices s0 " in first
    assert found.count("may not update") == MOST_NAMED
    assert "And 40 more: `canary-bot check` names all." in found


def test_a_right_that_was_given_is_missing_no_more(api: KubeApi, tmp_path: Path) -> None:
    denial = api.forbid(verb="create", kind="Lease", namespace="default")
    with looking(api, tmp_path) as surroundings:
        surroundings.check()
        assert surroundings.trouble(RIGHTS) is not None

        api.allow(denial)
        surroundings.check()

        assert surroundings.trouble(RIGHTS) is None


def test_an_api_server_that_is_away_is_no_finding_and_is_asked_once(tmp_path: Path) -> None:
    with KubeApi(start_seconds=0.02) as gone:
        gone.write_kubeconfig(tmp_path / "kubeconfig")
    with looking(
        gone, tmp_path, [a_service(name=f"s{n}", virtual_service=f"s{n}") for n in range(200)]
    ) as surroundings:
        surroundings.check()

        assert [surroundings.trouble(about) for about in (RIGHTS, WATCHDOGS)] == [None, None]


@pytest.mark.parametrize(("series", "notified"), [(0, True), (12, False), (None, False)])
def test_a_prometheus_without_istios_series_is_named(
    api: KubeApi,
    tmp_path: Path,
    series: int | None,
    notified: bool,  # noqa: FBT001  # one of a table
) -> None:
    with looking(api, tmp_path, series=series) as surroundings:
        surroundings.check()

        assert ("no series `istio_requests_total`" in plain(surroundings.trouble(SERIES) or "")) is notified


@pytest.mark.parametrize(
    ("theirs", "age", "said"),
    [
        (60.0, 5.0, "DEAD_MAN_SECONDS is 120 here and 60 at the watchdog of namespace default"),
        (600.0, 5.0, "DEAD_MAN_SECONDS is 120 here and 600 at the watchdog of namespace default"),
        (120.0, 400.0, "The watchdog of namespace default has said nothing for 6.5 minutes"),
    ],
)
def test_a_watchdog_with_another_limit_or_a_silent_one_is_named(
    api: KubeApi, tmp_path: Path, theirs: float, age: float, said: str
) -> None:
    watching(api, theirs, age)
    with looking(api, tmp_path) as surroundings:
        surroundings.check()

        assert plain(surroundings.trouble(WATCHDOGS) or "").startswith(said)


def test_a_watchdogs_lease_that_may_not_be_read_is_named(api: KubeApi, tmp_path: Path) -> None:
    api.forbid(verb="get", kind="Lease", namespace="default")
    with looking(api, tmp_path) as surroundings:
        surroundings.check()

        assert "The Role of canary-bot needs `get` of it." in plain(surroundings.trouble(WATCHDOGS) or "")


def test_none_of_it_takes_a_replica_out_of_service() -> None:
    assert set(ABOUT) <= OPTIONAL


def test_readiness_needs_neither_prometheus_nor_a_good_file() -> None:
    """Whoever would be taken out of service for them could not be asked for an abort any more."""
    assert {"prometheus", "services", "channels and approvers"} <= OPTIONAL
    assert not {"redis", "slack", "kubernetes"} & OPTIONAL
