"""``services.yaml`` while the process runs: a change is noticed, a good one used, a bad one refused and told.

The content is what is compared: a ConfigMap changes by a symbolic link far above the file, and clocks may be set. It
has to be the same twice before it is read, so that a file that is being written is not taken for a finished one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from bot.settings.errors import SettingsError
from bot.settings.services import Catalogue, catalogue_of, content_of, first, none_usable
from bot.words.sentence import Text, said

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ServicesReload:
    """Notices that the file has changed. ``poll`` is called every few seconds, by one thread."""

    def __init__(self, path: Path, used: Catalogue, use: Callable[[Catalogue], None]) -> None:
        """``used`` is the catalogue that was read from ``path``; ``use`` is given each that takes its place."""
        self._path = path
        self._used = used
        self._use = use
        self._read: bytes | SettingsError | None = used.content
        self._seen: bytes | SettingsError | None = used.content

    @property
    def trouble(self) -> Text:
        """Why the file is not used as it is now, as a sentence; "" when it is."""
        return self._used.trouble

    def poll(self) -> None:
        """Use what is in the file now, if that is new and can be used."""
        content = _content(self._path)
        settled, self._seen = _same(content, self._seen), content
        if not settled or _same(content, self._read):
            return
        self._read = content
        try:
            if isinstance(content, SettingsError):
                raise content
            catalogue = catalogue_of(content, self._path)
        except SettingsError as error:
            self._refuse(error)
            return
        log.info("services_reloaded", **_difference(self._used, catalogue))
        self._used = catalogue
        self._use(catalogue)

    def _refuse(self, error: SettingsError) -> None:
        log.error("services_refused", reasons=error.reasons, kept=list(self._used.names))
        kept = said("settings.kept", file=self._path.name, first=first(error))
        self._used = self._used.troubled(kept if len(self._used) else none_usable(error))
        self._use(self._used)


def _content(path: Path) -> bytes | SettingsError:
    try:
        return content_of(path)
    except SettingsError as error:
        return error


def _same(one: bytes | SettingsError | None, other: bytes | SettingsError | None) -> bool:
    return str(one) == str(other) if isinstance(one, SettingsError) else one == other


def _difference(before: Catalogue, after: Catalogue) -> dict[str, list[str]]:
    names = set(before.names) & set(after.names)
    return {
        "added": sorted(set(after.names) - names),
        "removed": sorted(set(before.names) - names),
        "changed": sorted(name for name in names if before.get(name) != after.get(name)),
    }
