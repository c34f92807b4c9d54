"""The port ``Snapshots``: everything preflight questions, as the API server has it. What it means is decided there.

One list per kind and namespace, all at the same time; then what depends on them (gateways and pods). VirtualServices
are listed twice: those of the service's namespace, without which nothing can be said, and those of all namespaces, for
which a Role is not enough. Nothing is taken from a cache: this is the last read before users are moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.adapters.kube import Kube
from bot.adapters.kube_answers import Unanswered
from bot.adapters.kube_shapes import checked_spec
from bot.cluster.objects import Object, name_of, named, namespace_of, service_name, service_namespace
from bot.cluster.selectors import LabelSelector
from bot.model.errors import Fault
from bot.model.service import ServiceConfig
from bot.preflight import Access, Permission, Snapshot, Unread
from bot.preflight.examine import REQUIRED
from bot.preflight.gateways import GATEWAY_PODS, gateway_places
from bot.preflight.mesh import ELSEWHERE
from bot.preflight.permissions import needed

AT_ONCE = 8  # requests

T = TypeVar("T")


class KubeSnapshots:
    """Surveys services of one cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def take(self, service: ServiceConfig, version: str) -> Snapshot:
        """The raw objects as the API server has them; missing ones are None or empty, forbidden ones are told.

        Raises:
            Unanswered: the API server gave no answer, so nothing could be said about the service.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="survey") as pool:
            return _snapshot(service, version, _Questions(self._kube, pool))


def _snapshot(service: ServiceConfig, version: str, questions: _Questions) -> Snapshot:
    home = service.namespace
    meshes = questions.ask("VirtualService", lambda kube: kube.list("VirtualService", home))
    everywhere = questions.ask(ELSEWHERE, lambda kube: kube.list_everywhere("VirtualService"))
    deployments = questions.ask("Deployment", lambda kube: kube.list("Deployment", home))
    place = service_namespace(service), service_name(service)
    backend = questions.ask("Service", lambda kube: kube.get("Service", *place))
    rules = questions.ask("DestinationRule", lambda kube: kube.list("DestinationRule", home))
    scalers = questions.ask("HorizontalPodAutoscaler", lambda kube: kube.list("HorizontalPodAutoscaler", home))
    http_routes = questions.ask("HTTPRoute", lambda kube: kube.list("HTTPRoute", home))
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

    virtual_services, all_deployments = questions.listed(meshes), questions.listed(deployments)
    ours = named(virtual_services, service.virtual_service)
    elsewhere = [one for one in questions.listed(everywhere) if namespace_of(one, home) != home]
    sides = {service.primary_deployment, service.canary_name(version)}
    pods = [questions.pods_of(one) for one in all_deployments if name_of(one) in sides]
    asked = [questions.gateway(*place) for place in gateway_places(ours)] if ours else []
    gateways = [found for gateway in asked if (found := questions.one(gateway))]
    doors = [questions.pods_behind(one) for one in gateways if (one.get("spec") or {}).get("selector")]
    return Snapshot(
        virtual_service=ours,
        service=questions.one(backend),
        virtual_services=(*(one for one in virtual_services if one is not ours), *elsewhere),
        destination_rules=questions.listed(rules),
        gateways=tuple(gateways),
        gateway_pods=_each_once(questions.listed(some) for some in doors),
        deployments=all_deployments,
        pods=_each_once(questions.listed(some) for some in pods),
        autoscalers=questions.listed(scalers),
        http_routes=questions.listed(http_routes),
        budgets=questions.listed(budgets),
        quotas=questions.listed(quotas),
        policies=tuple(one for kind in policies for one in questions.listed(kind)),
        drivers=tuple(one for kind in drivers for one in questions.listed(kind)),
        permissions=tuple(permission.result() for permission in permissions),
        unread=tuple(questions.unread),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked(Generic[T]):
    """A read that is under way."""

    kind: str
    answer: Future[T]


class _Questions:
    """One snapshot's questions. What may not be read is remembered, once for each kind, and the survey goes on."""

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

    def pods_behind(self, gateway: Object) -> _Asked[list[Object]]:
        """The pods that a Gateway asks for, where it is; they may be elsewhere, and forbidden there."""
        selector = LabelSelector.of({"matchLabels": gateway["spec"]["selector"]})
        return self.ask(GATEWAY_PODS, lambda kube: kube.list("Pod", gateway["metadata"]["namespace"], selector))

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
    """Two Deployments' selectors may overlap."""
    return tuple({name_of(pod): pod for pods in lists for pod in pods}.values())
