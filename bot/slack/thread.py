"""The lines in a rollout's thread: which entry of its story is said, how loudly, and to whom. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.rollout import BOT, Entry, EntryKind, Phase, Rollout, Stage
from bot.rollout.phrases import called
from bot.slack import blocks as b
from bot.slack import figures, wording
from bot.slack.blocks import Element, Message
from bot.words.rendering import ENGLISH
from bot.words.said import Person, Said

# Also shown in the channel: a person is wanted, or everybody should know.
LOUD = frozenset({EntryKind.ABORTING, EntryKind.HALTED, EntryKind.ALERT, EntryKind.ENDED})
# The card itself says it.
SILENT = frozenset({EntryKind.STARTED})

_ASKS_APPROVERS = frozenset({EntryKind.ASK, EntryKind.HALTED, EntryKind.ALERT, EntryKind.ABORTING})
_NOTIFIES_STARTER = frozenset({EntryKind.ABORTING, EntryKind.HALTED, EntryKind.ALERT, EntryKind.ENDED})
_SAME_RECONCILE = 60.0  # seconds: a judgement this much older than its summary still belongs to it
_MOST_MENTIONS = 10
_LONGEST = 4000  # characters: what preflight doubted is in the question whole, rules to paste included


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadMessage:
    """A thread reply; ``broadcast`` shows it in the channel too."""

    message: Message
    broadcast: bool


def line(rollout: Rollout, entry: Entry, approvers: Sequence[str] = ()) -> ThreadMessage | None:
    """What is said about an entry, or None where the card is enough.

    Args:
        rollout: whose story it is, as it is now; it may be further on than the entry.
        entry: what happened.
        approvers: ids of users and groups, or names where the ids are not known.
    """
    if entry.kind in SILENT:
        return None
    loud, refused = entry.kind in LOUD, rollout.phase is Phase.REFUSED
    elements = [
        *_lead(rollout, entry, loud=loud),
        *_sentence(entry, refused=refused),
        *_mentions(rollout, entry, approvers),
    ]
    blocks = [b.rich_text(*elements)]
    plain = list(blocks)
    stage = _summarised(rollout, entry)
    if stage is not None and rollout.judgement is not None:
        judged = figures.judged_primary(rollout, stage.phase)
        blocks.append(figures.table(rollout.judgement, f"Checks of {called(stage)}", primary_is_judged=judged))
        plain.append(figures.plain_table(rollout.judgement, primary_is_judged=judged))
    text = b.escape(f"{wording.title(rollout)}: ") + b.mrkdwn(entry.text, ENGLISH, 1000)
    if refused:
        text = b.readable(b.shorten(f"{wording.title(rollout)}: {entry.text}", 1000))
    return ThreadMessage(message=Message(text=text, blocks=tuple(blocks), plain=tuple(plain)), broadcast=loud)


def _lead(rollout: Rollout, entry: Entry, *, loud: bool) -> list[Element]:
    """In the channel the line stands alone and must name its rollout; in the thread it must name who did it."""
    lead = [b.words(f"{wording.title(rollout)}: ", bold=True, limit=300)] if loud else []
    return lead if entry.by == BOT or _names(entry) else [*lead, b.person(entry.by), b.words(": ")]


def _names(entry: Entry) -> bool:
    """Whether the sentence itself says who did it."""
    return isinstance(entry.text, Said) and Person(entry.by) in entry.text.args.values()


def _sentence(entry: Entry, *, refused: bool) -> list[Element]:
    if refused:
        return b.named(str(entry.text), _LONGEST)
    return b.spoken(entry.text, ENGLISH, limit=_LONGEST)


def _mentions(rollout: Rollout, entry: Entry, approvers: Sequence[str]) -> list[Element]:
    wanted: list[str] = [rollout.spec.started_by] if entry.kind in _NOTIFIES_STARTER else []
    if entry.kind in _ASKS_APPROVERS:
        wanted += approvers
    wanted = [who for who in dict.fromkeys(wanted) if who != entry.by][:_MOST_MENTIONS]
    return [part for who in wanted for part in (b.words(" "), b.person(who))]


def _summarised(rollout: Rollout, entry: Entry) -> Stage | None:
    """The stage a summary is about, while its figures are still the rollout's newest."""
    judgement = rollout.judgement
    if entry.kind is not EntryKind.SUMMARY or judgement is None or not judgement.findings:
        return None
    if not 0 <= entry.at - judgement.at <= _SAME_RECONCILE:
        return None
    return next((stage for stage in rollout.spec.plan if stage.name == entry.stage), None)
