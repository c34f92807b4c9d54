"""The Bolt app: its threads, its client, and the listeners on it. How payloads arrive is ``connection``'s business."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.controller.ports import Clock
from bot.slack.approvers import Approvers
from bot.slack.desk import Desk
from bot.slack.engine import Engine
from bot.slack.listeners import Listeners
from bot.slack.parsing import COMMAND
from bot.slack.visitor import Repeats

THREADS = 32  # Bolt's default is 5, and the sixth slow command would never be acknowledged
TIMEOUT = 10  # seconds for each call to Slack


class CountingClient(WebClient):
    """A client that tells how each call to Slack ended; see ``web_client``."""

    def __init__(self, called: Callable[[str], None], **options: Any) -> None:
        super().__init__(retry_handlers=[], **options)
        self._called = called

    def api_call(self, *arguments: Any, **named: Any) -> SlackResponse:
        """One call, counted."""
        try:
            answer = super().api_call(*arguments, **named)
        except Exception as error:
            self._called(_outcome(error))
            raise
        self._called("ok")
        return answer


def _outcome(error: Exception) -> str:
    """A word from the list that all systems share (``bot.adapters.calls``)."""
    if isinstance(error, SlackApiError):
        status = error.response.status_code if isinstance(error.response, SlackResponse) else 0
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return "limited"
        return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused"
    late = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
    return "timed_out" if late else "failed"


def web_client(
    token: str, base_url: str | None = None, timeout: int = TIMEOUT, called: Callable[[str], None] = lambda _: None
) -> WebClient:
    """A client that never tries again by itself: a second post is the courier's decision, and forms cannot wait.

    ``called`` is told how each call ended, as ``ok`` or in some failure.
    """
    where = {} if base_url is None else {"base_url": base_url.rstrip("/") + "/"}
    return CountingClient(called, token=token, timeout=timeout, **where)


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
