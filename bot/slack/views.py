"""What there is to read about a rollout in a form. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.rollout import Rollout
from bot.model.story import Entry
from bot.slack import blocks as b
from bot.slack import replies, wording
from bot.slack.forms import View, modal
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import said

DETAILS = "canary_details_view"


def details(rollout: Rollout, story: Sequence[Entry], voice: Voice = ENGLISH) -> View:
    """Everything there is to know about a rollout, to read."""
    head = [b.rich_text(b.words(_is(rollout, voice), bold=True, limit=600))]
    return modal(DETAILS, rollout.spec.service, [*head, *replies.why_blocks(rollout, story, voice)], voice)


def _is(rollout: Rollout, voice: Voice) -> str:
    return plain(said("slack.is", title=wording.title(rollout), state=wording.state(rollout)), voice)
