"""How fast a command is acknowledged: ours beside a Bolt app that does nothing else, over Socket Mode, in one run."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler

from bench.percentiles import percentile
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.client import web_client
from sandbox.slack import Slack
from tests.fakes.controller_port import FakeController

PER_SECOND = 50
ROUNDS = 2  # in turns, so that a busy moment of the machine does not count against one of them alone
PEOPLE = 16  # so many commands may be waiting for their acknowledgement; the next is sent all the same


def acknowledgements(commands: int) -> dict[str, float]:
    """Half-way and nearly worst, in milliseconds."""
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
    results = {
        f"acknowledged by {name}, p{percent} (ms)": percentile(each, percent) * 1000
        for name, each in seconds.items()
        for percent in (50, 99)
    }
    ratio = results["acknowledged by canary-bot, p99 (ms)"] / results["acknowledged by bare Bolt app, p99 (ms)"]
    return {**results, "acknowledged, p99, canary-bot over bare": ratio}


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
