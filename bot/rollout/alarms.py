"""Incidents of production that show while a rollout watches it: told at once, and once when over. Pure.

They are not the new version's, so nothing is moved because of them; they hold like any doubt (``holds``), and that is
the thread's to say. One that flaps is not told again and again: it is over once it has stayed away for a while, which
grows each time that it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.model.copies import replace
from bot.model.figures import Incident, Judgement
from bot.model.observation import Observation
from bot.model.rollout import WATCHED, Alarm, Rollout
from bot.model.story import Entry, EntryKind
from bot.model.versions import spoken_sides
from bot.rollout.transitions import Change, entry
from bot.words.sentence import Seconds, Sentence, said

# Seconds that an incident must last before it is told. A Prometheus that is away for a moment is nobody's emergency.
LASTING: Mapping[Incident, float] = {Incident.BOTH_FAIL: 0.0, Incident.HARM: 0.0, Incident.NO_METRICS: 60.0}
CALM_SECONDS = 60.0  # that it must stay away before it is over; twice as long each time more
LONGEST_CALM = 960.0


def find(rollout: Rollout, incident: Incident) -> Alarm | None:
    """The alarm about it, while it is not over."""
    return next((one for one in rollout.alarms if one.incident is incident and one.over_since is None), None)


def is_told(rollout: Rollout, judgement: Judgement) -> bool:
    """Whether everybody knows already what these figures show of production."""
    alarm = None if judgement.incident is None else find(rollout, judgement.incident)
    return alarm is not None and alarm.told_at is not None


def watch(rollout: Rollout, _observed: Observation, judgement: Judgement, now: float) -> Change:
    """Tell of incidents that are there, and of those that are over; one of ``decide``'s rules."""
    if rollout.phase not in WATCHED:
        return rollout, ()
    entries: tuple[Entry, ...] = ()
    for incident in Incident:
        before = next((one for one in rollout.alarms if one.incident is incident), None)
        after: Alarm | None = before
        lines: tuple[Entry, ...] = ()
        if judgement.incident is incident:
            after, lines = _there(rollout, before or Alarm(incident=incident, since=now), judgement, now)
        elif before is not None:
            after, lines = _away(rollout, before, now)
        rollout = _with(rollout, before, after)
        entries += lines
    return rollout, entries


def _with(rollout: Rollout, before: Alarm | None, after: Alarm | None) -> Rollout:
    if before == after:
        return rollout
    others = tuple(one for one in rollout.alarms if one is not before)
    return replace(rollout, alarms=others if after is None else (*others, after))


def _there(rollout: Rollout, alarm: Alarm, judgement: Judgement, now: float) -> tuple[Alarm, tuple[Entry, ...]]:
    if alarm.over_since is not None:
        alarm = Alarm(incident=alarm.incident, since=now, times=alarm.times)
    alarm = replace(alarm, calm_since=None)
    if alarm.told_at is not None or now - alarm.since < LASTING[alarm.incident]:
        return alarm, ()
    text = _is_there(rollout, alarm, judgement, now)
    return replace(alarm, told_at=now, times=alarm.times + 1), (entry(now, EntryKind.ALERT, text),)


def _away(rollout: Rollout, alarm: Alarm, now: float) -> tuple[Alarm | None, tuple[Entry, ...]]:
    """It is not there; whoever was told of it is told when it has been away for long enough."""
    if alarm.over_since is not None:
        return alarm, ()
    if alarm.told_at is None:
        return replace(alarm, over_since=now) if alarm.times else None, ()
    calm_since = now if alarm.calm_since is None else alarm.calm_since
    if now - calm_since < min(CALM_SECONDS * 2.0 ** (alarm.times - 1), LONGEST_CALM):
        return replace(alarm, calm_since=calm_since), ()
    over = replace(alarm, calm_since=calm_since, over_since=now)
    return over, (replace(entry(now, EntryKind.RESUMED, _is_over(rollout, alarm, calm_since)), loud=True),)


def _is_there(rollout: Rollout, alarm: Alarm, judgement: Judgement, now: float) -> Sentence:
    finding = next((one for one in judgement.findings if one.acts and one.verdict is judgement.verdict), None)
    why = (finding.brief or finding.sentence) if finding else ""
    match alarm.incident:
        case Incident.BOTH_FAIL:
            return said("rollout.alarm_both_fail", why=why, version=rollout.spec.version)
        case Incident.HARM:
            return said("rollout.alarm_harm", why=why)
        case Incident.NO_METRICS:
            return said("rollout.alarm_no_metrics", why=why, lasted=Seconds(now - alarm.since))


def _is_over(rollout: Rollout, alarm: Alarm, calm_since: float) -> Sentence:
    lasted = Seconds(calm_since - alarm.since)
    match alarm.incident:
        case Incident.BOTH_FAIL:
            return said("rollout.alarm_both_fail_over", lasted=lasted)
        case Incident.HARM:
            return said("rollout.alarm_harm_over", primary=spoken_sides(rollout)[1], lasted=lasted)
        case Incident.NO_METRICS:
            return said("rollout.alarm_no_metrics_over", lasted=lasted)
