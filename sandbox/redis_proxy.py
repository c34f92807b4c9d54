"""A proxy before a real Redis that understands enough of its protocol to announce commands on a ``Wire``.

Commands come as arrays of bulk strings, answers as anything (RESP 2 or 3). A command is announced before it is handed
on, and again once its answer is there; trouble cuts the connection at either moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Self

from sandbox.ports import LOOPBACK
from sandbox.serving import Loop, stop_listening
from sandbox.wire import Moment, Request, System, Wire

_LINE_ONLY = b"+-:_,#("
_SIZED = b"$=!"
_COUNTED = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}  # parts for each that is counted


def end_of(data: bytes, start: int = 0) -> int | None:
    """Where the value that begins at ``start`` ends; None while it is not all there."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, after = data[start : start + 1], line_end + 2
    if kind in _LINE_ONLY:
        return after
    size = int(data[start + 1 : line_end])
    if kind in _SIZED:
        return after if size < 0 else _within(data, after + size + 2)
    end: int | None = after
    for _ in range(max(0, size) * _COUNTED[kind]):
        end = None if end is None else end_of(data, end)
    return end


def _within(data: bytes, end: int) -> int | None:
    return end if end <= len(data) else None


def words_of(command: bytes) -> Iterator[str]:
    """The words of one command, which is an array of bulk strings."""
    at = command.find(b"\r\n") + 2
    while at < len(command):
        line_end = command.find(b"\r\n", at)
        size = int(command[at + 1 : line_end])
        yield command[line_end + 2 : line_end + 2 + size].decode(errors="replace")
        at = line_end + 2 + size + 2


class RedisProxy:
    """Listens on loopback while the ``with`` block lasts."""

    def __init__(self, port: int) -> None:
        self.wire = Wire()
        self._upstream = port
        self._loop = Loop("redis-proxy")
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    def url(self, database: int = 0) -> str:
        """The address for ``REDIS_URL``."""
        return f"redis://{LOOPBACK}:{self.port}/{database}"

    def __enter__(self) -> Self:
        async def listen() -> asyncio.Server:
            return await asyncio.start_server(self._accept, LOOPBACK, 0)

        self._server = self._loop.call(listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            if self._server is not None:
                await stop_listening(self._server)
            self._hang_up()
            if self._serving:
                await asyncio.wait(self._serving, timeout=5)

        self._loop.call(close())
        self._loop.close()

    def cut_all(self) -> None:
        """Reset every connection, as a fail-over does."""

        async def cut() -> None:
            self._hang_up()

        self._loop.call(cut())

    def _hang_up(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)  # at once: a task may be cancelled before it begins
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        both = {writer}
        try:
            up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._upstream)
            both.add(up_writer)
            self._open.add(up_writer)
            asked: deque[Request] = deque()
            answers = asyncio.create_task(self._answers(up_reader, writer, asked))
            with contextlib.suppress(OSError):
                await self._commands(reader, up_writer, asked)
            up_writer.transport.abort()
            await asyncio.wait([answers])
        except OSError:
            return  # nobody answers there
        finally:
            for one in both:
                one.transport.abort()
            self._open -= both

    async def _commands(
        self, reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter, asked: deque[Request]
    ) -> None:
        """Hand commands on until the client has gone, or trouble cuts it off."""
        rest = b""
        while data := await reader.read(65536):
            rest += data
            while (end := end_of(rest) if rest else None) is not None:
                words = list(words_of(rest[:end]))
                request = Request(system=System.REDIS, kind=_kind(words), body=words)
                trouble = self.wire.hear(request, Moment.BEFORE)
                if trouble is not None and trouble.cut:
                    return
                asked.append(request)
                up_writer.write(rest[:end])
                rest = rest[end:]

    async def _answers(
        self, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: deque[Request]
    ) -> None:
        """Hand answers back, each whole, until there are no more or trouble keeps one."""
        rest = b""
        with contextlib.suppress(OSError):
            while data := await up_reader.read(65536):
                rest += data
                while (end := end_of(rest) if rest else None) is not None:
                    trouble = self.wire.hear(asked.popleft(), Moment.AFTER) if asked else None
                    if trouble is not None and trouble.cut:
                        writer.transport.abort()
                        return
                    writer.write(rest[:end])
                    rest = rest[end:]
        writer.transport.abort()


def _kind(words: Sequence[str]) -> str:
    """The command's name, and more where one command serves two purposes.

    Scripts on the lease, which go on whatever happens, are told from the store's; notes of tries from places of cards.
    """
    name = words[0].upper()
    if name == "EVAL" and any(word.startswith("canary:{leader}") for word in words[3:5]):
        return f"{name} lease"
    return f"{name} tries" if name == "HSET" and words[1].endswith(":tries") else name
