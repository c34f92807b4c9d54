"""Block Kit in our words: the few shapes we use, cut to Slack's limits. Pure, and without any opinion on content.

What people or clusters wrote goes into ``rich_text`` (shown as it is, nothing in it is markup) or through ``escape``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bot.words.rendering import Part, Voice, as_plain, parts, utc
from bot.words.sentence import Channel, Code, Moment, Person, Text

Block = dict[str, Any]
Element = dict[str, Any]

MOST_BLOCKS = 50
MOST_CHARACTERS = 10_000  # Slack refuses somewhere above 13,000, and does not say how it counts
LONGEST_TEXT = 3000

_LAST_MOMENT = 253_402_300_800  # the end of the year 9999, seconds since the epoch
# What opens or closes bold, italics or a strike; code anywhere; a quotation where a line begins; and an emoji.
_MARKUP = re.compile(r"(?<!\w)[*_~]|[*_~](?!\w)|`|^[>\uff1e]|:(?=[a-z+-][\w+'-]*:)", re.MULTILINE)
_ALIKE = {"*": "\N{ASTERISK OPERATOR}", "_": "\N{MODIFIER LETTER LOW MACRON}", "~": "\N{TILDE OPERATOR}"} | {
    "`": "\N{MODIFIER LETTER GRAVE ACCENT}",
    ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    "\uff1e": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    ":": "\N{RATIO}",
}
_PERSON = re.compile(r"[UW][A-Z0-9]{2,}")
_ID_IN_TEXT = re.compile(r"\b[UW](?=[A-Z0-9]*[0-9])[A-Z0-9]{5,}\b")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")
_CHANNEL = re.compile(r"[CG][A-Z0-9]{6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is posted.

    Attributes:
        text: a whole sentence for notifications and screen readers; they see nothing else.
        plain: the same with blocks that every workspace takes, for those that refuse the newer ones.
    """

    text: str
    blocks: tuple[Block, ...]
    plain: tuple[Block, ...]


def capital(text: str) -> str:
    """The text as a heading begins."""
    return text[:1].upper() + text[1:]


def shorten(text: str, limit: int) -> str:
    """The text in at most ``limit`` characters, never empty (Slack refuses empty texts)."""
    return (text if len(text) <= limit else text[: limit - 1] + "…") or "-"


def escape(text: str) -> str:
    """Text for mrkdwn: no mention, link or command in it comes alive. Cut before escaping, never after."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def readable(sentence: str) -> str:
    """A sentence of ours as mrkdwn: escaped, and user ids in it shown as names."""
    return _ID_IN_TEXT.sub(r"<@\g<0>>", escape(sentence))


def spoken(text: Text, voice: Voice, *, bold: bool = False, limit: int = LONGEST_TEXT) -> list[Element]:
    """A sentence inside ``rich_text``: people, channels and moments as Slack draws them, all else literally."""
    elements: list[Element] = []
    for part in parts(text, voice):
        match part:
            case str():
                shown = prose(part, limit, bold=bold)
            case Person():
                shown = [person(part.person)]
            case Channel():
                shown = [channel_element(part.channel)]
            case Moment():
                shown = [date(part.moment)]
            case Code():
                shown = [{"type": "text", "text": shorten(part.code, limit), "style": {"code": True}}]
        elements += shown
        limit -= len(part) if isinstance(part, str) else 0
        if limit <= 0:
            break
    return elements or [words("")]


def mrkdwn(text: Text, voice: Voice, limit: int = LONGEST_TEXT) -> str:
    """A sentence as mrkdwn: the same, and nothing in it that somebody else wrote comes alive."""
    found = parts(text, voice)
    drawn = _all_drawn(found)
    # Half an element would be markup that nobody meant: what is too long is cut as text.
    return drawn if len(drawn) <= limit else inert(shorten(as_plain(found), limit))


def _all_drawn(found: Iterable[Part]) -> str:
    return "".join(inert(part) if isinstance(part, str) else _drawn(part) for part in found)


def inert(text: str) -> str:
    """Somebody else's text for mrkdwn: no mention, link or command, and nothing bold, struck or quoted, comes alive.

    Markup that Slack's mrkdwn has no escape for is written with signs that look alike, where it could open or close.
    """
    return escape(_MARKUP.sub(lambda found: _ALIKE[found[0]], text))


def _drawn(part: Person | Channel | Moment | Code) -> str:
    match part:
        case Moment():
            return date_mrkdwn(part.moment, "{date_short_pretty} {time}")
        case Code():
            # A line break would end it, and what follows would be markup again.
            return f"`{escape(' '.join(part.code.split())).replace('`', _ALIKE['`'])}`"
        case Person():
            return _mention(part.person)
        case Channel():
            return f"<#{part.channel}>" if _CHANNEL.fullmatch(part.channel) else inert(part.channel)


def _mention(person: str) -> str:
    if _PERSON.fullmatch(person):
        return f"<@{person}>"
    return f"<!subteam^{person}>" if _GROUP.fullmatch(person) else inert(person)


def fits(blocks: Sequence[Block]) -> bool:
    """Whether a message may hold these blocks, counted in the strictest way there is: as they are sent."""
    return len(blocks) <= MOST_BLOCKS and len(json.dumps(list(blocks), ensure_ascii=False)) <= MOST_CHARACTERS


def separated(by: str, elements: Sequence[Element]) -> list[Element]:
    """The elements with this text in front of them; [] stays []."""
    return [words(by), *elements] if by and elements else list(elements)


def filled(start: Sequence[Block], more: Iterable[Block], rest: Callable[[int], str]) -> tuple[Block, ...]:
    """``start`` with as many of ``more`` as a message may hold, and ``rest`` about how many are left out."""
    kept, added = list(start), list(more)
    for number, block in enumerate(added):
        left_out = context(rest(len(added) - number))
        if not fits([*kept, block, left_out]):
            return (*kept, left_out)
        kept.append(block)
    return tuple(kept)


# Blocks


def header(text: str) -> Block:
    """A heading; plain text, so nothing needs escaping."""
    return {"type": "header", "text": plain(text, 150)}


def section(mrkdwn: str) -> Block:
    """A paragraph of mrkdwn that is already escaped."""
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def context(mrkdwn: str) -> Block:
    """Small print, mrkdwn, already escaped."""
    return {"type": "context", "elements": [_mrkdwn(mrkdwn)]}


def _mrkdwn(text: str) -> Element:
    """Verbatim: no address in it becomes a link, and no name a mention, but what is written as one."""
    return {"type": "mrkdwn", "text": shorten(text, LONGEST_TEXT), "verbatim": True}


def actions(buttons: Iterable[Element]) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


def rich_text(*elements: Element) -> Block:
    """One paragraph in which nothing is parsed."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


def rich_list(items: Iterable[Sequence[Element]]) -> Block:
    """Bullet points."""
    points = [{"type": "rich_text_section", "elements": list(item)} for item in items]
    return {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": points}]}


def data_table(caption: str, rows: Sequence[Sequence[str]]) -> Block:
    """A native table; the first row is its header."""
    cells = [[{"type": "raw_text", "text": shorten(cell, 200)} for cell in row] for row in rows]
    return {
        "type": "data_table",
        "caption": shorten(caption, 150),
        "page_size": min(max(len(rows), 5), 20),
        "rows": cells,
    }


# Elements


def plain(text: str, limit: int = 75) -> Element:
    """A plain text object."""
    return {"type": "plain_text", "text": shorten(text, limit), "emoji": False}


def words(text: str, *, bold: bool = False, limit: int = LONGEST_TEXT) -> Element:
    """Literal text inside ``rich_text``."""
    element: Element = {"type": "text", "text": shorten(text, limit)}
    return {**element, "style": {"bold": True}} if bold else element


def prose(text: str, limit: int, *, bold: bool = False) -> list[Element]:
    """Literal text that may be longer than one element."""
    whole = shorten(text, limit)
    return [words(whole[start : start + LONGEST_TEXT], bold=bold) for start in range(0, len(whole), LONGEST_TEXT)]


def named(text: str, limit: int) -> list[Element]:
    """A sentence of ours inside ``rich_text``, with the user ids in it shown as names."""
    whole = shorten(text, limit)
    edges = [0, *(edge for found in _ID_IN_TEXT.finditer(whole) for edge in found.span()), len(whole)]
    elements: list[Element] = []
    for number, (start, end) in enumerate(pairwise(edges)):  # text and ids take turns, text first and last
        part = whole[start:end]
        elements += [person(part)] if number % 2 else prose(part, limit) if part else []
    return elements


def person(user: str) -> Element:
    """A mention of a user or a group if it is an id, else its name (``canary-bot``, ``@release-managers``)."""
    if _PERSON.fullmatch(user):
        return {"type": "user", "user_id": user}
    if _GROUP.fullmatch(user):
        return {"type": "usergroup", "usergroup_id": user}
    return words(user, limit=100)


def channel_element(channel: str) -> Element:
    """A channel, as a link where its id is known."""
    if _CHANNEL.fullmatch(channel):
        return {"type": "channel", "channel_id": channel}
    return words(channel, limit=100)


def date(at: float, form: str = "{date_short_pretty} {time}") -> Element:
    """A moment, shown in the reader's own time zone; as text where no calendar has it."""
    if not 0 <= at < _LAST_MOMENT:
        return words(utc(at))
    return {"type": "date", "timestamp": int(at), "format": form, "fallback": utc(at)}


def date_mrkdwn(at: float, form: str = "{time}") -> str:
    """The same for mrkdwn."""
    if not 0 <= at < _LAST_MOMENT:
        return inert(utc(at))
    return f"<!date^{int(at)}^{form}|{utc(at)}>"


def button(
    label: str, action_id: str, value: str, *, style: str | None = None, confirm: Element | None = None
) -> Element:
    """A button; at most one of a message is ``primary``."""
    element: Element = {"type": "button", "action_id": action_id, "text": plain(label), "value": shorten(value, 2000)}
    if style is not None:
        element["style"] = style
    if confirm is not None:
        element["confirm"] = confirm
    return element


def confirm(title: str, text: str, verb: str, cancel: str) -> Element:
    """The dialog in front of a button. Client-side comfort: nothing proves that one was shown."""
    return {
        "title": plain(title, 100),
        "text": plain(text, 300),
        "confirm": plain(verb, 30),
        "deny": plain(cancel, 30),
    }
