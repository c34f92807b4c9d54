"""Ports for programs that must be told theirs: nobody listens there, and nobody else of ours is about to.

Between finding a port free and a program's listening on it some time passes, in which a test in another process would
find it free as well. So each port is locked in a file that all of our processes share: as long as the process lives
that asked for it, whatever becomes of the program.
"""

from __future__ import annotations

import fcntl
import functools
import os
import random
import socket
import tempfile
import threading
from pathlib import Path

LOOPBACK = "127.0.0.1"
BUS = 10_000  # a node of a Redis Cluster also listens so far above its port

# Below Linux's and macOS's ephemeral ranges: the kernel never hands such a port to somebody's outgoing connection,
# so a program that is stopped and started again finds its port still free.
PORTS = range(11_000, 32_000)


class NoPortError(Exception):
    """Every port of the range is somebody's; the message names the range."""


class Ports:
    """Gives each port to one process at a time, of those that name the same ``ledger``.

    The locks are POSIX's, of bytes whose offset is the port: the kernel frees them when the process ends, however it
    ends. Such locks hold between processes only, hence the set for this one.
    """

    def __init__(self, ports: range, ledger: Path) -> None:
        self._ports = ports
        # Never closed: closing any handle of the file would free all of our locks.
        self._ledger = os.open(ledger, os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._taken: set[int] = set()

    def take(self, *, bus: bool = False) -> int:
        """A port; with ``bus`` the one 10,000 above it is ours as well.

        Raises:
            NoPortError: none is left.
        """
        above = BUS if bus else 0
        candidates = range(self._ports.start, self._ports.stop - above)
        for port in random.sample(candidates, k=len(candidates)):
            if self._take_all({port, port + above}):
                return port
        raise NoPortError(f"No free port from {candidates.start} to {candidates.stop - 1} on {LOOPBACK}.")

    def _take_all(self, wanted: set[int]) -> bool:
        """Whoever gets one of two keeps it unused: that is rare, and ports are many."""
        with self._lock:
            if wanted & self._taken or not all(self._reserve(port) for port in wanted):
                return False
            self._taken |= wanted
        return all(_is_silent(port) for port in wanted)

    def _reserve(self, port: int) -> bool:
        try:
            fcntl.lockf(self._ledger, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        return True


def free_port(*, bus: bool = False) -> int:
    """A loopback port nobody listens on, and that stays ours, across restarts of whatever listens there.

    With ``bus`` the port 10,000 above it is ours as well. Raises NoPortError.
    """
    return _ours().take(bus=bus)


@functools.cache
def _ours() -> Ports:
    return Ports(PORTS, Path(tempfile.gettempdir()) / f"canary-bot-ports-{os.getuid()}")


def _is_silent(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
