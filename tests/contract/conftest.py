"""The real programs behind the adapters, each started once for the session and stopped with it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis as Client

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_link import Link, connect
from bot.adapters.redis_store import RedisStore
from bot.controller.ports import Outbox, Store
from sandbox.processes import MissingProgramError, find_program
from sandbox.redis import Redis
from tests.fakes.store import InMemoryStore

SLOTS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A store, and the outbox its letters arrive in; ``link`` is None where there is no Redis behind them."""

    store: Store
    outbox: Outbox
    link: Link | None


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    _need("redis-server")
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one node that owns every slot: enough to refuse commands that cross slots."""
    _need("redis-server")
    directory = tmp_path_factory.mktemp("cluster")
    server = Redis(directory)
    server.program = server_in_cluster_mode(server)
    with server, Client(port=server.port) as node:
        node.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))
        yield f"redis+cluster://127.0.0.1:{server.port}"


@pytest.fixture(params=["memory", "redis", "cluster"])
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    if request.param == "memory":
        store = InMemoryStore()
        yield Shelf(store=store, outbox=store, link=None)
        return
    link = connect(request.getfixturevalue(f"{request.param}_url"))
    link.flushall()
    yield Shelf(store=RedisStore(link), outbox=RedisOutbox(link), link=link)
    link.close()
