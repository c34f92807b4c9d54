"""A counter that is no number makes its side unknown: without it the side would look better than it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.controller.ports import Window
from bot.model.figures import Figures
from tests.builders import a_rollout
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


@pytest.mark.parametrize(("errors", "over"), [("NaN", "100"), ("+Inf", "100"), ("-Inf", "100"), ("3", "NaN")])
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
