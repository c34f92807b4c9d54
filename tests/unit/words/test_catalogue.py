"""The catalogues say the same things in each language, and the code says nothing that is in none of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from bot.words import en, zh_cn

ROOT = Path(__file__).parents[3]
BOT = ROOT / "bot"
LANGUAGES = {"en": en.SENTENCES, "zh_cn": zh_cn.SENTENCES}
MOST_WORDS = 25

# Modules with sentences that are still written where they are decided. None may be added, and one that has none any
# more must go from here.
NOT_MOVED = frozenset((Path(__file__).parent / "not_moved.txt").read_text(encoding="utf-8").split())


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_language_has_the_same_sentences() -> None:
    assert set(zh_cn.SENTENCES) == set(en.SENTENCES)


@pytest.mark.parametrize("key", sorted(en.SENTENCES))
def test_every_language_puts_the_same_things_into_a_sentence(key: str) -> None:
    assert placeholders(zh_cn.SENTENCES[key]) == placeholders(en.SENTENCES[key])


# English


@pytest.mark.parametrize("key", sorted(en.SENTENCES))
def test_no_english_sentence_is_longer_than_can_be_read_at_night(key: str) -> None:
    # What goes in counts as one word, code to paste as none.
    template = re.sub(r"`[^`]*`", "", re.sub(r"\{[^}]*\}", "X", en.SENTENCES[key]))
    sentences = re.split(r"[.?!:;]\s|\n", template)
    assert max(len(sentence.split()) for sentence in sentences) <= MOST_WORDS


OURS = re.compile(
    r"\b(settled|marks|coverage|evidence|warm-?up|inconclusive|not proven|unproven|bake|looks? after)\b", re.IGNORECASE
)


@pytest.mark.parametrize("key", sorted(en.SENTENCES))
def test_no_sentence_uses_words_that_only_we_know(key: str) -> None:
    outside_code = re.sub(r"`[^`]*`|\{[^}]*\}", "", en.SENTENCES[key])
    assert not OURS.search(outside_code)


# Chinese

HAN = r"[\u4e00-\u9fff]"
WITHOUT_WORDS = {
    key
    for key, template in en.SENTENCES.items()
    if not re.search(r"[A-Za-z]", re.sub(r"\{[^}]*\}|`[^`]*`", "", template))
}


@pytest.mark.parametrize("key", sorted(en.SENTENCES.keys() - WITHOUT_WORDS))
def test_every_chinese_sentence_is_chinese_and_set_as_chinese_is(key: str) -> None:
    outside_code = re.sub(r"`[^`]*`", "码", zh_cn.SENTENCES[key])
    shown = re.sub(r"\{[^}]*\}", "文", outside_code)
    assert re.search(HAN, shown)
    assert not re.search(rf"{HAN}[,;:!?.()]|[,;:!?()]{HAN}", shown)  # punctuation beside Chinese is full-width
    assert not re.search("[\uff10-\uff19\uff05]", shown)  # digits and the percent sign are half-width


# What the code says


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(BOT.rglob("*.py")):
        if path.parent.name != "words":
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def wrong_with(call: ast.Call) -> Iterator[str]:
    names = {keyword.arg for keyword in call.keywords}
    keys = [str(node.value) for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
    if len(call.args) != 1 or not keys:
        yield "a key is written out where it is said, so that it can be found"
    for key in keys:
        if key not in en.SENTENCES:
            yield f"{key} is in no catalogue"
        elif names != placeholders(en.SENTENCES[key]):
            yield f"{key} takes {sorted(placeholders(en.SENTENCES[key]))}"


def test_what_the_code_says_is_in_the_catalogue_with_everything_that_goes_into_it() -> None:
    wrong = [
        f"{path}:{node.lineno}: {why}"
        for path, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "said"
        for why in wrong_with(node)
    ]
    assert wrong == []


def test_every_sentence_of_the_catalogue_is_said_somewhere() -> None:
    written = {
        node.value
        for path in (*BOT.rglob("*.py"),)
        if path.name not in {"en.py", "zh_cn.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(en.SENTENCES) <= written


# What is not said through it yet

_QUIET = {"debug", "info", "warning", "error", "exception", "compile", "getLogger", "bind"}
_OF_OURS_TO_US = {"ValueError", "TypeError", "KeyError", "RuntimeError", "AssertionError", "NotImplementedError"}


def is_script(text: str) -> bool:
    """Lua, for Redis."""
    return "redis.call(" in text or text.lstrip().startswith("local function ")


def is_sentence(text: str) -> bool:
    return not is_script(text) and text.count(" ") >= 3 and bool(re.search(r"[a-z]{2,} [a-z]{2,}", text))


def english_in(module: ast.Module) -> Iterator[int]:
    """Lines with an English sentence that is neither a docstring, nor for the log, nor for a programmer."""
    skipped: set[int] = set()
    for node in ast.walk(module):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            skipped.add(id(body[0].value))
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _QUIET or name in _OF_OURS_TO_US:
                skipped |= {id(part) for argument in node.args for part in ast.walk(argument)}
        if isinstance(node, ast.JoinedStr) and id(node) not in skipped:
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            skipped |= {id(part) for part in ast.walk(node)}
            if is_sentence(text):
                yield node.lineno
        elif isinstance(node, ast.Constant) and id(node) not in skipped and is_sentence(str(node.value)):
            yield node.lineno


def test_no_sentence_is_written_where_it_is_decided_but_where_it_always_was() -> None:
    found = {path for path, module in modules() if any(english_in(module))}

    assert sorted(found - NOT_MOVED) == []
    assert sorted(NOT_MOVED - found) == []
