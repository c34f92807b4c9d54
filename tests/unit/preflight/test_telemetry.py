"""Whether Prometheus will be able to judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.figures import ScrapeTarget, SideFigures
from bot.model.service import GateLimits, MetricsSource
from bot.preflight import Examined, MetricFacts, Traffic, examine
from bot.preflight.measurements import apart, pace
from tests.builders import a_service
from tests.snapshots import HEALTHY, a_snapshot, texts

OWN = ScrapeTarget(namespace="default", pod="reviews-v1-1")
GATEWAY = MetricsSource(source_workload="istio-ingressgateway")


def examined_of(service: Any = None, **changes: Any) -> Examined:
    return examine(service or a_service(metrics=GATEWAY), "v2", a_snapshot(), figures=replace(HEALTHY, **changes))


def test_a_prometheus_that_sees_both_sides_is_nothing_to_speak_of() -> None:
    assert examined_of().problems == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"failure": "Prometheus cannot be reached."}, "Nothing can be judged now: Prometheus cannot be reached."),
        ({"skew": 42.0}, "Prometheus's clock is 42 seconds ahead of canary-bot's."),
        ({"skew": -42.0}, "Prometheus's clock is 42 seconds behind canary-bot's."),
        ({"skew": 4.0}, ""),
        (
            {"traffic": (), "reporters": frozenset(), "bounds": {}, "scraped": frozenset()},
            "Prometheus has no request of reviews-v1.",
        ),
        (
            {"traffic": (), "reporters": frozenset({"source"})},
            "The requests of reviews-v1 are counted by source, and not by destination.",
        ),
        ({"traffic": (Traffic(source="x", requests=0),)}, "Nobody has called reviews-v1 in the last ten minutes."),
        (
            {"traffic": (Traffic(source="productpage-v1", requests=1200), Traffic(source="", requests=30))},
            (
                "None of the 1,230 requests of reviews-v1 in the last ten minutes came from istio-ingressgateway: "
                "1,200 from productpage-v1 and 30 from unknown."
            ),
        ),
        ({"age": 95.0}, "The newest figures of reviews-v1 are 95 seconds old, with a scrape each 15 seconds."),
        ({"age": 34.0}, ""),
        (
            {"scraped": HEALTHY.scraped - {"reviews-v2-1"}},
            "Prometheus scrapes 1 of the 2 ready pods of reviews-v2 (not reviews-v2-1).",
        ),
        (
            {"clusters": {"cluster": frozenset({"prod", "staging"})}},
            "The requests of reviews-v1 or its canary are counted in several places at once (cluster: prod and stag",
        ),
        (
            {"targets": {"reviews-v1": frozenset({OWN, ScrapeTarget(namespace="shop", pod="forger-1")})}},
            "Prometheus counts requests of reviews-v1 from what is none of its pods: shop/forger-1.",
        ),
        (
            {"targets": {"reviews-v2": frozenset({OWN})}},
            "Prometheus counts requests of reviews-v2 from what is none of its pods: default/reviews-v1-1.",
        ),
        ({"targets": {"reviews-v1": frozenset({OWN}), "reviews-v2": frozenset()}}, ""),
        ({"scraped": frozenset()}, "Which pods are scraped is not known"),
        (
            {"bounds": {"reviews-v1": frozenset({100.0, 500.0}), "reviews-v2": frozenset({100.0, 250.0})}},
            "reviews-v1 and reviews-v2 count latencies in different buckets (250 ms and 500 ms on one side only).",
        ),
        ({"bounds": {}}, "Prometheus has no latency buckets of reviews-v1."),
    ],
)
def test_what_would_keep_it_from_judging_is_told_and_stops_nothing(changes: dict[str, Any], said: str) -> None:
    examined = examined_of(**changes)

    assert texts(examined.reasons) == ()
    assert [warning.startswith(said) for warning in texts(examined.warnings)] == [True] * bool(said)


def test_no_buckets_are_missed_where_latency_is_not_judged() -> None:
    assert examined_of(a_service(gates=GateLimits(latency=False)), bounds={}).problems == ()


def test_a_stage_that_will_not_see_enough_requests_is_told_with_the_time_it_needs() -> None:
    service = a_service(weights=(5, 50, 100), mirror_percent=50, mirror_seconds=300.0, stage_seconds=120.0)

    (warning,) = texts(examined_of(service, rate=0.5).warnings)

    assert warning.startswith(
        "At 0.5 requests a second a stage does not see the 100 requests of a verdict in its time: "
        "mirror about 75 in 5 minutes (enough after 6.5 minutes), 5 % about 3 in 2 minutes (enough after 67 minutes), "
        "50 % about 30 in 2 minutes (enough after 6.5 minutes) and "
        "100 % about 60 in 2 minutes (enough after 3.5 minutes)."
    )
    assert examined_of(service, rate=50.0).problems == ()


def test_grpc_is_always_post_so_a_mirror_of_reads_copies_nothing() -> None:
    calls = (Traffic(source="istio-ingressgateway", requests=900, protocol="grpc"),)

    (warning,) = texts(examined_of(a_service(mirror_methods=("GET", "HEAD")), traffic=calls).warnings)

    assert warning.startswith(
        "All requests of reviews-v1 are gRPC, which is always POST, and only GET and HEAD is mirrored."
    )
    assert examined_of(traffic=calls).problems == ()


def test_writes_that_would_happen_twice_are_told_where_metrics_know_the_method() -> None:
    writes = Traffic(source="istio-ingressgateway", requests=120, method="POST")
    reads = Traffic(source="istio-ingressgateway", requests=880, method="GET")

    (warning,) = texts(examined_of(traffic=(writes, reads)).warnings)

    assert warning.startswith("12 % of the requests of reviews-v1 in the last ten minutes were writes")
    assert examined_of(a_service(mirror_methods=("GET",)), traffic=(writes, reads)).problems == ()


def test_a_rate_is_told_from_rows_but_not_from_the_first_that_is_known() -> None:
    born, row = SideFigures(requests=99_000, errors=0), SideFigures(requests=30, errors=0)

    assert pace([None, born, row, None, row], 15.0) == 2.0
    assert (pace([None, born], 15.0), pace([], 15.0)) == (None, None)


def test_clocks_are_apart_only_where_no_time_in_between_explains_it() -> None:
    assert [apart(theirs, 100.0, 103.0) for theirs in (None, 100.0, 103.0, 110.0, 90.0)] == [0, 0, 0, 7, -10]


def test_nothing_is_said_of_figures_that_were_not_asked_for() -> None:
    assert examine(a_service(), "v2", a_snapshot()).problems == ()
    assert len(texts(examine(a_service(), "v2", a_snapshot(), figures=MetricFacts()).warnings)) == 1
