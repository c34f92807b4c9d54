"""HTTP mode as anybody on the internet meets it: real sockets, the real app, and a Slack that answers on loopback."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlencode

import pytest
from slack_bolt import App
from slack_sdk.signature import Clock, SignatureVerifier

from bot.http_server import Limits
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.connection import Connection
from bot.slack.http_mode import LIMITS, PATH, HttpMode
from tests.builders import MAYA, OMAR
from tests.fakes.controller_port import FakeController
from tests.fakes.slack_client import TEAM, FakeSlack

SECRET = "the signing secret"
FORM = "application/x-www-form-urlencoded"
SOON = 10.0
Answered = tuple[int, str]


class AheadClock(Clock):
    """The time that signatures are compared with, some seconds ahead of the machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


class Public:
    """The bot on a port, and clients of every kind."""

    def __init__(self, slack: FakeSlack, limits: Limits = LIMITS) -> None:
        slack.members = (MAYA, OMAR)
        self.slack = slack
        self.clock = AheadClock()
        self.controller = FakeController()
        self.app: App = build_app(
            controller=self.controller,
            client=slack.client,
            approvers=Approvers(slack.client, time.monotonic),
            clock=self.controller.clock,
            signing_secret=SECRET,
        )
        self.mode = HttpMode(self.app, 0, signing_secret=SECRET, host="127.0.0.1", limits=limits, clock=self.clock)

    def command(self, text: str = "status") -> bytes:
        payload = {
            "command": "/canary",
            "text": text,
            "team_id": TEAM,
            "user_id": MAYA,
            "channel_id": "C0RELEASES",
            "channel_name": "releases",
            "trigger_id": "t1",
            "response_url": self.slack.response_url,
        }
        return urlencode(payload).encode()

    def signed(self, body: bytes, age: float = 0.0) -> dict[str, str]:
        timestamp = str(int(self.clock.now() - age))
        signature = SignatureVerifier(SECRET).generate_signature(timestamp=timestamp, body=body)
        assert signature is not None
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature, "Content-Type": FORM}

    def send(self, body: bytes, headers: Mapping[str, str], method: str = "POST", path: str = PATH) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.mode.port, timeout=SOON)
        try:
            connection.request(method, path, body, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def raw(self, request: bytes) -> int:
        """The status; 0 when it is hung up without one."""
        with socket.create_connection(("127.0.0.1", self.mode.port), timeout=SOON) as connection:
            with suppress(OSError):
                connection.sendall(request)
            received = b""
            with suppress(ConnectionResetError):
                received = connection.recv(100)
        return int(received.split(b" ")[1]) if received else 0


@pytest.fixture
def public(slack: FakeSlack) -> Iterator[Public]:
    public = Public(slack)
    public.mode.start()
    yield public
    public.mode.close()


def test_what_slack_has_signed_is_answered(public: Public) -> None:
    body = public.command("help")

    assert public.send(body, public.signed(body))[0] == 200
    challenge = json.dumps({"type": "url_verification", "challenge": "3eZbrw1a", "token": "x"}).encode()
    status, text = public.send(challenge, {**public.signed(challenge), "Content-Type": "application/json"})
    assert (status, json.loads(text)) == (200, {"challenge": "3eZbrw1a"})


def test_it_is_a_connection_that_is_fresh_while_it_listens(public: Public) -> None:
    connection: Connection = public.mode

    assert connection.freshness() == 0.0
    connection.close()
    assert connection.freshness() is None


@pytest.mark.parametrize("age", [-301, 301, 10_000_000_000], ids=["future", "old", "ancient"])
def test_a_signature_is_good_for_five_minutes(public: Public, age: float) -> None:
    body = public.command("help")

    assert public.send(body, public.signed(body, age)) == (401, "")
    assert public.send(body, public.signed(body, 299 * (1 if age > 0 else -1)))[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": "v0=\u00fc"},
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": None},
        {"X-Slack-Request-Timestamp": None},
        {"X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Request-Timestamp": "1e9"},
        {"X-Slack-Request-Timestamp": "-1"},
        {"X-Slack-Request-Timestamp": "\u00b2"},
        {"X-Slack-Request-Timestamp": "9" * 5000},
        {"X-Slack-Request-Timestamp": "1_700_000_000"},
        {"X-Slack-Request-Timestamp": " 1700000000 1"},
    ],
)
def test_whatever_is_wrong_with_a_signature_is_the_same_401(
    public: Public, changes: dict[str, str | None], logged: io.StringIO
) -> None:
    body = public.command("start reviews v2")
    headers = {name: value for name, value in {**public.signed(body), **changes}.items() if value is not None}
    sent = {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}

    assert public.send(body, sent) == (401, "")
    assert public.controller.asked == []
    assert_quiet(logged)


def assert_quiet(logged: io.StringIO) -> None:
    """No error, no traceback, and not a word of the request."""
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
    for word in ("Traceback", "start+reviews", "start reviews", "response_url", "secret-word"):
        assert word not in logged.getvalue()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"X-Slack-Retry-Num: secret-word", 400),
        (b"X-Slack-Retry-Num: -1", 400),
        (b"X-Slack-Retry-Num: 1\r\nX-Slack-Retry-Num: 2", 400),
        (b"X-Slack-Retry-Num: " + b"1" * 4000, 400),
        (b"X-Slack-Retry-Num: \xff", 400),
        (b"X-Slack-Retry-Reason: \xff secret-word", 400),
        (b"User-Agent: \xc3\x28 secret-word", 400),
        (b"Content-Length: 7", 400),
        (b"Transfer-Encoding: chunked", 411),
        (b"X-Long: secret-word" + b"a" * 20_000, 431),
    ],
)
def test_garbage_in_a_header_is_refused_though_the_rest_is_signed(
    public: Public, header: bytes, expected: int, logged: io.StringIO
) -> None:
    body = public.command("start reviews v2")
    signed = "".join(f"{name}: {value}\r\n" for name, value in public.signed(body).items()).encode()
    head = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n" + signed + header

    assert public.raw(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body) == expected
    assert public.controller.asked == []
    assert_quiet(logged)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"[" * 200_000, "application/json"),
        (b"payload={", FORM),
        (b"payload=%22secret-word%22", FORM),
        (b"secret-word", "\u00fc"),
    ],
    ids=["half", "list", "null", "deep", "half a form", "text", "odd type"],
)
def test_a_signed_body_that_is_no_payload_is_no_error_of_ours(
    public: Public, body: bytes, content_type: str, logged: io.StringIO
) -> None:
    status, _ = public.send(body, {**public.signed(body), "Content-Type": content_type})

    assert status in {400, 404}
    assert_quiet(logged)


def test_what_slack_does_not_sign_steers_nothing(public: Public) -> None:
    body = public.command("start reviews v2")
    lazy = {"X-Slack-Bolt-Lazy-Only": "1", "X-Slack-Bolt-Lazy-Function-Name": "on_command"}

    assert public.send(body, {**public.signed(body), **lazy}, path=f"{PATH}?command=/other&ssl_check=1")[0] == 200
    public.controller.wait_until(lambda: public.controller.asked == [("start", "reviews", MAYA)])


def test_a_body_is_verified_as_it_came_even_when_it_is_no_text(public: Public, logged: io.StringIO) -> None:
    headers = public.signed(b"text=secret-word")

    assert public.send(b"text=secret-word\xff", headers) == (401, "")
    assert public.send(b"text=secret-word ", headers) == (401, "")
    assert_quiet(logged)


def test_a_body_larger_than_any_of_slacks_is_refused_before_it_is_sent(public: Public) -> None:
    head = b"POST " + PATH.encode() + b" HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LIMITS.body + 1)

    assert public.raw(head) == 413
    largest = public.command("x" * (LIMITS.body - 2000))
    assert public.send(largest, public.signed(largest))[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])
def test_other_methods_are_told_which_there_is(public: Public, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", public.mode.port, timeout=SOON)
    connection.request(method, PATH)
    answer = connection.getresponse()

    assert (answer.status, answer.headers["Allow"], answer.read()) == (405, "POST", b"")
    connection.close()


@pytest.mark.parametrize(
    "path", ["/", "/slack/events/", "/slack/install", "/slack/oauth_redirect", "//slack/events", "*"]
)
def test_there_is_one_path(public: Public, path: str) -> None:
    body = public.command()

    assert public.send(body, public.signed(body), path=path) == (404, "")
    assert public.send(b"", {}, method="GET", path=path) == (404, "")


def test_people_are_answered_in_time_while_500_slow_connections_come_again_and_again(slack: FakeSlack) -> None:
    public = Public(slack)
    public.mode.start()
    body = public.command("help")
    half = b"POST " + PATH.encode() + b" HTTP/1.1\r\nContent-Length: 1000000\r\nX-Slow: "
    stop, filled = threading.Event(), threading.Event()

    def drip() -> None:
        slow: deque[socket.socket] = deque()
        while not stop.wait(0.002):
            slow.append(socket.create_connection(("127.0.0.1", public.mode.port), timeout=SOON))
            with suppress(OSError):
                slow[-1].sendall(half)
            if len(slow) >= 500:
                filled.set()
                slow.popleft().close()
        for one in slow:
            one.close()

    attacker = threading.Thread(target=drip)
    attacker.start()
    assert filled.wait(30)
    try:
        answers = []
        for _ in range(50):
            began = time.monotonic()
            answers.append((public.send(body, public.signed(body))[0], time.monotonic() - began < 3))
    finally:
        stop.set()
        attacker.join()
        public.mode.close()

    assert set(answers) == {(200, True)}


class Writes:
    """Files that this process opens to write in, as the interpreter itself tells."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._watches = True
        sys.addaudithook(self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watches = False  # a hook stays for ever

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._watches and event == "open" and int(args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.paths.append(str(args[0]))


def test_a_large_request_makes_no_file(public: Public) -> None:
    body = public.command("x" * (LIMITS.body - 2000))
    long = {"X-Long": "a" * 15_000}
    public.send(public.command("help"), public.signed(public.command("help")))  # what is imported is imported

    with Writes() as writes:
        assert public.send(body, {**public.signed(body), **long})[0] == 200

    assert writes.paths == []
