"""``make bench``: what one look costs, and how fast a command is acknowledged beside a bare Bolt app.

Prints a table; ``--out FILE`` writes the same as JSON. Takes about half a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler

from bot.rollout import gates, machine
from bot.slack.app import build_app, web_client
from bot.slack.approvers import Approvers
from bot.slack.cards import card
from sandbox.slack import Slack
from tests.builders import a_rollout, a_side_of, a_sight, figures
from tests.fakes.engine import FakeEngine

COMMANDS = 200
PER_SECOND = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    results = {**rules(), **acknowledgements()}
    for name, value in results.items():
        print(f"{name:<44} {value:10.3f}")
    if out:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def rules() -> dict[str, float]:
    """Milliseconds of CPU of the pure parts of one look."""
    rollout, _ = machine.begin(a_rollout(), 0.0)
    seen = figures(a_side_of(4000, 4), a_side_of(1000, 1))
    judgement = gates.judge(rollout, seen, seen)
    sight = a_sight(rollout)
    return {
        "judge one look, two windows (ms)": cpu_ms(lambda: gates.judge(rollout, seen, seen)),
        "decide one look (ms)": cpu_ms(lambda: machine.look(rollout, sight, judgement, 10.0)),
        "draw one card (ms)": cpu_ms(lambda: card(rollout, (), 10.0)),
    }


def cpu_ms(work: Callable[[], object], times: int = 500) -> float:
    """Mean CPU milliseconds of one call."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) * 1000 / times


def acknowledgements() -> dict[str, float]:
    """Ours beside a Bolt app that does nothing but acknowledge, both over Socket Mode, in turns in one run."""
    with Slack() as slack:
        client = web_client(slack.bot_token, f"{slack.url}/api/")
        bare = App(client=client, token_verification_enabled=False)
        bare.command("/bare")(_acknowledge)
        engine = FakeEngine()
        ours = build_app(engine=engine, client=client, approvers=Approvers(client, time.monotonic), clock=engine.clock)
        timed = {}
        for name, app, command in (("bare Bolt app", bare, "/bare"), ("canary-bot", ours, "/canary")):
            handler = SocketModeHandler(app, slack.app_token)
            handler.connect()  # type: ignore[no-untyped-call]  # Bolt has no types here
            slack.wait_for_connections(1)
            timed[name] = sorted(acknowledge(slack, command))
            handler.close()  # type: ignore[no-untyped-call]
    results = {}
    for name, seconds in timed.items():
        results[f"acknowledged by {name}, p50 (ms)"] = statistics.median(seconds) * 1000
        results[f"acknowledged by {name}, p99 (ms)"] = seconds[int(len(seconds) * 0.99)] * 1000
    ratio = results["acknowledged by canary-bot, p99 (ms)"] / results["acknowledged by bare Bolt app, p99 (ms)"]
    return {**results, "p99, canary-bot over bare": ratio}


def acknowledge(slack: Slack, command: str) -> list[float]:
    """Seconds of each acknowledgement, at most fifty commands a second."""
    seconds = []
    for _ in range(COMMANDS):
        began = time.monotonic()
        seconds.append(slack.command("@maya", "#releases", "help", command).seconds)
        time.sleep(max(0.0, 1 / PER_SECOND - (time.monotonic() - began)))  # the rate is the point
    return seconds


def _acknowledge(ack: Ack) -> None:
    ack()


if __name__ == "__main__":
    main()
