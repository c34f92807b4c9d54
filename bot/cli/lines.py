"""One line of ``canary-bot check``: what was asked, how it went, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bot.model.errors import Fault, Refusal
from bot.words.rendering import Voice, plain
from bot.words.sentence import Text, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One answer of ``check``."""

    ok: bool
    part: str
    sentence: Text
    doubt: bool = False  # it works, and somebody should know

    def shown(self, voice: Voice) -> str:
        """As the shell shows it; the words in front are the same in every language, for whoever searches for them."""
        word = "warn" if self.ok and self.doubt else "ok  " if self.ok else "FAIL"
        return f"{word}  {self.part:<12} {plain(self.sentence, voice)}"


def contained(part: str, ask: Callable[[], Iterable[Line]]) -> Iterator[Line]:
    """The lines of one part. Whatever goes wrong in it is a line as well, and keeps no other part from being asked."""
    try:
        yield from ask()
    except (Fault, Refusal) as error:
        yield Line(ok=False, part=part, sentence=error.sentence)
    except Exception as error:  # noqa: BLE001  # see above; the error's own text may hold anything
        yield Line(ok=False, part=part, sentence=said("cli.not_asked", error=type(error).__name__))
