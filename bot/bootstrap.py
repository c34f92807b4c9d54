"""Where everything is tied together: settings become adapters, adapters become a controller and a running bot.

The only module that knows every part. Nothing is decided here.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from slack_bolt import App

from bot.adapters import redis_connection
from bot.adapters.calls import Called, nobody
from bot.adapters.clock import SteadyClock, SystemClock, stopwatch
from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.adapters.kube_cache import CachedReads
from bot.adapters.outbox import RedisOutbox
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.adapters.redis_deduplication import RedisDeduplication
from bot.adapters.redis_freezes import RedisFreezes
from bot.adapters.redis_lease import RedisLease
from bot.adapters.redis_store import RedisStore
from bot.adapters.scheduler import Job, Scheduler
from bot.adapters.snapshot import KubeSnapshots
from bot.adapters.workloads import KubeWorkloads
from bot.controller.adoption import Adoption
from bot.controller.controller import Controller, Telemetry
from bot.controller.edges import Broken, contained
from bot.controller.heartbeat import DEAD_MAN_SECONDS, Heartbeat
from bot.controller.leadership import LeadersStore
from bot.controller.ports import NoRooms, Ports
from bot.controller.rounds import Rounds
from bot.model.errors import Fault
from bot.model.rollout import RolloutId
from bot.model.service import ServiceConfig
from bot.probes import Asking, OwnMetrics, Probes
from bot.probes.telemetry import Telemetrist
from bot.settings.env import HttpMode as HttpSettings
from bot.settings.env import PrometheusSettings, Settings, SlackSettings
from bot.settings.services import Catalogue, read_or_do_without, read_services
from bot.slack.app import build_app
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.client import CountingClient, web_client
from bot.slack.connection import Connection, HttpMode, SocketMode
from bot.slack.delivery import Delivery
from bot.slack.requester import Deduplication
from bot.slack.rooms import Rooms
from bot.slack.web_api import Channel

CHECKS_OF_LEASE = 10  # in the time of a lease; it is renewed when a third of it is over
DELIVERY_SECONDS = 1.0
DEPTH_SECONDS = 5.0  # between two counts of what waits to be delivered
REINDEX_SECONDS = 60.0
ADOPT_SECONDS = 5.0
AUDIENCE_SECONDS = 60.0  # between two looks at channels and user groups, by every replica: for people, not for rollouts
BEATING_THREADS = 4
DRAIN_SECONDS = 10.0
# Without Prometheus nothing is judged and every rollout holds, told on its card. People are served all the same, and
# another replica would be no better off: taking this one out of service mends nothing.
# A closed channel is one team's, and taking the bot from all the others would not open it.
OPTIONAL = frozenset({"prometheus", "channels and approvers"})

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Every adapter, connected lazily: building it makes no request and cannot fail for a system that is down."""

    catalogue: Catalogue
    kube: Kube
    reads: CachedReads | None
    ports: Ports
    store: RedisStore
    outbox: RedisOutbox
    lease: RedisLease
    deduplication: RedisDeduplication
    metrics: PrometheusMetrics
    slack: CountingClient | None  # and its channels; None where nothing of Slack is set
    rooms: Rooms | None
    stopwatch: Callable[[], float] = stopwatch


def connect(
    settings: Settings,
    *,
    watching: bool = False,
    without_services: bool = False,
    called: Callable[[str, str], None] = lambda _system, _outcome: None,
) -> Adapters:
    """Adapters for these settings.

    Args:
        settings: where everything is.
        watching: for who looks again and again: reads are answered from caches then.
        without_services: for who deals with live rollouts, which hold everything they need: a ``services.yaml`` with
            mistakes is told and done without.
        called: told of every call to another system, with how it ended.

    Raises:
        Refusal: ``services.yaml`` has mistakes, or there is no way to know which cluster is meant.
    """
    catalogue = (read_or_do_without if without_services else read_services)(settings.services_file)
    if catalogue.trouble:
        log.error("services_unusable", sentence=catalogue.trouble)
    clock = SystemClock()
    kube = Kube.connect(settings.kubernetes.kubeconfig, settings.kubernetes.context)
    kube.count_calls(lambda outcome: called("kubernetes", outcome))
    reads = CachedReads(kube) if watching else None
    metrics = prometheus(settings.prometheus, lambda outcome: called("prometheus", outcome))
    client = redis_connection.connect(settings.redis_url.reveal(), lambda outcome: called("redis", outcome))
    store = RedisStore(client)
    slack = slack_client(settings.slack, called) if settings.slack else None
    rooms = Rooms(slack, time.monotonic) if slack is not None else None
    ports = Ports(
        store=store,
        freezes=RedisFreezes(client),
        mesh=IstioMesh(kube, clock.now, reads=reads, store=store_name(settings.redis_url.reveal())),
        workloads=KubeWorkloads(kube, reads=reads),
        snapshots=KubeSnapshots(kube),
        metrics=metrics,
        clock=clock,
        rooms=rooms or NoRooms(),
    )
    return Adapters(
        catalogue=catalogue,
        kube=kube,
        reads=reads,
        ports=ports,
        store=store,
        outbox=RedisOutbox(client),
        lease=RedisLease(client, new_replica(), seconds=settings.lease_seconds),
        deduplication=RedisDeduplication(client),
        metrics=metrics,
        slack=slack,
        rooms=rooms,
    )


def prometheus(settings: PrometheusSettings, called: Called = nobody) -> PrometheusMetrics:
    """The metrics adapter for these settings."""
    basic = None
    if settings.username is not None:
        basic = (settings.username, settings.password.reveal() if settings.password else "")
    client = PrometheusConnection(
        settings.url,
        bearer=settings.bearer_token.reveal() if settings.bearer_token else None,
        basic=basic,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        headers={name: value.reveal() for name, value in settings.headers.items()},
    )
    client.count_calls(called)
    return PrometheusMetrics(client)


def store_name(redis_url: str) -> str:
    """A short name for a store by its address, for objects that anybody may read: it tells nothing but which one."""
    parts = urlsplit(redis_url)
    where = f"{parts.scheme} {parts.netloc.rpartition('@')[2]} {parts.path}"
    return hashlib.sha256(where.encode()).hexdigest()[:12]


def slack_client(settings: SlackSettings, called: Callable[[str, str], None]) -> CountingClient:
    """The client of all that is said to Slack."""
    # A function, and no bound method: Bolt copies the client deeply, and what it tells must stay one.
    return web_client(settings.bot_token.reveal(), settings.api_url, called=lambda outcome: called("slack", outcome))


def new_id() -> RolloutId:
    """A short id that people can say: ``r-4f9c2a``."""
    return RolloutId(f"r-{secrets.token_hex(3)}")


def new_replica() -> str:
    """A name for this process that no other has, nor the same one after a restart; people may read it in Redis."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def make_controller(
    adapters: Adapters, telemetry: Telemetry | None = None, dead_man_seconds: float = DEAD_MAN_SECONDS
) -> Controller:
    """The controller over these adapters."""
    services = {name: adapters.catalogue.get(name) for name in adapters.catalogue.names}
    telemetry = telemetry or Telemetry()
    beats = ThreadPoolExecutor(BEATING_THREADS, thread_name_prefix="beat")
    heart = Heartbeat(adapters.ports.mesh, SteadyClock(), dead_man_seconds, run=beats.submit, failed=telemetry.failed)
    return Controller(
        services=services,
        trouble=adapters.catalogue.trouble,
        ports=adapters.ports,
        new_id=new_id,
        telemetry=telemetry,
        heart=heart,
        stopwatch=adapters.stopwatch,
    )


def make_adoption(adapters: Adapters, controller: Controller, dead_man_seconds: float) -> Adoption:
    """Who looks for rollouts that the store has lost."""
    notified: dict[str, str] = {}

    def failed(service: ServiceConfig, fault: Fault) -> None:
        if notified.get(service.key) != fault.sentence:
            error = fault.error if isinstance(fault, Broken) else None
            log.warning("annotations_not_observed", service=service.name, sentence=fault.sentence, exc_info=error)
        notified[service.key] = fault.sentence

    return Adoption(
        services=controller.services(),
        store=adapters.store,
        mesh=adapters.ports.mesh,
        reclaim=controller.reclaim,
        cared_for=controller.cared_for,
        patience=dead_man_seconds / 2,  # a living bot renews its heartbeats more often than that
        pause=3 * ADOPT_SECONDS,
        stopwatch=stopwatch,
        failed=failed,
    )


def connection(app: App, slack: SlackSettings) -> Connection:
    """How Slack reaches the app."""
    if isinstance(slack.mode, HttpSettings):
        return HttpMode(app, slack.mode.port)
    return SocketMode(app, slack.mode.app_token.reveal())


class Bot:
    """The long-running process: Slack, the lease, what the leader does, and the probes."""

    def __init__(self, settings: Settings, adapters: Adapters, own: OwnMetrics | None = None) -> None:
        """``own`` is what ``adapters`` tells of its calls."""
        slack = settings.require_slack()
        self._own = own = own or OwnMetrics()
        self._adapters = adapters
        self._lease = adapters.lease
        self._leads_as: int | None = None  # the number of the lease it last led with
        self._indexed_as: int | None = None  # and that for which the indexes are surely whole
        self._own.leader(self._leads)
        self._count_at = 0.0  # when what waits to be delivered is counted again
        self._notifying = Telemetrist(self._own, adapters.ports.clock)
        self._controller = make_controller(adapters, self._notifying.telemetry(), settings.dead_man_seconds)
        self._leader = self._controller.under(LeadersStore(adapters.store, adapters.lease))
        adoption = make_adoption(adapters, self._leader, settings.dead_man_seconds)
        client = adapters.slack or slack_client(slack, own.called)
        rooms = adapters.rooms or Rooms(client, time.monotonic)
        approvers = Approvers(client, time.monotonic)
        self._delivery = Delivery(
            outbox=adapters.outbox,
            store=adapters.ports.store,
            channel=Channel(client, adapters.ports.clock),
            clock=adapters.ports.clock,
            mentions=approvers.mentions,
            people=approvers.people,
            rooms=rooms,
            leads=self._leads,
        )
        app = build_app(
            controller=self._controller,
            client=client,
            approvers=approvers,
            clock=adapters.ports.clock,
            command=slack.command,
            signing_secret=slack.mode.signing_secret.reveal() if isinstance(slack.mode, HttpSettings) else "",
            deduplication=Deduplication(adapters.deduplication.is_new),
        )
        self._audience = Audience(self._controller.services(), rooms, approvers)
        self._connection = connection(app, slack)
        self._rounds = Rounds(settings.tick_seconds)
        self._phases: dict[str, str] = {}  # of the live rollout of each service, as it was last seen
        self._scheduler = Scheduler(
            [
                Job(name="lease", seconds=settings.lease_seconds / CHECKS_OF_LEASE, run=self._keep_lease),
                Job(name="sweep", seconds=self._rounds.seconds, run=self._if_leading(self._sweep)),
                Job(name="delivery", seconds=DELIVERY_SECONDS, run=self._if_leading(self._deliver)),
                # A lost index would hide live rollouts and notifications; the services' own keys bring it back.
                Job(name="reindex", seconds=REINDEX_SECONDS, run=self._if_leading(adapters.store.reindex)),
                Job(name="adopt", seconds=ADOPT_SECONDS, run=self._if_leading(adoption.reconcile)),
                Job(name="audience", seconds=AUDIENCE_SECONDS, run=self._audience.check),
            ]
        )
        self._probes = Probes(
            port=settings.probe_port, ready=Asking(self._parts()), registry=own.registry, optional=OPTIONAL
        )

    def run(self) -> None:
        """Until SIGTERM or SIGINT: then no new work, what runs is finished, what must be said is said."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self._probes.start()
        self._keep_lease()  # before the first sweep, so that a bot on its own is at work at once
        self._scheduler.start()
        self._connection.start()
        log.info("running", services=list(self._adapters.catalogue.names), probes=self._probes.port)
        stop.wait()
        log.info("stopping")
        self._step_down()
        self._connection.close()
        self._controller.close()
        if self._adapters.reads is not None:
            self._adapters.reads.close()
        self._probes.close()

    # Leading: one replica does what nobody has asked for; all of them serve people

    def _leads(self) -> bool:
        return self._lease.fence is not None

    def _if_leading(self, work: Callable[[], None]) -> Callable[[], None]:
        """The same work, done by the leader alone. What is gone takes a line of the log, not a traceback."""

        def done() -> None:
            if not self._leads():
                return
            try:
                work()
            except Fault as fault:
                log.warning("outside_fault", system=fault.system, sentence=fault.sentence)

        return done

    def _keep_lease(self) -> None:
        try:
            with contained("renew the lease"):
                self._lease.keep()
        except Fault as fault:
            log.warning("lease_not_renewed", sentence=fault.sentence)
        fence = self._lease.fence
        if fence is None and self._leads_as is not None:
            log.warning("leads_no_longer")
            self._own.rollouts({})  # the new leader's to tell
            self._own.outbox(0)
        elif fence != self._leads_as:
            log.info("leading", fence=fence)
        self._leads_as = fence

    def _step_down(self) -> None:
        """Finish what runs, say what is to be said, and let another replica lead at once."""
        self._scheduler.stop(DRAIN_SECONDS)
        self._if_leading(self._delivery.deliver)()
        try:
            self._lease.release()
        except Fault as fault:
            log.warning("lease_not_released", sentence=fault.sentence)  # it ends by itself

    def _deliver(self) -> None:
        # Whoever led before us may have died between a notification and its index.
        if self._indexed_as != self._leads_as:
            self._indexed_as = self._leads_as
            self._adapters.store.reindex()
        self._delivery.deliver()
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + DEPTH_SECONDS
            self._own.outbox(self._adapters.outbox.depth())

    def _sweep(self) -> None:
        late = self._rounds.begin(time.monotonic())
        if self._rounds.is_idle:
            return
        store = self._adapters.ports.store
        busy = store.busy()
        live = store.live({key: busy[key] for key in self._rounds.turn(busy)})
        self._phases = {key: phase for key, phase in self._phases.items() if key in busy}
        self._phases |= {rollout.key: rollout.phase for rollout in live}
        self._own.rollouts(Counter(self._phases.values()))
        try:
            self._leader.sweep(live, late)
        finally:
            if self._rounds.is_last:
                self._notifying.round_is_over()

    def _parts(self) -> Mapping[str, Callable[[], str | None]]:
        """Each part this process needs or makes use of, and how to find out what is wrong with it."""
        adapters = self._adapters
        return {
            "redis": lambda: trouble(adapters.ports.store.ping),
            "slack": self._slack_trouble,
            "kubernetes": lambda: trouble(adapters.kube.ping),
            "prometheus": lambda: trouble(adapters.metrics.ping),
            "channels and approvers": self._audience.trouble,
        }

    def _slack_trouble(self) -> str | None:
        if self._connection.freshness() is None:
            return "Slack is not connected."
        return (self._delivery.trouble or None) if self._leads() else None


def trouble(ask: Callable[[], object]) -> str | None:
    """None when asking goes well, else the fault's sentence."""
    try:
        ask()
    except Fault as fault:
        return fault.sentence
    return None
