"""A real program on a port of this machine, which keeps its port and its data from start to start."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program


class LoopbackProgram:
    """What Prometheus and Redis have in common: each says how its ``program`` is run.

    Attributes:
        port: a free one, chosen once.
        program: the child process, which may be paused as well.
    """

    program: Program

    def __init__(self, directory: Path) -> None:
        """``directory`` holds its data and its log."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> Self:
        """Start, or start again on the same port with the same data; returns once it answers."""
        self.program.start()
        return self

    def stop(self) -> None:
        """End it as an operator would: connections are refused until the next start."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.program.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
