"""What a question gets for an answer: status, list, why, plan, history, services, help. Pure.

Answers have no buttons: those are on the card, which everybody sees and which is kept up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.controller.decisions import ButtonToken
from bot.controller.preview import Plan
from bot.model.figures import Finding
from bot.model.freeze import Freeze, covering, freeze_sentence
from bot.model.rollout import BOT, Rollout, RolloutId
from bot.model.service import ServiceConfig
from bot.model.story import Entry
from bot.rollout import exposure, leaving
from bot.rollout.phrases import drilled, gist, taken_up
from bot.slack import blocks as b
from bot.slack import cards, freezes, gate_rows, wording
from bot.slack.because import because
from bot.slack.blocks import Block, Element, Message
from bot.slack.cards import ABORT
from bot.slack.grammar import GRAMMAR
from bot.slack.reply_messages import message_of, more_reasons
from bot.slack.stopping import StopMeant
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import Code, Moment, Person, Text, TypedIn, said, together

MOST_LINES = 25
MOST_SAID = 10
MOST_OFFERED = 5
NOTHING: Mapping[RolloutId, Text] = {}


def status(rollout: Rollout, story: Sequence[Entry], now: float, voice: Voice = ENGLISH) -> Message:
    """The card as it is now, without its buttons."""
    card = cards.card(rollout, story, now, voice)
    return Message(text=card.text, blocks=_without_buttons(card.blocks), plain=_without_buttons(card.plain))


def idle(service: str, past: Sequence[Rollout], frozen: Sequence[Freeze], voice: Voice = ENGLISH) -> Message:
    """The status of a service with nothing in flight; ``frozen`` are the freezes of it and of all services."""
    sentence = (
        said("slack.idle_and_frozen", service=service)
        if frozen
        else said("slack.idle", service=service, command=TypedIn(f"start {service}"))
    )
    last = [b.rich_list([past_line(past[0], voice)])] if past else []
    text = b.mrkdwn(together((sentence, *map(freeze_sentence, frozen))), voice)
    blocks = (b.section(b.mrkdwn(sentence, voice)), *freezes.listed(frozen, voice), *last)
    return Message(text=text, blocks=blocks, plain=blocks)


def live(rollouts: Sequence[Rollout], voice: Voice = ENGLISH) -> Message:
    """Everything in flight."""
    if not rollouts:
        return message_of((said("slack.nothing_in_flight", command=TypedIn("start")),), voice)
    names = tuple(f"{one.spec.service} {one.spec.version}" for one in rollouts[:MOST_LINES])
    sentence = said("slack.in_flight", n=len(rollouts), names=names)
    return _listed(sentence, (_present(rollout, voice) for rollout in rollouts), voice)


def why(rollout: Rollout, story: Sequence[Entry], voice: Voice = ENGLISH) -> Message:
    """Every check with its sentence, and what was said last."""
    sentence = wording.sentence(rollout)
    judged = rollout.judgement is not None and wording.situation(rollout) == gist(rollout.judgement)
    if judged:  # the first of the checks says the rest
        sentence = said("slack.is", title=wording.title(rollout), state=wording.state(rollout))
    head = b.rich_text(*b.spoken(sentence, voice, bold=True, limit=600))
    blocks = (head, *why_blocks(rollout, story, voice))
    return Message(text=b.mrkdwn(sentence, voice, 1000), blocks=blocks, plain=blocks)


def why_blocks(rollout: Rollout, story: Sequence[Entry], voice: Voice = ENGLISH) -> list[Block]:
    """The same for a form: checks, then the end of the story."""
    judgement = rollout.judgement
    findings = judgement.findings if judgement else ()
    blocks = [heading(said("slack.checks"), voice)] if findings else []
    if judgement is not None and findings:
        served = leaving.time_is_served(rollout, judgement, judgement.at)
        blocks.append(b.rich_list(_finding(one, voice, served=served) for one in findings[:MOST_SAID]))
    if judgement is not None and judgement.forecast:
        blocks.append(b.context(b.mrkdwn(judgement.forecast, voice)))
    if story:
        blocks += [
            heading(said("slack.what_happened"), voice),
            b.rich_list(_entry(entry, voice) for entry in story[-MOST_SAID:]),
        ]
    return blocks or [b.section(b.mrkdwn(said("slack.nothing_happened"), voice))]


def plan(service: str, version: str, planned: Plan, voice: Voice = ENGLISH) -> Message:
    """What a start would do."""
    sentence = said("slack.planned", service=service, version=version, n=len(planned.stages))
    steps = [
        [*b.spoken(name, voice, bold=True, limit=60), b.words(": ", bold=True), *b.spoken(text, voice, limit=250)]
        for name, text in planned.stages
    ]
    blocks = [b.rich_text(*b.spoken(sentence, voice)), b.rich_list(steps[:MOST_LINES])] if steps else []
    if planned.findings:
        blocks.append(heading(said("slack.worth_knowing"), voice))
        # A rule to paste is no use cut short.
        found = [b.rich_list([b.spoken(finding, voice)]) for finding in planned.findings]
        blocks = [*b.filled(blocks, found, lambda left: more_reasons(left, voice))]
    return _message(sentence, blocks, voice)


def history(
    service: str,
    rollouts: Sequence[Rollout],
    unreadable: Mapping[RolloutId, Text] = NOTHING,
    voice: Voice = ENGLISH,
) -> Message:
    """Earlier rollouts, newest first; then those whose records cannot be read, each with why."""
    if not (rollouts or unreadable):
        return message_of((said("slack.no_rollout_yet", service=service),), voice)
    lines = [past_line(rollout, voice) for rollout in rollouts]
    lines += [b.spoken(said("slack.unreadable", id=one, why=why), voice) for one, why in unreadable.items()]
    return _listed(said("slack.history", service=service), lines, voice)


def services(
    known: Sequence[ServiceConfig],
    in_flight: Mapping[str, Rollout],
    frozen: Sequence[Freeze],
    voice: Voice = ENGLISH,
) -> Message:
    """What can be released, and every freeze."""
    if not known:
        return message_of((said("slack.no_service_named"),), voice)
    names = tuple(service.name for service in known[:MOST_LINES])
    lines = (_service(one, in_flight.get(one.key), voice, frozen=bool(covering(frozen, one.name))) for one in known)
    sentence: Text = said("slack.services", names=names)
    message = _listed(sentence, lines, voice)
    if not frozen:
        return message
    # Freezes first: they are few, and whoever asks wants to know what they can start.
    head = b.filled(
        (freezes.warning(voice),),
        freezes.listed(frozen, voice),
        lambda left: b.mrkdwn(said("slack.more_in", n=left, command=Code("canary-bot status")), voice),
    )
    blocks = b.filled(head, message.blocks, lambda _left: b.mrkdwn(said("slack.and_services"), voice))
    text = together((sentence, said("slack.frozen", names=tuple(one.what for one in frozen))))
    return Message(text=b.mrkdwn(text, voice), blocks=blocks, plain=blocks)


def help_text(voice: Voice) -> Message:
    """The grammar."""
    lines = "\n".join(
        f"• `{b.escape(f'{voice.command} {usage}')}`: {b.mrkdwn(reading, voice)}" for usage, reading in GRAMMAR.values()
    )
    sentence = b.mrkdwn(said("slack.help", command=Code(voice.command)), voice)
    blocks = (b.section(lines), b.context(b.mrkdwn(said("slack.help_note"), voice)))
    return Message(text=sentence, blocks=blocks, plain=blocks)


def offer_abort(meant: StopMeant, live: Sequence[Rollout], voice: Voice) -> Message:
    """A button for each rollout that may be meant; the commands for whoever would rather type."""
    if not live:
        nothing = (
            said("slack.nothing_to_stop", command=TypedIn("rollback"))
            if meant.service is None
            else said("slack.not_rolling_out", service=meant.service, command=TypedIn(f"rollback {meant.service}"))
        )
        return message_of((nothing,), voice)
    offered = live[:MOST_OFFERED]
    commands = tuple(TypedIn(f"abort {one.spec.service}") for one in offered)
    message = message_of((said("slack.abort_offered", commands=commands),), voice)
    blocks = (*message.blocks, *(b.actions([_abort_button(one, voice)]) for one in offered))
    return Message(text=message.text, blocks=blocks, plain=blocks)


def _abort_button(rollout: Rollout, voice: Voice) -> Element:
    label = said("slack.abort_button", service=rollout.spec.service, version=rollout.spec.version)
    return b.button(plain(label, voice), ABORT, str(ButtonToken.of(rollout)), style="danger")


def heading(text: Text, voice: Voice) -> Block:
    """A heading in this voice."""
    return b.header(plain(text, voice))


def _listed(sentence: Text, items: Iterable[Sequence[Element]], voice: Voice) -> Message:
    points = list(items)
    blocks = [b.rich_text(*b.spoken(sentence, voice, limit=600)), b.rich_list(points[:MOST_LINES])]
    if len(points) > MOST_LINES:
        blocks.append(b.context(b.mrkdwn(said("slack.more", n=len(points) - MOST_LINES), voice)))
    return _message(sentence, blocks, voice)


def _present(rollout: Rollout, voice: Voice) -> list[Element]:
    name = _name(rollout, voice)
    by = said(
        "slack.since_by",
        state=wording.state(rollout),
        who=Person(rollout.spec.started_by),
        at=Moment(rollout.spec.started_at),
    )
    return [name, *b.spoken(by, voice)]


def past_line(rollout: Rollout, voice: Voice = ENGLISH) -> list[Element]:
    """An ended rollout on one line."""
    name = _name(rollout, voice)
    reason = wording.briefly(rollout.reason)
    why = b.spoken(said("slack.in_brackets", why=reason), voice, limit=200) if reason else []
    ended = rollout.ended_at if rollout.ended_at is not None else rollout.spec.started_at
    return [
        name,
        *b.spoken(wording.state(rollout), voice),
        *why,
        b.words(" · "),
        b.date(ended),
        *_exposure(rollout, voice),
        *b.separated(" · ", because(rollout, voice)),
        *_more(rollout, voice),
    ]


def _name(rollout: Rollout, voice: Voice) -> Element:
    return b.words(plain(said("slack.lead", title=wording.title(rollout)), voice), bold=True, limit=200)


def _more(rollout: Rollout, voice: Voice) -> list[Element]:
    """What it took up, or how long its drill took."""
    known = (one for one in (taken_up(rollout), drilled(rollout)) if one is not None)
    return [element for one in known for element in (b.words(" · "), *b.spoken(one, voice, limit=300))]


def _exposure(rollout: Rollout, voice: Voice) -> list[Element]:
    """What users had of it, and what that cost; nothing where none met it."""
    users = exposure.ledger(rollout)
    return [b.words(" · "), *b.spoken(users, voice, limit=300)] if users else []


def _service(service: ServiceConfig, rollout: Rollout | None, voice: Voice, *, frozen: bool) -> list[Element]:
    doing: Text = (
        said("slack.heading", title=wording.title(rollout), state=wording.state(rollout))
        if rollout
        else said("slack.nothing_doing")
    )
    doing = said("slack.doing_frozen", doing=doing) if frozen else doing
    weights = ", ".join(map(str, service.weights))
    line = said("slack.service_line", namespace=service.namespace, weights=weights, doing=doing)
    return [b.words(service.name, bold=True), b.words(" "), *b.spoken(line, voice)]


def _finding(finding: Finding, voice: Voice, *, served: bool) -> list[Element]:
    name = said("slack.check_found", check=gate_rows.name(finding), verdict=gate_rows.verdict(finding, served=served))
    return [*b.spoken(name, voice, bold=True, limit=100), *b.spoken(finding.sentence, voice, limit=400)]


def _entry(entry: Entry, voice: Voice) -> list[Element]:
    by = [b.words(" "), b.person(entry.by)] if entry.by != BOT else []
    return [b.date(entry.at), *by, b.words(": "), *b.spoken(entry.text, voice, limit=400), *_shown(entry, voice)]


def _shown(entry: Entry, voice: Voice) -> list[Element]:
    """What an approver had in front of them, and the way there."""
    seen = entry.shown
    if seen is None or not seen.text:
        return []
    parts = [b.words(" "), *b.spoken(said("slack.was_shown", text=seen.text), voice, limit=400)]
    if not seen.permalink:
        return parts
    card = {"type": "link", "url": seen.permalink, "text": plain(said("slack.their_card"), voice)}
    return [*parts, b.words(" "), card]


def _without_buttons(blocks: Sequence[Block]) -> tuple[Block, ...]:
    return tuple(block for block in blocks if block["type"] != "actions")


def _message(sentence: Text, blocks: Sequence[Block], voice: Voice) -> Message:
    return Message(text=b.mrkdwn(sentence, voice), blocks=tuple(blocks), plain=tuple(blocks))
