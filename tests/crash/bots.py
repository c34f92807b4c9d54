"""Bots as processes that can be killed: a fork server, and one bot after the other from it."""

from __future__ import annotations

import contextlib
import json
import os
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


class BotServer:
    """The fork server, while the ``with`` block lasts; bots that still live at the end are killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: set[int] = set()

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
        for pid in set(self._pids):
            self.kill(pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(DEATH_SECONDS)
        self._process.stdout.close()

    def start(self, env: Mapping[str, str], directory: Path) -> int:
        """Start ``python -m bot run``; its process id."""
        order = {"env": json.dumps(dict(env)), "log": str(directory / "bot.log"), "directory": str(directory)}
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            pid = int(self._process.stdout.readline())
            self._pids.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """``kill -9``; returns at once, whether or not it still lived."""
        self._pids.discard(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    def await_death(pid: int) -> None:
        """Return once the process is gone."""
        deadline = time.monotonic() + DEATH_SECONDS
        while time.monotonic() < deadline:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.002)
        raise TimeoutError(f"Process {pid} does not die.")
