"""Servers that do what no honest one does, on a port of their own, for as long as a test asks them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha1

from sandbox.ports import LOOPBACK

EACH = 0.02  # seconds between two bytes of a slow answer: never late by a time-out for each read
OK = b"HTTP/1.1 200 OK\r\n"
JSON = OK + b"Content-Type: application/json\r\n"

Wait = Callable[[float], bool]  # true when the test is over
Manner = Callable[[socket.socket, Wait], None]


def says(*parts: bytes) -> Manner:
    """It says that, and hangs up."""

    def serve(connection: socket.socket, _over: Wait) -> None:
        for part in parts:
            connection.sendall(part)

    return serve


def dribbles(start: bytes, then: bytes) -> Manner:
    """It begins like that, and goes on byte by byte and without an end."""

    def serve(connection: socket.socket, over: Wait) -> None:
        connection.sendall(start)
        while not over(EACH):
            connection.sendall(then)

    return serve


def pours(start: bytes, then: bytes) -> Manner:
    """It begins like that, and goes on as fast as it can and without an end."""

    def serve(connection: socket.socket, over: Wait) -> None:
        connection.sendall(start)
        while not over(0.0):
            connection.sendall(then)

    return serve


def silent(_connection: socket.socket, over: Wait) -> None:
    over(600.0)


def resets(start: bytes) -> Manner:
    """It begins like that, and the connection breaks."""

    def serve(connection: socket.socket, _over: Wait) -> None:
        connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return serve


def with_body(body: bytes, *headers: bytes) -> Manner:
    """A whole answer."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return says(JSON + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def elsewhere(where: bytes, status: bytes = b"302 Found") -> Manner:
    return says(b"HTTP/1.1 " + status + b"\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")


ENDLESS: Mapping[str, Manner] = {
    "silence": silent,
    "slow status": dribbles(b"HTTP/1.1 200 ", b"O"),
    "slow header": dribbles(OK + b"X: ", b"x"),
    "slow headers": dribbles(OK, b"X: x\r\n"),
    "slow body": dribbles(JSON + b"Content-Length: 1000000000\r\n\r\n[", b" "),
    "slow body without a length": dribbles(JSON + b"\r\n{", b" "),
    "slow chunks": dribbles(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "slow size of a chunk": dribbles(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "slow trailers": dribbles(JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n"),
    "slow compressed body": dribbles(JSON + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"[")[:10], b"\0"),
    "slow refusal": dribbles(b"HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n", b"x"),
    "slow limit": dribbles(b"HTTP/1.1 429 No\r\nRetry-After: 9\r\nContent-Length: 1000000000\r\n\r\n", b"x"),
    "slow redirect": dribbles(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1000000000\r\n\r\n", b"x"),
    "be patient": dribbles(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless headers": pours(OK, b"X: x\r\n" * 1000),
    "endless header": pours(OK + b"X: ", b"x" * 65536),
    "endless body": pours(JSON + b"\r\n[", b" " * 65536),
    "endless chunks": pours(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"),
}

ODD: Mapping[str, Manner] = {
    "hangs up": says(b""),
    "reset": resets(b""),
    "reset in a header": resets(OK + b"Content-"),
    "reset in the body": resets(JSON + b"Content-Length: 100\r\n\r\n{"),
    "shorter than it says": says(JSON + b"Content-Length: 100\r\n\r\n{}"),
    "a length below nothing": says(JSON + b"Content-Length: -1\r\n\r\n["),
    "no length": says(JSON + b"Content-Length: many\r\n\r\n["),
    "two lengths": says(JSON + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n["),
    "a chunk of no size": says(JSON + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    "HTTP/1.0": says(b"HTTP/1.0 200 OK\r\n\r\n<h1>Log in</h1>"),
    "HTTP/9": says(b"HTTP/9.9 200 OK\r\n\r\n"),
    "no HTTP": says(b"220 mail.example ESMTP\r\n"),
    "bytes": says(bytes(range(256)) * 20),
    "status of words": says(b"HTTP/1.1 fine OK\r\n\r\n"),
    "status beyond": says(b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"),
    "nothing": with_body(b""),
    "a page": with_body(b"<h1>Log in</h1>"),
    "a list": with_body(b"[]"),
    "a number": with_body(b"7"),
    "null": with_body(b"null"),
    "text": with_body(b'"ok"'),
    "deep": with_body(b"[" * 100_000),
    "deep objects": with_body(b'{"a":' * 100_000),
    "digits": with_body(b"9" * 100_000),
    "no UTF-8": with_body(b'{"ok": "\xff\xfe"'),
    "UTF-16": with_body("[]".encode("utf-16")),
    "an unknown charset": says(OK + b"Content-Type: application/json; charset=x-none\r\nContent-Length: 2\r\n\r\n[]"),
    "not compressed": with_body(b"[]", b"Content-Encoding: gzip"),
    "cut off": with_body(gzip.compress(json.dumps(list(range(9999))).encode())[:99], b"Content-Encoding: gzip"),
    "twice compressed": with_body(gzip.compress(gzip.compress(b"[]")), b"Content-Encoding: gzip, gzip"),
    "a bomb": with_body(gzip.compress(b"[" + b" " * 100_000_000), b"Content-Encoding: gzip"),
    "to itself": elsewhere(b"/"),
    "to itself, sending again": elsewhere(b"/", b"307 Temporary Redirect"),
    "to a file": elsewhere(b"file:///etc/passwd"),
    "to nowhere": elsewhere(b"http://[::1"),
    "to a port that there is not": elsewhere(b"http://127.0.0.1:99999/"),
}


def hear(connection: socket.socket) -> None:
    """Whatever is asked has begun to arrive."""
    connection.recv(65536)


def upgrade(connection: socket.socket) -> None:
    """Agree to speak WebSocket, with whoever asks in one piece."""
    key = re.search(rb"Sec-WebSocket-Key: *(\S+)", connection.recv(65536))
    accepted = sha1((key[1] if key else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324  # RFC 6455
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(head + b"Sec-WebSocket-Accept: " + base64.b64encode(accepted) + b"\r\n\r\n")


@contextmanager
def listening(manner: Manner, greet: Callable[[socket.socket], None] = hear) -> Iterator[int]:
    """Its port. Each connection is served by a thread, after ``greet``."""
    over = threading.Event()
    with socket.create_server((LOOPBACK, 0), backlog=64) as server:
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                greet(connection)
                manner(connection, over.wait)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threads.append(threading.Thread(target=serve, args=[connection], daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
