"""What is said about freezes: the announcement that everybody sees, and the lines in answers. Pure.

The reason is somebody's own words: it stands in ``rich_text``, where nothing is parsed, and is escaped everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.model.freeze import ALL, Freeze, freeze_sentence
from bot.model.rollout import Rollout, UserId
from bot.slack import blocks as b
from bot.slack import wording
from bot.slack.blocks import Block, Element, Message
from bot.words.rendering import ENGLISH, Voice
from bot.words.sentence import Moment, Person, Text, TypedIn, said, together

MOST_NAMED = 10
SHORT = 150  # characters of a reason in a list


def begun(freeze: Freeze, replaced: Freeze | None, live: Sequence[Rollout], voice: Voice = ENGLISH) -> Message:
    """Somebody froze something. ``live`` is what goes on all the same."""
    meanwhile: list[Text] = [said("slack.freeze_meanwhile", command=TypedIn(f"unfreeze {freeze.scope}"))]
    meanwhile += [said("slack.freeze_replaces", who=Person(replaced.by), reason=_short(replaced))] if replaced else []
    meanwhile += [_going_on(live)] if live else []
    sentence = _begun(freeze)
    blocks = (b.rich_text(*b.spoken(sentence, voice)), *(b.rich_text(*b.spoken(one, voice)) for one in meanwhile))
    return Message(text=b.mrkdwn(sentence, voice), blocks=blocks, plain=blocks)


def _begun(freeze: Freeze) -> Text:
    who, what, reason = Person(freeze.by), freeze.what, freeze.reason
    if freeze.until is None:
        return said("slack.froze", who=who, what=what, reason=reason)
    return said("slack.froze_until", who=who, what=what, until=Moment(freeze.until), reason=reason)


def ended(freeze: Freeze, by: UserId, left: Sequence[Freeze], voice: Voice = ENGLISH) -> Message:
    """Somebody ended a freeze; ``left`` are those that still stop something of the same."""
    who, whose, what, reason = Person(by), Person(freeze.by), freeze.what, freeze.reason
    sentence = (
        said("slack.unfroze", who=who, what=what, reason=reason)
        if by == freeze.by
        else said("slack.unfroze_theirs", who=who, what=what, whose=whose, reason=reason)
    )
    blocks = [b.rich_text(*b.spoken(sentence, voice))]
    if left:
        blocks.append(b.section(b.mrkdwn(said("slack.still_frozen"), voice)))
        more = [b.rich_list([line(one, voice)]) for one in left]
        blocks = [*b.filled(blocks, more, lambda n: b.mrkdwn(said("slack.more", n=n), voice))]
    return Message(text=b.mrkdwn(sentence, voice), blocks=tuple(blocks), plain=tuple(blocks))


def listed(freezes: Sequence[Freeze], voice: Voice = ENGLISH) -> list[Block]:
    """A freeze on each line."""
    return [b.rich_list([line(freeze, voice)]) for freeze in freezes]


def warning(voice: Voice = ENGLISH) -> Block:
    """What being frozen means, above a list of freezes."""
    return b.rich_text(*b.spoken(said("slack.frozen_means"), voice, bold=True))


def board(freezes: Sequence[Freeze], voice: Voice = ENGLISH) -> list[Block]:
    """Freezes on a form or a page that is about something else: some of them, and where all are; [] without any."""
    if not freezes:
        return []
    left = len(freezes) - MOST_NAMED
    more = said("slack.more_in", n=left, command=TypedIn("services"))
    rest = [b.context(b.mrkdwn(more, voice))] if left > 0 else []
    return [warning(voice), *listed(freezes[:MOST_NAMED], voice), *rest]


def line(freeze: Freeze, voice: Voice = ENGLISH) -> list[Element]:
    """A freeze on one line."""
    return b.spoken(freeze_sentence(replace(freeze, reason=_short(freeze))), voice)


def not_frozen(scope: str, freezes: Sequence[Freeze]) -> Text:
    """Why there is nothing to end; ``freezes`` is what is frozen instead."""
    which = said("slack.all_not_frozen") if scope == ALL else said("slack.not_frozen", scope=scope)
    if not freezes:
        return together((which, said("slack.nothing_frozen")))
    others = tuple(freeze.what for freeze in freezes[:MOST_NAMED])
    return together((which, said("slack.others_frozen", others=others, command=TypedIn("services"))))


def not_theirs(freeze: Freeze, refusal: Text) -> Text:
    """Why somebody may not end or replace the freeze, and who may; ``refusal`` says why they are no approver."""
    who = Person(freeze.by)
    may = (
        said("slack.all_freeze_theirs", who=who)
        if freeze.scope == ALL
        else said("slack.freeze_theirs", who=who, scope=freeze.scope)
    )
    return together((freeze_sentence(freeze), may, refusal))


def _short(freeze: Freeze) -> str:
    return b.shorten(freeze.reason, SHORT)


def _going_on(live: Sequence[Rollout]) -> Text:
    names = tuple(wording.title(rollout) for rollout in live[:MOST_NAMED])
    if len(live) > MOST_NAMED:
        return said("slack.going_on_and_more", names=names, n=len(live) - MOST_NAMED)
    return said("slack.going_on", names=names, n=len(live))
