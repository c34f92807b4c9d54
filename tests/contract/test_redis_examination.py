"""What ``canary-bot check`` finds out about real Redis servers, and what it makes of those that may not be asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis as Client

from bot.adapters.redis_connection import asks_for_no_password, connect
from bot.adapters.redis_examination import Finding, Grade, examine_login, examine_servers, examine_signatures
from bot.adapters.redis_signing import RedisSigning
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import Keys
from bot.model.errors import Fault
from bot.model.rollout import RolloutId
from bot.model.signing import UNSIGNED, Signer
from bot.words.rendering import plain
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, find_program
from tests.contract import acl
from tests.contract.conftest import Server, answers_ping
from tests.contract.examples import entry, rollout

OURS, THEIRS = Signer(keys=(b"k" * 32,)), Signer(keys=(b"x" * 32,))
Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A server of the test's own, with these options."""
    with ExitStack() as stack:

        def started(*options: str) -> Client:
            port = free_port()
            client: Client = stack.enter_context(Client(port=port, decode_responses=True))
            argv = [find_program("redis-server"), "--port", str(port), "--dir", str(tmp_path), *options]
            program = Program(argv, log=tmp_path / "log", ready=lambda: answers_ping(client)).start()
            stack.callback(program.stop)
            return client

        yield started


def url(server: Client, login: str = "") -> str:
    return f"redis://{login}{LOOPBACK}:{server.connection_pool.connection_kwargs['port']}/0"


def findings(address: str) -> Sequence[Finding]:
    connection = connect(address)
    try:
        return list(examine_servers(connection))
    finally:
        connection.close()


def lines(address: str, grade: Grade) -> str:
    return "\n".join(plain(one.sentence) for one in findings(address) if one.grade is grade)


def test_nothing_is_wrong_with_one_that_saves_keeps_everything_and_takes_writes(start: Start) -> None:
    server = start("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "noeviction")

    assert [(one.grade, plain(one.sentence)) for one in findings(url(server))] == [
        (Grade.FINE, "we are its user default")
    ]


@pytest.mark.parametrize(
    ("options", "grade", "sentence"),
    [
        (("--save", ""), Grade.DOUBT, "keeps nothing on disk: .* Set `appendonly yes`"),
        (
            ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"),
            Grade.WRONG,
            r"may evict live rollouts .*\(maxmemory-policy allkeys-lru\): set it to noeviction",
        ),
        (("--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"), Grade.WRONG, "may evict the lease"),
        (("--replicaof", LOOPBACK, "1"), Grade.WRONG, "is a replica, which takes no writes: name the master"),
    ],
    ids=["no persistence", "evicts", "evicts what ends", "replica"],
)
def test_what_is_wrong_is_told_with_what_to_do(
    options: Sequence[str], grade: Grade, sentence: str, start: Start
) -> None:
    server = start(*options)

    found = [one for one in findings(url(server)) if one.grade is not Grade.FINE]

    assert [one.grade for one in found] == [grade]
    assert re.search(sentence, plain(found[0].sentence))


@pytest.mark.parametrize(
    "options", [("--maxmemory-policy", "allkeys-lru"), ("--save", "60", "1"), ("--appendonly", "yes")]
)
def test_a_policy_without_a_limit_and_either_kind_of_persistence_are_fine(options: Sequence[str], start: Start) -> None:
    assert [one for one in findings(url(start(*options))) if one.grade is not Grade.FINE] == []


def test_a_user_who_may_run_no_scripts_is_told_the_right_to_grant(start: Start) -> None:
    server = start()
    acl.let_in(server, [*(word for word in acl.rules(0) if word != "+eval"), *acl.also("check")])

    assert "grant `+eval`" in lines(url(server, f"{acl.USER}:{acl.PASSWORD}@"), Grade.WRONG)


def test_a_user_who_may_ask_nothing_hears_what_is_not_known_and_that_is_no_failure(start: Start) -> None:
    server = start()
    acl.let_in(server, acl.rules(0))

    found = findings(url(server, f"{acl.USER}:{acl.PASSWORD}@"))

    assert {one.grade for one in found} == {Grade.FINE}
    for right in ("`+role`", "`+config|get`", "`+info`"):
        assert sum(right in plain(one.sentence) and "is not known" in plain(one.sentence) for one in found) == 1


def test_where_config_was_taken_away_the_rest_is_told(start: Start) -> None:
    server = start("--rename-command", "CONFIG", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")

    assert "may evict live rollouts" in lines(url(server), Grade.WRONG)
    assert "whether it writes snapshots is not known" in lines(url(server), Grade.FINE)


def test_the_rights_of_the_page_let_check_ask_everything(start: Start) -> None:
    server = start()
    acl.let_in(server, [*acl.rules(0), *acl.also("check")])

    found = findings(url(server, f"{acl.USER}:{acl.PASSWORD}@"))

    assert [plain(one.sentence) for one in found] == [f"we are its user {acl.USER}"]


def test_every_master_of_a_cluster_is_asked(cluster_server: Server) -> None:
    acl.let_in(cluster_server.client, [*acl.rules(0), *acl.also("cluster"), *acl.also("check")], "checker")
    address = cluster_server.url.replace(acl.USER, "checker", 1)

    assert "keeps nothing on disk" in lines(address, Grade.DOUBT)


def test_whether_strangers_are_let_in_is_tried(start: Start) -> None:
    server = start()
    acl.let_in(server, acl.rules(0))
    ours = url(server, f"{acl.USER}:{acl.PASSWORD}@")

    assert asks_for_no_password(ours) is True
    server.execute_command("ACL", "SETUSER", "default", ">d3fault")  # type: ignore[no-untyped-call]  # redis's
    server.execute_command("ACL", "SETUSER", "default", "resetpass", ">d3fault")  # type: ignore[no-untyped-call]  # redis's
    assert asks_for_no_password(ours) is False
    assert asks_for_no_password(f"redis://{LOOPBACK}:1/0") is None

    assert "asks for no password" in plain(next(examine_login(open_to_all=True)).sentence)
    assert list(examine_login(open_to_all=False)) == []
    assert [one.grade for one in examine_login(open_to_all=None)] == [Grade.DOUBT]


def test_a_server_of_our_own_lets_no_stranger_in() -> None:
    assert asks_for_no_password("embedded://anywhere") is False


def test_signatures_are_told_by_what_is_wrong_with_them(redis_server: Server) -> None:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    signing = RedisSigning(connection, OURS)

    def said(signer: Signer = OURS) -> list[tuple[Grade, str]]:
        found = examine_signatures(RedisSigning(connection, signer), signer)
        return [(one.grade, plain(one.sentence).partition(":")[0]) for one in found]

    assert said() == []
    assert said(UNSIGNED)[0][0] is Grade.DOUBT
    RedisStore(connection).create(rollout(1), [entry("begun")])
    assert said()[0] == (Grade.WRONG, said()[0][1])
    assert said()[0][1].startswith("holds unsigned texts (2), which are not believed.")
    signing.sign()
    assert said() == []
    assert said(UNSIGNED)[0] == (Grade.WRONG, "was signed by a canary-bot with a key, and this one has none")

    redis_server.client.delete(Keys(service="default/reviews").active)
    RedisStore(connection, THEIRS).create(rollout(2), [])
    assert said()[0][1].startswith("holds texts (1) that were not signed with CANARY_SIGNING_KEY")
    redis_server.client.set(Keys(service="default/reviews").rollout(RolloutId("r2")), "{}")
    assert said()[0][1].startswith("holds unsigned texts (1)")
    connection.close()


def test_a_redis_that_is_away_is_a_fault() -> None:
    with pytest.raises(Fault, match="cannot be reached"):
        findings(f"redis://{LOOPBACK}:1/0")
