"""Whether the queries count right is asked of a real Prometheus in ``tests/contract``; here is what they say."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters import queries
from bot.adapters.prometheus_connection import form
from bot.adapters.queries import SeriesSelector

REVIEWS = SeriesSelector(namespaces=("default",), workloads=("reviews-v1", "reviews-v2"))


def test_one_query_counts_both_sides_series_by_series() -> None:
    def counts(pod: str) -> str:
        series = (
            'istio_requests_total{reporter=~"destination",destination_workload_namespace=~"default",'
            f'destination_workload=~"reviews-v1|reviews-v2",source_workload=~".*",{pod}}}'
        )
        last, least = f"last_over_time({series}[120s])", f"min_over_time({series}[120s])"
        grown = f"{last} - (last_over_time({series}[300s] offset 120s) <= {least})"
        return f"({grown} unless resets({series}[120s]) > 0 or {last})"

    by = "destination_workload_namespace, destination_workload, response_code, grpc_response_status"
    replicas = "__replica__, monitor, prometheus, prometheus_replica, receive_replica, replica"
    scrapers = f"{replicas}, container, endpoint, instance, job"
    in_pods, elsewhere = counts('pod!=""'), counts('pod=""')
    assert queries.answers(REVIEWS, 120) == (
        f"sum by ({by}) (max without ({scrapers}) (sum by ({by}, namespace, pod, {scrapers}) ({in_pods}))"
        f" or max without ({replicas}) ({elsewhere}))"
    )


def test_the_labels_of_a_service_are_asked_for_in_every_query() -> None:
    prod = (("cluster", "prod"), ("team", "web"))
    selector = replace(REVIEWS, labels=prod)
    asked = [
        queries.answers(selector, 60),
        queries.buckets(selector, 60),
        queries.level(selector, queries.REQUESTS, queries.ANSWER, 300, 60),
        queries.unusual(selector, 60, 300, 120),
        queries.lately(selector, 60, 120),
        queries.holes(selector, 60, 120, 15),
        queries.returned(selector, 60, 600),
        queries.check(selector, 60),
        queries.inside(selector, 60),
        queries.scraped(selector, 60),
        queries.traffic(selector, 60),
        queries.reporters(selector),
        queries.bounds(selector),
        queries.clusters(selector),
        queries.users(["reviews.default.svc.cluster.local"], ".*", 60, prod),
        queries.reached("default", "reviews-v2", 60, prod),
        queries.calls("reviews.default.svc.cluster.local", "gateway", 60, prod),
        queries.proxies("default", ["reviews-v1"], prod),
    ]

    for query in asked:
        series = re.findall(r"\{([^}]*)\}", query)
        assert series, query
        assert all('cluster="prod",team="web"' in one for one in series), query


@pytest.mark.parametrize(
    ("query", "labels", "text"),
    [
        ("up{$labels}", (), "up{}"),
        ("up{$labels}", (("cluster", "prod"),), 'up{cluster="prod"}'),
        ('up{${labels}, job="x"}', (), 'up{ job="x"}'),
        ('up{$labels,job="x"}', (("a", "b"), ("c", "d")), 'up{a="b",c="d",job="x"}'),
        ('up{job="x",$labels}', (), 'up{job="x",}'),
    ],
)
def test_a_custom_query_may_ask_for_the_labels_too(query: str, labels: tuple[tuple[str, str], ...], text: str) -> None:
    assert queries.custom(query, namespace="n", deployment="d", seconds=60, labels=labels) == text


def of_length(length: int) -> st.SearchStrategy[str]:
    """Names of Deployments, so many characters long."""
    between = rf"[-a-z0-9]{{{length - 2}}}[a-z0-9]" if length > 1 else ""
    return st.from_regex(rf"[a-z]{between}", fullmatch=True)


# By their length first: of names that are drawn letter by letter nearly all are too short to be cut.
@given(st.integers(1, 82).flatmap(of_length), st.sampled_from("bcdf").map(lambda c: c * 10))
def test_pods_are_found_also_where_the_api_server_cuts_their_names(deployment: str, pod_hash: str) -> None:
    """As ``names.SimpleNameGenerator`` makes them: 58 characters of the ReplicaSet's name and a dash, and five more."""
    pod = f"{deployment}-{pod_hash}-"[:58] + "x7k2p"
    pattern = re.search(r'pod=~"([^"]*)"', queries.proxies("n", [deployment]))

    assert pattern is not None
    assert re.fullmatch(pattern[1].replace("\\\\", "\\"), pod)
    assert not re.fullmatch(pattern[1].replace("\\\\", "\\"), "z" + pod)


def test_the_moment_of_the_newest_sample_is_asked_for_now_and_for_the_windows_start() -> None:
    assert " offset " not in queries.scraped(REVIEWS)
    assert " offset 90s))" in queries.scraped(REVIEWS, 90)


@pytest.mark.parametrize(("seconds", "text"), [(120, "120s"), (90.5, "90500ms"), (0.0001, "1ms"), (1e-9 + 60, "60s")])
def test_a_duration_is_whole_seconds_or_milliseconds(seconds: float, text: str) -> None:
    assert queries.duration(seconds) == text


def test_a_workloads_name_is_matched_as_it_is_and_never_as_a_pattern() -> None:
    assert 'destination_workload=~"a\\\\.b|c"' in SeriesSelector(namespaces=("default",), workloads=("a.b", "c")).of(
        "m"
    )


@given(st.text())
def test_no_value_can_leave_its_quotes(value: str) -> None:
    text = SeriesSelector(namespaces=("n",), workloads=("w",), source_workload=value).of("m")

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


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_a_long_query_is_sent_as_any_form_is(fields: dict[str, str | int]) -> None:
    assert form(fields) == urlencode(fields)
