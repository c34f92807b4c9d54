"""What else people may do to a rollout than approve and abort: pause, resume, answer drift or a halt, abandon. Pure.

Another share for the canary is in ``weights``. What is not possible now raises ``Refusal`` and changes nothing.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, Phase, Rollout, UserId
from bot.model.story import EntryKind
from bot.rollout import drift, phrases
from bot.rollout.phrases import called, describe
from bot.rollout.plans import make_finish
from bot.rollout.transitions import Change, enter, entry, refuse_ended
from bot.words.sentence import Person, said


def pause(rollout: Rollout, by: UserId, now: float) -> Change:
    """Keep the routes as they are until resumed. Safety goes on.

    Raises:
        Refusal: it has ended, is paused already, or is on its way back.
    """
    refuse_ended(rollout)
    if rollout.phase in {Phase.ABORTING, Phase.HALTED}:
        raise Refusal(said("rollout.not_to_be_paused", service=rollout.spec.service, where=describe(rollout)))
    if rollout.paused_by:
        raise Refusal(said("rollout.paused_already", service=rollout.spec.service))
    text = said("rollout.paused", who=Person(by), stage=called(rollout.current))
    return replace(rollout, paused_by=by), (entry(now, EntryKind.PAUSED, text, by),)


def resume(rollout: Rollout, by: UserId, now: float) -> Change:
    """Undo ``pause``.

    Raises:
        Refusal: it has ended or is not paused.
    """
    refuse_ended(rollout)
    if not rollout.paused_by:
        raise Refusal(said("rollout.not_paused", service=rollout.spec.service, where=describe(rollout)))
    text = said("rollout.resumed", who=Person(by), stage=called(rollout.current))
    return replace(rollout, paused_by=None), (entry(now, EntryKind.RESUMED, text, by),)


def restore(rollout: Rollout, by: UserId, now: float) -> Change:
    """Write ours again over somebody else's change.

    Raises:
        Refusal: nobody has changed anything, or ours must not be written now.
    """
    _refuse_unchanged(rollout)
    return drift.restore(rollout, by, now)


def keep_theirs(rollout: Rollout, by: UserId, now: float) -> Change:
    """Leave somebody else's change as it is, and wait.

    Raises:
        Refusal: nobody has changed anything, or that was chosen already.
    """
    _refuse_unchanged(rollout)
    return drift.keep_theirs(rollout, by, now)


def _refuse_unchanged(rollout: Rollout) -> None:
    refuse_ended(rollout)
    if rollout.drift is None:
        raise Refusal(said("rollout.nothing_to_restore", service=rollout.spec.service))


def retry(rollout: Rollout, by: UserId, now: float) -> Change:
    """Out of a halt: try the primary upgrade (or the retreat) once more.

    Raises:
        Refusal: it is not halted.
    """
    _refuse_not_halted(rollout)
    phase = Phase.ABORTING if rollout.retreat else Phase.UPGRADING
    again = enter(rollout, phase, rollout.stage, now, reason="", retries=rollout.retries + 1)
    text = said("rollout.retried", who=Person(by), stage=called(rollout.current))
    return again, (entry(now, EntryKind.RESUMED, text, by),)


def accept(rollout: Rollout, by: UserId, now: float) -> Change:
    """Out of a halt: stay on the canary, as it is.

    Raises:
        Refusal: it is not halted, or users are on both sides.
    """
    _refuse_not_halted(rollout)
    if rollout.current.routes != ALL_CANARY:
        raise Refusal(said("rollout.users_on_both"))
    finish = make_finish(Phase.BAKING, ALL_CANARY)
    text = phrases.accepted(rollout, by)
    ended = enter(rollout, Phase.BAKING, 0, now, retreat=(finish,), accepted=True, reason=text)
    return ended, (entry(now, EntryKind.APPROVED, text, by),)


def abandon(rollout: Rollout, by: UserId, reason: str, now: float) -> Change:
    """A person takes the rollout out of our hands: the record ends here, and nothing in the cluster is moved.

    The exit that needs nothing of the world: it works where an abort cannot, because what it would bring home is gone,
    forbidden or somebody else's now.

    Raises:
        Refusal: it has ended or has not begun, or no reason is given.
    """
    refuse_ended(rollout)
    why = reason.strip().rstrip(".")
    if not why:
        raise Refusal(said("rollout.abandon_needs_reason", service=rollout.spec.service))
    abandoned = enter(rollout, Phase.ABANDONED, rollout.stage, now, reason=f"{why}.", paused_by=None)
    return abandoned, (entry(now, EntryKind.ENDED, phrases.abandoned(rollout, by, why), by),)


def _refuse_not_halted(rollout: Rollout) -> None:
    refuse_ended(rollout)
    if rollout.phase is not Phase.HALTED:
        raise Refusal(said("rollout.not_halted", service=rollout.spec.service, where=describe(rollout)))
