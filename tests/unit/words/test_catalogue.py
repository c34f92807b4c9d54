"""The catalogues say the same things in each language, and the code says nothing that is in none of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from bot.words import en, zh_cn

ROOT = Path(__file__).parents[3]
BOT = ROOT / "bot"
MOST_WORDS = 25

# Modules with English where it is decided, each with the reason why it is nobody's to translate. None may be added, and
# one that has none any more must go from here.
NOT_MOVED = dict(
    line.split(maxsplit=1)
    for listed in (Path(__file__).parent / "not_moved").glob("*.txt")
    for line in listed.read_text(encoding="utf-8").splitlines()
)


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_language_has_the_same_sentences() -> None:
    assert set(zh_cn.SENTENCES) == set(en.SENTENCES)


def test_every_language_puts_the_same_things_into_a_sentence() -> None:
    assert [key for key in en.SENTENCES if placeholders(zh_cn.SENTENCES[key]) != placeholders(en.SENTENCES[key])] == []


# English


def words_of_the_longest(template: str) -> int:
    """Of the longest sentence; what goes in counts as one word, code to paste as none."""
    template = re.sub(r"`[^`]*`", "", re.sub(r"\{[^}]*\}", "X", template))
    return max(len(sentence.split()) for sentence in re.split(r"[.?!:;]\s|\n", template))


def test_no_english_sentence_is_longer_than_can_be_read_at_night() -> None:
    assert [key for key, template in en.SENTENCES.items() if words_of_the_longest(template) > MOST_WORDS] == []


OURS = re.compile(
    r"\b(settled|marks|coverage|evidence|warm-?up|inconclusive|not proven|unproven|bake|looks? after)\b", re.IGNORECASE
)


def test_no_sentence_uses_words_that_only_we_know() -> None:
    outside_code = {key: re.sub(r"`[^`]*`|\{[^}]*\}", "", template) for key, template in en.SENTENCES.items()}
    assert [key for key, template in outside_code.items() if OURS.search(template)] == []


# Chinese

HAN = r"[\u4e00-\u9fff]"
WITHOUT_WORDS = {
    key
    for key, template in en.SENTENCES.items()
    if not re.search(r"[A-Za-z]", re.sub(r"\{[^}]*\}|`[^`]*`", "", template))
}


def wrong_in_chinese(template: str) -> Iterator[str]:
    shown = re.sub(r"\{[^}]*\}", "文", re.sub(r"`[^`]*`", "码", template))
    if not re.search(HAN, shown):
        yield "not Chinese"
    if re.search(rf"{HAN}[,;:!?.()]|[,;:!?()]{HAN}", shown):
        yield "punctuation beside Chinese is full-width"
    if re.search("[\uff10-\uff19\uff05]", shown):
        yield "digits and the percent sign are half-width"
    if re.search(rf"{HAN}[A-Za-z0-9%]|[A-Za-z0-9%]{HAN}", re.sub(r"\{[^}]*\}", "{}", template)):
        yield "a space stands between Chinese and other letters"
    if re.search(rf"{HAN} {HAN}", re.sub(r"\{[^}]*\}", "{}", template)):
        yield "no space stands within Chinese"


def test_every_chinese_sentence_is_chinese_and_set_as_chinese_is() -> None:
    wrong = [
        f"{key}: {why}"
        for key, template in zh_cn.SENTENCES.items()
        if key not in WITHOUT_WORDS
        for why in wrong_in_chinese(template)
    ]
    assert wrong == []


# What the code says


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(BOT.rglob("*.py")):
        if "words" not in path.relative_to(BOT).parts:
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
        if path.parent.name not in {"en", "zh_cn"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(en.SENTENCES) <= written


def test_no_sentence_is_put_into_other_text_by_force() -> None:
    """``Sentence`` refuses to go into an f-string, and ``!s`` would get round that: English in everybody's message."""
    forced = [
        f"{path}:{node.lineno}"
        for path, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.FormattedValue) and node.conversion == ord("s")
    ]
    assert forced == []


SENTENCES = {"sentence", "reason", "gist", "question", "brief", "remedy", "failsafe_sentence", "together"}


def test_no_sentence_is_made_text_but_by_who_says_in_which_voice() -> None:
    """``str`` refuses a ``Said``, and lets a text of an older version through; ``plain`` and ``parts`` take a voice."""
    made = [
        f"{path}:{node.lineno}"
        for path, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args
        for what in [node.args[0].func if isinstance(node.args[0], ast.Call) else node.args[0]]
        if (what.attr if isinstance(what, ast.Attribute) else getattr(what, "id", "")) in SENTENCES
    ]
    assert made == []


# What is not said through it yet

_QUIET = {"debug", "info", "warning", "error", "exception", "compile", "getLogger", "bind"}
_OF_OURS_TO_US = {"ValueError", "TypeError", "LookupError", "KeyError", "RuntimeError", "AssertionError"}
_TO_PASTE = {"Code", "TypedIn"}  # in every language the same


def is_script(text: str) -> bool:
    """Lua, for Redis."""
    return "redis.call(" in text or text.lstrip().startswith("local function ")


def is_sentence(text: str) -> bool:
    return not is_script(text) and text.count(" ") >= 3 and bool(re.search(r"[a-z]{2,} [a-z]{2,}", text))


def english_in(module: ast.Module) -> Iterator[int]:
    """Lines with an English sentence that is neither a docstring, nor for the log, nor for a programmer."""
    skipped: set[int] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # of an attribute as well
            skipped.add(id(node.value))
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _QUIET | _OF_OURS_TO_US | _TO_PASTE:
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

    assert sorted(found - NOT_MOVED.keys()) == []
    assert sorted(NOT_MOVED.keys() - found) == []
