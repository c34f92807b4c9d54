"""What the process tells about itself over HTTP: ``/healthz``, ``/readyz`` and ``/metrics``, on a port of their own.

The server is here, the figures in ``figures``. Who measures, and what counts as ready, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Readiness = Mapping[str, str | None]  # by part: None when it is fine, else what is wrong with it

READY_SECONDS = 3.0  # that readiness may take to be found out; a kubelet's own patience has to be longer
REQUEST_SECONDS = 5.0  # for a request to arrive, and for its answer to be taken
MOST_WAITING = 256  # connections that have not asked yet; one more, and the oldest of them is closed
LONGEST_HEAD = 16_384  # bytes of a request line with its headers
BACKLOG = 1024

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class Probes:
    """A small server on a thread of its own, which waits for nobody.

    ``/healthz`` is 200 for as long as the process can answer at all: restarting the bot mends neither Slack nor Redis.
    ``/readyz`` is 503 with a line for each part that is not fine. It may ask around, on another thread and for a
    bounded time; whoever asks meanwhile gets the same answer. Nothing that one client does, or leaves undone, keeps
    another one waiting: slow and silent connections cost a place in a list.
    """

    def __init__(
        self,
        *,
        port: int,
        ready: Callable[[], Readiness],
        registry: CollectorRegistry,
        host: str = "",
        optional: Collection[str] = (),
    ) -> None:
        """Nothing listens before ``start``.

        Args:
            port: 0 picks a free one.
            ready: what is fine and what is not; asked on a thread of its own, never twice at a time.
            registry: what ``/metrics`` shows.
            host: where to listen; "" is every address, of IPv4 and IPv6.
            optional: parts without which the process is ready all the same; what is wrong with them is told.
        """
        self._address = (host, port)
        self._ready = ready
        self._registry = registry
        self._optional = frozenset(optional)
        self._waiting: dict[asyncio.StreamWriter, None] = {}  # the oldest first
        self._asking: Future[_Answer] | None = None
        self._stop: Callable[[], object] = lambda: None
        self._serving = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens; known once started."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else self._address[1]

    def start(self) -> None:
        """Listen and answer.

        Raises:
            OSError: the port is taken.
        """
        self._socket = _listen(self._address)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="probes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and wait until the thread is gone."""
        if self._thread is None:
            return
        self._serving.wait(5)
        self._stop()
        self._thread.join(5)
        self._thread = None

    # On the thread of its own

    async def _serve(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(over.set)
        server = await asyncio.start_server(self._attend, sock=self._socket, limit=LONGEST_HEAD, backlog=BACKLOG)
        self._serving.set()
        await over.wait()
        server.close()  # connections that are open end with the loop

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            try:
                head = await self._asked(reader, writer)
                writer.write(_written(await self._answer(head), head))
                async with asyncio.timeout(REQUEST_SECONDS):
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
            finally:
                writer.transport.abort()  # harmless where it was closed in peace

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The request line and the headers; a client that dawdles makes room for the next."""
        self._waiting[writer] = None
        if len(self._waiting) > MOST_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.transport.abort()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            self._waiting.pop(writer, None)

    async def _answer(self, head: bytes) -> _Answer:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "There is only something to read here.")
        match path:
            case b"/healthz":
                return _text(HTTPStatus.OK, "ok")
            case b"/readyz":
                return await self._readiness()
            case b"/metrics":
                encode, content_type = choose_encoder(_header(head, "accept"))
                return _Answer(HTTPStatus.OK, encode(self._registry), content_type)
        return _text(HTTPStatus.NOT_FOUND, "There are /healthz, /readyz and /metrics.")

    async def _readiness(self) -> _Answer:
        """What was found out, by whoever asked first of those who ask now."""
        if self._asking is None or self._asking.done():
            self._asking = Future()
            threading.Thread(target=self._find_out, args=(self._asking,), name="readiness", daemon=True).start()
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await asyncio.shield(asyncio.wrap_future(self._asking))
        except TimeoutError:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, f"readiness: not found out within {READY_SECONDS:g} seconds")

    def _find_out(self, answer: Future[_Answer]) -> None:
        try:
            answer.set_result(self._readiness_text(self._ready()))
        except Exception as error:  # whoever asks must get an answer, and the next one a new attempt
            text = f"readiness: an internal error ({type(error).__name__}); the log has more"
            answer.set_result(_text(HTTPStatus.SERVICE_UNAVAILABLE, text))
            log.exception("readiness_failed")

    def _readiness_text(self, parts: Readiness) -> _Answer:
        failing = {part: what for part, what in parts.items() if what is not None}
        lines = [f"{part}: {what}" for part, what in failing.items()]
        if failing.keys() - self._optional:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(lines))
        lines = [f"{part}: {what or 'ok'}{' (ready all the same)' if what else ''}" for part, what in parts.items()]
        return _text(HTTPStatus.OK, "\n".join(lines) or "ok")


def _text(status: HTTPStatus, text: str) -> _Answer:
    return _Answer(status, f"{text}\n".encode())


def _written(answer: _Answer, head: bytes) -> bytes:
    lines = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    body = b"" if head.startswith(b"HEAD ") else answer.body
    return "\r\n".join((*lines, "", "")).encode() + body


def _header(head: bytes, name: str) -> str:
    """One header of a request, "" without it."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def _listen(address: tuple[str, int]) -> socket.socket:
    if address[0] or not socket.has_dualstack_ipv6():
        return socket.create_server(address, backlog=BACKLOG)
    return socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
