"""A real Redis server for the rehearsal; what the bot keeps in it is none of its business."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Self

from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, find_program


class Redis:
    """redis-server on a free loopback port; the port and the data stay the same from start to start.

    With ``appendonly`` (the default) what was written survives a stop, and all but the last second survives a kill.
    """

    def __init__(self, directory: Path, *, appendonly: bool = True) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.port = free_port()
        self.program = Program(
            self._argv(directory, "yes" if appendonly else "no"), log=directory / "redis.log", ready=self._answers_ping
        )

    @property
    def url(self) -> str:
        """The address for ``REDIS_URL``."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> Self:
        """Start, or start again; returns once commands are answered."""
        self.program.start()
        return self

    def stop(self) -> None:
        """End it as an operator would."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.program.kill()

    def lose_everything(self) -> None:
        """A crash that takes the data with it: an empty Redis comes back at the same address."""
        self.kill()
        for thing in self._directory.iterdir():
            if thing.is_dir():
                shutil.rmtree(thing)
            elif thing.name != "redis.log":
                thing.unlink()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _argv(self, directory: Path, appendonly: str) -> list[str]:
        return [
            find_program("redis-server"),
            *("--port", str(self.port)),
            *("--bind", LOOPBACK),
            *("--dir", str(directory)),
            *("--save", ""),
            *("--appendonly", appendonly),
        ]

    def _answers_ping(self) -> bool:
        # A connection alone proves nothing: while it loads its file, Redis accepts and answers -LOADING.
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
