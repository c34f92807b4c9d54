"""The Bolt app: its threads, its client, and the listeners on it. How payloads arrive is ``connection``'s business."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from slack_bolt import App
from slack_sdk import WebClient

from bot.controller.ports import Clock
from bot.slack.approvers import Approvers
from bot.slack.desk import Desk
from bot.slack.engine import Engine
from bot.slack.listeners import Listeners
from bot.slack.parsing import COMMAND
from bot.slack.visitor import Repeats

THREADS = 32  # Bolt's default is 5, and the sixth slow command would never be acknowledged
TIMEOUT = 10  # seconds for each call to Slack


def web_client(token: str, base_url: str | None = None, timeout: int = TIMEOUT) -> WebClient:
    """A client that never tries again by itself: a second post is the courier's decision, and forms cannot wait."""
    if base_url is None:
        return WebClient(token=token, timeout=timeout, retry_handlers=[])
    return WebClient(token=token, base_url=base_url.rstrip("/") + "/", timeout=timeout, retry_handlers=[])


def build_app(
    *,
    engine: Engine,
    client: WebClient,
    approvers: Approvers,
    clock: Clock,
    command: str = COMMAND,
    signing_secret: str = "",
    executor: Executor | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    repeats: Repeats | None = None,
) -> App:
    """An app that answers; it may be built while Slack is down, and asks who it is at the first event."""
    app = App(
        client=client,
        signing_secret=signing_secret,
        token_verification_enabled=False,
        listener_executor=executor or ThreadPoolExecutor(THREADS, thread_name_prefix="slack"),
    )
    desk = Desk(engine=engine, approvers=approvers, clock=clock, command=command)
    Listeners(desk, client, monotonic, repeats).register(app)
    return app
