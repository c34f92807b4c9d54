"""What is judged beside the sequential test: tables of cases, and what must hold for any figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis.gates.all_gates import check_gates
from bot.analysis.gates.coverage import coverage
from bot.analysis.histograms import quantile, tail_bounds
from bot.model.figures import AnalysisState, Figures, Finding, SideFigures, UserView, Verdict
from bot.model.rollout import Phase, Rollout
from bot.model.service import CustomGate, GateAction, GateLimits, HardLimit, Measure, Rule
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, a_side_of, a_target, changed, figures

PASS, INCONCLUSIVE, ERROR, FAIL = Verdict
ABORT, HOLD, OBSERVE = GateAction


def shifting(**limits: object) -> Rollout:
    service = a_service(gates=GateLimits(**limits))  # type: ignore[arg-type]  # named limits of the dataclass
    return replace(a_rollout(service), phase=Phase.SHIFTING, stage=1, settled_at=0.0)


def mirroring(**changes: object) -> Rollout:
    return changed(shifting(), phase=Phase.MIRRORING, stage=0, **changes)


def checked(
    rollout: Rollout, stage: Figures, late: Figures | None = None, strikes: Mapping[str, tuple[bool, ...]] | None = None
) -> dict[str, Finding]:
    found, _ = check_gates(rollout, stage, [late or stage], strikes or {})
    return {finding.gate: finding for finding in found}


def scraped(requests: float, seconds: float = 100.0) -> SideFigures:
    return a_side_of(requests, first=0.0, last=seconds)


@pytest.mark.parametrize("canary", [None, a_side_of(0)], ids=["no data", "no requests"])
def test_without_requests_there_is_nothing_to_judge(canary: SideFigures | None) -> None:
    found = checked(shifting(), figures(a_side_of(4000), canary))

    assert [(one.gate, one.verdict) for one in found.values()] == [("traffic", INCONCLUSIVE)]


def test_a_sample_that_is_too_small_waits_and_says_how_much_is_missing() -> None:
    found = checked(shifting(), figures(a_side_of(4000), a_side_of(99)))

    assert found["sample"].verdict is INCONCLUSIVE
    assert plain(found["sample"].sentence) == "v2 has answered 99 of the 100 requests needed."
    assert checked(shifting(), figures(a_side_of(4000), a_side_of(100))) == {}


def test_while_mirroring_lost_copies_prove_nothing() -> None:
    lost = checked(mirroring(), figures(scraped(1000), scraped(500)))
    whole = checked(mirroring(), figures(scraped(1000), scraped(990)))
    unknown = checked(mirroring(), figures(scraped(1000), a_side_of(990)))

    assert (lost["coverage"].verdict, lost["coverage"].value) == (INCONCLUSIVE, 0.5)
    assert whole["coverage"].verdict is PASS
    assert plain(unknown["coverage"].sentence) == "How many copies reach the canary is not known yet."


def test_sides_that_are_scraped_at_different_moments_are_compared_by_the_times_they_span() -> None:
    assert coverage([figures(scraped(1000, 100.0), scraped(850, 85.0))]) == pytest.approx(1.0)


def test_the_row_in_which_a_side_is_first_seen_spans_an_unknown_time_and_says_nothing() -> None:
    born = figures(scraped(1000), a_side_of(300, last=100.0))
    later = figures(
        a_side_of(500, first=100.0, last=150.0), a_side_of(495, first=100.0, last=150.0), start=100.0, end=150.0
    )

    assert coverage([born]) is None
    assert coverage([born, later]) == pytest.approx(0.99)


def test_copies_are_counted_from_the_first_scrape_after_the_routes_were_in_force() -> None:
    """A row that began before holds a time without copies: 81.5 % of them came, and none was lost."""
    begun = replace(mirroring(), settled_at=20.0)
    before = figures(scraped(1000), scraped(815))
    after = figures(
        a_side_of(500, first=100.0, last=150.0), a_side_of(500, first=100.0, last=150.0), start=100.0, end=150.0
    )

    assert checked(begun, before)["coverage"].value is None
    assert coverage([before, after], since=20.0) == pytest.approx(1.0)


def test_a_mirror_of_a_tenth_needs_a_tenth_of_the_copies() -> None:
    tenth = mirroring(target=a_target(mirror_percent=10.0))

    assert checked(tenth, figures(scraped(10_000), scraped(950)))["coverage"].verdict is PASS


def test_a_primary_that_is_worse_since_copies_are_made_is_told_and_holds() -> None:
    rollout = mirroring(analysis_state=AnalysisState(before=a_side_of(36_000, 36, slow=36)))

    harmed = checked(rollout, figures(a_side_of(1000, 40, first=0, last=9), scraped(1000)))["harm"]
    slower = checked(rollout, figures(a_side_of(1000, 1, slow=200), scraped(1000)))["harm"]

    assert harmed.verdict is INCONCLUSIVE
    assert plain(harmed.brief) == (
        "The mirror may be harming version 1: errors 4 % (40 of 1,000), 0.1 % in the hour before."
    )
    assert "answers over 100 ms 20 %" in plain(slower.sentence)
    assert (harmed.canary, plain(harmed.primary)) == ("", "4 % (40 of 1,000)")  # whose harm it is
    assert "harm" not in checked(rollout, figures(a_side_of(1000, 3), scraped(1000)))
    assert "harm" not in checked(mirroring(), figures(a_side_of(1000, 400), scraped(1000)))


def test_a_burst_of_something_else_while_copies_are_made_is_no_harm_of_theirs() -> None:
    rollout = mirroring(analysis_state=AnalysisState(before=a_side_of(36_000, 36, slow=36)))
    burst, calm = figures(a_side_of(200, slow=40), a_side_of(200)), figures(a_side_of(200), a_side_of(200))
    stage = burst + calm + calm

    found, _ = check_gates(rollout, stage, [burst, calm, calm], {})
    lasting, _ = check_gates(rollout, stage + burst, [burst, burst, calm], {})

    assert "harm" not in {finding.gate for finding in found}
    assert "harm" in {finding.gate for finding in lasting}


def test_what_is_not_judged_is_not_taken_for_harm() -> None:
    past = AnalysisState(before=a_side_of(36_000, 36, slow=36))
    worse = figures(a_side_of(1000, 40, slow=200), a_side_of(1000))

    without_errors = replace(
        mirroring(analysis_state=past), spec=replace(mirroring().spec, gates=GateLimits(errors=False))
    )
    assert "slowing" in plain(checked(without_errors, worse)["harm"].sentence)
    without_latency = replace(
        mirroring(analysis_state=past), spec=replace(mirroring().spec, gates=GateLimits(latency=False))
    )
    assert "errors 4 %" in plain(checked(without_latency, worse)["harm"].sentence)


def seen_by_users(canary: float, primary: float, nowhere: float = 0, start: float = 15.0) -> Figures:
    users = UserView(canary=canary, primary=primary, nowhere=nowhere)
    return figures(a_side_of(800), a_side_of(200), users=users, start=start, end=75.0)


def test_users_who_find_no_pod_abort_whatever_the_pods_themselves_say() -> None:
    found = checked(shifting(), seen_by_users(100, 400, nowhere=100))["users"]

    assert found.verdict is FAIL
    assert plain(found.sentence) == (
        "Requests of users found no pod lately: 16.7 % (100 of 600); at most 5 % are allowed."
    )
    assert checked(shifting(), seen_by_users(100, 400, nowhere=10))["users"].verdict is INCONCLUSIVE
    assert "users" not in checked(shifting(), seen_by_users(100, 400, nowhere=2))


def test_while_nobody_has_been_moved_it_is_not_the_rollout_that_loses_users() -> None:
    assert checked(mirroring(), seen_by_users(0, 500, nowhere=400))["users"].verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("canary", "primary", "holds"),
    [(100, 400, False), (140, 360, False), (0, 500, True), (400, 100, True), (0, 90, False)],
    ids=["as routed", "by chance", "not taken", "too many", "too few to say"],
)
def test_routes_that_the_proxies_have_not_taken_are_found_and_said(
    canary: float,
    primary: float,
    holds: bool,  # noqa: FBT001  # a column of the table
) -> None:
    found = checked(shifting(), seen_by_users(canary, primary))

    assert ("in force" in found) is holds
    if holds:
        assert found["in force"].verdict is INCONCLUSIVE
        assert "instead of 20 %. The proxies have not taken the routes" in plain(found["in force"].sentence)


def test_routes_are_given_the_time_to_reach_the_proxies() -> None:
    assert "in force" not in checked(shifting(), seen_by_users(0, 500, start=9.0))
    assert "in force" not in checked(shifting(propagation=False), seen_by_users(0, 500))


def test_users_on_the_canary_while_it_only_gets_copies_are_shown() -> None:
    found = checked(mirroring(), seen_by_users(10, 490))["leak"]

    assert (found.verdict, found.acts) == (INCONCLUSIVE, False)
    assert plain(found.sentence).startswith("Requests of users reach v2 during the mirror: 2 % (10 of 500).")


LIMITS = {
    "errors below": (HardLimit(name="x", of=Measure.ERRORS, maximum=0.02), a_side_of(1000, 20), PASS),
    "errors above": (HardLimit(name="x", of=Measure.ERRORS, maximum=0.02), a_side_of(1000, 21), FAIL),
    "two errors are no trend": (HardLimit(name="x", of=Measure.ERRORS, maximum=0.0), a_side_of(10, 2), PASS),
    "three are": (HardLimit(name="x", of=Measure.ERRORS, maximum=0.0), a_side_of(10, 3), FAIL),
    "relative, below": (HardLimit(name="x", of=Measure.ERRORS, relative=3.0), a_side_of(1000, 30), PASS),
    "relative, above": (HardLimit(name="x", of=Measure.ERRORS, relative=3.0), a_side_of(1000, 31), FAIL),
    "the stricter counts": (
        HardLimit(name="x", of=Measure.ERRORS, relative=9.0, maximum=0.02),
        a_side_of(1000, 21),
        FAIL,
    ),
    "holds": (HardLimit(name="x", of=Measure.ERRORS, maximum=0.02, action=HOLD), a_side_of(1000, 21), INCONCLUSIVE),
    "latency below": (HardLimit(name="x", of=Measure.LATENCY, maximum=500), a_side_of(1000, slow=9), PASS),
    "latency above": (HardLimit(name="x", of=Measure.LATENCY, maximum=500), a_side_of(1000, slow=11), FAIL),
    "too few for a quantile": (
        HardLimit(name="x", of=Measure.LATENCY, maximum=500),
        a_side_of(50, slow=5),
        INCONCLUSIVE,
    ),
}


@pytest.mark.parametrize(("limit", "canary", "expected"), LIMITS.values(), ids=LIMITS.keys())
def test_a_hard_limit_acts_at_the_first_reconcile(limit: HardLimit, canary: SideFigures, expected: Verdict) -> None:
    found = checked(shifting(limits=(limit,)), figures(a_side_of(4000, 40, slow=9), canary))

    assert found["x"].verdict is expected


def test_a_limit_in_observation_is_shown_and_never_acts() -> None:
    limit = HardLimit(name="x", of=Measure.ERRORS, maximum=0.01, action=OBSERVE)

    found = checked(shifting(limits=(limit,)), figures(a_side_of(4000), a_side_of(1000, 500)))["x"]

    assert (found.verdict, found.acts) == (FAIL, False)


def test_a_relative_limit_lets_pass_when_there_is_nobody_left_to_compare_with() -> None:
    limit = HardLimit(name="x", of=Measure.ERRORS, relative=2.0)

    assert checked(shifting(limits=(limit,)), figures(None, a_side_of(1000, 10)))["x"].verdict is PASS


def test_a_late_fault_is_not_thinned_out_by_good_minutes_before_it() -> None:
    limited = shifting(limits=(HardLimit(name="x", of=Measure.ERRORS, maximum=0.05),))
    good_hour = figures(a_side_of(40_000), a_side_of(10_000, 30))
    bad_minute = figures(a_side_of(400), a_side_of(100, 30))

    assert checked(limited, good_hour)["x"].verdict is PASS
    assert checked(limited, good_hour, bad_minute)["x"].verdict is FAIL


@pytest.mark.parametrize(
    ("rule", "reconciles", "expected"),
    [
        (Rule(times=2, within=2), [True], INCONCLUSIVE),
        (Rule(times=2, within=2), [True, True], FAIL),
        (Rule(times=2, within=2), [True, False, True], INCONCLUSIVE),
        (Rule(times=2, within=3), [True, False, True], FAIL),
        (Rule(times=2, within=3), [True, True, False], FAIL),
        (Rule(times=2, within=3), [True, False, False, True], INCONCLUSIVE),
        (Rule(times=3, within=3), [True, True, False], PASS),
    ],
)
def test_a_limit_may_need_several_bad_reconciles(rule: Rule, reconciles: list[bool], expected: Verdict) -> None:
    rollout = shifting(limits=(HardLimit(name="x", of=Measure.ERRORS, maximum=0.05, rule=rule),))
    strikes: Mapping[str, tuple[bool, ...]] = {}
    found: tuple[Finding, ...] = ()
    for bad in reconciles:
        seen = figures(a_side_of(1000), a_side_of(1000, 400 if bad else 0))
        found, strikes = check_gates(rollout, seen, [seen], strikes)

    assert [one.verdict for one in found] == [expected]
    assert plain(found[0].sentence).endswith(f"of the last {rule.within} checks; {rule.times} needed).")
    assert len(strikes["x"]) <= rule.within


@pytest.mark.parametrize(
    ("action", "value", "expected", "acts"),
    [
        (ABORT, 101.0, FAIL, True),
        (ABORT, 100.0, PASS, True),
        (HOLD, 101.0, INCONCLUSIVE, True),
        (OBSERVE, 101.0, FAIL, False),
        (ABORT, None, INCONCLUSIVE, True),
        (ABORT, math.nan, INCONCLUSIVE, True),
        (OBSERVE, None, INCONCLUSIVE, False),
    ],
)
def test_a_custom_gate_aborts_holds_or_only_watches(
    action: GateAction,
    value: float | None,
    expected: Verdict,
    acts: bool,  # noqa: FBT001  # a column of the table
) -> None:
    gate = CustomGate(name="queue lag", query="max(queue_lag)", maximum=100.0, action=action)

    found = checked(shifting(custom=(gate,)), figures(None, a_side_of(1000), custom={"queue lag": value}))["queue lag"]

    assert (found.verdict, found.acts) == (expected, acts)


def test_in_the_switchback_the_upgraded_primary_is_looked_at() -> None:
    back = next(i for i, stage in enumerate(a_rollout().spec.plan) if stage.phase is Phase.SWITCHING_BACK)
    limited = shifting(limits=(HardLimit(name="x", of=Measure.ERRORS, maximum=0.05),))
    rollout = replace(limited, phase=Phase.SWITCHING_BACK, stage=back)

    found = checked(rollout, figures(a_side_of(1000, 300), a_side_of(1000)))["x"]

    assert found.verdict is FAIL
    assert plain(found.sentence) == "x on reviews-v1 lately: 30 % (300 of 1,000). Allowed: at most 5 %."


def test_the_bounds_are_chosen_where_the_primary_has_its_tail() -> None:
    assert tail_bounds({50.0: 80, 100.0: 95, 250.0: 98, 500.0: 99.5, math.inf: 100}) == (100.0, 500.0)
    assert tail_bounds({50.0: 100, math.inf: 100}) == (50.0,)
    assert tail_bounds({}) == ()


def test_a_quantile_is_interpolated_as_prometheus_does_it() -> None:
    buckets = {100.0: 50.0, 200.0: 100.0, math.inf: 100.0}

    assert quantile(buckets, 0.75) == pytest.approx(150.0)
    assert quantile({100.0: 50.0, math.inf: 100.0}, 0.99) == 100.0
    assert quantile({}, 0.5) is None


COUNTS = st.integers(min_value=0, max_value=100_000)
SIDE = st.one_of(
    st.none(),
    st.tuples(COUNTS, COUNTS, COUNTS).map(lambda n: a_side_of(n[0], min(n[1], n[0]), min(n[2], n[0]))),
)
STRICT = shifting(
    limits=(
        HardLimit(name="share", of=Measure.ERRORS, maximum=0.05, relative=3.0),
        HardLimit(name="p99", of=Measure.LATENCY, maximum=400.0),
    )
)


@given(primary=SIDE, canary=SIDE)
def test_no_data_never_fails_and_never_passes(primary: SideFigures | None, canary: SideFigures | None) -> None:
    found = checked(STRICT, figures(primary, canary))

    if canary is None or canary.requests == 0:
        assert [one.verdict for one in found.values()] == [INCONCLUSIVE]


@given(
    primary=SIDE, requests=st.integers(min_value=1, max_value=10_000), errors=st.integers(min_value=0, max_value=9_999)
)
def test_one_more_error_never_makes_a_limit_kinder(primary: SideFigures | None, requests: int, errors: int) -> None:
    errors = min(errors, requests - 1)
    fewer, more = (
        checked(STRICT, figures(primary, a_side_of(requests, count)))["share"].verdict for count in (errors, errors + 1)
    )

    assert more.badness >= fewer.badness
