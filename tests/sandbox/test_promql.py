"""The stand-in's PromQL says what a real Prometheus says, to the same questions about the same samples."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.processes import fetch, find_program
from sandbox.prometheus import Prometheus
from sandbox.promql import Answer, Labels, Matcher, Matrix, Point, QueryError, Series, evaluate

BEGAN = 1_700_000_000.0
NOW = BEGAN + 600
EVERY = 15.0

# By labels, what each scrape of ten minutes read; "-" is a scrape without the series.
SAMPLES: Sequence[tuple[dict[str, str], str, float]] = (
    ({"app": "v1", "pod": "a", "code": "200"}, "0 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160 170 180", 1.0),
    (
        {"app": "v1", "pod": "a", "code": "500"},
        "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - 1 2 3",
        1.0,
    ),
    ({"app": "v1", "pod": "b", "code": "200"}, "- - - - 5 10 15 3 6 9 12 15 18 21 - - - - 24 27 30 33 36", 6.5),
    (
        {"app": "v2", "pod": "c", "code": "200"},
        "- - - - - - - - - - - - - - - - - - - - - - - - 7 14 21 28 35 42 49",
        11.0,
    ),
    (
        {"app": "v2", "pod": "d", "code": "200", "replica": "1"},
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
        3.0,
    ),
)

WINDOW = "[90s]"
QUERIES = (
    "reqs",
    'reqs{app="v1"}',
    'reqs{app=~"v.",code!~"5..",pod!="a"}',
    'reqs{replica=""}',
    '{__name__=~"reqs|other",pod="a"}',
    'sum by (app) (reqs{code="200"})',
    "sum(reqs) by (app, code)",
    "sum without (pod, replica) (reqs)",
    "max without (replica) (reqs)",
    "count(reqs)",
    "avg by (app) (timestamp(reqs))",
    "group by (app) (reqs)",
    "min by (code) (reqs)",
    f"last_over_time(reqs{WINDOW})",
    f"last_over_time(reqs{WINDOW} offset 120s)",
    "min_over_time(reqs[300s])",
    "max_over_time(reqs[300s])",
    "sum_over_time(reqs[100s])",
    "avg_over_time(reqs[100s])",
    "count_over_time(reqs[100s])",
    "present_over_time(reqs[100s])",
    "resets(reqs[600s])",
    "changes(reqs[600s])",
    "reqs - reqs offset 60s",
    "reqs - reqs offset 60s >= 0 unless resets(reqs[60s]) > 0 or reqs",
    "sum by (app) ((reqs - reqs offset 60s >= 0) or reqs)",
    'reqs{code="500"} / ignoring(code) reqs{code="200"}',
    'sum by (app) (reqs{code="500"}) / on(app) sum by (app) (reqs)',
    "reqs > 40",
    "reqs > bool 40",
    "40 < reqs",
    "-reqs + 2 * 3 - 4 / 8 % 3",
    'reqs and reqs{app="v1"}',
    'reqs unless on(app) reqs{code="500"}',
    'reqs{pod="a"} or on(app) reqs',
    "max_over_time(timestamp(reqs)[120s:15s])",
    "max_over_time(reqs[120s:20s] offset 31s)",
    "sum_over_time(sum(reqs)[60s:10s])",
    'label_replace(reqs, "asked", "x", "", "")',
    'label_replace(reqs, "twice", "$1$1", "app", "(v).*")',
    "timestamp(reqs)",
    "timestamp(reqs + 0)",
    "vector(1)",
    "vector(time())",
    "time()",
    "scalar(sum(reqs))",
    "absent(reqs)",
    "absent(nothing)",
    f"reqs @ {BEGAN + 300:.0f}",
    "abs(reqs - 20)",
    "nothing",
    "reqs[45s]",
    'reqs{app="v1"}[45s] offset 15s',
)


class Known:
    """The newest of whatever can be selected."""

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        raise NotImplementedError

    def newest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[tuple[Labels, Point]]:
        return ((labels, points[-1]) for labels, points in self.select(matchers, start, end))


class Samples(Known):
    """A database of what is above."""

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        for labels, points in series():
            named = labels | {"__name__": "reqs"}
            if all(matcher.fits(named.get(matcher.name, "")) for matcher in matchers):
                found = [(at, value) for at, value in points if start < at <= end]
                if found:
                    yield named, found


def series() -> Iterator[tuple[dict[str, str], list[tuple[float, float]]]]:
    for labels, text, phase in SAMPLES:
        numbers = [(BEGAN + phase + step * EVERY, word) for step, word in enumerate(text.split())]
        yield labels, [(at, float(word)) for at, word in numbers if word != "-"]


def ours(query: str) -> Any:
    return shown(evaluate(Samples(), query, NOW, closed=True))


def shown(answer: Answer) -> Any:
    if isinstance(answer, Matrix):
        return {_key(labels): [(at, round(value, 9)) for at, value in points] for labels, points in answer.series}
    if isinstance(answer, list):
        return {_key(labels): round(value, 9) for labels, value in answer}
    return answer


def _key(labels: Any) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def theirs(port: int, query: str) -> Any:
    _, body = fetch(port, f"/api/v1/query?time={NOW}&query={quote(query)}")
    data = json.loads(body)["data"]
    if data["resultType"] == "scalar":
        return float(data["result"][1])
    if data["resultType"] == "matrix":
        return {_key(one["metric"]): [(at, float(value)) for at, value in one["values"]] for one in data["result"]}
    return {_key(one["metric"]): round(float(one["value"][1]), 9) for one in data["result"]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real one that has the samples, loaded as its own tool loads them."""
    directory = tmp_path_factory.mktemp("promql")
    metrics = directory / "metrics.txt"
    lines = ["# TYPE reqs gauge"]
    for labels, points in series():
        text = ",".join(f'{name}="{value}"' for name, value in labels.items())
        lines += [f"reqs{{{text}}} {value:g} {at:.3f}" for at, value in points]
    metrics.write_text("\n".join([*lines, "# EOF", ""]))
    made = Prometheus(directory, retention="100y")
    subprocess.run(  # noqa: S603  # Prometheus' own tool
        [find_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(metrics), str(directory / "data")],
        check=True,
        capture_output=True,
    )
    with made:
        yield made


@pytest.mark.sandbox
@pytest.mark.parametrize("query", QUERIES)
def test_a_real_prometheus_says_the_same(prometheus: Prometheus, query: str) -> None:
    assert ours(query) == theirs(prometheus.port, query)


@pytest.mark.parametrize("query", QUERIES)
def test_every_question_has_an_answer_of_its_kind(query: str) -> None:
    assert isinstance(ours(query), dict | float)


@pytest.mark.parametrize(
    "query",
    ["sum(", "reqs[", "rate(reqs[5m])", "reqs{app}", "reqs[5m] + 1", "1 and reqs", "reqs offset x", "reqs reqs", "§"],
)
def test_what_is_not_understood_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        evaluate(Samples(), query, NOW)


def test_series_that_cannot_be_told_apart_are_refused_as_by_prometheus() -> None:
    with pytest.raises(QueryError, match="duplicate series"):
        evaluate(Samples(), "sum by (app) (reqs) - on(app) reqs", NOW)


class Stale(Known):
    """One series whose newest scrape failed."""

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        points = [(NOW - 20, 4.0), (NOW - 5, None)]
        yield {"__name__": "reqs"}, [point for point in points if matchers and start < point[0] <= end]


def test_a_series_whose_newest_scrape_failed_is_not_there_and_can_be_looked_behind() -> None:
    assert evaluate(Stale(), "reqs", NOW) == []
    assert evaluate(Stale(), "reqs offset 10s", NOW) == [({"__name__": "reqs"}, 4.0)]
    assert evaluate(Stale(), "last_over_time(reqs[60s])", NOW) == [({"__name__": "reqs"}, 4.0)]


def test_a_range_holds_its_very_beginning_before_version_three_and_not_since() -> None:
    query, at = "count_over_time(reqs[20s])", NOW

    assert evaluate(Stale(), query, at, closed=True) == [({}, 1.0)]
    assert evaluate(Stale(), query, at) == []


def test_dividing_by_nothing_is_no_fault() -> None:
    assert evaluate(Samples(), "1 / 0", NOW) == math.inf
    assert evaluate(Samples(), "-1 / 0", NOW) == -math.inf
