"""What is said about freezes: the announcement that everybody sees, and the lines in answers. Pure.

The reason is somebody's own words: it stands in ``rich_text``, where nothing is parsed, and is escaped everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.freeze import ALL, Freeze, freeze_sentence, moment
from bot.model.rollout import Rollout, UserId
from bot.slack import blocks as b
from bot.slack import wording
from bot.slack.blocks import Block, Element, Message

MOST_NAMED = 10
SHORT = 150  # characters of a reason in a list


def begun(freeze: Freeze, replaced: Freeze | None, live: Sequence[Rollout], command: str) -> Message:
    """Somebody froze something. ``live`` is what goes on all the same."""
    end = f" until {moment(freeze.until, freeze.since)}" if freeze.until is not None else ""
    text = f"{b.readable(f'{freeze.by} froze {freeze.what}{end}: ')}{b.escape(freeze.reason)}"
    blocks = [b.rich_text(b.person(freeze.by), b.words(" froze "), *_subject(freeze), *_end(freeze), *_why(freeze))]
    if replaced is not None:
        before = [b.words("It replaces the freeze by "), b.person(replaced.by), *_end(replaced), *_why(replaced)]
        blocks.append(b.rich_text(*before))
    ends = f"`{command} unfreeze {freeze.scope}` ends it."
    blocks.append(b.context(b.escape(f"Nothing is started meanwhile. {ends} {_going_on(live)}".strip())))
    return Message(text=text, blocks=tuple(blocks), plain=tuple(blocks))


def ended(freeze: Freeze, by: UserId, left: Sequence[Freeze]) -> Message:
    """Somebody ended a freeze; ``left`` are those that still stop something of the same."""
    whose = [] if by == freeze.by else [b.words(" (frozen by "), b.person(freeze.by), b.words(")")]
    text = f"{b.readable(f'{by} unfroze {freeze.what}, frozen by {freeze.by}: ')}{b.escape(freeze.reason)}"
    blocks = [b.rich_text(b.person(by), b.words(" unfroze "), *_subject(freeze), *whose, *_why(freeze))]
    if left:
        blocks.append(b.section("Still frozen:"))
        blocks = [*b.filled(blocks, [b.rich_list([line(one)]) for one in left], lambda more: f"and {more} more")]
    return Message(text=text, blocks=tuple(blocks), plain=tuple(blocks))


def listed(freezes: Sequence[Freeze]) -> list[Block]:
    """A freeze on each line."""
    return [b.rich_list([line(freeze)]) for freeze in freezes]


def warning() -> Block:
    """What being frozen means, above a list of freezes."""
    return b.section("*Frozen*: nothing of this is started before it is over.")


def board(freezes: Sequence[Freeze], command: str) -> list[Block]:
    """Freezes on a form or a page that is about something else: some of them, and where all are; [] without any."""
    if not freezes:
        return []
    left = len(freezes) - MOST_NAMED
    more = [b.context(f"and {left} more; `{command} services` shows them all")] if left > 0 else []
    return [warning(), *listed(freezes[:MOST_NAMED]), *more]


def line(freeze: Freeze) -> list[Element]:
    """A freeze on one line."""
    since = [b.words(" frozen since "), b.date(freeze.since), b.words(" by "), b.person(freeze.by)]
    return [*_subject(freeze), *since, *_end(freeze), *_why(freeze, SHORT)]


def not_frozen(scope: str, freezes: Sequence[Freeze], command: str) -> str:
    """Why there is nothing to end; ``freezes`` is what is frozen instead."""
    which = "There is no freeze of all services" if scope == ALL else f"{scope} has no freeze of its own"
    if not freezes:
        return f"{which}, and nothing else is frozen."
    others = ", ".join(str(freeze.what) for freeze in freezes[:MOST_NAMED])
    return f"{which}. Frozen: {others}. `{command} services` shows by whom and why."


def not_theirs(freeze: Freeze, refusal: str) -> str:
    """Why somebody may not end or replace the freeze, and who may; ``refusal`` says why they are no approver."""
    approvers = "an approver of any service" if freeze.scope == ALL else f"an approver of {freeze.scope}"
    return f"{freeze_sentence(freeze)} Only {freeze.by} or {approvers} may end or replace it. {refusal}"


def _subject(freeze: Freeze) -> list[Element]:
    return [b.words(str(freeze.what), bold=True, limit=100)]


def _end(freeze: Freeze) -> list[Element]:
    return [b.words(", until somebody ends it")] if freeze.until is None else [b.words(" until "), b.date(freeze.until)]


def _why(freeze: Freeze, limit: int = b.LONGEST_TEXT) -> list[Element]:
    return [b.words(f": {b.shorten(freeze.reason, limit)}")]


def _going_on(live: Sequence[Rollout]) -> str:
    if not live:
        return ""
    names = ", ".join(wording.title(rollout) for rollout in live[:MOST_NAMED])
    more = f" and {len(live) - MOST_NAMED} more" if len(live) > MOST_NAMED else ""
    verb = "goes" if len(live) == 1 else "go"
    return f"In flight already, {names}{more} {verb} on: still watched, and aborted if figures are bad."
