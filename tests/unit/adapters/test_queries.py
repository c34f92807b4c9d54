"""Whether the queries count right is asked of a real Prometheus in ``tests/contract``; here is what they say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters import queries
from bot.adapters.queries import Selector

REVIEWS = Selector(namespaces=("default",), workloads=("reviews-v1", "reviews-v2"))


def test_one_query_counts_both_sides_series_by_series() -> None:
    series = (
        'istio_requests_total{reporter=~"destination",destination_workload_namespace=~"default",'
        'destination_workload=~"reviews-v1|reviews-v2",source_workload=~".*"}'
    )

    assert queries.requests(REVIEWS, 120) == (
        f"sum by (destination_workload_namespace, destination_workload) ((({series} - {series} offset 120s) >= 0 "
        f"unless resets({series}[120s]) > 0 or {series}))"
    )


def test_an_error_is_an_http_500_or_a_grpc_status_that_is_the_servers_doing() -> None:
    query = queries.errors(REVIEWS, 60)

    assert 'response_code=~"5.."' in query
    assert 'response_code!~"5..",grpc_response_status=~"2|4|12|13|14|15"' in query


def test_the_moment_of_the_newest_sample_is_asked_for_now_and_for_the_windows_start() -> None:
    assert " offset " not in queries.scraped(REVIEWS)
    assert " offset 90s))" in queries.scraped(REVIEWS, 90)


@pytest.mark.parametrize(("seconds", "text"), [(120, "120s"), (90.5, "90500ms"), (0.0001, "1ms"), (1e-9 + 60, "60s")])
def test_a_duration_is_whole_seconds_or_milliseconds(seconds: float, text: str) -> None:
    assert queries.duration(seconds) == text


def test_a_workloads_name_is_matched_as_it_is_and_never_as_a_pattern() -> None:
    assert 'destination_workload=~"a\\\\.b|c"' in Selector(namespaces=("default",), workloads=("a.b", "c")).of("m")


@given(st.text())
def test_no_value_can_leave_its_quotes(value: str) -> None:
    text = Selector(namespaces=("n",), workloads=("w",), source_workload=value).of("m")

    literals = re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    assert len(literals) == 4
    assert re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], literals[3]) == value


def test_a_custom_query_gets_its_three_values_and_keeps_every_other_dollar() -> None:
    query = (
        'label_replace(max_over_time(lag{namespace="$namespace",deployment="${deployment}",pod=~"web-.+$"}[$window]), '
        '"short", "$1-$windows", "pod", "(.*)$")'
    )

    assert queries.custom(query, namespace="shop", deployment="web-v2", seconds=60) == (
        'label_replace(max_over_time(lag{namespace="shop",deployment="web-v2",pod=~"web-.+$"}[60s]), '
        '"short", "$1-$windows", "pod", "(.*)$")'
    )
