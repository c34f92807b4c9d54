"""Socket Mode: the WebSockets an app keeps open, envelopes out, acknowledgements in. What is in them is not its matter.

Each envelope goes to one of the open connections, in turn; a connection that was told to refresh gets no more.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.slack.faults import Faults
from sandbox.slack.model import APP_ID

MOST_CONNECTIONS = 10
ACKNOWLEDGE_SECONDS = 3.0


@dataclass(slots=True, eq=False)
class Connection:
    """One open WebSocket, and how many envelopes it has been given."""

    socket: web.WebSocketResponse
    request: web.Request
    envelopes: int = 0
    refreshing: bool = False


class Sockets:
    """All connections of the app. Everything except ``new_url`` runs on the server's loop."""

    def __init__(self, faults: Faults) -> None:
        self.connections: list[Connection] = []
        self._faults = faults
        self._tickets: set[str] = set()
        self._turns = itertools.count()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._connected = asyncio.Condition()

    def new_url(self, base_url: str) -> str:
        """A WebSocket address that works once."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return f"{base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={APP_ID}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="This address has been used, or was never issued.")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False, timeout=0.5)
        await socket.prepare(request)
        if len(self.connections) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        connection = Connection(socket, request)
        await self._add(connection)
        try:
            await self._listen(connection)
        finally:
            self._forget(connection)
        return socket

    async def send(
        self, kind: str, payload: dict[str, Any], *, takes_answer: bool, **more: Any
    ) -> dict[str, Any] | None:
        """Deliver one payload and wait for its acknowledgement: its payload, ``{}`` without one, None in silence."""
        connection = self._next_connection()
        if connection is None:
            return None
        envelope_id = str(uuid.uuid4())
        envelope = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": takes_answer,
        }
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = answer
        try:
            await self._write(connection, envelope | more)
            if self._faults.take_duplicate():
                await self._write(self._next_connection() or connection, envelope | more)
            return await asyncio.wait_for(answer, ACKNOWLEDGE_SECONDS)
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._waiting[envelope_id]

    async def wait_for_connections(self, count: int) -> None:
        """Wait until ``count`` connections are open that have not been asked to go."""
        async with self._connected:
            await self._connected.wait_for(lambda: len(self._fresh()) >= count)

    async def refresh(self) -> None:
        """Ask every connection to be replaced, as Slack does every few hours."""
        for connection in list(self.connections):
            connection.refreshing = True
            await connection.socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})

    async def kill(self) -> None:
        """Drop every TCP connection without a WebSocket close frame."""
        for connection in list(self.connections):
            self._forget(connection)
            if connection.request.transport is not None:
                connection.request.transport.abort()

    async def close(self) -> None:
        """Say goodbye to every connection."""
        for connection in list(self.connections):
            await connection.socket.close()

    async def _add(self, connection: Connection) -> None:
        async with self._connected:
            self.connections.append(connection)
            self._connected.notify_all()
        hello = {"type": "hello", "num_connections": len(self.connections), "connection_info": {"app_id": APP_ID}}
        await connection.socket.send_json(
            {**hello, "debug_info": {"host": "sandbox", "approximate_connection_time": 18060}}
        )

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            if self._faults.sockets_are_deaf:
                continue
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self._acknowledge(json.loads(message.data))

    def _acknowledge(self, body: dict[str, Any]) -> None:
        answer = self._waiting.get(str(body.get("envelope_id")))
        if answer is not None and not answer.done():
            answer.set_result(body.get("payload") or {})

    def _fresh(self) -> list[Connection]:
        return [connection for connection in self.connections if not connection.refreshing]

    def _next_connection(self) -> Connection | None:
        candidates = self._fresh() or self.connections
        return candidates[next(self._turns) % len(candidates)] if candidates else None

    async def _write(self, connection: Connection, envelope: dict[str, Any]) -> None:
        connection.envelopes += 1
        if not self._faults.sockets_are_deaf:
            await connection.socket.send_json(envelope)
