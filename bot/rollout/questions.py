"""What people are asked before a stage may be left, and when that is withdrawn. Pure.

A stage has one clock for approvals: it runs while a question stands, whichever it is. Everything is asked once in a
stage, the good figures and each kind of doubt: where the figures come and go the question is withdrawn and stands
again, and nobody is called twice for the same thing.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.figures import Judgement, Verdict
from bot.model.rollout import EntryKind, Phase, Rollout
from bot.rollout.phrases import question, unproven
from bot.rollout.transitions import Change, entry, withdraw
from bot.words.said import Text, said

GOOD, DOUBT = "good", "doubt"
FLAPS = 3  # times that a question is told to be withdrawn in a stage; the card shows it always


def ask(rollout: Rollout, judgement: Judgement, now: float, *, notified: bool = False) -> Change:
    """The question stands from now on. ``notified``: its doubts have just been said."""
    about = _about(judgement)
    before = about in rollout.asked
    asked = replace(
        rollout,
        asked_at=now,
        asked_about=about,
        asked=rollout.asked if before else (*rollout.asked, about),
        evidence=rollout.evidence + 1,
    )
    if before:
        text = said("rollout.asked_again", question=question(rollout))
        return asked, (entry(now, EntryKind.RESUMED, text),) if rollout.withdrawn <= FLAPS else ()
    needed = said("rollout.approvals_needed", n=rollout.spec.approvals_rule.count)
    notes = ("" if notified else unproven(rollout, judgement), needed, _accepts(rollout))
    text = said("rollout.asked", question=question(rollout), notes=tuple(note for note in notes if note))
    return asked, (entry(now, EntryKind.ASK, text),)


def reconsider(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """An approval that rested on better figures is withdrawn. What people were told of does not withdraw it again."""
    if rollout.asked_at is None or judgement.verdict is Verdict.PASS or _is_known_doubt(rollout, judgement):
        return rollout, ()
    text = said("rollout.withdrawn", why=judgement.sentence)
    return withdraw(rollout, now), (entry(now, EntryKind.HELD, text),) if rollout.withdrawn < FLAPS else ()


def is_overdue(rollout: Rollout, now: float) -> bool:
    """Whether questions of this stage have stood for longer than people may take."""
    standing = 0.0 if rollout.asked_at is None else now - rollout.asked_at
    return rollout.asked_for + standing > rollout.spec.approvals_rule.timeout


def _about(judgement: Judgement) -> str:
    if judgement.verdict is Verdict.PASS:
        return GOOD
    gates = (one.gate for one in judgement.findings if one.acts and one.verdict is judgement.verdict)
    return f"{DOUBT} {next(gates, '')}".rstrip()


def _is_known_doubt(rollout: Rollout, judgement: Judgement) -> bool:
    """What people are asked about in spite of a doubt is still what they were asked about while doubts last."""
    return judgement.ask and rollout.asked_about != GOOD and _about(judgement) in rollout.asked


def _accepts(rollout: Rollout) -> Text:
    """What preflight had doubts about, where leaving this stage sends the first users to it; else ""."""
    if not rollout.warnings or rollout.phase is not Phase.MIRRORING:
        return ""
    return said("rollout.known_warnings", warnings=rollout.warnings)
