"""What we depend on and do not hold ourselves: rights in the cluster, Istio's series in Prometheus, and the watchdogs.

Found out before somebody needs it, by ``canary-bot check`` and once a minute for readiness. What a system does not say
at the moment is no finding: that it is away is told elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from bot.adapters.kube import Kube, Reads
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.snapshot import permission
from bot.cluster import heartbeat_lease
from bot.cluster.objects import NamespacedName, Object
from bot.controller.containment import Broken, contained
from bot.model.errors import Cause, Fault
from bot.model.service import ServiceConfig
from bot.preflight import Access, Permission
from bot.preflight.permissions import gateways, lacking, needed, read
from bot.words.sentence import Seconds, Sentence, Text, said, together

ANY_VERSION = "{version}"
MISSED = 2  # limits without a word of the watchdog's, by two clocks that may differ a little
RIGHTS_AT_ONCE = 200  # are asked for in one look; the others in the next ones
MOST_NAMED = 20  # findings in one answer
RIGHTS, SERIES, WATCHDOGS = ABOUT = "permissions", "istio series", "watchdogs"


def wanted(reads: Reads, service: ServiceConfig) -> tuple[Access, ...]:
    """All that preflight and a rollout ask for, but what has a version in its name: nobody knows it yet."""
    known = [access for access in needed(service, ANY_VERSION) if ANY_VERSION not in access.name]
    routes = [gateways(_routes(reads, key)) for key in service.virtual_service_keys]
    return (*known, *read(service), *(access for some in routes for access in some))


def _routes(reads: Reads, key: NamespacedName) -> Object | None:
    try:
        return reads.get("VirtualService", *key)
    except Fault:  # told elsewhere
        return None


def without_series(metrics: PrometheusMetrics) -> Sentence | None:
    """What is wrong with a Prometheus that has nothing of Istio.

    Raises:
        Fault: it cannot be asked.
    """
    return said("adapters.no_istio_series") if not metrics.istio_series() else None


def watchdog_trouble(namespace: str, lease: Object, limit: float, now: float) -> Sentence | None:
    """What is wrong with the watchdogs of a namespace by their own Lease, beside our limit in seconds."""
    theirs, said_at = heartbeat_lease.watched(lease)
    silent = now - said_at if said_at is not None else 0.0
    if silent > MISSED * theirs:
        return said("adapters.watchdog_silent", namespace=namespace, silence=Seconds(silent))
    if theirs != math.ceil(limit):
        return said("adapters.watchdog_limit", namespace=namespace, ours=f"{limit:g}", theirs=f"{theirs:g}")
    return None


class Surroundings:
    """Of one process: looked at by ``check``, told by the other methods from memory."""

    def __init__(
        self,
        kube: Kube,
        metrics: PrometheusMetrics,
        services: Sequence[ServiceConfig],
        *,
        reads: Reads | None = None,
        limit: float,
        now: Callable[[], float],
        failed: Callable[[str, Exception], None] = lambda _about, _error: None,
    ) -> None:
        """``limit``: seconds until a watchdog should act; ``failed``: told of what we could not make sense of."""
        self._kube = kube
        self._metrics = metrics
        self._services = services
        self._reads: Reads = reads or kube
        self._limit = limit
        self._now = now
        self._failed = failed
        self._rights: dict[Access, Permission] = {}  # those first that were asked for longest ago
        self._found: Mapping[str, Sequence[Sentence | str]] = {}

    def use(self, services: Sequence[ServiceConfig]) -> None:
        """Find out about what these need from now on."""
        self._services = services

    def check(self) -> None:
        """Look, and remember it; to be called about once a minute."""
        observers: dict[str, Callable[[], Sequence[Sentence | str]]] = {
            RIGHTS: self._find_rights,
            SERIES: self._find_series,
            WATCHDOGS: self._find_watchdogs,
        }
        self._found = {name: self._contained(name, observe) for name, observe in observers.items()}

    def trouble(self, about: str) -> Text | None:
        """What the last look has found about one of ``ABOUT``; None when nothing."""
        found = self._found.get(about, ())
        more = [said("adapters.and_more", n=len(found) - MOST_NAMED)] if len(found) > MOST_NAMED else []
        return together([*found[:MOST_NAMED], *more]) or None

    def _contained(self, about: str, observe: Callable[[], Sequence[Sentence | str]]) -> Sequence[Sentence | str]:
        try:
            with contained(f"look at {about}"):
                return observe()
        except Broken as broken:
            self._failed(about, broken)
        except Fault:
            pass
        return ()

    def _find_rights(self) -> Sequence[Sentence | str]:
        """Those first that were never asked for; an API server that does not answer is asked once."""
        self._kube.ping()
        all_wanted = dict.fromkeys(access for service in self._services for access in wanted(self._reads, service))
        known = {access: found for access, found in self._rights.items() if access in all_wanted}
        for access in [*(one for one in all_wanted if one not in known), *known][:RIGHTS_AT_ONCE]:
            known.pop(access, None)
            known[access] = permission(self._kube, access)
            if known[access].allowed is None:
                break
        self._rights = known
        refused = [known[access] for access in all_wanted if access in known and known[access].allowed is False]
        return [str(problem) for problem in lacking(refused)]

    def _find_series(self) -> Sequence[Sentence | str]:
        trouble = without_series(self._metrics)
        return [trouble] if trouble is not None else []

    def _find_watchdogs(self) -> Sequence[Sentence | str]:
        spaces = dict.fromkeys(space for service in self._services for space, _ in service.virtual_service_keys)
        found = [self._watchdog(space) for space in spaces]
        return [one for one in found if one is not None]

    def _watchdog(self, namespace: str) -> Sentence | None:
        """None also where nobody says that they watch: that may be meant, and ``check`` says so."""
        try:
            lease = self._kube.get("Lease", namespace, heartbeat_lease.WATCHING)
        except Fault as fault:
            if fault.cause is not Cause.FORBIDDEN:
                raise
            return said("adapters.watchdog_unreadable", why=fault.sentence)
        return watchdog_trouble(namespace, lease, self._limit, self._now()) if lease is not None else None
