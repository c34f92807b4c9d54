"""How fast a command is acknowledged: ours beside a Bolt app that does nothing else, on both wires, in one run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_bolt.app.app import SlackAppDevelopmentServer

from bench.percentiles import percentile
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.client import web_client
from bot.slack.http_mode import PATH, HttpMode
from sandbox.ports import LOOPBACK, free_port
from sandbox.slack import Slack
from tests.fakes.controller_port import FakeController

PER_SECOND = 50
ROUNDS = 2  # in turns, so that a busy moment of the machine does not count against one of them alone
HTTP_ROUNDS = 40  # where a turn costs no connection: so short that a busy moment meets both
PEOPLE = 16  # so many commands may be waiting for their acknowledgement; the next is sent all the same


def acknowledgements(commands: int) -> dict[str, float]:
    """Half-way and nearly worst, in milliseconds, over Socket Mode."""
    seconds: dict[str, list[float]] = {"bare Bolt app": [], "canary-bot": []}
    with Slack() as slack, ThreadPoolExecutor() as closing:
        client = web_client(slack.bot_token, f"{slack.url}/api/")
        bare = App(client=client, token_verification_enabled=False)
        bare.command("/bare")(_acknowledge)
        controller = FakeController()
        ours = build_app(
            controller=controller, client=client, approvers=Approvers(client, time.monotonic), clock=controller.clock
        )
        for _ in range(ROUNDS):
            for name, app, command in (("bare Bolt app", bare, "/bare"), ("canary-bot", ours, "/canary")):
                handler = SocketModeHandler(app, slack.app_token)
                handler.connect()  # type: ignore[no-untyped-call]  # Bolt has no types here
                slack.wait_for_connections(1)
                seconds[name] += measure(slack, command, commands // ROUNDS)
                closing.submit(handler.close)  # hangs up at once, and then takes seconds to end its threads
    return _results(seconds, "acknowledged")


def acknowledgements_over_http(commands: int) -> dict[str, float]:
    """The same in HTTP mode; the bare app is served by Bolt's own server."""
    seconds: dict[str, list[float]] = {"bare Bolt app": [], "canary-bot": []}
    with Slack() as slack:
        client = web_client(slack.bot_token, f"{slack.url}/api/")
        secret = slack.signing_secret
        bare = App(client=client, token_verification_enabled=False, signing_secret=secret)
        bare.command("/bare")(_acknowledge)
        controller = FakeController()
        ours = build_app(
            controller=controller,
            client=client,
            approvers=Approvers(client, time.monotonic),
            clock=controller.clock,
            signing_secret=secret,
        )
        http_mode = HttpMode(ours, 0, signing_secret=secret, host=LOOPBACK)
        http_mode.start()
        with _served(bare) as port:
            both = [("bare Bolt app", port, "/bare"), ("canary-bot", http_mode.port, "/canary")]
            for _ in range(HTTP_ROUNDS):
                for name, to, command in both:
                    slack.request_url(f"http://{LOOPBACK}:{to}{PATH}")
                    seconds[name] += measure(slack, command, commands // HTTP_ROUNDS)
                both.reverse()  # who comes after whom is no advantage either
        http_mode.close()
    return _results(seconds, "acknowledged over HTTP")


@contextmanager
def _served(app: App) -> Iterator[int]:
    port = free_port()
    server = SlackAppDevelopmentServer(port=port, path=PATH, app=app, http_server_logger_enabled=False)._server  # noqa: SLF001  # it has no other end
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield port
    server.shutdown()
    server.server_close()
    serving.join()


def _results(seconds: Mapping[str, Sequence[float]], what: str) -> dict[str, float]:
    results = {
        f"{what} by {name}, p{percent} (ms)": percentile(each, percent) * 1000
        for name, each in seconds.items()
        for percent in (50, 99)
    }
    ratio = results[f"{what} by canary-bot, p99 (ms)"] / results[f"{what} by bare Bolt app, p99 (ms)"]
    return {**results, f"{what}, p99, canary-bot over bare": ratio}


def measure(slack: Slack, command: str, count: int) -> list[float]:
    """Seconds of each acknowledgement, fifty commands a second, whether or not the one before was answered."""
    for _ in range(3):
        slack.command("@maya", "#releases", "help", command)  # threads are started, modules imported
    began = time.monotonic()
    with ThreadPoolExecutor(PEOPLE) as people:
        sent = []
        for number in range(count):
            time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))  # the rate is the point
            sent.append(people.submit(slack.command, "@maya", "#releases", "help", command))
        deliveries = [delivery.result() for delivery in sent]
    if not all(delivery.acknowledged for delivery in deliveries):
        raise RuntimeError(f"{command}: not every command was acknowledged.")
    return [delivery.seconds for delivery in deliveries]


def _acknowledge(ack: Ack) -> None:
    ack()
