"""Two processes never get the same port, even before anything listens there."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.ports import BUS, LOOPBACK, PORTS, NoPortError, Ports, free_port

ROOT = Path(__file__).parents[2]
TAKER = """
import sys
from pathlib import Path
from sandbox.ports import Ports
first, last, ledger = sys.argv[1:]
print(Ports(range(int(first), int(last) + 1), Path(ledger)).take(), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(ports: range, ledger: Path) -> Iterator[int]:
    """It takes one port, says which, and lives as long as the block."""
    argv = [sys.executable, "-c", TAKER, str(ports[0]), str(ports[-1]), str(ledger)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own program
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


@pytest.fixture
def three() -> range:
    """Ports side by side, below those that our programs are given."""
    while True:
        (first,) = random.sample(range(PORTS.start - 1000, PORTS.start - 3), k=1)
        with ExitStack() as stack:
            probes = [stack.enter_context(socket.socket()) for _ in range(3)]
            with suppress(OSError):
                for port, probe in enumerate(probes, first):
                    probe.bind((LOOPBACK, port))
                return range(first, first + 3)


def test_a_port_is_given_to_one_process_until_that_one_has_ended(three: range, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ours = Ports(three, ledger)
    with another_process(three, ledger) as first, another_process(three, ledger) as second:
        third = ours.take()
        assert {first, second, third} == set(three)
        with pytest.raises(NoPortError, match=f"No free port from {three[0]} to {three[-1]} on 127.0.0.1."):
            ours.take()
    assert {ours.take() for _ in range(2)} == {first, second}


def test_a_port_is_given_once_within_a_process(three: range, tmp_path: Path) -> None:
    ports = Ports(three, tmp_path / "ledger")

    assert {ports.take() for _ in range(3)} == set(three)


def test_a_port_somebody_listens_on_is_not_given(three: range, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, three[1]))
        listener.listen()

        ports = Ports(three, tmp_path / "ledger")
        assert {ports.take() for _ in range(2)} == {three[0], three[2]}


@pytest.mark.parametrize("_", range(20))
def test_a_port_with_a_bus_is_free_twice(_: int) -> None:
    port = free_port(bus=True)
    with socket.socket() as listener, socket.socket() as bus:
        listener.bind((LOOPBACK, port))
        bus.bind((LOOPBACK, port + BUS))
