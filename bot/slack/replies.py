"""What a question gets for an answer: status, list, why, plan, history, services, help. Pure.

Answers have no buttons: those are on the card, which everybody sees and which is kept up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.controller.start import Plan
from bot.model.freeze import Freeze, covering, freeze_sentence
from bot.model.rollout import BOT, Entry, Rollout, RolloutId
from bot.model.service import ServiceConfig
from bot.slack import blocks as b
from bot.slack import cards, freezes, wording
from bot.slack.blocks import Block, Element, Message
from bot.slack.parsing import GRAMMAR

MOST_LINES = 25
MOST_SAID = 10
NOTHING: Mapping[RolloutId, str] = {}


def status(rollout: Rollout, story: Sequence[Entry], now: float) -> Message:
    """The card as it is now, without its buttons."""
    card = cards.card(rollout, story, now)
    return Message(text=card.text, blocks=_without_buttons(card.blocks), plain=_without_buttons(card.plain))


def idle(service: str, past: Sequence[Rollout], frozen: Sequence[Freeze], command: str) -> Message:
    """The status of a service with nothing in flight; ``frozen`` are the freezes of it and of all services."""
    if frozen:
        sentence = f"{service} has no rollout in flight, and none starts while it is frozen."
        text = " ".join((sentence, *(str(freeze_sentence(freeze)) for freeze in frozen)))
    else:
        text = sentence = f"{service} has no rollout in flight. Begin one with `{command} start {service} VERSION`."
    last = [b.rich_list([past_line(past[0])])] if past else []
    return _message(text, [b.section(b.readable(sentence)), *freezes.listed(frozen), *last])


def live(rollouts: Sequence[Rollout], command: str) -> Message:
    """Everything in flight."""
    if not rollouts:
        sentence = f"Nothing is in flight. Begin with `{command} start SERVICE VERSION`."
        return _message(sentence, [b.section(b.readable(sentence))])
    sentence = (
        f"{len(rollouts)} in flight: {', '.join(f'{r.spec.service} {r.spec.version}' for r in rollouts[:MOST_LINES])}."
    )
    return _listed(sentence, (_present(rollout) for rollout in rollouts))


def why(rollout: Rollout, story: Sequence[Entry]) -> Message:
    """Every check with its sentence, and what was said last."""
    sentence = f"{wording.title(rollout)}: {wording.state(rollout)}. {wording.situation(rollout)}".strip()
    return _message(sentence, [b.rich_text(b.words(sentence, bold=True, limit=600)), *why_blocks(rollout, story)])


def why_blocks(rollout: Rollout, story: Sequence[Entry]) -> list[Block]:
    """The same for a form: checks, then the end of the story."""
    findings = rollout.judgement.findings if rollout.judgement else ()
    blocks = [b.header("Checks")] if findings else []
    if findings:
        blocks.append(b.rich_list(_finding(f.gate, str(f.verdict), str(f.sentence)) for f in findings[:MOST_SAID]))
    if rollout.judgement and rollout.judgement.forecast:
        blocks.append(b.context(b.readable(str(rollout.judgement.forecast))))
    if story:
        blocks += [b.header("What happened"), b.rich_list(_said(entry) for entry in story[-MOST_SAID:])]
    return blocks or [b.section("Nothing has happened yet.")]


def plan(service: str, version: str, planned: Plan) -> Message:
    """What a start would do."""
    sentence = f"A start of {service} {version} would take {len(planned.stages)} steps; nothing has been changed."
    steps = [
        [b.words(f"{name}: ", bold=True, limit=60), b.words(str(text), limit=250)] for name, text in planned.stages
    ]
    blocks = [b.rich_text(b.words(sentence)), b.rich_list(steps[:MOST_LINES])] if steps else []
    if planned.findings:
        blocks.append(b.header("Worth knowing"))
        found = [
            b.rich_list([b.named(str(finding), b.LONGEST_TEXT)]) for finding in planned.findings
        ]  # a rule to paste is no use cut short
        blocks = [*b.filled(blocks, found, lambda left: f"and {left} more; `canary-bot plan` shows them all")]
    return _message(sentence, blocks)


def history(service: str, rollouts: Sequence[Rollout], unreadable: Mapping[RolloutId, str] = NOTHING) -> Message:
    """Earlier rollouts, newest first; then those whose records cannot be read, each with why."""
    if not (rollouts or unreadable):
        sentence = f"{service} has had no rollout yet."
        return _message(sentence, [b.rich_text(b.words(sentence))])
    lines = [past_line(rollout) for rollout in rollouts]
    for one, reason in unreadable.items():
        lines.append([b.words(f"{one}: ", bold=True, limit=200), b.words(f"Redis {reason}", limit=400)])
    return _listed(f"The last rollouts of {service}, newest first.", lines)


def services(known: Sequence[ServiceConfig], in_flight: Mapping[str, Rollout], frozen: Sequence[Freeze]) -> Message:
    """What can be released, and every freeze."""
    if not known:
        return _message("services.yaml names no service.", [b.section("services.yaml names no service.")])
    names = ", ".join(service.name for service in known[:MOST_LINES])
    lines = (_service(one, in_flight.get(one.key), frozen=bool(covering(frozen, one.name))) for one in known)
    message = _listed(f"Services: {names}.", lines)
    if not frozen:
        return message
    # Freezes first: they are few, and whoever asks wants to know what they can start.
    head = b.filled(
        (freezes.warning(),),
        freezes.listed(frozen),
        lambda left: f"and {left} more; `canary-bot status` shows them all",
    )
    blocks = b.filled(head, message.blocks, lambda _left: "and every service of services.yaml")
    return Message(
        text=f"{message.text} Frozen: {', '.join(str(one.what) for one in frozen)}.", blocks=blocks, plain=blocks
    )


def help_text(command: str) -> Message:
    """The grammar."""
    lines = "\n".join(f"• `{command} {usage}`: {reading}" for usage, reading in GRAMMAR.values())
    note = "SERVICE may be left out when only one can be meant. Everything else happens on the rollout's card."
    return _message(f"{command} starts, watches and stops canary releases.", [b.section(lines), b.context(note)])


def _listed(sentence: str, items: Iterable[Sequence[Element]]) -> Message:
    points = list(items)
    blocks = [b.rich_text(b.words(sentence, limit=600)), b.rich_list(points[:MOST_LINES])]
    if len(points) > MOST_LINES:
        blocks.append(b.context(f"and {len(points) - MOST_LINES} more"))
    return _message(sentence, blocks)


def _present(rollout: Rollout) -> list[Element]:
    where = [b.words(f"{wording.title(rollout)}: ", bold=True, limit=200), b.words(wording.state(rollout), limit=200)]
    return [
        *where,
        b.words(" · started by "),
        b.person(rollout.spec.started_by),
        b.words(" "),
        b.date(rollout.spec.started_at),
    ]


def past_line(rollout: Rollout) -> list[Element]:
    """An ended rollout on one line."""
    name = b.words(f"{wording.title(rollout)}: ", bold=True, limit=200)
    reason = f" ({b.shorten(str(rollout.reason), 200)})" if rollout.reason else ""
    ended = rollout.ended_at if rollout.ended_at is not None else rollout.spec.started_at
    return [name, b.words(f"{wording.state(rollout)}{reason} · "), b.date(ended)]


def _service(service: ServiceConfig, rollout: Rollout | None, *, frozen: bool) -> list[Element]:
    doing = f"{wording.title(rollout)}, {wording.state(rollout)}" if rollout else "nothing in flight"
    doing += ", frozen" if frozen else ""
    where = f" ({service.namespace}), weights {', '.join(map(str, service.weights))}: "
    return [b.words(service.name, bold=True), b.words(where, limit=200), b.words(doing, limit=300)]


def _finding(gate: str, verdict: str, sentence: str) -> list[Element]:
    return [b.words(f"{gate}, {verdict}: ", bold=True, limit=100), b.words(sentence, limit=400)]


def _said(entry: Entry) -> list[Element]:
    by = [b.words(" "), b.person(entry.by)] if entry.by != BOT else []
    return [b.date(entry.at), *by, b.words(f": {b.shorten(str(entry.text), 400)}")]


def _without_buttons(blocks: Sequence[Block]) -> tuple[Block, ...]:
    return tuple(block for block in blocks if block["type"] != "actions")


def _message(sentence: str, blocks: Sequence[Block]) -> Message:
    text = b.readable(b.shorten(sentence, 1000))
    return Message(text=text, blocks=tuple(blocks), plain=tuple(blocks))
