"""A value that must not be shown: in a log line, a traceback or a repr it is three dots."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot import redaction


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that only ``reveal`` gives away. Not a ``str``, so that no formatting or joining can do so by accident.

    Having been read once it is known to ``bot.redaction``, which hides it in whatever leaves the process as text.
    """

    _value: str = field(repr=False)

    def __post_init__(self) -> None:
        redaction.learn(self._value)

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._value

    def __str__(self) -> str:
        return "…"

    def __repr__(self) -> str:
        return "Secret(…)"
