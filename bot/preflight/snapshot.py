"""What was found out about a service, as values: raw objects, permissions, callers. What it means is not said here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.cluster.bindings import governing
from bot.cluster.objects import NamespacedName, Object, full_name, host_names, name_of, named, namespace_of
from bot.model.errors import Cause
from bot.model.figures import ScrapeTarget
from bot.model.service import ServiceConfig
from bot.words.sentence import Text

ISTIO_NAMESPACE = "istio-system"  # where istiod is, unless a setting says otherwise


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
        of_roots: the same to Services that select pods of both versions, where routes name others; by Service's name.
        failure: why nobody knows, as a sentence.
    """

    of_canary: Mapping[str, float] = field(default_factory=dict)
    of_service: Mapping[str, float] = field(default_factory=dict)
    of_roots: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    failure: Text = ""


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
    failure: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the API server holds about one service, as raw JSON objects. Missing objects are None or empty.

    Attributes:
        virtual_service: the one named in ``services.yaml``; of several the first, or the one that is looked at.
        siblings: the others that are named there, as far as they exist.
        virtual_services: every other VirtualService (roots, rivals for the same hosts): those of the namespaces of the
            service and of its VirtualService, then those of all others where they could be read.
        destination_rules: the same of DestinationRules.
        gateways: those the VirtualService names, as far as they could be read.
        services: all of the namespace.
        deployments: all of the namespace.
        other_workloads: StatefulSets and DaemonSets of the names under which no Deployment is.
        pods: of the primary and the canary.
        autoscalers: HorizontalPodAutoscalers of the namespace.
        gateway_pods: the pods with the labels that those Gateways ask for.
        gateway_pods_in: the namespaces in which they could be looked for; None: all, as Istio does.
        other_gateways: those of other VirtualServices that have hosts of ours.
        http_routes: HTTPRoutes of the namespace, then those of all others where they could be read; empty where the
            cluster does not know the kind.
        namespace: the Service's own Namespace.
        root_namespace: where the mesh's own objects are, which hold for all namespaces.
        budgets: PodDisruptionBudgets of the namespace.
        quotas: ResourceQuotas of the namespace.
        policies: what governs pods by a selector: Sidecars, PeerAuthentications and AuthorizationPolicies.
        drivers: other canary tools' orders: Flagger's Canaries and Argo's Rollouts.
        permissions: whether we may do what a rollout does.
        unread: kinds that could not be read.
    """

    virtual_service: Object | None
    service: Object | None
    siblings: tuple[Object, ...] = ()
    virtual_services: tuple[Object, ...] = ()
    destination_rules: tuple[Object, ...] = ()
    gateways: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()
    other_workloads: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    autoscalers: tuple[Object, ...] = ()
    gateway_pods: tuple[Object, ...] = ()
    gateway_pods_in: tuple[str, ...] | None = None
    other_gateways: tuple[Object, ...] = ()
    http_routes: tuple[Object, ...] = ()
    namespace: Object | None = None
    root_namespace: str = ISTIO_NAMESPACE
    budgets: tuple[Object, ...] = ()
    quotas: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    drivers: tuple[Object, ...] = ()
    permissions: tuple[Permission, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def ours(self) -> tuple[Object, ...]:
        """Every VirtualService that is named in ``services.yaml`` and exists."""
        return (*(() if self.virtual_service is None else (self.virtual_service,)), *self.siblings)

    @property
    def governs(self) -> list[Object]:
        """Those whose hosts and gateways the routes have: ours, or the roots that delegate to them."""
        found = [one for ours in self.ours for one in governing(ours, (*self.siblings, *self.virtual_services))]
        return [one for key, one in enumerate(found) if not any(one is before for before in found[:key])]

    def is_read(self, kind: str) -> bool:
        """Whether the absence of such an object means that there is none."""
        return all(one.kind != kind for one in self.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Versions that are hosts: each has a Service of its own, and routes share users out between the two."""

    primary: Object
    canary: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a check is about: a service, the version that is to be released, and what was found.

    Attributes:
        apart: the two Services, where versions are hosts; ``service`` and ``snapshot`` then speak of the primary's.
    """

    service: ServiceConfig
    version: str
    snapshot: Snapshot
    apart: Apart | None = None

    @property
    def each(self) -> tuple[Subject, ...]:
        """The same once for each VirtualService of the service: each in its turn the one, with the others beside it."""
        service, ours = self.service, self.snapshot.ours
        return tuple(self._at(key, service, ours) for key in service.virtual_service_keys)

    def _at(self, key: NamespacedName, service: ServiceConfig, ours: Sequence[Object]) -> Subject:
        home = service.namespace
        here = next((one for one in ours if (namespace_of(one, home), name_of(one)) == key), None)
        return replace(
            self,
            service=replace(
                service,
                virtual_service=key[1],
                virtual_service_namespace=key[0],
                siblings=tuple("/".join(one) for one in service.virtual_service_keys if one != key),
            ),
            snapshot=replace(
                self.snapshot, virtual_service=here, siblings=tuple(one for one in ours if one is not here)
            ),
        )

    @property
    def primary(self) -> Object | None:
        """The primary Deployment, if it is there."""
        return named(self.snapshot.deployments, self.service.primary_deployment)

    @property
    def canary(self) -> Object | None:
        """The canary Deployment, if it is there."""
        return named(self.snapshot.deployments, self.service.canary_name(self.version))

    @property
    def backends(self) -> tuple[Object, ...]:
        """The Kubernetes Services that its users are sent to, as far as they are there: one, or one of each side."""
        if self.apart:
            return (self.apart.primary, self.apart.canary)
        return (self.snapshot.service,) if self.snapshot.service else ()

    @property
    def host_names(self) -> frozenset[str]:
        """Every way to write one of those Services where the mesh objects are."""
        ours = host_names(self.service)
        if self.apart is None:
            return ours
        return ours | host_names(replace(self.service, primary_host=name_of(self.apart.canary)))

    def is_at(self, host: object, home: str) -> bool:
        """Whether a host, as an object of the namespace ``home`` writes it, is one of those Services."""
        return full_name(str(host or ""), home) in self.host_names

    @property
    def sides(self) -> tuple[Object, ...]:
        """The primary and the canary, as far as they are there."""
        return tuple(side for side in (self.primary, self.canary) if side is not None)
