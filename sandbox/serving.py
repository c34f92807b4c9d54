"""One way to run an aiohttp application beside synchronous code: in a thread of its own, with a loop of its own.

Every stand-in (Kubernetes, Slack, the pods) is an ``aiohttp.web.Application``; tests and the demo are plain
synchronous code. ``Serving`` is the bridge.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

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

        self.call(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


class Serving:
    """An application that listens on loopback while the ``with`` block lasts; ``port`` 0 picks a free one."""

    def __init__(self, app: web.Application, *, port: int = 0, host: str = "127.0.0.1", name: str = "serving") -> None:
        self.host = host
        self.port = port
        self.loop = Loop(name)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)

    @property
    def url(self) -> str:
        """The base address, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def open(self) -> Self:
        """Start listening; the real port is known afterwards."""

        async def listen() -> int:
            await self._runner.setup()
            site = web.TCPSite(self._runner, self.host, self.port)
            await site.start()
            return int(self._runner.addresses[0][1])

        self.port = self.loop.call(listen())
        return self

    def close(self) -> None:
        """Stop listening and end the loop's thread."""
        self.loop.call(self._runner.cleanup())
        self.loop.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()
