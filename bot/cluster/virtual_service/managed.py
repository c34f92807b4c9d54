"""Which http routes of a VirtualService are ours to edit, and which of their destinations are the two sides.

The rule: every route that sends users to the primary (its subset, or its Service where each version has one) is ours,
and is either understood in full or refused; they move together, unless services.yaml names some of them. A route to the
canary alone (testers with a header) and everything about other hosts belongs to somebody else. So does a third
destination, with its share of the users or without any, such as the one that an earlier release has left at 0: it stays
as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.cluster.virtual_service.shape import misshapen
from bot.model.errors import Refusal
from bot.model.rollout import Target
from bot.words.sentence import Code, Item, Sentence, said

VirtualService = dict[str, Any]
HttpRoute = dict[str, Any]
Destination = Mapping[str, Any]

INSERTED = "canarybot-mirror-"

EVERY_REQUEST = 100  # percent, and what the weights of a route add up to

STREAMS = ("tls", "tcp")  # routes that share out connections, of which nothing can be mirrored

_INSTEAD_OF_ROUTE = ("redirect", "directResponse", "delegate")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two places that users are shared out between: a subset of a host, or all of one."""

    host: str  # fully qualified
    subset: str = ""  # "": the version has a Service of its own, and whatever subset of that is named is this side

    def __str__(self) -> str:
        return self.subset or self.host.partition(".")[0]

    def is_at(self, host: str, subset: object) -> bool:
        """Whether a destination is this side."""
        return host == self.host and (not self.subset or subset == self.subset)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSides:
    """Tells the two sides among destinations.

    Attributes:
        namespace: the VirtualService's, where short hosts resolve.
        canary_port: of an entry for the canary that is made of one with a port; 0: the same port.
    """

    namespace: str
    primary: Side
    canary: Side
    canary_port: int = 0

    @classmethod
    def of(cls, vs: VirtualService, target: Target) -> RouteSides:
        """The sides of ``target`` as ``vs`` would spell them."""
        return cls(
            namespace=str(vs["metadata"].get("namespace", target.virtual_service_namespace)),
            primary=Side(target.host, target.primary_subset),
            canary=Side(target.canary_host or target.host, target.canary_subset),
            canary_port=target.canary_port,
        )

    def side(self, destination: Destination) -> Side | None:
        """Which of the two this is; None for any other place."""
        host, subset = self._fqdn(destination), destination.get("subset")
        return next((one for one in (self.primary, self.canary) if one.is_at(host, subset)), None)

    def part(self, destination: Destination) -> str:
        """What part of the service it is; "" is every pod of it."""
        side = self.side(destination)
        return str(side) if side else str(destination.get("subset") or "")

    def is_host(self, destination: Destination) -> bool:
        """Whether it is the service, whichever part of it."""
        return self._fqdn(destination) in {self.primary.host, self.canary.host}

    def is_loose(self, destination: Destination) -> bool:
        """Whether it is every pod of the service, whatever their version."""
        return self.is_host(destination) and not self.part(destination)

    def entry(self, route: HttpRoute, side: Side) -> dict[str, Any] | None:
        """The entry of the route's ``route`` list that sends users to ``side``; the very dict."""
        entries = route.get("route") or []
        return next((one for one in entries if self.side(one.get("destination", {})) == side), None)

    def _fqdn(self, destination: Destination) -> str:
        """The full host, as Istio finds it: only a name without any dot is completed."""
        host = str(destination.get("host", "")).removesuffix(".")
        domain = self.primary.host.partition(".svc.")[2]
        return host if "." in host else f"{host}.{self.namespace}.svc.{domain}"


def managed_routes(vs: VirtualService, target: Target) -> list[HttpRoute]:
    """The http routes that are ours to edit, in their order; the very dicts inside ``vs``.

    Raises:
        Refusal: they cannot be told for sure, or hold something we must not move.
    """
    sides = RouteSides.of(vs, target)
    http = foreign_http(vs)
    wanted = _names_here(http, target)
    chosen = _by_name(vs, http, wanted) if wanted else _to_primary(vs, http, sides)
    reasons = [reason for route in chosen if (reason := _unmanageable(label_of(http, route), route, sides))]
    if reasons:
        raise Refusal(said("cluster.unmanageable", name=title(vs)), reasons)
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A route to the service that a rollout does not move.

    Attributes:
        label: how to call it in a sentence.
        part: where its users are: the primary's subset or host, or "" for every pod of the service.
        kind: ``http``, ``tls`` or ``tcp``.
        name: as it is written; "" where it has none.
    """

    label: Sentence
    part: str
    kind: str = "http"
    name: str = ""


def left_out(vs: VirtualService, target: Target) -> list[LeftOut]:
    """Every route whose users reach the primary's pods and are not ours to move, whatever its protocol.

    Raises:
        Refusal: the managed routes cannot be told.
    """
    sides = RouteSides.of(vs, target)
    ours = managed_routes(vs, target)
    http = foreign_http(vs)
    routes = [("http", label_of(http, route), route) for route in http if not any(route is one for one in ours)]
    for kind in STREAMS:
        routes += [(kind, label_at(kind, index), one) for index, one in enumerate(vs["spec"].get(kind) or (), start=1)]
    return [
        LeftOut(label=label, part=part, kind=kind, name=str(route.get("name") or ""))
        for kind, label, route in routes
        for part in sorted(reached(route, sides) & {str(sides.primary), ""})
    ]


def reaches_primary(vs: VirtualService, target: Target) -> bool:
    """Whether any of its http routes names the primary's side, with users or without, and is not another's."""
    sides = RouteSides.of(vs, target)
    return any(_is_ours(route, sides) for route in vs["spec"].get("http") or ())


def _is_ours(route: HttpRoute, sides: RouteSides) -> bool:
    return bool(sides.entry(route, sides.primary)) and not is_anothers(route, sides)


def without_subset(vs: VirtualService, target: Target) -> list[Sentence]:
    """How to call each http route that sends users to the service without a subset.

    Raises:
        Refusal: the object is not one that its API describes.
    """
    sides, http = RouteSides.of(vs, target), foreign_http(vs)
    return [label_of(http, route) for route in http if "" in reached(route, sides)]


def share_of_ours(route: HttpRoute, sides: RouteSides) -> float:
    """What a route's weights give our two sides together, in the unit of its weights; a lone primary has everyone."""
    if len(route["route"]) == 1:
        return EVERY_REQUEST
    return _sum(one for one in route["route"] if sides.side(one.get("destination", {})))


def share_of_others(route: HttpRoute, sides: RouteSides) -> float:
    """What they give everybody else: in a managed route it is percent, and stays as it is."""
    if len(route["route"]) == 1:
        return 0
    return _sum(one for one in route["route"] if not sides.side(one.get("destination", {})))


def _sum(entries: Iterable[Mapping[str, Any]]) -> float:
    weights: float = sum(one.get("weight", 0) for one in entries)
    return weights


def has_users(entry: Mapping[str, Any], route: HttpRoute) -> bool:
    """Whether the route sends anybody there: a weight of 0 is nobody, unless it is the only place there is."""
    return bool(entry.get("weight")) or len(route["route"]) == 1


def foreign_http(vs: VirtualService) -> list[HttpRoute]:
    """The http routes that we did not insert ourselves.

    Raises:
        Refusal: the object is not one that its API describes, so nothing about it can be told.
    """
    wrong = misshapen(vs, title(vs))
    if wrong is not None:
        raise Refusal(wrong)
    return [route for route in vs["spec"].get("http") or [] if not is_inserted(route)]


def is_inserted(route: HttpRoute) -> bool:
    """Whether this is a mirroring copy of ours."""
    return str(route.get("name", "")).startswith(INSERTED)


def title(vs: VirtualService) -> str:
    """How to call the object in a sentence, and whatever else users are routed by."""
    metadata = vs["metadata"]
    return f"{vs.get('kind', 'VirtualService')} {metadata.get('namespace', 'default')}/{metadata['name']}"


def _names_here(http: list[HttpRoute], target: Target) -> tuple[str, ...]:
    """The names of the routes to move, as far as they are about this object: of several each has some of them."""
    names = {route.get("name") for route in http}
    here = tuple(name for name in target.route_names if name in names)
    return here if here and target.siblings else target.route_names


def _by_name(vs: VirtualService, http: list[HttpRoute], wanted: tuple[str, ...]) -> list[HttpRoute]:
    names = [route.get("name") for route in http]
    reasons = [
        said("cluster.no_route_named", name=name) if name not in names else said("cluster.routes_named", name=name)
        for name in wanted
        if names.count(name) != 1
    ]
    if reasons:
        raise Refusal(said("cluster.routes_not_found", name=title(vs)), reasons)
    return [route for route in http if route.get("name") in wanted]


def _to_primary(vs: VirtualService, http: list[HttpRoute], sides: RouteSides) -> list[HttpRoute]:
    found = [route for route in http if _is_ours(route, sides)]
    if not found:
        raise Refusal(_nothing_managed(vs, http, sides))
    return found


def is_anothers(route: HttpRoute, sides: RouteSides) -> bool:
    """Whether all its users are elsewhere, and our side is only what an earlier release has left at 0."""
    return not share_of_ours(route, sides) and share_of_others(route, sides) > 0


def _nothing_managed(vs: VirtualService, http: list[HttpRoute], sides: RouteSides) -> Sentence:
    routes = tuple(label_of(http, route) for route in http if "" in reached(route, sides))
    if routes:
        return said(
            "cluster.route_without_subset",
            routes=routes,
            name=title(vs),
            host=sides.primary.host,
            field=Code(f"subset: {sides.primary.subset}"),
        )
    delegates = [route["delegate"] for route in http if route.get("delegate")]
    if delegates:
        names = {f"{one.get('namespace', sides.namespace)}/{one.get('name', '?')}" for one in delegates}
        listed = tuple(sorted(names))
        return said("cluster.delegates", name=title(vs), listed=listed, place=_whole(sides.primary))
    if not http and (vs["spec"].get("tls") or vs["spec"].get("tcp")):
        return said("cluster.no_http_routes", name=title(vs), place=_whole(sides.primary))
    return said("cluster.no_route_to_primary", name=title(vs), place=_whole(sides.primary))


def _whole(side: Side) -> Item:
    """How to call a side by all that a route has to say of it."""
    return said("cluster.subset_of", host=side.host, subset=side.subset) if side.subset else side.host


def _unmanageable(label: Sentence, route: HttpRoute, sides: RouteSides) -> Sentence | None:
    """Why a route that should be ours cannot be."""
    for field in _INSTEAD_OF_ROUTE:
        if route.get(field):
            return said("cluster.not_shared_out", route=label, field=Code(field))
    entries = route.get("route") or []
    for entry in entries:
        destination = entry.get("destination", {})
        if sides.is_loose(destination) and has_users(entry, route):
            return said("cluster.to_every_pod", route=label, host=str(destination["host"]))
    found = [side for entry in entries if (side := sides.side(entry.get("destination", {})))]
    if sides.primary not in found:
        return said("cluster.not_to_primary", route=label, subset=str(sides.primary))
    if len(found) != len(set(found)):
        return said("cluster.subset_twice" if sides.primary.subset else "cluster.host_twice", route=label)
    others = share_of_others(route, sides)
    total = others + share_of_ours(route, sides)
    if others and total != EVERY_REQUEST:
        return said("cluster.odd_sum", route=label, total=total, wanted=EVERY_REQUEST)
    return None


def reached(route: HttpRoute, sides: RouteSides) -> set[str]:
    """Parts of the service that the route has users on; "" is every pod of it."""
    entries = route.get("route") or []
    found = [one.get("destination") or {} for one in entries if has_users(one, route)]
    return {sides.part(one) for one in found if sides.is_host(one)}


def label_of(http: list[HttpRoute], route: HttpRoute) -> Sentence:
    """How to call a route in a sentence: by its name, or by its place."""
    place = next(index for index, one in enumerate(http, start=1) if one is route)
    return said("cluster.route_named", name=str(route["name"])) if route.get("name") else label_at("http", place)


def label_at(kind: str, place: int) -> Sentence:
    """How to call a route by its place, counted from 1."""
    return said("cluster.route_at", kind=kind, place=place)
