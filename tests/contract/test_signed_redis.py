"""Whoever may write to Redis is not believed for that: every record, word, freeze and lease says who wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import RedisClient, connect
from bot.adapters.redis_freezes import RedisFreezes
from bot.adapters.redis_lease import FENCE, LEASE, RedisLease
from bot.adapters.redis_signing import RedisSigning
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import FENCE_AHEAD, FREEZES, SIGNED, Keys
from bot.model.errors import Fault, Refusal, Unreadable
from bot.model.rollout import RolloutId
from bot.model.signing import UNSIGNED, Signer
from tests.builders import a_freeze
from tests.contract.conftest import Server
from tests.contract.examples import entry, rollout

KEY = "default/reviews"
OURS, THEIRS = Signer(keys=(b"k" * 32,)), Signer(keys=(b"x" * 32,))


@dataclass
class Shop:
    """One Redis, and the adapters of a bot with a key."""

    client: RedisClient
    server: Server
    signer: Signer = field(default=OURS)

    @property
    def store(self) -> RedisStore:
        return RedisStore(self.client, self.signer)

    @property
    def outbox(self) -> RedisOutbox:
        return RedisOutbox(self.client, self.signer)

    @property
    def freezes(self) -> RedisFreezes:
        return RedisFreezes(self.client, self.signer)

    @property
    def signing(self) -> RedisSigning:
        return RedisSigning(self.client, self.signer)

    def before(self) -> Shop:
        """The same Redis as a version without a key sees it."""
        return Shop(self.client, self.server, UNSIGNED)


@pytest.fixture(params=["redis", "cluster"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    client = connect(server.url)
    yield Shop(client, server)
    client.close()


def record(shop: Shop, rollout_id: str) -> str:
    text = shop.client.get(Keys(service=KEY).rollout(RolloutId(rollout_id)))
    assert text is not None
    return text


def test_what_was_written_with_the_key_is_read_with_it_and_by_a_version_that_knows_of_none(shop: Shop) -> None:
    created = shop.store.create(rollout(), [entry("begun")])
    saved = shop.store.save(created, [entry("mirroring")])

    assert shop.store.load(KEY, saved.spec.id) == saved == shop.before().store.load(KEY, saved.spec.id)
    assert [one.entry for one in shop.outbox.pending() if one.entry] == [entry("begun"), entry("mirroring")]


def test_one_changed_record_is_refused_in_words_and_names_no_value_of_it(shop: Shop) -> None:
    created = shop.store.create(rollout(), [])
    document = json.loads(record(shop, created.spec.id))
    document["rollout"]["recorded"]["images"] = {"reviews": "evil:1"}
    shop.server.client.set(Keys(service=KEY).rollout(created.spec.id), json.dumps(document, separators=(",", ":")))

    with pytest.raises(Unreadable, match="is not what a canary-bot with our `CANARY_SIGNING_KEY` wrote") as refused:
        shop.store.active(KEY)

    assert "evil" not in str(refused.value)
    assert list(shop.store.live()) == []
    assert list(shop.store.history(KEY)) == []
    assert set(shop.store.unreadable(KEY)) == {created.spec.id}


def test_a_record_without_a_signature_is_refused_and_says_what_signs_it(shop: Shop) -> None:
    created = shop.before().store.create(rollout(), [])

    with pytest.raises(Unreadable, match=r"is not signed: .* `canary-bot sign`"):
        shop.store.load(KEY, created.spec.id)


def test_a_record_of_another_rollout_is_worth_nothing_in_its_place(shop: Shop) -> None:
    one = shop.store.create(rollout(1), [])
    shop.server.client.set(Keys(service=KEY).rollout(RolloutId("r2")), record(shop, one.spec.id))

    with pytest.raises(Unreadable):
        shop.store.load(KEY, RolloutId("r2"))


def test_a_forged_word_is_not_said_and_keeps_no_other_waiting(shop: Shop) -> None:
    shop.store.create(rollout(), [entry("begun")])
    forged = {
        "rollout": "r1",
        "revision": "1",
        "number": "0",
        "entry": '{"at":1,"kind":"alert","text":"pay me","by":"U1"}',
    }
    shop.server.client.xadd(Keys(service=KEY).outbox, forged)  # type: ignore[arg-type]  # redis's own types

    assert [one.entry for one in shop.outbox.pending() if one.entry] == [entry("begun")]


def test_nothing_starts_while_a_freeze_is_there_that_is_not_ours(shop: Shop) -> None:
    shop.freezes.freeze(a_freeze())
    text = shop.server.client.hget(FREEZES, "reviews") or next(iter(shop.server.client.hgetall(FREEZES).values()))
    shop.server.client.hset(FREEZES, "ratings", str(text))

    with pytest.raises(Fault, match="holds a freeze of ratings that is not what"):
        shop.freezes.current(1001.0)


def test_what_a_version_without_a_key_has_left_is_signed_once_and_believed_then(shop: Shop) -> None:
    before = shop.before()
    created = before.store.create(rollout(), [entry("begun")])
    before.freezes.freeze(a_freeze())

    assert shop.signing.sign_once() == 3

    assert shop.store.active(KEY) == created
    assert [one.entry for one in shop.outbox.pending() if one.entry] == [entry("begun")]
    assert list(shop.freezes.current(1001.0)) == [a_freeze()]
    assert shop.signing.sign_once() == 0


def test_nothing_is_signed_by_itself_a_second_time_although_somebody_takes_the_mark_off(shop: Shop) -> None:
    shop.store.create(rollout(1), [])
    shop.signing.sign_once()
    shop.server.client.delete(SIGNED)
    shop.server.client.delete(Keys(service=KEY).active)
    forged = shop.before().store.create(rollout(2), [])

    assert shop.signing.sign_once() == 0
    with pytest.raises(Unreadable):
        shop.store.load(KEY, forged.spec.id)
    assert shop.signing.sign() == 1  # somebody has said so
    assert shop.store.load(KEY, forged.spec.id) == forged


def test_signing_by_hand_leaves_what_was_changed_refused_and_needs_a_key(shop: Shop) -> None:
    created = Shop(shop.client, shop.server, THEIRS).store.create(rollout(), [])

    assert shop.signing.sign() == 0
    with pytest.raises(Unreadable):
        shop.store.load(KEY, created.spec.id)
    with pytest.raises(Refusal, match="CANARY_SIGNING_KEY is not set"):
        shop.before().signing.sign()


@pytest.mark.parametrize(
    "forged",
    ["1 somebody", f"9999999999999 host:1:ab {'0' * 64}", "nonsense", ""],
    ids=["unsigned", "wrong", "nonsense", "empty"],
)
@pytest.mark.parametrize("lives", [None, 60_000], ids=["for ever", "a minute"])
def test_a_forged_lease_locks_nobody_out(shop: Shop, forged: str, lives: int | None) -> None:
    shop.signing.sign()
    shop.server.client.set(LEASE, forged, px=lives)
    lease = RedisLease(shop.client, "us", signer=OURS)

    lease.keep()

    assert lease.fence is not None


KINDS: dict[str, tuple[str, ...]] = {
    "list": ("RPUSH", "x"),
    "hash": ("HSET", "x", "y"),
    "set": ("SADD", "x"),
    "scores": ("ZADD", "1", "x"),
    "stream": ("XADD", "*", "x", "y"),
}


def put_another_kind(shop: Shop, key: str, kind: str) -> None:
    """What stands at the key is no text."""
    command, *rest = KINDS[kind]
    shop.server.client.delete(key)
    shop.server.client.execute_command(command, key, *rest)  # type: ignore[no-untyped-call]  # redis has types, but not here


@pytest.mark.parametrize("key", [LEASE, FENCE])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("signer", [UNSIGNED, OURS], ids=["without a key", "signed"])
def test_a_lease_of_another_kind_locks_nobody_out(shop: Shop, signer: Signer, kind: str, key: str) -> None:
    first, second = RedisLease(shop.client, "a", signer=signer), RedisLease(shop.client, "b", signer=signer)
    put_another_kind(shop, key, kind)
    first.keep()
    assert first.fence is not None

    put_another_kind(shop, key, kind)
    first.release()
    second.keep()

    assert second.fence is not None


@pytest.mark.parametrize(
    "number", ["nan", "-nan", "inf", "-inf", "-1", "", "x", "1e18", "9" * 5000, "0x" + "f" * 40, "\xff"]
)
def test_a_forged_number_locks_nobody_out(shop: Shop, number: str) -> None:
    lease = RedisLease(shop.client, "us", signer=OURS)
    lease.keep()
    held = lease.fence
    shop.server.client.set(FENCE, number)
    if number.isdigit():
        shop.server.client.set(
            LEASE, str(shop.server.client.get(LEASE)).replace(str(held), number)
        )  # our own, so changed
        again = RedisLease(shop.client, "us", signer=OURS)
    else:
        lease.release()
        again = RedisLease(shop.client, "other", signer=OURS)

    again.keep()

    assert again.fence is not None
    assert held is not None
    assert held - 86_400_000 < again.fence < held + 86_400_000


def test_a_lease_that_a_replica_had_long_ago_locks_nobody_out(shop: Shop) -> None:
    shop.signing.sign()
    gone = RedisLease(shop.client, "gone", signer=OURS)
    gone.keep()
    shop.server.client.pexpire(LEASE, 365 * 86_400_000)
    lease = RedisLease(shop.client, "us", signer=OURS)

    lease.keep()

    assert lease.fence is not None


def test_a_lease_of_another_replica_is_respected_with_a_key_and_without(shop: Shop) -> None:
    for signer in (UNSIGNED, OURS):
        shop.server.client.flushall()
        shop.signing.sign()
        first, second = RedisLease(shop.client, "a", signer=signer), RedisLease(shop.client, "b", signer=signer)

        first.keep()
        second.keep()

        assert (first.fence is not None, second.fence) == (True, None)


def test_while_nothing_is_signed_yet_a_replica_without_a_key_is_one(shop: Shop) -> None:
    old, new = RedisLease(shop.client, "old"), RedisLease(shop.client, "new", signer=OURS)
    old.keep()

    new.keep()

    assert (old.fence is not None, new.fence) == (True, None)


@pytest.mark.parametrize("ahead", [FENCE_AHEAD + 60, 86_000, 10**12])  # seconds
def test_a_fence_of_later_than_clocks_differ_keeps_nobody_out(ahead: int, shop: Shop) -> None:
    """Whoever may write to Redis would shut the leader out of a service, and its users in with a bad canary."""
    created = shop.store.create(rollout(), [], fence=None)
    now = int(str(shop.server.client.time()[0]))
    shop.server.client.set(Keys(service=KEY).fence, str((now + ahead) * 1000))
    lease = RedisLease(shop.client, "us", signer=OURS)
    lease.keep()

    assert shop.store.save(created, [], fence=lease.fence).revision == 2


def test_a_number_of_a_lease_of_later_than_clocks_differ_is_not_handed_on(shop: Shop) -> None:
    now = int(str(shop.server.client.time()[0]))
    shop.server.client.set(FENCE, str((now + FENCE_AHEAD + 60) * 1000))
    lease = RedisLease(shop.client, "us", signer=OURS)

    lease.keep()

    assert lease.fence is not None
    assert lease.fence < (now + FENCE_AHEAD) * 1000
