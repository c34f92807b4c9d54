"""What may happen to a rollout. Pure: a rollout and an event go in, a new rollout and lines of its story come out.

**Rule 1.** A phase is changed by the events below, or by one of the rules that ``_RULES`` lists (some of them live in
``retreat``), and only through the table in ``transitions``.
**Rule 2.** An event that is not possible now raises ``Refusal`` and changes nothing.
**Rule 3.** Nothing here acts. What the new value means for the cluster is ``bot.rollout.actions``'s business.

Theory of operation
-------------------
A rollout walks along its plan, a tuple of stages. It leaves a stage when four things are true: the cluster was seen as
the stage wants it (*settled*), the least time has passed since, the gates say *pass*, and, where the stage asks for it,
people have approved. What is not as the stage wants it is found in ``compare``, and what is asked of people in
``questions``. Whatever is unknown (no data, an API that does not answer, somebody else's edit) makes it *hold*: it goes
neither forward nor back, and goes on by itself once the cause is gone (``holds``).

An abort swaps the plan for a *retreat*, which is walked along in the same way but judged by nobody. Pausing is a field:
a paused rollout keeps its routes and its safety. The safety rules (``_danger``) are asked first at every reconcile,
whatever else the rollout waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.figures import AnalysisState, Judgement, Verdict
from bot.model.observation import BLIND, Observation
from bot.model.rollout import (
    ALL_CANARY,
    BOT,
    JUDGED,
    WATCHED,
    Approval,
    Entry,
    EntryKind,
    Hold,
    HoldCause,
    Phase,
    Rollout,
    Template,
    UserId,
)
from bot.model.service import OnDrift, OnTimeout
from bot.rollout import capacity, drift, holds, phrases, pods, questions, retreat
from bot.rollout.compare import Gap, Part, compare, is_complete
from bot.rollout.deadman import failsafe_sentence
from bot.rollout.leaving import Step, follows, stand
from bot.rollout.obstacles import unobserved, unwritten
from bot.rollout.phrases import called, describe, doing
from bot.rollout.plans import make_finish, make_retreat
from bot.rollout.transitions import Change
from bot.rollout.transitions import enter as _enter
from bot.rollout.transitions import entry as _entry
from bot.words.said import Person, Seconds, Text, said, together

_OF_THE_CLUSTER = (HoldCause.CLUSTER, HoldCause.CAPACITY, HoldCause.PODS)


# --- what people ask for ---------------------------------------------------------------------------------------------


def begin(rollout: Rollout, now: float, warnings: Sequence[Text] = ()) -> Change:
    """Preflight passed: the first stage begins."""
    text = phrases.started(rollout, warnings)
    started = _enter(rollout, Phase.MIRRORING, 0, now, warnings=tuple(warnings))
    return started, (_entry(now, EntryKind.STARTED, text, rollout.spec.started_by),)


def refuse(rollout: Rollout, reasons: Sequence[Text], now: float) -> Change:
    """Preflight failed: nothing was changed, and every reason is kept."""
    refused = _enter(rollout, Phase.REFUSED, 0, now, reason=together(reasons))
    spec = rollout.spec
    text = said("rollout.refused", service=spec.service, version=spec.version, reasons=tuple(reasons))
    return refused, (_entry(now, EntryKind.ENDED, text, rollout.spec.started_by),)


def approve(rollout: Rollout, by: UserId, now: float) -> Change:
    """One person lets the current stage be left; whether they may at all is checked where people are known.

    Raises:
        Refusal: nothing is waiting for approval, it is their own rollout, or they have approved.
    """
    _refuse_ended(rollout)
    if rollout.asked_at is None:
        raise Refusal(said("rollout.nothing_to_approve", service=rollout.spec.service, where=describe(rollout)))
    rule = rollout.spec.approvals_rule
    if by == rollout.spec.started_by and not rule.own:
        raise Refusal(said("rollout.not_ones_own"))
    if any(approval.by == by for approval in rollout.approvals):
        raise Refusal(said("rollout.approved_already"))
    approvals = (*rollout.approvals, Approval(by=by, at=now))
    following, given = phrases.next_called(rollout), len(approvals)
    text = said("rollout.approved", who=Person(by), stage=following, given=given, needed=rule.count)
    approved = holds.drop(replace(rollout, approvals=approvals), HoldCause.APPROVAL)
    return approved, (_entry(now, EntryKind.APPROVED, text, by),)


def abort(rollout: Rollout, by: UserId, reason: Text, now: float, *, stage_known: bool = True) -> Change:
    """Everyone back to the healthy side, from any phase, by the shortest safe way.

    Unless the last figures were good the canary is taken for the trouble, and nobody waits for comfort at home.
    Without ``stage_known`` it is not said where in its plan the rollout was.

    Raises:
        Refusal: it has ended, or is aborting already.
    """
    _refuse_ended(rollout)
    if rollout.phase is Phase.ABORTING:
        raise Refusal(said("rollout.aborting_already", service=rollout.spec.service))
    retreat = make_retreat(primary_touched=rollout.primary_touched)
    text = phrases.aborted(rollout, by, reason, stage_known=stage_known)
    urgent = by == BOT or rollout.judgement is None or rollout.judgement.verdict is not Verdict.PASS
    aborting = _enter(
        rollout, Phase.ABORTING, 0, now, retreat=retreat, reason=reason, paused_by=None, retries=0, urgent=urgent
    )
    return aborting, (_entry(now, EntryKind.ABORTING, text, by),)


def abandon(rollout: Rollout, by: UserId, reason: str, now: float) -> Change:
    """A person takes the rollout out of our hands: the record ends here, and nothing in the cluster is moved.

    The exit that needs nothing of the world: it works where an abort cannot, because what it would bring home is gone,
    forbidden or somebody else's now.

    Raises:
        Refusal: it has ended or has not begun, or no reason is given.
    """
    _refuse_ended(rollout)
    why = reason.strip().rstrip(".")
    if not why:
        raise Refusal(said("rollout.abandon_needs_reason", service=rollout.spec.service))
    abandoned = _enter(rollout, Phase.ABANDONED, rollout.stage, now, reason=f"{why}.", paused_by=None)
    return abandoned, (_entry(now, EntryKind.ENDED, phrases.abandoned(rollout, by, why), by),)


def pause(rollout: Rollout, by: UserId, now: float) -> Change:
    """Keep the routes as they are until resumed. Safety goes on.

    Raises:
        Refusal: it has ended, is paused already, or is on its way back.
    """
    _refuse_ended(rollout)
    if rollout.phase in {Phase.ABORTING, Phase.HALTED}:
        raise Refusal(said("rollout.not_to_be_paused", service=rollout.spec.service, where=describe(rollout)))
    if rollout.paused_by:
        raise Refusal(said("rollout.paused_already", service=rollout.spec.service))
    text = said("rollout.paused", who=Person(by), stage=called(rollout.current))
    return replace(rollout, paused_by=by), (_entry(now, EntryKind.PAUSED, text, by),)


def resume(rollout: Rollout, by: UserId, now: float) -> Change:
    """Undo ``pause``.

    Raises:
        Refusal: it has ended or is not paused.
    """
    _refuse_ended(rollout)
    if not rollout.paused_by:
        raise Refusal(said("rollout.not_paused", service=rollout.spec.service, where=describe(rollout)))
    text = said("rollout.resumed", who=Person(by), stage=called(rollout.current))
    return replace(rollout, paused_by=None), (_entry(now, EntryKind.RESUMED, text, by),)


def restore(rollout: Rollout, by: UserId, now: float) -> Change:
    """Write ours again over somebody else's change.

    Raises:
        Refusal: nobody has changed anything, or ours must not be written now.
    """
    _refuse_ended(rollout)
    if rollout.drift is None:
        raise Refusal(said("rollout.nothing_to_restore", service=rollout.spec.service))
    return drift.restore(rollout, by, now)


def keep_theirs(rollout: Rollout, by: UserId, now: float) -> Change:
    """Leave somebody else's change as it is, and wait.

    Raises:
        Refusal: nobody has changed anything, or that was chosen already.
    """
    _refuse_ended(rollout)
    if rollout.drift is None:
        raise Refusal(said("rollout.nothing_to_restore", service=rollout.spec.service))
    return drift.keep_theirs(rollout, by, now)


def retry(rollout: Rollout, by: UserId, now: float) -> Change:
    """Out of a halt: try the primary upgrade (or the retreat) once more.

    Raises:
        Refusal: it is not halted.
    """
    _refuse_not_halted(rollout)
    phase = Phase.ABORTING if rollout.retreat else Phase.UPGRADING
    again = _enter(rollout, phase, rollout.stage, now, reason="", retries=rollout.retries + 1)
    text = said("rollout.retried", who=Person(by), stage=called(rollout.current))
    return again, (_entry(now, EntryKind.RESUMED, text, by),)


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
    ended = _enter(rollout, Phase.BAKING, 0, now, retreat=(finish,), accepted=True, reason=text)
    return ended, (_entry(now, EntryKind.APPROVED, text, by),)


# --- what a reconcile finds -------------------------------------------------------------------------------------------


def decide(
    rollout: Rollout,
    observed: Observation | None,
    judgement: Judgement,
    now: float,
    analysis_state: AnalysisState | None = None,
) -> Change:
    """Decide from the cluster (None: nothing was seen) and the figures; ``analysis_state`` is what judging remembers.

    The rules are asked in order and the first that changes the phase ends the reconcile, so that a step is never taken
    on what was seen before another.
    """
    if rollout.ended or rollout.phase is Phase.PREFLIGHT:
        return rollout, ()
    rollout = rollout if analysis_state is None else replace(rollout, analysis_state=analysis_state)
    seen = BLIND if observed is None else observed
    if seen.pods_unobserved is None and rollout.phase in WATCHED and not rollout.current.release:
        rollout = pods.note(capacity.note_load(rollout, seen, judgement), seen, now)
        judgement = pods.join(rollout, seen, judgement)
    entries: tuple[Entry, ...] = ()
    for rule in _RULES:
        changed, told = rule(rollout, seen, judgement, now)
        entries += told
        moved = (changed.phase, changed.stage, changed.retreat) != (rollout.phase, rollout.stage, rollout.retreat)
        rollout = changed
        if moved:
            break
    return rollout, entries


def _note(rollout: Rollout, _observed: Observation, judgement: Judgement, now: float) -> Change:
    """Remember the figures; an approval that rested on better ones is withdrawn."""
    if rollout.phase not in WATCHED:
        return rollout, ()
    # Only what is news: between two rows of the judge nothing changes but the time of day.
    last, kept = rollout.judgement, rollout.analysis_state.until
    news = last is None or kept is None or judgement.at <= kept or _decided_by(judgement) != _decided_by(last)
    noted = replace(rollout, judgement=judgement) if news else rollout
    return questions.reconsider(noted, judgement, now) if rollout.phase in JUDGED else (noted, ())


def _decided_by(judgement: Judgement) -> tuple[Verdict, str]:
    return judgement.verdict, judgement.findings[0].gate if judgement.findings else ""


def _after_failsafe(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """What the watchdog did while nobody looked is no drift by a stranger: the rollout is over.

    A rollout on its way out goes on as it was: what the watchdog did fits it, or is mended like anything else.
    """
    if observed.failsafe_record is None or rollout.retreat:
        return rollout, ()
    if rollout.current.release and observed.routes == rollout.current.routes:
        return rollout, ()  # nobody was moved, and only the annotations are left to go
    at, reason = called(rollout.current), failsafe_sentence(observed.failsafe_record, rollout.spec.target)
    aborting, _ = abort(rollout, BOT, reason, now)
    if observed.routes is not None and observed.routes.canary == 0 and is_complete(observed.primary, Template.RECORDED):
        # Everyone is home, and home is as it was: nobody has to go by the canary once more.
        aborting = replace(aborting, retreat=make_retreat(primary_touched=False), touched=False)
    name = rollout.spec.target.primary_deployment
    then = (said("rollout.restored_first", primary=name),) if aborting.primary_touched else ()
    return aborting, (_entry(now, EntryKind.ABORTING, said("rollout.aborted", stage=at, facts=(reason, *then))),)


def _danger(rollout: Rollout, observed: Observation, judgement: Judgement, now: float) -> Change:
    """Bad figures, or users on a side without a ready pod, abort: paused, held or waiting makes no difference."""
    if rollout.phase not in WATCHED or rollout.current.release:
        return rollout, ()
    stranded = pods.stranded(rollout, observed)
    if stranded:
        return abort(rollout, BOT, stranded, now)
    if rollout.phase is Phase.HALTED:
        return _halted_watch(rollout, judgement, now)
    return abort(rollout, BOT, judgement.sentence, now) if judgement.verdict is Verdict.FAIL else (rollout, ())


def _halted_watch(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """In a halt nothing moves by itself: people are told once that who has the users goes bad, or is good again."""
    before = holds.find(rollout, HoldCause.METRICS)
    if judgement.verdict is Verdict.FAIL and before is None:
        text = said("rollout.halted_and_bad", version=rollout.spec.version, why=judgement.sentence)
        hold = Hold(cause=HoldCause.METRICS, sentence=judgement.sentence, since=now, notified=True)
        return holds.put(rollout, hold), (_entry(now, EntryKind.ALERT, text),)
    # Good for a moment is not good again: figures that come and go are told once.
    if before is None or judgement.verdict is not Verdict.PASS:
        return (rollout if before is None else holds.put(rollout, replace(before, calm_since=None))), ()
    calm_since = now if before.calm_since is None else before.calm_since
    if now - calm_since < (holds.CALM_SECONDS if before.times > 1 else 0.0):
        return holds.put(rollout, replace(before, calm_since=calm_since)), ()
    text = said("rollout.halted_and_good", version=rollout.spec.version)
    return holds.drop(rollout, HoldCause.METRICS), (_entry(now, EntryKind.RESUMED, text),)


def _drift(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Somebody else's change is told and waits for a choice; without one the service's rule decides."""
    edits = drift.find(rollout, observed, now)
    if not edits:
        return drift.end(rollout, now)
    noticed, told = drift.notice(rollout, edits, now)
    if not observed.whole:
        return noticed, told  # nothing is decided about what cannot be seen
    match drift.overdue(noticed, now):
        case OnDrift.ABORT:
            decided, more = abort(noticed, BOT, drift.unanswered_sentence(rollout, edits), now)
        case OnDrift.RESTORE:
            decided, more = drift.restore(noticed, BOT, now)
        case OnDrift.HOLD:
            decided, more = drift.keep_theirs(noticed, BOT, now)
        case None:
            decided, more = noticed, ()
    return decided, (*told, *more)


def _upgraded_unawares(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """A store that lost its last writes may not know of the upgrade it ordered: then the primary is restored first.

    Sending everyone home at once would leave them on the image that is being taken back, or in the middle of it.
    """
    ignorant = rollout.phase is Phase.ABORTING and not rollout.primary_touched
    if not ignorant or observed.primary.template is not Template.UPGRADED:
        return rollout, ()
    name = rollout.spec.target.primary_deployment
    text = said("rollout.upgraded_unawares", primary=name, version=rollout.spec.version)
    retreat = make_retreat(primary_touched=True)
    restoring = _enter(rollout, Phase.ABORTING, 0, now, retreat=retreat, touched=True)
    return restoring, (_entry(now, EntryKind.STAGE, text, stage=restoring.current.name),)


def _observe(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Hold while something cannot be seen, written or is not ready; settle when all is as the stage wants it."""
    gaps = compare(rollout, observed)
    unseen = unobserved(rollout, observed)
    waits = any(gap.part is Part.OBSERVATION and gap.keeps for gap in gaps)
    if unseen and waits:
        return holds.there(rollout, HoldCause.CLUSTER, unseen, now)
    if rollout.drift is not None:
        return holds.gone(rollout, now, HoldCause.CLUSTER)
    if rollout.phase is Phase.HALTED:
        seen, told = holds.gone(rollout, now, HoldCause.CLUSTER)
        return (_settle(seen, now) if observed.routes == rollout.current.routes else seen), told
    if any(gap.keeps for gap in gaps):
        return _not_yet(rollout, observed, gaps, now)
    seen, told = holds.gone(rollout, now, *_OF_THE_CLUSTER)
    return _settle(seen, now), told


def _settle(rollout: Rollout, now: float) -> Rollout:
    """The cluster is as the stage wants it, and was before or is now for the first time."""
    settled_at = now if rollout.settled_at is None else rollout.settled_at
    return replace(rollout, settled_at=settled_at, restoring_at=None)


def _not_yet(rollout: Rollout, observed: Observation, gaps: Sequence[Gap], now: float) -> Change:
    """What the stage wants is not there yet. Said when a side is not ready for it, and when writing it does not work.

    Writes that fail again and again would otherwise leave a rollout waiting for something that nobody knows of.
    """
    blocked: Text = next((gap.blocked for gap in gaps if gap.part is Part.ROUTES), "")
    if blocked:
        return holds.there(rollout, HoldCause.CAPACITY, blocked, now)
    why = unwritten(rollout, observed, gaps, now)
    if why is not None:
        return holds.there(rollout, HoldCause.CLUSTER, why.sentence, now, loud=why.hopeless)
    return holds.gone(rollout, now, HoldCause.CLUSTER, HoldCause.CAPACITY)


def _advance(rollout: Rollout, observed: Observation, judgement: Judgement, now: float) -> Change:
    """Leave the stage when it is settled, served, passed and approved; hold and ask where ``leaving`` says so."""
    if rollout.settled_at is None or rollout.phase is Phase.HALTED or _is_kept(rollout, observed):
        return rollout, ()
    calm, told = holds.gone(rollout, now, HoldCause.METRICS)
    standing = stand(rollout, judgement, now, flapping=holds.find(calm, HoldCause.METRICS) is not None)
    match follows(standing):
        case Step.STAY:
            return calm, told
        case Step.HOLD:
            return holds.there(rollout, HoldCause.METRICS, judgement.sentence, now)
        case Step.HOLD_AND_ASK:
            return _ask_in_doubt(rollout, judgement, now)
        case Step.LEAVE_IN_DOUBT:
            return _next_stage(rollout, observed, judgement, now)
        case Step.ASK:
            changed, more = _ask(calm, judgement, now)
        case Step.LEAVE:
            changed, more = _next_stage(calm, observed, judgement if standing.judged else None, now)
    return changed, told + more


def _is_kept(rollout: Rollout, observed: Observation) -> bool:
    """Whether something about the cluster keeps the rollout where it is."""
    causes = {HoldCause.DRIFT, *_OF_THE_CLUSTER}
    blind = not observed.whole and any(gap.part is Part.OBSERVATION and gap.keeps for gap in compare(rollout, observed))
    return blind or any(hold.cause in causes for hold in rollout.holds)


def _ask_in_doubt(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """Hold for a doubt that time will not settle, and ask whether to go on in spite of it."""
    held, told = holds.there(rollout, HoldCause.METRICS, judgement.sentence, now)
    doubt = holds.find(held, HoldCause.METRICS)
    asking = held if doubt is None else holds.put(held, replace(doubt, notified=True))  # the question tells of it
    asked, question = _ask(asking, judgement, now, notified=bool(told))
    return asked, told + question


def _ask(rollout: Rollout, judgement: Judgement, now: float, *, notified: bool = False) -> Change:
    """Ask; silence past the rule's time-out is never a yes. ``notified``: the doubts have just been said."""
    if rollout.asked_at is None:
        return questions.ask(rollout, judgement, now, notified=notified)
    if not questions.is_overdue(rollout, now) or holds.find(rollout, HoldCause.APPROVAL) is not None:
        return rollout, ()
    rule = rollout.spec.approvals_rule
    waited = said("rollout.nobody_approved", stage=phrases.next_called(rollout), time=Seconds(rule.timeout))
    if rule.on_timeout is OnTimeout.ABORT:
        return abort(rollout, BOT, waited, now)
    text = said("rollout.waits_for_approval", why=waited)
    hold = Hold(cause=HoldCause.APPROVAL, sentence=waited, since=now, notified=True)
    return holds.put(rollout, hold), (_entry(now, EntryKind.ALERT, text),)


def _next_stage(rollout: Rollout, observed: Observation, judgement: Judgement | None, now: float) -> Change:
    """On to the next stage, or to the end."""
    walk = rollout.retreat or rollout.spec.plan
    told = () if judgement is None else (_summary(rollout, judgement, now),)
    if rollout.stage + 1 < len(walk):
        following = walk[rollout.stage + 1]
        entered = _enter(rollout, following.phase, rollout.stage + 1, now)
        if following.release:
            return entered, told
        return entered, (*told, _entry(now, EntryKind.STAGE, doing(entered), stage=following.name))
    aborted = rollout.phase is Phase.ABORTING
    text = phrases.came_home(rollout, observed) if aborted else phrases.promoted(rollout, now)
    ended = _enter(rollout, Phase.ABORTED if aborted else Phase.PROMOTED, rollout.stage, now)
    return ended, (*told, _entry(now, EntryKind.ENDED, text))


def _summary(rollout: Rollout, judgement: Judgement, now: float) -> Entry:
    text, gist = phrases.summary(rollout, judgement), phrases.gist(judgement)
    return _entry(now, EntryKind.SUMMARY, text, stage=rollout.current.name, gist=gist)


# --- the few lines everything above goes through ---------------------------------------------------------------------


def _refuse_ended(rollout: Rollout) -> None:
    if rollout.ended:
        spec = rollout.spec
        raise Refusal(said("rollout.has_ended", service=spec.service, version=spec.version, how=describe(rollout)))


def _refuse_not_halted(rollout: Rollout) -> None:
    _refuse_ended(rollout)
    if rollout.phase is not Phase.HALTED:
        raise Refusal(said("rollout.not_halted", service=rollout.spec.service, where=describe(rollout)))


_RULES: tuple[Callable[[Rollout, Observation, Judgement, float], Change], ...] = (
    _note,
    _after_failsafe,
    retreat.object_gone,
    _danger,
    _upgraded_unawares,
    retreat.canary_gone,
    retreat.canary_back,
    retreat.make_room,
    _drift,
    _observe,
    retreat.upgrade_sticks,
    retreat.upgrade_fails,
    retreat.scale_up_fails,
    _advance,
)
