"""The real programs behind the adapters, each started once for the session and stopped with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis as Client
from redis.exceptions import RedisError

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import connect
from bot.adapters.redis_store import RedisStore
from bot.controller.ports import Outbox, Store
from sandbox.ports import free_port
from sandbox.processes import Program, find_program
from tests.contract import acl
from tests.fakes.store import InMemoryStore

SLOTS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running redis-server: the address for the bot, and a client of our own.

    The bot comes as the user of docs/redis.md, so that every contract says that those rights suffice; we may do all.
    """

    url: str
    client: Client
    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A store, and the outbox its notifications arrive in; ``server`` is None where there is no Redis behind them."""

    store: Store
    outbox: Outbox
    server: Server | None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serving("redis", tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A cluster of one node that owns every slot: enough to refuse commands that cross slots."""
    for server in _serving("redis+cluster", tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes"):
        server.client.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))  # type: ignore[no-untyped-call]  # redis's
        await_slots(server.client)
        yield server


@pytest.fixture(params=["memory", "redis", "cluster"])
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    if request.param == "memory":
        memory = InMemoryStore()
        yield Shelf(store=memory, outbox=memory, server=None)
        return
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    connection = connect(server.url)
    yield Shelf(store=RedisStore(connection), outbox=RedisOutbox(connection), server=server)
    connection.close()


def answers_ping(client: Client) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False


def await_slots(node: Client, seconds: float = 10.0) -> None:
    """A node that was given its slots takes a moment to believe that the cluster is complete."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while node.execute_command("CLUSTER INFO")["cluster_state"] != "ok":  # type: ignore[no-untyped-call]  # redis's
        assert time.monotonic() < deadline, "the cluster never came up"
        pause.wait(0.02)


def _serving(scheme: str, directory: Path, *options: str) -> Iterator[Server]:
    rules = [*acl.rules(0), *(acl.also("cluster") if scheme == "redis+cluster" else ())]
    port = free_port(bus=True)
    with Client(port=port, decode_responses=True) as client:
        argv = [find_program("redis-server"), "--port", str(port), "--dir", str(directory), "--save", "", *options]
        program = Program(argv, log=directory / "redis.log", ready=lambda: answers_ping(client)).start()
        acl.let_in(client, rules)
        yield Server(url=f"{scheme}://{acl.USER}:{acl.PASSWORD}@127.0.0.1:{port}", client=client, program=program)
        program.stop()
