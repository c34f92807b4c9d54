"""The workspace's page in a real browser: what a person sees of messages, and what they can do on it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.model.figures import SLOWER, Finding, Unit, Verdict
from bot.model.rollout import PodTemplate, Question, QuestionKind, Rollout, StageOutcome
from bot.model.service import ApprovalRule, Measure
from bot.rollout import decide
from bot.slack.cards import card
from bot.words.language import Language
from bot.words.rendering import Voice
from bot.words.sentence import Share, said
from sandbox.browser import Browser
from sandbox.slack import Slack
from sandbox.slack.blocks import BLOCKS, check_blocks, with_ids
from sandbox.slack.model import File, View
from tests.builders import MAYA, a_drift, a_rollout, changed
from tests.sandbox.every_block import Block, in_forms, in_messages
from tests.unit.slack.test_cards import NOW, aborted, course, walked

pytestmark = pytest.mark.sandbox

OMAR = "U0OMAR0001"
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
IN_CHANNEL = "?as=U0OMAR0001&at=C0RELEASES"


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as slack:
        yield slack


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser
        assert browser.trouble == []


def post(slack: Slack, blocks: list[Block]) -> str:
    client = WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
    return str(client.chat_postMessage(channel="#releases", text="words", blocks=blocks)["ts"])


def shown(browser: Browser, selector: str) -> str:
    """The words in it, those of pictures and of menus that are closed as well."""
    return str(browser.run(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''"))


def test_a_card_is_readable_in_a_browser(slack: Slack, browser: Browser) -> None:
    begun, _ = decide.enter_first_stage(a_rollout(), 0.0)
    post(slack, list(card(begun, (), 0.0).blocks))

    browser.open(f"{slack.url}/{IN_CHANNEL}")
    text = browser.text()

    assert "Mirror 100 % of requests to v2" in text
    assert "20 % to 100 % of users in 5 steps, then upgrade, return and watch" in text.replace("\xa0", " ")
    assert "Omar Haddad" in text


QUESTION: dict[str, Any] = {"asked_at": NOW - 60, "approvals_rule": ApprovalRule(count=2, approvers=("S0MANAGERS",))}
DOUBT = Question(
    kind=QuestionKind.DOUBT, gate="errors", why="v2 may be worse: errors 9 % (15 of 165), v1 4 % (3 of 75)."
)
MIXED = (*walked("mirror", "shift 20"), *walked("shift 40", outcome=StageOutcome.TIME_UP))


def with_checks(rollout: Rollout, verdict: Verdict = Verdict.PASS) -> Rollout:
    """The same with as many checks as a mirror usually has, and figures as wide as they get."""
    assert rollout.judgement is not None
    (errors,) = [one for one in rollout.judgement.findings if one.gate == "errors"]
    many = verdict is Verdict.PASS  # a doubt that lasts is one about few requests
    cell = said("analysis.share_of", share=Share(0.00384 if many else 0.0909), bad=18, n=14_686 if many else 198)
    allowed = said("analysis.allowed_times_below", times=1.25, other="v1", most=Share(0.05))
    errors = replace(errors, verdict=verdict, canary=cell, primary=cell, allowed=allowed)
    slow = replace(errors, gate=f"{SLOWER}250 ms", compared=Measure.LATENCY, bound=250.0, verdict=Verdict.PASS)
    copies = Finding(gate="coverage", verdict=Verdict.PASS, sentence="", value=1.0, limit=0.9, unit=Unit.SHARE)
    named = changed(
        rollout, recorded=PodTemplate(images={"reviews": "reviews:v1"}), canary_images={"reviews": "reviews:v2"}
    )
    return replace(named, judgement=replace(rollout.judgement, findings=(errors, slow, copies), verdict=verdict))


CARDS: dict[str, Rollout] = {
    "a question": with_checks(course(20, errors=0.0, stage=0, **QUESTION)),
    "a doubt": with_checks(course(20, stage=3, walked=MIXED, question=DOUBT, **QUESTION), Verdict.INCONCLUSIVE),
    "half way": with_checks(course(20, errors=0.0, stage=3, walked=MIXED, settled_at=NOW - 60)),
    "paused": with_checks(course(20, errors=0.0, stage=3, walked=MIXED, paused_by=MAYA)),
    "somebody else's change": with_checks(course(20, errors=0.0, stage=3, walked=MIXED, drift=a_drift())),
    "an abort": replace(aborted(), analysis_state=course(20).analysis_state),
}
LOWEST = 720  # pixels below the top of the card: of a screen of 900, what Slack's title bar and composer leave


@pytest.mark.parametrize("language", Language)
def test_a_card_shows_its_buttons_on_a_screen_of_900_pixels(slack: Slack, browser: Browser, language: Language) -> None:
    slack.workspace.language = language
    voice = Voice(language=language)
    posted = {post(slack, list(card(rollout, (), NOW, voice).blocks)): name for name, rollout in CARDS.items()}
    browser.show_as(width=1360, height=900)
    browser.open(f"{slack.url}/{IN_CHANNEL}")

    lowest = {name: browser.run(BOTTOM % json.dumps(f'[data-ts="{ts}"]')) for ts, name in posted.items()}

    assert {name: at for name, at in lowest.items() if at > LOWEST} == {}
    assert all(
        browser.run(f'document.querySelectorAll(\'[data-ts="{ts}"] .chart, [data-ts="{ts}"] table\').length')
        for ts in posted
    )


BOTTOM = """
(() => {
  const message = document.querySelector(%s);
  const buttons = message.querySelector('[data-block="actions"]');
  return Math.round(buttons.getBoundingClientRect().bottom - message.getBoundingClientRect().top);
})()
"""


def test_every_block_that_slack_has_is_drawn(slack: Slack, browser: Browser) -> None:
    picture = slack.workspace.keep(
        File(id="F0DOT00001", name="dot.png", content=DOT, mimetype="image/png", complete=True)
    )
    expected = in_messages(f"{slack.url}/files/{picture.id}")
    forms = in_forms()
    sent = {post(slack, [block]): name for name, (block, _) in expected.items()}
    blocks = with_ids([block for block, _ in forms.values()], lambda: slack.workspace.new_id("b"))
    assert check_blocks(list(blocks), "modal") == []
    slack.workspace.show(View(id="V1", user=OMAR, type="modal", hash="1", title="A form", blocks=blocks, submit="Go"))

    browser.open(f"{slack.url}/{IN_CHANNEL}")
    browser.until("document.querySelector('#modal').open")

    for ts, name in sent.items():
        block, wanted = expected[name]
        text = shown(browser, f'[data-ts="{ts}"] [data-block="{block["type"]}"]')
        assert [words for words in wanted if words not in text] == [], f"{name}: {text}"
    text = shown(browser, "#modal")
    assert [words for _, words in forms.values() if words[0] not in text] == []
    assert "unknown block" not in browser.text()
    everything = {block["type"] for block, _ in [*expected.values(), *forms.values()]}
    assert everything == set(BLOCKS)


def test_chinese_is_drawn_in_letters_and_not_in_boxes(slack: Slack, browser: Browser) -> None:
    browser.open(f"{slack.url}/{IN_CHANNEL}")

    assert browser.has_letters_for("金丝雀发布"), "scripts/setup.sh browser installs a font"
    assert not browser.has_letters_for("\U000f0001\U000f0002"), "nobody has letters for those"


def test_a_block_that_nobody_knows_is_said_to_be_one(slack: Slack, browser: Browser) -> None:
    slack.workspace.rewrite(
        slack.workspace.say("@canary", "#releases", "soon"), text="new", blocks=[{"type": "hologram", "block_id": "b"}]
    )

    browser.open(f"{slack.url}/{IN_CHANNEL}")

    assert "unknown block: hologram" in browser.text()


def test_on_a_phone_one_thing_is_on_the_screen_at_a_time(slack: Slack, browser: Browser) -> None:
    parent = slack.workspace.say("@maya", "#releases", "A question")
    slack.workspace.say("@omar", "#releases", "An answer", parent.ts)
    slack.side_panel(lambda: {"title": "Live mesh", "busy": "Soon"})
    browser.show_as(width=390, height=844)
    browser.open(f"{slack.url}/?as=U0MAYA0001&at=C0RELEASES")
    wide = "(selector) => document.querySelector(selector).getBoundingClientRect().width"

    assert browser.run(f"({wide})('#channel')") == 390
    browser.run("document.querySelector('.thread-link').click()")
    browser.until(f"({wide})('#thread') === 390")
    browser.run("document.querySelector('#thread .close').click()")
    browser.run("document.querySelector('.to-list').click()")
    browser.until(f"({wide})('#sidebar') === 390")
    browser.run("[...document.querySelectorAll('.person')].find((one) => one.textContent.includes('Omar')).click()")
    browser.until("document.querySelector('.to-list').ariaLabel.includes('Omar Haddad')")
    assert browser.run(f"({wide})('#channel')") == 390
    browser.run("document.querySelector('#channel-header .to-panel').click()")
    browser.until(f"({wide})('#side-panel') === 390")
    assert browser.run("document.documentElement.scrollWidth") == 390


def test_the_keyboard_reaches_everything_and_keeps_its_place(slack: Slack, browser: Browser) -> None:
    first = slack.workspace.say("@maya", "#releases", "A message")
    slack.side_panel(
        lambda: {"title": "Live mesh", "busy": "", "actions": [{"id": "reset", "label": "Reset"}], **EMPTY}
    )
    browser.open(f"{slack.url}/{IN_CHANNEL}")
    browser.until("document.querySelector('#side-panel [data-id=reset]')")
    visited = []
    for _ in range(24):
        browser.press("Tab")
        visited.append(browser.run("document.activeElement.textContent || document.activeElement.id"))
        if visited[-1].endswith("general"):
            slack.workspace.say("@lena", "#general", "Something new")  # the list is drawn again
            browser.until("document.querySelector('.place.unread')")

    words = " ".join(visited)
    assert [wanted for wanted in REACHED if wanted not in words] == [], words
    browser.run(f"document.querySelector('[data-ts=\"{first.ts}\"] .tools button').focus()")
    browser.press("Enter")
    browser.until("!document.querySelector('#thread').hidden")
    browser.press("Escape")
    browser.until("document.querySelector('#thread').hidden")


EMPTY = {
    "errors": {"count": 0, "requests": 0},
    "chart": {"now": 0, "seconds": 180, "answers": {}, "failed": []},
    "marks": [],
    "switches": [{"id": "errors", "label": "v2 fails 30 %", "on": False}],
}
REACHED = [
    "Skip to",
    "releases",
    "general",
    "canary",
    "Maya",
    "Omar",
    "Lena",
    "A message",
    "composer-input",
    "30 %",
    "Reset",
]
