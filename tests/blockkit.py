"""What Slack takes, asked of whole messages and views: the blocks themselves are ``sandbox.slack.blocks``' business."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bot.slack.blocks import Message
from sandbox.slack.blocks import check_blocks

MOST_CHARACTERS = 13_200  # of a message's blocks as they are sent; undocumented
LONGEST_TEXT = 4000
VIEW_LIMITS = {"callback_id": 255, "private_metadata": 3000, "external_id": 255}
LONGEST_LABEL = 24  # of a modal's title and of both its buttons


def of_message(message: Message) -> list[str]:
    """Everything that is wrong with a message, in any form."""
    found = [] if 0 < len(message.text) <= LONGEST_TEXT else [f"text of {len(message.text)} characters"]
    for blocks in (message.blocks, message.plain):
        found += check_blocks(list(blocks), "message")
        found += _crowded(blocks)
        if len(json.dumps(list(blocks), ensure_ascii=False)) > MOST_CHARACTERS:
            found.append("msg_blocks_too_long")
    return found


def of_view(view: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a modal or an App Home."""
    return list(_of_view(view))


def _of_view(view: dict[str, Any]) -> Iterator[str]:
    if view.get("type") not in {"modal", "home"}:
        yield f"no surface is called {view.get('type')}"
        return
    yield from check_blocks(view["blocks"], view["type"])
    for key, most in VIEW_LIMITS.items():
        if len(str(view.get(key, ""))) > most:
            yield f"{key} has more than {most} characters"
    if view["type"] == "modal":
        yield from _of_modal(view)
    elif {"title", "submit", "close"} & view.keys():
        yield "an App Home has neither a title nor buttons of its own"


def _of_modal(view: dict[str, Any]) -> Iterator[str]:
    for key in ("title", "submit", "close"):
        label = view.get(key)
        if label is None and key != "title":
            continue
        if not label or label.get("type") != "plain_text" or not 0 < len(label["text"]) <= LONGEST_LABEL:
            yield f"{key} must be plain text of 1 to {LONGEST_LABEL} characters"
    if any(block["type"] == "input" for block in view["blocks"]) and "submit" not in view:
        yield "what is typed must be submitted"


def _crowded(blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """At most one button of a message stands out in green."""
    buttons = [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
    if sum(button.get("style") == "primary" for button in buttons) > 1:
        yield "more than one primary button"
