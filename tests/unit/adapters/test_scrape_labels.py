"""``prometheus.labels`` says whose figures count: whatever is asked of Prometheus asks for them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bot.adapters import queries
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.adapters.queries import SeriesSelector
from bot.controller.ports import Window
from bot.model.service import CustomGate, GateLimits, MetricsSource
from tests.builders import a_rollout, a_service
from tests.unit.adapters.test_own_queries import EMPTY, Answer, serving

LABELS = (("cluster", "prod"), ("job", "istio-proxies"), ("kubernetes_namespace", "shop"))
WANTED = {f'{name}="{value}"' for name, value in LABELS}
SELECTOR = SeriesSelector(namespaces=("shop",), workloads=("reviews-v1", "reviews-v2"), labels=LABELS)
GIVEN: Mapping[str, Any] = {
    "selector": SELECTOR,
    "labels": LABELS,
    "metric": queries.REQUESTS,
    "by": queries.OWNER,
    "seconds": 60.0,
    "before": 120.0,
    "back": 300.0,
    "interval": 15.0,
    "host": "reviews.shop.svc.cluster.local",
    "hosts": ["reviews.shop.svc.cluster.local"],
    "known": ".*gateway.*",
    "source_workload": ".*",
    "namespace": "shop",
    "workload": "reviews-v1",
    "workloads": ["reviews-v1"],
    "query": "max(queue_lag{$labels})",
    "deployment": "reviews-v1",
}
NO_QUESTIONS = {"matching", "together", "duration", "just_before"}  # parts of queries, and numbers


def asked() -> Iterator[str]:
    for name, function in inspect.getmembers(queries, inspect.isfunction):
        if function.__module__ == queries.__name__ and not name.startswith("_") and name not in NO_QUESTIONS:
            yield name


def matchers(text: str) -> list[str]:
    """What is between the braces of each selector."""
    return re.findall(r'\{((?:"(?:[^"\\]|\\.)*"|[^{}"])*)\}', text)


@pytest.mark.parametrize("name", list(asked()))
def test_every_query_asks_for_the_labels(name: str) -> None:
    function = getattr(queries, name)
    wanted = inspect.signature(function).parameters
    text = function(**{key: GIVEN[key] for key, one in wanted.items() if key in GIVEN or one.default is one.empty})

    found = matchers(text)

    assert found
    assert all(set(one.split(",")) >= WANTED for one in found)


def test_so_does_whatever_is_sent_to_prometheus() -> None:
    sent: list[str] = []
    own = CustomGate(name="lag", query="max(queue_lag{$labels})")
    service = a_service(metrics=MetricsSource(labels=LABELS), gates=GateLimits(custom=(own,)))

    def answer(query: str) -> Answer:
        query = query.replace("+", " ")  # a long one comes as a form
        sent.append(query)
        if "new counters" not in query:
            return 200, EMPTY
        doubtful = {"canary_bot_asked": "0 new counters", "destination_workload": "reviews-v1"}
        sample = {"metric": doubtful | {"destination_workload_namespace": "default"}, "value": [0, "1"]}
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": [sample]}}).encode()

    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url))
        metrics.read([Window(rollout=a_rollout(service), since=0, until=15)])
        metrics.rows(service, ["reviews-v1"], 0, 60)
        metrics.callers(service, "reviews-v2", 60)
        metrics.telemetry(service, "reviews-v2", 60)
        metrics.close()

    selectors = [(text, one) for text in sent for one in matchers(text)]
    assert len(selectors) > 40
    assert [text for text, one in selectors if not set(one.split(",")) >= WANTED] == []
    # Every sample of those of whom sums tell too little, and the service's own query, were among them.
    assert any("__name__=~" in text for text in sent)
    assert any(text.startswith("max(queue_lag{") for text in sent)
