"""A counter that is no number makes its side unknown: without it the side would look better than it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection, Query
from bot.controller.ports import Window
from bot.model.errors import Fault
from bot.model.figures import Figures
from tests.builders import a_rollout, a_service
from tests.unit.adapters.test_own_queries import Answer, serving


def sample(question: str, workload: str, value: str, **labels: str) -> dict[str, Any]:
    owner = {"destination_workload": workload, "destination_workload_namespace": "default"}
    return {"metric": {"canary_bot_asked": f"0 {question}", **owner, **labels}, "value": [0, value]}


def counted(workload: str, errors: str, over: str = "100") -> list[dict[str, Any]]:
    return [
        sample("the newest scrape", workload, "14"),
        sample("where counters ended", workload, "100", response_code="200"),
        sample("where counters ended", workload, errors, response_code="500"),
        sample("where counters endedlatency buckets", workload, over, le="+Inf"),
    ]


@pytest.mark.parametrize(
    ("errors", "over"), [("NaN", "100"), ("+Inf", "100"), ("-Inf", "100"), ("3", "NaN"), ("1e300", "1e300")]
)
def test_a_counter_that_is_no_number_makes_its_side_unknown_and_no_other(errors: str, over: str) -> None:
    found = [*counted("reviews-v1", "2", "102"), *counted("reviews-v2", errors, over)]

    def answer(query: str) -> Answer:
        result = found if "canary_bot_asked" in query else []
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url))
        (figures,) = metrics.read([Window(rollout=a_rollout(), since=0, until=15)]).values()
        metrics.close()

    assert isinstance(figures, Figures)
    assert figures.canary is None
    assert figures.primary is not None
    assert (figures.primary.requests, figures.primary.errors) == (102, 2)


def test_while_the_clock_of_prometheus_is_not_known_neither_side_is() -> None:
    found = [*counted("reviews-v1", "2", "102"), *counted("reviews-v2", "3", "103")]

    def answer(query: str) -> Answer:
        if "canary_bot_asked" not in query:
            return 503, b"busy"
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()

    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url))
        (figures,) = metrics.read([Window(rollout=a_rollout(), since=0, until=15)]).values()
        metrics.close()

    assert isinstance(figures, Figures)
    assert (figures.primary, figures.canary) == (None, None)


# A series that cannot be read at all

SPACE = {"destination_workload_namespace": "default", "destination_workload": "reviews-v2"}
FAILED = sample("where counters ended", "reviews-v2", "40", response_code="500")


def read(found: list[dict[str, Any]], inside: list[dict[str, Any]] | None = None) -> Figures:
    def answer(query: str) -> Answer:
        kind, result = ("vector", found) if "canary_bot_asked" in query else ("matrix", inside or [])
        return 200, json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()

    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url))
        (figures,) = metrics.read([Window(rollout=a_rollout(), since=0, until=15)]).values()
        metrics.close()
    assert isinstance(figures, Figures)
    return figures


@pytest.mark.parametrize(
    "odd",
    [
        {**FAILED, "value": [0, None]},
        {**FAILED, "value": [0]},
        {"metric": FAILED["metric"]},
        {**FAILED, "metric": {**FAILED["metric"], "pod": None}},
        {**FAILED, "metric": {**FAILED["metric"], "response_code": 500}},
        sample("where counters endedlatency buckets", "reviews-v2", "3", le="hundred"),
        FAILED | {"value": [0, "2"]},  # which the answer has with another value as well
    ],
    ids=str,
)
def test_a_series_that_cannot_be_read_makes_its_owners_side_unknown_and_no_other(odd: dict[str, Any]) -> None:
    figures = read([*counted("reviews-v1", "2", "102"), *counted("reviews-v2", "3", "103"), odd])

    assert figures.canary is None
    assert figures.primary is not None
    assert (figures.primary.requests, figures.primary.errors) == (102, 2)


def test_the_same_of_a_side_that_is_looked_at_series_by_series() -> None:
    unusual = [sample("new counters", name, "1") for name in ("reviews-v1", "reviews-v2")]
    found = [*counted("reviews-v1", "2", "102"), *counted("reviews-v2", "3", "103"), *unusual]
    good = {"metric": {"__name__": "istio_requests_total", "pod": "a", **SPACE, "destination_workload": "reviews-v1"}}
    odd = {"metric": {"__name__": "istio_requests_total", "pod": "b", **SPACE}, "values": [[10, None]]}

    figures = read(found, [good | {"values": [[-5, "0"], [10, "7"]]}, odd])

    assert figures.canary is None


def test_where_users_went_is_unknown_when_one_count_cannot_be_read() -> None:
    host = "reviews.default.svc.cluster.local"
    went: list[dict[str, Any]] = [
        {
            "metric": {"canary_bot_asked": "0 requests of users", "destination_service": host, **SPACE},
            "value": [0, "9"],
        },
        {"metric": {"canary_bot_asked": "0 requests of users", "destination_service": host}, "value": [0, None]},
    ]
    went[1]["metric"]["destination_workload"] = "reviews-v1"

    assert read([*counted("reviews-v1", "2", "102"), *went[:1]]).users is not None
    assert read([*counted("reviews-v1", "2", "102"), *went]).users is None


def test_a_row_of_the_past_has_no_side_of_whom_a_series_cannot_be_read() -> None:
    def answered(workload: str, code: str, values: Any) -> dict[str, Any]:
        return {"metric": {**SPACE, "destination_workload": workload, "response_code": code}, "values": values}

    found = [answered("reviews-v1", "200", [[15, "9"], [30, "NaN"]]), answered("reviews-v1", "500", [[15, "1"]])]
    found += [answered("reviews-v2", "200", [[15, "9"]]), answered("reviews-v2", "500", [[15, None]])]

    def answer(query: str) -> Answer:
        result = found if "istio_requests_total" in query else []
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()

    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url))
        rows = metrics.rows(a_service(), ["reviews-v1", "reviews-v2"], 0.0, 30.0)
        metrics.close()

    assert [None if row is None else (row.requests, row.errors) for row in rows["reviews-v1"]] == [(10, 1), None]
    assert list(rows["reviews-v2"]) == [None, None]


@pytest.mark.parametrize("bound", ["fast", "0x1p3", "NaN", "", "[[", "5"])
def test_a_counter_with_a_bound_is_a_counter_and_a_bucket_without_one_is_unknown(bound: str) -> None:
    names = ("istio_requests_total", "istio_request_duration_milliseconds_bucket")
    raw = [{"metric": {"__name__": name, "pod": "x", "le": bound}, "values": [[1, "7"]]} for name in names]

    def answer(_query: str) -> Answer:
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": raw}}).encode()

    with serving(answer) as url:
        connection = PrometheusConnection(url)
        found = connection.ask_series({"one": Query(about="one", text="up")})["one"]
        connection.close()

    assert not isinstance(found, Fault)
    (counter, counts), (_, bucket) = found
    assert counter == {"__name__": names[0], "pod": "x", "exported_le": bound}
    assert counts == {1.0: 7.0}
    assert bucket == (counts if bound == "5" else {})
