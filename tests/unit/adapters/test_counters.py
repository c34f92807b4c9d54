"""Samples of one answer, as each side's counts."""

from __future__ import annotations

import math

from bot.adapters.counters import sides
from bot.model.figures import SideFigures

OWNER = {"destination_workload_namespace": "default", "destination_workload": "reviews-v2"}


def answered(count: float, code: str, status: str = "") -> tuple[dict[str, str], float]:
    return OWNER | {"response_code": code, "grpc_response_status": status}, count


def test_every_answer_is_counted_once_by_what_its_code_and_status_mean() -> None:
    answers = [
        answered(100, "200"),
        answered(7, "200", "14"),
        answered(3, "500", "13"),
        answered(4, "503"),
        answered(20, "404"),
        answered(2, "418"),
        answered(5, "4xx"),  # as some write it who keep fewer series
        answered(math.nan, "429"),
    ]
    buckets = [(OWNER | {"le": "+Inf"}, 141.0), (OWNER | {"le": "50"}, 120.0)]

    counted = SideFigures(
        requests=141,
        errors=14,
        buckets={50.0: 120.0, math.inf: 141.0},
        client_errors={"404": 20, "4xx": 27},
    )
    assert sides(answers, buckets) == {("default", "reviews-v2"): counted}


def test_latencies_of_nobody_who_answered_are_nobodys() -> None:
    assert sides([], [(OWNER | {"le": "+Inf"}, 141.0)]) == {}
