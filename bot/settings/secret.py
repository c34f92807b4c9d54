"""A value that must not be shown: in a log line, a traceback or a repr it is three dots."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from bot import files, redaction

LARGEST = 100_000  # bytes of a file


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that only ``reveal`` gives away. Not a ``str``, so that no formatting or joining can do so by accident.

    Having been read once it is known to ``bot.redaction``, which hides it in whatever leaves the process as text.
    """

    _value: str = field(repr=False)
    file: Path | None = field(default=None, compare=False)  # where it came from, if it did not come from a variable

    def __post_init__(self) -> None:
        redaction.learn(self._value)

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._value

    def current(self) -> str:
        """What the file says now, for whoever can do with another one than before; else the same as ``reveal``.

        A file that cannot be read at the moment, is empty, or holds more than one line, is being replaced: what it said
        before is used on.
        """
        if self.file is None:
            return self._value
        try:
            now = content_of(self.file)
        except (OSError, ValueError):
            return self._value
        if not now or not is_one_line(now):
            return self._value
        if now != self._value:
            redaction.learn(now, renewed=True)
        return now

    def __str__(self) -> str:
        return "…"

    def __repr__(self) -> str:
        return "Secret(…)"


def content_of(file: Path) -> str:
    """A secret's file without the line break at its end.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text, or too large for a secret.
    """
    content = files.content(file, LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(str(file))
    return content.decode("utf-8-sig").strip()


def is_one_line(text: str) -> bool:
    """Whether it can be sent: what ends a line, or is no character of a text, is in no token, password or key."""
    return not _CONTROL.search(text)


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
