"""The App Home: what waits for its reader, what is in flight, what can be started, and what was. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.model.freeze import Freeze
from bot.model.rollout import Rollout
from bot.model.service import ServiceConfig
from bot.model.versions import old_version
from bot.rollout.phrases import gist
from bot.slack import blocks as b
from bot.slack import cards, freezes, replies, wording
from bot.slack.because import because
from bot.slack.blocks import Block, Element
from bot.slack.forms import NEW, View
from bot.words.rendering import Voice, plain
from bot.words.sentence import Moment, Seconds, Sentence, Text, TypedIn, said

OPEN_CARD = "canary_open_card"
MOST_ROLLOUTS = 10  # of each part
MOST_SERVICES = 25
_OF_APPROVERS = frozenset({cards.APPROVE, cards.RETRY, cards.ACCEPT, cards.RESTORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A live rollout as one reader sees it.

    Attributes:
        yours: whether it waits for a decision that this reader may make.
        may_decide: whether they may approve and the like; anybody may abort and pause.
        card: where its card is, "" where nobody knows.
    """

    rollout: Rollout
    yours: bool
    may_decide: bool
    card: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one reader's Home shows.

    Attributes:
        services: each with the last rollout that everybody has been on since; None: there was none.
        past: ended rollouts, the newest first.
        heard: seconds since Slack was last heard of; None: it is not connected.
        now: seconds since the epoch.
    """

    live: Sequence[Live]
    services: Sequence[tuple[ServiceConfig, Rollout | None]]
    past: Sequence[Rollout]
    frozen: Sequence[Freeze]
    heard: float | None
    now: float


def home(page: Page, voice: Voice) -> View:
    """What waits for the reader first. The last block alone tells the time."""
    yours, others = [one for one in page.live if one.yours], [one for one in page.live if not one.yours]
    blocks = [b.actions([_start(voice)])]
    blocks += _part(said("slack.home_yours"), yours, voice) + _part(said("slack.home_live"), others, voice)
    if not page.live:
        quiet = said("slack.home_quiet", command=TypedIn("start"))
        blocks += [replies.heading(said("slack.home_empty"), voice), b.section(b.mrkdwn(quiet, voice))]
    blocks += freezes.board(page.frozen, voice)
    blocks += _services(page, voice)
    if page.past:
        points = [replies.past_line(rollout, voice) for rollout in page.past[:MOST_ROLLOUTS]]
        blocks += [replies.heading(said("slack.home_past"), voice), b.rich_list(points)]
    return {"type": "home", "blocks": [*blocks, b.context(b.mrkdwn(_freshness(page), voice))]}


def _start(voice: Voice) -> Element:
    return b.button(plain(said("slack.start_a_canary"), voice), NEW, "home", style="primary")


def _part(title: Sentence, live: Sequence[Live], voice: Voice) -> list[Block]:
    if not live:
        return []
    shown = [block for one in live[:MOST_ROLLOUTS] for block in _entry(one, voice)]
    left = len(live) - MOST_ROLLOUTS
    more = said("slack.more_in", n=left, command=TypedIn("list"))
    return [replies.heading(title, voice), *shown, *([b.context(b.mrkdwn(more, voice))] if left > 0 else [])]


def _entry(one: Live, voice: Voice) -> Iterator[Block]:
    reason = b.separated("\n", because(one.rollout, voice))
    yield b.rich_text(*b.spoken(wording.sentence(one.rollout), voice, limit=600), *reason)
    facts = _facts(one.rollout)
    if facts:
        yield b.context(" · ".join(b.mrkdwn(fact, voice) for fact in facts))
    shown = [button for button in cards.buttons(one.rollout, voice) if one.may_decide or not _of_approvers(button)]
    if one.card:
        label = plain(said("slack.open_card"), voice)
        shown.append({"type": "button", "action_id": OPEN_CARD, "text": b.plain(label), "url": one.card})
    yield b.actions(shown)


def _of_approvers(button: Element) -> bool:
    return button.get("action_id") in _OF_APPROVERS


def _facts(rollout: Rollout) -> list[Text]:
    """What both versions answered, where the sentence does not say it, and how many users' requests met the new one."""
    facts: list[Text] = []
    judgement = rollout.judgement
    explained = judgement is not None and wording.situation(rollout) == gist(judgement)
    figures = judgement.figures if judgement is not None and not explained else None
    old, new = old_version(rollout), rollout.spec.version
    if figures is not None:
        sides = ((new, figures.canary), (old, figures.primary))
        facts += [
            said("slack.answered", version=version, n=round(side.requests), errors=round(side.errors))
            for version, side in sides
            if side is not None
        ]
    exposed = rollout.exposure
    if exposed.requests:
        met = said("slack.exposed", n=round(exposed.requests), version=new, failed=round(exposed.errors))
        facts.append(met)
    return facts


def _services(page: Page, voice: Voice) -> list[Block]:
    if not page.services:
        return []
    lines = [_service(service, last, voice) for service, last in page.services[:MOST_SERVICES]]
    left = len(page.services) - MOST_SERVICES
    more = said("slack.more_in", n=left, command=TypedIn("services"))
    rest = [b.context(b.mrkdwn(more, voice))] if left > 0 else []
    return [replies.heading(said("slack.home_services"), voice), b.rich_list(lines), *rest]


def _service(service: ServiceConfig, last: Rollout | None, voice: Voice) -> list[Element]:
    since: Text = (
        said("slack.never_released")
        if last is None
        else said("slack.last_version", version=last.spec.version, at=Moment(last.ended_at or last.spec.started_at))
    )
    return [b.words(f"{service.name}: ", bold=True), *b.spoken(since, voice)]


def _freshness(page: Page) -> Text:
    if page.heard is None:
        return said("slack.home_unconnected", at=Moment(page.now), command=TypedIn("help"))
    return said("slack.home_as_of", at=Moment(page.now), ago=Seconds(page.heard), command=TypedIn("help"))
