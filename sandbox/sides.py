"""Who is where: subsets, their shares of the users, and the pods behind them, read from the stand-in cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kube.objects import Object, is_ready, is_terminating, labels_of
from sandbox.kube.store import Store

INSERTED = "canarybot-mirror-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What a VirtualService says: percent of the users by subset or host, and which of those get copies."""

    users: Mapping[str, int]
    mirrored: frozenset[str]

    def of(self, subset: str) -> int:
        """Percent of the users on this subset."""
        return self.users.get(subset, 0)

    def uses(self, subset: str) -> bool:
        """Whether users or copies reach it."""
        return self.of(subset) > 0 or subset in self.mirrored


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The names of a service's objects."""

    namespace: str = "default"
    routes_in: str = "default"  # the VirtualService's
    virtual_service: str = "reviews"
    destination_rule: str = "reviews"
    primary: str = "reviews-v1"
    canary: str = "reviews-v2"
    primary_subset: str = "v1"  # or its Service, where versions are hosts
    canary_subset: str = "v2"
    siblings: tuple[tuple[str, str], ...] = ()  # further VirtualServices that are moved with it

    @property
    def every_route(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of each VirtualService of the service."""
        return (self.routes_at, *self.siblings)

    @property
    def routes_at(self) -> tuple[str, str]:
        """Namespace and name of the VirtualService."""
        return self.routes_in, self.virtual_service

    def namespace_of(self, kind: str) -> str:
        """Where its object of that kind is."""
        return self.routes_in if kind == "VirtualService" else self.namespace


HOSTS = Ground(primary_subset="reviews-v1", canary_subset="reviews-v2")


def shares_of(vs: Object | None) -> Shares:
    """The shares of the last route of the object, and the mirrors of all: ours stand before the route they copy.

    Without the object nobody is sent anywhere in particular.
    """
    routes = (vs["spec"].get("http") or []) if vs else []
    entries = (routes[-1].get("route") or []) if routes else []
    only = len(entries) == 1  # a single destination gets everything, whatever its weight
    users = {place_of(entry["destination"]): 100 if only else int(entry.get("weight", 0)) for entry in entries}
    mirrored = frozenset(found for route in routes for found in _mirrored(route))
    return Shares(users=users, mirrored=mirrored)


def of_all(several: Sequence[Shares]) -> Shares:
    """Where anybody is who comes by one of several objects: the largest share of each subset, and copies of any."""
    places = dict.fromkeys(subset for one in several for subset in one.users)  # in their order, for who reads it
    users = {subset: max(one.of(subset) for one in several) for subset in places}
    return Shares(users=users, mirrored=frozenset().union(*(one.mirrored for one in several)))


def _mirrored(route: Object) -> Iterator[str]:
    percent = route.get("mirrorPercentage", {}).get("value", 100)
    if "mirror" in route and percent > 0:
        yield place_of(route["mirror"])


def place_of(destination: Object) -> str:
    """What a version's place is called: its subset, or its Service where routes name no subset."""
    return str(destination.get("subset") or destination["host"].partition(".")[0])


def place_labels(store: Store, namespace: str, destination_rule: str) -> dict[str, dict[str, str]]:
    """The labels of the pods at each place: those of the rule's subsets, and what each Service selects."""
    rule = store.get("DestinationRule", namespace, destination_rule)
    services = {one["metadata"]["name"]: one["spec"].get("selector") or {} for one in store.list("Service", namespace)}
    return services | ({subset["name"]: subset["labels"] for subset in rule["spec"]["subsets"]} if rule else {})


def ready_pods(store: Store, namespace: str, labels: Mapping[str, str]) -> list[Object]:
    """The pods with these labels that would get requests now."""

    def serves(pod: Object) -> bool:
        return labels.items() <= labels_of(pod).items() and is_ready(pod) and not is_terminating(pod)

    return store.list("Pod", namespace, where=serves)


def images_of(pod_spec: Mapping[str, Any]) -> dict[str, str]:
    """The images of a pod's or a template's spec by container, without the sidecar's."""
    return {one["name"]: one["image"] for one in pod_spec["containers"] if one["name"] != "istio-proxy"}


def owner_of(pod: Object) -> str:
    """The name of the Deployment a pod belongs to."""
    template_hash = labels_of(pod).get("pod-template-hash", "")
    owners = pod["metadata"].get("ownerReferences") or [{"name": ""}]
    return str(owners[0]["name"]).removesuffix(f"-{template_hash}")


def rates(store: Store, ground: Ground, users_per_second: float) -> dict[str, float]:
    """Requests per second of each pod of either side, as ``Deployment/pod``, copies included.

    A subset's share goes to its ready pods alike; a pod that gets nothing is there all the same.
    """
    every = [shares_of(store.get("VirtualService", *place)) for place in ground.every_route]
    living = store.list("Pod", ground.namespace, where=lambda pod: owner_of(pod) in {ground.primary, ground.canary})
    found = {target_of(pod): 0.0 for pod in living}
    for subset, labels in place_labels(store, ground.namespace, ground.destination_rule).items():
        percent = sum(_percent(one, subset) for one in every) / len(every)  # as many come by each
        pods = ready_pods(store, ground.namespace, labels) if percent else []
        for pod in pods:
            name = target_of(pod)
            found[name] = found.get(name, 0.0) + users_per_second * percent / 100 / len(pods)
    return found


def _percent(shares: Shares, subset: str) -> int:
    return shares.of(subset) + (sum(shares.users.values()) if subset in shares.mirrored else 0)


def target_of(pod: Object) -> str:
    """What it is called by whoever scrapes it."""
    return f"{owner_of(pod)}/{pod['metadata']['name']}"
