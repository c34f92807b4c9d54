"""The real programs of the rehearsal: they start, survive what they should, and never outlive us."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from sandbox.processes import MissingProgramError, Program, ProgramError, fetch, find_program
from sandbox.prometheus import Prometheus
from sandbox.redis import Redis

pytestmark = pytest.mark.sandbox

STARTS_REDIS_AND_IS_KILLED = """
import os, pathlib, signal, sys
from sandbox.redis import Redis
print(Redis(pathlib.Path(sys.argv[1])).start().port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def eventually(condition: Callable[[], bool], timeout: float = 5.0) -> bool:
    deadline, pause = time.monotonic() + timeout, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


def refuses(port: int) -> bool:
    try:
        fetch(port, "/")
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def is_silent(port: int) -> bool:
    try:
        fetch(port, "/-/ready", timeout=0.3)
    except TimeoutError:
        return True
    return False


def test_redis_keeps_port_and_data_over_a_restart(tmp_path: Path) -> None:
    with Redis(tmp_path) as server, redis.Redis.from_url(server.url, decode_responses=True) as client:
        client.set("canary", "v2")
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("canary")
        server.start()

        assert client.get("canary") == "v2"


def test_prometheus_comes_back_on_the_same_port_after_an_outage(tmp_path: Path) -> None:
    with Prometheus(tmp_path) as server:
        assert fetch(server.port, "/-/ready")[0] == 200
        server.stop()
        assert refuses(server.port)
        server.start()

        assert fetch(server.port, "/api/v1/query?query=1")[0] == 200


def test_a_paused_program_does_not_answer_and_a_resumed_one_does(tmp_path: Path) -> None:
    with Prometheus(tmp_path) as server:
        server.program.pause()
        assert eventually(lambda: is_silent(server.port))  # the kernel stops its threads one after the other
        server.program.resume()

        assert fetch(server.port, "/-/ready")[0] == 200


def test_a_program_that_ends_early_says_why_with_its_log(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('the configuration has no listener')"]
    program = Program(argv, log=tmp_path / "log", ready=lambda: False)

    with pytest.raises(ProgramError, match=r"ended with code 1[\s\S]*the configuration has no listener"):
        program.start()
    assert not program.running


def test_a_missing_program_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(MissingProgramError, match="no-such-program is not installed"):
        find_program("no-such-program")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child's life to ours")
def test_programs_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    killed = subprocess.run(  # noqa: S603 - our own interpreter and our own script
        [sys.executable, "-c", STARTS_REDIS_AND_IS_KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert killed.returncode == -9
    assert eventually(lambda: refuses(int(killed.stdout)))
