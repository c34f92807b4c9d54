"""Where everything is tied together: settings become adapters, and adapters a controller. Nothing is decided here."""

from __future__ import annotations

import gc
import hashlib
import os
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from slack_bolt import App

from bot import redaction
from bot.adapters import redis_connection
from bot.adapters.calls import Called, nobody
from bot.adapters.clock import SteadyClock, SystemClock, stopwatch
from bot.adapters.failures import Failed, logged
from bot.adapters.http_webhooks import HttpWebhooks
from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.adapters.kube_cache import CachedReads
from bot.adapters.outbox import RedisOutbox
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.adapters.redis_connection import RedisClient
from bot.adapters.redis_deduplication import RedisDeduplication
from bot.adapters.redis_freezes import RedisFreezes
from bot.adapters.redis_lease import RedisLease
from bot.adapters.redis_refused_forms import RedisRefusedForms
from bot.adapters.redis_retention import RedisRetention, Retention
from bot.adapters.redis_signing import RedisSigning
from bot.adapters.redis_store import RedisStore
from bot.adapters.snapshot import KubeSnapshots
from bot.adapters.workloads import KubeWorkloads
from bot.controller.adoption import Adoption
from bot.controller.containment import Broken
from bot.controller.controller import Controller
from bot.controller.heartbeat import DEAD_MAN_SECONDS, Heartbeats
from bot.controller.ports import NoChannels, Ports
from bot.controller.telemetry import Telemetry
from bot.model.errors import Fault
from bot.model.rollout import RolloutId
from bot.model.service import ServiceConfig
from bot.settings.env import HttpMode as HttpSettings
from bot.settings.env import PrometheusSettings, Settings, SlackSettings, environment
from bot.settings.redis import RedisSettings
from bot.settings.services import Catalogue, read_or_do_without, read_services
from bot.slack.channels import Channels
from bot.slack.client import CountingClient, web_client
from bot.slack.connection import Connection, SocketMode
from bot.slack.http_mode import HttpMode
from bot.words.sentence import Text

ADOPT_SECONDS = 5.0
BEATING_THREADS = 4
# New objects before the collector looks at them, and at how many of those looks it goes through older ones too.
COLLECTOR = (20_000, 20, 20)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Every adapter, connected lazily: building it makes no request and cannot fail for a system that is down."""

    catalogue: Catalogue
    kube: Kube
    reads: CachedReads | None
    ports: Ports
    redis: RedisClient
    store: RedisStore
    outbox: RedisOutbox
    lease: RedisLease
    deduplication: RedisDeduplication
    refused_forms: RedisRefusedForms
    signing: RedisSigning
    retention: RedisRetention
    metrics: PrometheusMetrics
    slack: CountingClient | None  # and its channels; None where nothing of Slack is set
    channels: Channels | None
    stopwatch: Callable[[], float] = stopwatch


def connect(
    settings: Settings,
    *,
    watching: bool = False,
    without_services: bool = False,
    called: Callable[[str, str], None] = lambda _system, _outcome: None,
    failed: Failed = logged,
) -> Adapters:
    """Adapters for these settings.

    Args:
        settings: where everything is.
        watching: for who looks again and again: reads are answered from caches then.
        without_services: for who deals with live rollouts, which hold everything they need: a ``services.yaml`` with
            mistakes is told and done without.
        called: told of every call to another system, with how it ended.
        failed: told of each thing that cannot be read, with what was raised.

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
    client = redis(settings.redis, lambda outcome: called("redis", outcome))
    signer = settings.signer
    store = RedisStore(client, signer, failed=failed)
    slack = slack_client(settings.slack, called) if settings.slack else None
    channels = Channels(slack, stopwatch) if slack is not None else None
    ports = Ports(
        store=store,
        freezes=RedisFreezes(client, signer),
        mesh=IstioMesh(kube, clock.now, reads=reads, stores=store_names(settings.redis.url.reveal()), signer=signer),
        workloads=KubeWorkloads(kube, reads=reads),
        snapshots=KubeSnapshots(kube, settings.kubernetes.istio_namespace),
        metrics=metrics,
        clock=clock,
        channels=channels or NoChannels(),
        webhooks=HttpWebhooks(environment, lambda outcome: called("webhooks", outcome)),
    )
    return Adapters(
        catalogue=catalogue,
        kube=kube,
        reads=reads,
        ports=ports,
        redis=client,
        store=store,
        outbox=RedisOutbox(client, signer, failed=failed),
        lease=RedisLease(client, new_replica(), seconds=settings.lease_seconds, signer=signer),
        signing=RedisSigning(client, signer, failed=failed),
        retention=RedisRetention(client, Retention(rollouts=settings.history_rollouts, days=settings.history_days)),
        deduplication=RedisDeduplication(client),
        refused_forms=RedisRefusedForms(client),
        metrics=metrics,
        slack=slack,
        channels=channels,
    )


def prometheus(
    settings: PrometheusSettings, called: Called = nobody, stopwatch: Callable[[], float] = stopwatch
) -> PrometheusMetrics:
    """The metrics adapter for these settings; ``stopwatch`` counts seconds that go by themselves."""
    user, password = settings.username, settings.password

    def login() -> tuple[str, str]:
        given = (user or "", password.current() if password else "")
        redaction.learn_login(*given)
        return given

    client = PrometheusConnection(
        settings.url,
        bearer=settings.bearer_token.current if settings.bearer_token else None,
        basic=login if user is not None else None,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        headers={name: value.reveal() for name, value in settings.headers.items()},
    )
    client.count_calls(called)
    return PrometheusMetrics(client, stopwatch)


def redis(settings: RedisSettings, called: Called = nobody) -> RedisClient:
    """The client of everything that is kept in Redis.

    Raises:
        Refusal: it could never be one with these settings.
        Fault: it is an embedded one, and did not start.
    """
    return redis_connection.connect(settings.url.reveal(), called, redis_access(settings))


def redis_access(settings: RedisSettings) -> redis_connection.Access:
    """What letting us in takes beside the URL."""
    password = settings.sentinel_password
    return redis_connection.Access(
        ca_file=settings.ca_file,
        sentinel_username=settings.sentinel_username,
        sentinel_password=password.reveal() if password else None,
    )


def store_names(redis_url: str) -> tuple[str, ...]:
    """Short names for a store by its address, for objects that anybody may read: they tell nothing but which one.

    The first is what it is called. It is the same store with TLS and without; by the others it was known to versions
    that told these apart.
    """
    parts = urlsplit(redis_url)
    where = f"{parts.netloc.rpartition('@')[2]} {parts.path}"
    plain = parts.scheme.replace("rediss", "redis", 1)
    schemes = dict.fromkeys((plain, plain.replace("redis", "rediss", 1)))
    return tuple(hashlib.sha256(f"{scheme} {where}".encode()).hexdigest()[:12] for scheme in schemes)


def slack_client(settings: SlackSettings, called: Callable[[str, str], None]) -> CountingClient:
    """The client of all that is said to Slack."""
    # A function, and no bound method: Bolt copies the client deeply, and what it tells must stay one.
    return web_client(
        settings.bot_token.reveal(),
        settings.api_url,
        called=lambda outcome: called("slack", outcome),
        workspace=settings.team_id,
    )


def new_id() -> RolloutId:
    """A short id that people can say: ``r-4f9c2a``."""
    return RolloutId(f"r-{secrets.token_hex(3)}")


def collect_less_often() -> None:
    """For a process with many rollouts: what they are is kept, and hardly anything of it is a cycle.

    With Python's own thresholds (700, 10, 10) a sixth of what 1,000 rollouts cost is the collector, which goes through
    all that is kept again and again.
    """
    gc.freeze()  # modules and their code live as long as the process
    gc.set_threshold(*COLLECTOR)


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
    heart = Heartbeats(adapters.ports.mesh, SteadyClock(), dead_man_seconds, run=beats.submit, failed=telemetry.failed)
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
    logged: dict[str, Text] = {}

    def failed(service: ServiceConfig, fault: Fault) -> None:
        if logged.get(service.key) != fault.sentence:
            error = fault.error if isinstance(fault, Broken) else None
            log.warning("annotations_not_observed", service=service.name, sentence=fault.sentence, exc_info=error)
        logged[service.key] = fault.sentence

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
        return HttpMode(app, slack.mode.port, signing_secret=slack.mode.signing_secret.reveal())
    return SocketMode(app, slack.mode.app_token.reveal())
