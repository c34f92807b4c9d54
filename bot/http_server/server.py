"""A port, and the thread that serves it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

from tornado.netutil import bind_sockets

from bot.http_server.listener import DRAIN_SECONDS, Listener
from bot.http_server.messages import Handler, Limits

BACKLOG = 1024  # connections that the kernel keeps until they are accepted


class Server:
    """A handler on a port, on a thread of its own."""

    def __init__(self, handler: Handler, *, name: str, port: int, host: str = "", limits: Limits) -> None:
        """Nothing listens before ``start``.

        Args:
            handler: what is answered.
            name: the thread's.
            port: 0 picks a free one.
            host: where to listen; "" is every address, of IPv4 and IPv6.
            limits: what clients may take.
        """
        self._handler = handler
        self._address = (port, host)
        self._limits = limits
        self._name = name
        self._sockets: list[socket.socket] = []
        self._port = port
        self._stop: Future[Callable[[], object]] = Future()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens; known once started."""
        return self._port

    @property
    def serves(self) -> bool:
        """Whether it is there to answer."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen and answer.

        Raises:
            OSError: the port is taken.
        """
        self._sockets = bind_sockets(*self._address, backlog=BACKLOG)
        self._port = int(self._sockets[0].getsockname()[1])
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, let what is being answered be answered, and wait until the thread is gone."""
        if self._thread is None:
            return
        self._stop.result(DRAIN_SECONDS)()
        self._thread.join(2 * DRAIN_SECONDS)
        self._thread = None

    async def _serve(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        listener = Listener(self._handler, self._limits, self._sockets)
        self._stop.set_result(lambda: loop.call_soon_threadsafe(over.set))
        await over.wait()
        await listener.finish()
