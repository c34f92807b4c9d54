"""Numbers as people read them: shares and counts. Pure."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * 100:.3g} %"


def count(number: float) -> str:
    """A count for people."""
    return f"{number:,.0f}"
