"""How Slack's payloads reach the app: a WebSocket we open (Socket Mode), or requests Slack sends (HTTP mode).

Neither raises at start when Slack is down, and neither says anything about whether the controller works: a rollout goes
on and is aborted without Slack. ``freshness`` is for readiness and for people, not for liveness.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from websocket import WebSocketApp

from bot.bounded import AnswerTooLong

PING_EVERY = 5.0  # seconds
PONGS_MISSED = 2.5
HANDSHAKE = 3.0  # seconds a new socket gets to open, doubled with every attempt that fails ...
LONGEST_WAIT = 30.0  # ... up to this
HANG_UP = 1.0  # seconds the reading thread gets to leave a socket
DRAIN = 10.0  # seconds listeners get to finish
# Bytes from one payload to the next, pings and pongs included. HTTP mode takes a payload of an eighth of it, and those
# few bytes every few seconds are less than that in the hours that Slack keeps a connection.
LARGEST_MESSAGE = 8 * 1024 * 1024

log = structlog.get_logger(__name__)


class Connection(Protocol):
    """Either way."""

    def start(self) -> None:
        """Begin; returns at once."""

    def close(self) -> None:
        """Take nothing new, and let what runs finish."""

    def freshness(self) -> float | None:
        """Seconds since Slack was last heard of; None while it cannot reach us."""


class SocketMode:
    """The WebSocket, watched, and replaced by this class alone.

    slack_sdk's own ways to reconnect do not notice a peer that vanished without a word, do not try again when the first
    attempt fails, and get into each other's way: two of its threads replace the same socket while a third still waits
    on the old one, which leaves the new one unread for up to ten seconds. So they are off, except for the orderly
    replacement that Slack itself asks for every few hours.
    """

    def __init__(self, app: App, app_token: str, *, ping_every: float = PING_EVERY) -> None:
        self._app = app
        self._ping_every = ping_every
        self._client = SocketModeHandler(app, app_token, ping_interval=ping_every, concurrency=32).client
        self._client.default_auto_reconnect_enabled = self._client.auto_reconnect_enabled = False
        self._client.on_open_listeners.append(self._on_open)
        self._client.on_message_listeners.append(self._on_message)
        self._counted: _CountedSocket | None = None
        # By the stopwatch: a machine's clock that is set must neither cut a living socket nor hide a dead one.
        self._heard_at: float | None = None
        self._tried_at = -math.inf
        self._pong = 0.0  # the last one, as websocket-client wrote it down: by the clock
        self._client.on_close_listeners.append(lambda _session: self._ended.set())
        self._ended = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slack-watchdog", daemon=True)

    def start(self) -> None:
        """Connect in the background, again and again until it works."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect first, so that nothing new arrives; then let the listeners finish."""
        self._stop.set()
        self._hang_up()
        finish(self._client.close, "slack-close")
        finish(self._app.listener_runner.listener_executor.shutdown, "slack-drain")

    def freshness(self) -> float | None:
        """Seconds since a pong or a payload; None while not connected."""
        heard = self._last_heard()
        if heard is None or not self._client.is_connected():
            return None
        return max(0.0, time.monotonic() - heard)

    def _watch(self) -> None:
        attempts = 0
        while not self._stop.is_set():
            wait = self._ping_every / 5
            if self._is_lost():
                wait = min(LONGEST_WAIT, HANDSHAKE * 2 ** min(attempts, 5))
                attempts += 1
                self._connect()
            elif self._client.is_connected():
                attempts = 0
            self._stop.wait(wait)

    def _is_lost(self) -> bool:
        """No socket, and none on its way; or one that has been silent for longer than a living peer would be."""
        heard = self._last_heard()
        silent = time.monotonic() - max(-math.inf if heard is None else heard, self._tried_at)
        return silent > (PONGS_MISSED * self._ping_every if self._client.is_connected() else HANDSHAKE)

    def _connect(self) -> None:
        self._hang_up()
        self._tried_at = time.monotonic()
        try:
            self._client.connect_to_new_endpoint(force=True)
        except Exception as error:  # noqa: BLE001  # whatever keeps us from Slack, the next attempt is the answer
            log.warning("slack.not_connected", error=type(error).__name__)
        else:
            log.info("slack.connecting")

    def _hang_up(self) -> None:
        """End the current socket in a way that wakes the thread that waits on it, and see that thread leave it."""
        session = self._client.current_session
        if session is None or session.sock is None or session.sock.sock is None:
            return
        self._ended.clear()
        session.keep_running = False
        with suppress(OSError):  # it may end by itself while we look
            session.sock.sock.shutdown(socket.SHUT_RDWR)
        self._ended.wait(HANG_UP)

    def _on_open(self, session: WebSocketApp) -> None:
        """Count from here on: websocket-client holds whatever comes until the message that it is of has ended."""
        self._heard()
        if session.sock is not None and session.sock.sock is not None:
            self._counted = _CountedSocket(session.sock.sock)
            session.sock.sock = self._counted  # type: ignore[assignment]  # it is one to whoever reads from it

    def _on_message(self, session: WebSocketApp, message: str) -> None:
        """Called by the thread that reads: when Slack asks for a new connection it must not wait on the old one."""
        self._heard()
        if self._counted is not None:
            self._counted.begin_anew()
        if '"disconnect"' in message[:500] and json.loads(message).get("type") == "disconnect":
            session.keep_running = False

    def _heard(self) -> None:
        self._heard_at = time.monotonic()

    def _last_heard(self) -> float | None:
        """By the stopwatch. Pongs call nobody: one is seen by its being another than the last, within a fifth of the
        time between two.
        """
        pong = float(getattr(self._client.current_session, "last_pong_tm", 0.0) or 0.0)
        if pong not in (0.0, self._pong):
            self._pong = pong
            self._heard()
        return self._heard_at


class _CountedSocket:
    """The socket beneath a WebSocket, of which no more than ``LARGEST_MESSAGE`` is read from one message to the next.

    Everything else is the socket's own. Reading raises ``AnswerTooLong``, which ends the connection.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._came = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes."""
        data: bytes = self._sock.recv(size)
        self._came += len(data)
        if self._came > LARGEST_MESSAGE:
            raise AnswerTooLong
        return data

    def begin_anew(self) -> None:
        """A message has come to its end."""
        self._came = 0


def finish(work: Callable[[], object], name: str) -> None:
    """Let something end, but not for ever: the process is going down."""
    waiting = threading.Thread(target=work, name=name, daemon=True)
    waiting.start()
    waiting.join(DRAIN)
