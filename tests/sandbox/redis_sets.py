"""Real sets of Redis servers on loopback: a master with a replica and three sentinels, and a cluster of three masters.

Each can ``lose`` its master: the one that holds a service's keys is killed, and the test goes on at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis as Client
from redis.crc import key_slot

from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, find_program
from tests.contract.conftest import SLOTS, answers_ping

SOON = 60.0  # seconds every step here may take at the most; the machine may be busy
NODE_TIMEOUT = 800  # milliseconds until a silent node is suspected


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One server, and a client for it."""

    port: int
    client: Client
    program: Program

    def ask(self, *words: str | int) -> object:
        """Any command."""
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis has types, but not here


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A master and its replica, and how the bot finds whichever is the master now."""

    url: str
    master: Node
    replica: Node

    def lose(self) -> None:
        """Kill the master."""
        self.master.program.kill()

    def await_failover(self) -> None:
        """Until the replica takes writes."""
        await_true(lambda: "master" in str(self.replica.ask("ROLE")[0]))  # type: ignore[index]  # a list

    def behind(self) -> Behind:
        """What the replica holds now, as if nothing that is written from now on reached it any more."""
        self.master.ask("WAIT", 1, 5000)
        with Client(port=self.master.port) as raw:  # values as bytes
            return Behind({key: raw.dump(key) for key in raw.scan_iter()})


@dataclass(frozen=True, slots=True)
class Behind:
    """Everything a replica held when it last heard from its master."""

    values: dict[bytes, bytes]

    def bring_back(self, replica: Node) -> None:
        """Make a replica that has become the master hold that and nothing else."""
        with Client(port=replica.port) as raw:
            raw.flushall()
            for key, value in self.values.items():
                raw.restore(key, 0, value)


def await_true(condition: Callable[[], bool], seconds: float = SOON) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        pause.wait(0.05)


@contextmanager
def sentinels(directory: Path) -> Iterator[Set]:
    """A master, a replica, and three sentinels of which two must agree."""
    with ExitStack() as stack:
        master = _node(stack, directory / "master")
        replica = _node(stack, directory / "replica", "--replicaof", LOOPBACK, str(master.port))
        await_true(lambda: replica.client.info("replication")["master_link_status"] == "up")
        watchers = [_sentinel(stack, directory / f"sentinel{number}", master.port) for number in range(3)]
        for watcher in watchers:
            await_true(lambda watcher=watcher: _known(watcher) == (2, 1))  # type: ignore[misc]  # bound at once
        hosts = ",".join(f"{LOOPBACK}:{watcher.port}" for watcher in watchers)
        yield Set(url=f"redis+sentinel://{hosts}/main/0", master=master, replica=replica)


@contextmanager
def cluster(directory: Path, key: str) -> Iterator[Set]:
    """Three masters, and a replica of the one that holds ``key``."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT))
    with ExitStack() as stack:
        nodes = [_node(stack, directory / f"node{number}", *options) for number in range(4)]
        masters, replica = nodes[:3], nodes[3]
        third = SLOTS // 3 + 1
        for number, node in enumerate(masters):
            node.ask("CLUSTER", "ADDSLOTS", *range(number * third, min(SLOTS, (number + 1) * third)))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            node.ask("CLUSTER", "MEET", LOOPBACK, nodes[0].port)
        await_true(lambda: all(_cluster_is_whole(node) for node in nodes))
        master = masters[key_slot(key.encode()) // third]
        replica.ask("CLUSTER", "REPLICATE", str(master.ask("CLUSTER", "MYID")))
        await_true(lambda: replica.client.info("replication").get("master_link_status") == "up")
        await_true(lambda: all("slave" in str(node.ask("CLUSTER", "NODES")) for node in masters))
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in masters)
        yield Set(url=f"redis+cluster://{hosts}", master=master, replica=replica)


def _node(stack: ExitStack, directory: Path, *options: str) -> Node:
    directory.mkdir()
    port = free_port(bus=True)
    argv = [find_program("redis-server"), "--port", str(port), "--bind", LOOPBACK, "--dir", str(directory)]
    argv += ["--save", "", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", *options]
    return _started(stack, directory, port, argv)


def _sentinel(stack: ExitStack, directory: Path, master: int) -> Node:
    directory.mkdir()
    port = free_port(bus=True)
    settings = directory / "sentinel.conf"
    settings.write_text(
        f"port {port}\nbind {LOOPBACK}\ndir {directory}\n"
        f"sentinel monitor main {LOOPBACK} {master} 2\n"
        f"sentinel down-after-milliseconds main {NODE_TIMEOUT}\n"
        "sentinel failover-timeout main 3000\n"
    )
    return _started(stack, directory, port, [find_program("redis-server"), str(settings), "--sentinel"])


def _started(stack: ExitStack, directory: Path, port: int, argv: list[str]) -> Node:
    client = stack.enter_context(Client(port=port, decode_responses=True))
    program = Program(argv, log=directory / "redis.log", ready=lambda: answers_ping(client))
    stack.callback(program.kill)
    return Node(port=port, client=client, program=program.start())


def _known(watcher: Node) -> tuple[int, int]:
    """How many other sentinels and replicas a sentinel has heard of."""
    master: Any = watcher.client.sentinel_master("main")
    return int(master["num-other-sentinels"]), int(master["num-slaves"])


def _cluster_is_whole(node: Node) -> bool:
    info = node.ask("CLUSTER INFO")
    assert isinstance(info, dict)
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "4")
