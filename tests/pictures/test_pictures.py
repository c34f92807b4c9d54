"""Pictures of README and docs: each shows what the bot says today, in the words of its story."""

from __future__ import annotations

import re

import pytest

from bot.slack.grammar import GRAMMAR
from bot.words.language import Language
from tests.pictures.album import ALBUM, pictures, played, shown
from tests.pictures.png import height_of, with_words, words_in

ROOT = ALBUM.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LARGEST = 90_000  # bytes
DOT = ALBUM / "en" / "help.png"


@pytest.mark.sandbox
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", Language)
def test_every_picture_shows_what_is_said_today_or_make_pictures_was_forgotten(language: Language) -> None:
    assert shown(language) == played(language).words


@pytest.mark.sandbox
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", Language)
def test_no_message_of_the_story_says_a_thing_twice_or_calls_a_side_by_two_names(language: Language) -> None:
    assert played(language).wrong == ()


def test_both_languages_have_the_same_pictures_and_none_is_large() -> None:
    english, chinese = pictures(Language.ENGLISH), pictures(Language.CHINESE)

    assert list(english) == list(chinese) != []
    heavy = [path.name for path in [*english.values(), *chinese.values()] if path.stat().st_size > LARGEST]
    assert heavy == []


CARDS = ["mirroring", "shifting", "question", "paused", "drift", "halted", "retried", "aborted", "promoted", "drilled"]
TALLEST = 820  # pixels: a card to its last line, on a screen of 900


@pytest.mark.parametrize("language", Language)
def test_every_card_of_the_story_fits_a_screen(language: Language) -> None:
    tall = {name: height_of(pictures(language)[name].read_bytes()) for name in CARDS}

    assert {name: height for name, height in tall.items() if height > TALLEST} == {}


@pytest.mark.parametrize(
    ("language", "words"), [(Language.ENGLISH, "of the error budget"), (Language.CHINESE, "错误预算")]
)
def test_what_users_met_and_what_that_cost_of_an_error_budget_is_in_a_picture(language: Language, words: str) -> None:
    assert words in shown(language)["aborted"]


def test_every_picture_is_in_a_page() -> None:
    named = {
        (page.parent / connection).resolve()
        for page in PAGES
        for connection in re.findall(r"\]\(([^)]+\.png)\)", page.read_text(encoding="utf-8"))
    }
    kept = {path.resolve() for language in Language for path in pictures(language).values()}

    assert kept - named == set()


@pytest.mark.parametrize("page", ["using.md", "using.zh_cn.md"])
def test_every_command_has_a_picture(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    captions = re.findall(r"\n\n([^|#!]+)\n\n!\[", text)

    assert [verb for verb in GRAMMAR if not any(f"`/canary {verb}" in caption for caption in captions)] == []


def test_words_stay_in_a_picture_whatever_it_held_before() -> None:
    picture = with_words(with_words(DOT.read_bytes(), "old"), "新的 words")

    assert words_in(picture) == "新的 words"
    assert words_in(with_words(picture, "")) == ""
