"""Where a team's webhooks end up: a server on loopback that remembers who called, and answers as it is told to."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Self

from sandbox.ports import LOOPBACK
from sandbox.wire import Moment, Request, System, Wire

DRIP_SECONDS = 0.05
FLOOD = 200_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call, as it came in: when by ``time.monotonic``, and headers by their names in small letters."""

    at: float
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """What it says."""
        read: dict[str, Any] = json.loads(self.content)
        return read

    @property
    def key(self) -> str:
        """What makes it the same call as another."""
        return self.headers.get("idempotency-key", "")

    def is_signed_with(self, secret: str) -> bool:
        """Whether whoever sent it knows the secret, as a receiver finds out."""
        signed = f"{self.headers['x-canary-timestamp']}.".encode() + self.content
        wanted = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, self.headers.get("x-canary-signature", ""))


Answer = Callable[[socket.socket, threading.Event], None]


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """A plain answer."""
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Because"
    lines = [f"HTTP/1.1 {code} {phrase}", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    return lambda sock, _closed: sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def hang(_sock: socket.socket, closed: threading.Event) -> None:
    """No answer, and no end either."""
    closed.wait()


def drip(sock: socket.socket, closed: threading.Event) -> None:
    """A byte of a header now and then, for ever: never silent, and never done."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not closed.wait(DRIP_SECONDS):
        sock.sendall(b"a")


def flood(sock: socket.socket, _closed: threading.Event) -> None:
    """Yes, and far more than anybody asked for."""
    status(200, b"y" * FLOOD)(sock, _closed)


def garbage(sock: socket.socket, _closed: threading.Event) -> None:
    """Bytes that are no HTTP."""
    sock.sendall(b"\x00\xff\r\n\r\nyes, surely\r\n")


def slam(sock: socket.socket, _closed: threading.Event) -> None:
    """The end of the connection."""
    sock.shutdown(socket.SHUT_RDWR)


YES = status(200)
WRONG: Mapping[str, Answer] = {
    "503": status(503),
    "302": status(302, Location="/elsewhere"),
    "hang": hang,
    "drip": drip,
    "flood": flood,
    "garbage": garbage,
    "slam": slam,
}


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False


class Receiver:
    """Listens while the ``with`` block lasts. ``answers`` says by path what is answered next; the last one stays."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: dict[str, list[Answer]] = {}
        self.wire = Wire()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        receiver = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                receiver._serve(self)

        self._server = _Server((LOOPBACK, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str) -> str:
        """The address of one webhook."""
        return f"http://{LOOPBACK}:{self.port}{path}"

    def calls(self, path: str) -> list[Heard]:
        """What came in at this path so far, oldest first."""
        with self._changed:
            return [one for one in self.heard if one.path == path]

    def wait_for(self, path: str, count: int = 1, timeout: float = 60.0) -> list[Heard]:
        """The same, once there are so many.

        Raises:
            TimeoutError: there are fewer after that time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: sum(one.path == path for one in self.heard) >= count, timeout):
                raise TimeoutError(f"{path} was not called {count} times")
        return self.calls(path)

    def _is_cut(self, heard: Heard, moment: Moment) -> bool:
        """Announce a call; whether the connection ends here."""
        request = Request(system=System.WEBHOOKS, kind=f"POST {heard.path}", body=heard.content)
        trouble = self.wire.hear(request, moment)
        return trouble is not None and trouble.cut

    def _serve(self, handler: StreamRequestHandler) -> None:
        try:
            heard = _read(handler)
            if heard is None or self._is_cut(heard, Moment.BEFORE):
                return
            with self._changed:
                self.heard.append(heard)
                several = self.answers.get(heard.path, [YES])
                answer = several.pop(0) if len(several) > 1 else several[0]
                self._changed.notify_all()
            if self._is_cut(heard, Moment.AFTER):
                return
            answer(handler.connection, self._closed)
        except OSError:
            return  # the caller has gone


def _read(handler: StreamRequestHandler) -> Heard | None:
    first = handler.rfile.readline().decode("latin-1").split()
    if len(first) < 2:  # noqa: PLR2004  # a method and a path
        return None
    headers: dict[str, str] = {}
    while (line := handler.rfile.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    content = handler.rfile.read(int(headers.get("content-length", "0")))
    return Heard(at=time.monotonic(), path=first[1], headers=headers, content=content)
