"""Each kind of ``REDIS_URL`` against the real thing. Cluster and single server are in the store's contract."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Connection, DataError
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.retry import Retry

from bot.adapters.redis_connection import EXPECTED, Packer, connect
from bot.model.errors import Fault, Refusal
from sandbox.ports import free_port
from sandbox.processes import Program, find_program
from tests.contract.conftest import Server, answers_ping
from tests.contract.wire import Wire

# One process of ours: joins the embedded server, leaves its name, and stays until its input ends.
MEMBER = """
import sys
from bot.adapters.redis_connection import connect
link = connect(sys.argv[1])
link.sadd("members", sys.argv[2])
print(*sorted(link.smembers("members")), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sentinel_port(redis_server: Server, tmp_path: Path) -> Iterator[int]:
    port, master = free_port(), redis_server.url.rpartition(":")[2]
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"port {port}\ndir {tmp_path}\nsentinel monitor main 127.0.0.1 {master} 1\n")
    argv = [find_program("redis-server"), str(settings), "--sentinel"]
    with Client(port=port) as client:
        program = Program(argv, log=tmp_path / "sentinel.log", ready=lambda: answers_ping(client)).start()
        yield port
        program.stop()


class Start:
    """Starts members of one embedded server, and says whether that server answers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.started: list[subprocess.Popen[str]] = []

    def __call__(self, name: str) -> tuple[subprocess.Popen[str], str]:
        argv = [sys.executable, "-c", MEMBER, f"embedded://{self._directory}", name]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ourselves
        self.started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def answers(self) -> bool:
        with Client(unix_socket_path=str(self._directory / "redis.sock"), retry=Retry(NoBackoff(), 0)) as client:
            return answers_ping(client)


@pytest.fixture
def member() -> Iterator[Start]:
    with TemporaryDirectory(prefix="redis-") as short:  # a socket's path is short, pytest's directories are not
        start = Start(Path(short))
        yield start
        for process in start.started:
            with process:  # closes its input, at which it ends; the last one ends the server
                pass


def test_sentinels_are_asked_who_the_master_is(sentinel_port: int, redis_server: Server) -> None:
    connection = connect(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel_port}/main/0")

    connection.sadd("by-sentinel", "here")

    assert redis_server.client.smembers("by-sentinel") == {"here"}
    connection.close()


def test_an_embedded_server_is_shared_outlives_a_crash_and_ends_with_its_last_user(member: Start) -> None:
    first, seen = member("first")
    assert seen == "first"
    second, seen = member("second")
    assert seen == "first second"

    first.kill()
    third, seen = member("third")
    assert seen == "first second third"

    second.communicate()
    assert member.answers()
    third.communicate()
    assert not member.answers()

    _, seen = member("fourth")
    assert seen == "first fourth second third"


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@redis",
        "redis://:hunter2@redis:port/0",
        "redis+sentinel://:hunter2@redis:26379",
        "redis+cluster://:hunter2@:6379",
        "hunter2",
    ],
)
def test_a_url_of_no_known_kind_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        connect(url)

    assert refused.value.sentence == EXPECTED


def test_a_cluster_nobody_answers_for_is_a_fault() -> None:
    connection = connect("redis+cluster://127.0.0.1:1")

    with pytest.raises(Fault, match="Redis: is a cluster none of whose nodes can be reached"):
        connection.ping()
    with pytest.raises(Fault, match="Redis: is a cluster none of whose nodes can be reached"):
        connection.pipeline(transaction=False)
    connection.close()


def test_a_cluster_that_was_down_at_the_start_is_used_once_it_is_up(cluster_server: Server) -> None:
    login, _, port = cluster_server.url.rpartition(":")
    with Wire(("127.0.0.1", int(port))) as wire:
        wire.cut()
        connection = connect(f"{login}:{wire.port}")
        with pytest.raises(Fault):
            connection.sadd("canary:late", "early")

        wire.mend()

        connection.sadd("canary:late", "here")
        assert connection.smembers("canary:late") == {"here"}
        assert len(list(connection.servers())) == 1
        connection.close()


@given(st.lists(st.text() | st.integers() | st.floats(allow_nan=False) | st.binary(), max_size=5))
def test_a_command_is_sent_in_one_piece_and_in_the_librarys_words(words: list[str | int | float | bytes]) -> None:
    library = Connection(encoding_errors="surrogateescape")  # type: ignore[no-untyped-call]  # redis has types, but not here
    command = ["CONFIG GET", "x" * 10_000, *words]

    (sent,) = Packer.pack(*command)

    assert sent == b"".join(library.pack_command(*command))  # type: ignore[no-untyped-call]  # redis has types, but not here


@pytest.mark.parametrize("word", [True, None, ["list"]])
def test_what_is_neither_text_nor_a_number_is_not_sent(word: object) -> None:
    with pytest.raises(DataError):
        Packer.pack("SET", "key", word)
