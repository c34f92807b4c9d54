"""What the managed routes say, read the way Istio reads them."""

from __future__ import annotations

from bot.cluster.routes.managed import (
    HttpRoute,
    RouteSides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    title,
)
from bot.cluster.routes.writing import mirror_percent, mirrors_canary, with_inserted
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Routes, Target

_EVERYONE = 100


def read_routes(vs: VirtualService, target: Target) -> Routes | str:
    """How users are shared out and whether the canary gets copies; or a sentence saying why no plan could say this.

    A mirror to anywhere else is nothing to us here; ``writing`` refuses to begin with one.
    """
    try:
        managed = managed_routes(vs, target)
        sides = RouteSides.of(vs, target)
        readings = {_reading(route, sides, target) for route in managed}
        if len(readings) > 1:
            listed = " and ".join(sorted(str(reading) for reading in readings))
            return f"The managed routes of {title(vs)} do not agree: {listed}."
        reading = readings.pop()
        if isinstance(reading, str):
            return f"{title(vs)} {reading}."
        return _with_copies(reading, vs, managed, target)
    except Refusal as refusal:
        return " ".join(map(str, (refusal.sentence, *refusal.reasons)))


def _reading(route: HttpRoute, sides: RouteSides, target: Target) -> Routes | str:
    """What one route says; or the end of a sentence about why that is nothing of ours."""
    canary = _canary_share(route, sides)
    copies = mirrors_canary(route, sides)
    if canary is None or not 0 <= canary <= _EVERYONE or canary != int(canary):
        return "has weights that are no whole percents"
    if any(sides.subset(mirror.get("destination", {})) == sides.canary for mirror in route.get("mirrors") or []):
        return f"mirrors to {sides.canary} by a `mirrors` list"
    if copies and canary:
        return f"mirrors to {sides.canary} while users are on it"
    if copies and mirror_percent(route) != target.mirror_percent:
        return f"mirrors {mirror_percent(route):g} % of the requests and not {target.mirror_percent:g} %"
    return Routes(canary=int(canary), mirror=copies)


def _canary_share(route: HttpRoute, sides: RouteSides) -> float | None:
    """Percent of users; None where the weights say nothing."""
    if len(route["route"]) == 1:
        return 0  # Istio ignores a lone destination's weight, and this one is the primary
    total = sum(entry.get("weight", 0) for entry in route["route"])  # a third place has 0, or nothing is managed
    canary = sides.entry(route, sides.canary) or {}
    return canary.get("weight", 0) * _EVERYONE / total if total else None


def _with_copies(reading: Routes, vs: VirtualService, managed: list[HttpRoute], target: Target) -> Routes | str:
    """``reading`` of the managed routes, completed by what the inserted ones add."""
    if not any(is_inserted(route) for route in vs["spec"]["http"]):
        if reading.mirror and target.mirror_methods is not None:
            return f"{title(vs)} mirrors every method and not only {', '.join(target.mirror_methods)}."
        return reading
    if target.mirror_methods is None or reading != HOME:
        return f"{title(vs)} still has a mirroring route that we inserted."
    if with_inserted(foreign_http(vs), managed, vs, target) != vs["spec"]["http"]:
        return f"The mirroring route that we inserted in {title(vs)} was changed, or no longer copies its original."
    return Routes(canary=0, mirror=True)
