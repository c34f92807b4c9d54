"""HTTP mode: requests that Slack sends to an address which anybody else can reach as well.

``bot.http_server`` keeps the wire; here a request has to be Slack's before Bolt sees a byte of it: the method, the path
and the form of Slack's headers by the head alone, then the signature over the body as it came. A refusal says no more
than its status.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import structlog
from slack_bolt import App, BoltRequest
from slack_sdk.signature import Clock, SignatureVerifier

from bot.http_server import Limits, Request, Response, Server, text
from bot.slack.connection import finish

PATH = "/slack/events"
LIMITS = Limits(body=1024 * 1024, seconds=10.0)
THREADS = 32  # as many as Bolt's listeners: each waits for one acknowledgement, three seconds at the most
FRESH = 5 * 60.0  # seconds that a signature is good for
WARN_EVERY = 60.0  # seconds between two lines of the log about refused signatures

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_RETRY_NUMBER = re.compile(r"[0-9]{1,3}")
# All that Bolt needs of the head, none of which is signed: other headers and the query could steer it.
_HEADERS = (
    "Content-Type",
    "X-Slack-Request-Timestamp",
    "X-Slack-Signature",
    "X-Slack-Retry-Num",
    "X-Slack-Retry-Reason",
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class HttpMode(Server):
    """Requests from Slack, on a port of their own."""

    def __init__(
        self,
        app: App,
        port: int,
        *,
        signing_secret: str,
        host: str = "",
        limits: Limits = LIMITS,
        clock: Clock | None = None,
    ) -> None:
        """Nothing listens before ``start``.

        Args:
            app: whom Slack's requests are for.
            port: 0 picks a free one.
            signing_secret: what Slack signs with.
            host: where to listen; "" is every address, of IPv4 and IPv6.
            limits: what clients may take of the process.
            clock: the time that signatures are compared with; the machine's unless given.
        """
        self._app = app
        handler = _Handler(app, signing_secret, clock or Clock())
        super().__init__(handler, name="slack-http", port=port, host=host, limits=limits)
        self._threads = handler.threads

    def close(self) -> None:
        """Stop listening, let the listeners finish."""
        super().close()
        self._threads.shutdown(wait=False)
        finish(self._app.listener_runner.listener_executor.shutdown, "slack-drain")

    def freshness(self) -> float | None:
        """0 while listening: Slack calls us, so silence is no sign of trouble."""
        return 0.0 if self.serves else None


class _Handler:
    """``bot.http_server.Handler``."""

    def __init__(
        self, app: App, signing_secret: str, clock: Clock, stopwatch: Callable[[], float] = time.monotonic
    ) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="slack-http")
        self._app = app
        self._verifier = SignatureVerifier(signing_secret, clock)
        self._clock = clock
        self._stopwatch = stopwatch
        self._forged = 0  # since the log was told of them
        self._warned_at: float | None = None

    def check_head(self, request: Request) -> Response | None:
        """What the head says against it."""
        if request.path != PATH:
            return text(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return text(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        headers = request.headers
        if not _RETRY_NUMBER.fullmatch(headers.get("X-Slack-Retry-Num", "0")):
            return text(HTTPStatus.BAD_REQUEST)
        timestamp = headers.get("X-Slack-Request-Timestamp", "")
        if not _TIMESTAMP.fullmatch(timestamp) or abs(self._clock.now() - int(timestamp)) > FRESH:
            return self._forgery()
        return None if _SIGNATURE.fullmatch(headers.get("X-Slack-Signature", "")) else self._forgery()

    async def answer(self, request: Request) -> Response:
        """Bolt's answer to what Slack has signed."""
        if not self._is_signed(request):
            return self._forgery()
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._dispatch, request)

    def _is_signed(self, request: Request) -> bool:
        headers = request.headers
        try:
            return self._verifier.is_valid(
                request.body, headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"]
            )
        except UnicodeDecodeError:  # Slack signs text
            return False

    def _dispatch(self, request: Request) -> Response:
        """On one of the threads, until a listener has acknowledged."""
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        try:
            asked = BoltRequest(body=request.body.decode(), headers={**headers})
        except Exception:  # noqa: BLE001  # it reads payloads as if they could only be right
            return text(HTTPStatus.BAD_REQUEST)
        answered = self._app.dispatch(asked)
        body = str(answered.body or "").encode("utf-8", "replace")
        return Response(HTTPStatus(answered.status), body, answered.first_headers()["content-type"])

    def _forgery(self) -> Response:
        """Refused, counted, and told once in a while: a wrong signing secret looks the same."""
        self._forged += 1
        now = self._stopwatch()
        if self._warned_at is None or now - self._warned_at >= WARN_EVERY:
            log.warning("slack_signatures_refused", requests=self._forged)
            self._forged, self._warned_at = 0, now
        return text(HTTPStatus.UNAUTHORIZED)
