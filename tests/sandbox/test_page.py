"""The workspace's page in a real browser: what a person sees of messages, and what they can do on it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from bot.rollout import decide
from bot.slack.cards import card
from sandbox.browser import Browser
from sandbox.slack import Slack
from sandbox.slack.blocks import BLOCKS, check_blocks, with_ids
from sandbox.slack.model import File, View
from tests.builders import a_rollout
from tests.sandbox.every_block import Block, in_forms, in_messages

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
    assert "Upgrade reviews-v1" in text
    assert "Omar Haddad" in text


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
