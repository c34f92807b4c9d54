"""Requests and responses, the limits on them, and who answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take of the process.

    Attributes:
        head: bytes of a request's line and headers.
        body: bytes of a request's body.
        seconds: for a request to arrive whole, and again for its response to be taken.
        connections: open at once.
        per_source: open at once from one IPv4 address or one /64 of IPv6. A proxy is one source.
        grace: seconds that every connection gets before it may have to make room for others. In that time a quick
            request is over; where all places are taken, new connections wait for it in the kernel.
        unfinished: bytes of all bodies together that have not arrived whole.
    """

    head: int = 16_384
    body: int = 0
    seconds: float = 5.0
    connections: int = 256
    per_source: int = 64
    grace: float = 0.25
    unfinished: int = 16 * 1024 * 1024


class Response(NamedTuple):
    """An HTTP response."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = {}


class Request(NamedTuple):
    """An HTTP request. ``path`` is without a query, which nobody needs; names of ``headers`` have no case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Handler(Protocol):
    """What is answered on a port. It is called on the server's thread, which everybody shares."""

    def check_head(self, request: Request) -> Response | None:
        """What to answer by the head alone, while the body is still empty; None lets the request in."""

    async def answer(self, request: Request) -> Response:
        """The response to a request that has arrived whole."""


def text(status: HTTPStatus, line: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """A response of one line; an empty one has no body."""
    return Response(status, f"{line}\n".encode() if line else b"", headers=headers or {})
