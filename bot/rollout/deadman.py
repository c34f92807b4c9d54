"""The dead-man's switch: when a rollout counts as left alone, and where its users are safe then. Pure.

A bot that looks after a rollout renews its heartbeat, in a Lease beside the VirtualService. What is compared is the
heartbeat's *value*, by a stopwatch of one's own: clocks of different machines are never compared, so none of them has
to be right. Only time in which one could have heard a heartbeat counts as silence; an API server that was away for an
hour makes nobody dead.

Where users are safe is read from the cluster alone (docs/safety.md, "Aborts"):

* users who are all on the primary stay there, and copies end;
* a primary that is as it was takes everyone back;
* one that is being upgraded, is upgraded, serves a mix or, with everyone on the canary, is not whole takes nobody: it
  may be in the middle of being restored, so the canary keeps everyone (flagger#1898 is the outage of doing otherwise);
* any pod that answers is better than none, whichever image it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.model.observation import DeploymentStatus, FailsafeAction, FailsafeRecord, Progress
from bot.model.rollout import ALL_CANARY, HOME, RolloutId, Routes, Target, Template
from bot.words.sentence import Moment, Seconds, Sentence, Text, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One rollout's heartbeat, as somebody with a stopwatch has heard it.

    Attributes:
        at: when it was last listened for, seconds on the listener's own stopwatch.
        silence: seconds of listening in which the heartbeat did not change.
    """

    owner: RolloutId
    beat: str
    at: float
    silence: float = 0.0


def hear(before: Heard | None, owner: RolloutId, beat: str, at: float, longest: float) -> Heard:
    """Listen once more. A pause in listening counts as silence for ``longest`` seconds at the most."""
    if before is None or (before.owner, before.beat) != (owner, beat):
        return Heard(owner=owner, beat=beat, at=at)
    return replace(before, at=at, silence=before.silence + min(max(at - before.at, 0.0), longest))


def is_as_it_was(live: Routes | None, primary: DeploymentStatus) -> bool:
    """Whether the primary is surely as it was before the rollout.

    One that serves a mix or, with everyone on the canary, is not whole may be in the middle of being restored.
    """
    whole = primary.stale == 0 and (live != ALL_CANARY or primary.progress is Progress.DONE)
    return primary.template is Template.RECORDED and whole


def safe_routes(live: Routes | None, primary: DeploymentStatus, canary: DeploymentStatus) -> Routes | None:
    """Where everyone is safe now; None when nowhere is better than where they are.

    Args:
        live: the routes as they are; None when they are nothing a plan could have written.
        primary: its template is RECORDED only while it is as it was before the rollout.
        canary: the other side.
    """
    if live is not None and live.canary == 0 and primary.reachable > 0:
        return HOME
    recorded = primary.template is Template.RECORDED and primary.reachable > 0
    if recorded and (is_as_it_was(live, primary) or canary.answering == 0):
        return HOME
    if canary.answering > 0:
        return ALL_CANARY
    # The new pods of a relabelled primary serve the users of the canary where they are, as long as there are any.
    return HOME if primary.reachable > 0 and primary.elsewhere == 0 else None


def action(live: Routes | None, safe: Routes) -> FailsafeAction | None:
    """What writing ``safe`` over ``live`` does to users; None when they are home and get no copies made."""
    if safe == HOME:
        return (
            None
            if live == HOME
            else FailsafeAction.MIRROR
            if live is not None and live.canary == 0
            else FailsafeAction.HOME
        )
    return FailsafeAction.KEPT if live == safe else FailsafeAction.CANARY


def failsafe_sentence(failsafe_record: FailsafeRecord, canary: Text, primary: Text) -> Sentence:
    """What the watchdog did and why, as a sentence for the channel, the Event and the annotation.

    The watchdog itself knows both sides by their Deployments only; people are told of versions where these are known.
    """
    at, silence = Moment(failsafe_record.at), Seconds(failsafe_record.silence)
    match failsafe_record.action:
        case FailsafeAction.HOME:
            return said("rollout.watchdog_home", silence=silence, primary=primary, at=at)
        case FailsafeAction.MIRROR:
            return said("rollout.watchdog_mirror", silence=silence, canary=canary, at=at)
        case FailsafeAction.KEPT:
            return said("rollout.watchdog_kept", silence=silence, canary=canary, at=at)
        case FailsafeAction.CANARY:
            return said("rollout.watchdog_canary", silence=silence, canary=canary, at=at)


def left_alone(silence: float, target: Target, *, at_home: bool) -> Sentence:
    """What an Event says where the watchdog leaves everything as it is."""
    primary, canary = target.primary_deployment, target.canary_deployment
    if at_home:
        return said("rollout.left_at_home", silence=Seconds(silence), primary=primary)
    return said("rollout.left_as_it_is", silence=Seconds(silence), primary=primary, canary=canary)
