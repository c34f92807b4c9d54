"""Counting series by series where counters begin anew: what was answered since is counted, and once."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters import series
from bot.adapters.prometheus_connection import Series
from bot.adapters.series import Detail, Span

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


def counted(*inside: Series, since: float = 0.0, due: tuple[float, float, float] | None = None) -> Detail:
    span = Span(since=since, near=since - 120.0, interval=15.0, due=due)
    return series.counted(inside, span)[OWNER]


@pytest.mark.parametrize("first", [1.0, 2.0])
def test_a_counter_that_comes_back_after_the_restart_was_seen_is_counted_from_zero(first: float) -> None:
    found = counted(
        counter("200", {0.0: 500.0, 15.0: 520.0, 30.0: 10.0, 45.0: 40.0, 60.0: 70.0}),
        counter("404", {0.0: 1.0, 15.0: 1.0, 45.0: first, 60.0: first}),
    )

    assert found.side.requests == 20 + 70 + first
    assert found.side.client_errors["404"] == first
    assert found.is_shaky
    assert not found.is_unknown


def test_a_series_that_is_relabelled_after_a_restart_goes_on_from_what_it_read() -> None:
    found = counted(
        counter("200", {0.0: 500.0, 15.0: 10.0, 30.0: 40.0}),
        counter("200", {45.0: 70.0, 60.0: 100.0}, version="2"),
    )

    assert found.side.requests == 100
    assert found.is_shaky


def test_a_series_that_is_relabelled_goes_on_from_the_most_that_any_scraper_saw_of_it() -> None:
    found = counted(
        counter("200", {0.0: 100.0, 15.0: 130.0}, replica="a"),
        counter("200", {14.0: 140.0}, replica="b"),
        counter("200", {30.0: 160.0}, version="2", replica="a"),
    )

    assert found.side.requests == 60


def test_a_scraper_of_which_only_samples_after_the_restart_are_known_shows_no_life_before() -> None:
    """The other one found the restart a moment later, and within what is read."""
    found = counted(
        counter("200", {-45.0: 900.0, -30.0: 10.0, -15.0: 40.0, 0.0: 70.0, 15.0: 100.0}, replica="a"),
        counter("200", {-32.0: 6.0, -17.0: 36.0, -2.0: 66.0, 13.0: 96.0}, replica="b"),
    )

    assert found.side.requests == 30


def test_a_restart_that_one_scraper_has_missed_is_known_from_the_other() -> None:
    found = counted(
        counter("200", {0.0: 10.0, 15.0: 15.0, 60.0: 40.0}, replica="a"),
        counter("200", {1.0: 10.0, 16.0: 16.0, 31.0: 2.0, 46.0: 22.0, 61.0: 41.0}, replica="b"),
    )

    assert found.side.requests == 6 + 41
    assert not found.is_unknown


@pytest.mark.parametrize(
    ("before", "after", "is_unknown"),
    [
        ((80.0, 100.0), 130.0, True),  # all of it may be of a new life
        ((880.0, 900.0), 1000.0, False),  # a new life would have had to answer five times as much as the old one
        ((80.0, 100.0), 30.0, False),  # it fell: that is no secret
    ],
)
def test_a_restart_that_may_hide_where_scrapes_are_missing_makes_its_side_unknown(
    *, before: tuple[float, float], after: float, is_unknown: bool
) -> None:
    found = counted(counter("200", {0.0: before[0], 15.0: before[1], 150.0: after, 165.0: after + 10}))

    assert found.is_unknown is is_unknown


@pytest.mark.parametrize(
    ("samples", "is_unknown"),
    [
        ({0.0: 100.0, 15.0: 110.0, 45.0: 130.0}, False),  # a new life would have had to answer six times as much
        ({0.0: 1.0, 15.0: 11.0, 45.0: 30.0}, True),  # one of a young pod would not
        ({15.0: 100.0, 45.0: 100.0}, True),  # how much it usually answers is not known
        ({0.0: 10.0, 15.0: 10.0, 45.0: 10.0}, False),  # it is quiet
        ({-60.0: 1.0, -15.0: 11.0, 30.0: 31.0, 75.0: 51.0}, False),  # it is scraped less often than the settings say
    ],
)
def test_a_single_missed_scrape_hides_a_restart_only_where_a_new_life_could_have_answered_it_all(
    *, samples: dict[float, float], is_unknown: bool
) -> None:
    assert counted(counter("200", samples)).is_unknown is is_unknown


@pytest.mark.parametrize(
    ("last", "due", "is_unknown"),
    [
        (45.0, (60.0, 10.0, 59.0), False),  # the next one begins at 60
        (45.0, (60.0, 10.0, 61.0), True),
        (30.0, (60.0, 10.0, 59.0), False),  # the one of 45 has failed
        (30.0, (62.0, 20.0, 59.0), False),  # and takes no longer than until the next one
        (-60.0, (0.0, 10.0, 61.0), False),  # it is gone
    ],
)
def test_a_scrape_that_may_be_on_its_way_makes_its_side_unknown(
    *, last: float, due: tuple[float, float, float], is_unknown: bool
) -> None:
    samples = {last - 15.0 * number: 100.0 - number for number in range(4)}
    assert counted(counter("200", samples), since=-100.0, due=due).is_unknown is is_unknown


def shown_by(job: str, code: str, samples: dict[float, float], **added: str) -> Series:
    labels, seen = counter(code, samples)
    return {**labels, "job": job, "instance": job, **added}, seen


def test_two_jobs_that_add_labels_of_their_own_to_a_pod_show_one_pod() -> None:
    found = counted(
        shown_by("pods", "200", {-15.0: 900.0, 0.0: 920.0, 15.0: 10.0, 30.0: 30.0}, team="shop"),
        shown_by("pods", "500", {15.0: 1.0, 30.0: 2.0}, team="shop"),
        shown_by("mesh", "200", {-5.0: 915.0, 10.0: 3.0, 25.0: 25.0}, zone="a"),
        shown_by("mesh", "500", {25.0: 2.0}, zone="a"),
    )

    assert (found.side.requests, found.side.errors) == (30 + 2, 2)
    assert not found.is_unknown


def test_a_label_that_tells_counters_of_one_scraper_apart_is_no_scrapers() -> None:
    found = counted(
        shown_by("pods", "200", {0.0: 100.0, 15.0: 110.0}, method="GET"),
        shown_by("pods", "200", {0.0: 50.0, 15.0: 55.0}, method="POST"),
        shown_by("mesh", "200", {5.0: 103.0}, method="GET"),
        shown_by("mesh", "200", {5.0: 51.0}, method="POST"),
    )

    assert found.side.requests == 10 + 5
    assert not found.is_unknown


def test_a_side_is_unknown_where_two_jobs_show_a_pod_and_nothing_says_which_counters_are_one() -> None:
    """One job drops the label that tells counters apart, so what it shows is a sum, or one of them."""
    found = counted(
        shown_by("pods", "200", {0.0: 100.0, 15.0: 110.0}, method="GET"),
        shown_by("pods", "200", {0.0: 50.0, 15.0: 55.0}, method="POST"),
        shown_by("mesh", "200", {5.0: 150.0, 20.0: 165.0}),
    )

    assert found.is_unknown


STRANGERS = {OWNER: frozenset({("", "forger")})}
VALUES = st.dictionaries(
    st.sampled_from([15.0 * number for number in range(-8, 9)]),
    st.one_of(st.integers(0, 1000).map(float), st.sampled_from([math.nan, math.inf, -1e300, 1e308])),
)


@given(st.lists(st.tuples(st.sampled_from(["200", "404", "500"]), VALUES), max_size=5))
def test_law_whoever_is_left_out_changes_nothing_of_what_is_counted(
    forged: list[tuple[str, dict[float, float]]],
) -> None:
    span = Span(since=0.0, near=-120.0, interval=15.0)
    own = [counter("200", {-15.0: 1.0, 0.0: 5.0, 15.0: 9.0, 30.0: 2.0}), counter("500", {15.0: 1.0, 30.0: 1.0})]
    others = [({**counter(code, {})[0], "pod": "forger"}, samples) for code, samples in forged]

    alone, among = (series.counted(inside, span, STRANGERS)[OWNER] for inside in (own, [*own, *others]))

    assert among == replace(alone, checks=among.checks)
    assert all(map(math.isfinite, among.checks))
