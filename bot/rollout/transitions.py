"""How a phase or a stage is changed: the table of what may follow what, and the one function that goes through it."""

from __future__ import annotations

from typing import Any

from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.rollout import BOT, ENDED, Entry, EntryKind, Phase, Rollout, UserId
from bot.words.said import Text

Change = tuple[Rollout, tuple[Entry, ...]]

# What a phase may become. A phase that may follow itself has more than one stage.
_TABLE: dict[Phase, frozenset[Phase]] = {
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
    drift, restarts and shortages. Whether the primary was touched is remembered, whatever comes.
    """
    if phase not in TRANSITIONS[rollout.phase]:
        raise Refusal(f"{rollout.spec.service} cannot go from {rollout.phase} to {phase}.")
    entered = replace(
        replace(rollout, touched=rollout.primary_touched),
        phase=phase,
        stage=stage,
        since=now,
        settled_at=None,
        asked_at=None,
        asked_about="",
        asked=(),
        asked_for=0.0,
        withdrawn=0,
        approvals=(),
        evidence=rollout.evidence + 1,
        hold=None,
        others=(),
        drift=None,
        restoring_at=None,
        restarts=None,
        shortage=None,
        **changes,
    )
    if "touched" not in changes:
        entered = replace(entered, touched=entered.primary_touched)
    return replace(entered, ended_at=now) if entered.ended else entered


def withdraw(rollout: Rollout, now: float) -> Rollout:
    """The question that stands is taken back, with its approvals; its time goes on when it stands again."""
    stood = 0.0 if rollout.asked_at is None else now - rollout.asked_at
    return replace(
        rollout,
        asked_at=None,
        asked_about="",
        asked_for=rollout.asked_for + stood,
        withdrawn=rollout.withdrawn + (rollout.asked_at is not None),
        approvals=(),
        evidence=rollout.evidence + 1,
    )


def entry(now: float, kind: EntryKind, text: Text, by: UserId = BOT, *, stage: str = "", gist: Text = "") -> Entry:
    """One line of the story; what is read off it later stands in fields of its own (``Entry``)."""
    return Entry(at=now, kind=kind, text=text, by=by, stage=stage, gist=gist)
