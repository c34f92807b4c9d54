"""Every regular expression of the bot's takes time in proportion to the text, whatever the text: none goes back over
it from each of its characters.

While one is looked for, no other thread runs, so a text that somebody else writes would stop everything.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

import bot
from bot import redaction
from bot.model.errors import Refusal
from bot.slack import parsing

LONG = 8_000  # characters; what goes back over the text takes seconds for so many, everything else milliseconds
MOST = 0.3  # seconds of processor time
SIGNS = " \n-_./:@%\\\"'<>|*&0a"
ENDS = ("", "x", "\x00!", "x ")
# Which take the text from its beginning only, and what for.
ANCHORED = {"bot.adapters.serialization"}  # how a stored line begins

SECRETS = (
    "p@ss-w0rd!/with\\slash",
    "\\\\ab\\-cd-ef",
    "----4bcdefgh----",
    "line \n of\nseveral\t",
    "%%\\%5Cab%cd",
    "K" * 300,
)


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Those that stand in modules, alone or in tables."""
    for module in pkgutil.walk_packages(bot.__path__, "bot."):
        if module.name == "bot.__main__" or module.name in ANCHORED:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for place, one in enumerate(_inside(value)):
                yield f"{module.name}.{name}.{place}", one


def _inside(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _inside(one)
    elif isinstance(value, dict):
        yield from _inside(tuple(value.values()))


def texts(pattern: str) -> Iterator[str]:
    """Signs and the pattern's own words, over and over, with something before and behind."""
    words = re.findall(r"[A-Za-z0-9:/<>@!.-]{2,}", pattern)
    for piece in (*SIGNS, *words, *(word[:3] for word in words)):
        many = (piece * (LONG // len(piece) + 1))[:LONG]
        for end in ENDS:
            yield many + end
            yield f"0{many}{end}"


@pytest.mark.parametrize("pattern", [pytest.param(one, id=name) for name, one in patterns()])
def test_no_pattern_goes_back_over_a_text_from_each_of_its_characters(pattern: re.Pattern[str]) -> None:
    for text in texts(pattern.pattern):
        began = time.thread_time()
        pattern.sub("", text)

        assert time.thread_time() - began < MOST, text[:20]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("piece", ["\\", "%5C", "%255c", "\\u005c", "%", "-", " ", "\n", "K", "a-", "eyJ", "xoxb-"])
def test_hiding_a_secret_takes_no_longer_for_what_its_forms_begin_with(secret: str, piece: str) -> None:
    known = redaction._Known(secret)  # what others the process knows is no part of this
    text = (piece * LONG)[:LONG]
    for end in ("", "".join(re.findall("[A-Za-z0-9]+", secret))):
        began = time.thread_time()
        known.hide_in(text + "%" + end)

        assert time.thread_time() - began < MOST, text[:20]


@pytest.mark.parametrize("typed", ["x" + "-" * LONG + "x", "start reviews v2 --because a" + "'" * LONG + "b"])
def test_a_command_of_punctuation_is_read_at_once(typed: str) -> None:
    began = time.thread_time()
    with suppress(Refusal):
        parsing.parse(typed, ("reviews",))

    assert time.thread_time() - began < MOST
