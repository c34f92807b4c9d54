"""Every figure about ourselves says what its help says: what happens is known here, and the figure must tell it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from bot.adapters.calls import counted
from bot.controller.rounds import TURNS, Rounds
from bot.model.errors import Cause, Contended, Fault, Stale
from bot.model.figures import AnalysisState, Judgement, Verdict
from bot.model.rollout import BOT, HOME, Approval, Phase, Rollout
from bot.model.story import Entry, EntryKind
from bot.probes import OwnMetrics
from bot.probes.telemetry_metrics import TelemetryMetrics
from bot.rollout.actions import SetRoutes
from tests.builders import MAYA, OMAR, a_rollout, routes
from tests.fakes.clock import FakeClock

NOW = 5000.0


class Shown:
    """The figures, and what makes them."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.own = OwnMetrics()
        self.notifying = TelemetryMetrics(self.own, self.clock)
        self.telemetry = self.notifying.telemetry()

    def value(self, name: str) -> float:
        lines = generate_latest(self.own.registry).decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


@pytest.fixture
def shown() -> Shown:
    return Shown()


def judged(rollout: Rollout, verdict: Verdict, at: float) -> Rollout:
    analysis_state = replace(rollout.analysis_state, stage=rollout.current.name)
    return replace(rollout, judgement=Judgement(at=at, verdict=verdict), analysis_state=analysis_state)


def shifting() -> Rollout:
    return judged(a_rollout(phase=Phase.SHIFTING, stage=1, since=4000.0, settled_at=4100.0), Verdict.PASS, NOW - 10)


def aborts(shown: Shown, before: Rollout, after: Rollout, by: str = BOT) -> Rollout:
    aborting = replace(after, phase=Phase.ABORTING, retreat=(after.spec.plan[0],), stage=0, since=shown.clock.now())
    entry = Entry(at=shown.clock.now(), kind=EntryKind.ABORTING, text="Aborted.", by=MAYA if by == MAYA else BOT)
    shown.telemetry.changed(before, aborting, (entry,))
    return aborting


def test_abort_seconds_begin_when_the_bad_sample_can_have_been_seen_and_end_with_the_first_safe_routes(
    shown: Shown,
) -> None:
    before = shifting()  # what was answered until ten seconds ago was good
    aborting = aborts(shown, before, judged(before, Verdict.FAIL, NOW - 1))

    shown.clock.advance(0.5)
    shown.telemetry.acted(aborting, SetRoutes(routes=HOME))
    shown.clock.advance(60.0)
    shown.telemetry.acted(aborting, SetRoutes(routes=HOME))  # written again, because somebody undid it

    assert shown.value("canary_bot_abort_seconds_count") == 1
    assert shown.value("canary_bot_abort_seconds_sum") == pytest.approx(10.5)


def test_in_a_stage_that_was_never_judged_the_bad_sample_can_have_been_there_since_it_settled(shown: Shown) -> None:
    before = replace(shifting(), judgement=None, settled_at=NOW - 7, analysis_state=AnalysisState())
    aborting = aborts(shown, before, judged(before, Verdict.FAIL, NOW))

    shown.telemetry.acted(aborting, SetRoutes(routes=HOME))

    assert shown.value("canary_bot_abort_seconds_sum") == pytest.approx(7.0)


def test_what_people_abort_is_no_reaction_of_ours(shown: Shown) -> None:
    before = judged(shifting(), Verdict.FAIL, NOW - 10)
    aborting = aborts(shown, before, before, by=MAYA)

    shown.telemetry.acted(aborting, SetRoutes(routes=HOME))

    assert shown.value("canary_bot_abort_seconds_count") == 0
    assert shown.value('canary_bot_aborts_total{reason="people"}') == 1


def test_aborts_have_the_reason_they_have(shown: Shown) -> None:
    before = shifting()
    aborts(shown, before, judged(before, Verdict.FAIL, NOW))
    aborts(shown, before, before)  # too few pods, a time-out, a watchdog
    aborts(shown, replace(before, phase=Phase.ABORTING), before)  # the same abort, at its next stage

    assert shown.value('canary_bot_aborts_total{reason="gate"}') == 1
    assert shown.value('canary_bot_aborts_total{reason="other"}') == 1
    assert shown.value('canary_bot_aborts_total{reason="people"}') == 0


def test_each_approval_counts_from_the_question(shown: Shown) -> None:
    asked = replace(shifting(), asked_at=NOW - 100)
    once = replace(asked, approvals=(Approval(by=MAYA, at=NOW - 40),))
    twice = replace(asked, approvals=(*once.approvals, Approval(by=OMAR, at=NOW)))

    shown.telemetry.changed(asked, once, ())
    shown.telemetry.changed(once, twice, ())
    shown.telemetry.changed(twice, replace(twice, evidence=9), ())

    assert shown.value("canary_bot_approvals_waiting_seconds_count") == 2
    assert shown.value("canary_bot_approvals_waiting_seconds_sum") == pytest.approx(60 + 100)


def test_verdicts_are_counted_by_word(shown: Shown) -> None:
    for word in (Verdict.PASS, Verdict.PASS, Verdict.FAIL):
        shown.telemetry.judged(shifting(), Judgement(at=NOW, verdict=word))

    assert shown.value('canary_bot_verdicts_total{verdict="pass"}') == 2
    assert shown.value('canary_bot_verdicts_total{verdict="fail"}') == 1


@pytest.mark.parametrize("rollouts", [0, 3, 250, 1000])
def test_a_tick_is_a_round_of_everybody_however_many_turns_it_takes(shown: Shown, rollouts: int) -> None:
    rounds, keys = Rounds(10.0), [f"default/shop{number}" for number in range(rollouts)]
    seen: list[str] = []
    rounds.advance(0.0)
    rounds.turn(keys)  # how many there are is known from the first turn on
    for turn in range(1, 3 * TURNS):
        rounds.advance(turn * rounds.seconds)
        if rounds.is_idle:
            continue
        seen += rounds.turn(keys)
        shown.telemetry.ticked(0.5, 0.1 * turn)
        if rounds.is_last:
            shown.notifying.round_is_over()

    turns = TURNS * 3 if rollouts > 300 else 9 if rollouts > 100 else 3
    first_round_began_before = turns // 3 > 1
    assert shown.value("canary_bot_ticks_total") == (3 if first_round_began_before else 2)
    assert shown.value("canary_bot_tick_seconds_sum") == pytest.approx(0.5 * (turns - 1))
    assert shown.value("canary_bot_tick_lag_seconds") == pytest.approx(0.1 * max_turn(turns // 3))
    assert len(seen) >= 2 * rollouts


def max_turn(per_round: int) -> int:
    """The number of the last turn of the third round that had anything to do."""
    return 3 * TURNS - TURNS // per_round


def test_a_round_that_was_late_makes_the_next_one_no_later(shown: Shown) -> None:
    for lag in (3.0, 0.1):
        shown.telemetry.ticked(0.5, lag)
        shown.notifying.round_is_over()

    assert shown.value("canary_bot_tick_lag_seconds") == pytest.approx(0.1)


def test_whether_it_leads_is_asked_when_somebody_wants_to_know(shown: Shown) -> None:
    leads = [True]
    shown.own.leader(lambda: leads[0])
    assert shown.value("canary_bot_leader") == 1

    leads[0] = False  # and nobody tells
    assert shown.value("canary_bot_leader") == 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (Contended("Kubernetes", "somebody else wrote it."), "conflict"),
        (Fault("Redis", "did not answer in time.", Cause.TIMED_OUT), "timed_out"),
        (Fault("Kubernetes", "may not.", Cause.FORBIDDEN), "forbidden"),
        (Fault("Kubernetes", "is not there.", Cause.MISSING), "missing"),
        (Fault("Kubernetes", "an admission webhook said no.", Cause.REFUSED), "refused"),
        (Fault("Prometheus", "cannot be reached."), "failed"),
        (Stale("Redis", "holds another revision."), "failed"),
        (KeyError("spec"), "failed"),
    ],
    ids=str,
)
def test_a_call_is_counted_once_by_how_it_ended(shown: Shown, error: Exception | None, outcome: str) -> None:
    def call() -> None:
        with counted(lambda how: shown.own.called("kubernetes", how)):
            if error is not None:
                raise error

    if error is None:
        call()
    else:
        with pytest.raises(type(error)):
            call()

    name = "canary_bot_outside_calls_total"
    assert shown.value(f'{name}{{outcome="{outcome}",system="kubernetes"}}') == 1
    lines = generate_latest(shown.own.registry).decode().splitlines()
    assert len([line for line in lines if line.startswith(f"{name}{{")]) == 1


def test_routes_of_other_phases_are_no_reaction(shown: Shown) -> None:
    shown.telemetry.acted(shifting(), SetRoutes(routes=routes(40)))

    assert shown.value("canary_bot_abort_seconds_count") == 0
