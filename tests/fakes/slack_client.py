"""A Slack that answers on loopback, so that the real ``WebClient`` and its real errors are what is tested.

    with FakeSlack() as slack:
        slack.client.chat_postMessage(channel="#releases", text="hi")
        assert slack.said("chat.postMessage")[0]["text"] == "hi"

Every call is remembered with its arguments. ``fail`` scripts the next answers of one method, ``swallow`` takes the call
and closes the connection without an answer (what a time-out leaves behind), ``down`` answers 503 to everything. The
``response_url`` of a payload is ``slack.response_url``; what is sent there shows up as the method ``respond``.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from slack_sdk import WebClient

from bot.slack.app import web_client

TEAM, BOT_USER = "T0CANARY", "U0BOT00001"
Arguments = dict[str, Any]
Answer = tuple[int, dict[str, str], dict[str, Any]]


class FakeSlack:
    """One workspace with one user group, ``@release-managers``."""

    def __init__(self, members: tuple[str, ...] = ()) -> None:
        self.down = False
        self.members = members
        self.calls: list[tuple[str, Arguments]] = []
        self._scripted: defaultdict[str, deque[Answer | None]] = defaultdict(deque)
        self._ts = itertools.count(1)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.response_url = f"{self.url}/respond"
        self.client: WebClient = web_client("xoxb-test", f"{self.url}/api", timeout=5)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def said(self, method: str) -> list[Arguments]:
        """The arguments of every call of a method, in order, failed ones too."""
        with self._lock:
            return [arguments for called, arguments in self.calls if called == method]

    def told(self) -> str:
        """The newest sentence somebody was told in private."""
        return str(self.said("respond")[-1]["text"])

    def forget(self) -> None:
        """Start counting calls anew."""
        with self._lock:
            self.calls.clear()

    def fail(
        self, method: str, error: str = "", *, status: int = 200, retry_after: int | None = None, times: int = 1
    ) -> None:
        """The next ``times`` calls of the method fail like this."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        for _ in range(times):
            self._scripted[method].append((status, headers, {"ok": False, "error": error or "internal_error"}))

    def swallow(self, method: str, times: int = 1) -> None:
        """The next ``times`` calls are carried out, and nobody hears that they were."""
        self._scripted[method].extend([None] * times)

    def answer(self, method: str, arguments: Arguments) -> Answer | None:
        """What the server answers; None closes the connection."""
        with self._lock:
            self.calls.append((method, arguments))
            if self._scripted[method]:
                return self._scripted[method].popleft()
        if self.down:
            return 503, {}, {"ok": False, "error": "service_unavailable"}
        return 200, {}, {"ok": True, **self._result(method, arguments)}

    def _result(self, method: str, arguments: Arguments) -> dict[str, Any]:
        match method:
            case "auth.test":
                return {"team_id": TEAM, "user_id": BOT_USER, "bot_id": "B0BOT00001", "url": self.url}
            case "chat.postMessage":
                channel = "C0RELEASES" if arguments.get("channel") == "#releases" else arguments.get("channel")
                return {"channel": channel, "ts": f"{next(self._ts)}.000000"}
            case "usergroups.list":
                return {"usergroups": [{"id": "S0MANAGERS", "handle": "release-managers"}]}
            case "usergroups.users.list":
                return {"users": list(self.members)}
            case _:
                return {}


def _handler(slack: FakeSlack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            method = self.path.partition("?")[0].rpartition("/")[2]
            answer = slack.answer(method, self._arguments(raw))
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            payload = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(payload)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def _arguments(self, raw: str) -> Arguments:
            if "json" in self.headers.get("Content-Type", ""):
                found: Arguments = json.loads(raw or "{}")
                return found
            form: Arguments = dict(parse_qsl(raw))
            for name in ("blocks", "view", "metadata"):
                if name in form:
                    form[name] = json.loads(form[name])
            return form

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
            """Say nothing."""

    return Handler
