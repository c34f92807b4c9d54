"""What was found out about a service, as values: raw objects, permissions, callers. What it means is not said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.cluster.objects import Object, named
from bot.model.errors import Cause
from bot.model.figures import ScrapeTarget
from bot.model.service import ServiceConfig
from bot.words.said import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A kind of object that could not be read, what kind of failure that was, and the API server's reason."""

    kind: str
    cause: Cause
    sentence: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One thing a rollout does to the cluster, in the words of RBAC. ``name`` empty: all of the namespace."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Whether we may. ``allowed`` None: the API server could not say, and ``why`` not."""

    access: Access
    allowed: bool | None
    why: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who has been calling, by workload, as requests counted at the caller: copies are never counted there.

    Attributes:
        of_canary: requests that reached the canary just now.
        of_service: requests of callers that are no gateway, to the Service, over a longer time.
        failure: why nobody knows, as a sentence.
    """

    of_canary: Mapping[str, float] = field(default_factory=dict)
    of_service: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests that the primary answered just now, of one kind. ``method`` is "" where metrics do not tell it."""

    source: str
    requests: float
    protocol: str = "http"
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What Prometheus knows of both sides before anything begins.

    Attributes:
        traffic: what the primary answered in the last ten minutes, from whomever, by the configured reporter.
        reporters: who counts the primary's requests at all.
        bounds: the latency buckets of each side by its Deployment's name; a side without requests has none.
        scraped: the pods of both sides whose proxies are scraped, by name.
        age: seconds since the newest scrape of the primary.
        clock: the time by Prometheus's clock when it was asked.
        skew: how far that is from ours, seconds; more than 0 where it is ahead.
        rate: requests per second of the primary from the callers that are judged; None: not known.
        clusters: labels that tell clusters apart and have several values in one workload's series, with those.
        targets: who shows series of each side as its own proxies would, by its Deployment's name.
        failure: why nobody knows, as a sentence.
    """

    traffic: tuple[Traffic, ...] = ()
    reporters: frozenset[str] = frozenset()
    bounds: Mapping[str, frozenset[float]] = field(default_factory=dict)
    scraped: frozenset[str] = frozenset()
    age: float | None = None
    clock: float | None = None
    skew: float = 0.0
    rate: float | None = None
    clusters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    targets: Mapping[str, frozenset[ScrapeTarget]] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the API server holds about one service, as raw JSON objects. Missing objects are None or empty.

    Attributes:
        virtual_service: the one named in ``services.yaml``, its own namespace being the service's.
        virtual_services: every other VirtualService (delegates, rivals for the same hosts): those of the namespace,
            then those of all others where they could be read.
        destination_rules: all of the namespace.
        gateways: those the VirtualService names, as far as they could be read.
        deployments: all of the namespace.
        pods: of the primary and the canary.
        autoscalers: HorizontalPodAutoscalers of the namespace.
        gateway_pods: in the namespaces of those Gateways, the pods with the labels they ask for.
        http_routes: HTTPRoutes of the namespace; empty where the cluster does not know the kind.
        budgets: PodDisruptionBudgets of the namespace.
        quotas: ResourceQuotas of the namespace.
        policies: what governs pods by a selector: Sidecars, PeerAuthentications and AuthorizationPolicies.
        drivers: other canary tools' orders: Flagger's Canaries and Argo's Rollouts.
        permissions: whether we may do what a rollout does.
        unread: kinds that could not be read.
    """

    virtual_service: Object | None
    service: Object | None
    virtual_services: tuple[Object, ...] = ()
    destination_rules: tuple[Object, ...] = ()
    gateways: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    autoscalers: tuple[Object, ...] = ()
    gateway_pods: tuple[Object, ...] = ()
    http_routes: tuple[Object, ...] = ()
    budgets: tuple[Object, ...] = ()
    quotas: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    drivers: tuple[Object, ...] = ()
    permissions: tuple[Permission, ...] = ()
    unread: tuple[Unread, ...] = ()

    def is_read(self, kind: str) -> bool:
        """Whether the absence of such an object means that there is none."""
        return all(one.kind != kind for one in self.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a check is about: a service, the version that is to be released, and what was found."""

    service: ServiceConfig
    version: str
    snapshot: Snapshot

    @property
    def primary(self) -> Object | None:
        """The primary Deployment, if it is there."""
        return named(self.snapshot.deployments, self.service.primary_deployment)

    @property
    def canary(self) -> Object | None:
        """The canary Deployment, if it is there."""
        return named(self.snapshot.deployments, self.service.canary_name(self.version))

    @property
    def sides(self) -> tuple[Object, ...]:
        """The primary and the canary, as far as they are there."""
        return tuple(side for side in (self.primary, self.canary) if side is not None)
