"""One of each block that Slack has, as a bot would send it, with the words by which it is found on the page."""

from __future__ import annotations

from typing import Any

Block = dict[str, Any]


def plain(words: str) -> Block:
    return {"type": "plain_text", "text": words}


def rich(*elements: Block) -> Block:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


def words(text: str) -> Block:
    return {"type": "text", "text": text}


def button(label: str, **more: Any) -> Block:
    return {"type": "button", "text": plain(label), **more}


def option(label: str) -> Block:
    return {"text": plain(label), "value": label}


def series(kind: str) -> Block:
    names = ["14:01", "14:02", "14:03", "14:04"]
    data = [{"label": name, "value": value} for name, value in zip(names, (1, 3, 2, 4), strict=True)]
    axes = {"categories": names, "x_label": "Time (UTC)", "y_label": "Errors (%)"}
    return {"type": kind, "series": [{"name": "canary", "data": data}], "axis_config": axes}


LISTS = {
    "type": "rich_text",
    "elements": [
        {"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [rich(words("a point"))["elements"][0]]},
        {"type": "rich_text_quote", "elements": [words("a quote")]},
        {"type": "rich_text_preformatted", "elements": [words("some code")]},
    ],
}
INLINE = rich(
    {"type": "user", "user_id": "U0OMAR0001"},
    {"type": "usergroup", "usergroup_id": "S0RELMGRS1"},
    {"type": "channel", "channel_id": "C0GENERAL1"},
    {"type": "broadcast", "range": "here"},
    {"type": "emoji", "name": "bird", "unicode": "1f426"},
    {"type": "date", "timestamp": 0, "format": "{date_num}", "fallback": "then"},
    {"type": "link", "url": "https://example.com/", "text": "a link"},
    {"type": "color", "value": "#ff0000"},
    {"type": "tag", "text": plain("a pill"), "color": "green"},
    {"type": "citation", "url": "https://example.com/", "text": plain("source")},
)
TASK = {"type": "task_card", "task_id": "t", "title": "Mirror", "status": "in_progress", "output": rich(words("40 %"))}
CARD = {"type": "card", "title": plain("A card"), "subtitle": plain("below it"), "actions": [button("Open", value="o")]}
ROWS: list[list[Block]] = [[{"type": "raw_text", "text": "Check"}, {"type": "raw_text", "text": "v2"}]]
ROWS += [[{"type": "raw_text", "text": "errors"}, {"type": "raw_number", "value": 0.42}]]


def in_messages(picture: str) -> dict[str, tuple[Block, tuple[str, ...]]]:
    """By name: a block, and words it must show; ``picture`` is the address of a picture."""
    image = {"type": "image", "image_url": picture, "alt_text": "a picture"}
    return {
        "header": ({"type": "header", "text": plain("Heading"), "level": 2}, ("Heading",)),
        "section": (
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "*bold* words"},
                "fields": [plain("a field")],
                "accessory": button("Beside", action_id="beside"),
            },
            ("bold words", "a field", "Beside"),
        ),
        "section with a menu": (
            {
                "type": "section",
                "text": plain("More"),
                "accessory": {"type": "overflow", "options": [option("first"), option("second")]},
            },
            ("More", "⋯"),
        ),
        "context": ({"type": "context", "elements": [plain("small print"), image]}, ("small print",)),
        "actions": (
            {
                "type": "actions",
                "elements": [
                    button("Approve", style="primary"),
                    {"type": "static_select", "placeholder": plain("Version"), "options": [option("v3")]},
                    {"type": "datepicker"},
                    {"type": "timepicker"},
                    {"type": "datetimepicker"},
                    {"type": "users_select", "placeholder": plain("Who")},
                    {"type": "checkboxes", "options": [option("sure")]},
                    {"type": "radio_buttons", "options": [option("either")]},
                ],
            },
            ("Approve", "v3", "Omar Haddad", "sure", "either"),
        ),
        "context_actions": (
            {
                "type": "context_actions",
                "elements": [
                    {
                        "type": "feedback_buttons",
                        "positive_button": {"text": plain("Helped"), "value": "y"},
                        "negative_button": {"text": plain("Did not"), "value": "n"},
                    },
                    {"type": "icon_button", "icon": "trash", "text": plain("Remove")},
                ],
            },
            ("Helped", "Did not", "Remove"),
        ),
        "divider": ({"type": "divider"}, ()),
        "image": ({**image, "title": plain("A title")}, ("A title",)),
        "video": (
            {
                "type": "video",
                "title": plain("A film"),
                "video_url": "https://example.com/film",
                "thumbnail_url": picture,
                "alt_text": "a film",
            },
            ("A film",),
        ),
        "file": ({"type": "file", "external_id": "report-7", "source": "remote"}, ("report-7",)),
        "call": ({"type": "call", "call_id": "R1", "call": {"v1": {"name": "War room"}}}, ("War room",)),
        "rich_text": (LISTS, ("a point", "a quote", "some code")),
        "rich_text inline": (
            INLINE,
            ("@omar", "@release-managers", "#general", "@here", "🐦", "1970-01-01", "a link", "a pill", "source"),
        ),
        "markdown": (
            {"type": "markdown", "text": "# Notes\n1. one\n> said\n```\ncode\n```\n| a | b |\n|---|---|\n| c | d |"},
            ("Notes", "one", "said", "code", "d"),
        ),
        "plan": ({"type": "plan", "title": "The plan", "tasks": [TASK]}, ("The plan", "Mirror", "40 %")),
        "task_card": (TASK, ("Mirror", "40 %")),
        "table": ({"type": "table", "rows": ROWS, "column_settings": [{"align": "left"}]}, ("Check", "errors", "0.42")),
        "data_table": ({"type": "data_table", "caption": "Checks", "rows": ROWS}, ("Checks", "errors", "0.42")),
        **{
            f"data_visualization {kind}": (
                {"type": "data_visualization", "title": "Error rate", "chart": series(kind)},
                ("Error rate", "canary", "Errors (%)", "14:01"),
            )
            for kind in ("line", "area", "bar")
        },
        "data_visualization pie": (
            {
                "type": "data_visualization",
                "title": "Shares",
                "chart": {"type": "pie", "segments": [{"label": "v1", "value": 1}, {"label": "v2", "value": 3}]},
            },
            ("Shares", "v1", "75 %"),
        ),
        "card": (CARD, ("A card", "below it", "Open")),
        "carousel": ({"type": "carousel", "elements": [CARD]}, ("A card",)),
        "container": (
            {"type": "container", "title": plain("Framed"), "child_blocks": [{"type": "header", "text": plain("In")}]},
            ("Framed", "In"),
        ),
    }


def in_forms() -> dict[str, tuple[Block, tuple[str, ...]]]:
    """What only a form holds: alerts, and every kind of input."""
    options = [option("one"), option("two")]
    kinds: dict[str, Block] = {
        "plain_text_input": {"multiline": True},
        "number_input": {"is_decimal_allowed": False},
        "email_text_input": {},
        "url_text_input": {},
        "rich_text_input": {},
        "file_input": {},
        "datepicker": {},
        "timepicker": {},
        "datetimepicker": {"initial_date_time": 1_795_950_000},
        "static_select": {"options": options},
        "multi_static_select": {"options": options},
        "users_select": {},
        "multi_users_select": {},
        "channels_select": {},
        "multi_channels_select": {},
        "conversations_select": {},
        "external_select": {},
        "radio_buttons": {"options": options},
        "checkboxes": {"options": options},
    }
    alert = {"type": "alert", "level": "error", "text": {"type": "mrkdwn", "text": "It has *moved on*"}}
    inputs: dict[str, tuple[Block, tuple[str, ...]]] = {
        kind: ({"type": "input", "label": plain(f"A {kind}"), "element": {"type": kind, **more}}, (f"A {kind}",))
        for kind, more in kinds.items()
    }
    return {"alert": (alert, ("It has moved on",)), **inputs}
