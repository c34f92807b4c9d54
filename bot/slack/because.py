"""Why somebody started a rollout, wherever it is shown: their own words as they stand, or a link. Pure."""

from __future__ import annotations

import re

from bot.model.rollout import Rollout
from bot.slack import blocks as b
from bot.slack.blocks import Element

SHORT = 200  # characters of a reason on a line
_ADDRESS = re.compile(r"https://[^\s<>|]{1,480}")


def because(rollout: Rollout) -> list[Element]:
    """The reason, to stand after whatever else is said of the rollout; [] where nobody gave one."""
    typed = rollout.spec.because
    if not typed:
        return []
    if _ADDRESS.fullmatch(typed):
        return [b.words(" · "), {"type": "link", "url": typed, "text": b.shorten(typed, SHORT)}]
    return [b.words(f" · {b.shorten(typed, SHORT)}")]
