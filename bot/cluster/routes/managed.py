"""Which http routes of a VirtualService are ours to edit, and which of their destinations are the two sides.

The rule: every route that sends users to the primary's subset is ours, and is either understood in full or refused.
A route to the canary alone (testers with a header) and everything about other hosts belongs to somebody else. So does
a third destination without users, such as the one that an earlier release has left at 0: it stays as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.cluster.routes.shape import misshapen
from bot.model.errors import Refusal
from bot.model.rollout import Target

VirtualService = dict[str, Any]
HttpRoute = dict[str, Any]
Destination = Mapping[str, Any]

INSERTED = "canarybot-mirror-"

_INSTEAD_OF_ROUTE = ("redirect", "directResponse", "delegate")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSides:
    """Tells the two sides among destinations. ``namespace`` is the VirtualService's, where short hosts resolve."""

    host: str
    namespace: str
    primary: str
    canary: str

    @classmethod
    def of(cls, vs: VirtualService, target: Target) -> RouteSides:
        """The sides of ``target`` as ``vs`` would spell them."""
        namespace = str(vs["metadata"].get("namespace", target.virtual_service_namespace))
        return cls(host=target.host, namespace=namespace, primary=target.primary_subset, canary=target.canary_subset)

    def subset(self, destination: Destination) -> str | None:
        """Which of our two subsets this is; None for any other place."""
        subset = destination.get("subset")
        known = subset in {self.primary, self.canary}
        return str(subset) if known and self._fqdn(destination) == self.host else None

    def entry(self, route: HttpRoute, subset: str) -> dict[str, Any] | None:
        """The entry of the route's ``route`` list that sends users to ``subset``; the very dict."""
        entries = route.get("route") or []
        return next((one for one in entries if self.subset(one.get("destination", {})) == subset), None)

    def _fqdn(self, destination: Destination) -> str:
        """The full host, as Istio finds it: only a name without any dot is completed."""
        host = str(destination.get("host", ""))
        domain = self.host.partition(".svc.")[2]
        return host if "." in host else f"{host}.{self.namespace}.svc.{domain}"


def managed_routes(vs: VirtualService, target: Target) -> list[HttpRoute]:
    """The http routes that are ours to edit, in their order; the very dicts inside ``vs``.

    Raises:
        Refusal: they cannot be told for sure, or hold something we must not move.
    """
    sides = RouteSides.of(vs, target)
    http = foreign_http(vs)
    chosen = _by_name(vs, http, target.route_names) if target.route_names else _to_primary(vs, http, sides)
    reasons = [f"{_label(http, route)} {reason}." for route in chosen if (reason := _unmanageable(route, sides))]
    if reasons:
        raise Refusal(f"{title(vs)} cannot be managed as it is.", reasons)
    if len(chosen) > 1 and not target.route_names:
        labels = ", ".join(_label(http, route) for route in chosen)
        raise Refusal(
            f"Several routes of {title(vs)} send users to {sides.primary}: {labels}. "
            "Say by name which ones to move (`routes` in services.yaml)."
        )
    return chosen


def has_users(entry: Mapping[str, Any], route: HttpRoute) -> bool:
    """Whether the route sends anybody there: a weight of 0 is nobody, unless it is the only place there is."""
    return bool(entry.get("weight")) or len(route["route"]) == 1


def foreign_http(vs: VirtualService) -> list[HttpRoute]:
    """The http routes that we did not insert ourselves.

    Raises:
        Refusal: the object is not one that its API describes, so nothing about it can be told.
    """
    wrong = misshapen(vs)
    if wrong:
        raise Refusal(f"{title(vs)} {wrong}.")
    return [route for route in vs["spec"].get("http") or [] if not is_inserted(route)]


def is_inserted(route: HttpRoute) -> bool:
    """Whether this is a mirroring copy of ours."""
    return str(route.get("name", "")).startswith(INSERTED)


def title(vs: VirtualService) -> str:
    """How to call the object in a sentence."""
    metadata = vs["metadata"]
    return f"VirtualService {metadata.get('namespace', 'default')}/{metadata['name']}"


def _by_name(vs: VirtualService, http: list[HttpRoute], wanted: tuple[str, ...]) -> list[HttpRoute]:
    names = [route.get("name") for route in http]
    reasons = [
        f"There is no http route named {name}." if name not in names else f"Several http routes are named {name}."
        for name in wanted
        if names.count(name) != 1
    ]
    if reasons:
        raise Refusal(f"The routes to manage cannot be found in {title(vs)}.", reasons)
    return [route for route in http if route.get("name") in wanted]


def _to_primary(vs: VirtualService, http: list[HttpRoute], sides: RouteSides) -> list[HttpRoute]:
    found = [route for route in http if sides.entry(route, sides.primary)]
    if not found:
        raise Refusal(_nothing_managed(vs, http, sides))
    return found


def _nothing_managed(vs: VirtualService, http: list[HttpRoute], sides: RouteSides) -> str:
    wanted = f"{sides.host}, subset {sides.primary}"
    delegates = [route["delegate"] for route in http if route.get("delegate")]
    if delegates:
        names = {f"{one.get('namespace', sides.namespace)}/{one.get('name', '?')}" for one in delegates}
        listed = ", ".join(sorted(names))
        return f"{title(vs)} delegates to VirtualService {listed}: manage that one, if it routes to {wanted}."
    if not http and (vs["spec"].get("tls") or vs["spec"].get("tcp")):
        return f"{title(vs)} has only tls or tcp routes; those cannot mirror. An http route to {wanted} is needed."
    return f"{title(vs)} has no http route to {wanted}."


def _unmanageable(route: HttpRoute, sides: RouteSides) -> str | None:
    """Why a route that should be ours cannot be, as the end of a sentence."""
    for field in _INSTEAD_OF_ROUTE:
        if route.get(field):
            return f"has a {field}, which cannot be shared out"
    entries = route.get("route") or []
    for entry in entries:
        destination = entry.get("destination", {})
        if sides.subset(destination) is None and has_users(entry, route):
            where = f"{destination.get('host', '?')}, subset {destination.get('subset', '(none)')}"
            return f"also sends users to {where}, which is neither primary nor canary"
    subsets = [subset for entry in entries if (subset := sides.subset(entry.get("destination", {})))]
    if sides.primary not in subsets:
        return f"does not send users to {sides.primary}"
    if len(subsets) != len(set(subsets)):
        return "names a subset more than once"
    return None


def _label(http: list[HttpRoute], route: HttpRoute) -> str:
    """How to call a route in a sentence: by its name, or by its place."""
    place = next(index for index, one in enumerate(http, start=1) if one is route)
    return f"route {route['name']}" if route.get("name") else f"http route {place}"
