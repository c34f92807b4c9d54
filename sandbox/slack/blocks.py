"""Block Kit as Slack checks it before it accepts a message or a view: which blocks where, and how long things may be.

Charts, tables and plans are in ``block_data``, text objects and elements in ``block_parts``. A valid block may still
be refused by the real service for reasons it does not document; an invalid one here is invalid there.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any, Literal

from sandbox.slack.block_data import (
    check_data_table,
    check_data_visualization,
    check_plan,
    check_table,
    check_task_card,
)
from sandbox.slack.block_frames import (
    check_call,
    check_card,
    check_carousel,
    check_container,
    check_context_actions,
    check_file,
    check_video,
)
from sandbox.slack.block_parts import (
    ELEMENTS,
    ID_LIMIT,
    INPUTS,
    SMALL_ELEMENTS,
    Problems,
    check_element,
    check_image,
    check_items,
    check_rich_text,
    check_string,
    check_text,
    check_text_object,
    problem,
)

Surface = Literal["message", "modal", "home"]
Check = Callable[[dict[str, Any], str], Problems]

ALL_CHARACTERS = 13_200  # undocumented; beyond it Slack answers msg_blocks_too_long
MOST_BLOCKS: dict[Surface, int] = {"message": 50, "modal": 100, "home": 100}
NEVER_INSIDE = {"container", "card", "carousel", "data_table"}
MOST_PER_MESSAGE = {"data_visualization": 2, "table": 1}
VISIBLE = {"text", "title", "caption", "label", "name", "alt_text", "x_label", "y_label", "hint", "description"}


def check_blocks(blocks: object, surface: Surface, pointer: str = "/blocks") -> list[str]:
    """Every problem of a list of blocks; an empty list means that Slack takes it."""
    if not isinstance(blocks, list):
        return [problem("must provide an array", pointer)]
    problems = []
    if len(blocks) > MOST_BLOCKS[surface]:
        problems.append(problem(f"no more than {MOST_BLOCKS[surface]} items allowed", pointer))
    for number, block in enumerate(blocks):
        problems += _check_block(block, f"{pointer}/{number}", surface)
    if not problems:
        problems += _check_together(blocks, pointer)
    return problems


def count_characters(blocks: object) -> int:
    """The characters a reader sees in all the blocks together."""
    if isinstance(blocks, dict):
        return sum(
            len(value) if key in VISIBLE and isinstance(value, str) else count_characters(value)
            for key, value in blocks.items()
        )
    return sum(map(count_characters, blocks)) if isinstance(blocks, list | tuple) else 0


def with_ids(blocks: Iterable[dict[str, Any]], new_id: Callable[[], str]) -> tuple[dict[str, Any], ...]:
    """A copy in which every block has a ``block_id`` and every element an ``action_id``, as Slack hands them out."""
    named = copy.deepcopy(list(blocks))
    for block in named:
        block.setdefault("block_id", new_id())
        for element in elements_of(block):
            if element.get("type") in ELEMENTS | SMALL_ELEMENTS:
                element.setdefault("action_id", new_id())
    return tuple(named)


def elements_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    """The interactive elements of one block."""
    found = list(block.get("elements") or []) if block.get("type") in {"actions", "context_actions"} else []
    found += [inner for child in block.get("child_blocks") or [] for inner in elements_of(child)]
    found += list(block.get("actions") or []) if block.get("type") == "card" else []
    found += [block[key] for key in ("accessory", "element") if isinstance(block.get(key), dict)]
    return found


def _check_block(block: object, pointer: str, surface: Surface) -> list[str]:
    if not isinstance(block, dict):
        return [problem("must provide an object", pointer)]
    kind = str(block.get("type"))
    check, surfaces = BLOCKS.get(kind, (None, ""))
    if check is None:
        return [problem(f"unsupported type: {kind}", f"{pointer}/type")]
    if surface not in surfaces:
        return [problem(f"{kind} is not allowed in a {surface}", f"{pointer}/type")]
    inside = _check_inside(block, pointer, surface) if kind == "container" else []
    return [*check_string(block, "block_id", pointer, ID_LIMIT), *check(block, pointer), *inside]


def _check_inside(container: dict[str, Any], pointer: str, surface: Surface) -> list[str]:
    """The blocks of a container; some of the big ones may not be in one."""
    problems = []
    for number, child in enumerate(container.get("child_blocks") or []):
        where = f"{pointer}/child_blocks/{number}"
        problems += _check_block(child, where, surface)
        if isinstance(child, dict) and child.get("type") in NEVER_INSIDE:
            problems.append(problem(f"{child['type']} is not allowed in a container", f"{where}/type"))
    return problems


def _check_together(blocks: list[dict[str, Any]], pointer: str) -> Problems:
    ids = [block["block_id"] for block in blocks if block.get("block_id")]
    for block_id, same in itertools.groupby(sorted(ids)):
        if len(list(same)) > 1:
            yield problem(f"block_id {block_id} already exists", pointer)
    kinds = [block["type"] for block in blocks]
    for kind, most in MOST_PER_MESSAGE.items():
        if kinds.count(kind) > most:
            yield problem(f"no more than {most} {kind} blocks allowed", pointer)
    if {"plan", "task_card"} <= set(kinds):
        yield problem("plan and task_card blocks exclude each other", pointer)


def _header(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_text(block, "text", pointer, 150, plain=True)
    if block.get("level", 1) not in {1, 2, 3, 4}:
        yield problem("must be between 1 and 4", f"{pointer}/level")


def _section(block: dict[str, Any], pointer: str) -> Problems:
    if not block.get("text") and not block.get("fields"):
        yield problem("missing required field: text or fields", pointer)
    yield from check_text(block, "text", pointer, 3000, required=False)
    if block.get("fields") is not None:
        yield from check_items(block, "fields", pointer, 10)
        for number, field in enumerate(block["fields"]):
            yield from check_text_object(field, f"{pointer}/fields/{number}", 2000)
    accessory = block.get("accessory")
    if isinstance(accessory, dict) and accessory.get("type") == "image":
        yield from check_image(accessory, f"{pointer}/accessory")
    elif accessory is not None:
        yield from check_element(accessory, f"{pointer}/accessory", ELEMENTS)


def _context(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_items(block, "elements", pointer, 10)
    for number, element in enumerate(block.get("elements") or []):
        where = f"{pointer}/elements/{number}"
        if isinstance(element, dict) and element.get("type") == "image":
            yield from check_image(element, where)
        else:
            yield from check_text_object(element, where, 3000)


def _actions(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_items(block, "elements", pointer, 25)
    for number, element in enumerate(block.get("elements") or []):
        yield from check_element(element, f"{pointer}/elements/{number}", ELEMENTS)
    ids = [e["action_id"] for e in block.get("elements") or [] if isinstance(e, dict) and e.get("action_id")]
    if len(set(ids)) < len(ids):
        yield problem("action_id must be unique within a block", f"{pointer}/elements")


def _input(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_text(block, "label", pointer, 2000, plain=True)
    yield from check_text(block, "hint", pointer, 2000, plain=True, required=False)
    yield from check_element(block.get("element"), f"{pointer}/element", INPUTS)


def _image(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_image(block, pointer)
    yield from check_text(block, "title", pointer, 2000, plain=True, required=False)


def _markdown(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_string(block, "text", pointer, 12_000, required=True)


def _alert(block: dict[str, Any], pointer: str) -> Problems:
    yield from check_text(block, "text", pointer, 3000)
    if block.get("level", "default") not in {"default", "info", "warning", "error", "success"}:
        yield problem("must be default, info, warning, error or success", f"{pointer}/level")


def _divider(_block: dict[str, Any], _pointer: str) -> Problems:
    return iter(())


EVERYWHERE = "message modal home"
BLOCKS: dict[str, tuple[Check, str]] = {
    "header": (_header, EVERYWHERE),
    "section": (_section, EVERYWHERE),
    "context": (_context, EVERYWHERE),
    "actions": (_actions, EVERYWHERE),
    "divider": (_divider, EVERYWHERE),
    "image": (_image, EVERYWHERE),
    "rich_text": (check_rich_text, EVERYWHERE),
    "input": (_input, EVERYWHERE),
    "markdown": (_markdown, "message"),
    "plan": (check_plan, "message"),
    "task_card": (check_task_card, "message"),
    "table": (check_table, "message home"),
    "data_table": (check_data_table, "message home"),
    "data_visualization": (check_data_visualization, "message home"),
    "alert": (_alert, "modal"),
    "context_actions": (check_context_actions, "message"),
    "card": (check_card, "message"),
    "carousel": (check_carousel, "message"),
    "container": (check_container, "message"),
    "video": (check_video, EVERYWHERE),
    "file": (check_file, "message"),
    "call": (check_call, "message"),
}
