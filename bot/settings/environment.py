"""Reads single values out of environment variables and keeps count of the mistakes. What they are for is ``env``'s."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from bot.settings.errors import did_you_mean
from bot.settings.secret import Secret, content_of
from bot.settings.variables import VARIABLES

E = TypeVar("E", bound=StrEnum)

_DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
DIGITS = 9  # of a whole number
_LAST_PORT = 65535


class Values:
    """Each method reads one variable. A mistake is noted, and something harmless returned, so that reading goes on."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.mistakes: list[str] = []

    def wrong(self, name: str, rule: str, shown: str | None = None) -> None:
        """Note that ``name`` must be something else; ``shown`` is its value unless that is a secret."""
        self.mistakes.append(f"{name} must be {rule}" + (f', not "{shown}"' if shown is not None else ""))

    def text(self, name: str) -> str:
        """The value or its default."""
        value = self._given.get(name, "").strip()
        if not _is_text(value):
            self.wrong(name, "text in UTF-8")
            value = ""
        return value or _DEFAULTS[name]

    def secret(self, name: str, prefix: str = "") -> Secret | None:
        """The value, or the content of the file that ``NAME_FILE`` names; None when there is neither."""
        file = self._given.get(f"{name}_FILE", "")
        if file and self._given.get(name):
            self.mistakes.append(f"{name} and {name}_FILE are both set; keep one")
        value = self._content(f"{name}_FILE", Path(file)) if file else self.text(name)
        if value and not value.startswith(prefix):
            self.wrong(name, f"a token that begins with {prefix}")
        return Secret(value, Path(file) if file else None) if value else None

    def port(self, name: str, *, least: int) -> int:
        """A port number."""
        text = self.text(name)
        # isdecimal() alone also lets other scripts' digits through.
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= _LAST_PORT):
            self.wrong(name, f"a port from {least} to {_LAST_PORT}", text)
            return 0
        return int(text)

    def count(self, name: str, *, least: int) -> int:
        """A whole number."""
        text = self.text(name)
        if not (text.isascii() and text.isdecimal() and least <= int(text[:DIGITS]) and len(text) <= DIGITS):
            self.wrong(name, f"a whole number of at least {least}", text)
            return least
        return int(text)

    def is_set(self, name: str) -> bool:
        """Whether somebody has said anything."""
        return bool(self._given.get(name, "").strip())

    def seconds(self, name: str, bounds: tuple[float, float]) -> float:
        """A number of seconds within bounds."""
        least, most = bounds
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            self.wrong(name, f"a number of seconds from {least:g} to {most:g}", text)
            return min(max(value, least), most) if math.isfinite(value) else most
        return value

    def choice(self, name: str, choices: type[E]) -> E:
        """One of a few words, in any case."""
        text = self.text(name).lower()
        try:
            return choices(text)
        except ValueError:
            self.mistakes.append(f'{name} cannot be "{text}"; {did_you_mean(text, [word.value for word in choices])}')
            return next(iter(choices))

    def web_address(self, name: str) -> str:
        """An http(s) address without a user in it."""
        text = self.text(name)
        parts = split_address(text)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            # Not shown: a mistyped address may still have a password in it.
            self.wrong(name, "an address such as https://prometheus.example.com")
        elif parts.username or parts.password:
            self.mistakes.append(f"{name} must not have a user or password in it; they would show in logs")
        return text

    def file(self, name: str) -> Path | None:
        """A file that can be read, or None."""
        text = self.text(name)
        if text and not _is_file(text):
            self.wrong(name, "a file", text)
        return Path(text) if text else None

    def _content(self, name: str, file: Path) -> str:
        try:
            content = content_of(file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text, or far too large"
            self.mistakes.append(f'{name}: "{file}" cannot be read ({reason})')
            return ""
        if not content:
            self.mistakes.append(f'{name}: "{file}" is empty')
        return content


def _is_file(name: str) -> bool:
    """Whether there is a file of that name; what is too long for a name is none."""
    try:
        return Path(name).is_file()
    except OSError:
        return False


def _is_text(value: str) -> bool:
    """Bytes that are no UTF-8 are half characters in Python's environment, and those can be sent nowhere."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def split_address(text: str) -> SplitResult | None:
    """The parts of an address; None when it is none."""
    try:
        return urlsplit(text)
    except ValueError:
        return None
