"""Law: whoever answers in the place of a system outside, and however, what is asked of it ends, and ends in a fault.

Nobody is measured here: what has no end is waited for until the test's own time is up.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from kubernetes import client
from slack_bolt import Respond

from bot import bounded
from bot.adapters import redis_connection
from bot.adapters.http_webhooks import HttpWebhooks
from bot.adapters.kube import Kube
from bot.adapters.prometheus_connection import PrometheusConnection, Query
from bot.model.errors import Fault
from bot.model.webhooks import HookMoment, Webhook
from bot.slack.client import web_client
from bot.slack.requester import SLACK_FAILURES
from tests.contract.hostile import ENDLESS, ODD, Manner, dribbles, elsewhere, listening, pours, says, silent

pytestmark = pytest.mark.timeout(120)

SOON = 0.2  # seconds for each read; what is slow sends a byte more often than that
AMPLE = 20.0  # for what is odd and comes at once, on a machine that is busy

Asked = Callable[[str, float], None]


def kube(url: str, seconds: float) -> Kube:
    settings = client.Configuration()
    settings.host, settings.retries, settings.verify_ssl = url, False, False
    return Kube(client.ApiClient(settings), read_seconds=seconds)


def reads_an_object(url: str, seconds: float) -> None:
    kube(url, seconds).get("Pod", "default", "x")


def writes_an_object(url: str, seconds: float) -> None:
    kube(url, seconds).patch("Deployment", "default", "x", {"metadata": {}})


def watches(url: str, seconds: float) -> None:
    """One that ends in peace saw nothing."""
    events = list(kube(url, seconds).watch("Pod", "default", "1", 0))
    assert events == []
    raise Fault("Kubernetes", "over")


def queries(url: str, seconds: float) -> None:
    connection = PrometheusConnection(url, query_seconds=seconds, read_seconds=4 * AMPLE)
    with closing(connection):
        answer = connection.ask({"one": Query(about="one", text="up")})["one"]
    if isinstance(answer, Fault):
        raise answer


def queries_a_range(url: str, seconds: float) -> None:
    connection = PrometheusConnection(url, query_seconds=seconds, read_seconds=4 * AMPLE)
    with closing(connection):
        connection.ask_range({"one": Query(about="one", text="up")}, 0.0, 60.0, 15.0)


def posts(url: str, seconds: float) -> None:
    try:
        web_client("xoxb-1", f"{url}/api/", timeout=seconds).chat_postMessage(channel="C1", text="x")  # type: ignore[arg-type]  # a float will do
    except SLACK_FAILURES as error:
        raise Fault("Slack", type(error).__name__) from error


def responds(url: str, seconds: float) -> None:
    client_of = web_client("xoxb-1", f"{url}/api/", timeout=seconds)  # type: ignore[arg-type]  # as above
    try:
        client_of.respond(Respond(response_url=f"{url}/commands/T1/2/3"), {"text": "x"})
    except SLACK_FAILURES as error:
        raise Fault("Slack", type(error).__name__) from error


SYSTEMS: Mapping[str, Asked] = {
    "an object": reads_an_object,
    "a write": writes_an_object,
    "a watch": watches,
    "a query": queries,
    "a range": queries_a_range,
    "a message": posts,
    "an answer to a command": responds,
}


def unended(asked: Asked, manners: Mapping[str, Manner], scheme: str, seconds: float) -> list[str]:
    """Which of these servers were believed. All are asked at once: nobody is waited for twice."""

    def is_believed(manner: str) -> bool:
        with listening(manners[manner]) as port:
            try:
                asked(f"{scheme}://127.0.0.1:{port}", seconds)
            except Fault:
                return False
        return True

    with ThreadPoolExecutor(len(manners)) as pool:
        found = dict(zip(manners, pool.map(is_believed, manners), strict=True))
    return [manner for manner, believed in found.items() if believed]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_has_no_end_ends_in_a_fault(system: str) -> None:
    assert unended(SYSTEMS[system], ENDLESS, "http", SOON) == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_makes_no_sense_is_a_fault(system: str) -> None:
    believed = unended(SYSTEMS[system], ODD, "http", AMPLE)
    assert believed == [] or system == "an answer to a command"  # whose status is all that counts


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_handshake_ends_as_well(system: str) -> None:
    stalls = {"silence": silent, "slow": dribbles(b"\x16\x03\x03", b"\x00"), "endless": pours(b"", b"x" * 65536)}
    assert unended(SYSTEMS[system], stalls, "https", SOON) == []


def test_a_proxy_that_never_lets_through_ends_as_well() -> None:
    def through(proxy: str, seconds: float) -> None:
        settings = client.Configuration()
        settings.host, settings.proxy, settings.retries, settings.verify_ssl = (
            "https://api.invalid",
            proxy,
            False,
            False,
        )
        Kube(client.ApiClient(settings), read_seconds=seconds).get("Pod", "default", "x")

    assert unended(through, ENDLESS, "http", SOON) == []


_ASKS_SLACK = """
from bot.slack.client import web_client
from bot.slack.requester import SLACK_FAILURES

try:
    web_client("xoxb-1", "http://slack.invalid/api/").auth_test()
except SLACK_FAILURES:
    print("refused")
"""

# The first payload makes Bolt ask who we are.
_HEARS_SLACK = """
import sys, time
from slack_bolt import BoltRequest
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.client import web_client
from tests.fakes.controller_port import FakeController

client, controller = web_client("xoxb-1", "http://slack.invalid/api/", timeout=1), FakeController()
app = build_app(
    controller=controller, client=client, approvers=Approvers(client, time.monotonic), clock=controller.clock
)
body = {"command": "/canary", "text": "list", "team_id": "T1", "user_id": "U1", "trigger_id": "1"}
app.dispatch(BoltRequest(mode="socket_mode", body=body))
app.listener_runner.listener_executor.shutdown()
print("refused")
"""


@pytest.mark.parametrize("script", [_ASKS_SLACK, _HEARS_SLACK], ids=["we", "Bolt"])
def test_slacks_answers_lead_nowhere_else_behind_a_proxy_either(script: str) -> None:
    asked: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split()[1])

    with listening(elsewhere(b"http://elsewhere.invalid/"), proxy) as port:
        environ = {"PATH": "", "PYTHONPATH": ":".join(sys.path), "http_proxy": f"http://127.0.0.1:{port}"}
        done = subprocess.run(  # noqa: S603  # ourselves
            [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
        )

    assert done.stdout.splitlines()[-1] == "refused"
    assert {urlsplit(url).netloc for url in asked} == {b"slack.invalid"}


REDIS: Mapping[str, Manner] = {
    "silence": silent,
    "slow text": dribbles(b"+", b"x"),
    "slow value": dribbles(b"$1000000000\r\n", b"x"),
    "slow list": dribbles(b"*1000000000\r\n", b":1\r\n"),
    "endless text": pours(b"+", b"x" * 65536),
    "endless value": pours(b"$100000000000\r\n", b"x" * 65536),
    "endless list": pours(b"*100000000000\r\n", b":1\r\n" * 1000),
    "endless errors": pours(b"", b"-ERR no\r\n" * 1000),
    "a page": says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "no number": says(b":many\r\n"),
    "no length": says(b"$many\r\n"),
    "a length below nothing": says(b"$-9\r\n", b"*-9\r\n"),
    "deep": says(b"*1\r\n" * 100_000),
    "a map of maps": says(b"%1\r\n%1\r\n+a\r\n+b\r\n+c\r\n"),
    "a push": says(b">1\r\n+invalidate\r\n" * 10),
    "bytes": says(bytes(range(256)) * 20),
    "hangs up": says(b""),
}


def of_redis(path: str) -> Asked:
    def ask(url: str, _seconds: float) -> None:
        redis_connection.connect(f"{url}{path}").get("canary:x")

    return ask


@pytest.mark.parametrize(
    ("scheme", "path"),
    [("redis", f"/0?socket_timeout={SOON}"), ("redis+cluster", "/0"), ("redis+sentinel", "/main/0")],
)
def test_redis_ends_in_a_fault(scheme: str, path: str) -> None:
    assert unended(of_redis(path), REDIS, scheme, SOON) == []


def test_a_webhook_ends() -> None:
    """It is believed in its status, so some of what is odd has said yes."""

    def call(url: str, seconds: float) -> None:
        hook = Webhook(name="x", url=f"{url}/", when=HookMoment.BEFORE_START, timeout=seconds)
        HttpWebhooks(dict).call(hook, "key", {}, 0.0)

    assert unended(call, ENDLESS, "http", SOON) == []
    unended(call, ODD, "http", AMPLE)


def test_more_than_an_answer_has_is_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(AMPLE)
        limited = bounded.BoundedSocket(ours, largest=1000)
        theirs.sendall(b"x" * 2000)
        with pytest.raises(bounded.AnswerTooLong):
            limited.makefile("rb").read()


def test_each_answer_is_counted_by_itself() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(AMPLE)
        limited = bounded.BoundedSocket(ours, largest=1000)
        for _ in range(5):
            limited.sendall(b"?")
            theirs.sendall(b"x" * 900)
            assert len(limited.recv(900)) == 900
