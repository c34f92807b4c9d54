"""Passwords, ACL users, TLS and a private CA, for each kind of ``REDIS_URL``, against real servers."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis as Client
from redis.exceptions import NoPermissionError

from bot.adapters.redis_connection import EXPECTED, Access, RedisClient, connect
from bot.model.errors import Cause, Fault, Refusal
from bot.words.rendering import plain
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, find_program
from tests.contract import acl
from tests.contract.conftest import SLOTS, Server, answers_ping, await_slots
from tests.contract.tls import Authority, TlsFront

LOGIN = f"{acl.USER}:{acl.PASSWORD}"
KEY = "canary:access"
NEVER = 600_000  # milliseconds
SENTINEL_USER, SENTINEL_PASSWORD = "watcher", "s3cret-of-sentinels"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def writes(connection: RedisClient, server: Client) -> bool:
    """Whether what is written by the link arrives at the server."""
    server.delete(KEY)
    connection.set(KEY, "here")
    connection.close()
    return bool(server.get(KEY) == "here")


def sentinel(stack: ExitStack, directory: Path, master: int) -> int:
    """One with a user of its own, which never doubts its master; tells its port."""
    directory.mkdir()
    port, settings = free_port(), directory / "sentinel.conf"
    rules = " ".join(acl.rules(1))
    settings.write_text(
        f"port {port}\nbind {LOOPBACK}\ndir {directory}\n"
        f"sentinel monitor main {LOOPBACK} {master} 1\nsentinel down-after-milliseconds main {NEVER}\n"
        f"user default off\nuser {SENTINEL_USER} on >{SENTINEL_PASSWORD} {rules}\nuser tests on >t ~* &* +@all\n"
    )
    client = stack.enter_context(Client(port=port, username="tests", password="t"))
    argv = [find_program("redis-server"), str(settings), "--sentinel"]
    program = Program(argv, log=directory / "log", ready=lambda: answers_ping(client)).start()
    stack.callback(program.stop)
    return port


def own_login(ca_file: Path | None = None, password: str = SENTINEL_PASSWORD) -> Access:
    return Access(ca_file=ca_file, sentinel_username=SENTINEL_USER, sentinel_password=password)


# --- TLS and a private CA ---------------------------------------------------------------------------------------------


def test_one_server_over_tls_with_a_private_ca(redis_server: Server, authority: Authority) -> None:
    with TlsFront(port_of(redis_server), authority.server_side()) as front:
        connection = connect(f"rediss://{LOGIN}@{LOOPBACK}:{front.port}/0", access=Access(ca_file=authority.file))

        assert writes(connection, redis_server.client)
        assert front.shaken == 1


def test_sentinels_and_their_master_over_tls_each_with_a_login_of_its_own(
    redis_server: Server, authority: Authority, tmp_path: Path, stack: ExitStack
) -> None:
    master = stack.enter_context(TlsFront(port_of(redis_server), authority.server_side()))
    watcher = sentinel(stack, tmp_path / "sentinel", master.port)
    front = stack.enter_context(TlsFront(watcher, authority.server_side()))

    connection = connect(f"rediss+sentinel://{LOGIN}@{LOOPBACK}:{front.port}/main/0", access=own_login(authority.file))

    assert writes(connection, redis_server.client)
    assert front.shaken > 0
    assert master.shaken > 0


def test_a_cluster_over_tls(authority: Authority, tmp_path: Path, stack: ExitStack) -> None:
    port, announced = free_port(bus=True), free_port()
    client = stack.enter_context(Client(port=port, decode_responses=True))
    argv = [find_program("redis-server"), "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    # A cluster tells its clients where its nodes are: here, behind TLS.
    argv += ["--cluster-enabled", "yes", "--cluster-announce-port", str(announced)]
    argv += ["--cluster-announce-ip", LOOPBACK]
    program = Program(argv, log=tmp_path / "log", ready=lambda: answers_ping(client)).start()
    stack.callback(program.stop)
    client.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))
    await_slots(client)
    acl.let_in(client, [*acl.rules(0), *acl.also("cluster")])
    front = stack.enter_context(TlsFront(port, authority.server_side(), announced))

    connection = connect(f"rediss+cluster://{LOGIN}@{LOOPBACK}:{announced}", access=Access(ca_file=authority.file))

    assert writes(connection, client)
    assert front.shaken > 1


@pytest.mark.parametrize("kind", ["another CA", "another name", "the system's CAs", "by a sentinel", "in a cluster"])
def test_a_certificate_that_is_not_to_be_trusted_is_told_as_that_and_nothing_is_sent(
    kind: str, redis_server: Server, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    shown = authority.server_side("redis.example.com" if kind == "another name" else LOOPBACK)
    trusted = {"another name": authority.file, "the system's CAs": None}.get(kind, other.file)
    scheme, path = {"by a sentinel": ("rediss+sentinel", "/main/0"), "in a cluster": ("rediss+cluster", "")}.get(
        kind, ("rediss", "/0")
    )
    with TlsFront(port_of(redis_server), shown) as front:
        with pytest.raises(Fault, match="Redis: ") as refused:
            connect(f"{scheme}://{LOGIN}@{LOOPBACK}:{front.port}{path}", access=Access(ca_file=trusted)).ping()

        assert front.shaken == 0
    assert "REDIS_CA_FILE" in plain(refused.value.sentence)
    assert acl.PASSWORD not in "".join(traceback.format_exception(refused.value))


def test_tls_spoken_to_a_port_that_does_not_speak_it_is_told_as_that(stack: ExitStack) -> None:
    listener = stack.enter_context(socket.create_server((LOOPBACK, 0)))

    def answer_plainly() -> None:
        for _ in range(2):  # the connection is tried twice
            with listener.accept()[0] as one:
                one.recv(1)
                one.sendall(b"-ERR Protocol error\r\n")

    thread = threading.Thread(target=answer_plainly)
    thread.start()
    stack.callback(thread.join)

    with pytest.raises(Fault, match=r"cannot agree on TLS: does that port speak it"):
        connect(f"rediss://{LOGIN}@{LOOPBACK}:{listener.getsockname()[1]}/0").ping()


def test_a_file_without_certificates_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate", encoding="utf-8")

    with pytest.raises(Refusal, match=r"REDIS_CA_FILE holds no certificates \(PEM\) that can be read: .*ca.pem"):
        connect("rediss://127.0.0.1:1", access=Access(ca_file=tmp_path / "ca.pem"))


# --- passwords and users ----------------------------------------------------------------------------------------------


def test_a_socket_of_unix_with_a_user(stack: ExitStack) -> None:
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="redis-")))  # a socket's path is short
    path = directory / "redis.sock"
    client = stack.enter_context(Client(unix_socket_path=str(path), db=1, decode_responses=True))
    argv = [find_program("redis-server"), "--port", "0", "--unixsocket", str(path), "--dir", str(directory)]
    program = Program([*argv, "--save", ""], log=directory / "log", ready=lambda: answers_ping(client)).start()
    stack.callback(program.stop)
    acl.let_in(client, [*acl.rules(0), "+select"])

    assert writes(connect(f"unix://{LOGIN}@{path}?db=1"), client)


def test_a_password_with_every_odd_character_is_spelt_by_percents(redis_server: Server) -> None:
    odd, spelt = "p@s/s:w%rd#?[", "p%40s%2Fs%3Aw%25rd%23%3F%5B"
    redis_server.client.execute_command("ACL", "SETUSER", "odd", "reset", "on", f">{odd}", *acl.rules(0))  # type: ignore[no-untyped-call]  # redis's

    assert writes(connect(f"redis://odd:{spelt}@{LOOPBACK}:{port_of(redis_server)}/0"), redis_server.client)


@pytest.mark.parametrize("whose", ["sentinel's", "server's"])
def test_a_wrong_password_of_the_sentinels_or_of_the_server_is_a_sentence_without_it(
    whose: str, redis_server: Server, tmp_path: Path, stack: ExitStack
) -> None:
    watcher = sentinel(stack, tmp_path / "sentinel", port_of(redis_server))
    wrong = (LOGIN, own_login(password="wr0ng")) if whose == "sentinel's" else (f"{acl.USER}:wr0ng", own_login())
    login, access = wrong

    with pytest.raises(Fault, match=r"refuses? our user or password") as refused:
        connect(f"redis+sentinel://{login}@{LOOPBACK}:{watcher}/main/0", access=access).ping()

    assert "wr0ng" not in "".join(traceback.format_exception(refused.value))
    assert "wr0ng" not in repr(access)


def test_a_server_that_wants_a_password_and_hears_none_says_so(redis_server: Server) -> None:
    with pytest.raises(Fault, match="refuses our user or password") as refused:
        connect(f"redis://{acl.USER}:@{LOOPBACK}:{port_of(redis_server)}/0").ping()

    assert refused.value.cause is Cause.FORBIDDEN


@pytest.mark.parametrize("url", ["redis://:hunter2@h?colour=red", "redis://:hunter2@h?db=x", "unix://:hunter2@/s?a=b"])
def test_an_option_that_does_not_exist_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        connect(url)

    assert refused.value.sentence == EXPECTED
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


# --- the rights of the page -------------------------------------------------------------------------------------------

FORBIDDEN: dict[str, Callable[[Client], object]] = {
    "another's key": lambda client: client.get("shop:cart"),
    "a key of ours by a script of another's": lambda client: client.eval("return redis.call('GET', KEYS[1])", 1, "x"),
    "everything": lambda client: client.flushall(),
    "settings": lambda client: client.config_set("maxmemory", 1),
    "users": lambda client: client.acl_users(),
    "all keys": lambda client: client.keys(),
    "other scripts' end": lambda client: client.script_kill(),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_bots_user_may_do_nothing_beyond_what_it_needs(what: str, redis_server: Server) -> None:
    with (
        Client(port=port_of(redis_server), username=acl.USER, password=acl.PASSWORD) as client,
        pytest.raises(NoPermissionError),
    ):
        FORBIDDEN[what](client)


def test_every_right_of_the_page_is_needed_by_something_that_the_bot_does() -> None:
    home = Path(__file__).parents[2] / "bot" / "adapters"
    spoken = "".join(file.read_text(encoding="utf-8") for file in home.glob("*.py")).lower()
    granted = [word[1:] for word in acl.rules(0) if word.startswith("+")]

    unused = [
        one
        for one in granted
        if "|" not in one and not any(form in spoken for form in (f".{one}(", f"'{one}'", f".{one}_iter("))
    ]
    assert unused == []


def test_a_right_that_is_missing_is_told_as_that_also_within_a_script(redis_server: Server) -> None:
    acl.let_in(redis_server.client, [word for word in acl.rules(0) if word != "+zadd"], "short")
    connection = connect(f"redis://short:{acl.PASSWORD}@{LOOPBACK}:{port_of(redis_server)}/0")

    with pytest.raises(Fault, match="does not allow our user this command or key") as refused:
        connection.eval("return redis.call('ZADD', KEYS[1], 1, 'a')", 1, "canary:x")

    assert refused.value.cause is Cause.FORBIDDEN
    connection.close()
