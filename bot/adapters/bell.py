"""Waiting that no clock setting makes longer."""

from __future__ import annotations

import socket
from contextlib import suppress

SHORTEST_SECONDS = 0.0005  # a time-out of zero is no time-out but an error


class Bell:
    """Waits until somebody rings, or for so many seconds that no clock setting makes longer.

    ``threading`` waits by the wall clock where the system's library, or the one that Python was built with, knows no
    other way (macOS, an old glibc). A socket's time-out is never the wall clock's.
    """

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()
        self._rung.setblocking(False)

    def ring(self) -> None:
        """Wake whoever waits; if nobody does, whoever waits next."""
        with suppress(BlockingIOError, OSError):  # rung often enough already, or closed
            self._rung.send(b"!")

    def wait(self, seconds: float) -> None:
        """Until it was rung, or the time is over."""
        self._heard.settimeout(max(seconds, SHORTEST_SECONDS))
        with suppress(TimeoutError):
            self._heard.recv(4096)

    def close(self) -> None:
        """Nobody waits any more."""
        self._heard.close()
        self._rung.close()
