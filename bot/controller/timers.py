"""What a rollout waits for is counted from moments of the wall clock, and somebody may set that clock. Pure.

Stored moments must mean the same to every replica and after a restart, so they stay the wall clock's. When it is set,
they are moved with it: a bake is neither skipped nor does it take an hour longer, and nobody is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from bot.analysis.judge import editions
from bot.model.figures import AnalysisState
from bot.model.judge_settings import JudgeSettings
from bot.model.rollout import Alarm, Hold, Rollout
from bot.model.webhooks import HookRun

# Replicas' clocks differ by this much without anything being wrong, seconds.
TOLERANCE = 30.0


def moved(rollout: Rollout, seconds: float, now: float) -> Rollout:
    """The rollout as if the clock had always shown ``seconds`` more; what is past, such as approvals, stays.

    ``now`` is what the clock shows since.
    """
    return replace(_each(rollout, lambda at: at + seconds), analysis_state=_moved(rollout, seconds, now))


def _each(rollout: Rollout, change: Callable[[float], float]) -> Rollout:
    """The rollout with every moment that it waits from changed, but for how far its figures were read."""

    def by(at: float | None) -> float | None:
        return None if at is None else change(at)

    def held(hold: Hold) -> Hold:
        return replace(hold, since=change(hold.since), calm_since=by(hold.calm_since), over_since=by(hold.over_since))

    def alarmed(alarm: Alarm) -> Alarm:
        told_at, calm_since = by(alarm.told_at), by(alarm.calm_since)
        over_since = by(alarm.over_since)
        return replace(alarm, since=change(alarm.since), told_at=told_at, calm_since=calm_since, over_since=over_since)

    def called(run: HookRun) -> HookRun:
        return replace(run, tried_at=change(run.tried_at))

    drift, shortage, doubt, stopped = rollout.drift, rollout.shortage, rollout.doubt, rollout.stopped
    return replace(
        rollout,
        since=change(rollout.since),
        settled_at=by(rollout.settled_at),
        asked_at=by(rollout.asked_at),
        called_at=by(rollout.called_at),
        doubt=doubt and replace(doubt, since=change(doubt.since)),
        restoring_at=by(rollout.restoring_at),
        hold=rollout.hold and held(rollout.hold),
        others=tuple(map(held, rollout.others)),
        alarms=tuple(map(alarmed, rollout.alarms)),
        gone_since=by(rollout.gone_since),
        gate_at=by(rollout.gate_at),
        arrived_at=by(rollout.arrived_at),
        hook_runs=tuple(map(called, rollout.hook_runs)),
        stopped=stopped and replace(stopped, at=change(stopped.at), home_at=by(stopped.home_at)),
        step_backs=tuple(replace(one, at=change(one.at), home_at=by(one.home_at)) for one in rollout.step_backs),
        sizes={name: replace(size, since=change(size.since)) for name, size in rollout.sizes.items()},
        drift=drift and replace(drift, since=change(drift.since)),
        shortage=shortage and replace(shortage, since=change(shortage.since), seen_at=change(shortage.seen_at)),
    )


def _moved(rollout: Rollout, seconds: float, now: float) -> AnalysisState:
    """The figures go on where they were by the new clock, and never where they have been: nothing is counted twice.

    A clock that is set back behind what was read has nothing to read, and the rollout holds until the clock is past it
    or is set forward again; then it goes on where it was. Samples bear the time of another clock: what counters read at
    the old moment is not what they read at the new one, so the next row is counted from its own start.
    """
    analysis_state = rollout.analysis_state
    if analysis_state.until is None or (seconds > 0 and analysis_state.until > now - seconds):
        return analysis_state
    read = [row.end for row in analysis_state.recent if row.primary is not None or row.canary is not None]
    until = max([analysis_state.until + seconds, *(end for end in read if seconds < 0)])
    on = until - analysis_state.until
    sums = analysis_state.sums and replace(
        analysis_state.sums, start=analysis_state.sums.start + on, end=analysis_state.sums.end + on
    )
    watermarks = {} if on else analysis_state.watermarks
    judge = _judge_moved(analysis_state.judge, on, rollout.spec.gates.judge)
    return replace(analysis_state, until=until, watermarks=watermarks, sums=sums, judge=judge)


def _judge_moved(kept: str, seconds: float, settings: JudgeSettings) -> str:
    """What the judge remembers, with the moments in it; what another version kept begins again anyway."""
    try:
        return editions.save(editions.moved(editions.load(kept, settings), seconds))
    except ValueError:
        return kept


def caught_up(rollout: Rollout, now: float) -> Rollout:
    """A rollout whose moments lie ahead begins to wait now: whoever wrote them had another clock.

    Nothing is skipped by that, and nobody waits longer than the wait itself. A stage that began ahead moves as a whole.
    In one that did not, each moment that lies ahead is for itself: a hold that began in an hour would be told to nobody
    before that.
    """
    ahead = max(rollout.since, rollout.settled_at or rollout.since, rollout.asked_at or rollout.since) - now
    if ahead > TOLERANCE:
        rollout = moved(rollout, -ahead, now)
    if all(at is None or at <= now + TOLERANCE for at in _moments(rollout)):
        return rollout
    analysis_state, until = rollout.analysis_state, rollout.analysis_state.until
    if until is not None and until > now + TOLERANCE:
        analysis_state = _moved(rollout, now - until, now)
    return replace(_each(rollout, lambda at: now if at > now + TOLERANCE else at), analysis_state=analysis_state)


def _moments(rollout: Rollout) -> Iterator[float | None]:
    """Every moment that the rollout waits from."""
    yield from (rollout.since, rollout.settled_at, rollout.asked_at, rollout.restoring_at, rollout.gone_since)
    yield from (
        rollout.called_at,
        rollout.gate_at,
        rollout.arrived_at,
        None if rollout.doubt is None else rollout.doubt.since,
    )
    for hold in (*filter(None, (rollout.hold,)), *rollout.others):
        yield from (hold.since, hold.calm_since, hold.over_since)
    yield from () if rollout.stopped is None else (rollout.stopped.at, rollout.stopped.home_at)
    for one in rollout.step_backs:
        yield from (one.at, one.home_at)
    for alarm in rollout.alarms:
        yield from (alarm.since, alarm.told_at, alarm.calm_since, alarm.over_since)
    yield from (size.since for size in rollout.sizes.values())
    yield from (run.tried_at for run in rollout.hook_runs)
    yield None if rollout.drift is None else rollout.drift.since
    yield from () if rollout.shortage is None else (rollout.shortage.since, rollout.shortage.seen_at)
    yield rollout.analysis_state.until
