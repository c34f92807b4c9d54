"""Setting the clock moves what a rollout waits for, and nothing that it has done."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.controller.timers import TOLERANCE, caught_up, moved
from bot.model.figures import AnalysisState, Incident
from bot.model.incidents import Drift, Shortage, Size
from bot.model.rollout import Alarm, Approval, Doubt, Hold, HoldCause, Rollout, StepBack, Stopped
from bot.model.webhooks import HookRun, HookState
from tests.builders import MAYA, a_drift, a_rollout, a_side_of, figures

NOW = 10_000.0


def waiting() -> Rollout:
    """One for which every clock there is runs."""
    return a_rollout(
        started_at=NOW - 900,
        since=NOW - 600,
        settled_at=NOW - 500,
        asked_at=NOW - 100,
        called_at=NOW - 95,
        doubt=Doubt(about="doubt evidence", since=NOW - 110),
        restoring_at=NOW - 50,
        hold=Hold(cause=HoldCause.METRICS, sentence="No data.", since=NOW - 80, calm_since=NOW - 5),
        others=(Hold(cause=HoldCause.CLUSTER, sentence="Not seen.", since=NOW - 90, over_since=NOW - 85),),
        alarms=(
            Alarm(incident=Incident.HARM, since=NOW - 70, told_at=NOW - 69, calm_since=NOW - 68, over_since=NOW - 67),
        ),
        gone_since=NOW - 15,
        stopped=Stopped(at=NOW - 55, home_at=NOW - 54),
        step_backs=(StepBack(at=NOW - 75, share=40, home_at=NOW - 74),),
        sizes={"reviews-v1": Size(wanted=2, expected=1, since=NOW - 25)},
        drift=a_drift(since=NOW - 40),
        shortage=Shortage(deployment="reviews-v1", since=NOW - 30, seen_at=NOW - 10),
        approvals=(Approval(by=MAYA, at=NOW - 20),),
        analysis_state=AnalysisState(until=NOW - 10),
        gate_at=NOW - 12,
        arrived_at=NOW - 13,
        hook_runs=(HookRun(hook="tests", place="mirror", state=HookState.CALLED, tries=2, tried_at=NOW - 8),),
    )


def moments(rollout: Rollout) -> list[float]:
    assert rollout.settled_at is not None
    assert rollout.asked_at is not None
    assert rollout.restoring_at is not None
    assert rollout.hold is not None
    assert rollout.drift is not None
    assert rollout.shortage is not None
    assert rollout.analysis_state.until is not None
    (alarm,) = rollout.alarms
    assert (alarm.told_at and alarm.calm_since and alarm.over_since) is not None
    assert rollout.doubt is not None
    assert rollout.stopped is not None
    assert rollout.stopped.home_at is not None
    assert rollout.called_at is not None
    waits = [rollout.called_at, rollout.doubt.since, alarm.since, rollout.stopped.at, rollout.stopped.home_at]
    waits += [at for at in (alarm.told_at, alarm.calm_since, alarm.over_since) if at is not None]
    (step_back,) = rollout.step_backs
    assert step_back.home_at is not None
    waits += [step_back.at, step_back.home_at]
    waits += [rollout.since, rollout.settled_at, rollout.asked_at, rollout.restoring_at, rollout.analysis_state.until]
    (other,), size, calm = rollout.others, rollout.sizes["reviews-v1"], rollout.hold.calm_since
    assert calm is not None
    assert other.over_since is not None
    assert rollout.gone_since is not None
    assert rollout.gate_at is not None
    assert rollout.arrived_at is not None
    waits += [rollout.arrived_at, rollout.gate_at, rollout.hook_runs[0].tried_at]
    waits += [other.since, other.over_since, calm, rollout.gone_since, size.since]
    return [*waits, rollout.hold.since, rollout.drift.since, rollout.shortage.since, rollout.shortage.seen_at]


@given(seconds=st.sampled_from([3600.0, -3600.0, 3.0, -86_400.0]))
def test_every_wait_is_as_long_as_before_whatever_the_clock_shows(seconds: float) -> None:
    before = waiting()

    after = moved(before, seconds, NOW + seconds)

    assert [at - seconds for at in moments(after)] == pytest.approx(moments(before))
    assert (after.spec.started_at, after.approvals) == (before.spec.started_at, before.approvals)


def test_no_moment_that_is_waited_from_is_forgotten() -> None:
    """A new field of a rollout with a moment in it has to be thought of here."""
    seen = {
        one.name
        for kind in (Rollout, Alarm, Doubt, Stopped, Hold, Drift, Shortage, Size, AnalysisState, HookRun)
        for one in fields(kind)
    }
    times = {name for name in seen if name in {"since", "until"} or name.endswith(("_at", "_since"))}

    assert times == {
        "since",
        "until",
        "settled_at",
        "asked_at",
        "called_at",
        "told_at",
        "home_at",
        "restoring_at",
        "seen_at",
        *("calm_since", "over_since", "gone_since"),
        *("gate_at", "tried_at", "arrived_at"),
        "ended_at",  # history
    }


def test_figures_that_were_read_are_not_read_again_when_the_clock_goes_back() -> None:
    row = figures(a_side_of(100), a_side_of(100), start=NOW - 20, end=NOW - 10)
    empty = figures(None, None, start=NOW - 10, end=NOW)
    rollout = replace(waiting(), analysis_state=AnalysisState(until=NOW, recent=(row, empty)))

    back = moved(rollout, -3600.0, NOW - 3600)
    assert back.analysis_state.until == row.end
    ahead = moved(rollout, 3600.0, NOW + 3600)
    assert ahead.analysis_state.until == NOW + 3600
    # A clock that was set wrong and then right again: where it was, whichever way it was wrong.
    assert moved(ahead, -3600.0, NOW).analysis_state.until == NOW
    assert moved(back, 3600.0, NOW).analysis_state.until == row.end


def test_moments_that_lie_ahead_begin_now() -> None:
    ahead = moved(waiting(), 3600.0, NOW + 3600)

    caught = caught_up(ahead, NOW)

    assert caught.asked_at == NOW
    assert caught.since == NOW - 500  # everything else as long ago as it was from there


@pytest.mark.parametrize(
    "place",
    [
        "restoring_at",
        "gone_since",
        "hold",
        "calm",
        "other",
        "over",
        "size",
        "drift",
        "shortage",
        "looks",
        "until",
    ],
)
def test_each_moment_that_lies_ahead_begins_now_also_in_a_stage_that_does_not(place: str) -> None:
    """A hold that began while the clock was an hour ahead was told to nobody for an hour."""
    rollout = one_ahead(place, NOW + 3600)

    caught = caught_up(rollout, NOW)

    assert caught == one_ahead(place, NOW)
    assert caught_up(caught, NOW) is caught


def one_ahead(place: str, at: float) -> Rollout:
    """One for which every clock runs, and one of them has begun then."""
    rollout = waiting()
    (other,), size = rollout.others, rollout.sizes["reviews-v1"]
    assert rollout.hold is not None
    assert rollout.drift is not None
    assert rollout.shortage is not None
    changes: dict[str, dict[str, Any]] = {
        "restoring_at": {"restoring_at": at},
        "gone_since": {"gone_since": at},
        "hold": {"hold": replace(rollout.hold, since=at)},
        "calm": {"hold": replace(rollout.hold, calm_since=at)},
        "other": {"others": (replace(other, since=at),)},
        "over": {"others": (replace(other, over_since=at),)},
        "size": {"sizes": {"reviews-v1": replace(size, since=at)}},
        "drift": {"drift": replace(rollout.drift, since=at)},
        "shortage": {"shortage": replace(rollout.shortage, since=at)},
        "looks": {"shortage": replace(rollout.shortage, seen_at=at)},
        "until": {"analysis_state": AnalysisState(until=at)},
    }
    return replace(rollout, **changes[place])


def test_figures_are_read_on_from_now_when_nothing_was_read_ahead() -> None:
    row = figures(a_side_of(100), a_side_of(100), start=NOW - 20, end=NOW - 10)
    empty = figures(None, None, start=NOW - 10, end=NOW + 3590)
    unread = replace(waiting(), analysis_state=AnalysisState(until=NOW + 3590, recent=(row, empty)))
    read = replace(
        unread, analysis_state=AnalysisState(until=NOW + 3590, recent=(row, replace(empty, canary=a_side_of(100))))
    )

    assert caught_up(unread, NOW).analysis_state.until == NOW
    assert caught_up(read, NOW).analysis_state.until == NOW + 3590  # nothing is counted twice


@pytest.mark.parametrize("by", [-3600.0, 0.0, TOLERANCE + 5])
def test_moments_that_may_have_been_seen_stay(by: float) -> None:
    rollout = moved(waiting(), by, NOW)

    assert caught_up(rollout, NOW) is rollout
