"""Forms: what they ask, and how one that was filled in is read. Pure.

A start is asked for, checked and refused in one form: it stays open while preflight runs, and what was found stands in
it with everything that was typed, so that it can be mended on the spot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.controller.decisions import ButtonToken
from bot.model.errors import Refusal
from bot.model.freeze import Freeze
from bot.model.rollout import Rollout
from bot.model.service import ServiceConfig
from bot.rollout.plans import Overrides
from bot.slack import blocks as b
from bot.slack import form_fields, freezes, parsing, wording
from bot.slack.blocks import Block, Element
from bot.slack.grammar import Verb
from bot.words.rendering import Voice, plain
from bot.words.sentence import Channel, Code, Text, said

START, ABORT_REASON, ABANDON_REASON = "canary_start", "canary_abort_reason", "canary_abandon_reason"
SERVICE_CHOSEN, NEW = "canary_start_service", "canary_new"
MOST_OPTIONS = 100
LONGEST_OPTION = 75
MOST_FINDINGS = 40
MOST_CHARACTERS = 20_000  # of a form with findings

View = dict[str, Any]
T = TypeVar("T")


class FormErrors(Exception):  # noqa: N818  # said as what they are: the person's, shown beside the fields
    """What is wrong in a form, by block id, all at once."""

    def __init__(self, errors: dict[str, Text]) -> None:
        self.errors = errors
        super().__init__("; ".join(map(plain, errors.values())))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonForm:
    """A submitted abort, or abandonment."""

    button_token: ButtonToken
    channel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartForm:
    """What the start form offers.

    Attributes:
        services: those that can be started.
        channel: where the outcome is told if the form is closed meanwhile.
        asked: what was typed or filled in before.
        versions: of the chosen service, as the cluster has them; empty: the version is typed.
        frozen: what cannot be started now.
        findings: why a start was refused, and what preflight warned of; the first is what it comes to.
    """

    services: Sequence[ServiceConfig]
    channel: str = ""
    asked: parsing.Command = parsing.A_START
    versions: Sequence[str] = ()
    frozen: Sequence[Freeze] = ()
    findings: Sequence[Text] = ()

    @property
    def chosen(self) -> str | None:
        """The service that is chosen already: the one that was named, or the only one there is."""
        if self.asked.service is not None or len(self.services) != 1:
            return self.asked.service
        return self.services[0].name


def start_form(form: StartForm, voice: Voice) -> View:
    """Ask for service, version and reason, with what is known filled in."""
    options = [option(known.name) for known in form.services[:MOST_OPTIONS]]
    title = plain(said("slack.start_title"), voice)
    if not options:
        return modal(START, title, [b.section(b.mrkdwn(said("slack.no_service_named"), voice))], voice)
    blocks = [*freezes.board(form.frozen, voice), *_comes_to(form.findings, voice)]
    beside = _beside(form, voice)
    for asked in (*_which(form, options, voice), *_how(form.asked, voice)):
        blocks += [asked, *beside.get(_field_of(asked), [])]
    remember = {"channel": form.channel}
    return modal(START, title, blocks, voice, submit=plain(said("slack.start_submit"), voice), remember=remember)


def _which(form: StartForm, options: Sequence[Element], voice: Voice) -> list[Block]:
    select: Element = {"type": "static_select", "action_id": SERVICE_CHOSEN, "options": list(options)}
    chosen = next((one for one in options if one["value"] == form.chosen), None)
    if chosen:
        select["initial_option"] = chosen
    service = field("service", plain(said("slack.field_service"), voice), select)
    return [{**service, "dispatch_action": True}, *([_version(form, voice)] if form.chosen else [])]


def _version(form: StartForm, voice: Voice) -> Block:
    """A list where the cluster has one; its block is another for each service, so that none keeps another's choice."""
    label, typed = plain(said("slack.field_version"), voice), form.asked.version
    listed = form.versions[:MOST_OPTIONS]
    if not listed or (typed and typed not in listed) or len(listed) < len(form.versions):
        return field("version", label, line("v2", typed), hint=plain(said("slack.hint_version"), voice))
    options = [option(one) for one in listed if len(one) <= LONGEST_OPTION]
    select: Element = {"type": "static_select", "action_id": "value", "options": options}
    picked = next((one for one in options if one["value"] == typed), None)
    return field(f"version:{form.chosen}", label, {**select, "initial_option": picked} if picked else select)


def _comes_to(findings: Sequence[Text], voice: Voice) -> list[Block]:
    """That it was not started."""
    return [b.rich_text(*b.spoken(first, voice, bold=True)) for first in findings[:1]]


def _beside(form: StartForm, voice: Voice) -> dict[str, list[Block]]:
    """Why it was not started, by the field that each reason stands below; how many are left out stands first."""
    reasons = form.findings[1:]
    service = next((known for known in form.services if known.name == form.chosen), None)
    shown, number, left = dict[str, list[Block]](), 0, MOST_CHARACTERS
    for reason in reasons[:MOST_FINDINGS]:
        block = b.rich_list([b.spoken(reason, voice)])
        shown.setdefault(form_fields.field_of(reason, service, form.asked.version), []).append(block)
        number, left = number + 1, left - len(json.dumps(block, ensure_ascii=False))
        if left <= 0:
            break
    more = len(reasons) - number
    if more:
        rest = said("slack.more_reasons", n=more, command=Code("canary-bot plan"))
        shown.setdefault(form_fields.SERVICE, []).append(b.context(b.mrkdwn(rest, voice)))
    return shown


def _field_of(block: Block) -> str:
    """Of a version's block the first part of its id: each service has one of its own."""
    return str(block["block_id"]).partition(":")[0]


def _how(asked: parsing.Command, voice: Voice) -> list[Block]:
    as_configured = plain(said("slack.hint_as_configured"), voice)
    why = {**line(plain(said("slack.placeholder_because"), voice), asked.reason), "max_length": parsing.LONGEST_REASON}
    auto_option = option("auto", plain(said("slack.option_auto"), voice))
    chosen = {"initial_options": [auto_option]} if asked.overrides.auto else {}
    auto = {"type": "checkboxes", "action_id": "value", "options": [auto_option], **chosen}
    weights = ", ".join(map(str, asked.overrides.weights or ()))
    return [
        field("because", plain(said("slack.field_because"), voice), why, optional=True),
        field(
            "weights",
            plain(said("slack.field_weights"), voice),
            line("10, 50, 100", weights),
            optional=True,
            hint=as_configured,
        ),
        field(
            "seconds",
            plain(said("slack.field_seconds"), voice),
            line("5m", _written(asked.overrides.stage_seconds)),
            optional=True,
            hint=as_configured,
        ),
        field("auto", plain(said("slack.field_auto"), voice), auto, optional=True),
    ]


def listing(service: str, command: str, voice: Voice) -> View:
    """Shown while the versions are looked up: there is no field yet whose content the list could take away."""
    wait = said("slack.listing", service=service)
    else_type = said("slack.listing_takes_long", command=Code(f"{command} start {service} VERSION"))
    blocks = [b.rich_text(*b.spoken(wait, voice)), b.context(b.mrkdwn(else_type, voice))]
    return modal(START, plain(said("slack.start_title"), voice), blocks, voice)


def checking(asked: parsing.Command, voice: Voice) -> View:
    """Shown while preflight looks."""
    sentence = said("slack.checking", service=asked.service or "", version=asked.version)
    return modal(START, plain(said("slack.start_title"), voice), [b.rich_text(*b.spoken(sentence, voice))], voice)


def started(rollout: Rollout, warnings: Sequence[Text], voice: Voice) -> View:
    """It has begun, where its card is, and what is worth knowing besides."""
    sentence = started_sentence(rollout)
    blocks = [b.rich_text(*b.spoken(sentence, voice)), *(b.rich_list([b.spoken(one, voice)]) for one in warnings)]
    return modal(START, plain(said("slack.start_title"), voice), blocks, voice)


def started_sentence(rollout: Rollout) -> Text:
    """That it has begun, and where its card is."""
    spec = rollout.spec
    return said("slack.started_there", service=spec.service, version=spec.version, channel=Channel(spec.channel))


def read_start(view: View) -> parsing.Command:
    """The command in a submitted form.

    Raises:
        FormErrors: with every field that is wrong.
    """
    errors: dict[str, Text] = {}
    at = version_block(view)
    service = _read(errors, "service", parsing.service_name, value(view, "service"))
    version = _read(errors, at, parsing.version_name, value(view, at).strip()) if at else None
    if not at:  # Slack takes an error only beside a field that the form has
        errors.setdefault("service", said("slack.version_follows"))
    weights, seconds = value(view, "weights").replace(" ", ""), value(view, "seconds").replace(" ", "")
    overrides = Overrides(
        weights=_read(errors, "weights", parsing.weights, weights) if weights else None,
        stage_seconds=_read(errors, "seconds", parsing.duration, seconds) if seconds else None,
        auto=bool(value(view, "auto")),
    )
    if errors:
        raise FormErrors(errors)
    because = parsing.shortened(value(view, "because").strip())
    return parsing.Command(verb=Verb.START, service=service, version=version or "", overrides=overrides, reason=because)


def read_chosen(view: View) -> parsing.Command:
    """The service chosen in a form that is still open, with the reason typed so far."""
    return parsing.Command(
        verb=Verb.START, service=value(view, "service") or None, reason=parsing.shortened(value(view, "because"))
    )


def version_block(view: View) -> str:
    """The id of the block that holds the version; "" while no service is chosen, when there is none."""
    values = within(view, "state", "values")
    names = values if isinstance(values, dict) else {}
    return next((str(name) for name in names if str(name).startswith("version")), "")


def abort_form(rollout: Rollout, channel: str, voice: Voice) -> View:
    """Ask why. The form is the confirmation; an empty reason is allowed."""
    what = said("slack.abort_what", title=wording.title(rollout), state=wording.state(rollout))
    reason = {**line(plain(said("slack.placeholder_reason"), voice)), "multiline": True, "max_length": 500}
    fields = [
        b.rich_text(*b.spoken(what, voice, limit=600)),
        field("reason", plain(said("slack.field_because"), voice), reason, optional=True),
    ]
    return modal(
        ABORT_REASON,
        plain(said("slack.abort_title", service=rollout.spec.service), voice),
        fields,
        voice,
        submit=plain(said("slack.abort_submit"), voice),
        remember={"token": str(ButtonToken.of(rollout)), "channel": channel},
    )


def abandon_form(
    service: str, rollout: Rollout | None, button_token: ButtonToken, channel: str, voice: Voice, reason: str = ""
) -> View:
    """Ask why, and say what it means: it is no abort. Without a rollout it is about annotations that one has left
    behind.
    """
    what = (
        said("slack.abandon_nothing", service=service)
        if rollout is None
        else said("slack.abandon_what", title=wording.title(rollout), state=wording.state(rollout))
    )
    placeholder = plain(said("slack.placeholder_abandon"), voice)
    why = {**line(placeholder, reason), "multiline": True, "max_length": 500}
    stays = said("slack.abandon_stays")
    fields = [
        b.rich_text(*b.spoken(what, voice, limit=600)),
        b.rich_text(*b.spoken(stays, voice)),
        field("reason", plain(said("slack.field_because"), voice), why),
    ]
    return modal(
        ABANDON_REASON,
        plain(said("slack.abandon_title", service=service), voice),
        fields,
        voice,
        submit=plain(said("slack.abandon_submit"), voice),
        remember={"token": str(button_token), "channel": channel},
    )


def read_reason(view: View) -> ReasonForm:
    """A submitted abort, or abandonment.

    Raises:
        Refusal: the form was not made by us.
    """
    remembered = metadata(view)
    return ReasonForm(
        button_token=ButtonToken.read(str(remembered.get("token", ""))),
        channel=str(remembered.get("channel", "")),
        reason=value(view, "reason").strip(),
    )


# Parts


def modal(
    callback_id: str,
    title: str,
    blocks: Sequence[Block],
    voice: Voice,
    *,
    submit: str | None = None,
    remember: dict[str, str] | None = None,
) -> View:
    """A form, or something to read where there is nothing to submit."""
    close = said("slack.cancel") if submit else said("slack.close")
    view: View = {
        "type": "modal",
        "callback_id": callback_id,
        "title": b.plain(title, 24),
        "close": b.plain(plain(close, voice), 24),
        "blocks": list(blocks),
        "private_metadata": json.dumps(remember or {}),
    }
    return {**view, "submit": b.plain(submit, 24)} if submit else view


def field(block_id: str, label: str, element: Element, *, optional: bool = False, hint: str = "") -> Block:
    """An input with its label."""
    block: Block = {"type": "input", "block_id": block_id, "label": b.plain(label), "element": element}
    block["optional"] = optional
    return {**block, "hint": b.plain(hint, 150)} if hint else block


def line(placeholder: str, typed: str = "") -> Element:
    """A line to type in, with what was typed before."""
    element: Element = {"type": "plain_text_input", "action_id": "value", "placeholder": b.plain(placeholder)}
    return {**element, "initial_value": typed} if typed else element


def option(chosen: str, label: str = "") -> Element:
    """One of several to choose from."""
    return {"text": b.plain(label or chosen), "value": chosen}


def _written(seconds: float | None) -> str:
    """A length of time as it may be typed."""
    return "" if seconds is None else f"{seconds:.0f}s"


# Reading


def _read(errors: dict[str, Text], block_id: str, reader: Callable[[str], T], text: str) -> T | None:
    """What the reader makes of a field; its refusal is noted beside the field."""
    try:
        return reader(text)
    except Refusal as refusal:
        errors[block_id] = refusal.sentence
        return None


def metadata(view: View) -> dict[str, Any]:
    """What we put into a form when we opened it."""
    try:
        found = json.loads(str(view.get("private_metadata") or "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def value(view: View, block_id: str) -> str:
    """What was typed or chosen, "" for nothing."""
    for state in _elements(within(view, "state", "values", block_id)):
        several = within(state, "selected_options")
        first = several[0] if isinstance(several, list) and several else None
        return str(within(state, "selected_option", "value") or within(first, "value") or within(state, "value") or "")
    return ""


def _elements(block: object) -> Iterator[object]:
    if isinstance(block, dict):
        yield from block.values()


def within(thing: object, *names: str) -> Any:
    """What is found in a payload by these names, one inside the other; None where a part is missing or another kind."""
    for name in names:
        thing = thing.get(name) if isinstance(thing, dict) else None
    return thing
