"""A real Redis server for the rehearsal; what the bot keeps in it is none of its business."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from sandbox.loopback_program import LoopbackProgram
from sandbox.ports import LOOPBACK
from sandbox.processes import Program, find_program


class Redis(LoopbackProgram):
    """redis-server, whose data outlives an outage.

    With ``appendonly`` (the default) what was written survives a stop, and all but the last second survives a kill.
    """

    def __init__(self, directory: Path, *, appendonly: bool = True) -> None:
        super().__init__(directory)
        self.program = Program(
            self._argv(directory, "yes" if appendonly else "no"), log=directory / "redis.log", ready=self._answers_ping
        )

    @property
    def url(self) -> str:
        """The address for ``REDIS_URL``."""
        return f"redis://{self.address}/0"

    def lose_everything(self) -> None:
        """A crash that takes the data with it: an empty Redis comes back at the same address."""
        self.kill()
        for thing in self.directory.iterdir():
            if thing.is_dir():
                shutil.rmtree(thing)
            elif thing.name != "redis.log":
                thing.unlink()
        self.start()

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
