"""What may happen to a rollout. Pure: a rollout and an event go in, a new rollout and lines of its story come out.

**Rule 1.** Everything that decides about a phase lives in this file, and ``_enter`` is the only way to change one.
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
from typing import Any

from bot.rollout.desired import is_complete, receiver_not_ready
from bot.rollout.errors import Refusal
from bot.rollout.model import (
    ALL_CANARY,
    BOT,
    JUDGED,
    Approval,
    Entry,
    EntryKind,
    Hold,
    HoldCause,
    Judgement,
    Phase,
    Progress,
    Rollout,
    Sight,
    Stage,
    Template,
    Topology,
    UserId,
    Verdict,
)
from bot.rollout.plans import make_retreat
from bot.rollout.service import OnTimeout

Change = tuple[Rollout, tuple[Entry, ...]]

# What a phase may become. A phase that may follow itself has more than one stage.
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.PREFLIGHT: frozenset({Phase.MIRRORING, Phase.REFUSED}),
    Phase.MIRRORING: frozenset({Phase.SHIFTING, Phase.ABORTING}),
    Phase.SHIFTING: frozenset({Phase.SHIFTING, Phase.UPGRADING, Phase.BAKING, Phase.ABORTING}),
    Phase.UPGRADING: frozenset({Phase.SWITCHING_BACK, Phase.HALTED, Phase.ABORTING}),
    Phase.SWITCHING_BACK: frozenset({Phase.SWITCHING_BACK, Phase.BAKING, Phase.ABORTING}),
    Phase.BAKING: frozenset({Phase.BAKING, Phase.PROMOTED, Phase.ABORTING}),
    Phase.ABORTING: frozenset({Phase.ABORTING, Phase.ABORTED, Phase.HALTED}),
    Phase.HALTED: frozenset({Phase.UPGRADING, Phase.ABORTING, Phase.BAKING}),
    Phase.PROMOTED: frozenset(),
    Phase.ABORTED: frozenset(),
    Phase.REFUSED: frozenset(),
}

# Bad figures are acted upon in these phases: wherever users may be on something new, and while copies are made.
WATCHED = JUDGED | {Phase.UPGRADING}


# --- what people ask for ---------------------------------------------------------------------------------------------


def begin(rollout: Rollout, now: float, warnings: Sequence[str] = ()) -> Change:
    """Preflight passed: the first stage begins."""
    text = f"{rollout.service} {rollout.version}: started."
    if warnings:
        text += " Preflight warns: " + " ".join(warnings)
    started = _enter(rollout, Phase.MIRRORING, 0, now)
    return started, (_entry(now, EntryKind.STARTED, text, rollout.started_by),)


def refuse(rollout: Rollout, reasons: Sequence[str], now: float) -> Change:
    """Preflight failed: nothing was changed, and every reason is kept."""
    refused = _enter(rollout, Phase.REFUSED, 0, now, reason=" ".join(reasons))
    text = f"{rollout.service} {rollout.version}: refused. " + " ".join(reasons)
    return refused, (_entry(now, EntryKind.ENDED, text, rollout.started_by),)


def approve(rollout: Rollout, by: UserId, now: float, evidence: tuple[int, int] | None = None) -> Change:
    """One person lets the current stage be left.

    Args:
        rollout: the rollout as it is stored.
        by: who approves; whether they may at all is checked where people are known.
        now: seconds since the epoch.
        evidence: stage and evidence number of the button that was clicked; None for a typed command.

    Raises:
        Refusal: nothing is waiting for approval, the button is old, it is their own rollout, or they have approved.
    """
    _refuse_ended(rollout)
    if evidence is not None and evidence != (rollout.stage, rollout.evidence):
        raise Refusal("That button is out of date: the rollout has moved on since it was shown. The card has new ones.")
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

    Raises:
        Refusal: it has ended, or is aborting already.
    """
    _refuse_ended(rollout)
    if rollout.phase is Phase.ABORTING:
        raise Refusal(f"{rollout.service} is being aborted already.")
    retreat = make_retreat(primary_touched=rollout.primary_touched)
    at = rollout.current.name
    aborting = _enter(rollout, Phase.ABORTING, 0, now, retreat=retreat, reason=reason, paused_by=None, retries=0)
    doing = (
        f"Users stay on {rollout.version} until {rollout.target.primary_deployment} is restored, then return to it."
        if rollout.primary_touched
        else "All users return to the primary now."
    )
    return aborting, (_entry(now, EntryKind.ABORTING, f"Aborted at {at}: {reason} {doing}", by),)


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
    """Write our routes again over somebody else's change.

    Raises:
        Refusal: nobody has changed anything.
    """
    _refuse_ended(rollout)
    if rollout.hold is None or rollout.hold.cause is not HoldCause.DRIFT:
        raise Refusal(f"Nothing to restore: {describe(rollout)}.")
    text = f"Restoring the routes of {rollout.current.name}."
    return replace(rollout, hold=None, settled_at=None), (_entry(now, EntryKind.RESUMED, text, by),)


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


def look(rollout: Rollout, sight: Sight | None, judgement: Judgement, now: float) -> Change:
    """One look at the cluster (None when it could not be seen) and at the figures.

    The rules are asked in order and the first that changes the phase ends the look, so that a step is never taken on
    what was seen before another.
    """
    if rollout.ended or rollout.phase is Phase.PREFLIGHT:
        return rollout, ()
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
    noted = replace(rollout, judgement=judgement)
    worse = rollout.asked_at is not None and rollout.phase in JUDGED and judgement.verdict is not Verdict.PASS
    if not worse:
        return noted, ()
    text = f"The question to approve leaving {rollout.current.name} is withdrawn: {judgement.sentence}"
    withdrawn = replace(noted, asked_at=None, approvals=(), evidence=rollout.evidence + 1)
    return withdrawn, (_entry(now, EntryKind.HELD, text),)


def _danger(rollout: Rollout, sight: Sight | None, judgement: Judgement, now: float) -> Change:
    """Bad figures, or users on a side without a ready pod, abort: paused, held or waiting makes no difference."""
    if rollout.phase not in WATCHED or rollout.current.release:
        return rollout, ()
    if judgement.verdict is Verdict.FAIL:
        return abort(rollout, BOT, judgement.sentence, now)
    if sight is None or sight.routes is None:
        return rollout, ()
    target = rollout.target
    shared = target.topology is Topology.RELABEL and rollout.primary_touched  # both serve the canary's subset
    if sight.routes.canary > 0 and sight.canary.ready == 0 and sight.primary.ready > 0 and not shared:
        share = f"{sight.routes.canary} % of the users are on {target.canary_deployment}"
        return abort(rollout, BOT, f"{share}, which has no ready pod.", now)
    if rollout.primary_touched and sight.routes.primary > 0 and sight.primary.ready == 0 and sight.canary.ready > 0:
        share = f"{sight.routes.primary} % of the users are on {target.primary_deployment}"
        return abort(rollout, BOT, f"{share}, which has no ready pod.", now)
    return rollout, ()


def _see(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """Hold while the cluster cannot be seen, differs from what was settled, or is not ready; settle when it is."""
    if sight is None:
        return _hold(rollout, HoldCause.CLUSTER, "The Kubernetes API cannot be read; routes stay as they are.", now)
    if rollout.phase is Phase.HALTED:
        return rollout, ()
    drift = _drift(rollout, sight)
    if drift:
        return _hold(rollout, HoldCause.DRIFT, drift, now)
    if not _as_wanted(rollout, sight):
        blocked = receiver_not_ready(rollout, sight) if sight.routes != rollout.current.routes else ""
        return _hold(rollout, HoldCause.CAPACITY, blocked, now) if blocked else _go_on(rollout, HoldCause.CAPACITY, now)
    seen, said = _go_on(rollout, None, now)
    return (seen if seen.settled_at is not None else replace(seen, settled_at=now)), said


def _drift(rollout: Rollout, sight: Sight) -> str:
    """What somebody else changed of what is ours, as a sentence; "" when nothing."""
    target = rollout.target
    if rollout.phase is Phase.ABORTING:
        return ""  # an abort overrides drift: it writes what is safe, whatever it finds
    if sight.canary.template is None:
        return f"{target.canary_deployment} no longer runs the image this rollout began with; nothing was changed."
    if rollout.settled_at is None:
        return ""
    who = f" by {sight.writer}" if sight.writer else ""
    if sight.routes != rollout.current.routes:
        live = str(sight.routes) if sight.routes else "something else"
        wanted = rollout.current.routes
        return f"The routes of {target.virtual_service} were changed{who}: {live} instead of {wanted}."
    if sight.primary.template is not rollout.current.template:
        return f"The image or labels of {target.primary_deployment} were changed by somebody else."
    return ""


def _as_wanted(rollout: Rollout, sight: Sight) -> bool:
    stage = rollout.current
    if sight.routes != stage.routes:
        return False
    if stage.release:
        return sight.owner is None
    if rollout.phase is Phase.UPGRADING or (rollout.phase is Phase.ABORTING and stage.routes == ALL_CANARY):
        return is_complete(sight.primary, stage.template)
    return sight.owner == rollout.id


def _canary_gone(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """While the primary is being restored the canary keeps the users; without a ready pod it keeps nobody.

    Any ready pod of the primary is then better than none, whichever image it runs.
    """
    restoring = rollout.phase is Phase.ABORTING and rollout.current.routes == ALL_CANARY
    if sight is None or not restoring or rollout.target.topology is Topology.RELABEL:
        return rollout, ()
    if sight.canary.ready > 0 or sight.primary.ready == 0:
        return rollout, ()
    target = rollout.target
    text = (
        f"{target.canary_deployment} has no ready pod, so users go to {target.primary_deployment} as it is now; "
        "its image may have to be restored by hand."
    )
    return _enter(rollout, Phase.ABORTING, rollout.stage + 1, now), (_entry(now, EntryKind.ALERT, text),)


def _upgrade_fails(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """A primary that does not come up is nobody's to route to: users stay on the canary and a person decides."""
    if sight is None or rollout.settled_at is not None or rollout.current.routes != ALL_CANARY:
        return rollout, ()
    if rollout.phase not in {Phase.UPGRADING, Phase.ABORTING}:
        return rollout, ()
    primary = sight.primary
    late = now - rollout.since > rollout.upgrade_timeout
    # A stuck Deployment stays FAILED until it moves: a retry waits for its time-out instead.
    failed = (
        primary.progress is Progress.FAILED and primary.template is rollout.current.template and not rollout.retries
    )
    if not (late or failed):
        return rollout, ()
    minutes = f"{rollout.upgrade_timeout / 60:.3g} minutes"
    why = primary.reason if failed else f"It did not become ready within {minutes}."
    name = rollout.target.primary_deployment
    what = "upgraded" if rollout.phase is Phase.UPGRADING else "restored"
    reason = f"{name} could not be {what}: {why}"
    ready = f"{sight.canary.ready} of {sight.canary.wanted} pods"
    text = (
        f"{reason} All users stay on {rollout.version} ({rollout.target.canary_deployment}, {ready} ready). "
        "Retry, abort (the old image is restored before any user returns), or accept it as it is."
    )
    return _enter(rollout, Phase.HALTED, rollout.stage, now, reason=reason), (_entry(now, EntryKind.HALTED, text),)


def _advance(rollout: Rollout, sight: Sight | None, judgement: Judgement, now: float) -> Change:
    """Leave the stage when it is settled, served, passed and approved."""
    if sight is None or rollout.settled_at is None or rollout.phase is Phase.HALTED:
        return rollout, ()
    if rollout.hold and rollout.hold.cause in {HoldCause.DRIFT, HoldCause.CAPACITY, HoldCause.CLUSTER}:
        return rollout, ()
    stage = rollout.current
    judged = rollout.phase in JUDGED and not stage.release
    served = now - rollout.settled_at >= stage.seconds
    if judged and judgement.verdict is not Verdict.PASS:
        unsure = judgement.verdict is Verdict.ERROR or served
        return _hold(rollout, HoldCause.METRICS, judgement.sentence, now) if unsure else (rollout, ())
    rollout, said = _go_on(rollout, HoldCause.METRICS, now)
    if not served or rollout.paused_by:
        return rollout, said
    if stage.approval and len(rollout.approvals) < rollout.approvals_rule.count:
        asked, question = _ask(rollout, now)
        return asked, said + question
    left, summary = _leave(rollout, judgement if judged else None, now)
    return left, said + summary


def _ask(rollout: Rollout, now: float) -> Change:
    """Ask once; silence past the rule's time-out is never a yes."""
    rule = rollout.approvals_rule
    if rollout.asked_at is None:
        asked = replace(rollout, asked_at=now, evidence=rollout.evidence + 1)
        return asked, (_entry(now, EntryKind.ASK, f"{question(rollout)} {_needed(rollout)}"),)
    if now - rollout.asked_at <= rule.timeout or rollout.hold:
        return rollout, ()
    waited = f"Nobody approved leaving {rollout.current.name} within {rule.timeout / 60:.3g} minutes."
    if rule.on_timeout is OnTimeout.ABORT:
        return abort(rollout, BOT, waited, now)
    hold = Hold(cause=HoldCause.APPROVAL, sentence=waited, since=now, told=True)
    text = f"{waited} Routes stay as they are until somebody approves or aborts."
    return replace(rollout, hold=hold), (_entry(now, EntryKind.ALERT, text),)


def _needed(rollout: Rollout) -> str:
    count = rollout.approvals_rule.count
    return f"{count} approvals are needed." if count > 1 else "One approval is needed."


def question(rollout: Rollout) -> str:
    """What an approval of the current stage would do, as a question."""
    following = rollout.plan[rollout.stage + 1]
    target = rollout.target
    match following.phase:
        case Phase.SHIFTING:
            return f"Shift {following.routes.canary} % of the users to {rollout.version}?"
        case Phase.UPGRADING:
            return f"Upgrade {target.primary_deployment} to {rollout.version}?"
        case Phase.SWITCHING_BACK:
            return f"Return {following.routes.primary} % of the users to the upgraded {target.primary_deployment}?"
        case _:
            return f"Leave {rollout.current.name}?"


def _leave(rollout: Rollout, judgement: Judgement | None, now: float) -> Change:
    """On to the next stage, or to the end."""
    stage, walk = rollout.current, rollout.retreat or rollout.plan
    said = () if judgement is None else (_entry(now, EntryKind.SUMMARY, summary(rollout, judgement)),)
    if rollout.stage + 1 < len(walk):
        following = walk[rollout.stage + 1]
        entered = _enter(rollout, following.phase, rollout.stage + 1, now)
        if following.release:
            return entered, said
        return entered, (*said, _entry(now, EntryKind.STAGE, f"{following.name}: {_doing(entered)}."))
    minutes = (now - rollout.started_at) / 60
    if rollout.phase is Phase.ABORTING:
        text = f"{rollout.service} {rollout.version} is aborted: all users are on the old version. {rollout.reason}"
        return _enter(rollout, Phase.ABORTED, rollout.stage, now), (*said, _entry(now, EntryKind.ENDED, text))
    upgraded = f"the upgraded {rollout.target.primary_deployment}"
    where = upgraded if stage.template is Template.UPGRADED else rollout.target.canary_deployment
    text = f"{rollout.service} {rollout.version} is promoted: all users are on {where}. It took {minutes:.1f} minutes."
    return _enter(rollout, Phase.PROMOTED, rollout.stage, now), (*said, _entry(now, EntryKind.ENDED, text))


def summary(rollout: Rollout, judgement: Judgement) -> str:
    """The metric summary of a stage that was left: one sentence per gate."""
    lines = " ".join(finding.sentence for finding in judgement.findings)
    return f"{rollout.current.name} passed. {lines}"


def _doing(rollout: Rollout) -> str:
    stage, target = rollout.current, rollout.target
    if rollout.phase is Phase.UPGRADING:
        return f"{target.primary_deployment} gets the image of {rollout.version}"
    if rollout.phase is Phase.ABORTING and stage.routes == ALL_CANARY:
        return f"restoring {target.primary_deployment}"
    return f"users {stage.routes.primary} % primary, {stage.routes.canary} % canary"


def describe(rollout: Rollout) -> str:
    """Where a rollout is, as half a sentence for people."""
    if rollout.phase is Phase.HALTED:
        return f"it is halted ({rollout.reason.rstrip('.')})"
    if rollout.ended:
        return f"it has ended ({rollout.phase})"
    if rollout.paused_by:
        return f"it is paused at {rollout.current.name}"
    if rollout.hold:
        return f"it holds at {rollout.current.name} ({rollout.hold.sentence.rstrip('.')})"
    return f"it is at {rollout.current.name} and being judged" if rollout.phase in JUDGED else f"it is {rollout.phase}"


# --- the few lines everything above goes through ---------------------------------------------------------------------


def _enter(rollout: Rollout, phase: Phase, stage: int, now: float, **changes: Any) -> Rollout:
    """The only way to change a phase or a stage: through the table, with everything about the old stage forgotten."""
    if phase not in TRANSITIONS[rollout.phase]:
        raise Refusal(f"{rollout.service} cannot go from {rollout.phase} to {phase}.")
    entered = replace(
        rollout,
        phase=phase,
        stage=stage,
        since=now,
        settled_at=None,
        asked_at=None,
        approvals=(),
        evidence=rollout.evidence + 1,
        hold=None,
        **changes,
    )
    return replace(entered, ended_at=now) if entered.ended else entered


def _hold(rollout: Rollout, cause: HoldCause, sentence: str, now: float) -> Change:
    """Hold, or go on holding; the channel is asked once when the patience runs out (drift at once)."""
    hold = rollout.hold
    if hold is None or hold.cause is not cause:
        held = replace(rollout, hold=Hold(cause=cause, sentence=sentence, since=now, told=cause is HoldCause.DRIFT))
        if cause is HoldCause.DRIFT:
            return held, (_entry(now, EntryKind.ALERT, f"{sentence} Restore, or abort; until then nothing advances."),)
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


def _entry(now: float, kind: EntryKind, text: str, by: UserId = BOT) -> Entry:
    return Entry(at=now, kind=kind, text=text, by=by)


def _refuse_ended(rollout: Rollout) -> None:
    if rollout.ended:
        raise Refusal(f"{rollout.service} {rollout.version} has ended ({rollout.phase}).")


def _refuse_not_halted(rollout: Rollout) -> None:
    _refuse_ended(rollout)
    if rollout.phase is not Phase.HALTED:
        raise Refusal(f"{rollout.service} is not halted: {describe(rollout)}.")


_RULES: tuple[Callable[[Rollout, Sight | None, Judgement, float], Change], ...] = (
    _note,
    _danger,
    _canary_gone,
    _see,
    _upgrade_fails,
    _advance,
)
