"""TLS before a real Redis: the redis-server of the tests has none built in, so a front with certificates ends it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Self

import trustme

from sandbox.ports import LOOPBACK
from sandbox.serving import Loop, stop_listening


class Authority:
    """A private CA, made for the test; ``file`` holds its certificate."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self.file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server_side(self, name: str = LOOPBACK) -> ssl.SSLContext:
        """What a server of this name (or address) shows."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(name).configure_cert(context)
        return context


class TlsFront:
    """Listens on loopback while the ``with`` block lasts, and hands on what came over TLS to ``upstream``."""

    def __init__(self, upstream: int, context: ssl.SSLContext, port: int = 0) -> None:
        self.port = port
        self.shaken = 0  # connections that came to an understanding
        self._upstream = upstream
        self._context = context
        self._loop = Loop("tls-front")
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        async def listen() -> asyncio.Server:
            return await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self._context)

        self._server = self._loop.call(listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._loop.call(stop_listening(self._server))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.shaken += 1
        up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._upstream)
        try:
            ways = [asyncio.create_task(_hand_on(*way)) for way in ((reader, up_writer), (up_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        finally:
            up_writer.transport.abort()
            writer.transport.abort()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
