"""Approvals of a stage: who may give one, and when there are enough. Pure.

Who is an approver is found out where people are known (``bot.slack.approvers``); what is asked is in ``questions``.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.rollout import Approval, HoldCause, Question, Rollout, Shown, UserId
from bot.model.story import EntryKind
from bot.rollout import holds, phrases, questions
from bot.rollout.phrases import describe
from bot.rollout.transitions import Change, entry, refuse_ended
from bot.words.sentence import Moment, Person, said

_TYPED = Shown()


def approve(rollout: Rollout, by: UserId, now: float, shown: Shown = _TYPED) -> Change:
    """One person lets the current stage be left; whether they may at all is checked where people are known.

    ``shown`` is where they saw it asked; what was asked then is kept with it.

    Raises:
        Refusal: nothing is waiting for approval, it is their own rollout, or they or enough others have approved.
    """
    refuse_ended(rollout)
    if rollout.asked_at is None:
        raise Refusal(said("rollout.nothing_to_approve", service=rollout.spec.service, where=describe(rollout)))
    rule = rollout.approvals_rule
    if by == rollout.spec.started_by and not rule.own:
        raise Refusal(said("rollout.not_ones_own"))
    if any(approval.by == by for approval in rollout.approvals):
        raise Refusal(said("rollout.approved_already"))
    if len(rollout.approvals) >= rule.count:
        last = rollout.approvals[-1]
        raise Refusal(said("rollout.approved_by_others", who=Person(last.by), at=Moment(last.at)))
    about, seen = (rollout.question or Question()).about, replace(shown, text=questions.shown(rollout))
    approvals = (*rollout.approvals, Approval(by=by, at=now, about=about, shown=seen))
    following, given = phrases.next_called(rollout), len(approvals)
    text = said(
        "rollout.approved_without_webhook"
        if questions.is_about_webhook(rollout)
        else "rollout.approved_anyway"
        if rollout.is_asked_in_doubt
        else "rollout.approved",
        who=Person(by),
        stage=following,
        given=given,
        needed=rule.count,
    )
    approved = holds.drop(replace(rollout, approvals=approvals), HoldCause.APPROVAL)
    return approved, (replace(entry(now, EntryKind.APPROVED, text, by), shown=seen),)


def is_approved(rollout: Rollout) -> bool:
    """Whether as many people have said yes as must."""
    return len(rollout.approvals) >= rollout.approvals_rule.count
