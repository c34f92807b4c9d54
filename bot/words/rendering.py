r"""From a sentence's value to what a person reads: in one language, as parts that are text or something Slack draws.

A template is written in the syntax of ``str.format``. Between braces stands the name of what goes in, and after a colon
how it is written, where its kind does not say it:

| written | goes in | in English | |
|---|---|---|---|
| `{who}` | any kind | `reviews`, `1,234`, `12.5 %`, `25 seconds` | by its kind |
| `{n:error\|errors}` | a number | `1 error`, `2 errors` | the counted thing behind it |
| `{n:is\|are:bare}` | a number | `is`, `are` | the word alone |
| `{names}` | several | `a, b and c` | a list |
| `{names:or}` | several | `a, b or c` | one of a list |
| `{reasons:sentences}` | several | `One. Two.` | one after the other |
| `{reasons:lines}` | several | each on a line of its own | bullets |
| `{names:commas}` | several | `a, b, c` | a list to choose from, or a long one |
| `{steps:arrows}` | several | `20 % → 40 %` | one after the other |
| `{facts:dots}` | several | `a · b` | beside each other |
| `{why:clause}` | a sentence | without its full stop | inside another sentence |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from string import Formatter

from bot.words import en, zh_cn
from bot.words.language import Language
from bot.words.sentence import Arg, Channel, Code, Item, Moment, Person, Seconds, Sentence, Share, Text, TypedIn

Part = str | Person | Channel | Moment | Code

_SIGNS = {"arrows": " → ", "dots": " · "}
_SHORT = 120  # seconds: longer times are told in minutes
_LONG = 48 * 3600  # seconds: longer times are told in days
_DRAWN = "@"  # stands for a mention, a moment, a channel or code
_HAN = re.compile(r"[\u4e00-\u9fff]")
_OTHER = re.compile(r"[A-Za-z0-9%@]")
_COUNTLESS = 10**18  # nothing that is counted or waited for comes to so much


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How it is said: the language, and what our slash command is called here."""

    language: Language = Language.ENGLISH
    command: str = "/canary"


ENGLISH = Voice()

_CATALOGUES: Mapping[Language, Mapping[str, str]] = {
    Language.ENGLISH: en.SENTENCES,
    Language.CHINESE: zh_cn.SENTENCES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grammar:
    """What a language does with lists, with several sentences, and with a full stop."""

    comma: str
    both: Mapping[str, str]
    between_sentences: str
    stops: str


_GRAMMARS: Mapping[Language, _Grammar] = {
    Language.ENGLISH: _Grammar(comma=", ", both={"": " and ", "or": " or "}, between_sentences=" ", stops="."),
    Language.CHINESE: _Grammar(comma="、", both={"": "和", "or": "或"}, between_sentences="", stops="。."),
}


def plain(text: Text, voice: Voice = ENGLISH) -> str:
    """The text as a shell or a log shows it: moments in UTC, code between backticks."""
    return as_plain(parts(text, voice))


def as_plain(parts: Iterable[Part]) -> str:
    """The same of what is rendered already."""
    return "".join(_as_plain(part) for part in parts)


def parts(text: Text, voice: Voice = ENGLISH) -> tuple[Part, ...]:
    """The text in its order, neighbouring strings joined. What is a ``str`` is literal: nothing in it is markup.

    A sentence that this version does not know (a newer one stored it) is shown as its name and what goes into it.
    """
    joined: list[Part] = []
    text_so_far: list[str] = []  # joined once: a list of thousands would be copied for each of its items
    end = ""  # the last character so far; of what Slack draws, one of its own
    for part in _rendered(text, voice) if isinstance(text, Sentence) else [text]:
        if _is_crowded(end, part):
            text_so_far.append(" ")
        end = (part[-1:] or end) if isinstance(part, str) else _DRAWN
        if isinstance(part, str):
            text_so_far.append(part)
        else:
            joined += [*_whole(text_so_far), part]
            text_so_far = []
    return (*joined, *_whole(text_so_far))


def _is_crowded(end: str, part: Part) -> bool:
    """Whether a space stands between the two: between Chinese and all that is written in other letters, or drawn."""
    begin = part[:1] if isinstance(part, str) else _DRAWN
    return bool((_HAN.match(end) and _OTHER.match(begin)) or (_OTHER.match(end) and _HAN.match(begin)))


def _whole(pieces: Iterable[str]) -> list[str]:
    """The pieces as one text; none where they are empty."""
    whole = "".join(pieces)
    return [whole] if whole else []


def _rendered(sentence: Sentence, voice: Voice) -> Iterator[Part]:
    template = _CATALOGUES[voice.language].get(sentence.key)
    if template is None:
        yield f"{sentence.key}: "
        yield from _listed(tuple(_items(sentence.args)), "", voice)
        return
    yield from filled(template, sentence.args, voice)


def filled(template: str, args: Mapping[str, Arg], voice: Voice) -> Iterator[Part]:
    """A template with these things in it; what is missing is named in brackets."""
    for literal, name, how in _parsed(template):
        if literal:
            yield literal
        if name is not None:
            yield from _written(args.get(name, f"({name})"), how, voice)


def _items(args: Mapping[str, Arg]) -> Iterator[Item]:
    for arg in args.values():
        yield from arg if isinstance(arg, tuple) else (arg,)


@cache
def _parsed(template: str) -> tuple[tuple[str, str | None, str], ...]:
    return tuple((literal, name, how or "") for literal, name, how, _ in Formatter().parse(template))


def _written(arg: Arg, how: str, voice: Voice) -> Iterator[Part]:
    if isinstance(arg, tuple):
        yield from _listed(arg, how, voice)
    elif how == "clause":
        yield from _without_stop(_one(arg, voice), _GRAMMARS[voice.language].stops)
    elif "|" in how and isinstance(arg, int | float):
        yield _counted(arg, how)
    else:
        yield from _one(arg, voice)


def _listed(items: Sequence[Item], how: str, voice: Voice) -> Iterator[Part]:
    grammar = _GRAMMARS[voice.language]
    for index, item in enumerate(items):
        if how == "lines":
            yield "\n• "
        elif index and how == "commas":
            yield grammar.comma
        elif index and how in _SIGNS:
            yield _SIGNS[how]
        elif index:
            last = index == len(items) - 1
            yield grammar.between_sentences if how == "sentences" else grammar.both[how] if last else grammar.comma
        yield from _one(item, voice)


def _one(item: Item, voice: Voice) -> Iterator[Part]:
    match item:
        case Sentence():
            yield from _rendered(item, voice)
        case Seconds():
            yield from _rendered(duration(item.seconds), voice)
        case Share():
            yield f"{item.share * 100:.3g} %"
        case TypedIn():
            yield Code(f"{voice.command} {item.typed}")
        case bool() | str():
            yield str(item)
        case int() | float():
            yield number(item)
        case _:
            yield item


def _counted(count: float, how: str) -> str:
    forms, _, bare = how.partition(":")
    one, many = forms.split("|")
    word = one if count == 1 else many
    return word if bare else f"{number(count)} {word}"


def _without_stop(parts: Iterator[Part], stops: str) -> list[Part]:
    found = list(parts)
    if found and isinstance(found[-1], str):
        found[-1] = found[-1].rstrip(stops)
    return found


def number(count: float) -> str:
    """A number for people: whole ones by thousands, others with three figures that count.

    Whole ones may be any that somebody wrote into an object, and some are greater than what arithmetic can do.
    """
    if isinstance(count, int) and not -_COUNTLESS < count < _COUNTLESS:
        return f"{Decimal(count):.3g}"
    if not isfinite(count):
        return str(count)
    return f"{count:,.0f}" if count == int(count) or abs(count) >= 1000 else f"{count:.3g}"  # noqa: PLR2004


def duration(seconds: float) -> Sentence:
    """A length of time in the unit that people would use: seconds below two minutes, then minutes, hours and days."""
    if not -_COUNTLESS < seconds < _COUNTLESS:
        return Sentence("words.endless")
    if seconds < _SHORT:
        return Sentence("words.seconds", {"n": round(seconds)})
    if seconds < 60 * _SHORT:
        return Sentence("words.minutes", {"n": _to_the_half(seconds / 60)})
    if seconds < _LONG:
        return Sentence("words.hours", {"n": _to_the_half(seconds / 3600)})
    return Sentence("words.days", {"n": _to_the_half(seconds / 86400)})


def _to_the_half(number: float) -> float:
    """2.5 minutes are told as such, 12.5 as 12: nobody counts on the half of a long time."""
    return round(number * 2) / 2 if number < 10 else round(number)  # noqa: PLR2004


def utc(at: float) -> str:
    """A moment where no reader's time zone is known; as a number where no calendar has it."""
    try:
        return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at:g}" if isinstance(at, float) else number(at)


def _as_plain(part: Part) -> str:
    match part:
        case str():
            return part
        case Person():
            return part.person
        case Channel():
            return part.channel
        case Moment():
            return utc(part.moment)
        case Code():
            return f"`{part.code}`"
