"""How a phase or a stage is changed: the table of what may follow what, and the one function that goes through it."""

from __future__ import annotations

from typing import Any

from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.figures import SideFigures, Verdict
from bot.model.rollout import BOT, ENDED, JUDGED, MOST_WALKED, Phase, Rollout, StageOutcome, UserId, Walked
from bot.model.story import Entry, EntryKind
from bot.rollout.phrases import describe
from bot.words.sentence import Code, Text, said

Change = tuple[Rollout, tuple[Entry, ...]]

# What a phase may become. A phase that may follow itself has more than one stage.
_TABLE: dict[Phase, frozenset[Phase]] = {
    Phase.PREFLIGHT: frozenset({Phase.MIRRORING, Phase.SHIFTING, Phase.REFUSED}),
    Phase.MIRRORING: frozenset({Phase.SHIFTING, Phase.ABORTING}),
    Phase.SHIFTING: frozenset({Phase.MIRRORING, Phase.SHIFTING, Phase.UPGRADING, Phase.BAKING, Phase.ABORTING}),
    Phase.UPGRADING: frozenset({Phase.SWITCHING_BACK, Phase.HALTED, Phase.ABORTING}),
    Phase.SWITCHING_BACK: frozenset({Phase.SWITCHING_BACK, Phase.BAKING, Phase.ABORTING}),
    Phase.BAKING: frozenset({Phase.BAKING, Phase.PROMOTED, Phase.ABORTING}),
    Phase.ABORTING: frozenset({Phase.ABORTING, Phase.ABORTED, Phase.HALTED}),
    Phase.HALTED: frozenset({Phase.UPGRADING, Phase.ABORTING, Phase.BAKING}),
    Phase.PROMOTED: frozenset(),
    Phase.ABORTED: frozenset(),
    Phase.REFUSED: frozenset(),
    Phase.ABANDONED: frozenset(),
}

# A person may take a rollout out of our hands wherever it is; before its first stage there is nothing to take.
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    phase: following if phase in ENDED | {Phase.PREFLIGHT} else following | {Phase.ABANDONED}
    for phase, following in _TABLE.items()
}


def enter(rollout: Rollout, phase: Phase, stage: int, now: float, **changes: Any) -> Rollout:
    """The only way to change a phase or a stage: through the table.

    What is about the old stage alone is forgotten: since when it was there, its question and approvals, its holds, a
    drift, restarts, shortages, and that only its webhooks keep it. Whether the primary was touched is remembered,
    whatever comes.
    """
    if phase not in TRANSITIONS[rollout.phase]:
        there, then = Code(rollout.phase), Code(phase)
        raise Refusal(said("rollout.no_such_step", service=rollout.spec.service, there=there, then=then))
    entered = replace(
        replace(rollout, touched=rollout.primary_touched),
        phase=phase,
        stage=stage,
        since=now,
        settled_at=None,
        asked_at=None,
        question=None,
        asked=(),
        called_at=None,
        reminded=False,
        doubt=None,
        came_from=changes.pop("came_from", ()),
        asked_for=0.0,
        withdrawn=0,
        asked_on="",
        renewed=None,
        approvals=(),
        evidence=rollout.evidence + 1,
        hold=None,
        others=(),
        drift=None,
        restoring_at=None,
        restarts=None,
        shortage=None,
        gate_at=None,
        arrived_at=None,
        walked=_walked(rollout, phase, now),
        **changes,
    )
    if "touched" not in changes:
        entered = replace(entered, touched=entered.primary_touched)
    return replace(entered, ended_at=now) if entered.ended else entered


def _walked(rollout: Rollout, phase: Phase, now: float) -> tuple[Walked, ...]:
    """What is remembered of the stages so far, with the one that is being left."""
    if rollout.phase is Phase.PREFLIGHT or rollout.current.release:
        return rollout.walked
    judgement, same = rollout.judgement, rollout.analysis_state.stage == rollout.current.name
    figures = judgement.figures if judgement is not None and same else None
    left = Walked(
        name=rollout.current.name,
        outcome=_outcome(rollout, phase),
        began=rollout.since,
        ended=now,
        settled_at=rollout.settled_at,
        canary=counts(figures.canary if figures else None),
        primary=counts(figures.primary if figures else None),
        approvals=rollout.approvals,
    )
    return (*rollout.walked, left)[-MOST_WALKED:]


def _outcome(rollout: Rollout, phase: Phase) -> StageOutcome:
    """How the stage it is in would be left for ``phase``."""
    if phase in _BROKEN_OFF and not (phase is Phase.ABORTING and rollout.retreat):
        return _BROKEN_OFF[phase]
    if rollout.judgement is not None and rollout.judgement.home:
        return StageOutcome.IN_DOUBT
    if rollout.phase not in JUDGED or rollout.judgement is None or not rollout.current.routes.compared:
        return StageOutcome.DONE
    if rollout.judgement.verdict is not Verdict.PASS:
        return StageOutcome.IN_DOUBT
    return StageOutcome.PASSED if rollout.judgement.proven else StageOutcome.TIME_UP


_BROKEN_OFF = {
    Phase.ABORTING: StageOutcome.ABORTED,
    Phase.HALTED: StageOutcome.HALTED,
    Phase.ABANDONED: StageOutcome.ABANDONED,
}


def counts(side: SideFigures | None) -> tuple[float, float] | None:
    """Requests and errors, as they are remembered of a stage; None: not known."""
    return None if side is None else (side.requests, side.errors)


def withdraw(rollout: Rollout, now: float) -> Rollout:
    """The question that stands is taken back, with its approvals; its time goes on when it stands again."""
    stood = 0.0 if rollout.asked_at is None else now - rollout.asked_at
    return replace(
        rollout,
        asked_at=None,
        question=None,
        asked_for=rollout.asked_for + stood,
        withdrawn=rollout.withdrawn + (rollout.asked_at is not None),
        asked_on="",
        approvals=(),
        evidence=rollout.evidence + 1,
    )


def refuse_ended(rollout: Rollout) -> None:
    """Let nobody change what is over.

    Raises:
        Refusal: it has ended.
    """
    if rollout.ended:
        spec = rollout.spec
        raise Refusal(said("rollout.has_ended", service=spec.service, version=spec.version, how=describe(rollout)))


def entry(now: float, kind: EntryKind, text: Text, by: UserId = BOT, *, stage: str = "", gist: Text = "") -> Entry:
    """One line of the story; what is read off it later stands in fields of its own (``Entry``)."""
    return Entry(at=now, kind=kind, text=text, by=by, stage=stage, gist=gist)
