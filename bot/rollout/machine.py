"""What may happen to a rollout. Pure: a rollout and an event go in, a new rollout and lines of its story come out.

**Rule 1.** A phase is changed by what is listed in this file (``_RULES`` and the people's events), and only through
the table in ``turns``.
**Rule 2.** An event that is not possible now raises ``Refusal`` and changes nothing.
**Rule 3.** Nothing here acts. What the new value means for the cluster is ``bot.rollout.desired``'s business.

Theory of operation
-------------------
A rollout walks along its plan, a tuple of stages. It leaves a stage when four things are true: the cluster was seen as
the stage wants it (*settled*), the least time has passed since, the gates say *pass*, and, where the stage asks for it,
people have approved. Whatever is unknown (no data, an API that does not answer, somebody else's edit) makes it *hold*:
it goes neither forward nor back, and goes on by itself once the cause is gone.

An abort swaps the plan for a *retreat*, which is walked along in the same way but judged by nobody. Pausing is a field:
a paused rollout keeps its routes and its safety. The safety rules (``_danger``) are asked first at every look, whatever
else the rollout waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.rollout import capacity, drift, health, returning
from bot.rollout.deadman import told
from bot.rollout.desired import is_complete, is_restored, receiver_not_ready
from bot.rollout.errors import Refusal
from bot.rollout.figures import Judgement, Trial, Verdict
from bot.rollout.model import (
    ALL_CANARY,
    BOT,
    JUDGED,
    SCALE_UP,
    Approval,
    Entry,
    EntryKind,
    Hold,
    HoldCause,
    Phase,
    Rollout,
    Stage,
    Template,
    UserId,
)
from bot.rollout.phrases import describe, doing, home, question, summary, unproven
from bot.rollout.plans import make_retreat
from bot.rollout.service import OnDrift, OnTimeout
from bot.rollout.sights import Sight
from bot.rollout.turns import enter as _enter
from bot.rollout.turns import entry as _entry

Change = tuple[Rollout, tuple[Entry, ...]]

# Figures are read in these phases: wherever users may be on something new, and while copies are made. They are acted
# upon in all of them but a halt, where people are told and nothing moves by itself.
WATCHED = JUDGED | {Phase.UPGRADING, Phase.HALTED}

# Seconds after a stage was entered in which its routes should have been written; a few looks fail without any fuss.
WRITE_SECONDS = 30.0


# --- what people ask for ---------------------------------------------------------------------------------------------


def begin(rollout: Rollout, now: float, warnings: Sequence[str] = ()) -> Change:
    """Preflight passed: the first stage begins."""
    text = f"{rollout.service} {rollout.version}: started."
    if warnings:
        text += " Preflight warns: " + " ".join(warnings)
    started = _enter(rollout, Phase.MIRRORING, 0, now, warnings=tuple(warnings))
    return started, (_entry(now, EntryKind.STARTED, text, rollout.started_by),)


def refuse(rollout: Rollout, reasons: Sequence[str], now: float) -> Change:
    """Preflight failed: nothing was changed, and every reason is kept."""
    refused = _enter(rollout, Phase.REFUSED, 0, now, reason=" ".join(reasons))
    text = f"{rollout.service} {rollout.version}: refused. " + " ".join(reasons)
    return refused, (_entry(now, EntryKind.ENDED, text, rollout.started_by),)


def approve(rollout: Rollout, by: UserId, now: float) -> Change:
    """One person lets the current stage be left; whether they may at all is checked where people are known.

    Raises:
        Refusal: nothing is waiting for approval, it is their own rollout, or they have approved.
    """
    _refuse_ended(rollout)
    if rollout.asked_at is None:
        raise Refusal(f"Nothing to approve: {describe(rollout)}. The card asks when it is time.")
    rule = rollout.approvals_rule
    if by == rollout.started_by and not rule.own:
        raise Refusal("You started this rollout, so somebody else must approve it.")
    if any(approval.by == by for approval in rollout.approvals):
        raise Refusal("You have approved this already; somebody else is needed now.")
    approvals = (*rollout.approvals, Approval(by=by, at=now))
    hold = None if rollout.hold and rollout.hold.cause is HoldCause.APPROVAL else rollout.hold
    given = f"{len(approvals)} of {rule.count}"
    approved = replace(rollout, approvals=approvals, hold=hold)
    return approved, (_entry(now, EntryKind.APPROVED, f"Approved leaving {rollout.current.name} ({given}).", by),)


def abort(rollout: Rollout, by: UserId, reason: str, now: float) -> Change:
    """Everyone back to the healthy side, from any phase, by the shortest safe way.

    Unless the last figures were good the canary is taken for the trouble, and nobody waits for comfort at home.

    Raises:
        Refusal: it has ended, or is aborting already.
    """
    _refuse_ended(rollout)
    if rollout.phase is Phase.ABORTING:
        raise Refusal(f"{rollout.service} is being aborted already.")
    retreat = make_retreat(primary_touched=rollout.primary_touched)
    at = rollout.current.name
    urgent = by == BOT or rollout.judgement is None or rollout.judgement.verdict is not Verdict.PASS
    aborting = _enter(
        rollout, Phase.ABORTING, 0, now, retreat=retreat, reason=reason, paused_by=None, retries=0, urgent=urgent
    )
    doing = (
        f"Users stay on {rollout.version} until {rollout.target.primary_deployment} is restored, then return to it."
        if rollout.primary_touched
        else "All users return to the primary now."
    )
    return aborting, (_entry(now, EntryKind.ABORTING, f"Aborted at {at}: {reason} {doing}", by),)


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
        raise Refusal(f"Give a reason for abandoning {rollout.service}: it is kept with the rollout.")
    at, target = rollout.current.name, rollout.target
    text = (
        f"{rollout.service} {rollout.version} is abandoned at {at}: {why}. Nothing is moved: the routes stay as they "
        f"are, and so does the image of {target.primary_deployment}. canary-bot takes its annotations off "
        f"VirtualService {target.virtual_service} and looks after this rollout no more."
    )
    abandoned = _enter(rollout, Phase.ABANDONED, rollout.stage, now, reason=f"{why}.", paused_by=None)
    return abandoned, (_entry(now, EntryKind.ENDED, text, by),)


def pause(rollout: Rollout, by: UserId, now: float) -> Change:
    """Keep the routes as they are until resumed. Safety goes on.

    Raises:
        Refusal: it has ended, is paused already, or is on its way back.
    """
    _refuse_ended(rollout)
    if rollout.phase in {Phase.ABORTING, Phase.HALTED}:
        raise Refusal(f"{rollout.service} cannot be paused: {describe(rollout)}.")
    if rollout.paused_by:
        raise Refusal(f"{rollout.service} is paused already.")
    text = f"Paused at {rollout.current.name}. Routes stay as they are and are still watched."
    return replace(rollout, paused_by=by), (_entry(now, EntryKind.PAUSED, text, by),)


def resume(rollout: Rollout, by: UserId, now: float) -> Change:
    """Undo ``pause``.

    Raises:
        Refusal: it has ended or is not paused.
    """
    _refuse_ended(rollout)
    if not rollout.paused_by:
        raise Refusal(f"{rollout.service} is not paused: {describe(rollout)}.")
    return replace(rollout, paused_by=None), (_entry(now, EntryKind.RESUMED, "Resumed.", by),)


def restore(rollout: Rollout, by: UserId, now: float) -> Change:
    """Write ours again over somebody else's change.

    Raises:
        Refusal: nobody has changed anything, or ours must not be written now.
    """
    _refuse_ended(rollout)
    if rollout.drift is None:
        raise Refusal(f"Nothing to restore: {describe(rollout)}.")
    return drift.restore(rollout, by, now)


def leave(rollout: Rollout, by: UserId, now: float) -> Change:
    """Leave somebody else's change as it is, and wait.

    Raises:
        Refusal: nobody has changed anything, or that was chosen already.
    """
    _refuse_ended(rollout)
    if rollout.drift is None:
        raise Refusal(f"Nobody else has changed anything: {describe(rollout)}.")
    return drift.leave(rollout, by, now)


def retry(rollout: Rollout, by: UserId, now: float) -> Change:
    """Out of a halt: try the primary upgrade (or the retreat) once more.

    Raises:
        Refusal: it is not halted.
    """
    _refuse_not_halted(rollout)
    phase = Phase.ABORTING if rollout.retreat else Phase.UPGRADING
    again = _enter(rollout, phase, rollout.stage, now, reason="", retries=rollout.retries + 1)
    return again, (_entry(now, EntryKind.RESUMED, f"Trying {rollout.current.name} again.", by),)


def accept(rollout: Rollout, by: UserId, now: float) -> Change:
    """Out of a halt: stay on the canary, as it is.

    Raises:
        Refusal: it is not halted, or users are on both sides.
    """
    _refuse_not_halted(rollout)
    if rollout.current.routes != ALL_CANARY:
        raise Refusal("Users are on both versions, so this cannot be left as it is: retry or abort.")
    finish = Stage(name="finish", phase=Phase.BAKING, routes=ALL_CANARY, release=True)
    ended = _enter(rollout, Phase.BAKING, 0, now, retreat=(finish,), reason="accepted on the canary")
    text = (
        f"Accepted as it is: all users stay on {rollout.version} ({rollout.target.canary_deployment}). "
        f"{rollout.target.primary_deployment} was left as it is and has no users."
    )
    return ended, (_entry(now, EntryKind.APPROVED, text, by),)


# --- what a look finds -----------------------------------------------------------------------------------------------


def look(rollout: Rollout, sight: Sight | None, judgement: Judgement, now: float, trial: Trial | None = None) -> Change:
    """One look at the cluster (None when it could not be seen) and at the figures; ``trial`` is what judging remembers.

    The rules are asked in order and the first that changes the phase ends the look, so that a step is never taken on
    what was seen before another.
    """
    if rollout.ended or rollout.phase is Phase.PREFLIGHT:
        return rollout, ()
    rollout = rollout if trial is None else replace(rollout, trial=trial)
    if sight is not None and rollout.phase in WATCHED and not rollout.current.release:
        rollout = health.note(capacity.note_load(rollout, sight, judgement), sight, now)
        judgement = health.join(rollout, sight, judgement)
    entries: tuple[Entry, ...] = ()
    for rule in _RULES:
        changed, said = rule(rollout, sight, judgement, now)
        entries += said
        moved = (changed.phase, changed.stage, changed.retreat) != (rollout.phase, rollout.stage, rollout.retreat)
        rollout = changed
        if moved:
            break
    return rollout, entries


def _note(rollout: Rollout, _sight: Sight | None, judgement: Judgement, now: float) -> Change:
    """Remember the figures; an approval that rested on better ones is withdrawn."""
    if rollout.phase not in WATCHED:
        return rollout, ()
    # Only what is news: between two rows of the judge nothing changes but the time of day.
    last, kept = rollout.judgement, rollout.trial.until
    news = last is None or kept is None or judgement.at <= kept or _decided_by(judgement) != _decided_by(last)
    noted = replace(rollout, judgement=judgement) if news else rollout
    # What people are asked about in spite of a doubt is still what they were asked about while the doubt lasts.
    doubted = judgement.ask and last is not None and last.ask
    good = judgement.verdict is Verdict.PASS or doubted
    worse = rollout.asked_at is not None and rollout.phase in JUDGED and not good
    if not worse:
        return noted, ()
    text = f"The question to approve leaving {rollout.current.name} is withdrawn: {judgement.sentence}"
    withdrawn = replace(noted, asked_at=None, approvals=(), evidence=rollout.evidence + 1)
    return withdrawn, (_entry(now, EntryKind.HELD, text),)


def _decided_by(judgement: Judgement) -> tuple[Verdict, str]:
    return judgement.verdict, judgement.findings[0].gate if judgement.findings else ""


def _rescued(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """What the watchdog did while nobody looked is no drift by a stranger: the rollout is over.

    A rollout on its way out goes on as it was: what the watchdog did fits it, or is mended like anything else.
    """
    if sight is None or sight.rescue is None or rollout.retreat:
        return rollout, ()
    if rollout.current.release and sight.routes == rollout.current.routes:
        return rollout, ()  # nobody was moved, and only the marks are left to go
    at, reason = rollout.current.name, told(sight.rescue, rollout.target)
    aborting, _ = abort(rollout, BOT, reason, now)
    if sight.routes is not None and sight.routes.canary == 0 and is_complete(sight.primary, Template.RECORDED):
        # Everyone is home, and home is as it was: nobody has to go by the canary once more.
        aborting = replace(aborting, retreat=make_retreat(primary_touched=False))
    name = rollout.target.primary_deployment
    then = f" {name} is restored before anybody returns to it." if aborting.primary_touched else ""
    return aborting, (_entry(now, EntryKind.ABORTING, f"Aborted at {at}: {reason}{then}"),)


def _danger(rollout: Rollout, sight: Sight | None, judgement: Judgement, now: float) -> Change:
    """Bad figures, or users on a side without a ready pod, abort: paused, held or waiting makes no difference."""
    if rollout.phase not in WATCHED or rollout.current.release:
        return rollout, ()
    stranded = health.stranded(rollout, sight) if sight is not None else ""
    if stranded:
        return abort(rollout, BOT, stranded, now)
    if rollout.phase is Phase.HALTED:
        return _halted_watch(rollout, judgement, now)
    return abort(rollout, BOT, judgement.sentence, now) if judgement.verdict is Verdict.FAIL else (rollout, ())


def _halted_watch(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """In a halt nothing moves by itself: people are told once that who has the users goes bad, or is good again."""
    told = rollout.hold is not None and rollout.hold.cause is HoldCause.METRICS
    if judgement.verdict is Verdict.FAIL and rollout.hold is None:
        hold = Hold(cause=HoldCause.METRICS, sentence=judgement.sentence, since=now, told=True)
        text = (
            f"Halted, and {rollout.version}, which has all users, goes bad: {judgement.sentence} "
            "Nothing moves by itself here: abort, or mend it."
        )
        return replace(rollout, hold=hold), (_entry(now, EntryKind.ALERT, text),)
    if told and judgement.verdict is Verdict.PASS:
        text = f"Still halted; the figures of {rollout.version} are good again."
        return replace(rollout, hold=None), (_entry(now, EntryKind.RESUMED, text),)
    return rollout, ()


def _drift(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """Somebody else's change is told and waits for a choice; without one the service's rule decides."""
    if sight is None:
        return rollout, ()
    edits = drift.find(rollout, sight, now)
    if not edits:
        return drift.end(rollout, now)
    noticed, said = drift.notice(rollout, edits, now)
    match drift.overdue(noticed, now):
        case OnDrift.ABORT:
            minutes = f"{rollout.drift_rule.timeout / 60:.3g} minutes"
            reason = f"{drift.sentence(rollout, edits)} Nobody chose what to do within {minutes}."
            decided, more = abort(noticed, BOT, reason, now)
        case OnDrift.RESTORE:
            decided, more = drift.restore(noticed, BOT, now)
        case OnDrift.HOLD:
            decided, more = drift.leave(noticed, BOT, now)
        case None:
            decided, more = noticed, ()
    return decided, (*said, *more)


def _upgraded_unawares(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """A store that lost its last writes may not know of the upgrade it ordered: then the primary is restored first.

    Sending everyone home at once would leave them on the image that is being taken back, or in the middle of it.
    """
    ignorant = rollout.phase is Phase.ABORTING and not rollout.primary_touched
    if sight is None or not ignorant or sight.primary.template is not Template.UPGRADED:
        return rollout, ()
    name = rollout.target.primary_deployment
    text = f"{name} has the image of {rollout.version} already, so it is restored before any user returns to it."
    retreat = make_retreat(primary_touched=True)
    return _enter(rollout, Phase.ABORTING, 0, now, retreat=retreat), (_entry(now, EntryKind.STAGE, text),)


def _see(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """Hold while the cluster cannot be seen or is not ready; settle when it is as the stage wants it."""
    if sight is None:
        return _hold(rollout, HoldCause.CLUSTER, "The Kubernetes API cannot be read; routes stay as they are.", now)
    if rollout.drift is not None:
        return rollout, ()
    if rollout.phase is Phase.HALTED:
        seen, said = _go_on(rollout, HoldCause.CLUSTER, now)
        return (_settle(seen, now) if sight.routes == rollout.current.routes else seen), said
    if not _as_wanted(rollout, sight):
        return _not_yet(rollout, sight, now)
    seen, said = _go_on(rollout, None, now)
    return _settle(seen, now), said


def _settle(rollout: Rollout, now: float) -> Rollout:
    """The cluster is as the stage wants it, and was before or is now for the first time."""
    settled_at = now if rollout.settled_at is None else rollout.settled_at
    return replace(rollout, settled_at=settled_at, restoring_at=None)


def _not_yet(rollout: Rollout, sight: Sight, now: float) -> Change:
    """What the stage wants is not there yet. Said when a side is not ready for it, and when writing it takes too long.

    Writes that fail again and again would otherwise leave a rollout waiting for something that nobody knows of.
    """
    stage, target = rollout.current, rollout.target
    blocked = receiver_not_ready(rollout, sight) if sight.routes != stage.routes else ""
    if blocked:
        return _hold(rollout, HoldCause.CAPACITY, blocked, now)
    owner = None if stage.release else rollout.id
    unwritten = sight.routes != stage.routes or (sight.owner != owner and rollout.settled_at is None)
    due = max(rollout.since, rollout.restoring_at or 0.0) + WRITE_SECONDS
    # While the primary grows users stay wherever they are, and that has a time-out of its own.
    if unwritten and now > due and stage.name != SCALE_UP:
        sentence = f"{target.virtual_service} cannot be brought to what {stage.name} wants; every look tries again."
        return _hold(rollout, HoldCause.CLUSTER, sentence, now)
    going, said = _go_on(rollout, HoldCause.CLUSTER, now)
    going, more = _go_on(going, HoldCause.CAPACITY, now)
    return going, said + more


def _as_wanted(rollout: Rollout, sight: Sight) -> bool:
    stage = rollout.current
    if stage.name == SCALE_UP:  # wherever the users are
        return returning.is_roomy(rollout, sight)
    if sight.routes != stage.routes:
        return False
    if stage.release:
        return sight.owner != rollout.id
    if rollout.phase is Phase.UPGRADING:
        return is_complete(sight.primary, stage.template)
    if rollout.phase is Phase.ABORTING and stage.routes == ALL_CANARY:
        return is_restored(rollout, sight)
    return sight.owner == rollout.id and sight.primary.wanted >= stage.pods


def _advance(rollout: Rollout, sight: Sight | None, judgement: Judgement, now: float) -> Change:
    """Leave the stage when it is settled, served, passed and approved."""
    if sight is None or rollout.settled_at is None or rollout.phase is Phase.HALTED:
        return rollout, ()
    if rollout.hold and rollout.hold.cause in {HoldCause.DRIFT, HoldCause.CAPACITY, HoldCause.CLUSTER}:
        return rollout, ()
    stage = rollout.current
    judged = rollout.phase in JUDGED and not stage.release
    # A bake is there to watch, however good everything looks.
    shown = judgement.proven and judgement.verdict is Verdict.PASS
    early = rollout.gates.early and shown and judged and rollout.phase is not Phase.BAKING
    # By the time of what was judged: figures that end before the stage does say nothing about its end.
    served = early or (min(now, judgement.at) if judged else now) - rollout.settled_at >= stage.seconds
    if judged and judgement.verdict is not Verdict.PASS:
        return _doubt(rollout, sight, judgement, now, served=served)
    rollout, said = _go_on(rollout, HoldCause.METRICS, now)
    if not served or rollout.paused_by:
        return rollout, said
    asks = stage.approval or (judged and judgement.ask)
    if asks and len(rollout.approvals) < rollout.approvals_rule.count:
        asked, question = _ask(rollout, judgement, now)
        return asked, said + question
    left, summary = _leave(rollout, sight, judgement if judged else None, now)
    return left, said + summary


def _doubt(rollout: Rollout, sight: Sight, judgement: Judgement, now: float, *, served: bool) -> Change:
    """No pass: it holds once its time is up. A doubt that time will not settle goes on if people say so."""
    # In the look that settled it no figures can be known yet, however short the stage is.
    time_is_up = served and rollout.settled_at != now
    if not (time_is_up or judgement.hold or judgement.verdict is Verdict.ERROR):
        return _go_on(rollout, HoldCause.METRICS, now)
    decides = judgement.ask and served and not rollout.paused_by
    if decides and len(rollout.approvals) >= rollout.approvals_rule.count:
        return _leave(rollout, sight, judgement, now)
    unanswered = decides and rollout.hold is not None and rollout.hold.cause is HoldCause.APPROVAL
    held, said = (rollout, ()) if unanswered else _hold(rollout, HoldCause.METRICS, judgement.sentence, now)
    if not decides:
        return held, said
    asking = replace(held, hold=replace(held.hold, told=True)) if held.hold else held  # the question tells of it
    asked, question = _ask(asking, judgement, now, told=bool(said))
    return asked, said + question


def _ask(rollout: Rollout, judgement: Judgement, now: float, *, told: bool = False) -> Change:
    """Ask once; silence past the rule's time-out is never a yes. ``told``: its doubts have just been said."""
    rule = rollout.approvals_rule
    if rollout.asked_at is None:
        asked = replace(rollout, asked_at=now, evidence=rollout.evidence + 1)
        proven = "" if told else unproven(rollout, judgement)
        doubts = f" That accepts what preflight warned of: {' '.join(rollout.warnings)}" if _accepts(rollout) else ""
        return asked, (
            _entry(now, EntryKind.ASK, " ".join(filter(None, [question(rollout), proven, _needed(rollout)])) + doubts),
        )
    waits = rollout.hold is not None and rollout.hold.cause is not HoldCause.METRICS
    if now - rollout.asked_at <= rule.timeout or waits:
        return rollout, ()
    waited = f"Nobody approved leaving {rollout.current.name} within {rule.timeout / 60:.3g} minutes."
    if rule.on_timeout is OnTimeout.ABORT:
        return abort(rollout, BOT, waited, now)
    hold = Hold(cause=HoldCause.APPROVAL, sentence=waited, since=now, told=True)
    text = f"{waited} Routes stay as they are until somebody approves or aborts."
    return replace(rollout, hold=hold), (_entry(now, EntryKind.ALERT, text),)


def _accepts(rollout: Rollout) -> bool:
    """Whether leaving this stage sends the first users to what preflight had doubts about."""
    return bool(rollout.warnings) and rollout.phase is Phase.MIRRORING


def _needed(rollout: Rollout) -> str:
    count = rollout.approvals_rule.count
    return f"{count} approvals are needed." if count > 1 else "One approval is needed."


def _leave(rollout: Rollout, sight: Sight, judgement: Judgement | None, now: float) -> Change:
    """On to the next stage, or to the end."""
    stage, walk = rollout.current, rollout.retreat or rollout.plan
    said = () if judgement is None else (_entry(now, EntryKind.SUMMARY, summary(rollout, judgement)),)
    if rollout.stage + 1 < len(walk):
        following = walk[rollout.stage + 1]
        entered = _enter(rollout, following.phase, rollout.stage + 1, now)
        if following.release:
            return entered, said
        return entered, (*said, _entry(now, EntryKind.STAGE, f"{following.name}: {doing(entered)}."))
    minutes = (now - rollout.started_at) / 60
    if rollout.phase is Phase.ABORTING:
        text = f"{rollout.service} {rollout.version} is aborted: {home(rollout, sight)}. {rollout.reason}"
        return _enter(rollout, Phase.ABORTED, rollout.stage, now), (*said, _entry(now, EntryKind.ENDED, text))
    upgraded = f"the upgraded {rollout.target.primary_deployment}"
    where = upgraded if stage.template is Template.UPGRADED else rollout.target.canary_deployment
    text = f"{rollout.service} {rollout.version} is promoted: all users are on {where}. It took {minutes:.1f} minutes."
    return _enter(rollout, Phase.PROMOTED, rollout.stage, now), (*said, _entry(now, EntryKind.ENDED, text))


# --- the few lines everything above goes through ---------------------------------------------------------------------


def _hold(rollout: Rollout, cause: HoldCause, sentence: str, now: float) -> Change:
    """Hold, or go on holding; the channel is asked once when the patience runs out."""
    hold = rollout.hold
    if hold is None or hold.cause is not cause:
        held = replace(rollout, hold=Hold(cause=cause, sentence=sentence, since=now))
        return held, (_entry(now, EntryKind.HELD, f"Holding at {rollout.current.name}: {sentence}"),)
    rollout = replace(rollout, hold=replace(hold, sentence=sentence))
    if hold.told or now - hold.since <= rollout.hold_patience:
        return rollout, ()
    text = (
        f"Still holding at {rollout.current.name} after {(now - hold.since) / 60:.3g} minutes: {sentence} Please look."
    )
    return replace(rollout, hold=replace(hold, sentence=sentence, told=True)), (_entry(now, EntryKind.ALERT, text),)


def _go_on(rollout: Rollout, cause: HoldCause | None, now: float) -> Change:
    """The cause of a hold is gone (``cause`` None: everything about the cluster is fine again)."""
    hold = rollout.hold
    cluster = {HoldCause.CLUSTER, HoldCause.DRIFT, HoldCause.CAPACITY}
    if hold is None or (hold.cause not in cluster if cause is None else hold.cause is not cause):
        return rollout, ()
    text = f"Going on at {rollout.current.name} after {now - hold.since:.0f} s."
    return replace(rollout, hold=None), (_entry(now, EntryKind.RESUMED, text),)


def _refuse_ended(rollout: Rollout) -> None:
    if rollout.ended:
        raise Refusal(f"{rollout.service} {rollout.version} has ended ({rollout.phase}).")


def _refuse_not_halted(rollout: Rollout) -> None:
    _refuse_ended(rollout)
    if rollout.phase is not Phase.HALTED:
        raise Refusal(f"{rollout.service} is not halted: {describe(rollout)}.")


_RULES: tuple[Callable[[Rollout, Sight | None, Judgement, float], Change], ...] = (
    _note,
    _rescued,
    _danger,
    _upgraded_unawares,
    returning.canary_gone,
    returning.canary_back,
    returning.make_room,
    _drift,
    _see,
    returning.upgrade_fails,
    returning.scale_up_fails,
    _advance,
)
