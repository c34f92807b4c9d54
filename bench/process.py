"""The production process as a child: how it starts, what it holds when idle, and how soon it acts and acknowledges."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cluster
from bench.percentiles import percentile
from bench.stand_ins import StandIns
from bench.sweeps import TICK_SECONDS, services_file
from bot import bootstrap
from bot.settings.env import read_settings
from sandbox.ports import free_port
from sandbox.processes import Program, answers, fetch
from sandbox.redis import Redis
from sandbox.slack import Slack

IDLE_SECONDS = 3
PATIENCE_SECONDS = 60
SPOILING_TICKS = 2  # whole ones, so that no phase of a tick is drawn oftener than others
POLL_SECONDS = 0.2
FIRST_TICKS = 2
TICKS = re.compile(r"^canary_bot_ticks_total (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything around the bot, and its environment."""

    stand_ins: StandIns
    slack: Slack
    env: Mapping[str, str]
    directory: Path
    probes: int

    def seed(self, rollouts: int, now: float) -> None:
        """Rollouts in the store, as an earlier process left them."""
        store = bootstrap.connect(read_settings(self.env, self.directory / "no.env")).ports.store
        for number in range(rollouts):
            store.create(cluster.rollout(number, now), ())

    def bot(self) -> Program:
        """The bot, not yet started."""
        argv = [sys.executable, "-m", "bot", "run"]
        healthy = answers(self.probes, "/healthz")
        return Program(argv, log=self.directory / "bot.log", ready=healthy, env=self.env)

    def await_first_reconciles(self) -> None:
        """Until the bot is connected to Slack and has looked at everything twice: then its caches are full."""
        self.slack.wait_for_connections(1, PATIENCE_SECONDS)
        _await(lambda: self._ticks() >= FIRST_TICKS, f"the bot has not ticked {FIRST_TICKS} times")

    def _ticks(self) -> float:
        found = TICKS.search(fetch(self.probes, "/metrics")[1].decode())
        return float(found[1]) if found else 0.0


def _await(condition: Callable[[], bool], missing: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"After {PATIENCE_SECONDS} seconds {missing}.")
        time.sleep(POLL_SECONDS)


@contextmanager
def world(rollouts: int, now: float, directory: Path) -> Iterator[World]:
    """Stand-ins and a real Redis."""
    directory.mkdir()
    with StandIns(rollouts, now) as stand_ins, Redis(directory / "redis") as redis, Slack() as slack:
        probes = free_port()
        env = {
            "PATH": os.environ.get("PATH", ""),
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_URL": f"{slack.url}/api/",
            "REDIS_URL": redis.url,
            "PROMETHEUS_URL": stand_ins.prometheus_url,
            "KUBECONFIG": str(stand_ins.write_kubeconfig(directory / "kubeconfig")),
            "SERVICES_FILE": str(services_file(directory)),
            "PROBE_PORT": str(probes),
            "TICK_SECONDS": f"{TICK_SECONDS:g}",
            "LOG_FORMAT": "json",
        }
        yield World(stand_ins=stand_ins, slack=slack, env=env, directory=directory, probes=probes)


def start_up(starts: int, directory: Path) -> dict[str, float]:
    """Seconds until a command has answered, the fastest of a few; megabytes of a bot with nothing to do."""
    with world(1, time.time(), directory / "start-up") as around:
        results = {
            "`version` answers (s)": min(seconds_of("version", around.env) for _ in range(starts)),
            "`check` answers (s)": min(seconds_of("check", around.env) for _ in range(starts)),
        }
        bot, began = around.bot(), time.monotonic()
        bot.start()
        results["`run` is healthy (s)"] = time.monotonic() - began
        around.slack.wait_for_connections(1)
        time.sleep(IDLE_SECONDS)  # a few ticks over nothing
        results["idle memory (MB)"] = megabytes_of(bot.pid)
        bot.stop(15)
    return results


def seconds_of(command: str, env: Mapping[str, str]) -> float:
    """Wall seconds of one command of the bot's, whatever it answers."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "bot", command], env=env, capture_output=True, check=False, timeout=60)  # noqa: S603  # our own program
    return time.monotonic() - began


def megabytes_of(pid: int) -> float:
    """Resident memory of a process."""
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True, text=True)  # noqa: S603, S607  # ps
    return int(asked.stdout) / 1024


def acknowledging(rollouts: int, commands: int, directory: Path) -> dict[str, float]:
    """Commands to a bot that looks after rollouts meanwhile; the slowest acknowledgement, in milliseconds."""
    now = time.time()
    with world(rollouts, now, directory / "acknowledging") as around:
        around.seed(rollouts, now)
        bot = around.bot().start()
        around.await_first_reconciles()
        asked = [cluster.place(number % rollouts)[1] for number in range(commands)]
        sent = [around.slack.command("@maya", "#releases", f"status {name}") for name in asked]
        bot.stop(15)
    if not all(delivery.acknowledged for delivery in sent):
        raise RuntimeError("Not every command was acknowledged.")
    slowest = max(delivery.seconds for delivery in sent)
    return {f"slowest of {commands} acknowledgements, {rollouts} live rollouts (ms)": slowest * 1000}


def reaction(rollouts: int, faults: int, directory: Path) -> dict[str, float]:
    """Canaries go bad at random moments; seconds from the bad sample being visible to the routes being accepted."""
    now = time.time()
    with world(rollouts, now, directory / "reaction") as around:
        around.seed(rollouts, now)
        bot = around.bot().start()
        around.await_first_reconciles()
        spoiled, began, chance = {}, time.monotonic(), random.Random(1)
        moments = sorted(chance.uniform(0.0, SPOILING_TICKS * TICK_SECONDS) for _ in range(faults))
        for moment, number in zip(moments, chance.sample(range(rollouts), faults), strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            spoiled[cluster.place(number)[1]] = around.stand_ins.spoil(number)
        seconds = list(reactions(around.stand_ins, spoiled))
        bot.stop(15)
    said = f"bad sample to routes accepted, {rollouts} live rollouts"
    return {f"{said}, p50 (s)": percentile(seconds, 50), f"{said}, p95 (s)": percentile(seconds, 95)}


def reactions(stand_ins: StandIns, spoiled: Mapping[str, float]) -> Iterator[float]:
    """Wait until all routes have moved."""
    accepted = dict[str, float]()

    def everyone_is_home() -> bool:
        accepted.update(stand_ins.accepted())
        return spoiled.keys() <= accepted.keys()

    _await(everyone_is_home, "users are still on a canary that has gone bad")
    strangers = accepted.keys() - spoiled.keys()
    if strangers:
        raise RuntimeError(f"Routes of good canaries moved: {', '.join(sorted(strangers))}.")
    for name, at in spoiled.items():
        yield accepted[name] - at
