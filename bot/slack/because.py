"""Why somebody started a rollout, wherever it is shown: their own words as they stand, or a link. Pure."""

from __future__ import annotations

import re

from bot.model.rollout import Rollout
from bot.slack import blocks as b
from bot.slack.blocks import Element
from bot.words.rendering import Voice
from bot.words.sentence import said

SHORT = 200  # characters of a reason on a line
_ADDRESS = re.compile(r"https://[^\s<>|]{1,480}")


def because(rollout: Rollout, voice: Voice) -> list[Element]:
    """The reason, named as one, to stand on a line of its own; [] where nobody gave one."""
    typed = rollout.spec.because
    if not typed:
        return []
    shown = b.shorten(typed, SHORT)
    is_address = _ADDRESS.fullmatch(typed) is not None
    return [
        *b.spoken(said("slack.reason"), voice),
        {"type": "link", "url": typed, "text": shown} if is_address else b.words(shown),
    ]
