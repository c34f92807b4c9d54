"""The people of the rehearsal, acting through the workspace alone: Maya starts rollouts, Omar approves them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

from sandbox.slack.model import Message
from sandbox.slack.server import Slack
from sandbox.slack.workspace import Workspace

MAYA, OMAR = "@maya", "@omar"
CHANNEL = "#releases"


def buttons(message: Message) -> Iterator[dict[str, Any]]:
    """Every button of a message."""
    for block in message.blocks:
        if block.get("type") == "actions":
            yield from block.get("elements", [])


def button(message: Message, action: str) -> dict[str, Any] | None:
    """The button with this action id, if the message has one."""
    return next((element for element in buttons(message) if element.get("action_id") == action), None)


def cards(workspace: Workspace) -> list[Message]:
    """The bot's top-level messages in the channel: living cards."""
    bot = workspace.user("@canary").id
    return [m for m in workspace.messages(CHANNEL) if m.user == bot and not m.is_reply and any(m.blocks)]


def message_with(workspace: Workspace, words: str) -> Message | None:
    """The newest message of the bot in the channel or a thread that contains these words."""
    found = [m for m in workspace.messages(CHANNEL) if words in m.text]
    return found[-1] if found else None


class Approver:
    """Omar, who presses Approve whenever a card shows the button, each question once."""

    def __init__(self, slack: Slack, *, user: str = OMAR, when: Callable[[Message], bool] = lambda _: True) -> None:
        self._slack = slack
        self._user = user
        self._when = when
        self._pressed: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="approver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                card, value = self._slack.wait_for(self._question, timeout=0.5)
            except TimeoutError:
                continue
            self._pressed.add(value)
            self._slack.click(self._user, card, "canary_approve")

    def _question(self, workspace: Workspace) -> tuple[Message, str] | None:
        for card in cards(workspace):
            found = button(card, "canary_approve")
            if found and found["value"] not in self._pressed and self._when(card):
                return card, found["value"]
        return None
