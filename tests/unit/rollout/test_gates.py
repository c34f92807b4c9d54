"""When figures are good enough: tables of cases, and what must hold for any figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rollout import gates
from bot.rollout.model import Figures, Judgement, Phase, Rollout, SideFigures, Verdict
from bot.rollout.service import CustomGate, GateAction, GateLimits, LatencyLimits
from tests.builders import a_rollout, a_service, a_side_of, a_target, figures

PASS, INCONCLUSIVE, ERROR, FAIL = Verdict


def shifting(**limits: object) -> Rollout:
    service = a_service(gates=GateLimits(**limits))  # type: ignore[arg-type]  # named limits of the dataclass
    return replace(a_rollout(service), phase=Phase.SHIFTING, stage=1, settled_at=0.0)


def judged(rollout: Rollout, seen: Figures, late: Figures | None = None) -> Judgement:
    return gates.judge(rollout, seen, late)


CASES = {
    "both without errors": (a_side_of(4000), a_side_of(1000), PASS),
    "as many errors as the primary": (a_side_of(4000, 40), a_side_of(1000, 10), PASS),
    "a few more than allowed may be chance": (a_side_of(4000, 0), a_side_of(1000, 9), INCONCLUSIVE),
    "many more than allowed": (a_side_of(4000, 4), a_side_of(1000, 40), FAIL),
    "above the ceiling although the primary fails too": (a_side_of(4000, 800), a_side_of(1000, 200), FAIL),
    "one error of one request is no trend": (a_side_of(4000), a_side_of(1, 1), INCONCLUSIVE),
    "thirty of thirty are": (a_side_of(4000), a_side_of(30, 30), FAIL),
    "too few requests to pass": (a_side_of(4000), a_side_of(99), INCONCLUSIVE),
    "no requests on the canary": (a_side_of(4000), a_side_of(0), INCONCLUSIVE),
    "no data for the canary": (a_side_of(4000), None, INCONCLUSIVE),
    "nothing to compare with leaves the ceiling": (None, a_side_of(1000, 10), PASS),
    "slower than the primary": (a_side_of(4000, slow=40), a_side_of(1000, slow=200), FAIL),
    "as slow as the primary": (a_side_of(4000, slow=40), a_side_of(1000, slow=12), PASS),
}


@pytest.mark.parametrize(("primary", "canary", "expected"), CASES.values(), ids=CASES.keys())
def test_a_canary_is_compared_with_its_primary_and_with_the_ceiling(
    primary: SideFigures | None, canary: SideFigures | None, expected: Verdict
) -> None:
    assert judged(shifting(), figures(primary, canary)).verdict is expected


def test_the_sentence_names_the_gate_its_figure_its_limit_and_the_sample() -> None:
    judgement = judged(shifting(), figures(a_side_of(4000, 4), a_side_of(1000, 400)))

    assert judgement.sentence == "Errors on reviews-v2: 40 % (400 of 1,000), reviews-v1 0.1 %; allowed 0.625 %."


def test_a_late_fault_is_not_thinned_out_by_good_minutes_before_it() -> None:
    good_hour = figures(a_side_of(40_000), a_side_of(10_000, 30))
    bad_minute = figures(a_side_of(400), a_side_of(100, 30))

    assert judged(shifting(), good_hour).verdict is PASS
    assert judged(shifting(), good_hour, bad_minute).verdict is FAIL


def test_while_mirroring_lost_copies_prove_nothing() -> None:
    mirroring = replace(shifting(), phase=Phase.MIRRORING, stage=0)

    lost = judged(mirroring, figures(a_side_of(1000), a_side_of(500), coverage=0.5))
    assert (lost.verdict, lost.findings[0].gate) == (INCONCLUSIVE, "coverage")
    assert judged(mirroring, figures(a_side_of(1000), a_side_of(990), coverage=0.99)).verdict is PASS
    assert judged(mirroring, figures(a_side_of(1000), a_side_of(990), coverage=None)).verdict is INCONCLUSIVE


def test_a_mirror_of_a_tenth_needs_a_tenth_of_the_copies() -> None:
    mirroring = replace(
        shifting(minimum_requests=10), phase=Phase.MIRRORING, stage=0, target=a_target(mirror_percent=10.0)
    )

    assert judged(mirroring, figures(a_side_of(1000), a_side_of(95), coverage=0.095)).verdict is PASS


def test_in_the_switchback_the_upgraded_primary_is_judged() -> None:
    back = next(i for i, stage in enumerate(a_rollout().plan) if stage.phase is Phase.SWITCHING_BACK)
    rollout = replace(shifting(), phase=Phase.SWITCHING_BACK, stage=back)

    judgement = judged(rollout, figures(a_side_of(1000, 300), a_side_of(1000)))

    assert judgement.verdict is FAIL
    assert judgement.sentence.startswith("Errors on reviews-v1: 30 %")


@pytest.mark.parametrize(
    ("action", "value", "expected"),
    [
        (GateAction.ABORT, 101.0, FAIL),
        (GateAction.ABORT, 100.0, PASS),
        (GateAction.HOLD, 101.0, INCONCLUSIVE),
        (GateAction.OBSERVE, 101.0, PASS),
        (GateAction.ABORT, None, INCONCLUSIVE),
        (GateAction.ABORT, math.nan, INCONCLUSIVE),
        (GateAction.OBSERVE, None, PASS),
    ],
)
def test_a_custom_gate_aborts_holds_or_only_watches(action: GateAction, value: float | None, expected: Verdict) -> None:
    gate = CustomGate(name="queue lag", query="max(queue_lag)", maximum=100.0, action=action)

    seen = figures(a_side_of(4000), a_side_of(1000), custom={"queue lag": value})

    assert judged(shifting(custom=(gate,)), seen).verdict is expected


def test_an_absolute_quantile_is_judged_only_with_a_sample() -> None:
    rollout = shifting(latency=LatencyLimits(maximum=400.0, quantile=0.99))

    assert judged(rollout, figures(None, a_side_of(1000, slow=100))).verdict is FAIL
    assert judged(rollout, figures(None, a_side_of(50, slow=5))).verdict is INCONCLUSIVE


def test_the_bounds_are_chosen_where_the_primary_has_its_tail() -> None:
    assert gates.tail_bounds({50.0: 80, 100.0: 95, 250.0: 98, 500.0: 99.5, math.inf: 100}) == (100.0, 500.0)
    assert gates.tail_bounds({50.0: 100, math.inf: 100}) == (50.0,)
    assert gates.tail_bounds({}) == ()


def test_a_quantile_is_interpolated_as_prometheus_does_it() -> None:
    buckets = {100.0: 50.0, 200.0: 100.0, math.inf: 100.0}

    assert gates.quantile(buckets, 0.75) == pytest.approx(150.0)
    assert gates.quantile({100.0: 50.0, math.inf: 100.0}, 0.99) == 100.0
    assert gates.quantile({}, 0.5) is None


def test_a_window_begins_after_the_warm_up_and_not_before_the_routes_are_seen() -> None:
    rollout = shifting(warm_up=30.0)

    assert gates.window(rollout, 30.0) is None
    assert gates.window(rollout, 90.0) == (30.0, 90.0)
    assert gates.window(replace(rollout, settled_at=None), 90.0) is None


COUNTS = st.integers(min_value=0, max_value=100_000)
SIDE = st.one_of(
    st.none(),
    st.tuples(COUNTS, COUNTS, COUNTS).map(lambda n: a_side_of(n[0], min(n[1], n[0]), min(n[2], n[0]))),
)


@given(primary=SIDE, canary=SIDE)
def test_no_data_is_never_a_pass_and_never_a_failure(primary: SideFigures | None, canary: SideFigures | None) -> None:
    verdict = judged(shifting(), figures(primary, canary)).verdict

    if canary is None or canary.requests == 0:
        assert verdict is INCONCLUSIVE


@given(
    primary=SIDE, requests=st.integers(min_value=1, max_value=10_000), errors=st.integers(min_value=0, max_value=9_999)
)
def test_one_more_error_never_makes_a_verdict_better(primary: SideFigures | None, requests: int, errors: int) -> None:
    badness = {PASS: 0, INCONCLUSIVE: 1, FAIL: 2}
    errors = min(errors, requests - 1)
    fewer = judged(shifting(latency=None), figures(primary, a_side_of(requests, errors))).verdict
    more = judged(shifting(latency=None), figures(primary, a_side_of(requests, errors + 1))).verdict

    assert badness[more] >= badness[fewer]
