"""Where everything is tied together: settings become adapters, adapters become a controller and a running bot.

The only module that knows every part. Nothing is decided here.
"""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry
from slack_bolt import App

from bot.adapters import redis_link
from bot.adapters.clock import SystemClock
from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.adapters.outbox import RedisOutbox
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.redis_store import RedisStore
from bot.adapters.scheduler import Job, Scheduler
from bot.adapters.survey import KubeSurveyor
from bot.adapters.workloads import KubeWorkloads
from bot.controller.controller import Controller, Watch
from bot.controller.ports import Clock, Ports
from bot.probes import OwnMetrics, Probes
from bot.rollout.desired import Action, SetRoutes
from bot.rollout.errors import Fault
from bot.rollout.model import Entry, EntryKind, Judgement, Phase, Rollout, RolloutId
from bot.settings.env import HttpMode as HttpSettings
from bot.settings.env import PrometheusSettings, Settings, SlackSettings
from bot.settings.services import Catalogue, read_services
from bot.slack.app import build_app, web_client
from bot.slack.approvers import Approvers
from bot.slack.channel import Channel
from bot.slack.connection import Connection, HttpMode, SocketMode
from bot.slack.courier import Courier

COURIER_SECONDS = 1.0
REINDEX_SECONDS = 60.0
DRAIN_SECONDS = 10.0
LETTERS_COUNTED = 1000  # beyond it the outbox is "very long", and counting on costs more than it tells

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Every adapter, connected lazily: building it makes no request and cannot fail for a system that is down."""

    catalogue: Catalogue
    kube: Kube
    ports: Ports
    store: RedisStore
    outbox: RedisOutbox
    metrics: PrometheusMetrics


def connect(settings: Settings) -> Outside:
    """Adapters for these settings.

    Raises:
        Refusal: ``services.yaml`` has mistakes, or there is no way to know which cluster is meant.
    """
    catalogue = read_services(settings.services_file)
    clock = SystemClock()
    kube = Kube.connect(settings.kubernetes.kubeconfig, settings.kubernetes.context)
    metrics = prometheus(settings.prometheus)
    link = redis_link.connect(settings.redis_url.reveal())
    store = RedisStore(link)
    ports = Ports(
        store=store,
        mesh=IstioMesh(kube, clock.now),
        workloads=KubeWorkloads(kube),
        surveyor=KubeSurveyor(kube),
        metrics=metrics,
        clock=clock,
    )
    return Outside(catalogue=catalogue, kube=kube, ports=ports, store=store, outbox=RedisOutbox(link), metrics=metrics)


def prometheus(settings: PrometheusSettings) -> PrometheusMetrics:
    """The metrics adapter for these settings."""
    basic = None
    if settings.username is not None:
        basic = (settings.username, settings.password.reveal() if settings.password else "")
    return PrometheusMetrics(
        settings.url,
        bearer=settings.bearer_token.reveal() if settings.bearer_token else None,
        basic=basic,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        headers={name: value.reveal() for name, value in settings.headers.items()},
    )


def new_id() -> RolloutId:
    """A short id that people can say: ``r-4f9c2a``."""
    return RolloutId(f"r-{secrets.token_hex(3)}")


def make_controller(outside: Outside, watch: Watch | None = None) -> Controller:
    """The controller over these adapters."""
    services = {name: outside.catalogue.get(name) for name in outside.catalogue.names}
    return Controller(services=services, ports=outside.ports, new_id=new_id, watch=watch or Watch())


def measured(own: OwnMetrics, clock: Clock) -> Watch:
    """What the controller tells, counted and logged once."""

    def changed(before: Rollout, after: Rollout, entries: Sequence[Entry]) -> None:
        bound = log.bind(service=after.service, rollout=after.id, stage=after.current.name, phase=str(after.phase))
        for entry in entries:
            bound.info(f"rollout_{entry.kind}", text=entry.text, by=entry.by)
        if after.phase is Phase.ABORTING and before.phase is not Phase.ABORTING:
            own.aborted(
                "people" if any(e.kind is EntryKind.ABORTING and e.by != "canary-bot" for e in entries) else "gate"
            )
        if before.asked_at is not None and len(after.approvals) > len(before.approvals):
            own.approved(after.approvals[-1].at - before.asked_at)

    def judged(_rollout: Rollout, judgement: Judgement) -> None:
        own.verdict(str(judgement.verdict))

    def failed(rollout: Rollout, fault: Fault) -> None:
        own.called(fault.system, "fault")
        log.warning("outside_fault", service=rollout.service, system=fault.system, sentence=fault.sentence)

    def acted(rollout: Rollout, action: Action) -> None:
        if isinstance(action, SetRoutes) and rollout.phase is Phase.ABORTING:
            own.abort_accepted(clock.now() - rollout.since)
        log.info("acted", service=rollout.service, rollout=rollout.id, action=type(action).__name__, detail=str(action))

    return Watch(
        ticked=lambda seconds, lag: own.tick(seconds=seconds, lag=lag),
        judged=judged,
        changed=changed,
        acted=acted,
        failed=failed,
    )


def connection(app: App, slack: SlackSettings) -> Connection:
    """How Slack reaches the app."""
    if isinstance(slack.mode, HttpSettings):
        return HttpMode(app, slack.mode.port)
    return SocketMode(app, slack.mode.app_token.reveal())


class Bot:
    """The long-running process: Slack, the tick, the courier and the probes."""

    def __init__(self, settings: Settings, outside: Outside) -> None:
        slack = settings.require_slack()
        registry = CollectorRegistry()
        self._own = OwnMetrics(registry)
        self._outside = outside
        self._controller = make_controller(outside, measured(self._own, outside.ports.clock))
        client = web_client(slack.bot_token.reveal(), slack.api_url)
        approvers = Approvers(client, outside.ports.clock.now)
        self._courier = Courier(
            outbox=outside.outbox,
            store=outside.ports.store,
            channel=Channel(client, outside.ports.clock),
            clock=outside.ports.clock,
            mentions=approvers.mentions,
        )
        app = build_app(
            engine=self._controller,
            client=client,
            approvers=approvers,
            clock=outside.ports.clock,
            command=slack.command,
            signing_secret=slack.mode.signing_secret.reveal() if isinstance(slack.mode, HttpSettings) else "",
        )
        self._connection = connection(app, slack)
        self._scheduler = Scheduler(
            [
                Job(name="sweep", seconds=settings.tick_seconds, run=self._sweep),
                Job(name="courier", seconds=COURIER_SECONDS, run=self._deliver),
                # A lost index would hide live rollouts from the sweep; the services' own keys bring it back.
                Job(name="reindex", seconds=REINDEX_SECONDS, run=outside.store.reindex),
            ]
        )
        self._probes = Probes(port=settings.probe_port, ready=self._ready, registry=registry)

    def run(self) -> None:
        """Until SIGTERM or SIGINT: then no new work, what runs is finished, what must be said is said."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self._own.leader(leads=True)  # there is one replica (deploy/deployment.yaml says why)
        self._probes.start()
        self._scheduler.start()
        self._connection.start()
        log.info("running", services=list(self._outside.catalogue.names), probes=self._probes.port)
        stop.wait()
        log.info("stopping")
        self._connection.close()
        self._scheduler.stop(DRAIN_SECONDS)
        self._controller.close()
        try:
            self._courier.deliver()
        except Fault as fault:
            log.warning("letters_kept", sentence=fault.sentence)
        self._probes.close()

    def _deliver(self) -> None:
        self._own.outbox(len(self._outside.outbox.pending(LETTERS_COUNTED)))
        self._courier.deliver()

    def _sweep(self) -> None:
        live = self._outside.ports.store.live()
        by_phase: dict[str, int] = {}
        for rollout in live:
            by_phase[rollout.phase] = by_phase.get(rollout.phase, 0) + 1
        self._own.rollouts(by_phase)
        self._controller.sweep(live)

    def _slack_trouble(self) -> str | None:
        if self._connection.freshness() is None:
            return "Slack is not connected."
        return self._courier.trouble or None

    def _ready(self) -> Mapping[str, str | None]:
        """Each part this process needs, and what is wrong with it."""
        return {
            "redis": trouble(self._outside.ports.store.ping),
            "slack": self._slack_trouble(),
            "kubernetes": trouble(self._outside.kube.ping),
            "prometheus": trouble(self._outside.metrics.ping),
        }


def trouble(ask: Callable[[], object]) -> str | None:
    """None when asking goes well, else the fault's sentence."""
    try:
        ask()
    except Fault as fault:
        return fault.sentence
    return None
