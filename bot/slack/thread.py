"""The lines in a rollout's thread: which entry of its story is said, how loudly, and to whom. Pure.

One line for each stage, when it is left, with what it showed and who let it be left. What the card shows anyway is not
said again: that a stage began, and an approval that the line of its stage will name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.model.rollout import BOT, Phase, Rollout, Walked
from bot.model.story import Entry, EntryKind
from bot.model.versions import old_version
from bot.rollout import exposure
from bot.rollout.phrases import called
from bot.slack import blocks as b
from bot.slack import wording
from bot.slack.because import because
from bot.slack.blocks import Element, Message
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import Person, Sentence, Text, said, together

# Also shown in the channel: a person is wanted, or everybody should know.
LOUD = frozenset({EntryKind.ABORTING, EntryKind.HALTED, EntryKind.ALERT, EntryKind.ENDED})

_ASKS_APPROVERS = frozenset({EntryKind.ASK, EntryKind.HALTED, EntryKind.ALERT, EntryKind.ABORTING})
_NOTIFIES_STARTER = frozenset({EntryKind.ABORTING, EntryKind.HALTED, EntryKind.ALERT, EntryKind.ENDED})
_STARTED_WITH_WARNINGS = frozenset(
    {"rollout.started_with_warnings", "rollout.opened_with_warnings", "rollout.started_drill"}
)
_APPROVED = frozenset({"rollout.approved", "rollout.approved_anyway", "rollout.approved_without_webhook"})
_DRILL = "rollout.drill_judged"  # why a drill is aborted, where all goes as it should
_MOST_MENTIONS = 10
_LONGEST = 4000  # characters: what preflight doubted is in the first line whole, rules to paste included


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadMessage:
    """A thread reply; ``broadcast`` shows it in the channel too."""

    message: Message
    broadcast: bool


def line(rollout: Rollout, entry: Entry, approvers: Sequence[str] = (), voice: Voice = ENGLISH) -> ThreadMessage | None:
    """What is said about an entry, or None where the card is enough.

    Args:
        rollout: whose story it is, as it is now; it may be further on than the entry.
        entry: what happened.
        approvers: ids of users and groups, or names where the ids are not known.
        voice: the rollout's.
    """
    text = _text(rollout, entry)
    if not text:
        return None
    loud = _is_loud(rollout, entry)
    title = plain(said("slack.lead", title=wording.title(rollout)), voice)
    elements = [
        *_lead(entry, voice, title if loud else ""),
        *b.spoken(text, voice, limit=_LONGEST),
        *_mentions(rollout, entry, approvers),
        *(b.separated("\n", because(rollout, voice)) if entry.kind is EntryKind.ASK else []),
    ]
    blocks = (b.rich_text(*elements),)
    fallback = b.inert(title) + b.mrkdwn(text, voice, 1000)
    return ThreadMessage(message=Message(text=fallback, blocks=blocks, plain=blocks), broadcast=loud)


def _is_loud(rollout: Rollout, entry: Entry) -> bool:
    """Whether everybody in the channel sees it: of an abort its decision, or its end where that came at once."""
    if entry.kind is EntryKind.ENDED and rollout.phase is Phase.ABORTED and rollout.stopped is not None:
        return rollout.ended_swiftly
    return entry.loud or entry.kind in LOUD


def _text(rollout: Rollout, entry: Entry) -> Text:
    """What is said of it; "" where the card says it."""
    match entry.kind:
        case EntryKind.ABORTING:
            return "" if rollout.ended_swiftly else wording.briefly(entry.text)  # an end that came at once says it
        case EntryKind.STARTED | EntryKind.STAGE | EntryKind.APPROVED:
            return "" if _is_on_card(rollout, entry) else entry.text
        case EntryKind.SUMMARY:
            return _summary(rollout, entry)
        case EntryKind.ASK:
            return _without_warnings(entry.text)
        case EntryKind.ENDED:
            met = exposure.ledger(rollout) if rollout.phase is Phase.PROMOTED else ""
            return together((wording.briefly(entry.text), met))
    return entry.text


def _is_on_card(rollout: Rollout, entry: Entry) -> bool:
    """Whether the card, or the line of its stage, says as much. It goes by the entry alone: a line that is made again,
    when the rollout is further on, is the same.
    """
    if entry.kind is EntryKind.STARTED:
        return not (isinstance(entry.text, Sentence) and entry.text.key in _STARTED_WITH_WARNINGS)
    if entry.kind is EntryKind.STAGE:
        return entry.stage in {stage.name for stage in rollout.spec.plan}
    return _goes_with_its_stage(rollout, entry)


def _summary(rollout: Rollout, entry: Entry) -> Text:
    """A stage in one line; the last watch is told with the end, which comes in the same moment."""
    stage = next((one for one in rollout.spec.plan if one.name == entry.stage), None)
    if stage is None or stage.phase is Phase.BAKING:
        return ""
    walked = next((one for one in rollout.walked if one.name == entry.stage and one.ended == entry.at), None)
    if walked is None or not isinstance(entry.text, Sentence) or "stage" not in entry.text.args:
        return entry.gist or entry.text
    facts = tuple(fact for fact in (_sides(rollout, walked), _approvals(walked)) if fact)
    return Sentence(entry.text.key, {"stage": entry.text.args["stage"], "findings": facts or (entry.gist,)})


def _sides(rollout: Rollout, walked: Walked) -> Text:
    """What both sides answered in it, in numbers."""
    if walked.canary is None or walked.primary is None:
        return ""
    (n, bad), (others, worse) = (tuple(map(round, side)) for side in (walked.canary, walked.primary))
    target = rollout.spec.target
    canary, primary = rollout.spec.version, old_version(rollout)
    if walked.name.startswith("switchback") or canary == primary:
        canary, primary = target.canary_deployment, target.primary_deployment
    if not n or not others:  # all users were on one side
        name, requests, failed = (canary, n, bad) if n else (primary, others, worse)
        return said("slack.one_side", name=name, bad=failed, n=requests) if requests else ""
    return said("slack.sides", canary=canary, bad=bad, n=n, primary=primary, worse=worse, others=others)


def _approvals(walked: Walked) -> Text:
    if not walked.approvals:
        return ""
    return said("slack.approved_line", who=tuple(Person(one.by) for one in walked.approvals))


def _goes_with_its_stage(rollout: Rollout, entry: Entry) -> bool:
    """Whether the approval was the last one needed for a stage whose own line names who gave it."""
    if not isinstance(entry.text, Sentence) or entry.text.key not in _APPROVED:
        return False
    given, needed = entry.text.args.get("given"), entry.text.args.get("needed")
    if given != needed:
        return False
    # Nothing is judged in the upgrade, so it has no line of its own.
    stages = rollout.spec.plan
    after = {called(later) for one, later in pairwise(stages) if one.phase is Phase.UPGRADING}
    return entry.text.args.get("stage") not in after


def _without_warnings(text: Text) -> Text:
    """A question without what preflight doubted: the first line of the thread says it."""
    notes = text.args.get("notes") if isinstance(text, Sentence) else None
    if not isinstance(text, Sentence) or not isinstance(notes, tuple):
        return text
    kept = tuple(note for note in notes if not (isinstance(note, Sentence) and note.key == "rollout.known_warnings"))
    return Sentence(text.key, {**text.args, "notes": kept})


def _lead(entry: Entry, voice: Voice, title: str) -> list[Element]:
    """In the channel the line stands alone and must name its rollout; in the thread it must name who did it."""
    lead = [b.words(title, bold=True, limit=300)] if title else []
    who = [] if entry.by == BOT or _names(entry) else b.spoken(said("slack.lead", title=Person(entry.by)), voice)
    return [*lead, *who]


def _names(entry: Entry) -> bool:
    """Whether the sentence itself says who did it."""
    return isinstance(entry.text, Sentence) and Person(entry.by) in entry.text.args.values()


def is_rehearsed(rollout: Rollout, entry: Entry) -> bool:
    """Whether it tells of the abort that a drill is for: nobody has anything to do about it."""
    reason = rollout.reason
    drilled = rollout.spec.drill and isinstance(reason, Sentence) and reason.key == _DRILL
    return drilled and entry.kind in {EntryKind.ABORTING, EntryKind.ENDED}


def _mentions(rollout: Rollout, entry: Entry, approvers: Sequence[str]) -> list[Element]:
    """Whoever must act or know is called, once; of what went as planned nobody is."""
    if is_rehearsed(rollout, entry):
        return []
    starter = entry.loud or (entry.kind in _NOTIFIES_STARTER and not _is_expected(rollout, entry))
    wanted: list[str] = [rollout.spec.started_by] if starter else []
    if entry.kind in _ASKS_APPROVERS or (entry.kind is EntryKind.ENDED and rollout.ended_swiftly):
        wanted += approvers
    wanted = [who for who in dict.fromkeys(wanted) if who != entry.by][:_MOST_MENTIONS]
    return [part for who in wanted for part in (b.words(" "), b.person(who))]


def _is_expected(rollout: Rollout, entry: Entry) -> bool:
    """The end of what went well, or of an abort that they were called to."""
    over = rollout.phase is Phase.ABORTED and rollout.stopped is not None and not rollout.ended_swiftly
    return entry.kind is EntryKind.ENDED and (rollout.phase is Phase.PROMOTED or over)
