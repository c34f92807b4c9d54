"""The workspace's page in a real browser: what a person would see of a card."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import websocket
from slack_sdk import WebClient

from bot.rollout import decide
from bot.slack.cards import card
from sandbox.ports import free_port
from sandbox.processes import Program, answers, fetch
from sandbox.slack import Slack
from tests.builders import a_rollout

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-allow-origins=*",
]
READ = {"id": 1, "method": "Runtime.evaluate", "params": {"expression": "document.body.innerText"}}


def text_of(url: str, folder: Path, wanted: str) -> str:
    """What the page shows once it contains ``wanted``, or after twenty seconds."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert browser, "a browser is needed: `scripts/setup.sh browser` installs one"
    port = free_port()
    argv = [browser, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--remote-debugging-port={port}", url]
    program = Program(argv, log=folder / "browser.log", ready=answers(port, "/json"), ready_seconds=60)
    program.start()
    try:
        pages = [page for page in json.loads(fetch(port, "/json")[1]) if page["type"] == "page"]
        link = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=20)
        deadline, text = time.monotonic() + 20, ""
        while wanted not in text and time.monotonic() < deadline:
            link.send(json.dumps(READ))
            text = str(json.loads(link.recv())["result"]["result"].get("value", ""))
        link.close()
        return text
    finally:
        program.stop()


@pytest.mark.sandbox
def test_a_card_is_readable_in_a_browser(tmp_path: Path) -> None:
    with Slack() as slack:
        client = WebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
        begun, _ = decide.begin(a_rollout(), 0.0)
        shown = card(begun, (), 0.0)
        client.chat_postMessage(channel="#releases", text=shown.text, blocks=list(shown.blocks))

        text = text_of(f"{slack.url}/?as=U0OMAR0001&at=C0RELEASES", tmp_path, "Upgrade reviews-v1")

    assert "Mirror 100 % of requests to v2" in text
    assert "Upgrade reviews-v1" in text
    assert "Omar Haddad" in text
