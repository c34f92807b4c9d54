"""Whole numbers in what others write: plain digits and few of them, or no number at all."""

from __future__ import annotations

import re

# isdigit() lets other scripts' digits and superscripts through, and int() raises for those and for more than 4,300.
_PLAIN = re.compile("[0-9]{1,9}")


def whole_number(text: str) -> int | None:
    """What at most nine plain digits say; None for everything else, a sign and spaces included."""
    return int(text) if _PLAIN.fullmatch(text) else None
