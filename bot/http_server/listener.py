"""Tornado's side: connections as they are accepted, and each one's request and response."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus

import structlog
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream
from tornado.netutil import add_accept_handler

from bot.http_server.admission import Admission, Connection
from bot.http_server.messages import Handler, Limits, Request, Response, text

LARGEST_HEAD = 65_536  # bytes; a head beyond ``Limits.head`` is told so, one beyond this is hung up on
DRAIN_SECONDS = 10.0  # that requests which are being answered get when the server ends

_LENGTH = re.compile(r"[0-9]{1,15}")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Listener(HTTPServerConnectionDelegate):
    """Takes connections that are admitted."""

    def __init__(self, handler: Handler, limits: Limits, sockets: Sequence[socket.socket]) -> None:
        """``sockets`` listen; they are closed at the end."""
        self.handler = handler
        self.limits = limits
        self.admission = Admission(limits)
        self.answering: set[asyncio.Task[None]] = set()
        self._sockets = sockets
        self._removals: list[Callable[[], None]] = []
        self._ended = False
        self._parameters = HTTP1ConnectionParameters(
            no_keep_alive=True, max_header_size=LARGEST_HEAD, max_body_size=limits.body
        )
        self._accept()

    def _accept(self) -> None:
        """The next one, as soon as there is room for it."""
        if self._ended or self._removals:
            return
        wait = self.admission.wait()
        if wait:
            asyncio.get_running_loop().call_later(wait, self._accept)
        else:
            self._removals = [add_accept_handler(each, self._accepted) for each in self._sockets]

    def _pause(self) -> None:
        for remove in self._removals:
            remove()
        self._removals = []

    def _accepted(self, client: socket.socket, address: tuple[object, ...]) -> None:
        """One at a time: in between, those who are here already are read."""
        # What is read ahead is bounded by the largest head; bodies are handed on in pieces.
        stream = IOStream(client, max_buffer_size=2 * LARGEST_HEAD)
        connection = Connection.of(stream, str(address[0]), self.limits.grace)
        if self.admission.admit(connection):
            HTTP1ServerConnection(stream, self._parameters, connection).start_serving(self)
        self._pause()
        asyncio.get_running_loop().call_soon(self._accept)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:  # noqa: ARG002  # Tornado's signature
        """Tornado asks who takes the request of a connection."""
        if not isinstance(request_conn, HTTP1Connection) or not isinstance(request_conn.context, Connection):
            raise TypeError("Not a connection of this listener.")
        return _Exchange(self, request_conn, request_conn.context)

    def on_close(self, server_conn: object) -> None:
        """Tornado says that a connection is over."""
        if isinstance(server_conn, HTTP1ServerConnection) and isinstance(server_conn.context, Connection):
            self.admission.closed(server_conn.context)

    async def finish(self) -> None:
        """Take nobody new; let requests that have arrived be answered, for a bounded time."""
        self._ended = True
        self._pause()
        for each in self._sockets:
            each.close()
        self.admission.close_reading()
        if self.answering:
            await asyncio.wait(self.answering, timeout=DRAIN_SECONDS)
        self.admission.close_all()


class _Exchange(HTTPMessageDelegate):
    """One request and its response."""

    def __init__(self, listener: Listener, wire: HTTP1Connection, connection: Connection) -> None:
        self._listener = listener
        self._wire = wire
        self._connection = connection
        self._request = Request("", "", {})
        self._refusal: Response | None = None
        self._body = bytearray()

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """The head is there. What the server itself refuses is answered at once: the body may be endless."""
        if not isinstance(start_line, RequestStartLine):
            raise TypeError("A server takes requests.")
        self._request = Request(start_line.method, start_line.path.partition("?")[0], headers)
        refused = _check(start_line, headers, self._listener.limits)
        if refused is not None:
            self._respond(text(refused))
        else:
            self._refusal = self._listener.handler.check_head(self._request)

    def data_received(self, chunk: bytes) -> None:
        """A piece of the body. That of a refused request is read, so that the client reads the answer, and dropped."""
        if self._refusal is None:
            self._listener.admission.body_received(self._connection, len(chunk))
            self._body += chunk

    def finish(self) -> None:
        """The request has arrived whole."""
        if not self._listener.admission.request_complete(self._connection):
            return
        if self._refusal is not None:
            self._respond(self._refusal)
            return
        task = asyncio.get_running_loop().create_task(self._answer())
        self._listener.answering.add(task)
        task.add_done_callback(self._listener.answering.discard)

    def on_connection_close(self) -> None:
        """The client is gone before."""
        self._body.clear()

    async def _answer(self) -> None:
        request = self._request._replace(body=bytes(self._body))
        self._body.clear()
        try:
            response = await self._listener.handler.answer(request)
        except Exception as error:  # noqa: BLE001  # a mistake of ours is one client's 500
            # The error's own words and a traceback's may be what the client has sent.
            log.error("request_failed", error=type(error).__name__, where=_where(error))  # noqa: TRY400
            response = text(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._respond(response)

    def _respond(self, response: Response) -> None:
        self._listener.admission.response_begins(self._connection)
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            "Cache-Control": "no-store",
            **response.headers,
        }
        line = ResponseStartLine("HTTP/1.1", response.status.value, response.status.phrase)
        body = b"" if self._request.method == "HEAD" else response.body
        self._wire.write_headers(line, HTTPHeaders(headers), body)
        self._wire.finish()


def _check(line: RequestStartLine, headers: HTTPHeaders, limits: Limits) -> HTTPStatus | None:
    """What is wrong with a head, whatever the port is for.

    A body has one length, told beforehand: chunks, several lengths and odd ones are how requests are smuggled past
    proxies, and neither Slack nor a kubelet sends them.
    """
    fields = list(headers.get_all())
    if len(line.path) + sum(len(name) + len(value) + 4 for name, value in fields) > limits.head:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if "Transfer-Encoding" in headers:
        return HTTPStatus.LENGTH_REQUIRED
    length = headers.get("Content-Length", "0")
    if not _LENGTH.fullmatch(length) or not all(_is_utf8(value) for _, value in fields):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > limits.body else None


def _is_utf8(value: str) -> bool:
    """Whether what came as bytes, one to a character, is text."""
    try:
        value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return False
    return True


def _where(error: BaseException) -> str:
    """The innermost line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
