"""Nothing in Redis grows without bound: what is old goes whole, and what anybody still needs stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters import redis_freezes, redis_store
from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import RedisClient, connect
from bot.adapters.redis_deduplication import REMEMBERED_FOR, RedisDeduplication
from bot.adapters.redis_freezes import RedisFreezes
from bot.adapters.redis_retention import (
    DAY,
    REFUSED_FOR,
    REFUSED_KEPT,
    REFUSED_MOST,
    REMOVE,
    YOUNG_MOST,
    RedisRetention,
    Retention,
)
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import FREEZES_STORY, Keys
from bot.controller.ports import CardRef
from bot.model.errors import Fault
from bot.model.rollout import Phase, Rollout, RolloutId
from tests.builders import MAYA, a_freeze
from tests.contract.conftest import Server
from tests.contract.examples import entry, rollout

KEY = "default/reviews"
KEYS = Keys(service=KEY)
BEGAN = 1_750_000_000.0
LATER = BEGAN + 400 * DAY
FEW = Retention(rollouts=3, days=90.0)


@dataclass
class Shop:
    """One Redis, and what the bot keeps there."""

    client: RedisClient
    server: Server

    @property
    def store(self) -> RedisStore:
        return RedisStore(self.client)

    @property
    def outbox(self) -> RedisOutbox:
        return RedisOutbox(self.client)

    def past(self, *phases: Phase, service: str = "reviews", first: int = 1) -> list[Rollout]:
        """Rollouts one after the other, oldest first, each with a story and a card, nothing of them waiting."""
        made = []
        for number, phase in enumerate(phases, first):
            one = self.store.create(rollout(number, service=service, phase=phase), [entry("begun")])
            self.outbox.remember_card(one.key, one.spec.id, CardRef(channel="C0", ts="1.0"))
            made.append(one)
        self.outbox.done(self.outbox.pending(1000))
        return made

    def names(self, pattern: str = "*") -> set[str]:
        """Every key."""
        return {str(name) for name in self.server.client.keys(pattern)}

    def kept(self, key: str = KEY) -> list[str]:
        """The ids of which anything is left, and all of them have all of it."""
        ids = {name.rpartition(":")[2] for name in self.names(f"canary:{{{key}}}:*:*")}
        keys = Keys(service=key)
        for one in map(RolloutId, ids):
            assert self.server.client.exists(keys.rollout(one), keys.story(one), keys.card(one)) == 3
        assert set(self.server.client.zrange(keys.history, 0, -1)) == ids
        return sorted(ids, key=lambda one: int(one[1:]))


@pytest.fixture(params=["redis", "cluster"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    client = connect(server.url)
    yield Shop(client, server)
    client.close()


def test_of_old_rollouts_the_newest_stay_and_the_rest_goes_whole(shop: Shop) -> None:
    shop.past(*[Phase.ABORTED] * 8)

    assert RedisRetention(shop.client, FEW).tidy(LATER) == 5

    assert shop.kept() == ["r6", "r7", "r8"]
    assert shop.server.client.keys("canary:{default/reviews}:*r1*") == []


def test_what_is_young_stays_however_much_it_is(shop: Shop) -> None:
    shop.past(*[Phase.PROMOTED] * 8)

    assert RedisRetention(shop.client, FEW).tidy(BEGAN + 90 * DAY) == 0
    assert len(shop.kept()) == 8


def test_the_live_one_and_the_last_that_was_promoted_stay_however_old_they_are(shop: Shop) -> None:
    shop.past(Phase.PROMOTED, Phase.PROMOTED, Phase.MIRRORING, first=1)
    shop.past(*[Phase.ABORTED] * 5, first=4)

    RedisRetention(shop.client, FEW).tidy(LATER)

    assert shop.kept() == ["r2", "r3", "r6", "r7", "r8"]
    assert shop.store.active(KEY) is not None


def test_refused_starts_have_a_smaller_bound_of_their_own_and_are_told_before_they_go(shop: Shop) -> None:
    shop.past(Phase.ABORTED, *[Phase.REFUSED] * (REFUSED_KEPT + 5))

    assert RedisRetention(shop.client).tidy(BEGAN + REFUSED_FOR) == 0
    assert RedisRetention(shop.client).tidy(BEGAN + REFUSED_FOR + 60) == 5
    assert len(shop.kept()) == REFUSED_KEPT + 1
    assert shop.kept()[0] == "r1"


def test_a_start_is_refused_in_its_own_words_also_where_somebody_has_taken_the_key_that_bounds_them(
    shop: Shop,
) -> None:
    shop.client.set(KEYS.refused, "somebody else's")
    failures: list[tuple[str, Exception]] = []
    store = RedisStore(shop.client, failed=lambda about, error: failures.append((about, error)))
    asked = rollout(1, phase=Phase.REFUSED)

    filed = store.file(asked, [entry("not now")])

    assert store.refusals(KEY) == [filed]
    assert [about for about, _ in failures] == [f"refusals of {KEY}"]


def test_refused_starts_of_one_hour_are_bounded_by_whoever_asks_for_another(shop: Shop) -> None:
    """A member of the workspace may ask faster than the leader removes."""
    shop.past(Phase.PROMOTED)
    sizes = set[int]()
    for number in range(2, 3 * REFUSED_MOST):
        shop.store.file(rollout(number, phase=Phase.REFUSED), [entry("not now")])
        sizes.add(len(shop.names()))

    newest = [f"r{number}" for number in range(2 * REFUSED_MOST, 3 * REFUSED_MOST)]
    assert shop.server.client.zrange(KEYS.history, 0, -1) == ["r1", *newest]
    assert len(shop.names(KEYS.story(RolloutId("*")))) == REFUSED_MOST + 1
    assert max(sizes) == len(shop.names())
    assert [one.spec.id for one in shop.store.history(KEY)] == ["r1"]


def test_young_rollouts_are_bounded_as_well(shop: Shop) -> None:
    """Whoever starts and aborts all day fills nothing up."""
    shop.past(Phase.PROMOTED, *[Phase.ABORTED] * (YOUNG_MOST + 5))
    retention = RedisRetention(shop.client, FEW)

    assert retention.tidy(BEGAN) + retention.tidy(BEGAN) == 5  # the promoted one is needed, and counts

    assert len(shop.server.client.zrange(KEYS.history, 0, -1)) == YOUNG_MOST + 1


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "null", '{"rollout":[]}', '{"rollout":{"phase":{}}}', "\x00", ""])
def test_a_record_that_cannot_be_read_goes_once_it_is_that_old_unless_it_is_the_live_one(text: str, shop: Shop) -> None:
    shop.past(Phase.ABORTED, Phase.MIRRORING)
    shop.past(*[Phase.ABORTED] * 4, first=3)
    for one in ("r1", "r2"):
        shop.server.client.set(KEYS.rollout(RolloutId(one)), text)

    RedisRetention(shop.client, FEW).tidy(LATER)

    assert shop.kept() == ["r2", "r4", "r5", "r6"]


def test_a_place_in_the_history_without_a_record_is_harmless_and_goes(shop: Shop) -> None:
    last = shop.past(*[Phase.ABORTED] * 5)[-1]
    shop.server.client.delete(*(KEYS.rollout(RolloutId(f"r{number}")) for number in (1, 3)))

    assert list(shop.store.history(KEY, 1)) == [last]
    assert [one.spec.id for one in shop.store.history(KEY)] == ["r5", "r4", "r2"]
    assert RedisRetention(shop.client, FEW).tidy(LATER) == 2
    assert shop.server.client.zrange(KEYS.history, 0, -1) == ["r3", "r4", "r5"]


def test_a_rollout_that_has_changed_since_it_was_looked_at_stays(shop: Shop) -> None:
    (live,) = shop.past(Phase.MIRRORING)
    text = shop.client.get(KEYS.rollout(live.spec.id))
    one = live.spec.id
    names = (KEYS.history, KEYS.active, KEYS.rollout(one), KEYS.story(one), KEYS.card(one), KEYS.cards, KEYS.tries)

    assert shop.client.eval(REMOVE, 7, *names, one, str(text)) == 0  # it is live
    shop.store.save(replace(live, phase=Phase.ABORTED))
    assert shop.client.eval(REMOVE, 7, *names, one, str(text)) == 0  # and its record is another
    assert shop.store.load(KEY, one) is not None


def test_it_goes_in_small_steps_and_is_done_when_nothing_is_left_to_do(shop: Shop) -> None:
    for number, service in enumerate(("details", "ratings", "reviews")):
        shop.past(*[Phase.ABORTED] * 6, service=service, first=1 + 10 * number)
    retention = RedisRetention(shop.client, FEW, services_at_once=2, removals_at_once=4)

    steps = [retention.tidy(LATER) for _ in range(5)]

    assert sum(steps) == 9
    assert max(steps) <= 4
    assert steps[-1] == 0


def test_a_quiet_service_is_looked_through_once_an_hour(shop: Shop) -> None:
    shop.past(*[Phase.ABORTED] * 4)
    retention = RedisRetention(shop.client, FEW)
    retention.tidy(BEGAN)

    assert retention.tidy(BEGAN + 1800) == 0
    before = shop.server.client.info("commandstats")["cmdstat_get"]["calls"]
    retention.tidy(BEGAN + 1860)
    assert shop.server.client.info("commandstats")["cmdstat_get"]["calls"] == before
    assert retention.tidy(LATER) == 1


@pytest.mark.parametrize("name", [KEYS.history, KEYS.outbox, KEYS.tries, KEYS.cards, KEYS.active])
def test_what_somebody_else_put_under_one_services_keys_keeps_no_other_from_its_turn(name: str, shop: Shop) -> None:
    shop.past(*[Phase.ABORTED] * 5)
    shop.past(*[Phase.ABORTED] * 5, service="ratings", first=11)
    shop.server.client.delete(name)
    shop.server.client.pfadd(name, "theirs")
    if name == KEYS.history:
        shop.server.client.delete(name)
        shop.server.client.rpush(name, "theirs")

    RedisRetention(shop.client, FEW).tidy(LATER)

    assert len(shop.kept("default/ratings")) == 3


def test_a_redis_that_is_away_is_a_fault() -> None:
    with pytest.raises(Fault, match="cannot be reached"):
        RedisRetention(connect("redis://127.0.0.1:1/0")).tidy(LATER)


ENDS = (Phase.PROMOTED, Phase.ABORTED, Phase.REFUSED, Phase.ABANDONED)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(ENDS), st.integers(0, 400)), max_size=30),
    st.integers(1, 6),
    st.integers(0, 200),
)
def test_law_what_is_kept_is_what_is_new_young_or_needed(
    redis_server: Server, past: list[tuple[Phase, int]], rollouts: int, days: int
) -> None:
    redis_server.client.flushall()
    client = connect(redis_server.url)
    made = []
    for number, (phase, age) in enumerate(past):
        one = rollout(number, phase=phase)
        made.append(replace(one, spec=replace(one.spec, started_at=LATER - age * DAY - 7200)))
        RedisStore(client).create(made[-1], [])
    RedisRetention(client, Retention(rollouts=rollouts, days=days)).tidy(LATER)

    kept = set(redis_server.client.zrange(KEYS.history, 0, -1))
    client.close()
    newest = sorted(made, key=lambda one: (one.spec.started_at, one.spec.id), reverse=True)
    others = [one for one in newest if one.phase is not Phase.REFUSED]
    promoted = [one.spec.id for one in others if one.phase is Phase.PROMOTED][:1]
    wanted = {one.spec.id for one in others[:rollouts]} | set(promoted)
    wanted |= {one.spec.id for one in others if one.spec.started_at >= LATER - days * DAY}
    wanted |= {one.spec.id for one in newest if one.phase is Phase.REFUSED}
    refused = [one.spec.id for one in newest if one.phase is Phase.REFUSED]
    assert kept == wanted - set(refused[REFUSED_KEPT:])


# --- what else is there ----------------------------------------------------------------------------------------------


def test_words_of_a_service_that_left_the_file_go_in_the_end_and_so_does_what_was_noted_about_them(shop: Shop) -> None:
    live = shop.store.create(rollout(), [])
    old = {"rollout": "r1", "revision": "1", "number": "0", "entry": "{}"}
    shop.server.client.xadd(KEYS.outbox, old, id="5-1")  # type: ignore[arg-type]  # redis's own types
    shop.server.client.hset(KEYS.tries, mapping={"5-1": "2", "5-1:told": "1", "card:gone": "1", "card:r1": "1"})
    shop.store.save(live, [entry("new")])
    new = next(one for one in shop.outbox.pending() if one.entry is not None and one.id != "5-1")
    shop.outbox.note_tries(new, 1)

    RedisRetention(shop.client, FEW).tidy(BEGAN)

    assert [one.id for one in shop.outbox.pending() if one.entry is not None] == [new.id]
    assert set(shop.server.client.hgetall(KEYS.tries)) == {new.id, "card:r1"}


def test_a_rollouts_story_and_that_of_all_freezes_keep_their_newest_lines(shop: Shop) -> None:
    live = shop.store.create(rollout(), [entry("begun")])
    fill = "for i = 1, ARGV[2] do redis.call('XADD', KEYS[1], '*', ARGV[1], '{}') end"
    shop.server.client.eval(fill, 1, KEYS.story(live.spec.id), "entry", redis_store.STORY_LINES)
    shop.server.client.eval(fill, 1, FREEZES_STORY, "line", redis_freezes.STORY_LINES)

    shop.store.save(live, [entry("last")])
    freezes = RedisFreezes(shop.client)
    freezes.freeze(a_freeze())
    freezes.unfreeze(a_freeze(), by=MAYA, now=1001.0)

    assert shop.server.client.xlen(KEYS.story(live.spec.id)) == redis_store.STORY_LINES
    assert shop.server.client.xlen(FREEZES_STORY) == redis_freezes.STORY_LINES
    assert shop.store.story(KEY, live.spec.id)[-1] == entry("last")


def test_what_was_served_forgets_itself(shop: Shop) -> None:
    assert RedisDeduplication(shop.client).is_new("one")

    assert 0 < shop.server.client.ttl("canary:served:one") <= REMEMBERED_FOR


def test_nothing_else_is_left_of_a_year_of_rollouts(shop: Shop) -> None:
    """Every key there is belongs to a rollout that is kept, or there is one of it for each service, or for all."""
    shop.past(*[Phase.PROMOTED, Phase.REFUSED, Phase.ABORTED] * 20)
    RedisRetention(shop.client, FEW).tidy(LATER)

    names = shop.names()
    of_rollouts = {name for name in names if name.startswith(f"canary:{{{KEY}}}:") and name.count(":") == 3}
    indexes = {"canary:index:services", "canary:index:words"}  # of names of services
    assert names - of_rollouts - indexes == {KEYS.history, KEYS.outbox}  # of which the latter is empty
    assert shop.server.client.xlen(KEYS.outbox) == 0
    assert len(of_rollouts) == 3 * (FEW.rollouts + REFUSED_KEPT)
