"""Waiting that no clock setting makes longer."""

from __future__ import annotations

import socket
from contextlib import suppress

SHORTEST_SECONDS = 0.0005  # a time-out of zero is no time-out but an error


class Wakeup:
    """Waits until somebody wakes it, or for so many seconds that no clock setting makes longer.

    ``threading`` waits by the wall clock where the system's library, or the one that Python was built with, knows no
    other way (macOS, an old glibc). A socket's time-out is never the wall clock's.
    """

    def __init__(self) -> None:
        self._waiter, self._waker = socket.socketpair()
        self._waker.setblocking(False)

    def wake(self) -> None:
        """Wake whoever waits; if nobody does, whoever waits next."""
        with suppress(BlockingIOError, OSError):  # woken often enough already, or closed
            self._waker.send(b"!")

    def wait(self, seconds: float) -> None:
        """Until somebody wakes it, or the time is over."""
        self._waiter.settimeout(max(seconds, SHORTEST_SECONDS))
        with suppress(TimeoutError):
            self._waiter.recv(4096)

    def close(self) -> None:
        """Nobody waits any more."""
        self._waiter.close()
        self._waker.close()
