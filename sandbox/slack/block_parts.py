"""The small things blocks are made of (text objects, elements, confirm dialogs, rich text) and their limits.

Every check yields one sentence per problem, worded and located (JSON pointer) as Slack words and locates them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Problems = Iterator[str]

ID_LIMIT = 255
SELECTS = frozenset(
    f"{many}{kind}_select"
    for many in ("", "multi_")
    for kind in ("static", "users", "conversations", "channels", "external")
)
INPUTS = SELECTS | {
    "plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input", "file_input",
    "datepicker", "timepicker", "datetimepicker", "radio_buttons", "checkboxes",
}  # fmt: skip
ELEMENTS = INPUTS | {"button", "overflow", "workflow_button"}
SMALL_ELEMENTS = {"feedback_buttons", "icon_button"}
RICH_TEXT_PARTS = {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
RICH_TEXT_ELEMENTS = {
    "text", "link", "user", "usergroup", "channel", "broadcast", "emoji", "date", "team", "color", "tag", "citation",
}  # fmt: skip


def problem(sentence: str, pointer: str) -> str:
    """A sentence with its place, as Slack writes it."""
    return f"{sentence} [json-pointer:{pointer}]"


def check_string(holder: dict[str, Any], key: str, pointer: str, limit: int, *, required: bool = False) -> Problems:
    """A bare string of at most ``limit`` characters."""
    value = holder.get(key)
    if value is None:
        if required:
            yield problem(f"missing required field: {key}", pointer)
    elif not isinstance(value, str):
        yield problem("must provide a string", f"{pointer}/{key}")
    elif required and not value:
        yield problem("must be more than 0 characters", f"{pointer}/{key}")
    elif len(value) > limit:
        yield problem(f"must be less than {limit + 1} characters", f"{pointer}/{key}")


def check_text(
    holder: dict[str, Any], key: str, pointer: str, limit: int, *, plain: bool = False, required: bool = True
) -> Problems:
    """A text object of at most ``limit`` characters; ``plain`` refuses mrkdwn."""
    value = holder.get(key)
    if value is None:
        if required:
            yield problem(f"missing required field: {key}", pointer)
        return
    yield from check_text_object(value, f"{pointer}/{key}", limit, plain=plain)


def check_text_object(value: object, pointer: str, limit: int, *, plain: bool = False) -> Problems:
    """The text object itself."""
    if not isinstance(value, dict):
        yield problem("must provide an object", pointer)
        return
    allowed = {"plain_text"} if plain else {"plain_text", "mrkdwn"}
    if value.get("type") not in allowed:
        yield problem(f"must be one of {sorted(allowed)}", f"{pointer}/type")
    yield from check_string(value, "text", pointer, limit, required=True)


def check_items(holder: dict[str, Any], key: str, pointer: str, limit: int, *, least: int = 1) -> Problems:
    """An array of ``least`` to ``limit`` items."""
    value = holder.get(key)
    if not isinstance(value, list):
        yield problem(f"missing required field: {key}", pointer)
    elif len(value) < least:
        yield problem(f"no fewer than {least} items allowed", f"{pointer}/{key}")
    elif len(value) > limit:
        yield problem(f"no more than {limit} items allowed", f"{pointer}/{key}")


def check_element(element: object, pointer: str, allowed: frozenset[str] | set[str]) -> Problems:
    """An interactive element of one of the ``allowed`` types."""
    if not isinstance(element, dict):
        yield problem("must provide an object", pointer)
        return
    kind = element.get("type")
    if kind not in allowed:
        yield problem(f"unsupported type: {kind}", f"{pointer}/type")
        return
    yield from check_string(element, "action_id", pointer, ID_LIMIT)
    if "confirm" in element:
        yield from check_confirm(element["confirm"], f"{pointer}/confirm")
    if kind == "button":
        yield from check_button(element, pointer)
    elif kind in {"static_select", "multi_static_select", "overflow", "radio_buttons", "checkboxes"}:
        yield from check_options(element, pointer)


def check_button(button: dict[str, Any], pointer: str) -> Problems:
    """A button's label, value, address and style."""
    yield from check_text(button, "text", pointer, 75, plain=True)
    yield from check_string(button, "value", pointer, 2000)
    yield from check_string(button, "url", pointer, 3000)
    yield from check_string(button, "accessibility_label", pointer, 75)
    if button.get("style") not in {None, "primary", "danger"}:
        yield problem('must be one of "primary", "danger"', f"{pointer}/style")


def check_options(element: dict[str, Any], pointer: str) -> Problems:
    """The choices of a select, an overflow menu, radio buttons or checkboxes."""
    if "option_groups" in element:
        yield from check_items(element, "option_groups", pointer, 100)
        groups = element["option_groups"] if isinstance(element["option_groups"], list) else []
        for number, group in enumerate(groups):
            yield from check_options({"options": group.get("options")}, f"{pointer}/option_groups/{number}")
        return
    limit = {"overflow": 5, "radio_buttons": 10, "checkboxes": 10}.get(str(element.get("type")), 100)
    yield from check_items(element, "options", pointer, limit)
    for number, option in enumerate(element.get("options") or []):
        yield from check_text(option, "text", f"{pointer}/options/{number}", 75)
        yield from check_string(option, "value", f"{pointer}/options/{number}", 150, required=True)


def check_confirm(confirm: object, pointer: str) -> Problems:
    """A confirm dialog."""
    if not isinstance(confirm, dict):
        yield problem("must provide an object", pointer)
        return
    yield from check_text(confirm, "title", pointer, 100, plain=True, required=False)
    yield from check_text(confirm, "text", pointer, 300, required=False)
    yield from check_text(confirm, "confirm", pointer, 30, plain=True, required=False)
    yield from check_text(confirm, "deny", pointer, 30, plain=True, required=False)


def check_image(image: dict[str, Any], pointer: str) -> Problems:
    """An image, as a block or as an element."""
    yield from check_string(image, "alt_text", pointer, 2000, required=True)
    yield from check_string(image, "image_url", pointer, 3000)
    if not image.get("image_url") and not image.get("slack_file"):
        yield problem("missing required field: image_url or slack_file", pointer)


def check_rich_text(block: object, pointer: str) -> Problems:
    """A rich_text block, also where it is the value of a field."""
    if not isinstance(block, dict) or block.get("type") != "rich_text":
        yield problem("must be a rich_text block", pointer)
        return
    yield from check_items(block, "elements", pointer, 1000)
    for number, part in enumerate(block.get("elements") or []):
        where = f"{pointer}/elements/{number}"
        if part.get("type") not in RICH_TEXT_PARTS:
            yield problem(f"unsupported type: {part.get('type')}", f"{where}/type")
        elif part["type"] == "rich_text_list":
            for index, item in enumerate(part.get("elements") or []):
                yield from _check_rich_elements(item, f"{where}/elements/{index}")
        else:
            yield from _check_rich_elements(part, where)


def _check_rich_elements(part: dict[str, Any], pointer: str) -> Problems:
    for number, element in enumerate(part.get("elements") or []):
        where = f"{pointer}/elements/{number}"
        if element.get("type") not in RICH_TEXT_ELEMENTS:
            yield problem(f"unsupported type: {element.get('type')}", f"{where}/type")
        elif element["type"] == "text":
            yield from check_string(element, "text", where, 12_000, required=True)
