"""Reads single values out of environment variables and keeps count of the mistakes. What they are for is ``env``'s."""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from bot import files
from bot.settings.errors import did_you_mean
from bot.settings.secret import Secret, content_of, is_one_line
from bot.settings.variables import VARIABLES
from bot.words.sentence import Text, said

E = TypeVar("E", bound=StrEnum)

_DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
DIGITS = 9  # of a whole number
LARGEST_BUNDLE = 4_000_000  # bytes of certificates; a system's own are a few hundred thousand
_LAST_PORT = 65535


class Values:
    """Each method reads one variable. A mistake is noted, and something harmless returned, so that reading goes on."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.errors: list[Text] = []

    def wrong(self, name: str, rule: Text, shown: str | None = None) -> None:
        """Note that ``name`` must be something else; ``shown`` is its value unless that is a secret."""
        if shown is None:
            self.errors.append(said("settings.must_be", name=name, rule=rule))
        else:
            self.errors.append(said("settings.must_be_not", name=name, rule=rule, value=shown))

    def text(self, name: str) -> str:
        """The value or its default."""
        value = self._given.get(name, "").strip()
        if not _is_text(value):
            self.wrong(name, said("settings.utf8_text"))
            value = ""
        return value or _DEFAULTS[name]

    def secret(self, name: str, prefix: str = "", *, several: bool = False) -> Secret | None:
        """The value, or the content of the file that ``NAME_FILE`` names; None when there is neither.

        It is one line; where it is ``several`` with commas between them, each of these is.
        """
        file = self._given.get(f"{name}_FILE", "")
        if file and self._given.get(name):
            self.errors.append(said("settings.both_set", one=name, other=f"{name}_FILE"))
        value = self._content(f"{name}_FILE", Path(file)) if file else self.text(name)
        parts = [part.strip() for part in value.split(",")] if several else [value]
        if not all(map(is_one_line, parts)):
            self.wrong(f"{name}_FILE" if file else name, said("settings.one_line"))
        elif value and not value.startswith(prefix):
            self.wrong(name, said("settings.token", prefix=prefix))
        return Secret(value, Path(file) if file else None) if value else None

    def port(self, name: str, *, least: int) -> int:
        """A port number."""
        text = self.text(name)
        # isdecimal() alone also lets other scripts' digits through, and int() refuses more than 4,300 of them.
        if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS and least <= int(text) <= _LAST_PORT):
            self.wrong(name, said("settings.port", least=least, most=str(_LAST_PORT)), text)
            return 0
        return int(text)

    def count(self, name: str, *, least: int) -> int:
        """A whole number."""
        text = self.text(name)
        if not (text.isascii() and text.isdecimal() and least <= int(text[:DIGITS]) and len(text) <= DIGITS):
            self.wrong(name, said("settings.whole_number", least=least), text)
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
            self.wrong(name, said("settings.seconds", least=f"{least:g}", most=f"{most:g}"), text)
            return min(max(value, least), most) if math.isfinite(value) else most
        return value

    def choice(self, name: str, choices: type[E]) -> E:
        """One of a few words, in any case."""
        text = self.text(name).lower()
        try:
            return choices(text)
        except ValueError:
            near = did_you_mean(text, [word.value for word in choices])
            self.errors.append(said("settings.cannot_be", name=name, value=text, near=near))
            return next(iter(choices))

    def web_address(self, name: str) -> str:
        """An http(s) address without a user in it."""
        text = self.text(name)
        parts = split_address(text)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            # Not shown: a mistyped address may still have a password in it.
            self.wrong(name, said("settings.web_address"))
        elif parts.username or parts.password:
            self.errors.append(said("settings.password_in_address", name=name))
        return text

    def certificates(self, name: str) -> Path | None:
        """A file of certificates in PEM, or None."""
        text = self.text(name)
        if text and not _is_file(text):
            self.wrong(name, said("settings.file"), text)
        elif text and (why := _no_certificates(Path(text))):
            self.errors.append(said("settings.named_unreadable", name=name, file=text, reason=why))
        return Path(text) if text else None

    def _content(self, name: str, file: Path) -> str:
        try:
            content = content_of(file)
        except (OSError, ValueError) as error:
            reason = str(error.strerror) if isinstance(error, OSError) else said("settings.no_text_or_large")
            self.errors.append(said("settings.named_unreadable", name=name, file=str(file), reason=reason))
            return ""
        if not content:
            self.errors.append(said("settings.named_empty", name=name, file=str(file)))
        return content


def _no_certificates(file: Path) -> Text:
    """Why nobody can be known by the file; "" where somebody can. What is said around certificates may be anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if len(files.content(file, LARGEST_BUNDLE + 1)) <= LARGEST_BUNDLE:
            context.load_verify_locations(file)  # as the libraries do that connect
    except ssl.SSLError:
        return said("settings.no_certificate")
    except OSError as error:
        return str(error.strerror)
    except ValueError:
        return said("settings.no_certificate")
    return "" if context.cert_store_stats()["x509"] else said("settings.no_certificate")


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
