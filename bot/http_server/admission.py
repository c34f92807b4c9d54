"""Which connections there are, and which of them have to go.

When there is no room, whoever has kept us waiting longest makes it. A slow client is older than a quick one's request,
so whoever fills the port with slow ones pushes out slow ones; refusing the newest would shut out everybody else. Nobody
has to go at once: in the time that everybody gets a quick request is over, and new connections wait for that long in
the kernel.
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

NETWORK = 8  # bytes of an IPv6 address; whoever has one has all 2^64 that begin like it


@dataclass(eq=False, slots=True)
class Connection:
    """One client with one request. ``is_reading`` until the request has arrived whole."""

    stream: IOStream
    source: str
    safe_until: float  # by the loop's clock, in seconds: before that it need not make room
    timer: asyncio.TimerHandle | None = None
    received: int = 0  # bytes of the body
    is_reading: bool = True

    @classmethod
    def of(cls, stream: IOStream, host: str, grace: float) -> Connection:
        """A new one from the address ``host``, with ``grace`` seconds before it may have to make room."""
        source = IPv6Address(host.partition("%")[0]).packed[:NETWORK].hex() if ":" in host else host
        return cls(stream, source, asyncio.get_running_loop().time() + grace)

    @property
    def grace(self) -> float:
        """Seconds that are left of it."""
        return max(0.0, self.safe_until - asyncio.get_running_loop().time())

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

    def wait(self) -> float:
        """Seconds before the next one can be admitted."""
        victim = self._victim()
        return victim.grace if victim is not None else 0.0

    def admit(self, connection: Connection) -> bool:
        """Whether a new one may stay; its time begins."""
        source = connection.source
        victim = self._victim()
        if victim is not None:
            self._drop(victim, HTTPStatus.SERVICE_UNAVAILABLE)
        crowds = self._of_source[source] >= self._limits.per_source
        if self._is_full() or (crowds and self._answering(source) >= self._limits.per_source):
            connection.close(HTTPStatus.SERVICE_UNAVAILABLE)
            return False
        self._connections[connection] = None
        self._of_source[source] += 1
        connection.set_timeout(self._limits.seconds, self._too_slow)
        if crowds and source not in self._crowding:
            self._thin_out(source)
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

    def _is_full(self) -> bool:
        return len(self._connections) >= self._limits.connections

    def _victim(self) -> Connection | None:
        """Who has to go for the next one: of the source that takes most places, whoever has waited longest."""
        reading = self._reading() if self._is_full() else []
        busiest = max((one.source for one in reading), key=self._of_source.__getitem__, default="")
        return next((one for one in reading if one.source == busiest), None)

    def _thin_out(self, source: str) -> None:
        """One source goes back to its share, as soon as its oldest have had their time."""
        self._crowding.discard(source)
        excess = max(0, self._of_source[source] - self._limits.per_source)
        for connection in [one for one in self._reading() if one.source == source][:excess]:
            if connection.grace:
                self._crowding.add(source)
                asyncio.get_running_loop().call_later(connection.grace, self._thin_out, source)
                return
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
