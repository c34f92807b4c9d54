"""Bots as processes that can be killed: a fork server, and one bot after the other from it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
DEATH_SECONDS = 60.0  # only what is truly stuck waits for so long


class BotProcess:
    """One bot. A machine that starts many processes soon gives a dead one's number to another, so where the system can
    (Linux) it is known by a descriptor, which stays its own.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor: int | None = None
        if sys.platform == "linux":
            with contextlib.suppress(ProcessLookupError):
                self._descriptor = os.pidfd_open(pid)

    def kill(self) -> None:
        """``kill -9``; returns at once, whether or not it still lived."""
        with contextlib.suppress(ProcessLookupError):
            if sys.platform != "linux":
                os.kill(self._pid, signal.SIGKILL)
            elif self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def await_death(self) -> None:
        """Return once it is gone.

        Raises:
            TimeoutError: it lives after ``DEATH_SECONDS``.
        """
        if sys.platform == "linux":
            if self._descriptor is None or self._has_died(self._descriptor):
                self.close()
                return
        else:
            deadline = time.monotonic() + DEATH_SECONDS
            while time.monotonic() < deadline:
                try:
                    os.kill(self._pid, 0)
                except ProcessLookupError:
                    return
                time.sleep(0.002)
        raise TimeoutError(f"Process {self._pid} does not die.")

    @staticmethod
    def _has_died(descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(DEATH_SECONDS * 1000))

    def close(self) -> None:
        """Let go of the descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class BotServer:
    """The fork server, while the ``with`` block lasts; bots that still live at the end are killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: list[BotProcess] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()
            process.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(DEATH_SECONDS)
        self._process.stdout.close()

    def start(self, env: Mapping[str, str], directory: Path) -> BotProcess:
        """Start ``python -m bot run``."""
        order = {"env": json.dumps(dict(env)), "log": str(directory / "bot.log"), "directory": str(directory)}
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            process = BotProcess(int(self._process.stdout.readline()))
            self._started.append(process)
        return process
