"""The Bolt app: its threads, its client, and the listeners on it. How payloads arrive is ``connection``'s business."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from slack_bolt import App

from bot.controller.ports import Clock
from bot.slack.approvers import Approvers
from bot.slack.client import CountingClient
from bot.slack.commands import Commands
from bot.slack.controller_port import ControllerPort
from bot.slack.listeners import Listeners
from bot.slack.parsing import COMMAND
from bot.slack.requester import Deduplication

THREADS = 32  # Bolt's default is 5, and the sixth slow command would never be acknowledged


def build_app(
    *,
    controller: ControllerPort,
    client: CountingClient,
    approvers: Approvers,
    clock: Clock,
    command: str = COMMAND,
    signing_secret: str = "",
    executor: Executor | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    deduplication: Deduplication | None = None,
) -> App:
    """An app that answers; it may be built while Slack is down, and asks who it is at the first event."""
    app = App(
        client=client,
        signing_secret=signing_secret,
        token_verification_enabled=False,
        listener_executor=executor or ThreadPoolExecutor(THREADS, thread_name_prefix="slack"),
    )
    commands = Commands(controller=controller, approvers=approvers, clock=clock, command=command)
    Listeners(commands, client, monotonic, deduplication).register(app)
    return app
