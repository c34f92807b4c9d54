"""In whose words something is said: a rollout's, a channel's, or the bot's own; and what our slash command is called.

A service's rollouts are told in its own language, else in that of its channel, else in the bot's (``LANGUAGE``). It is
fixed when a rollout begins, so that a thread does not change it in the middle. Answers are given in the language of the
channel they are given in. What one person alone sees outside of channels, such as the App Home, is in the language that
they have chosen for Slack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from bot.model.rollout import Rollout
from bot.model.service import ServiceConfig
from bot.words.language import Language
from bot.words.rendering import ENGLISH, Voice

MOST_NAMES = 1000  # channels whose names are remembered

_NONE: Mapping[str, Language] = MappingProxyType({})
_SPOKEN = {str(language): language for language in Language}


class Voices:
    """One per process; ``use`` replaces what it knows when ``services.yaml`` changes."""

    def __init__(
        self, own: Voice = ENGLISH, services: Sequence[ServiceConfig] = (), languages: Mapping[str, Language] = _NONE
    ) -> None:
        """``own`` is the bot's, ``languages`` those of channels that have one of their own, by name or id."""
        self.own = own
        self._names: dict[str, str] = {}
        self.use(services, languages)

    def use(self, services: Sequence[ServiceConfig], languages: Mapping[str, Language]) -> None:
        """Go by these from now on."""
        wanted: dict[str, set[Language | None]] = {}
        for service in services:
            wanted.setdefault(service.channel, set()).add(service.language)
        alike = {channel: one for channel, (one, *more) in wanted.items() if one is not None and not more}
        self._languages = {**alike, **languages}

    @property
    def command(self) -> str:
        """Our slash command, such as ``/canary``."""
        return self.own.command

    def of(self, rollout: Rollout) -> Voice:
        """Of everything about a rollout that is said where all can read it."""
        return self._in(_SPOKEN.get(rollout.spec.language))

    def of_reader(self, language: Language | None) -> Voice:
        """Of what one person alone sees outside of channels; None: nobody knows what they read."""
        return self._in(language)

    def in_channel(self, channel: str, name: str = "") -> Voice:
        """Of answers there. ``channel`` is its id, ``name`` what it is called without ``#``, "" where nobody says."""
        called = f"#{name}" if name else self._names.get(channel, "")
        if name and len(self._names) < MOST_NAMES:
            self._names[channel] = called
        return self._in(self._languages.get(channel) or self._languages.get(called))

    def note(self, channel: str, name: str) -> None:
        """A channel's id belongs to this name, with ``#``: mentions come with the id alone."""
        if name.startswith("#") and len(self._names) < MOST_NAMES:
            self._names[channel] = name

    def _in(self, language: Language | None) -> Voice:
        return self.own if language is None else replace(self.own, language=language)
