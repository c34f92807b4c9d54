"""How Slack's payloads reach the app: a WebSocket we open (Socket Mode), or requests Slack sends (HTTP mode).

Neither raises at start when Slack is down, and neither says anything about whether the engine works: a rollout goes on
and is aborted without Slack. ``freshness`` is for readiness and for people, not for liveness.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Executor
from typing import Protocol

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from waitress import create_server

PATH = "/slack/events"
PING_EVERY = 5.0  # seconds
PONGS_MISSED = 2.5
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between attempts to connect
DRAIN = 10.0  # seconds listeners get to finish

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
    """The WebSocket, watched.

    slack_sdk reconnects when a socket closes. It never notices a peer that vanished without a word, nor tries again
    when the first attempt fails: the watchdog does both.
    """

    def __init__(self, app: App, app_token: str, *, ping_every: float = PING_EVERY) -> None:
        self._app = app
        self._ping_every = ping_every
        self._handler = SocketModeHandler(app, app_token, ping_interval=ping_every, concurrency=32)
        self._handler.client.on_open_listeners.append(lambda _socket: self._heard())
        self._handler.client.on_message_listeners.append(lambda _socket, _message: self._heard())
        self._heard_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slack-watchdog", daemon=True)

    def start(self) -> None:
        """Connect in the background, again and again until it works."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect first, so that nothing new arrives; then let the listeners finish."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(DRAIN)
        self._handler.client.close()
        _drain(self._app.listener_runner.listener_executor)

    def freshness(self) -> float | None:
        """Seconds since a pong or a payload; None while not connected."""
        heard = self._last_heard()
        if heard is None or not self._handler.client.is_connected():
            return None
        return max(0.0, time.time() - heard)

    def _watch(self) -> None:
        wait = 0.0
        attempts = 0
        while not self._stop.wait(wait):
            if not self._is_deaf():
                wait, attempts = self._ping_every / 5, 0
                continue
            attempts += 1
            wait = self._ping_every if self._connect() else min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts, 5))

    def _is_deaf(self) -> bool:
        """Never connected, or silent for longer than a living peer would be."""
        heard = self._last_heard()
        return heard is None or time.time() - heard > PONGS_MISSED * self._ping_every

    def _connect(self) -> bool:
        try:
            self._handler.client.connect_to_new_endpoint(force=True)
        except Exception as error:  # noqa: BLE001  # whatever keeps us from Slack, the next attempt is the answer
            log.warning("slack.not_connected", error=type(error).__name__)
            return False
        self._heard()  # the new socket gets as long to answer as a living one
        log.info("slack.connecting")
        return True

    def _heard(self) -> None:
        self._heard_at = time.time()  # the same clock as websocket-client's pongs

    def _last_heard(self) -> float | None:
        session = self._handler.client.current_session
        pong = float(getattr(session, "last_pong_tm", 0.0) or 0.0)
        return max(pong, self._heard_at) if self._heard_at is not None else None


class HttpMode:
    """Requests from Slack, verified by Bolt with the signing secret, on one threaded worker."""

    def __init__(self, app: App, port: int, *, host: str = "0.0.0.0", threads: int = 32) -> None:  # noqa: S104  # behind an ingress
        self._app = app
        self._server = create_server(SlackRequestHandler(app, PATH), host=host, port=port, threads=threads, ident=None)
        self._thread = threading.Thread(target=self._server.run, name="slack-http", daemon=True)

    @property
    def port(self) -> int:
        """The port in use, also when 0 was asked for."""
        return int(self._server.effective_port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, let the listeners finish."""
        self._server.close()
        self._thread.join(DRAIN)
        self._server.task_dispatcher.shutdown()
        _drain(self._app.listener_runner.listener_executor)

    def freshness(self) -> float | None:
        """0 while listening: Slack calls us, so silence is no sign of trouble."""
        return 0.0 if self._thread.is_alive() else None


def _drain(executor: Executor) -> None:
    """Wait for running listeners, but not for ever: the process is going down."""
    waiting = threading.Thread(target=executor.shutdown, name="slack-drain", daemon=True)
    waiting.start()
    waiting.join(DRAIN)
