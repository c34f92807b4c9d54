"""A controller with its real adapters, its delivery, and a world of stand-ins, moved on a sweep at a time.

Time is the rig's own: a sweep is five seconds, and none of them is waited for. Everything else is as in production:
the adapters speak HTTP with the stand-ins and Redis' protocol with a real server, through a proxy that can fail.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from kubernetes import client
from redis import Redis
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from bot import bootstrap
from bot.adapters import redis_connection
from bot.adapters.failsafe import KubeFailsafe
from bot.adapters.istio import IstioMesh
from bot.adapters.kube import WATCHDOG_MANAGER, Kube
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import Keys
from bot.adapters.snapshot import KubeSnapshots
from bot.adapters.workloads import KubeWorkloads
from bot.cluster.virtual_service import is_signed
from bot.controller.adoption import Adoption
from bot.controller.controller import Controller
from bot.controller.heartbeat import Heartbeats
from bot.controller.ports import Metrics
from bot.controller.watchdog import Watchdog
from bot.model.errors import CanaryError
from bot.model.rollout import Rollout, RolloutId
from bot.settings.env import read_settings
from bot.slack.client import web_client
from bot.slack.delivery import Delivery
from bot.slack.web_api import Channel
from sandbox.catalogue import services_yaml
from sandbox.figures import Figures
from sandbox.kube.server import KubeApi
from sandbox.ports import LOOPBACK
from sandbox.redis_proxy import RedisProxy
from sandbox.referee import Ready, Referee
from sandbox.sides import rates
from sandbox.slack.server import Slack
from sandbox.traffic import Traffic
from sandbox.webhooks import Receiver
from sandbox.wire import Latch, Moment, Request, System, Trouble
from tests.audience import Audience
from tests.fakes.clock import FakeClock
from tests.messages import Reader
from tests.torture.accounts import Accounts, Bookkeeper
from tests.torture.callees import answer
from tests.torture.events import DEAD_MAN, TICK, Held, Noise
from tests.torture.schedule import SIGNING_KEY, Schedule

USERS_PER_SECOND = 40.0
POD_SECONDS = 4.0
PATIENCE = 60.0  # seconds, for whatever is only slow: nothing here hangs but what a schedule has hang
REQUEST_COST = 4.0  # percent of what a pod requests, for each request a second
KEY = "default/reviews"
NEIGHBOUR = "reviews-b"
RATINGS = {
    "virtual_service": "ratings",
    "destination_rule": "ratings",
    "primary": {"deployment": "ratings-v1"},
    "canary": {"deployment": "ratings-{version}"},
}
BESIDE = {"primary": {"deployment": "neighbour-v1"}, "canary": {"deployment": "neighbour-{version}"}}


@dataclass(slots=True)
class WallClock:
    """The clock on the wall of the bot's machine, which may be set."""

    true: FakeClock
    ahead: float = 0.0

    def now(self) -> float:
        """Seconds since the epoch, as that machine has it."""
        return self.true.now() + self.ahead


class Impatient(client.ApiClient):
    """The official client, which gives up when the schedule says so and never by the time that an answer takes.

    So a busy machine plays the same story. A wait that is over is a connection that the stand-in resets.
    """

    gives_up: Callable[[], bool] = staticmethod(lambda: False)

    def call_api(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        """As the original; whether nobody waits any longer is asked where a write's connection is reset."""
        try:
            return super().call_api(method, url, *arguments, **{**named, "_request_timeout": PATIENCE})
        except ProtocolError as reset:
            if method == "GET" or not self.gives_up():
                raise
            pool = self.rest_client.pool_manager.connection_from_url(url)
            raise ReadTimeoutError(pool, url, "nobody waits any longer") from reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """What a restart replaces: everything that only memory held."""

    adapters: bootstrap.Adapters
    controller: Controller
    adoption: Adoption
    delivery: Delivery

    def end(self) -> None:
        """Close what the process would close by ending."""
        self.controller.close()
        self.adapters.metrics.close()
        self.adapters.store._client.close()


class Rig:
    """One service's world, while the ``with`` block lasts."""

    api_client: type[client.ApiClient] = Impatient
    reads_names = False  # whether a Deployment may be named only for what it is; else both may run anything
    prometheus_patience = (PATIENCE, PATIENCE)  # seconds: for one query, for one look

    def __init__(self, directory: Path, redis_port: int, schedule: Schedule) -> None:
        self.schedule = schedule
        self.ground = schedule.ground
        self.clock = FakeClock()
        # Pods are called the same in each replay: when a target is scraped goes by its name.
        names = random.Random(schedule.seed)  # noqa: S311  # no secret
        self.kube = KubeApi(start_seconds=0.0, clock=self.clock.now, names=names)
        self.slack = Slack()
        self.slack.workspace.clock = self.clock.now
        self.traffic = Traffic(self.clock.now)
        self.figures = Figures(self.traffic, canaries=frozenset({self.ground.canary}))
        self.figures.closed = schedule.closed
        self.figures.scraped.skew = schedule.skew
        self.figures.scraped.salt = str(schedule.seed)
        self.accounts = Accounts(self.figures.scraped)
        self.audience = Audience()
        primary, canary = (self.ground.primary, self.ground.canary) if self.reads_names else ("", "")
        self.reader = Reader(primary, canary, figures=False)
        self.kube.store.subscribe(self.reader.observe)
        self.slack.workspace.subscribe(self.reader.read)
        self.kube.autoscalers.load = self._load
        self.proxy = RedisProxy(redis_port)
        self.receiver = Receiver()
        self.redis = Redis(port=redis_port)
        self.connection = redis_connection.connect(f"redis://{LOOPBACK}:{redis_port}/0")
        self.signer = schedule.signer
        self.store = RedisStore(self.connection, self.signer)  # past every fault, for whoever judges
        self.wall = WallClock(self.clock)
        self.noises: list[Noise] = []
        self.withdrawn = self.scraping = 0  # how many events of that kind are under way
        self.garbled = self.remade = False  # a record was, an object was
        self.redis_is_well = False  # whatever noise there is
        self.new_id: Callable[[], RolloutId] = bootstrap.new_id
        self._users = USERS_PER_SECOND
        self._file = ""
        self._under_way = 0  # events of that kind
        self._held: list[tuple[Held, Latch]] = []  # writes that will hang
        self._sent: dict[Latch, Ready] = {}  # those that do, and which pods were ready when they were sent
        self._stored: tuple[object, Rollout | None] = (None, None)  # the record that was read last, and what it says
        self._late: list[Latch] = []  # those of them that land in the next sweep
        self._given_up = False  # the write under way
        self.ambiguous = 0
        self.away = True  # the bot, every replica of it
        self.standby: Bot | None = None  # a replica that has led, and lives on with what it remembers
        self._dice = random.Random(schedule.seed + 1)  # noqa: S311  # no secret: the same again for the same seed
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for latch in (*(latch for _, latch in self._held), *self._late):
            latch.released.set()
        self.stop_bots()
        self._stack.close()

    def _open(self) -> None:
        self._stack.callback(self.redis.close)
        self._stack.callback(self.connection.close)
        self.redis.flushall()
        answer(self.receiver, self.schedule.callees)
        for part in (self.kube, self.slack, self.figures, self.proxy, self.receiver):
            self._stack.enter_context(part)
        self.kube.load(self.schedule.objects)
        self.kube.settle()
        for name in (self.ground.primary, self.ground.canary):
            self.kube.deployments.start_seconds(self.ground.namespace, name, POD_SECONDS)
        self.referee = Referee(self.kube.store, self.clock.now, self.ground, dead_man=DEAD_MAN)
        self.kube.witness(self.referee.observe)
        self.kube.store.subscribe(self._users_move)
        self.users_move()
        for wire in (self.kube.wire, self.slack.wire, self.proxy.wire):
            wire.listen(self._hear)
        self.start_bot()
        self.watchdog = self._watchdog()

    # The world

    def pass_time(self, seconds: float) -> None:
        """Let time go by for everybody."""
        self.late_ones_land()
        self.clock.advance(seconds)
        self.kube.settle()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The cluster as it is in somebody's files."""
        return self.schedule.objects

    def settle(self) -> None:
        """What follows from a change by hand has happened."""
        self.kube.settle()
        self.users_move()

    def users_move(self) -> None:
        """Users follow the routes to whatever pods are ready."""
        self.traffic.now(rates=rates(self.kube.store, self.ground, self._users))

    def crowd(self, factor: float) -> None:
        """So many times the users."""
        self._users = USERS_PER_SECOND * factor
        self.users_move()

    def _load(self, _namespace: str, name: str) -> float | None:
        """What HPAs see of a Deployment."""
        now = self.traffic.stretches[-1].rates.items()
        return REQUEST_COST * sum(rate for target, rate in now if target.partition("/")[0] == name)

    def _users_move(self, _what: str, obj: dict[str, Any]) -> None:
        if obj["kind"] in {"VirtualService", "Pod"}:
            self.users_move()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Somebody acts who is not the one with the bad line."""
        noises, self.noises = self.noises, []
        held, self._held = self._held, []
        yield
        self.noises, self._held = noises, held

    def hold(self, held: Held) -> Latch:
        """The next such request hangs on its way."""
        latch = Latch()
        self._under_way += 1
        self._held.append((held, latch))
        return latch

    @property
    def holding(self) -> bool:
        """Whether a write hangs, or is going to."""
        return self._under_way > 0

    def let_go(self, latch: Latch) -> None:
        """It lands now, if there was one, and is served before anything else happens."""
        self._under_way -= 1
        waiting = [one for _, one in self._held if one is latch]
        self._held = [(held, one) for held, one in self._held if one is not latch]
        if not waiting:
            self._land(latch)

    def _land(self, latch: Latch) -> None:
        with self.referee.landing(self._sent.pop(latch)):
            assert latch.release(PATIENCE), "A write that hung was never served."
        self.kube.settle()

    def late_ones_land(self) -> None:
        """What nobody waited for in the last sweep arrives."""
        late, self._late = self._late, []
        for latch in late:
            self._land(latch)

    def _gives_up(self) -> bool:
        """Whether the write whose connection was reset is one that nobody waits for any longer; asked once."""
        given_up, self._given_up = self._given_up, False
        return given_up

    def _hear(self, request: Request, moment: Moment) -> Trouble | None:
        if moment is Moment.AFTER:
            self.audience.note(request, self.store)
        if self.redis_is_well and request.system is System.REDIS:
            return None
        for held, latch in self._held:
            meant = (held.system, held.moment) == (request.system, moment) and request.kind.startswith(held.kinds)
            if meant and not request.rehearsal:
                self._held.remove((held, latch))
                return self._hang(latch)
        for noise in self.noises:
            meant = noise.system is request.system and noise.moment is moment and request.kind.startswith(noise.kinds)
            if meant and self._dice.random() < noise.share:
                self.ambiguous += request.system is System.SLACK and noise.trouble.cut
                return self._late_one() if noise.trouble.given_up else noise.trouble
        return None

    def _hang(self, latch: Latch) -> Trouble:
        """A request is on its way until it is let go, and whoever asked gives up."""
        self._sent[latch] = self.referee.remember_ready()
        self._given_up = True
        return Trouble(latch=latch, given_up=True)

    def _late_one(self) -> Trouble:
        latch = Latch()
        self._late.append(latch)
        return self._hang(latch)

    # What is remembered

    def record(self) -> str:
        """The key of the live rollout's record; "" where none is live."""
        keys = Keys(service=KEY)
        found = self.redis.get(keys.active)
        return keys.rollout(RolloutId(found.decode())) if isinstance(found, bytes) else ""

    def store_says(self) -> Rollout | None:
        """The live rollout, seen past every fault; None also where its record cannot be read."""
        key = self.record()
        stored = (key, self.redis.get(key) if key else None)
        if stored != self._stored[0]:
            self._stored = stored, self._read()
        return self._stored[1]

    def _read(self) -> Rollout | None:
        try:
            return self.store.active(KEY)
        except CanaryError:
            return None

    def is_behind(self) -> bool:
        """Whether the wall clock is behind figures that were read while it was ahead: then nothing can be judged."""
        live = self.store_says()
        return (
            live is not None and live.analysis_state.until is not None and live.analysis_state.until > self.wall.now()
        )

    def nobody_knows_home(self) -> bool:
        """Whether a rollout has left its traces, and nothing that can be read says how it was before."""
        lost = self.store_says() is None and (bool(self.record()) or self.referee.marked())
        return lost and not self.is_home_marked()

    def is_home_marked(self) -> bool:
        """Whether a VirtualService says how it was before the rollout, in a way that can be read."""
        return any(self._is_home_marked_at(place) for place in self.ground.every_route)

    def _is_home_marked_at(self, place: tuple[str, str]) -> bool:
        vs = self.kube.store.get("VirtualService", *place)
        annotations = (vs or {"metadata": {}})["metadata"].get("annotations") or {}
        try:
            json.loads(annotations.get("canary-bot/restore", ""))
        except ValueError:
            return False
        return vs is not None and is_signed(vs, self.signer)

    def edit_file(self, how: str) -> None:
        """services.yaml is another one ("": as it was), and whoever leads is started again with it."""
        self._file = how
        if self.standby is not None:
            self.lead_again()
        self.restart_bot()

    # The bot

    def start_bot(self) -> None:
        """A fresh process' worth of memory; nothing where one is at work."""
        if self.away:
            self.bot, self.away = self._new_bot(), False

    def restart_bot(self) -> None:
        """Whoever leads loses its memory. Where there is no bot, it stays away."""
        if not self.away:
            self.bot.end()
            self.bot = self._new_bot()

    def stop_bots(self) -> None:
        """Every replica, as a crash would between two sweeps: nothing is finished, memory is gone."""
        self.lead_again()
        if not self.away:
            self.bot.end()
            self.away = True

    def lead_instead(self) -> None:
        """A new replica leads, and the old one lives on."""
        if not self.away and self.standby is None:
            self.standby, self.bot = self.bot, self._new_bot()

    def lead_again(self) -> None:
        """The old one leads once more, with what it remembers; the other ends."""
        if self.standby is not None:
            self.bot.end()
            self.bot, self.standby = self.standby, None

    def _new_bot(self) -> Bot:
        adapters = self._connect()
        slack = web_client(self.slack.bot_token, f"{self.slack.url}/api/")
        clock = self.wall
        delivery = Delivery(
            outbox=adapters.outbox,
            store=adapters.ports.store,
            channel=Channel(slack, clock),
            clock=clock,
            steady=self.clock.now,
        )
        services = [adapters.catalogue.get(name) for name in adapters.catalogue.names]
        controller = Controller(
            services={service.name: service for service in services},
            trouble=adapters.catalogue.trouble,
            ports=adapters.ports,
            new_id=self.new_id,
            # In the reconcile itself: the schedule has one thread.
            heart=Heartbeats(adapters.ports.mesh, clock, DEAD_MAN),
            stopwatch=self.clock.now,
            hook_run=lambda work: work(),  # one thread for webhooks as well
        )
        adoption = Adoption(
            services=services,
            store=adapters.ports.store,
            mesh=adapters.ports.mesh,
            reclaim=controller.reclaim,
            cared_for=controller.cared_for,
            patience=DEAD_MAN / 2,
            pause=3 * TICK,
            stopwatch=self.clock.now,
        )
        return Bot(adapters=adapters, controller=controller, adoption=adoption, delivery=delivery)

    def _watchdog(self) -> Watchdog:
        kube = Kube(self._client(self.bot.adapters), manager=WATCHDOG_MANAGER)
        return Watchdog(
            services=list(self.bot.adapters.catalogue),
            mesh=IstioMesh(kube, self.clock.now, wait=lambda _attempt: None, signer=self.signer),
            workloads=KubeWorkloads(kube),
            failsafe=KubeFailsafe(kube, self.clock.now, self.signer),
            limit=DEAD_MAN,
            now=self.clock.now,
            stopwatch=self.clock.now,
        )

    def _client(self, adapters: bootstrap.Adapters) -> client.ApiClient:
        api_client = self.api_client(adapters.kube._api.configuration)
        if isinstance(api_client, Impatient):
            api_client.gives_up = self._gives_up
        return api_client

    def _connect(self) -> bootstrap.Adapters:
        services = self._directory / "services.yaml"
        defaults = {"approvals": {"count": 1, "self": False}}
        ours = {**defaults, **self.schedule.service}
        ours |= {"webhooks": [callee.entry(self.receiver) for callee in self.schedule.callees]}
        other = {key: value for key, value in ours.items() if key != "virtual_services"} | RATINGS
        entries = {"left": {"ratings": other}, "renamed": {"shop-reviews": ours}}
        known = entries.get(self._file, {"reviews": ours})
        text = services_yaml(known | ({NEIGHBOUR: ours | BESIDE} if self.schedule.neighbour else {}))
        services.write_text(text if self._file != "broken" else text[: len(text) // 2] + "\n}")
        kubeconfig = self.kube.write_kubeconfig(self._directory / "kubeconfig")
        environment = {
            "REDIS_URL": self.proxy.url(),
            "PROMETHEUS_URL": self.figures.url,
            "KUBECONFIG": str(kubeconfig),
            "SERVICES_FILE": str(services),
        } | ({"CANARY_SIGNING_KEY": SIGNING_KEY} if self.schedule.signed else {})
        adapters = bootstrap.connect(read_settings(environment), without_services=True)
        kube = Kube(self._client(adapters))
        query_seconds, read_seconds = self.prometheus_patience
        connection = PrometheusConnection(self.figures.url, query_seconds=query_seconds, read_seconds=read_seconds)
        metrics = PrometheusMetrics(connection, stopwatch=self.clock.now)
        ports = replace(
            adapters.ports,
            clock=self.wall,
            mesh=IstioMesh(kube, self.wall.now, wait=lambda _attempt: None, signer=self.signer),
            workloads=KubeWorkloads(kube),
            snapshots=KubeSnapshots(kube),
            metrics=cast("Metrics", Bookkeeper(metrics, self.accounts)),
        )
        adapters.metrics.close()
        return replace(adapters, kube=kube, ports=ports, metrics=metrics)
