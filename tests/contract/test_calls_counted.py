"""Whatever leaves the process is counted, by how it ended: asked of the real clients and of odd answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from kubernetes import client
from slack_bolt import Respond
from slack_sdk.errors import SlackApiError

from bot.adapters.kube import Kube
from bot.adapters.prometheus_connection import PrometheusConnection, Query
from bot.adapters.redis_connection import connect
from bot.model.errors import Fault
from bot.slack.client import web_client
from tests.contract.conftest import Server

Notified = list[str]


@dataclass(frozen=True)
class System:
    """How to make one call to it at an address, telling a list how it ended, and what it answers when all is well."""

    call: Callable[[str, Notified], object]
    answer: dict[str, Any]
    refusal: str = "refused"


def kubernetes(url: str, notified: Notified) -> object:
    settings = client.Configuration()
    settings.host, settings.retries = url, False
    kube = Kube(client.ApiClient(settings))
    kube.count_calls(notified.append)
    return kube.version()


def prometheus(url: str, notified: Notified) -> object:
    connection = PrometheusConnection(url, query_seconds=0.3, read_seconds=10.0)
    connection.count_calls(notified.append)
    with closing(connection):
        return connection.ask({"one": Query(about="one", text="vector(1)")})


def slack(url: str, notified: Notified) -> object:
    return web_client("xoxb-1", f"{url}/api/", timeout=1, called=notified.append).api_test()


def slack_answers(url: str, notified: Notified) -> None:
    """Through the address that comes with a command, which is a webhook: its errors are no errors of the library."""
    webhook = Respond(response_url=f"{url}/commands/T1/2/3")
    web_client("xoxb-1", f"{url}/api/", called=notified.append).respond(webhook, {"text": "Started."})


SYSTEMS = {
    "kubernetes": System(kubernetes, {"gitVersion": "v1.35.1"}, refusal="forbidden"),
    "prometheus": System(
        prometheus, {"status": "success", "data": {"resultType": "vector", "result": []}}, "forbidden"
    ),
    "slack": System(slack, {"ok": True}),
    "slack, an answer": System(slack_answers, {"ok": True}),
}


@contextmanager
def answering(status: int, answer: object) -> Iterator[str]:
    """A server that gives everybody this answer."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = json.dumps(answer).encode()
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815  # the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_an_answer_is_ok(system: System) -> None:
    notified: Notified = []
    with answering(200, system.answer) as url:
        system.call(url, notified)

    assert notified == ["ok"]


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_nobody_there_is_failed(system: System) -> None:
    notified: Notified = []
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]

    with suppress(Fault, OSError):
        system.call(f"http://127.0.0.1:{port}", notified)

    assert notified == ["failed"]


@pytest.mark.parametrize("system", [SYSTEMS["prometheus"], SYSTEMS["slack"]], ids=["prometheus", "slack"])
def test_silence_is_timed_out(system: System) -> None:
    notified: Notified = []
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, suppress(Fault, OSError):
        system.call(f"http://127.0.0.1:{silent.getsockname()[1]}", notified)

    assert notified == ["timed_out"]


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_a_refusal_is_no_failure_of_the_wire(system: System) -> None:
    notified: Notified = []
    no = {"ok": False, "error": "not_allowed", "message": "forbidden"}
    with answering(403, no) as url, suppress(Fault, SlackApiError):
        system.call(url, notified)

    assert notified == [system.refusal]


def test_every_question_to_redis_is_counted_once(redis_server: Server) -> None:
    notified: Notified = []
    connection = connect(redis_server.url, notified.append)

    connection.ping()
    batch = connection.pipeline(transaction=False)
    batch.get("canary:a")
    batch.get("canary:b")
    batch.execute(raise_on_error=True)
    list(connection.scan_iter(match="none:*", count=10))
    redis_server.client.lpush("canary:a-list", "one")
    with pytest.raises(Fault, match="another kind of value"):
        connection.hgetall("canary:a-list")
    redis_server.client.delete("canary:a-list")
    connection.close()

    assert notified == ["ok", "ok", "ok", "refused"]


def test_a_redis_that_is_away_is_failed() -> None:
    notified: Notified = []
    connection = connect("redis://127.0.0.1:1/0", notified.append)

    with pytest.raises(Fault, match="cannot be reached"):
        connection.get("a")

    assert notified == ["failed"]
