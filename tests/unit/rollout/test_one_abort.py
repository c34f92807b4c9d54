"""What is remembered of an abort, and what its end tells."""

from __future__ import annotations

from dataclasses import replace

from bot.model.figures import AnalysisState, Exposure, Finding, Judgement, Verdict
from bot.model.observation import Observation
from bot.model.rollout import BOT, HOME, Phase, Rollout, StageOutcome, Walked
from bot.model.story import Entry
from bot.rollout import aborts, decide
from bot.words.rendering import plain
from tests.builders import OMAR, a_rollout, a_service, a_side_of, an_observation, figures, verdict

WORSE = "v2 failed 28 % (34 of 122), v1 none of 126."
FAIL = Judgement(
    at=1e9,
    verdict=Verdict.FAIL,
    findings=(Finding(gate="errors", verdict=Verdict.FAIL, sentence=WORSE),),
    figures=figures(a_side_of(126), a_side_of(122, errors=34)),
)


def at_stage(name: str) -> Rollout:
    """Settled at a stage, after which some hundred users have met the canary, if any have."""
    rollout = a_rollout(a_service())
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    walked = tuple(
        Walked(name=one.name, outcome=StageOutcome.PASSED, began=0.0, ended=1.0) for one in rollout.spec.plan[:index]
    )
    exposure = Exposure(requests=353.0, errors=42.0, until=1.0) if index else Exposure()
    state = AnalysisState(stage=name, exposure=exposure)
    return replace(
        rollout,
        phase=rollout.spec.plan[index].phase,
        stage=index,
        since=0.0,
        settled_at=0.0,
        walked=walked,
        analysis_state=state,
    )


def ended(aborting: Rollout, *, now: float, after: float) -> tuple[Rollout, list[Entry]]:
    """Everybody is home after so many seconds, and the rollout is over a moment later."""
    notified: list[Entry] = []
    for at in (now + after, now + after + 0.1, now + after + 0.2):
        seen: Observation = an_observation(aborting, routes=HOME)
        aborting, entries = decide.decide(aborting, seen, verdict(Verdict.PASS), at)
        notified += entries
    return aborting, notified


def test_an_abort_that_is_over_at_once_tells_all_of_it_in_its_end() -> None:
    aborting, _ = decide.decide(at_stage("shift 60"), an_observation(at_stage("shift 60")), FAIL, 100.0)
    over, notified = ended(aborting, now=100.0, after=0.5)

    assert over.ended_swiftly
    assert plain(notified[-1].text) == (
        f"Aborted at 60 % of users. {WORSE} All users are back on version 1. "
        "At least 353 requests of users met v2, and 42 failed."
    )


def test_an_abort_that_takes_longer_tells_at_its_end_what_is_new() -> None:
    aborting, _ = decide.decide(at_stage("shift 60"), an_observation(at_stage("shift 60")), FAIL, 100.0)
    over, notified = ended(aborting, now=100.0, after=12.0)

    assert not over.ended_swiftly
    assert plain(notified[-1].text) == (
        "All users are back on version 1 after 12 seconds. At least 353 requests of users met v2, and 42 failed."
    )


def test_an_abort_in_the_mirror_says_that_no_user_was_affected() -> None:
    aborting, _ = aborts.abort(at_stage("mirror"), OMAR, "Wrong build.", 100.0)
    _, notified = ended(aborting, now=100.0, after=0.5)

    assert plain(notified[-1].text) == (
        "U0OMAR aborted at mirror: Wrong build. All users are back on version 1. "
        "No user was affected: none of them met v2."
    )


def test_the_record_keeps_where_it_stopped_which_check_decided_and_when_all_users_were_back() -> None:
    aborting, _ = decide.decide(at_stage("shift 60"), an_observation(at_stage("shift 60")), FAIL, 100.0)
    over, _ = ended(aborting, now=100.0, after=0.5)

    stopped = over.stopped
    assert stopped is not None
    assert (over.phase, plain(stopped.stage), stopped.gate, stopped.by) == (
        Phase.ABORTED,
        "60 % of users",
        "errors",
        BOT,
    )
    assert (stopped.canary, stopped.primary, stopped.home_at) == ((122.0, 34.0), (126.0, 0.0), 100.5)
