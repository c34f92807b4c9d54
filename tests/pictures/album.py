"""Pictures of the story, of each language, on disk: taking them, and reading what they say they show."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog

from bot.words.language import Language
from sandbox.browser import Browser
from sandbox.processes import MissingProgramError
from sandbox.redis import Redis
from tests.pictures.palette import with_few_colours
from tests.pictures.png import with_words, words_in
from tests.pictures.shot import Shot
from tests.pictures.stage import Stage
from tests.pictures.story import play

ALBUM = Path(__file__).parent.parent.parent / "docs" / "pictures"
WIDE, TALL = 1000, 2600  # pixels: a page on which the longest card is seen whole
WINDOW = (1360, 860)
LETTERS = {Language.ENGLISH: "ab", Language.CHINESE: "金丝"}


def pictures(language: Language) -> dict[str, Path]:
    """Those on disk, by name."""
    return {path.stem: path for path in sorted((ALBUM / language).glob("*.png"))}


def shown(language: Language) -> dict[str, str]:
    """The words of those on disk, by name."""
    return {name: words_in(path.read_bytes()) for name, path in pictures(language).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the story shows now.

    Attributes:
        words: by the names of its pictures.
        wrong: what must not be in a message and was in one.
    """

    words: Mapping[str, str]
    wrong: Sequence[str]


@cache
def played(language: Language) -> Played:
    """The story, without a browser."""
    words: dict[str, str] = {}
    with _stage(language) as stage:
        play(stage, lambda name, shot: words.update({name: shot.words}))
        return Played(words=words, wrong=tuple(stage.reader.wrong))


def draw(language: Language) -> list[Path]:
    """Play the story and take every picture of it; pictures that it no longer has are taken away.

    Raises:
        MissingProgramError: no browser is here, or it has no letters for that language.
    """
    written = []
    with Browser() as browser, _stage(language) as stage:
        browser.open(stage.slack.url)
        if not browser.has_letters_for(LETTERS[language]):
            raise MissingProgramError("No font here has Chinese: `scripts/setup.sh browser` installs one.")

        def take(name: str, shot: Shot) -> None:
            written.append(ALBUM / language / f"{name}.png")
            written[-1].parent.mkdir(parents=True, exist_ok=True)
            written[-1].write_bytes(with_words(_photograph(browser, stage, shot), shot.words))

        play(stage, take)
    for path in set(pictures(language).values()) - set(written):
        path.unlink()
    return written


def drawn(language: Language) -> str:
    """Draw, without a word from the bot's log; what there is now."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    paths = draw(language)
    size = sum(path.stat().st_size for path in paths) / 1000
    return f"{len(paths)} pictures, {size:,.0f} kB: docs/pictures/{language}"


def _photograph(browser: Browser, stage: Stage, shot: Shot) -> bytes:
    width, height = (WIDE, TALL) if shot.selector else WINDOW
    browser.show_as(width=width, height=height)
    browser.set_clock(stage.clock.now())
    thread = f"&thread={shot.thread}" if shot.thread else ""
    browser.open(f"{stage.slack.url}/?as={shot.viewer}&at={shot.place}{thread}")
    if shot.selector:
        browser.until(f"document.querySelector({shot.selector!r})")
    return with_few_colours(browser, browser.picture(shot.selector or None))


@contextmanager
def _stage(language: Language) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Redis(folder / "redis", appendonly=False) as redis, Stage(folder, redis.port, language) as stage:
            yield stage
