"""What goes wrong around a rollout in a cell of the crash matrix, beside the kill: the kinds of the fault schedules.

They are those of ``tests.torture.surroundings``, for which a ``Scene`` is what a rig is in the schedules: here time is
real, the bot is a process, and what is done by hand is done once the rollout has come so far.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from redis import Redis

from bot.adapters.serialization import Keys
from bot.model.rollout import RolloutId
from bot.model.signing import Signer
from sandbox.catalogue import WEBHOOKS, services_yaml
from sandbox.figures import Figures
from sandbox.kube import bookinfo
from sandbox.kube.objects import Object
from sandbox.kube.server import KubeApi
from sandbox.ports import LOOPBACK
from sandbox.sides import Ground, rates
from sandbox.traffic import Traffic
from sandbox.wire import Latch, Moment, Request, Trouble
from tests.torture.events import Held
from tests.torture.rig import KEY, NEIGHBOUR, RATINGS
from tests.torture.surroundings import Around, Heal

USERS_PER_SECOND = 1000.0
REQUEST_COST = 0.16  # percent of what a pod requests, for each request a second: as many as there are carry all users
# Another service, with routes of its own in the same VirtualService.
BESIDE = {
    "host": "beside",
    "destination_rule": "beside",
    "primary": {"deployment": "beside-v1"},
    "canary": {"deployment": "beside-{version}"},
}
WHOLE, FEWER = 2, 0.3  # pods of the primary at first; the share of users that stay when most leave
HPA_SECONDS = 0.1  # between two reconciles of HPAs
SIGNING_KEY = "a key of the crash matrix and of no other bot"
SIGNER = Signer(keys=(SIGNING_KEY.encode(),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Upset:
    """Something goes wrong once a rollout has come so far, and a person's command ends it all the same.

    Attributes:
        at: the stage in which it begins.
        what: a method of ``Around`` or of ``Upsets``, with its ``details``.
        says: the command; "": the question of stage ``at`` is answered once it has begun, or the bot acts by itself.
        says_in: the stage in which that is said, if it is another one. The rollout stays there until it is.
        heals_in: the stage in which it is over again, once a write of routes was tried there; "": after the end.
    """

    at: str
    what: str
    details: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""
    says_in: str = ""
    heals_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisDatabase:
    """An empty database of a Redis server."""

    port: int
    database: int


@dataclass(kw_only=True)
class Surroundings:
    """What is around the bot in one cell, for whoever changes it by hand.

    Attributes:
        restart: ends the bot, if it lives, and starts it again.
    """

    kube: KubeApi
    figures: Figures
    traffic: Traffic
    place: RedisDatabase
    ground: Ground
    objects: list[Object]
    service: Mapping[str, Any]
    file: Path
    restart: Callable[[], None]
    webhooks: str  # where they end up
    neighbour: bool = False
    signer: Signer = SIGNER
    garbled: bool = False
    remade: bool = False
    withdrawn: int = 0
    scraping: int = 0
    _users: float = USERS_PER_SECOND
    _held: list[tuple[Held, Latch]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.redis = Redis(LOOPBACK, self.place.port, db=self.place.database)  # past every fault

    # Users

    def crowd(self, factor: float) -> None:
        """So many times the users."""
        self._users = USERS_PER_SECOND * factor
        self.count_users()

    def count_users(self) -> None:
        """Users follow the routes to whatever pods are ready."""
        self.traffic.now(rates=rates(self.kube.store, self.ground, self._users))

    def load(self, _namespace: str, name: str) -> float | None:
        """What HPAs see of a Deployment; nothing before there are users."""
        now = self.traffic.stretches[-1].rates.items() if self.traffic.stretches else ()
        return REQUEST_COST * sum(rate for target, rate in now if target.partition("/")[0] == name) if now else None

    def settle(self) -> None:
        """Controllers have threads of their own here."""
        self.count_users()

    # Requests

    def hold(self, held: Held) -> Latch:
        """The next such request hangs on its way."""
        latch = Latch()
        self._held.append((held, latch))
        return latch

    @property
    def waits(self) -> bool:
        """Whether a request is still waited for that is to hang."""
        return bool(self._held)

    def let_go(self, latch: Latch) -> None:
        """It lands now."""
        assert latch.release(), "A write that hung was never served."

    def caught(self, request: Request, moment: Moment) -> Trouble | None:
        """What becomes of a request that is to hang."""
        for held, latch in self._held:
            if (held.system, held.moment) == (request.system, moment) and request.kind.startswith(held.kinds):
                self._held.remove((held, latch))
                return Trouble(latch=latch)
        return None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Nothing of what hangs is anybody else's here."""
        yield

    # Files and records

    def edit_file(self, how: str) -> None:
        """services.yaml is another one ("": as it was), and the bot is started again with it."""
        self.write_file(how)
        self.restart()

    def write_file(self, how: str = "") -> None:
        """services.yaml as it is, or as it is without the service."""
        ours = dict(self.service)
        known = {"ratings": ours | RATINGS} if how == "left" else {"reviews": ours}
        beside = {NEIGHBOUR: ours | BESIDE} if self.neighbour else {}
        self.file.write_text(services_yaml(known | beside).replace(WEBHOOKS, self.webhooks), encoding="utf-8")

    def record(self) -> str:
        """The key of the live rollout's record; "" where none is live."""
        keys = Keys(service=KEY)
        found = self.redis.get(keys.active)
        return keys.rollout(RolloutId(found.decode())) if isinstance(found, bytes) else ""

    def rollouts(self) -> Sequence[RolloutId]:
        """Every rollout that the store has heard of, also those whose records cannot be read."""
        found = cast("list[bytes]", self.redis.zrange(Keys(service=KEY).history, 0, -1))
        return [RolloutId(one.decode()) for one in found]


def beside(objects: Sequence[Object]) -> list[Object]:
    """The cluster with the other service in it as well."""
    theirs = bookinfo.service_objects("beside")
    (route,) = next(one["spec"]["http"] for one in theirs if one["kind"] == "VirtualService")
    shared = copy.deepcopy(list(objects))
    for vs in (one for one in shared if one["kind"] == "VirtualService"):
        vs["spec"]["http"].insert(0, {"match": [{"uri": {"prefix": "/beside"}}], **route})
    kinds = {"Service", "DestinationRule", "Deployment"}
    text = json.dumps([one for one in theirs if one["kind"] in kinds])
    return [*shared, *json.loads(text.replace('"version": "v', '"version": "beside-v'))]  # nobody else's subsets


class Upsets(Around):
    """The upset of one cell: whether it has begun, and what ends it."""

    def __init__(self, surroundings: Surroundings, upset: Upset, persuade: Callable[[str, str], None]) -> None:
        """``persuade``: types a command until somebody is answered with these words."""
        super().__init__(surroundings)
        self.upset = upset
        self.started = False  # a bot that is killed from now on has met it
        self.begun = False
        self._surroundings = surroundings
        self._persuade = persuade
        self._heal: Heal | None = None
        self._taken_over = False

    def begin(self) -> None:
        """It happens now."""
        self.started = True
        self._heal = getattr(self, self.upset.what)(**self.upset.details)
        self.begun = True

    def heal(self) -> None:
        """It is over, if it was not."""
        heal, self._heal = self._heal, None
        if heal is not None:
            heal()

    @property
    def ready(self) -> bool:
        """Whether it has come so far that the person speaks."""
        if not self.begun or self._surroundings.waits:
            return False
        if self.upset.what == "hold_write" and not self._taken_over:
            self._taken_over = True
            self._surroundings.restart()  # it dies with its write under way, and another replica takes the lease
        if self.upset.what == "canary_fails":
            return False  # the bot takes users away, and nobody sends them on before
        return self.upset.what != "fewer_users" or self._pods_wanted() < WHOLE

    # What only a cell does

    def fewer_users(self) -> Heal:
        """Most users leave, and the primary's HPA scales it in."""
        return self.users_change(FEWER)

    def canary_fails(self, share: float) -> Heal:
        """So many of the canary's answers are errors."""
        self._surroundings.traffic.now(bad={self._surroundings.ground.canary: share})
        return lambda: self._surroundings.traffic.now(bad={})

    def _pods_wanted(self) -> int:
        found = self._surroundings.kube.store.get(
            "Deployment", self._surroundings.ground.namespace, self._surroundings.ground.primary
        )
        return int(found["spec"]["replicas"]) if found else 0

    def set_prometheus_clock(self, seconds: float) -> Heal:
        """Prometheus' clock is set, and is not the bot's any more."""
        self._surroundings.figures.scraped.skew = seconds

        def back() -> None:
            self._surroundings.figures.scraped.skew = 0.0

        return back

    def try_in_vain(self, command: str, answer: str) -> None:
        """Somebody asks for what must be refused, and is told so."""
        self._persuade(command, answer)

    def delete_for_a_moment(self, thing: str) -> None:
        """An object is deleted, and made again from somebody's files at once."""
        self.delete(thing)()
