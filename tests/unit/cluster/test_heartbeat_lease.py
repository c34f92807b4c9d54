"""Beats against failsafe actions, in every order: a bot that is back is never acted upon, and a silent one always is.

Bot and watchdogs are the real adapters. The API server is a table with its rules (a write of what was read before is
refused, a write that changes nothing is none), and lets one request through at a time, in an order that is drawn up
beforehand: every one there is for a bot and a watchdog, and many for two watchdogs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import combinations
from typing import Any

import pytest

from bot.adapters.failsafe import KubeFailsafe
from bot.adapters.lease_heartbeats import LeaseHeartbeats
from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.model.errors import Cause, Contended, Fault
from bot.model.observation import FailsafeAction, FailsafeRecord
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes
from tests.builders import a_target
from tests.fakes.mesh import reviews

ME, OLDER = RolloutId("r-2"), RolloutId("r-1")
TARGET = a_target()
RECORDED = PodTemplate(images={"reviews": "reviews:1"})
SIXTY = Routes(canary=60)
LIMIT = 120.0
VS, LEASE = ("VirtualService", "default", "reviews"), ("Lease", "default", "canary-bot-reviews")
HELP = FailsafeRecord(at=1.0, silence=LIMIT, action=FailsafeAction.HOME)

Object = dict[str, Any]
Key = tuple[str, str, str]


class Server:
    """Objects under optimistic concurrency, and the list of what was asked: who, how, what, and whether it was done."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.log: list[tuple[str, str, str, bool]] = []
        self.turn: Callable[[str], None] = lambda _who: None
        self._version = 0

    def write(self, key: Key, obj: Object) -> Object:
        before = self.objects.get(key)
        if before is not None and _bare(before) == _bare(obj):
            return deepcopy(before)
        self._version += 1
        stored = deepcopy(obj)
        stored["metadata"] |= {"resourceVersion": str(self._version), "uid": f"uid-{key[0]}"}
        self.objects[key] = stored
        return deepcopy(stored)


class Connection:
    """What the adapters use of ``Kube``, on behalf of ``who``."""

    def __init__(self, server: Server, who: str) -> None:
        self._server = server
        self._who = who

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        self._server.turn(self._who)
        self._server.log.append((self._who, "get", kind, True))
        return deepcopy(self._server.objects.get((kind, namespace, name)))

    def put(self, obj: Object, *, dry_run: bool = False) -> Object:
        assert not dry_run
        self._server.turn(self._who)
        key = _key(obj)
        before = self._server.objects.get(key)
        done = before is not None and before["metadata"]["resourceVersion"] == obj["metadata"].get("resourceVersion")
        self._server.log.append((self._who, "put", key[0], done))
        if before is None and key[0] == "Lease":  # made by PUT as well, were it not for the uid of the one that went
            raise Contended("Kubernetes", "Precondition failed: UID in precondition: uid-Lease, UID in object meta: ")
        if before is None:
            raise Fault("Kubernetes", "it does not exist.", Cause.MISSING)
        if not done:
            raise Contended("Kubernetes", "the object has been modified.")
        return self._server.write(key, obj)

    def create(self, obj: Object) -> Object:
        self._server.turn(self._who)
        key = _key(obj)
        done = key not in self._server.objects
        self._server.log.append((self._who, "create", key[0], done))
        if not done:
            raise Contended("Kubernetes", "it already exists.")
        return self._server.write(key, obj)


def _key(obj: Object) -> Key:
    return obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


class Play:
    """A rollout at 60 %, whose heartbeat somebody has listened for; then everybody acts, one request at a time."""

    def __init__(self, before: str) -> None:
        self.server = Server()
        self.clock = 0.0
        vs = virtual_services.claim(reviews(), TARGET, SIXTY, owner=ME, recorded=RECORDED, now=0.0)
        self.server.write(VS, vs)
        self.heart = self.a_bot()
        if before in {"beating", "taken", "restarted"}:
            self.heart.beat(self.vs(), ME, LIMIT)
        if before == "taken":  # by a watchdog that died then
            self.server.write(LEASE, heartbeat_lease.taken(self.server.objects[LEASE], 1.0))
        if before in {"taken", "restarted"}:
            self.heart = self.a_bot()
        if before == "an older rollout's":
            self.server.write(LEASE, heartbeat_lease.beaten(None, self.vs(), OLDER, "a", LIMIT, 0.0))
        self.server.log.clear()
        self.beat = self.heard()
        self.endings: dict[str, str] = {}

    def a_bot(self) -> LeaseHeartbeats:
        return LeaseHeartbeats(Connection(self.server, "bot"), self.now, ["a"])  # type: ignore[arg-type]  # what it needs of one

    def now(self) -> float:
        return self.clock  # it stands still: no order of anything hangs on it

    def vs(self) -> Object:
        return deepcopy(self.server.objects[VS])

    def heard(self) -> str:
        heartbeat = virtual_services.heartbeat_of(self.vs(), heartbeat_lease.read(self.server.objects.get(LEASE), ME))
        assert heartbeat is not None
        return heartbeat.beat

    def comes_back(self) -> None:
        """The bot beats; where that meets somebody else's write, at its next reconcile again."""
        for _ in range(4):
            try:
                self.heart.beat(self.vs(), ME, LIMIT)
            except Contended:
                continue
            return

    def failsafes(self, who: str) -> None:
        """A watchdog that has heard nothing since ``beat``."""
        annotations = virtual_services.rollout_annotations_of(self.vs())
        assert annotations is not None
        failsafe = KubeFailsafe(Connection(self.server, who), self.now)  # type: ignore[arg-type]  # as above
        failsafe.apply(annotations, self.beat, HOME, HELP)

    def run(self, actions: dict[str, Callable[[], None]], order: Sequence[str]) -> None:
        """Everybody's requests in this order; who is not named any more dies, and the bot finishes on its own."""
        turns = Turns(actions, order)
        self.server.turn = turns.wait
        turns.play(self.endings)
        self.server.turn = lambda _who: None

    @property
    def routes(self) -> object:
        return virtual_services.read_routes(self.vs(), TARGET)


class Died(Exception):  # noqa: N818  # an end, and no error
    """Nothing of this actor's arrives any more."""


class Turns:
    """Lets threads make one request each when it is their turn, which lasts until they ask for another one or end."""

    def __init__(self, actions: dict[str, Callable[[], None]], order: Sequence[str]) -> None:
        self._actions = actions
        self._order = list(order)
        self._changed = threading.Condition()
        self._over: set[str] = set()
        self._acting = ""

    def wait(self, who: str) -> None:
        with self._changed:
            self._rest(who)
            while True:
                while self._order and self._order[0] in self._over:
                    self._order.pop(0)
                if who not in self._order:
                    if who != "bot":
                        raise Died
                    if not self._order and not self._acting:
                        return
                elif self._order[0] == who and not self._acting:
                    self._order.pop(0)
                    self._acting = who
                    return
                self._changed.wait(5.0)

    def _rest(self, who: str) -> None:
        if self._acting == who:
            self._acting = ""
            self._changed.notify_all()

    def play(self, endings: dict[str, str]) -> None:
        threads = [threading.Thread(target=self._act, args=(who, endings)) for who in self._actions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
            assert not thread.is_alive()

    def _act(self, who: str, endings: dict[str, str]) -> None:
        try:
            self._actions[who]()
            endings[who] = "done"
        except Contended:
            endings[who] = "contended"
        except Died:
            endings[who] = "died"
        finally:
            with self._changed:
                self._rest(who)
                self._over.add(who)
                self._changed.notify_all()


BEFORE = ["beating", "restarted", "taken", "none yet", "an older rollout's"]
MOST_OF_THE_BOT, MOST_OF_A_DOG = 6, 4  # requests


def orders() -> Iterator[list[str]]:
    """Every order of a bot's and a watchdog's requests; the watchdog dies after any of its own."""
    for dogs in range(MOST_OF_A_DOG + 1):
        length = MOST_OF_THE_BOT + dogs
        for places in combinations(range(length), dogs):
            yield ["dog" if at in places else "bot" for at in range(length)]


def signs_of_life(log: list[tuple[str, str, str, bool]], since: int, until: int) -> list[tuple[str, str, str, bool]]:
    """What the bot wrote between two requests."""
    return [one for one in log[since:until] if one[0] == "bot" and one[1] != "get" and one[3]]


def judge(play: Play, dogs: Sequence[str], order: Sequence[str]) -> None:
    log = play.server.log
    for dog in dogs:
        wrote = [at for at, one in enumerate(log) if one == (dog, "put", "VirtualService", True)]
        for at in wrote:
            reconciled = next(index for index, one in enumerate(log) if one[:3] == (dog, "get", "VirtualService"))
            assert signs_of_life(log, reconciled, at) == [], f"acted on a living rollout: {order} {log}"
    acted = any(one[1:] == ("put", "VirtualService", True) and one[0] in dogs for one in log)
    assert play.routes == (HOME if acted else SIXTY)
    # The bot lives: it holds the Lease again, and whatever was done meanwhile is there to be seen.
    assert heartbeat_lease.is_held(play.server.objects.get(LEASE), ME, "a"), f"{order} {log}"
    assert (virtual_services.failsafe_record_of(play.vs()) is not None) is acted


@pytest.mark.parametrize("before", BEFORE)
def test_in_every_order_a_bot_that_is_back_keeps_its_users_and_one_that_is_not_loses_them(before: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for order in orders():
        play = Play(before)
        play.run({"bot": play.comes_back, "dog": lambda play=play: play.failsafes("dog")}, order)  # type: ignore[misc]  # bound
        judge(play, ["dog"], order)
        seen.add((play.endings["dog"], str(play.routes)))
    assert {ending for ending, _ in seen} == {"done", "contended", "died"}


@pytest.mark.parametrize("before", BEFORE)
def test_two_watchdogs_are_no_more_dangerous_than_one(before: str) -> None:
    dice = random.Random(before)  # noqa: S311  # no secret: the same orders again
    for _ in range(250):
        order = ["bot"] * MOST_OF_THE_BOT + ["dog"] * dice.randint(1, 4) + ["other"] * dice.randint(1, 4)
        dice.shuffle(order)
        play = Play(before)
        play.run(
            {
                "bot": play.comes_back,
                "dog": lambda play=play: play.failsafes("dog"),  # type: ignore[misc]  # bound
                "other": lambda play=play: play.failsafes("other"),  # type: ignore[misc]  # bound
            },
            order,
        )
        judge(play, ["dog", "other"], order)


@pytest.mark.parametrize("before", BEFORE)
def test_a_silent_bots_users_are_brought_home_also_after_a_watchdog_that_died_half_way(before: str) -> None:
    for steps in range(MOST_OF_A_DOG):
        play = Play(before)
        play.run({"dog": lambda play=play: play.failsafes("dog")}, ["dog"] * steps)  # type: ignore[misc]  # bound
        assert play.heard() == play.beat  # the next one counts the same silence on

        play.failsafes("other")

        assert play.routes == HOME


def test_a_living_bot_writes_one_object_a_beat_and_it_is_not_the_virtual_service() -> None:
    play = Play("beating")
    for _ in range(5):
        play.heart.beat(play.vs(), ME, LIMIT)
    assert play.server.log == [("bot", "put", "Lease", True)] * 5


def test_a_lease_that_somebody_deletes_comes_back_with_a_beat_on_the_object_first() -> None:
    play = Play("beating")
    del play.server.objects[LEASE]
    with pytest.raises(Contended):
        play.heart.beat(play.vs(), ME, LIMIT)
    play.heart.beat(play.vs(), ME, LIMIT)
    writes = [(verb, kind) for _, verb, kind, done in play.server.log if verb != "get" and done]
    assert writes == [("put", "VirtualService"), ("create", "Lease")]


class Forbidding(Connection):
    """A Role from before there were Leases."""

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        if kind == "Lease":
            raise Fault("Kubernetes", "Could not read Lease: forbidden.", Cause.FORBIDDEN)
        return super().get(kind, namespace, name)


def test_where_leases_are_forbidden_the_beat_is_on_the_object_as_before() -> None:
    play = Play("none yet")
    heart = LeaseHeartbeats(Forbidding(play.server, "bot"), play.now, ["a"])  # type: ignore[arg-type]  # as above
    beats = {play.heard()}
    for _ in range(3):
        heart.beat(play.vs(), ME, LIMIT)
        beats.add(play.heard())
    assert len(beats) >= 2
    assert [one for one in play.server.log if one[1] == "put"] == [("bot", "put", "VirtualService", True)] * 3
    with pytest.raises(Contended):
        play.failsafes("dog")


# What a Lease says


def test_a_lease_names_its_rollout_its_bot_and_how_long_it_is_good_for() -> None:
    lease = heartbeat_lease.beaten(None, Play("beating").vs(), ME, "a", 119.5, 1_750_000_000.25)
    assert lease["metadata"]["name"] == "canary-bot-reviews"
    assert lease["metadata"]["annotations"][heartbeat_lease.OWNER] == ME
    assert lease["metadata"]["ownerReferences"][0]["name"] == "reviews"
    assert lease["spec"]["leaseDurationSeconds"] == 120
    assert lease["spec"]["renewTime"] == "2025-06-15T15:06:40.250000Z"
    heard = heartbeat_lease.read(lease, ME)
    assert heard is not None
    assert (heard.limit, heard.holder, heard.store, heard.renewed_at) == (120.0, "canary-bot", "a", 1_750_000_000.25)


def test_a_lease_that_was_taken_over_as_often_as_can_be_counted_is_taken_over_again() -> None:
    lease = heartbeat_lease.beaten(None, Play("beating").vs(), ME, "a", LIMIT, 0.0)
    lease["spec"]["leaseTransitions"] = heartbeat_lease.MOST_TRANSITIONS
    for _ in range(3):
        taken = heartbeat_lease.taken(lease, 1.0)
        assert 0 <= taken["spec"]["leaseTransitions"] <= heartbeat_lease.MOST_TRANSITIONS
        assert taken["spec"] != lease["spec"]
        lease = heartbeat_lease.beaten(taken, Play("beating").vs(), ME, "a", LIMIT, 2.0)
        assert heartbeat_lease.is_held(lease, ME, "a")


def test_a_lease_of_another_rollout_or_of_nobody_says_nothing_about_this_one() -> None:
    lease = heartbeat_lease.beaten(None, Play("beating").vs(), OLDER, "a", LIMIT, 0.0)
    assert heartbeat_lease.read(lease, ME) is None
    assert heartbeat_lease.read(None, ME) is None
    assert heartbeat_lease.read({"metadata": {"name": "canary-bot-reviews"}}, ME) is None


@pytest.mark.parametrize("spec", [{}, {"renewTime": "yesterday"}, {"leaseDurationSeconds": None}, {"renewTime": None}])
def test_a_lease_that_somebody_has_garbled_is_another_beat_and_no_crash(spec: Object) -> None:
    lease = heartbeat_lease.beaten(None, Play("beating").vs(), ME, "a", LIMIT, 0.0) | {"spec": spec}
    lease["metadata"]["annotations"][heartbeat_lease.BEATS] = "many"
    heard = heartbeat_lease.read(lease, ME)
    assert heard is not None
    assert heard.renewed_at is None
    assert heartbeat_lease.is_held(heartbeat_lease.beaten(lease, Play("beating").vs(), ME, "a", LIMIT, 0.0), ME, "a")


@pytest.mark.parametrize("length", [1, 230, 241, 242, 243, 252, 253])
def test_the_name_is_one_that_an_api_server_takes_and_no_other_objects(length: int) -> None:
    one, other = f"{'a' * (length - 1)}b", f"{'a' * (length - 1)}c"
    assert len(heartbeat_lease.name_for(one)) <= heartbeat_lease.LONGEST_NAME
    assert heartbeat_lease.name_for(one) != heartbeat_lease.name_for(other)
    assert heartbeat_lease.name_for(one) != heartbeat_lease.WATCHING


@pytest.mark.parametrize(("stored", "foreign"), [("a", False), ("", False), ("b", True)])
def test_a_bot_is_another_one_only_where_both_say_which_store_is_theirs(stored: str, *, foreign: bool) -> None:
    play = Play("beating")
    heard = heartbeat_lease.read(heartbeat_lease.beaten(None, play.vs(), ME, stored, LIMIT, 0.0), ME)
    assert heard is not None
    assert play.heart.is_foreign(heard) is foreign
    assert not LeaseHeartbeats(Connection(play.server, "bot"), play.now).is_foreign(heard)  # type: ignore[arg-type]  # as above
