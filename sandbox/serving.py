"""One way to run an aiohttp application beside synchronous code: in a thread of its own, with a loop of its own.

Every stand-in (Kubernetes, Slack, the pods) is an ``aiohttp.web.Application``; tests and the demo are plain
synchronous code. ``Serving`` is the bridge.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar, cast

from aiohttp import web

T = TypeVar("T")


class Loop:
    """An asyncio loop that runs in a daemon thread until ``close``."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], timeout: float = 10.0) -> T:
        """Run ``work`` on the loop and wait for its result, at most ``timeout`` seconds."""
        return self.start(work).result(timeout)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work`` on the loop without waiting."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def soon(self, callback: Callable[[], object]) -> None:
        """Run a plain function on the loop's thread, soon."""
        self.loop.call_soon_threadsafe(callback)

    def close(self) -> None:
        """Cancel what still runs, stop the loop and join its thread."""

        async def cancel_all() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # what they closed is told so in the next round

        self.call(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


async def stop_listening(server: asyncio.Server) -> None:
    """Let nobody else in, wait until those who were let in have arrived, and close the listening sockets.

    asyncio takes three rounds of its loop from accepting a connection to telling the protocol. ``Server.close`` does
    not wait for that: whoever is between the two is neither served nor closed.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
    server.close()


class Listener:
    """An aiohttp runner that listens on the running loop, from ``open`` to ``close``."""

    def __init__(self, runner: web.AppRunner | web.ServerRunner) -> None:
        self._runner = runner
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self, host: str, port: int = 0) -> int:
        """Start listening, on a free port unless ``port`` is given; returns the port."""
        await self._runner.setup()
        accept = cast("web.Server", self._runner.server)  # a runner that is set up has one
        self._server = await asyncio.get_running_loop().create_server(accept, host, port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening, let requests under way finish as the runner allows, and close every connection."""
        if self._server is not None:
            await stop_listening(self._server)
        await self._runner.cleanup()


class Serving:
    """An application that listens on loopback while the ``with`` block lasts; ``port`` 0 picks a free one."""

    def __init__(self, app: web.Application, *, port: int = 0, host: str = "127.0.0.1", name: str = "serving") -> None:
        self.host = host
        self.port = port
        self.loop = Loop(name)
        self._listener = Listener(web.AppRunner(app, access_log=None, shutdown_timeout=0.2))

    @property
    def url(self) -> str:
        """The base address, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def open(self) -> Self:
        """Start listening; the real port is known afterwards."""
        self.port = self.loop.call(self._listener.open(self.host, self.port))
        return self

    def close(self) -> None:
        """Stop listening and end the loop's thread."""
        self.loop.call(self._listener.close())
        self.loop.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()


class Cut(web.Response):
    """An answer that never arrives: the connection is reset instead."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Reset the connection in place of sending headers."""
        if request.transport is not None:
            request.transport.abort()

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""
