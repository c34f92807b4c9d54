"""Which connections there are, and which of them have to go.

When there is no room, whoever has kept us waiting longest makes it. A slow client is older than a quick one's request,
so whoever fills the port with slow ones pushes out slow ones; refusing the newest would shut out everybody else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address

from tornado.iostream import IOStream

from bot.http_server.messages import Limits

BURST = 0.1  # seconds that one source may have more than its share: quick requests are over by then
NETWORK = 8  # bytes of an IPv6 address; whoever has one has all 2^64 that begin like it


@dataclass(eq=False, slots=True)
class Connection:
    """One client with one request. ``is_reading`` until the request has arrived whole."""

    stream: IOStream
    source: str
    timer: asyncio.TimerHandle | None = None
    received: int = 0  # bytes of the body
    is_reading: bool = True

    @classmethod
    def of(cls, stream: IOStream, host: str) -> Connection:
        """A new one; ``host`` is the address of its other end."""
        return cls(stream, IPv6Address(host.partition("%")[0]).packed[:NETWORK].hex() if ":" in host else host)

    def set_timeout(self, seconds: float, then: Callable[[Connection], object]) -> None:
        """Counted from now."""
        self.clear_timeout()
        self.timer = asyncio.get_running_loop().call_later(seconds, then, self)

    def clear_timeout(self) -> None:
        """It may take as long as it takes."""
        if self.timer is not None:
            self.timer.cancel()

    def close(self, status: HTTPStatus) -> None:
        """Hang up, and say why unless a response is on its way."""
        if self.is_reading and not self.stream.closed():
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            self.stream.write(line.encode()).add_done_callback(lambda written: written.exception())
        self.stream.close()


class Admission:
    """Keeps the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connections: dict[Connection, None] = {}  # the oldest first
        self._of_source: Counter[str] = Counter()
        self._unfinished = 0  # bytes
        self._crowding: set[str] = set()  # sources with more than their share

    def admit(self, connection: Connection) -> bool:
        """Whether a new one may stay; its time begins."""
        source = connection.source
        crowds = self._of_source[source] >= self._limits.per_source
        if (crowds and self._answering(source) >= self._limits.per_source) or not self._make_room():
            connection.close(HTTPStatus.SERVICE_UNAVAILABLE)
            return False
        if crowds and source not in self._crowding:
            self._crowding.add(source)
            asyncio.get_running_loop().call_later(BURST, self._thin_out, source)
        self._connections[connection] = None
        self._of_source[source] += 1
        connection.set_timeout(self._limits.seconds, self._too_slow)
        return True

    def body_received(self, connection: Connection, size: int) -> None:
        """``size`` bytes more; when all bodies together are too large, whoever has sent most has to go."""
        if connection not in self._connections:  # it had to go, and what had arrived before is still handed on
            return
        connection.received += size
        self._unfinished += size
        while self._unfinished > self._limits.unfinished:
            self._drop(max(self._reading(), key=lambda one: one.received), HTTPStatus.SERVICE_UNAVAILABLE)

    def request_complete(self, connection: Connection) -> bool:
        """The request has arrived whole; False when it had to go at the same moment."""
        if connection not in self._connections:
            return False
        connection.clear_timeout()
        connection.is_reading = False
        self._unfinished -= connection.received
        return True

    def response_begins(self, connection: Connection) -> None:
        """The client has to take it now."""
        connection.is_reading = False
        if connection in self._connections:
            connection.set_timeout(self._limits.seconds, self._too_slow)

    def closed(self, connection: Connection) -> None:
        """It is over."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        connection.clear_timeout()
        if connection.is_reading:
            self._unfinished -= connection.received
        self._of_source[connection.source] -= 1
        self._of_source += Counter()  # drops those that have none left

    def close_reading(self) -> None:
        """All whose requests have not arrived."""
        for connection in self._reading():
            self._drop(connection, HTTPStatus.SERVICE_UNAVAILABLE)

    def close_all(self) -> None:
        """Those whose responses are not taken yet as well."""
        for connection in list(self._connections):
            connection.stream.close()

    def _make_room(self) -> bool:
        """Whether there is a place; when all are taken, the source that takes most of them gives one up."""
        if len(self._connections) < self._limits.connections:
            return True
        reading = self._reading()
        if not reading:
            return False
        busiest = max((one.source for one in reading), key=self._of_source.__getitem__)
        self._drop(next(one for one in reading if one.source == busiest), HTTPStatus.SERVICE_UNAVAILABLE)
        return True

    def _thin_out(self, source: str) -> None:
        """One source goes back to its share."""
        self._crowding.discard(source)
        excess = max(0, self._of_source[source] - self._limits.per_source)
        for connection in [one for one in self._reading() if one.source == source][:excess]:
            self._drop(connection, HTTPStatus.SERVICE_UNAVAILABLE)

    def _answering(self, source: str) -> int:
        return sum(one.source == source and not one.is_reading for one in self._connections)

    def _reading(self) -> list[Connection]:
        return [connection for connection in self._connections if connection.is_reading]

    def _too_slow(self, connection: Connection) -> None:
        self._drop(connection, HTTPStatus.REQUEST_TIMEOUT)

    def _drop(self, connection: Connection, status: HTTPStatus) -> None:
        connection.close(status)
        self.closed(connection)
