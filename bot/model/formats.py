"""Numbers as people read them: shares, counts and spans of time. Pure."""

from __future__ import annotations


def lasting(seconds: float) -> str:
    """A length of time for people: seconds below two minutes, then minutes."""
    if seconds < 120:  # noqa: PLR2004  # two minutes
        return f"{seconds:.0f} seconds" if round(seconds) != 1 else "1 second"
    return f"{seconds / 60:.3g} minutes"


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * 100:.3g} %"


def count(number: float) -> str:
    """A count for people."""
    return f"{number:,.0f}"
