"""A second bot beside the world's own, and which of the two leads, as their metrics tell it."""

from __future__ import annotations

import sys
import threading
import time
from typing import Self

from sandbox.ports import free_port
from sandbox.processes import Program, answers, fetch
from sandbox.world import World

POLL_SECONDS = 0.1


class Replicas:
    """The world's bot and another one like it, while the ``with`` block lasts."""

    def __init__(self, world: World) -> None:
        env, port = world.environment(), free_port()
        second = Program(
            [sys.executable, "-m", "bot", "run"],
            log=world.directory / "second-bot.log",
            ready=answers(port, "/healthz"),
            env=env | {"PROBE_PORT": str(port)},
            directory=world.directory,
        )
        self._slack = world.slack
        self._bots: dict[str, tuple[Program, int]] = {
            "the first bot": (world.bot, int(env["PROBE_PORT"])),
            "the second bot": (second, port),
        }

    def __enter__(self) -> Self:
        self.bot("the second bot").start()
        self._slack.wait_for_connections(2, timeout=20)
        return self

    def __exit__(self, *_: object) -> None:
        self.bot("the second bot").stop()

    def bot(self, name: str) -> Program:
        """One of them by its name."""
        return self._bots[name][0]

    def leaders(self) -> list[str]:
        """Names of those that say they lead."""
        return [name for name, (_, port) in self._bots.items() if _leads(port)]

    def wait_for_leader(self, other_than: str = "", timeout: float = 30.0) -> tuple[str, float]:
        """Who leads, and the seconds until somebody (else) did."""
        began, pause = time.monotonic(), threading.Event()
        while time.monotonic() - began < timeout:
            for name in self.leaders():
                if name != other_than:
                    return name, time.monotonic() - began
            pause.wait(POLL_SECONDS)
        raise TimeoutError(f"Nobody led within {timeout:.0f} s.")


def _leads(port: int) -> bool:
    try:
        return b"\ncanary_bot_leader 1.0" in fetch(port, "/metrics")[1]
    except OSError:
        return False
