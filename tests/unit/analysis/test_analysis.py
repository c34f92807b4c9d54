"""Judging a live rollout, reading by reading: what is counted, when it is kept, and what it leads to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.adapters.serialization import dump_rollout, load_rollout
from bot.analysis import analysis
from bot.analysis.judge.editions import load
from bot.model.figures import AnalysisState, Figures, Judgement, SideFigures, Verdict
from bot.model.judge_settings import STRICTNESS, JudgeSettings
from bot.model.rollout import Phase, Rollout, Stage, Target
from bot.model.service import ClientLimits, GateAction, GateLimits, HardLimit, Measure, MetricsSource, Unproven
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, a_side_of, a_target

PASS, INCONCLUSIVE, ERROR, FAIL = Verdict
SCRAPE = 15.0
AT_ONCE = replace(STRICTNESS, shield=False)  # else users are home before an abort (``test_step_back_played``)


def at(stage: str, seconds: float | None = None, **gates: object) -> Rollout:
    """A rollout in a stage that was settled at 0, before anything was read."""
    service = a_service(gates=GateLimits(**gates))  # type: ignore[arg-type]  # fields of the dataclass
    rollout = a_rollout(service)
    place = next(i for i, one in enumerate(rollout.spec.plan) if one.name == stage)
    plan: Sequence[Stage] = rollout.spec.plan
    if seconds is not None:
        plan = [replace(one, seconds=seconds) if i == place else one for i, one in enumerate(plan)]
    return replace(
        rollout,
        spec=replace(rollout.spec, plan=tuple(plan)),
        phase=rollout.spec.plan[place].phase,
        stage=place,
        settled_at=0.0,
    )


def row(rollout: Rollout, end: float, canary: SideFigures | None, primary: SideFigures | None) -> Figures:
    """What is read up to ``end``; both sides were scraped just then unless they say otherwise."""
    span = analysis.span(rollout, end + rollout.spec.metrics.delay)
    assert span == (span and span[0], end)
    sides = [
        side if side is None or side.last is not None else replace(side, first=span[0], last=end)
        for side in (canary, primary)
    ]
    return Figures(start=span[0], end=end, canary=sides[0], primary=sides[1])


def judged(
    rollout: Rollout, canary: SideFigures | None, primary: SideFigures | None, rows: int = 1, every: float = SCRAPE
) -> tuple[Rollout, Judgement]:
    """After so many more rows of these counts."""
    judgement = Judgement(at=0.0, verdict=INCONCLUSIVE)
    for _ in range(rows):
        begun = rollout.analysis_state.until if rollout.analysis_state.until is not None else 0.0
        judgement, kept = analysis.analyse(rollout, row(rollout, begun + every, canary, primary))
        rollout = replace(rollout, analysis_state=kept, judgement=judgement)
    return rollout, judgement


GOOD, LIKEWISE = a_side_of(300, 1, slow=1), a_side_of(1200, 4, slow=4)


# What is counted


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.sampled_from([1.0, 2.0, 5.0, 10.0, 14.0, 40.0]), min_size=1, max_size=40))
def test_whenever_it_looks_every_request_enters_the_judge_exactly_once(steps: list[float]) -> None:
    rollout, now = at("shift 20"), 0.0
    for seconds in steps:
        now += seconds
        begun = rollout.analysis_state.until or 0.0
        # A request a second on the canary, four on the primary, each with the half of a percent that fails.
        sides = [a_side_of((now - begun) * rate, (now - begun) * rate * 0.005) for rate in (1.0, 4.0)]
        judgement, kept = analysis.analyse(rollout, row(rollout, now, sides[0], sides[1]))
        assert judgement.figures is not None
        assert judgement.figures.canary is not None
        assert judgement.figures.canary.requests == pytest.approx(now)  # the open row is shown, too
        rollout = replace(rollout, analysis_state=kept)
    until = rollout.analysis_state.until
    if until is not None:
        totals = load(rollout.analysis_state.judge, STRICTNESS).totals[0].tolist()
        assert totals == pytest.approx([until, until * 0.005, 4 * until, 4 * until * 0.005])


def test_a_row_is_kept_once_a_scrape_interval_has_passed_and_judged_anew_until_then() -> None:
    rollout = at("shift 20")

    early, kept = analysis.analyse(rollout, row(rollout, 5.0, GOOD, LIKEWISE))
    assert (kept.until, early.at) == (None, 5.0)
    _, kept = analysis.analyse(rollout, row(rollout, 15.0, GOOD, LIKEWISE))
    assert kept.until == 15.0


@settings(max_examples=60, deadline=None)
@given(away=st.integers(61, 3600), good=st.integers(0, 6), every=st.sampled_from([SCRAPE, 20.0, 60.0]))
def test_what_was_read_at_once_after_a_pause_thins_out_no_fault_that_starts_after_it(
    away: int, good: int, every: float
) -> None:
    limit = HardLimit(name="error share", of=Measure.ERRORS, maximum=0.05)
    rollout = replace(
        at("shift 20", limits=(limit,), errors=False),
        spec=replace(
            at("shift 20", limits=(limit,), errors=False).spec,
            metrics=MetricsSource(scrape_interval=min(every, SCRAPE)),
        ),
    )
    long, fair = a_side_of(away * 10), a_side_of(every * 10)
    rollout, _ = judged(rollout, long, long, every=away)
    rollout, before = judged(rollout, fair, fair, rows=good, every=every)
    assert before.verdict is not FAIL

    # A half of one row that fails is more than a twentieth of a minute, however much was good before the minute began.
    bad = a_side_of(every * 10, every * 5)
    _, judgement = judged(rollout, bad, fair, every=every)

    assert judgement.verdict is FAIL


def test_a_reading_begins_where_the_last_kept_one_ended_however_long_ago() -> None:
    rollout, _ = judged(at("shift 20"), GOOD, LIKEWISE)

    assert analysis.span(rollout, 30.0) == (15.0, 20.0)
    assert analysis.span(rollout, 910.0) == (15.0, 900.0)
    assert analysis.span(rollout, 90_010.0) == (89_940.0, 90_000.0)  # beyond an hour it is no evidence any more
    assert analysis.span(rollout, 25.0) is None


@pytest.mark.parametrize(
    ("interval", "set_to", "delay"), [(15.0, None, 10.0), (60.0, None, 10.0), (2.0, None, 2.0), (15.0, 45.0, 45.0)]
)
def test_a_reading_ends_as_long_before_now_as_a_scrape_may_take(
    interval: float, set_to: float | None, delay: float
) -> None:
    rollout = replace(
        at("shift 20"),
        spec=replace(at("shift 20").spec, metrics=MetricsSource(scrape_interval=interval, read_delay=set_to)),
    )

    assert analysis.span(rollout, 300.0) == (0.0, 300.0 - delay)


def test_a_clock_behind_what_was_read_is_a_hold_with_a_sentence_and_no_pass() -> None:
    rollout, judgement = judged(at("shift 20", seconds=3600.0), a_side_of(300, 1), a_side_of(1200, 4), rows=40)
    assert judgement.verdict is PASS

    assert analysis.span(rollout, 600.0 - 3600.0) is None
    behind = analysis.unread(rollout, 600.0 - 3600.0)

    assert (behind.verdict, behind.hold) == (INCONCLUSIVE, True)
    assert plain(behind.sentence).startswith("The clock is 60 minutes behind the figures that were read already")
    # The clocks of two machines are never quite the same.
    assert analysis.unread(rollout, 600.0 + rollout.spec.metrics.delay - 2.0) == judgement


def test_what_was_answered_before_the_routes_were_in_force_is_judged_and_none_of_the_stages_own() -> None:
    rollout, _ = judged(at("shift 20"), GOOD, LIKEWISE, rows=2)
    place = next(number for number, stage in enumerate(rollout.spec.plan) if stage.name == "shift 40")
    moved = replace(rollout, stage=place, settled_at=35.0)

    _, kept = analysis.analyse(moved, row(moved, 45.0, GOOD, LIKEWISE))
    assert (kept.until, kept.sums) == (45.0, None)
    _, kept = analysis.analyse(
        replace(moved, analysis_state=kept), row(replace(moved, analysis_state=kept), 60.0, GOOD, LIKEWISE)
    )
    assert kept.sums is not None
    assert (kept.sums.start, kept.sums.end) == (45.0, 60.0)


@pytest.mark.parametrize("phase", [Phase.ABORTING, Phase.PROMOTED, Phase.PREFLIGHT])
def test_nothing_is_read_where_nothing_is_judged(phase: Phase) -> None:
    assert analysis.span(replace(at("shift 20"), phase=phase), 60.0) is None
    assert analysis.span(replace(at("shift 20"), settled_at=None), 60.0) is None


def test_a_side_without_a_scrape_in_the_row_waits_and_is_counted_with_the_next() -> None:
    rollout = at("shift 20")
    silent = replace(a_side_of(0), first=10.0, last=10.0)
    rollout, _ = judged(rollout, silent, LIKEWISE)
    assert load(rollout.analysis_state.judge, STRICTNESS).totals[0].tolist() == [0, 0, 0, 0]

    rollout, _ = judged(rollout, a_side_of(600, 2), LIKEWISE)

    assert load(rollout.analysis_state.judge, STRICTNESS).totals[0].tolist() == [600, 2, 2400, 8]


def test_what_a_pod_answered_before_it_went_is_counted_however_old_its_newest_scrape_looks() -> None:
    rollout, _ = judged(at("shift 20"), replace(a_side_of(600, 2), first=10.0, last=10.0), LIKEWISE)

    assert rollout.analysis_state.sums is not None
    assert rollout.analysis_state.sums.canary is not None
    assert (rollout.analysis_state.sums.canary.requests, rollout.analysis_state.sums.canary.errors) == (600, 2)


def test_a_prometheus_that_lost_its_past_does_not_make_old_requests_new() -> None:
    rollout, _ = judged(at("shift 20"), GOOD, LIKEWISE, rows=4)
    forgetful = [replace(side, first=None, last=75.0) for side in (a_side_of(90_000, 40_000), a_side_of(90_000))]

    after, judgement = judged(rollout, forgetful[0], forgetful[1])

    assert judgement.verdict is not FAIL
    assert (
        load(after.analysis_state.judge, STRICTNESS).totals[0].tolist()
        == load(rollout.analysis_state.judge, STRICTNESS).totals[0].tolist()
    )


def test_a_canary_that_answers_for_the_first_time_is_counted_from_its_first_request() -> None:
    rollout, _ = judged(at("mirror"), replace(a_side_of(290, 7), last=15.0), a_side_of(300))

    assert load(rollout.analysis_state.judge, STRICTNESS).totals[0].tolist() == [290, 7, 300, 0]


# What it leads to


def test_three_rows_of_total_failure_abort_and_say_by_how_much() -> None:
    rollout, judgement = judged(at("shift 20", judge=AT_ONCE), a_side_of(300, 90), LIKEWISE, rows=2)
    assert judgement.verdict is INCONCLUSIVE

    rollout, judgement = judged(rollout, a_side_of(300, 90), LIKEWISE)

    assert judgement.verdict is FAIL
    assert plain(judgement.sentence).startswith(
        "v2 is worse: errors 30 % (270 of 900), version 1 0.333 % (12 of 3,600). "
        "Allowed: 1.25x version 1, at most 5 %. More than 99.9 % sure"
    )
    assert [one.gate for one in judgement.findings if one.verdict is FAIL] == ["evidence", "errors"]


def test_an_abort_does_not_wait_for_the_end_of_a_row() -> None:
    rollout, _ = judged(at("shift 20", judge=AT_ONCE), a_side_of(300, 90), LIKEWISE, rows=2)

    judgement, kept = analysis.analyse(rollout, row(rollout, 35.0, a_side_of(100, 30), a_side_of(400, 1)))

    assert (judgement.verdict, kept.until) == (FAIL, 35.0)


def test_a_stage_may_end_early_only_on_evidence() -> None:
    _, few = judged(at("shift 20", seconds=3600.0), GOOD, LIKEWISE, rows=3)
    _, many = judged(at("shift 20", seconds=3600.0), GOOD, LIKEWISE, rows=40)

    assert (few.verdict, few.proven) == (INCONCLUSIVE, False)
    assert (many.verdict, many.proven) == (PASS, True)
    assert "95 % sure that it stays below 1.5x version 1 + 0.5 points." in plain(many.sentence)


@pytest.mark.parametrize(
    ("unproven", "verdict"),
    [(Unproven.ASK_BEFORE_UPGRADE, PASS), (Unproven.GO_ON, PASS), (Unproven.HOLD, INCONCLUSIVE)],
)
def test_a_stage_whose_time_is_up_is_not_called_proven(unproven: Unproven, verdict: Verdict) -> None:
    _, judgement = judged(at("shift 20", seconds=45.0, unproven=unproven), GOOD, LIKEWISE, rows=3)

    assert (judgement.verdict, judgement.proven) == (verdict, False)
    assert plain(judgement.sentence).startswith("No problem seen, too little traffic to be sure: errors ")


@pytest.mark.parametrize(("unproven", "asks"), [(Unproven.ASK_BEFORE_UPGRADE, True), (Unproven.GO_ON, False)])
def test_what_was_never_proven_is_put_to_people_before_the_upgrade_with_both_samples(
    unproven: Unproven, *, asks: bool
) -> None:
    before, _ = judged(at("shift 80", seconds=0.0, unproven=unproven), GOOD, LIKEWISE, rows=2)
    last = replace(at("shift 100", seconds=0.0, unproven=unproven), analysis_state=before.analysis_state)

    _, judgement = judged(last, GOOD, None, rows=2)

    assert (judgement.verdict, judgement.proven, judgement.ask) == (PASS, False, asks)
    notified = next(one.sentence for one in judgement.findings if one.gate == "unproven")
    assert plain(notified) == (
        "Too little traffic to be sure. At 80 % of users, the last step with both versions: "
        "errors 0.333 % (2 of 600), version 1 0.333 % (8 of 2,400)."
    )


def test_what_was_proven_needs_nobody_before_the_upgrade() -> None:
    before, shown = judged(at("shift 80", seconds=0.0), a_side_of(1200, 1), a_side_of(300, 1), rows=40)

    _, judgement = judged(
        replace(at("shift 100", seconds=0.0), analysis_state=before.analysis_state), GOOD, None, rows=2
    )

    assert shown.proven
    assert (judgement.verdict, judgement.ask) == (PASS, False)
    assert "unproven" not in {one.gate for one in judgement.findings}


SOME_METHODS = a_target(mirror_methods=("GET", "HEAD"))


def test_a_mirror_of_some_methods_condemns_nobody_for_those_that_are_not_copied() -> None:
    # 30 % of the primary's requests are writes that never fail; of the rest 1 % fails on both sides.
    rollout = replace(at("mirror", seconds=900.0), spec=replace(at("mirror", seconds=900.0).spec, target=SOME_METHODS))

    rollout, judgement = judged(rollout, a_side_of(1050, 10.5, slow=21), a_side_of(1500, 10.5, slow=21), rows=120)

    assert judgement.verdict is not FAIL
    assert "may be worse" not in plain(judgement.sentence)
    [notified] = [one for one in judgement.findings if one.gate == "coverage"]
    assert plain(notified.sentence).startswith(
        "Copies are of GET and HEAD only. Whatever else version 1 answers badly counts"
    )


@pytest.mark.parametrize(
    "limit",
    [
        HardLimit(name="x", of=Measure.ERRORS, relative=2.0),
        HardLimit(name="x", of=Measure.LATENCY, relative=2.0, quantile=0.99),
    ],
    ids=["errors", "latency"],
)
@pytest.mark.parametrize("target", [SOME_METHODS, a_target(route_names=("api",))], ids=["some methods", "some routes"])
def test_a_limit_by_the_other_side_knows_that_only_some_are_copied(limit: HardLimit, target: Target) -> None:
    copies, primary = a_side_of(300, 9, slow=9), a_side_of(6000, 9, slow=9)  # one request in twenty is copied

    _, some = judged(
        replace(at("mirror", limits=(limit,)), spec=replace(at("mirror", limits=(limit,)).spec, target=target)),
        copies,
        primary,
    )
    _, whole = judged(at("mirror", limits=(limit,)), copies, primary)

    assert FAIL not in {one.verdict for one in some.findings}
    assert "x" in {one.gate for one in whole.findings if one.verdict is FAIL}


def test_nobody_says_that_figures_are_missing_for_two_minutes_moments_after_a_start() -> None:
    # A canary that an earlier attempt called: its series are there, and were not scraped since this one began.
    unscraped = replace(a_side_of(0), first=-3.0, last=-3.0)
    rollout = at("mirror")
    for now in (3.0, 8.0, 14.0):
        judgement, _ = analysis.analyse(rollout, row(rollout, now, unscraped, a_side_of(80)))
        assert plain(judgement.sentence).startswith("No figures yet")
        assert "2 min" not in plain(judgement.sentence)


def test_how_long_nothing_was_heard_is_said_as_it_is() -> None:
    rollout, _ = judged(at("shift 20"), GOOD, LIKEWISE, rows=4)
    _, silent = judged(rollout, None, LIKEWISE, rows=3, every=100.0)

    assert plain(silent.sentence).startswith("No fresh metrics for 5 minutes.")


def test_a_first_row_that_took_long_is_as_long_as_it_was() -> None:
    """A rollout that began while Prometheus was away: the silence began with it, not a scrape before its end."""
    _, judgement = judged(at("mirror"), None, LIKEWISE, rows=1, every=130.0)

    assert plain(judgement.sentence).startswith("No fresh metrics for 2 minutes.")


def test_copies_are_counted_from_the_first_scrape_after_the_routes_came_into_force() -> None:
    rollout = replace(at("mirror"), settled_at=100.0)
    # The last scrapes before the mirror began know of a time without copies, here of an earlier attempt's series.
    first, second = (
        Figures(
            start=start,
            end=start + 15.0,
            canary=a_side_of(copies, first=start - 3.0, last=start + 12.0),
            primary=a_side_of(300, first=start - 3.0, last=start + 12.0),
        )
        for start, copies in ((100.0, 220), (115.0, 300))
    )

    early, kept = analysis.analyse(rollout, first)
    late, _ = analysis.analyse(replace(rollout, analysis_state=kept), second)

    unknown, all_copied = (next(one for one in found.findings if one.gate == "coverage") for found in (early, late))
    assert plain(unknown.sentence) == "How many copies reach the canary is not known yet."
    assert (all_copied.verdict, all_copied.value) == (PASS, 1.0)


def test_a_canary_that_looks_bad_when_its_time_is_up_is_left_to_a_person() -> None:
    _, judgement = judged(at("shift 20", seconds=30.0, judge=AT_ONCE), a_side_of(300, 30), LIKEWISE, rows=2)

    assert judgement.verdict is INCONCLUSIVE
    assert plain(judgement.sentence).startswith(
        "v2 may be worse: errors 10 % (60 of 600), version 1 0.333 % (8 of 2,400). Not enough to be sure."
    )


def test_harm_that_mirroring_may_do_is_told_first_and_holds_until_people_say_go_on() -> None:
    past = AnalysisState(before=a_side_of(36_000, 36, slow=36))
    rollout = replace(at("mirror", seconds=60.0), analysis_state=past)

    early, before = judged(rollout, a_side_of(1200, 4, slow=200), a_side_of(1200, 4, slow=200), rows=2)
    _, after = judged(early, a_side_of(1200, 4, slow=200), a_side_of(1200, 4, slow=200), rows=3)

    assert (before.verdict, before.hold, before.ask) == (INCONCLUSIVE, True, False)
    assert (after.verdict, after.hold, after.ask) == (INCONCLUSIVE, True, True)
    for judgement in (before, after):
        assert plain(judgement.sentence).startswith("The mirror may be ")


def refused(requests: float, **codes: float) -> SideFigures:
    """``_404=9``: nine of the requests were answered 404, and none failed."""
    found = {name.removeprefix("_"): number for name, number in codes.items()}
    return a_side_of(requests, client_errors={"4xx": sum(found.values()), **found})


def clients_finding(judgement: Judgement) -> list[str]:
    return [plain(one.sentence) for one in judgement.findings if one.gate == "client errors"]


NOT_FOUND, ASKED = refused(300, _404=300), refused(1200, _404=12)


def test_404_to_everything_holds_at_once_and_asks_when_all_else_is_good() -> None:
    rollout, early = judged(at("shift 20", seconds=300.0), NOT_FOUND, ASKED, rows=3)
    _, late = judged(rollout, NOT_FOUND, ASKED, rows=20)

    assert (early.verdict, early.hold, early.ask) == (INCONCLUSIVE, True, False)
    assert (late.verdict, late.hold, late.ask) == (INCONCLUSIVE, True, True)
    assert plain(early.sentence) == (
        "v2 refuses requests otherwise than version 1: 404 (not found) 100 % (900 of 900), version 1 1 % (36 of 3,600)."
    )


@pytest.mark.parametrize(
    ("action", "verdict", "acts"),
    [(GateAction.ABORT, FAIL, True), (GateAction.HOLD, INCONCLUSIVE, True), (GateAction.OBSERVE, PASS, False)],
)
def test_what_is_done_about_it_is_the_services_choice(action: GateAction, verdict: Verdict, *, acts: bool) -> None:
    limits = ClientLimits(action=action)
    rollout, before = judged(at("shift 20", seconds=0.0, client_errors=limits), ASKED, ASKED, rows=20)
    _, judgement = judged(rollout, refused(1200, _404=1200), ASKED, rows=4)

    assert before.verdict is PASS
    assert judgement.verdict is verdict
    assert [one.acts for one in judgement.findings if one.gate == "client errors"] == [acts]


def test_client_errors_that_are_not_judged_are_not_told() -> None:
    _, judgement = judged(at("shift 20", client_errors=None), NOT_FOUND, ASKED, rows=20)

    assert clients_finding(judgement) == []
    assert analysis.begin(GateLimits(client_errors=None), [ASKED] * 240).clients == ""


def test_a_shift_of_logins_is_told_by_its_code_and_a_crawler_on_both_sides_is_not() -> None:
    login, crawled = refused(1200, _401=60, _404=600), refused(1200, _401=12, _404=600)

    _, moved = judged(at("mirror"), login, crawled, rows=6)
    _, alike = judged(at("mirror"), crawled, crawled, rows=40)

    [notified] = clients_finding(moved)
    assert "401 (not authenticated) 5 % (360 of 7,200), version 1 1 % (72 of 7,200)" in notified
    assert notified.endswith('Before Istio 1.28 copies carry the host name with "-shadow" behind it.')
    assert clients_finding(alike) == []


def test_what_people_let_through_does_not_hold_the_next_stage() -> None:
    rollout, notified = judged(at("mirror"), refused(1200, _404=120), ASKED, rows=10)
    onwards = replace(at("shift 20"), analysis_state=replace(rollout.analysis_state, until=0.0))
    _, next_stage = judged(onwards, refused(300, _404=30), ASKED, rows=20)

    assert clients_finding(notified) != []
    assert clients_finding(next_stage) == []


def test_client_errors_stand_among_the_details() -> None:
    _, judgement = judged(at("shift 20"), refused(300, _404=3), ASKED, rows=2)

    [shown] = [one for one in judgement.findings if one.gate == "client errors in all"]
    assert (shown.part, plain(shown.sentence)) == (
        True,
        "Client errors (4xx) on v2: 1 % (6 of 600), version 1 1 % (24 of 2,400).",
    )


def test_between_two_rows_nothing_about_client_errors_comes_or_goes() -> None:
    rollout, before = judged(at("shift 20"), NOT_FOUND, ASKED, rows=2)
    for now in (33.0, 38.0, 43.0):
        open_row, kept = analysis.analyse(rollout, row(rollout, now, refused(200, _404=200), ASKED))
        assert clients_finding(open_row) == clients_finding(before) == []
        assert kept.clients == rollout.analysis_state.clients


def test_too_few_requests_let_nobody_leave_a_stage_whose_time_is_up() -> None:
    _, judgement = judged(at("shift 20", seconds=30.0), a_side_of(9), a_side_of(36), rows=3)

    assert judgement.verdict is INCONCLUSIVE
    assert plain(judgement.sentence) == "v2 has answered 27 of the 100 requests needed."


def test_when_both_sides_fail_it_holds_at_once_and_says_that_going_back_does_not_help() -> None:
    rollout, _ = judged(at("shift 20"), GOOD, LIKEWISE, rows=4)

    _, judgement = judged(rollout, a_side_of(300, 60), a_side_of(1200, 240), rows=6)

    assert (judgement.verdict, judgement.hold) == (INCONCLUSIVE, True)
    assert plain(judgement.sentence).startswith("Both versions are failing: errors 20 % ")
    assert "This is not v2: going back would not help." in plain(judgement.sentence)


def test_when_the_primary_alone_fails_it_holds_and_warns_of_going_back() -> None:
    rollout, _ = judged(at("shift 20", seconds=0.0), GOOD, LIKEWISE, rows=4)

    _, judgement = judged(rollout, GOOD, a_side_of(1200, 240), rows=4)

    assert (judgement.verdict, judgement.hold) == (INCONCLUSIVE, True)
    assert plain(judgement.sentence).startswith("version 1 is failing: errors 0.333 % (4 of 1,200), version 1 20 %")
    assert plain(judgement.findings[0].brief) == plain(judgement.sentence).partition(". ")[0] + "."
    assert plain(judgement.sentence).endswith("version 1 alone is failing: going back moves users to the worse side.")


def test_a_hard_limit_says_more_than_evidence_that_is_still_gathering() -> None:
    limit = HardLimit(name="error share", of=Measure.ERRORS, maximum=0.05)

    _, judgement = judged(at("shift 20", limits=(limit,)), a_side_of(300, 90), LIKEWISE)

    assert judgement.verdict is FAIL
    assert plain(judgement.sentence) == "error share on v2 lately: 30 % (90 of 300). Allowed: at most 5 %."


def test_silence_on_one_side_is_no_data_after_two_minutes_and_never_a_pass() -> None:
    rollout, before = judged(at("shift 20", seconds=0.0), GOOD, LIKEWISE, rows=8)
    assert before.verdict is PASS

    _, judgement = judged(rollout, None, LIKEWISE, rows=8)

    assert judgement.verdict is INCONCLUSIVE
    assert plain(judgement.sentence).startswith("No fresh metrics for 2 minutes.")


@pytest.mark.parametrize(("stage", "name"), [("shift 100", "v2"), ("upgrade", "reviews-v2")])
def test_where_everybody_is_on_one_side_the_ceiling_alone_is_left(stage: str, name: str) -> None:
    good, none = a_side_of(1500, 3), None

    _, fine = judged(at(stage, seconds=0.0), good, none, rows=2)
    _, broken = judged(at(stage, seconds=0.0, judge=AT_ONCE), a_side_of(1500, 450), none, rows=3)

    assert fine.verdict is PASS
    assert plain(fine.sentence) == f"{name} has all users: errors 0.2 % (6 of 3,000), at most 5 % are allowed."
    assert broken.verdict is FAIL
    assert "More than 5 % are never allowed." in plain(broken.sentence)


def test_users_who_return_make_the_upgraded_primary_the_subject_with_a_clean_sheet() -> None:
    forward, _ = judged(at("shift 80"), a_side_of(1200, 90), a_side_of(300, 1), rows=2)
    assert load(forward.analysis_state.judge, STRICTNESS).log_e > 0

    back = replace(at("switchback 50"), analysis_state=replace(forward.analysis_state, until=0.0))
    after, judgement = judged(back, a_side_of(700, 1), a_side_of(700, 1))

    state = load(after.analysis_state.judge, STRICTNESS)
    assert (after.analysis_state.subject, judgement.verdict) == ("reviews-v1", INCONCLUSIVE)
    assert state.log_e <= 0
    assert state.metrics == load(forward.analysis_state.judge, STRICTNESS).metrics


def test_a_canary_that_is_only_slower_is_asked_about_once_with_the_figures_that_differ_most() -> None:
    """Typical latency is a question, and never an abort: whoever said go on is not asked about it again."""
    quick = replace(a_side_of(1200, 4), buckets={50.0: 260, 100.0: 780, 250.0: 1166, 500.0: 1199, math.inf: 1200})
    slow = replace(a_side_of(300, 1), buckets={50.0: 42, 100.0: 165, 250.0: 291, 500.0: 300, math.inf: 300})
    begun = at("shift 20", seconds=60.0)
    begun = replace(begun, analysis_state=analysis.begin(begun.spec.gates, [quick] * 240))

    rollout, judgement = judged(begun, slow, quick, rows=30)

    assert (judgement.verdict, judgement.ask, judgement.proven) == (INCONCLUSIVE, True, False)
    assert plain(judgement.sentence) == (
        "v2 is slower: answers over 100 ms 45 % (4,050 of 9,000), version 1 35 % (12,600 of 36,000). "
        "Typically 1.1x version 1 is allowed; nothing is aborted for this."
    )
    on = replace(rollout, stage=rollout.stage + 1, settled_at=rollout.analysis_state.until)
    _, judgement = judged(on, slow, quick, rows=30)
    assert (judgement.verdict, judgement.ask) == (PASS, False)


def test_errors_and_latencies_that_are_not_wanted_condemn_nobody() -> None:
    _, errors = judged(at("shift 20", errors=False), a_side_of(300, 300), LIKEWISE, rows=6)
    _, latency = judged(at("shift 20", latency=False), a_side_of(300, 1, slow=300), LIKEWISE, rows=6)

    assert FAIL not in (errors.verdict, latency.verdict)  # the ceiling is of errors, too
    assert [one.gate for one in latency.findings] == ["evidence", "errors"]


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        (STRICTNESS, "At this traffic, 5x the errors would send users home after about "),
        (AT_ONCE, "At this traffic a canary with 5x the errors would be noticed after about "),
    ],
    ids=["shield", "at once"],
)
def test_it_says_how_long_it_will_take(judge: JudgeSettings, words: str) -> None:
    _, judgement = judged(at("shift 20", judge=judge), GOOD, LIKEWISE, rows=2)

    assert plain(judgement.forecast).startswith(words)


def test_the_primarys_past_fixes_the_bounds_and_is_what_harm_is_measured_by() -> None:
    history = [a_side_of(1200, 4, slow=6)] * 240

    begun = analysis.begin(GateLimits(), history)

    assert [metric.bound for metric in load(begun.judge, STRICTNESS).metrics] == [None, 100.0]
    assert begun.before is not None
    assert (begun.before.requests, begun.before.errors) == (288_000, 960)
    assert analysis.begin(GateLimits(), ()).before is None


def test_a_reconcile_without_a_reading_says_what_the_last_one_of_the_stage_said() -> None:
    rollout, judgement = judged(at("shift 20"), GOOD, LIKEWISE)

    assert analysis.unread(rollout, 26.0) == judgement
    assert plain(analysis.unread(replace(rollout, stage=rollout.stage + 1), 16.0).sentence).startswith(
        "Traffic has just"
    )
    assert analysis.unread(at("shift 20"), 1.0).verdict is INCONCLUSIVE


def counts() -> Iterator[tuple[SideFigures | None, SideFigures | None]]:
    yield from [(GOOD, LIKEWISE), (None, LIKEWISE), (a_side_of(300, 90), LIKEWISE), (GOOD, None), (GOOD, LIKEWISE)]


def test_a_restart_between_any_two_reconciles_changes_no_verdict() -> None:
    one = two = at("shift 20")
    for canary, primary in counts():
        one, first = judged(one, canary, primary)
        two = load_rollout(dump_rollout(two))
        two, second = judged(two, canary, primary)
        assert first == second


def test_a_stage_with_nobody_to_compare_with_may_end_early_only_after_one_that_was_proven() -> None:
    proven, _ = judged(at("shift 80", seconds=3600.0), a_side_of(1200, 4), a_side_of(300, 1), rows=40)
    assert proven.analysis_state.shown

    _, after_proof = judged(
        replace(at("shift 100"), analysis_state=proven.analysis_state), a_side_of(1500, 1), None, rows=5
    )
    _, without = judged(at("shift 100"), a_side_of(1500, 1), None, rows=5)

    assert (after_proof.proven, without.proven) == (True, False)


def test_nobody_is_sent_on_to_a_side_that_was_above_the_ceiling_in_this_very_stage() -> None:
    before, _ = judged(at("shift 20", seconds=0.0), a_side_of(3000), a_side_of(12_000), rows=4)
    stage = replace(at("shift 40", seconds=0.0), analysis_state=before.analysis_state)

    _, both = judged(stage, a_side_of(100, 20), a_side_of(150, 30), rows=1)
    _, canary = judged(stage, a_side_of(100, 8), a_side_of(150), rows=1)

    assert (both.verdict, both.hold) == (INCONCLUSIVE, True)
    assert plain(both.sentence).startswith(
        "Both versions are failing: errors 20 % (20 of 100), version 1 20 % (30 of 150)."
    )
    assert canary.verdict is not PASS


@pytest.mark.parametrize("stage", ["shift 20", "shift 100"])
def test_what_was_good_a_moment_ago_lets_nobody_go_on_blindly(stage: str) -> None:
    good, before = judged(at(stage, seconds=0.0), GOOD, LIKEWISE, rows=4)
    assert before.verdict is PASS

    empty = Figures(start=60.0, end=65.0, primary=None, canary=None)
    blind, _ = analysis.analyse(good, empty)
    unscraped = replace(a_side_of(0), first=60.0, last=60.0)
    waiting, _ = analysis.analyse(good, Figures(start=60.0, end=65.0, primary=unscraped, canary=unscraped))

    assert blind.verdict is INCONCLUSIVE
    assert plain(blind.sentence).startswith("Prometheus has no figures of v2 now.")
    assert waiting.verdict is PASS


@pytest.mark.parametrize("stage", ["shift 20", "shift 100"])
def test_nobody_is_asked_about_a_doubt_while_there_are_no_figures(stage: str) -> None:
    doubtful, before = judged(at(stage, seconds=0.0, judge=AT_ONCE), a_side_of(300, 30), a_side_of(300, 1), rows=2)

    blind, _ = analysis.analyse(doubtful, Figures(start=30.0, end=35.0, primary=None, canary=None))

    assert (before.verdict, before.ask) == (INCONCLUSIVE, True)
    assert (blind.verdict, blind.ask) == (INCONCLUSIVE, False)
    assert plain(blind.sentence).startswith("Prometheus has no figures of v2 now. Before: ")


def test_what_an_open_row_has_shown_is_remembered_because_a_stage_may_be_left_on_it() -> None:
    rollout, before = judged(at("shift 80", seconds=3600.0), a_side_of(1200, 4), a_side_of(300, 1), rows=40)
    until = rollout.analysis_state.until
    assert until is not None

    judgement, kept = analysis.analyse(rollout, row(rollout, until + 5.0, a_side_of(400, 1), a_side_of(100)))

    assert (before.proven, judgement.proven, kept.shown, kept.until) == (True, True, True, until)


UNSCRAPED = replace(a_side_of(0), first=60.0, last=60.0)
FIRST_SIDES = st.sampled_from([None, UNSCRAPED, a_side_of(0), a_side_of(40), a_side_of(99, 1)])


@example(stages=("shift 40", "shift 100"), lengths=[15.0] * 4, sides=(UNSCRAPED, None), settled=False)
@settings(max_examples=120, deadline=None)
@given(
    stages=st.sampled_from([("mirror", "shift 20"), ("shift 20", "shift 40"), ("shift 40", "shift 100")]),
    lengths=st.lists(st.sampled_from([0.0, 1.0, 5.0, 15.0, 16.0]), min_size=1, max_size=4),
    sides=st.tuples(FIRST_SIDES, FIRST_SIDES),
    settled=st.booleans(),
)
@example(stages=("shift 40", "shift 100"), lengths=[15.0] * 4, sides=(a_side_of(0), None), settled=False)
def test_no_stage_is_left_on_what_another_has_shown(
    stages: tuple[str, str],
    lengths: list[float],
    sides: tuple[SideFigures | None, SideFigures | None],
    *,
    settled: bool,
) -> None:
    before, judgement = judged(at(stages[0], early=True), GOOD, LIKEWISE, rows=40)
    assert judgement.proven
    until = before.analysis_state.until or 0.0
    stage = replace(
        at(stages[1], early=True), settled_at=until if settled else None, analysis_state=before.analysis_state
    )
    asked = sides[0].requests if sides[0] is not None else 0.0

    for length in lengths:
        begun = stage.analysis_state.until or until
        reading = Figures(start=begun, end=begun + length, canary=sides[0], primary=sides[1])
        first, kept = analysis.analyse(stage, reading)
        stage = replace(stage, analysis_state=kept, judgement=first)
        if asked * len(lengths) < stage.spec.gates.judge.least_requests:
            assert (first.verdict is PASS, first.proven) == (False, False)
