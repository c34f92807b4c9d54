"""What a picture shows: where it is on the page, who looks, and the words that a reader finds there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.slack.model import Block, Message, View

# In the order in which a reader meets them within one block.
SEEN = (
    "title",
    "subtitle",
    "caption",
    "label",
    "text",
    "fields",
    "rows",
    "chart",
    "axis_config",
    "categories",
    "series",
    "data",
    "tasks",
    "details",
    "output",
    "elements",
    "accessory",
    "element",
    "placeholder",
    "initial_option",
    "hint",
)
TIME = re.compile(r"<!date[^>]*>")  # other people's edits carry the time of the machine
VALUES = ("value", "user_id", "usergroup_id", "range", "name", "status")  # of what has no words of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """Something to take a picture of.

    Attributes:
        viewer: id of the person who looks.
        selector: the element of the page; "" is the whole window.
        words: what is to be read in it, a line for each part.
        place: the id of the channel, or ``home``.
        thread: the timestamp of the message whose thread is open; "" is none.
    """

    viewer: str
    selector: str
    words: str
    place: str = "C0RELEASES"
    thread: str = ""


def of_message(viewer: str, message: Message) -> Shot:
    """A message as it is now."""
    return Shot(viewer=viewer, selector=f'[data-ts="{message.ts}"]', words=words(message.blocks, message.text))


def of_window(viewer: str, message: Message) -> Shot:
    """The whole page, in which this message is the newest, with its thread."""
    return Shot(viewer=viewer, selector="", words=words(message.blocks, message.text), thread=message.ts)


def of_view(view: View) -> Shot:
    """A form in front of its user, or their App Home."""
    seen = words(view.blocks, "\n".join(filter(None, [view.title, view.submit])))
    if view.type == "home":
        return Shot(viewer=view.user, selector="#messages .home", words=seen, place="home")
    return Shot(viewer=view.user, selector="#modal", words=seen)


def words(blocks: tuple[Block, ...], otherwise: str) -> str:
    """A line for every text in them, in order; of a message without blocks its text."""
    lines = [line for block in blocks for line in _lines(block)]
    return TIME.sub("<time>", "\n".join(lines or otherwise.splitlines()))


def _lines(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _lines(one)
    elif isinstance(part, dict):
        yield from _own(part)
        for key in SEEN:
            if isinstance(part.get(key), dict | list):
                yield from _lines(part[key])
    elif isinstance(part, str):
        yield part


def _own(part: dict[str, Any]) -> Iterator[str]:
    texts = [part[key] for key in ("title", "caption", "text") if isinstance(part.get(key), str)]
    yield from (line for text in texts for line in text.splitlines() if line.strip())
    if part.get("type") not in {"button", "overflow"} and not texts:
        yield from (str(part[key]) for key in VALUES if isinstance(part.get(key), str | int | float))
