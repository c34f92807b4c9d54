"""What may happen to a rollout. Pure: a rollout and an event go in, a new rollout and lines of its story come out.

**Rule 1.** A phase is changed by what people ask for (``approvals``, ``aborts``, ``people``, ``weights``), or by one of
the rules that ``_RULES`` lists (some of them live in ``retreat``), and only through the table in ``transitions``.
**Rule 2.** What is not possible now raises ``Refusal`` and changes nothing.
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
from bot.model.figures import AnalysisState, Judgement, Verdict
from bot.model.observation import BLIND, Observation
from bot.model.rollout import (
    BOT,
    WATCHED,
    Hold,
    HoldCause,
    Phase,
    Question,
    QuestionKind,
    Rollout,
    StageKind,
    Template,
)
from bot.model.service import OnDrift, OnTimeout
from bot.model.story import Entry, EntryKind
from bot.model.versions import spoken_sides
from bot.model.webhooks import OnFailure
from bot.rollout import alarms, capacity, drift, holds, hooks, phrases, pods, questions, retreat, step_back
from bot.rollout.aborts import abort, drain
from bot.rollout.approvals import is_approved
from bot.rollout.compare import Gap, Part, compare, is_complete
from bot.rollout.deadman import failsafe_sentence
from bot.rollout.leaving import Step, follows, is_judged, standing_of
from bot.rollout.obstacles import unobserved, unwritten
from bot.rollout.phrases import called, doing
from bot.rollout.plans import make_retreat
from bot.rollout.transitions import Change, withdraw
from bot.rollout.transitions import enter as _enter
from bot.rollout.transitions import entry as _entry
from bot.words.sentence import Seconds, Text, said, together

_OF_THE_CLUSTER = (HoldCause.CLUSTER, HoldCause.CAPACITY, HoldCause.PODS)


# --- the start -------------------------------------------------------------------------------------------------------


def enter_first_stage(rollout: Rollout, now: float, warnings: Sequence[Text] = ()) -> Change:
    """Preflight passed: the first stage begins."""
    text = phrases.started(rollout, warnings)
    started = _enter(rollout, rollout.spec.plan[0].phase, 0, now, warnings=tuple(warnings))
    return started, (_entry(now, EntryKind.STARTED, text, rollout.spec.started_by),)


def refuse(rollout: Rollout, reasons: Sequence[Text], now: float) -> Change:
    """Preflight failed: nothing was changed, and every reason is kept."""
    refused = _enter(rollout, Phase.REFUSED, 0, now, reason=together(reasons))
    spec = rollout.spec
    text = said("rollout.refused", service=spec.service, version=spec.version, reasons=tuple(reasons))
    return refused, (_entry(now, EntryKind.ENDED, text, rollout.spec.started_by),)


# --- what a reconcile finds -------------------------------------------------------------------------------------------


def decide(
    rollout: Rollout,
    observed: Observation | None,
    judgement: Judgement,
    now: float,
    analysis_state: AnalysisState | None = None,
) -> Change:
    """Decide from the cluster (None: nothing was seen) and the figures; ``analysis_state`` is what judging remembers.

    The rules are asked in order, and the first that changes the phase, the stage or the way home ends the reconcile, so
    that a step is never taken on what was seen before another.
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
        changed, lines = rule(rollout, seen, judgement, now)
        entries += lines
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
    if rollout.phase is Phase.HALTED or step_back.leads_home(noted, judgement):  # that says it all
        return noted, ()
    return questions.reconsider(questions.notice(noted, judgement, now), judgement, now)


def _decided_by(judgement: Judgement) -> tuple[Verdict, str]:
    return judgement.verdict, judgement.findings[0].gate if judgement.findings else ""


def _after_failsafe(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """What the watchdog did while nobody looked is no drift by a stranger: the rollout is over.

    A rollout on its way out goes on as it was: what the watchdog did fits it, or is mended like anything else.
    """
    if observed.failsafe_record is None or rollout.retreat:
        return rollout, ()
    if rollout.current.release and observed.says(rollout.current.routes):
        return rollout, ()  # nobody was moved, and only the annotations are left to go
    at, reason = called(rollout.current), failsafe_sentence(observed.failsafe_record, *spoken_sides(rollout))
    aborting, _ = abort(rollout, BOT, reason, now)
    live = observed.placed
    if live is not None and live.canary == 0 and is_complete(observed.primary, Template.RECORDED):
        # Everyone is home, and home is as it was: nobody has to go by the canary once more.
        aborting = replace(aborting, retreat=make_retreat(primary_touched=False, drain=drain(rollout)), touched=False)
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
    # A canary that users are only parked on is what they are rolled back from: that it is bad is known.
    surely = judgement.verdict is Verdict.FAIL and (is_judged(rollout) or not rollout.spec.back_to)
    return abort(rollout, BOT, judgement.sentence, now) if surely else (rollout, ())


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
    if now - calm_since < (holds.calm_seconds(rollout, before) if before.times > 1 else 0.0):
        return holds.put(rollout, replace(before, calm_since=calm_since)), ()
    text = said("rollout.halted_and_good", version=rollout.spec.version)
    return holds.drop(rollout, HoldCause.METRICS), (_entry(now, EntryKind.RESUMED, text),)


def _drift(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Somebody else's change is told and waits for a choice; without one the service's rule decides."""
    edits = drift.find(rollout, observed, now)
    if not edits:
        return drift.end(rollout, now)
    noticed, lines = drift.notice(rollout, edits, now)
    if not observed.whole:
        return noticed, lines  # nothing is decided about what cannot be seen
    match drift.overdue(noticed, now):
        case OnDrift.ABORT:
            decided, more = abort(noticed, BOT, drift.unanswered_sentence(rollout, edits), now)
        case OnDrift.RESTORE:
            decided, more = drift.restore(noticed, BOT, now)
        case OnDrift.HOLD:
            decided, more = drift.keep_theirs(noticed, BOT, now)
        case None:
            decided, more = noticed, ()
    return decided, (*lines, *more)


def _upgraded_unawares(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """A store that lost its last writes may not know of the upgrade it ordered: then the primary is restored first.

    Sending everyone home at once would leave them on the image that is being taken back, or in the middle of it.
    """
    ignorant = rollout.phase is Phase.ABORTING and not rollout.primary_touched
    if not ignorant or observed.primary.template is not Template.UPGRADED:
        return rollout, ()
    name = rollout.spec.target.primary_deployment
    text = said("rollout.upgraded_unawares", primary=name, version=rollout.spec.version)
    way_home = make_retreat(primary_touched=True, drain=drain(rollout))
    restoring = _enter(rollout, Phase.ABORTING, 0, now, retreat=way_home, touched=True)
    return restoring, (_entry(now, EntryKind.STAGE, text, stage=restoring.current.name),)


def _by_git(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Git is asked for the primary's image, and waited for as people are; never longer without a word."""
    if not rollout.waits_for_git or observed.pods_unobserved is not None:
        return rollout, ()
    if observed.primary.template is Template.UPGRADED:
        arrived = holds.drop(replace(rollout, arrived_at=now, reminded=False), HoldCause.GIT)
        took = Seconds(now - rollout.since)
        text = said("rollout.git_arrived", primary=rollout.spec.target.primary_deployment, took=took)
        return arrived, (_entry(now, EntryKind.RESUMED, text),)
    asks = phrases.asked_of_git(rollout)
    if holds.find(rollout, HoldCause.GIT) is None:
        asked = holds.put(rollout, Hold(cause=HoldCause.GIT, sentence=asks, since=now, notified=True))
        return asked, (_entry(now, EntryKind.ASK, asks),)
    rule = rollout.approvals_rule
    if rollout.reminded or now - rollout.since <= rule.timeout:
        return rollout, ()
    primary = rollout.spec.target.primary_deployment
    late = said("rollout.git_late", primary=primary, time=Seconds(rule.timeout))
    if rule.on_timeout is OnTimeout.ABORT:
        return abort(rollout, BOT, late, now)
    return replace(rollout, reminded=True), (_entry(now, EntryKind.ALERT, together((late, asks))),)


def _webhooks(rollout: Rollout, observed: Observation, judgement: Judgement, now: float) -> Change:
    """A webhook that failed for good ends the rollout where its team wants that; or has not let it begin."""
    if rollout.retreat or rollout.phase not in WATCHED or rollout.phase is Phase.HALTED:
        return rollout, ()
    fatal = hooks.failed(rollout, OnFailure.ABORT)
    if fatal is not None:
        return abort(rollout, BOT, hooks.refusal(fatal), now)
    if not hooks.keeps_start(rollout):
        return _not_at_gate(rollout) if rollout.gate_at is None else rollout, ()
    if not observed.whole:
        return rollout, ()
    kept, lines = _ask_webhooks(rollout, judgement, now)
    if kept.phase is Phase.ABORTING or hooks.keeps_start(kept):
        return kept, lines
    # What people have said was about the start, and the mirror's own question has its whole time.
    begun = replace(withdraw(kept, now), asked=(), asked_for=0.0, withdrawn=0, called_at=None, reminded=False)
    return holds.drop(begun, HoldCause.WEBHOOK, HoldCause.APPROVAL), lines


def _ask_webhooks(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """Wait for those that have not answered yet; people decide about those that failed for good."""
    failed = hooks.failed(rollout, OnFailure.HOLD)
    while failed is not None and questions.is_about_webhook(rollout, failed.hook) and is_approved(rollout):
        rollout = hooks.overruled(rollout, failed)
        failed = hooks.failed(rollout, OnFailure.HOLD)
    if failed is None:
        why = hooks.waiting(rollout, now)
        return holds.there(rollout, HoldCause.WEBHOOK, why, now) if why else (rollout, ())
    rollout = holds.drop(rollout, HoldCause.WEBHOOK)
    if questions.is_about_webhook(rollout, failed.hook):
        return _ask(rollout, judgement, now)
    asks = Question(kind=QuestionKind.WEBHOOK, gate=failed.hook, why=hooks.refusal(failed))
    # A question of its own, with its whole time.
    return questions.stand(replace(withdraw(rollout, now), asked_for=0.0, reminded=False), asks, now)


def observe_again(rollout: Rollout, observed: Observation, judgement: Judgement, now: float) -> Change:
    """What people are asked rests on: whether somebody has changed it since it was last looked at.

    Where they have, the question is withdrawn or asked anew, and its evidence is another one.
    """
    if rollout.ended or rollout.asked_at is None:
        return rollout, ()
    noticed, lines = _drift(rollout, observed, judgement, now)
    if noticed.asked_at is None:
        return noticed, lines
    bound, more = _bind(noticed, observed, judgement, now)
    return bound, (*lines, *more)


def _bind(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """An approval is of what its giver saw: a question about a VirtualService that others have changed is another."""
    return questions.bind(rollout, observed, now)


def _drill(rollout: Rollout, _observed: Observation, judgement: Judgement, now: float) -> Change:
    """A drill is aborted as soon as the canary has answered copies, or when its time for that is up."""
    if not rollout.spec.drill or rollout.phase is not Phase.MIRRORING or rollout.paused_by:
        return rollout, ()
    settled_at, canary = rollout.settled_at, judgement.figures.canary if judgement.figures is not None else None
    copied = canary is not None and canary.requests > 0
    if settled_at is None or not (copied or now - settled_at >= rollout.current.seconds):
        return rollout, ()
    return abort(rollout, BOT, said("rollout.drill_judged", version=rollout.spec.version), now)


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
        seen, lines = holds.gone(rollout, now, HoldCause.CLUSTER)
        return (_settle(seen, now) if observed.says(rollout.current.routes) else seen), lines
    if any(gap.keeps for gap in gaps):
        return _not_yet(rollout, observed, gaps, now)
    seen, lines = holds.gone(rollout, now, *_OF_THE_CLUSTER)
    return _settle(seen, now), lines


def _settle(rollout: Rollout, now: float) -> Rollout:
    """The cluster is as the stage wants it, and was before or is now for the first time."""
    settled_at = now if rollout.settled_at is None else rollout.settled_at
    stopped = rollout.stopped
    if stopped is not None and stopped.home_at is None and rollout.current.kind is StageKind.RETURN:
        stopped = replace(stopped, home_at=now)
    return replace(rollout, settled_at=settled_at, restoring_at=None, stopped=stopped)


def _not_yet(rollout: Rollout, observed: Observation, gaps: Sequence[Gap], now: float) -> Change:
    """What the stage wants is not there yet. Said when a side is not ready for it, and when writing it does not work.

    Writes that fail again and again would otherwise leave a rollout waiting for something that nobody knows of.
    """
    blocked: Text = next((gap.blocked for gap in gaps if gap.part is Part.ROUTES), "")
    if hooks.keeps_start(rollout):
        return holds.gone(rollout, now, *_OF_THE_CLUSTER)
    if blocked and _is_being_unparked(rollout, now):
        return rollout, ()
    if blocked:
        return holds.there(rollout, HoldCause.CAPACITY, blocked, now)
    why = unwritten(rollout, observed, gaps, now)
    if why is not None:
        return holds.there(rollout, HoldCause.CLUSTER, why.sentence, now, loud=why.hopeless)
    return holds.gone(rollout, now, HoldCause.CLUSTER, HoldCause.CAPACITY)


def _is_being_unparked(rollout: Rollout, now: float) -> bool:
    """Whether the pods that a parked canary was given may still be starting, which nobody need be told."""
    begins = rollout.phase is Phase.MIRRORING and rollout.settled_at is None
    return rollout.spec.parked is not None and begins and now - rollout.since <= rollout.spec.scale_timeout


def _advance(rollout: Rollout, observed: Observation, judgement: Judgement, now: float) -> Change:
    """Leave the stage when it is settled, served, passed and approved; hold and ask where ``leaving`` says so."""
    if rollout.settled_at is None or rollout.phase is Phase.HALTED or _is_kept(rollout, observed):
        return rollout, ()
    calm, lines = holds.gone(rollout, now, HoldCause.METRICS)
    standing = standing_of(rollout, judgement, now, flapping=holds.find(calm, HoldCause.METRICS) is not None)
    step = follows(standing)
    calm = calm if step in {Step.LEAVE, Step.LEAVE_IN_DOUBT, Step.ASK} else _not_at_gate(calm)
    about_figures = not calm.asked_at or not questions.is_about_webhook(calm)
    if step in {Step.ASK, Step.LEAVE} and not standing.approved and about_figures:
        calm, more = questions.follow(calm, judgement, now, needed=standing.asks)
        lines = more or lines
    match step:
        case Step.STAY:
            return calm, lines
        case Step.HOLD:
            return _hold_in_doubt(rollout, judgement, now)
        case Step.HOLD_AND_ASK:
            return _ask_in_doubt(rollout, judgement, now)
        case Step.LEAVE_IN_DOUBT:
            return _leave(rollout, observed, judgement, judgement, now)
        case Step.ASK:
            changed, more = _ask(calm, judgement, now)
        case Step.LEAVE:
            changed, more = _leave(calm, observed, judgement, judgement if standing.judged else None, now)
    return changed, lines + more


def _not_at_gate(rollout: Rollout) -> Rollout:
    """Its webhooks are not what keeps it."""
    waits = rollout.gate_at is not None or holds.find(rollout, HoldCause.WEBHOOK) is not None
    return holds.drop(replace(rollout, gate_at=None), HoldCause.WEBHOOK) if waits else rollout


def _leave(
    rollout: Rollout, observed: Observation, judgement: Judgement, summed_up: Judgement | None, now: float
) -> Change:
    """On to the next stage, once the webhooks of this one have said yes."""
    if not rollout.spec.webhooks or rollout.retreat:
        return _next_stage(rollout, observed, summed_up, now)
    at_gate = replace(rollout, gate_at=now) if rollout.gate_at is None else rollout
    kept, lines = _ask_webhooks(at_gate, judgement, now) if hooks.kept_by(at_gate) else (at_gate, ())
    if kept.phase is not rollout.phase or hooks.kept_by(kept):
        return kept, lines
    left, more = _next_stage(kept, observed, summed_up, now)
    return left, lines + more


def _is_kept(rollout: Rollout, observed: Observation) -> bool:
    """Whether something about the cluster keeps the rollout where it is."""
    causes = {HoldCause.DRIFT, *_OF_THE_CLUSTER}
    blind = not observed.whole and any(gap.part is Part.OBSERVATION and gap.keeps for gap in compare(rollout, observed))
    return blind or any(hold.cause in causes for hold in rollout.holds)


def _hold_in_doubt(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """Hold for what the figures say. What everybody was told of as an incident is not told once more as a hold."""
    held, lines = holds.there(rollout, HoldCause.METRICS, judgement.sentence, now)
    hold = holds.find(held, HoldCause.METRICS)
    if hold is None or not alarms.is_told(rollout, judgement):
        return held, lines
    return holds.put(held, replace(hold, notified=True)), ()


def _ask_in_doubt(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """Hold for a doubt that time will not settle, and ask whether to go on in spite of it once it has lasted.

    One that comes and goes never lasts; people are asked about it all the same once its patience has run out.
    """
    held, lines = _hold_in_doubt(rollout, judgement, now)
    hold = holds.find(held, HoldCause.METRICS)
    if hold is None or not (held.asked_at or hold.notified or questions.has_lasted(held, judgement, now)):
        return held, lines
    asking = holds.put(held, replace(hold, notified=True))  # the question tells of it
    asked, question = _ask(asking, judgement, now)
    return asked, lines + question


def _ask(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """Ask; silence past the rule's time-out is never a yes."""
    if rollout.asked_at is None:
        may = judgement.verdict is Verdict.PASS or holds.find(rollout, HoldCause.METRICS) is not None
        return (
            questions.ask(rollout, judgement, now)
            if may or questions.has_lasted(rollout, judgement, now)
            else (rollout, ())
        )
    if holds.find(rollout, HoldCause.APPROVAL) is not None:
        return rollout, ()
    if not questions.is_overdue(rollout, now):
        return questions.remind(rollout, now)
    rule = rollout.approvals_rule
    waited = said("rollout.nobody_approved", stage=phrases.next_called(rollout), time=Seconds(rule.timeout))
    if rule.on_timeout is OnTimeout.ABORT:
        return abort(rollout, BOT, waited, now)
    text = said("rollout.waits_for_approval", why=waited)
    hold = Hold(cause=HoldCause.APPROVAL, sentence=waited, since=now, notified=True)
    return holds.put(rollout, hold), (_entry(now, EntryKind.ALERT, text),)


def _next_stage(rollout: Rollout, observed: Observation, judgement: Judgement | None, now: float) -> Change:
    """On to the next stage, or to the end."""
    walk = rollout.retreat or rollout.spec.plan
    if rollout.current.on_copies and not rollout.retreat:
        return step_back.go_back(rollout, now)
    lines = () if judgement is None else (_summary(rollout, judgement, now),)
    if rollout.stage + 1 < len(walk):
        following = walk[rollout.stage + 1]
        entered = _enter(rollout, following.phase, rollout.stage + 1, now)
        if following.release:
            return entered, lines
        return entered, (*lines, _entry(now, EntryKind.STAGE, doing(entered), stage=following.name))
    aborted = rollout.phase is Phase.ABORTING
    text = phrases.abort_ended(rollout, observed, now) if aborted else phrases.promoted(rollout, now)
    ended = _enter(rollout, Phase.ABORTED if aborted else Phase.PROMOTED, rollout.stage, now)
    return ended, (*lines, _entry(now, EntryKind.ENDED, text))


def _summary(rollout: Rollout, judgement: Judgement, now: float) -> Entry:
    text, gist = phrases.summary(rollout, judgement), phrases.gist(judgement)
    return _entry(now, EntryKind.SUMMARY, text, stage=rollout.current.name, gist=gist)


_RULES: tuple[Callable[[Rollout, Observation, Judgement, float], Change], ...] = (
    _note,
    _after_failsafe,
    alarms.watch,
    retreat.object_gone,
    _danger,
    step_back.take_home,
    step_back.note,
    _upgraded_unawares,
    retreat.canary_gone,
    retreat.canary_back,
    retreat.make_room,
    _drift,
    _by_git,
    _webhooks,
    _observe,
    retreat.upgrade_sticks,
    retreat.upgrade_fails,
    retreat.scale_up_fails,
    _drill,
    _bind,
    _advance,
    _bind,  # what was asked just now
)
