"""An answer from outside ends, in time and in bytes, whoever is at the other side.

What libraries call a time-out is that of one read: a server that sends a byte now and then is never late by it, and
none of them counts bytes. Here both are counted for the whole answer, from what was sent last on the connection.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable, Iterable
from typing import Any

import urllib3
from urllib3 import connectionpool

LARGEST = 64 * 1024 * 1024  # bytes; several thousand pods, and the figures of as many rollouts
PATIENCE = 2.0  # a whole answer may take as many times as long as each read of it
LONGEST = 60.0  # seconds for a read where nobody set a time-out
BUFFER = 65_536  # bytes


class AnswerTooLong(ConnectionResetError):  # noqa: N818  # what it is to those who read: the connection is of no use
    """More came than any answer has. What was asked for may have been done."""


class BoundedSocket:
    """A connected socket that reads at most ``largest`` bytes between two writes, and only for so long.

    Everything else is the socket's own; see ``PATIENCE``. Reading raises ``TimeoutError`` and ``AnswerTooLong``.
    """

    def __init__(self, sock: Any, largest: int = LARGEST, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._sock = sock
        self._largest = largest
        self._stopwatch = stopwatch
        self._patience: float | None = sock.gettimeout()
        self._sent_at = stopwatch()
        self._came = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        """How long each read and write may take; the whole answer, ``PATIENCE`` times as long."""
        self._patience = seconds
        self._sock.settimeout(seconds)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send it: the next answer begins."""
        self._sock.settimeout(self._patience)
        self._sock.sendall(data, flags)
        self._sent_at, self._came = self._stopwatch(), 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At most ``size`` bytes of the answer."""
        self._wait_no_longer()
        data: bytes = self._sock.recv(size, flags)
        self._count(len(data))
        return data

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What is read of the answer, for those who read it as a file."""
        return io.BufferedReader(_Answer(self, self._sock.makefile("rb", buffering=0)), BUFFER)

    def read_from(self, stream: io.RawIOBase, buffer: Any) -> int | None:
        """The same from a stream of the socket."""
        self._wait_no_longer()
        size = stream.readinto(buffer)
        self._count(size or 0)
        return size

    def _wait_no_longer(self) -> None:
        if self._patience == 0:  # it does not wait at all
            return
        each = LONGEST if self._patience is None else self._patience
        left = self._sent_at + PATIENCE * each - self._stopwatch()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(each, left))

    def _count(self, size: int) -> None:
        self._came += size
        if self._came > self._largest:
            raise AnswerTooLong


class _Answer(io.RawIOBase):
    """What is read of one socket. At its end, or where reading fails, the socket is let go of: not everybody does."""

    def __init__(self, sock: BoundedSocket, stream: io.RawIOBase) -> None:
        self._of = sock
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._stream.closed:
            return 0
        try:
            size = self._of.read_from(self._stream, buffer)
        except BaseException:
            self._stream.close()
            raise
        if not size:
            self._stream.close()
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Bounded:
    """A connection of ``http.client``'s, or of what is built on it."""

    sock: Any

    def connect(self) -> None:
        """Connect; what is read from now on is bounded."""
        super().connect()  # type: ignore[misc]  # of the class that it is mixed into
        self.sock = BoundedSocket(self.sock)

    def _tunnel(self) -> None:
        """Ask a proxy for the way through, which answers before there is anything else to read."""
        bare = self.sock
        self.sock = bounded = BoundedSocket(bare)
        try:
            super()._tunnel()  # type: ignore[misc]  # as above
        finally:
            if self.sock is bounded:  # or it has been closed
                self.sock = bare


class HTTPConnection(_Bounded, http.client.HTTPConnection):
    """The standard library's, bounded."""


class HTTPSConnection(_Bounded, http.client.HTTPSConnection):
    """The same with TLS."""


def bound(manager: urllib3.PoolManager) -> None:
    """Every connection that this manager will open is bounded."""
    manager.pool_classes_by_scheme = {
        scheme: _bounded_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _bounded_pool(pool: type[connectionpool.HTTPConnectionPool]) -> type[connectionpool.HTTPConnectionPool]:
    connection = type(pool.ConnectionCls.__name__, (_Bounded, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def whole(chunks: Iterable[bytes], largest: int = LARGEST) -> bytes:
    """What the chunks of an answer are together; they may be many more than came, where an answer was compressed.

    Raises:
        AnswerTooLong: they are more than ``largest`` bytes.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > largest:
            raise AnswerTooLong
    return bytes(body)
