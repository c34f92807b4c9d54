"""Forms and the App Home, and how a filled-in form is read. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.controller.decisions import ButtonToken
from bot.model.errors import Refusal
from bot.model.freeze import Freeze
from bot.model.rollout import Entry, Rollout
from bot.model.service import ServiceConfig
from bot.rollout.plans import Overrides
from bot.slack import blocks as b
from bot.slack import freezes, parsing, replies, wording
from bot.slack.blocks import Block, Element
from bot.slack.cards import buttons

START, ABORT_REASON, DETAILS = "canary_start", "canary_abort_reason", "canary_details_view"
ABANDON_REASON = "canary_abandon_reason"
MOST_OPTIONS = 100
MOST_ROLLOUTS = 10

View = dict[str, Any]
T = TypeVar("T")


class FormErrors(Exception):  # noqa: N818  # said as what they are: the person's, shown beside the fields
    """What is wrong in a form, by block id, all at once."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(errors.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonForm:
    """A submitted abort, or abandonment."""

    button_token: ButtonToken
    channel: str
    reason: str


def start_form(
    services: Sequence[ServiceConfig],
    channel: str = "",
    service: str | None = None,
    *,
    frozen: Sequence[Freeze] = (),
    command: str = "/canary",
) -> View:
    """Ask for service and version; ``channel`` is where the outcome is told, ``frozen`` what cannot be started now."""
    options = [_option(known.name) for known in services[:MOST_OPTIONS]]
    if not options:
        return _modal(START, "Start a canary", [b.section("services.yaml names no service yet.")])
    chosen = next((o for o in options if o["value"] == service), options[0] if len(options) == 1 else None)
    select: Element = {"type": "static_select", "action_id": "value", "options": options}
    if chosen:
        select["initial_option"] = chosen
    auto = {"type": "checkboxes", "action_id": "value", "options": [_option("auto", "Go on without approvals")]}
    fields = [
        _input("service", "Service", select),
        _input("version", "Version", _line("v2"), hint="As in the canary Deployment's name."),
        _input("weights", "Weights, percent", _line("10, 50, 100"), optional=True, hint="Empty: as in services.yaml."),
        _input("seconds", "How long each step lasts", _line("5m"), optional=True, hint="Empty: as in services.yaml."),
        _input("auto", "Approvals", auto, optional=True),
    ]
    blocks = [*freezes.board(frozen, command), *fields]
    return _modal(START, "Start a canary", blocks, submit="Start Canary", remember={"channel": channel})


def read_start(view: View) -> tuple[parsing.Command, str]:
    """The command in a submitted form, and the channel to answer in.

    Raises:
        FormErrors: with every field that is wrong.
    """
    errors: dict[str, str] = {}
    service = _read(errors, "service", parsing.service_name, _value(view, "service"))
    version = _read(errors, "version", parsing.version_name, _value(view, "version").strip())
    weights, seconds = _value(view, "weights").replace(" ", ""), _value(view, "seconds").replace(" ", "")
    overrides = Overrides(
        weights=_read(errors, "weights", parsing.weights, weights) if weights else None,
        stage_seconds=_read(errors, "seconds", parsing.duration, seconds) if seconds else None,
        auto=bool(_value(view, "auto")),
    )
    if errors:
        raise FormErrors(errors)
    command = parsing.Command(verb=parsing.Verb.START, service=service, version=version or "", overrides=overrides)
    return command, str(metadata(view).get("channel", ""))


def abort_form(rollout: Rollout, channel: str) -> View:
    """Ask why. The form is the confirmation; an empty reason is allowed."""
    what = f"{wording.title(rollout)}: {wording.state(rollout)}. All users return to the healthy side."
    fields = [
        b.rich_text(b.words(what, limit=600)),
        _input("reason", "Why?", {**_line("what you have seen"), "multiline": True, "max_length": 500}, optional=True),
    ]
    remember = {"token": str(ButtonToken.of(rollout)), "channel": channel}
    return _modal(ABORT_REASON, f"Abort {rollout.spec.service}", fields, submit="Abort Canary", remember=remember)


def abandon_form(
    service: str, rollout: Rollout | None, button_token: ButtonToken, channel: str, reason: str = ""
) -> View:
    """Ask why, and say what it means: it is no abort. Without a rollout it is about annotations that one has left
    behind.
    """
    what = (
        f"{service} has no live rollout. What an earlier one has left on the VirtualService is taken off."
        if rollout is None
        else f"{wording.title(rollout)}: {wording.state(rollout)}. The record ends, and nobody looks after it any more."
    )
    stays = "Nobody is moved: routes and images stay exactly as they are now. To bring all users back, abort instead."
    line = {**_line("why nobody else can end it"), "multiline": True, "max_length": 500}
    if reason:
        line["initial_value"] = reason
    fields = [b.rich_text(b.words(f"{what} {stays}", limit=900)), _input("reason", "Why?", line)]
    remember = {"token": str(button_token), "channel": channel}
    return _modal(ABANDON_REASON, f"Abandon {service}", fields, submit="Abandon Rollout", remember=remember)


def read_reason(view: View) -> ReasonForm:
    """A submitted abort, or abandonment.

    Raises:
        Refusal: the form was not made by us.
    """
    remembered = metadata(view)
    return ReasonForm(
        button_token=ButtonToken.read(str(remembered.get("token", ""))),
        channel=str(remembered.get("channel", "")),
        reason=_value(view, "reason").strip(),
    )


def details(rollout: Rollout, story: Sequence[Entry]) -> View:
    """Everything there is to know about a rollout, to read."""
    head = [b.rich_text(b.words(f"{wording.title(rollout)}: {wording.state(rollout)}", bold=True, limit=600))]
    return _modal(DETAILS, rollout.spec.service, [*head, *replies.why_blocks(rollout, story)])


def home(
    yours: Sequence[Rollout],
    others: Sequence[Rollout],
    past: Sequence[Rollout],
    frozen: Sequence[Freeze],
    command: str,
    now: float,
) -> View:
    """What waits for the reader first, then what is in flight, what is frozen, and what was."""
    blocks: list[Block] = []
    if yours:
        blocks += [b.header("Waiting for you"), *(part for r in yours[:MOST_ROLLOUTS] for part in _entry(r))]
    if others:
        blocks += [b.header("In flight"), *(part for r in others[:MOST_ROLLOUTS] for part in _entry(r))]
    if not yours and not others:
        sentence = f"Nothing is in flight. Begin with `{command} start SERVICE VERSION` in any channel."
        blocks += [b.header("All quiet"), b.section(b.readable(sentence))]
    blocks += freezes.board(frozen, command)
    if past:
        points = (replies.past_line(rollout) for rollout in past[:MOST_ROLLOUTS])
        blocks += [b.header("Recent"), b.rich_list(points)]
    blocks.append(b.context(f"As of {b.date_mrkdwn(now)}. `{command} help` lists every command."))
    return {"type": "home", "blocks": blocks}


def _entry(rollout: Rollout) -> list[Block]:
    sentence = f": {wording.state(rollout)}. {wording.situation(rollout)}"
    line = b.rich_text(b.words(wording.title(rollout), bold=True, limit=200), b.words(sentence, limit=400))
    return [line, b.actions(buttons(rollout))]


def _modal(
    callback_id: str,
    title: str,
    blocks: Sequence[Block],
    *,
    submit: str | None = None,
    remember: dict[str, str] | None = None,
) -> View:
    view: View = {
        "type": "modal",
        "callback_id": callback_id,
        "title": b.plain(title, 24),
        "close": b.plain("Cancel" if submit else "Close", 24),
        "blocks": list(blocks),
        "private_metadata": json.dumps(remember or {}),
    }
    return {**view, "submit": b.plain(submit, 24)} if submit else view


def _input(block_id: str, label: str, element: Element, *, optional: bool = False, hint: str = "") -> Block:
    block: Block = {"type": "input", "block_id": block_id, "label": b.plain(label), "element": element}
    block["optional"] = optional
    return {**block, "hint": b.plain(hint, 150)} if hint else block


def _line(placeholder: str) -> Element:
    return {"type": "plain_text_input", "action_id": "value", "placeholder": b.plain(placeholder)}


def _option(value: str, label: str = "") -> Element:
    return {"text": b.plain(label or value), "value": value}


def _read(errors: dict[str, str], block_id: str, reader: Callable[[str], T], text: str) -> T | None:
    """What the reader makes of a field; its refusal is noted beside the field."""
    try:
        return reader(text)
    except Refusal as refusal:
        errors[block_id] = str(refusal.sentence)
        return None


def metadata(view: View) -> dict[str, Any]:
    """What we put into a form when we opened it."""
    try:
        found = json.loads(str(view.get("private_metadata") or "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _value(view: View, block_id: str) -> str:
    """What was typed or chosen, "" for nothing."""
    state = within(view, "state", "values", block_id, "value")
    several = within(state, "selected_options")
    first = several[0] if isinstance(several, list) and several else None
    return str(within(state, "selected_option", "value") or within(first, "value") or within(state, "value") or "")


def within(thing: object, *names: str) -> Any:
    """What is found in a payload by these names, one inside the other; None where a part is missing or another kind."""
    for name in names:
        thing = thing.get(name) if isinstance(thing, dict) else None
    return thing
