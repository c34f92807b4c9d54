"""What people decide about a rollout, and how a decision is bound to what they had in front of them. Pure.

A button's value says what its reader saw: which rollout, at which stage, resting on which evidence. A decision is worth
only that, so it is compared with the rollout as it is stored when the decision arrives. A typed command has seen
nothing in particular: it is about the live rollout as it is stored then.

Whatever was decided uses the evidence up, so that no button works twice; approvals alone may be several on the same
evidence. The same click may all the same arrive twice, at two replicas: the rollout remembers for a while what was
decided on which evidence and by whom, and the second delivery finds that it has been served.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from bot.model.errors import Refusal
from bot.model.rollout import Decided, Rollout, RolloutId, Shown, UserId
from bot.model.service import ApprovalRule
from bot.rollout import aborts, approvals, drift, people, weights
from bot.rollout.phrases import question, status_text
from bot.rollout.plans import Overrides
from bot.rollout.transitions import Change
from bot.words.sentence import Moment, Person, Sentence, Text, said, together

__all__ = [
    "OF_APPROVERS",
    "Abandon",
    "Abort",
    "Accept",
    "Approve",
    "Back",
    "ButtonToken",
    "By",
    "Event",
    "KeepTheirs",
    "OutOfDate",
    "Overrides",
    "Pause",
    "Restore",
    "Resume",
    "Retry",
    "SetShare",
    "decide_on",
    "service_of",
]

REMEMBERED = 20  # decisions
SAME_CLICK = 60.0  # seconds in which a click may be delivered again; who clicks the same button later is told it is old
_KEY = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}/[a-z0-9-]{1,63}")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,9}")


# --- what can be decided ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approve:
    """Let the current stage be left; ``shown`` is where whoever says so saw it asked."""

    shown: Shown = Shown()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Abort:
    """Everyone back to the healthy side, now."""

    reason: Text = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stay where it is, still watched."""


@dataclass(frozen=True, slots=True)
class Resume:
    """End the pause."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try a halted stage again."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Take a halted rollout as it is."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Write ours again over somebody else's change."""


@dataclass(frozen=True, slots=True)
class KeepTheirs:
    """Leave somebody else's change as it is, and wait."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Take the rollout out of the bot's hands: the record ends, nothing is moved, and the bot's annotations go."""

    reason: str


@dataclass(frozen=True, slots=True)
class Back:
    """One step back, to the share of users before."""


@dataclass(frozen=True, slots=True)
class SetShare:
    """This share of users to the canary, whole percent."""

    percent: int


Event: TypeAlias = Approve | Abort | Pause | Resume | Retry | Accept | Restore | KeepTheirs | Abandon | Back | SetShare

# Stopping is everybody's; what sends users on, or ends the bot's care for them, is for those whom the rollout names.
OF_APPROVERS = (Approve, Retry, Accept, Restore, Abandon, SetShare)


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who decides.

    Attributes:
        shown: where they see the rollout; may ask Slack.
        check: raises ``Refusal`` for whoever is none of the rule's approvers. Whoever has a shell beside the bot could
            do more with kubectl, and is asked nothing.
    """

    id: UserId
    check: Callable[[ApprovalRule], None] = lambda _rule: None
    shown: Callable[[Rollout], Shown] = lambda _rollout: Shown()

    def refuse_strangers(self, event: Event, rule: ApprovalRule) -> None:
        """Refuse whoever may not decide this. ``rule`` is the one that was stored when the rollout began.

        Raises:
            Refusal: it is an approver's to decide, and they are none.
        """
        if isinstance(event, OF_APPROVERS):
            self.check(rule)


class OutOfDate(Refusal):
    """The rollout has moved on since the person looked; nothing has changed."""


# --- what was seen ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonToken:
    """What the person who clicks had seen. Its string form is the opaque value of every button."""

    key: str
    rollout_id: RolloutId
    stage: int
    evidence: int

    def __str__(self) -> str:
        return f"{self.key}|{self.rollout_id}|{self.stage}|{self.evidence}"

    @property
    def service(self) -> str:
        """The service's name, without its namespace."""
        return self.key.rpartition("/")[2]

    @classmethod
    def of(cls, rollout: Rollout) -> ButtonToken:
        """What a card of this rollout shows."""
        return cls(key=rollout.key, rollout_id=rollout.spec.id, stage=rollout.stage, evidence=rollout.evidence)

    @classmethod
    def read(cls, token: str) -> ButtonToken:
        """The reverse of ``str``.

        Raises:
            Refusal: the token is none of ours; a button's value can be made up by anybody with an API client.
        """
        parts = token.split("|")
        shapes = (_KEY, _ID, _NUMBER, _NUMBER)
        if len(parts) != len(shapes) or not all(s.fullmatch(part) for s, part in zip(shapes, parts, strict=True)):
            raise Refusal(said("controller.not_my_button"))
        key, rollout_id, stage, evidence = parts
        return cls(key=key, rollout_id=RolloutId(rollout_id), stage=int(stage), evidence=int(evidence))


def service_of(token: str) -> str:
    """The name of the service a button's value is about.

    Raises:
        Refusal: the token is none of ours.
    """
    return ButtonToken.read(token).service


# --- deciding --------------------------------------------------------------------------------------------------------


def decide_on(rollout: Rollout, event: Event, by: UserId, button_token: ButtonToken | None, now: float) -> Change:
    """What becomes of the rollout. The very same value comes back where the same click has been served already.

    Args:
        rollout: as it is stored; where ``button_token`` is given, the rollout that was seen, live or ended.
        event: what was decided.
        by: who; whether they may at all is checked where people are known.
        button_token: what the clicked button or the form showed; None for a typed command.
        now: seconds since the epoch.

    Raises:
        OutOfDate: the rollout has moved on since.
        Refusal: it is not possible now.
    """
    if button_token is None:
        return _used_up(rollout, event, _applied(rollout, event, by, now))
    if was_clicked_already(rollout, event, by, button_token, now):
        return rollout, ()
    if rollout.ended:
        spec = rollout.spec
        raise Refusal(
            said("controller.earlier_rollout", service=spec.service, version=spec.version, how=status_text(rollout))
        )
    if isinstance(event, Approve) and button_token != ButtonToken.of(rollout):
        raise OutOfDate(_since(rollout, button_token))
    # What is not possible anyway says so itself, which tells more than that the button is old.
    changed = _applied(rollout, event, by, now)
    if button_token != ButtonToken.of(rollout):
        raise OutOfDate(changed_since(rollout, button_token.evidence) or moved_on(rollout))
    decided, entries = _used_up(rollout, event, changed)
    made = _made(event, by, button_token, now)
    return replace(decided, decided=(*decided.decided, made)[-REMEMBERED:]), entries


def _since(rollout: Rollout, seen: ButtonToken) -> Text:
    """What has happened to the question that somebody wants to approve."""
    if seen.stage < len(rollout.spec.plan):
        name = rollout.spec.plan[seen.stage].name
        left = next((one for one in reversed(rollout.walked) if one.name == name and one.approvals), None)
        if left is not None and (rollout.stage != seen.stage or rollout.retreat):
            last = left.approvals[-1]
            return said("rollout.approved_by_others", who=Person(last.by), at=Moment(last.at))
    if seen.stage != rollout.stage or rollout.retreat:
        return moved_on(rollout)
    changed = changed_since(rollout, seen.evidence)
    if changed is not None:
        return changed
    if rollout.asked_at is None:
        why = rollout.judgement.sentence if rollout.judgement is not None else ""
        return said("controller.question_withdrawn", why=why) if why else _gone(rollout)
    return said("controller.question_changed", question=question(rollout))


def _gone(rollout: Rollout) -> Sentence:
    return said("controller.question_gone", where=status_text(rollout))


def moved_on(rollout: Rollout) -> Text:
    """Where it is now, for whoever has seen it elsewhere; of a way back also why it goes there."""
    where = said("controller.out_of_date", where=status_text(rollout))
    return together((where, rollout.reason if rollout.retreat else ""))


def changed_since(rollout: Rollout, evidence: int) -> Sentence | None:
    """What somebody has changed since the question was shown under that evidence; None: nothing that is known."""
    if rollout.drift is not None:
        return said("controller.changed_since", why=drift.sentence(rollout, rollout.drift.edits))
    renewed = rollout.renewed
    if renewed is not None and evidence < renewed.evidence:
        return said("controller.changed_since", why=renewed.why)
    return None


def was_clicked_already(rollout: Rollout, event: Event, by: UserId, button_token: ButtonToken, now: float) -> bool:
    """Whether this very click has been served a moment ago."""
    made = _made(event, by, button_token, now)
    return any(replace(one, at=now) == made and now - one.at <= SAME_CLICK for one in rollout.decided)


def _made(event: Event, by: UserId, button_token: ButtonToken, now: float) -> Decided:
    return Decided(
        by=by, what=type(event).__name__.lower(), stage=button_token.stage, evidence=button_token.evidence, at=now
    )


def given(reason: Text) -> Text:
    """Somebody's reason as a sentence; ours is one already."""
    if isinstance(reason, Sentence):
        return reason
    words = reason.strip().rstrip(".")
    return f"{words}." if words else said("controller.no_reason")


def _applied(rollout: Rollout, event: Event, by: UserId, now: float) -> Change:
    if isinstance(event, Abort):
        return aborts.abort(rollout, by, given(event.reason), now)
    if isinstance(event, Abandon):
        return people.abandon(rollout, by, event.reason, now)
    if isinstance(event, Approve):
        return approvals.approve(rollout, by, now, event.shown)
    if isinstance(event, SetShare):
        return weights.set_share(rollout, event.percent, by, now)
    return _PLAIN[type(event)](rollout, by, now)


_PLAIN: Mapping[type[Event], Callable[[Rollout, UserId, float], Change]] = {
    Pause: people.pause,
    Resume: people.resume,
    Retry: people.retry,
    Accept: people.accept,
    Restore: people.restore,
    KeepTheirs: people.keep_theirs,
    Back: weights.back,
}


def _used_up(before: Rollout, event: Event, change: Change) -> Change:
    """What was decided is not decided again on the same evidence; several people may approve it."""
    after, entries = change
    if isinstance(event, Approve) or after.evidence != before.evidence:
        return change
    return replace(after, evidence=before.evidence + 1), entries
