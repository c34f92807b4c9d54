"""A value that must not be shown: in a log line, a traceback or a repr it is three dots."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that only ``reveal`` gives away. Not a ``str``, so that no formatting or joining can do so by accident."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._value

    def __str__(self) -> str:
        return "…"

    def __repr__(self) -> str:
        return "Secret(…)"
