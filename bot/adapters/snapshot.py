"""The port ``Snapshots``: everything preflight questions, as the API server has it. What it means is decided there.

One list per kind and namespace, all at the same time; then what depends on them (gateways and pods). VirtualServices
are listed twice: those of the service's namespace, without which nothing can be said, and those of all namespaces, for
which a Role is not enough. Nothing is taken from a cache: this is the last read before users are moved.

The mesh's root namespace is what istiod's own ConfigMap says; where that may not be read, istiod's is taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.adapters.kube import Kube
from bot.adapters.kube_answers import Unanswered
from bot.adapters.kube_shapes import checked_spec
from bot.adapters.mesh_config import root_namespace
from bot.cluster.bindings import gateway_keys, governing
from bot.cluster.deployments import versions_of
from bot.cluster.objects import NamespacedName, Object, name_of, namespace_of, service_name, service_namespace
from bot.cluster.selectors import LabelSelector
from bot.model.errors import Cause, Fault
from bot.model.service import ServiceConfig
from bot.preflight import Access, Permission, Snapshot, Unread
from bot.preflight.destination_rules import ELSEWHERE as RULES_ELSEWHERE
from bot.preflight.examine import REQUIRED
from bot.preflight.gateways import GATEWAY_PODS, OTHER_GATEWAYS
from bot.preflight.hosts import SERVICES
from bot.preflight.mesh import ELSEWHERE, other_gateway_keys
from bot.preflight.permissions import needed
from bot.preflight.snapshot import ISTIO_NAMESPACE
from bot.preflight.waypoints import ELSEWHERE as HTTP_ROUTES_ELSEWHERE

AT_ONCE = 8  # requests
OTHER_WORKLOADS = ("StatefulSet", "DaemonSet")  # that somebody may have named where a Deployment belongs
USUAL_GATEWAYS = ("istio-system", "istio-ingress")  # where Istio's own installation pages put a gateway's pods

T = TypeVar("T")


class KubeSnapshots:
    """Surveys services of one cluster, whose istiod is in that namespace."""

    def __init__(self, kube: Kube, istiod: str = ISTIO_NAMESPACE) -> None:
        self._kube = kube
        self._istiod = istiod

    def take(self, service: ServiceConfig, version: str) -> Snapshot:
        """The raw objects as the API server has them; missing ones are None or empty, forbidden ones are told.

        Raises:
            Unanswered: the API server gave no answer, so nothing could be said about the service.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="snapshot") as pool:
            return _snapshot(service, version, _Questions(self._kube, pool), self._istiod)

    def versions(self, service: ServiceConfig) -> Sequence[str]:
        """Every version that the service has a Deployment for, the newest first."""
        deployments = self._kube.list("Deployment", service.namespace)
        return versions_of(deployments, service.canary_deployment, service.primary_deployment)


def _snapshot(service: ServiceConfig, version: str, questions: _Questions, istiod: str) -> Snapshot:
    home = service.namespace
    routed = dict.fromkeys((home, *(space for space, _ in service.virtual_service_keys)))
    ruled = dict.fromkeys((home, service.rule_at[0]))
    meshes = [questions.ask("VirtualService", _listing_virtual_services(space)) for space in routed]
    everywhere = questions.ask(ELSEWHERE, lambda kube: kube.list_everywhere("VirtualService"))
    deployments = questions.ask("Deployment", lambda kube: kube.list("Deployment", home))
    key = service_namespace(service), service_name(service)
    backend = questions.ask("Service", lambda kube: kube.get("Service", *key))
    neighbours = questions.ask(SERVICES, lambda kube: kube.list("Service", home))
    rules = [questions.ask("DestinationRule", _listing_rules(space)) for space in ruled]
    all_rules = questions.ask(RULES_ELSEWHERE, lambda kube: kube.list_everywhere("DestinationRule"))
    scalers = questions.ask("HorizontalPodAutoscaler", lambda kube: kube.list("HorizontalPodAutoscaler", home))
    http_routes = questions.ask("HTTPRoute", lambda kube: kube.list("HTTPRoute", home))
    all_http_routes = questions.ask(HTTP_ROUTES_ELSEWHERE, lambda kube: kube.list_everywhere("HTTPRoute"))
    namespace = questions.ask("Namespace", lambda kube: kube.get("Namespace", key[0], key[0]))
    root = questions.ask("ConfigMap", lambda kube: root_namespace(kube, istiod))
    budgets = questions.ask("PodDisruptionBudget", lambda kube: kube.list("PodDisruptionBudget", home))
    quotas = questions.ask("ResourceQuota", lambda kube: kube.list("ResourceQuota", home))
    policies = (
        questions.ask("Sidecar", lambda kube: kube.list("Sidecar", home)),
        questions.ask("PeerAuthentication", lambda kube: kube.list("PeerAuthentication", home)),
        questions.ask("AuthorizationPolicy", lambda kube: kube.list("AuthorizationPolicy", home)),
    )
    drivers = (
        questions.ask("Canary", lambda kube: kube.list("Canary", home)),
        questions.ask("Rollout", lambda kube: kube.list("Rollout", home)),
    )
    permissions = [questions.may(access) for access in needed(service, version)]

    virtual_services = _each_once(questions.listed(some) for some in (*meshes, everywhere))
    all_deployments = questions.listed(deployments)
    missing = {service.primary_deployment, service.canary_name(version)} - {name_of(one) for one in all_deployments}
    instead = [questions.get(kind, home, name) for name in sorted(missing) for kind in OTHER_WORKLOADS]
    at = {(namespace_of(one, home), name_of(one)): one for one in virtual_services}
    ours, *siblings = (at.get(key) for key in service.virtual_service_keys)
    sides = {service.primary_deployment, service.canary_name(version)}
    pods = [questions.pods_of(one) for one in all_deployments if name_of(one) in sides]
    named = [one for one in (ours, *siblings) if one is not None]
    others = tuple(one for one in virtual_services if not any(one is other for other in named))
    governs = [root for one in named for root in governing(one, virtual_services)]
    asked = [questions.gateway(*key) for key in dict.fromkeys(key for one in governs for key in gateway_keys(one))]
    beside = [questions.other_gateway(*key) for key in other_gateway_keys(governs, others)]
    gateways = [found for gateway in asked if (found := questions.one(gateway))]
    doors = [questions.pods_behind(one) for one in gateways if (one.get("spec") or {}).get("selector")]
    behind = [questions.read(some, GatewayPods()) for some in doors]
    return Snapshot(
        virtual_service=ours,
        siblings=tuple(one for one in siblings if one is not None),
        service=questions.one(backend),
        virtual_services=others,
        services=questions.listed(neighbours),
        destination_rules=_each_once(questions.listed(some) for some in (*rules, all_rules)),
        gateways=tuple(gateways),
        gateway_pods=_each_once(some.pods for some in behind),
        gateway_pods_in=next((some.spaces for some in behind if some.spaces is not None), None),
        other_gateways=tuple(found for gateway in beside if (found := questions.one(gateway))),
        deployments=all_deployments,
        other_workloads=tuple(found for workload in instead if (found := questions.one(workload))),
        pods=_each_once(questions.listed(some) for some in pods),
        autoscalers=questions.listed(scalers),
        http_routes=_each_once(questions.listed(some) for some in (http_routes, all_http_routes)),
        namespace=questions.one(namespace),
        root_namespace=questions.read(root, istiod),
        budgets=questions.listed(budgets),
        quotas=questions.listed(quotas),
        policies=tuple(one for kind in policies for one in questions.listed(kind)),
        drivers=tuple(one for kind in drivers for one in questions.listed(kind)),
        permissions=tuple(permission.result() for permission in permissions),
        unread=tuple(questions.unread),
    )


def _listing_virtual_services(space: str) -> Callable[[Kube], list[Object]]:
    return lambda kube: kube.list("VirtualService", space)


def _listing_rules(space: str) -> Callable[[Kube], list[Object]]:
    return lambda kube: kube.list("DestinationRule", space)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPods:
    """The pods that a Gateway asks for. ``spaces``: where they could be looked for; None: everywhere."""

    pods: tuple[Object, ...] = ()
    spaces: tuple[str, ...] | None = None


def _pods_behind(kube: Kube, gateway: Object) -> GatewayPods:
    """Of all namespaces, as Istio looks for them; where that is forbidden, where they are likely to be.

    Raises:
        Fault: they may be listed nowhere, or the API server has trouble.
    """
    selector = LabelSelector.of({"matchLabels": gateway["spec"]["selector"]})
    try:
        return GatewayPods(pods=tuple(kube.list_everywhere("Pod", selector)))
    except Fault as fault:
        if fault.cause is not Cause.FORBIDDEN:
            raise
        refused = fault
    found: dict[str, list[Object]] = {}
    for space in dict.fromkeys((gateway["metadata"]["namespace"], *USUAL_GATEWAYS)):
        try:
            found[space] = kube.list("Pod", space, selector)
        except Fault as fault:
            if fault.cause is not Cause.FORBIDDEN:
                raise
    if not found:
        raise refused
    return GatewayPods(pods=tuple(pod for pods in found.values() for pod in pods), spaces=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked(Generic[T]):
    """A read that is under way."""

    kind: str
    answer: Future[T]


class _Questions:
    """One snapshot's questions. What may not be read is remembered, once for each kind, and the snapshot goes on."""

    def __init__(self, kube: Kube, pool: ThreadPoolExecutor) -> None:
        self._kube = kube
        self._pool = pool
        self.unread: list[Unread] = []

    def ask(self, kind: str, read: Callable[[Kube], T]) -> _Asked[T]:
        """Begin a read."""
        return _Asked(kind=kind, answer=self._pool.submit(read, self._kube))

    def read(self, asked: _Asked[T], instead: T) -> T:
        """Its answer; ``instead`` when the server refuses it."""
        try:
            return asked.answer.result()
        except Fault as fault:
            if isinstance(fault, Unanswered) and asked.kind in REQUIRED:
                raise
            self._put_down(asked.kind, fault)
            return instead

    def _put_down(self, kind: str, fault: Fault) -> None:
        if all(one.kind != kind for one in self.unread):
            self.unread.append(Unread(kind=kind, cause=fault.cause, sentence=fault.sentence))

    def _fits(self, asked: str, thing: Object) -> bool:
        """Whether the object is what its API says; if not, that is put down, and nothing is made of it."""
        try:
            checked_spec(thing, str(thing.get("kind", asked)))
        except Fault as fault:
            self._put_down(asked, fault)
            return False
        return True

    def listed(self, asked: _Asked[list[Object]]) -> tuple[Object, ...]:
        """The objects of a list; none when the server refuses it."""
        return tuple(one for one in self.read(asked, []) if self._fits(asked.kind, one))

    def one(self, asked: _Asked[Object | None]) -> Object | None:
        """One object; None when there is none, or the server refuses it."""
        found = self.read(asked, None)
        return found if found is not None and self._fits(asked.kind, found) else None

    def pods_of(self, deployment: Object) -> _Asked[list[Object]]:
        """A Deployment's pods by its selector."""
        namespace, selector = deployment["metadata"]["namespace"], LabelSelector.of(deployment["spec"]["selector"])
        return self.ask("Pod", lambda kube: kube.list("Pod", namespace, selector))

    def gateway(self, namespace: str, name: str) -> _Asked[Object | None]:
        """One Gateway."""
        return self.ask("Gateway", lambda kube: kube.get("Gateway", namespace, name))

    def get(self, kind: str, namespace: str, name: str) -> _Asked[Object | None]:
        """One object of any kind."""
        return self.ask(kind, lambda kube: kube.get(kind, namespace, name))

    def other_gateway(self, namespace: str, name: str) -> _Asked[Object | None]:
        """One Gateway that only another VirtualService names."""
        return self.ask(OTHER_GATEWAYS, lambda kube: kube.get("Gateway", namespace, name))

    def pods_behind(self, gateway: Object) -> _Asked[GatewayPods]:
        """The pods that a Gateway asks for, wherever they are, as far as they may be listed."""
        return self.ask(GATEWAY_PODS, lambda kube: _pods_behind(kube, gateway))

    def may(self, access: Access) -> Future[Permission]:
        """Ask for one permission."""
        return self._pool.submit(permission, self._kube, access)


def permission(kube: Kube, access: Access) -> Permission:
    """Whatever keeps the server from saying leaves it open: a rollout may still be permitted."""
    attributes = {
        "verb": access.verb,
        "group": access.group,
        "resource": access.resource,
        "subresource": access.subresource,
        "namespace": access.namespace,
        "name": access.name,
    }
    try:
        status = kube.review({key: value for key, value in attributes.items() if value})
    except Fault as fault:
        return Permission(access=access, allowed=None, why=fault.sentence)
    if not status.get("allowed") and status.get("evaluationError") and not status.get("denied"):
        return Permission(access=access, allowed=None, why=f"{str(status['evaluationError']).rstrip('.')}.")
    return Permission(access=access, allowed=bool(status.get("allowed")))


def _each_once(lists: Iterable[Sequence[Object]]) -> tuple[Object, ...]:
    """Two selectors may overlap, and what is listed in its namespace is among those of all."""
    found: dict[NamespacedName, Object] = {}
    for one in (one for some in lists for one in some):
        found.setdefault((namespace_of(one, ""), name_of(one)), one)
    return tuple(found.values())
