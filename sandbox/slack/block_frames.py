"""The limits of blocks that frame other things: cards, containers, videos, files, and actions in small print."""

from __future__ import annotations

from typing import Any

from sandbox.slack.block_parts import (
    SMALL_ELEMENTS,
    Problems,
    check_button,
    check_image,
    check_items,
    check_rich_text,
    check_string,
    check_text,
    problem,
)

MOST_CARD_BUTTONS = 3
WIDTHS = {"narrow", "standard", "wide", "full"}


def check_context_actions(block: dict[str, Any], pointer: str) -> Problems:
    """A ``context_actions``: up to five pairs of feedback buttons or icon buttons."""
    yield from check_items(block, "elements", pointer, 5)
    for number, element in enumerate(block.get("elements") or []):
        where = f"{pointer}/elements/{number}"
        if element.get("type") not in SMALL_ELEMENTS:
            yield problem(f"unsupported type: {element.get('type')}", f"{where}/type")
        elif element["type"] == "icon_button":
            yield from check_text(element, "text", where, 75, plain=True)
            yield from check_string(element, "icon", where, 75, required=True)
        else:
            for half in ("positive_button", "negative_button"):
                yield from check_button(element.get(half) or {}, f"{where}/{half}")


def check_card(block: dict[str, Any], pointer: str) -> Problems:
    """A ``card``: a title, a subtitle, a short body, up to three buttons."""
    yield from check_text(block, "title", pointer, 150)
    yield from check_text(block, "subtitle", pointer, 150, required=False)
    yield from check_text(block, "body", pointer, 200, required=False)
    for key in ("hero_image", "icon"):
        if block.get(key) is not None:
            yield from check_image(block[key], f"{pointer}/{key}")
    if block.get("actions") is not None:
        yield from check_items(block, "actions", pointer, MOST_CARD_BUTTONS)
        for number, button in enumerate(block["actions"]):
            yield from check_button(button, f"{pointer}/actions/{number}")


def check_carousel(block: dict[str, Any], pointer: str) -> Problems:
    """A ``carousel``: up to ten cards."""
    yield from check_items(block, "elements", pointer, 10)
    for number, card in enumerate(block.get("elements") or []):
        yield from check_card(card, f"{pointer}/elements/{number}")


def check_container(block: dict[str, Any], pointer: str) -> Problems:
    """What a ``container`` says itself; its blocks are looked at by whoever knows all of them."""
    if block.get("rich_text_title") is not None:
        yield from check_rich_text(block["rich_text_title"], f"{pointer}/rich_text_title")
    else:
        yield from check_text(block, "title", pointer, 150, plain=True)
    yield from check_text(block, "subtitle", pointer, 150, required=False)
    yield from check_items(block, "child_blocks", pointer, 10)
    if block.get("width", "standard") not in WIDTHS:
        yield problem(f"must be one of {sorted(WIDTHS)}", f"{pointer}/width")


def check_video(block: dict[str, Any], pointer: str) -> Problems:
    """A ``video``: where it is, what it shows before it plays, and a title."""
    yield from check_text(block, "title", pointer, 199, plain=True)
    yield from check_text(block, "description", pointer, 200, plain=True, required=False)
    for key in ("video_url", "thumbnail_url"):
        yield from check_string(block, key, pointer, 3000, required=True)
    yield from check_string(block, "alt_text", pointer, 2000, required=True)


def check_file(block: dict[str, Any], pointer: str) -> Problems:
    """A remote ``file``."""
    yield from check_string(block, "external_id", pointer, 255, required=True)
    if block.get("source", "remote") != "remote":
        yield problem('must be "remote"', f"{pointer}/source")


def check_call(block: dict[str, Any], pointer: str) -> Problems:
    """A ``call`` that was registered before."""
    yield from check_string(block, "call_id", pointer, 255, required=True)
