"""``make sandbox``, played in a browser as people would: by the form, by two of them, with a fault, begun again."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sandbox.browser import Browser
from sandbox.people import CHANNEL
from sandbox.ports import LOOPBACK
from sandbox.rehearsal import Rehearsal
from sandbox.slack import Slack
from sandbox.slack.scopes import MANIFEST
from sandbox.up import Panel

MAYA, OMAR = "Maya Lindqvist", "Omar Haddad"
ROLLOUT_SECONDS = 240.0  # for the whole of it
STAGE_SECONDS = 60.0  # in which whatever is waited for happens on a busy machine
WEIGHTS = "[...document.querySelectorAll('.flag.weights title')].map((one) => one.textContent)"


KEPT = Path(__file__).parent.parent.parent / "var" / "page"  # what the page looked like at each turn of the story


class Person:
    """Somebody at the page: everything goes through what is on the screen."""

    def __init__(self, browser: Browser, album: Path) -> None:
        self.browser = browser
        self._album = album
        album.mkdir(parents=True, exist_ok=True)

    @property
    def page(self) -> Page:
        """What is before them."""
        return self.browser.page

    def keeps(self, name: str) -> None:
        """A picture of the window as it is now."""
        (self._album / f"{name}.png").write_bytes(self.browser.picture())

    def becomes(self, name: str) -> None:
        self.page.locator(".person", has_text=name).click()
        expect(self.page.locator(".me b")).to_have_text(name)

    def types(self, words: str) -> None:
        self.page.locator("#composer-input").fill(words)
        self.page.locator("#composer-input").press("Enter")

    def fills_in(self, field: str, value: str) -> None:
        node = self.page.locator(f"#modal [id^=in-{field}]")
        if node.evaluate("(node) => node.tagName") == "SELECT":
            node.select_option(value)
        else:
            node.fill(value)

    def submits(self) -> None:
        self.page.locator("#modal .primary").click()
        self.browser.until("!document.querySelector('#modal .primary')", STAGE_SECONDS)
        self.browser.run("document.querySelector('#modal[open] .close')?.click()")
        self.browser.until("!document.querySelector('#modal').open")

    def presses(self, action: str) -> None:
        """The newest button with this action id, and yes if the page asks."""
        self.page.locator(f"[data-action={action}]").last.click(timeout=STAGE_SECONDS * 1000)
        self._confirms()

    def approves_until(self, reached: str, seconds: float) -> None:
        """Whenever a card asks, until the page shows that."""
        deadline = time.monotonic() + seconds
        while not self.browser.run(f"Boolean({reached})"):
            assert time.monotonic() < deadline, self.browser.text()
            self.browser.run("document.querySelector('[data-action=canary_approve]:not(.busy)')?.click()")
            self._confirms()
            self.page.wait_for_timeout(1000)

    def turns(self, name: str) -> None:
        """A switch of the panel, or one of its buttons."""
        self.page.locator(f"[data-id={name}]").click()
        self._confirms()

    def _confirms(self) -> None:
        self.browser.run("document.querySelector('#confirm[open] footer button:last-child')?.click()")


@contextmanager
def at_the_page(folder: Path, language: str) -> Iterator[tuple[Slack, Person]]:
    """Maya, before a fresh sandbox in a wide window; at the end the page's console must have nothing to complain of."""
    with (
        Slack(scopes=MANIFEST) as slack,
        Rehearsal(slack, folder, language) as rehearsal,
        Browser() as browser,
    ):
        slack.workspace.language = language
        panel = Panel(rehearsal)
        slack.side_panel(panel.state, panel.act)
        browser.open(f"{slack.url}/?as=U0MAYA0001&at=C0RELEASES")
        yield slack, Person(browser, KEPT / language)
        assert browser.trouble == []


@pytest.mark.sandbox
@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    ("language", "spoken", "harm", "fault"),
    [
        ("en", "[Mm]irror", "errors users saw", "{version} fails 30 % {state}"),
        ("zh_cn", "镜像", "个用户看到的错误", "{version} 失败 30 % {state}"),
    ],
)
def test_a_release_is_started_approved_hurt_and_aborted_on_the_page_and_then_begun_again(
    tmp_path: Path, language: str, spoken: str, harm: str, fault: str
) -> None:
    on, off = ("on", "off") if language == "en" else ("开", "关")
    with at_the_page(tmp_path, language) as (slack, somebody):
        browser = somebody.browser
        somebody.types("/canary start")
        somebody.fills_in("service", "reviews")
        somebody.fills_in("version", "v2")
        somebody.keeps("1-form")
        somebody.submits()
        browser.until("document.querySelector('.flag.start')", STAGE_SECONDS)
        assert harm in browser.text()
        assert browser.run("document.querySelector('.harm b').textContent") == "0"

        somebody.becomes(OMAR)
        browser.until(f"/{spoken}/.test(document.querySelector('#messages').textContent)")
        somebody.keeps("2-mirroring")
        # A question may change while somebody reaches for its button: they read it again, and press again.
        somebody.approves_until(f"{WEIGHTS}.includes('v2 20 %') && {WEIGHTS}.includes('v2 40 %')", 2 * STAGE_SECONDS)
        browser.until("document.querySelector('.flag.approve')")
        browser.until("/v2 [1-9]\\d*\\/s/.test(document.querySelector('.stream .legend').textContent)")
        somebody.keeps("3-users-move")

        somebody.turns("errors")
        browser.until("document.querySelector('[data-id=errors]').ariaPressed === 'true'")
        assert browser.run("document.querySelector('[data-id=errors]').textContent") == fault.format(
            version="v2", state=on
        )
        browser.until("document.querySelector('.flag.abort')", STAGE_SECONDS)
        assert int(browser.run("document.querySelector('.harm b').textContent")) > 0
        browser.until("document.querySelector('.stream .errors')")
        somebody.keeps("4-aborted")
        somebody.turns("errors")
        browser.until(
            f"document.querySelector('[data-id=errors]').textContent === '{fault.format(version='v2', state=off)}'"
        )

        somebody.types("/canary start reviews v3")
        browser.until("document.querySelectorAll('.flag.start').length === 2", STAGE_SECONDS)
        assert fault.format(version="v3", state="").strip() in browser.text()

        somebody.turns("reset")
        browser.until("document.querySelector('.note').textContent !== ''")
        browser.until("document.querySelector('.note').textContent === ''", STAGE_SECONDS)
        assert slack.workspace.messages(CHANNEL) == ()
        browser.until("document.querySelectorAll('#messages .message').length === 0")
        assert browser.run("document.querySelectorAll('.flag').length") == 0
        somebody.types("/canary start reviews v2")
        browser.until("document.querySelectorAll('.flag.start').length === 1", STAGE_SECONDS)


@pytest.mark.sandbox
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("language", "promoted", "back"),
    [("en", "v2 is promoted", "Rolled back to v1"), ("zh_cn", "v2 发布完成", "已回滚到 v1")],
)
def test_a_promotion_is_rolled_back_and_releases_are_frozen_on_the_page(
    tmp_path: Path, language: str, promoted: str, back: str
) -> None:
    with at_the_page(tmp_path, language) as (_, somebody):
        browser = somebody.browser
        somebody.types("/canary start reviews v2")
        browser.until("document.querySelector('.flag.start')", STAGE_SECONDS)
        somebody.becomes(OMAR)
        somebody.approves_until("document.querySelectorAll('.flag.end').length === 1", ROLLOUT_SECONDS)
        assert promoted in browser.text()
        somebody.keeps("5-promoted")

        somebody.becomes(MAYA)
        somebody.types("/canary rollback reviews")
        browser.until("document.querySelectorAll('.flag.start').length === 2", STAGE_SECONDS)
        somebody.becomes(OMAR)
        somebody.approves_until("document.querySelectorAll('.flag.end').length === 2", ROLLOUT_SECONDS)
        assert back in browser.text()
        somebody.keeps("6-rolled-back")
        assert browser.run("document.querySelector('.harm b').textContent") == "0"

        somebody.types("/canary freeze reviews v2 is looked into")
        browser.until("/v2 is looked into/.test(document.querySelector('#messages').textContent)")
        somebody.types("/canary start reviews v3")
        browser.until("document.querySelector('.message.ephemeral:last-of-type')")
        somebody.keeps("7-frozen")
        somebody.types("/canary unfreeze reviews")
        somebody.types("/canary start reviews v3")
        browser.until("document.querySelectorAll('.flag.start').length === 3", STAGE_SECONDS)


@pytest.mark.sandbox
def test_a_busy_port_is_one_sentence() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        argv = [sys.executable, "-m", "sandbox", "up", "--port", str(port)]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603

    sentence = f"Port {port} is taken: end what listens there, or choose another with `make sandbox PORT={port + 1}`.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", sentence)
