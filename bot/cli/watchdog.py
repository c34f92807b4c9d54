"""``canary-bot watchdog``: the dead-man's switch as a process of its own, with the Kubernetes API and nothing else.

It must live where the bot does not: it needs no Redis, no Slack and no Prometheus, and reads of the settings only the
cluster, SERVICES_FILE, DEAD_MAN_SECONDS, PROBE_PORT and the log's.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import CollectorRegistry

from bot.adapters.clock import SystemClock, stopwatch
from bot.adapters.failsafe import KubeFailsafe
from bot.adapters.istio import IstioMesh
from bot.adapters.kube import WATCHDOG_MANAGER, Kube
from bot.adapters.kube_cache import CachedReads
from bot.adapters.wakeup import Wakeup
from bot.adapters.workloads import KubeWorkloads
from bot.cluster.objects import NamespacedName
from bot.controller.containment import Broken
from bot.controller.watchdog import Watchdog, Witness
from bot.model.errors import Fault
from bot.model.observation import FailsafeAction
from bot.probes import Probes, WatchdogMetrics
from bot.settings.env import Settings
from bot.settings.reload import ServicesReload
from bot.settings.services import Catalogue, read_services
from bot.words.sentence import Text

RECONCILE_SECONDS = 1.0  # reads are answered from a watch: they ask the API server for nothing

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Watch until SIGTERM or SIGINT."""
    stop, wakeup = threading.Event(), Wakeup()

    def on_signal(*_: object) -> None:
        stop.set()
        wakeup.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    kubernetes = settings.kubernetes
    kube = Kube.connect(kubernetes.kubeconfig, kubernetes.context, manager=WATCHDOG_MANAGER)
    reads = CachedReads(kube)
    registry = CollectorRegistry()
    catalogue = read_services(settings.services_file)
    watchdog = make_watchdog(settings, catalogue, kube, reads, WatchdogMetrics(registry))
    services = ServicesReload(settings.services_file, catalogue, lambda used: watchdog.use(list(used)))

    def ready() -> Mapping[str, Text | None]:
        return {"kubernetes": watchdog.trouble or None, "services": services.trouble or None}

    probes = Probes(
        port=settings.probe_port, ready=ready, registry=registry, optional={"services"}, voice=settings.voice
    )
    probes.start()
    log.info("watching_over", limit=settings.dead_man_seconds, probes=probes.port)
    while not stop.is_set():
        attempt(watchdog.reconcile, services.poll)
        wakeup.wait(RECONCILE_SECONDS)
    reads.close()
    probes.close()
    return 0


def attempt(*jobs: Callable[[], object]) -> None:
    """Each of them, whatever becomes of the others: the next reconcile must come, users' safety hangs on it."""
    for job in jobs:
        try:
            job()
        except Exception:
            log.exception("reconcile_failed")


def make_watchdog(
    settings: Settings, catalogue: Catalogue, kube: Kube, reads: CachedReads, metrics: WatchdogMetrics
) -> Watchdog:
    """The watchdog of every VirtualService in ``services.yaml``."""
    now, signer = SystemClock().now, settings.signer
    return Watchdog(
        services=list(catalogue),
        mesh=IstioMesh(kube, now, leases=reads, reads=reads, signer=signer),
        workloads=KubeWorkloads(kube),  # asked only when a heartbeat is silent, and then of the API server itself
        failsafe=KubeFailsafe(kube, now, signer),
        limit=settings.dead_man_seconds,
        now=now,
        stopwatch=stopwatch,
        witness=logged(metrics),
    )


def logged(metrics: WatchdogMetrics) -> Witness:
    """What the watchdog tells, counted, and logged once."""
    troubles: dict[NamespacedName, Text] = {}

    def acted(name: NamespacedName, action: FailsafeAction, sentence: Text) -> None:
        metrics.acted(action)
        log.warning("failsafe_acted", virtual_service="/".join(name), action=str(action), sentence=sentence)

    def left(name: NamespacedName, sentence: Text) -> None:
        log.warning("left_alone", virtual_service="/".join(name), sentence=sentence)

    def failed(name: NamespacedName, fault: Fault) -> None:
        metrics.failed()
        if troubles.get(name) != fault.sentence:
            error = fault.error if isinstance(fault, Broken) else None
            log.warning("outside_fault", virtual_service="/".join(name), sentence=fault.sentence, exc_info=error)
        troubles[name] = fault.sentence

    return Witness(listened=metrics.listened, acted=acted, left=left, failed=failed)
