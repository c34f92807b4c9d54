"""Counting series by series where counters begin anew: what was answered since is counted, and once."""

from __future__ import annotations

import pytest

from bot.adapters import series
from bot.adapters.prometheus_link import Series

OWNER = ("shop", "reviews-v2")


def counter(code: str, samples: dict[float, float], version: str = "1", replica: str = "a") -> Series:
    labels = {
        "__name__": "istio_requests_total",
        "destination_workload_namespace": OWNER[0],
        "destination_workload": OWNER[1],
        "response_code": code,
        "pod": "reviews-v2-x",
        "app_kubernetes_io_version": version,
        "prometheus_replica": replica,
    }
    return labels, samples


@pytest.mark.parametrize("first", [1.0, 2.0])
def test_a_counter_that_comes_back_after_the_restart_was_seen_is_counted_from_zero(first: float) -> None:
    behind = [counter("200", {0.0: 500.0}), counter("404", {0.0: 1.0})]
    inside = [
        counter("200", {15.0: 520.0, 30.0: 10.0, 45.0: 40.0, 60.0: 70.0}),
        counter("404", {15.0: 1.0, 45.0: first, 60.0: first}),
    ]

    counted = series.counted(behind, inside, since=0.0)[OWNER]

    assert counted.requests == 20 + 70 + first
    assert counted.client_errors["404"] == first


def test_a_series_that_is_relabelled_after_a_restart_goes_on_from_what_it_read() -> None:
    behind = [counter("200", {0.0: 500.0})]
    inside = [counter("200", {15.0: 10.0, 30.0: 40.0}), counter("200", {45.0: 70.0, 60.0: 100.0}, version="2")]

    assert series.counted(behind, inside, since=0.0)[OWNER].requests == 100
