"""Making the managed routes say something else. What is already right is left exactly as it is spelled."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from bot.cluster.routes.managed import (
    INSERTED,
    HttpRoute,
    RouteSides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    title,
)
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Routes, Target

_EVERY_REQUEST = 100


def with_routes(vs: VirtualService, target: Target, routes: Routes) -> VirtualService:
    """A copy of ``vs`` whose managed routes say ``routes``; the annotations stay as they are.

    Going home is refused for one reason only, that the managed routes cannot be told; any other edit is also refused
    while somebody else mirrors on one of them, because we would have to overwrite that.
    """
    new = deepcopy(vs)
    sides = RouteSides.of(new, target)
    managed = managed_routes(new, target)
    if routes != HOME:
        _refuse_foreign_mirrors(new, managed, sides)
    insert = routes.mirror and target.mirror_methods is not None
    for route in managed:
        _set_shares(route, sides, HOME if insert else routes)
        _set_mirror(route, sides, target.mirror_percent if routes.mirror and not insert else None)
    http = foreign_http(new)
    new["spec"]["http"] = with_inserted(http, managed, new, target) if insert else http
    return new


def with_inserted(
    http: list[HttpRoute], managed: list[HttpRoute], vs: VirtualService, target: Target
) -> list[HttpRoute]:
    """``http`` with a mirroring copy before each managed route, matching only the methods that may be repeated.

    The original stays untouched, so that ending the mirror is deleting the copy. The copy is deep and whole: a route
    that loses its timeout, retries or headers is another route.
    """
    sides = RouteSides.of(vs, target)
    methods = target.mirror_methods or ()
    result: list[HttpRoute] = []
    for route in http:
        match = _narrowed(route.get("match") or [{}], methods)
        if match and any(route is one for one in managed):
            number = sum(is_inserted(one) for one in result)
            copy = {**deepcopy(route), "name": f"{INSERTED}{number}", "match": match}
            _set_mirror(copy, sides, target.mirror_percent)
            result.append(copy)
        result.append(route)
    if len(result) == len(http):
        raise Refusal(f"Nothing could be mirrored: no managed route of {title(vs)} lets {', '.join(methods)} through.")
    return result


def mirrors_canary(route: HttpRoute, sides: RouteSides) -> bool:
    """Whether the canary gets copies of this route's requests."""
    return sides.subset(route.get("mirror") or {}) == sides.canary and mirror_percent(route) > 0


def mirror_percent(route: HttpRoute) -> float:
    """As Istio reads it: the new field wins over the two old ones, and none of them means every request."""
    percentage = route.get("mirrorPercentage")
    if percentage is not None:
        return _float(percentage.get("value", 0))
    return _float(next((route[old] for old in ("mirrorPercent", "mirror_percent") if old in route), _EVERY_REQUEST))


def _float(number: float) -> float:
    """JSON's whole numbers have no limit, and a float has one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def canary_destination(primary: Mapping[str, Any], sides: RouteSides) -> dict[str, Any]:
    """The primary entry's destination with the canary's subset: without its ``port``, the listener's would be taken."""
    return {**deepcopy(primary["destination"]), "subset": sides.canary}


def _refuse_foreign_mirrors(vs: VirtualService, managed: list[HttpRoute], sides: RouteSides) -> None:
    for route in managed:
        elsewhere = route.get("mirror") and sides.subset(route["mirror"]) != sides.canary and mirror_percent(route) > 0
        if elsewhere or route.get("mirrors"):
            raise Refusal(f"{title(vs)} already mirrors a managed route for another purpose. Remove that mirror first.")


def _set_shares(route: HttpRoute, sides: RouteSides, routes: Routes) -> None:
    """The primary's entry always stays: Istio would give a lone canary everyone, whatever its weight."""
    primary, canary = _primary_entry(route, sides), sides.entry(route, sides.canary)
    if canary is None:
        if routes == HOME:
            return  # the lone primary has everyone already
        canary = {"destination": canary_destination(primary, sides)}
        route["route"].append(canary)
    primary["weight"], canary["weight"] = routes.primary, routes.canary


def _set_mirror(route: HttpRoute, sides: RouteSides, percent: float | None) -> None:
    """Without a percentage the mirror goes: left behind at 0 %, any tool that drops the percentage makes it 100 %."""
    if percent is not None:
        route["mirror"] = canary_destination(_primary_entry(route, sides), sides)
        route["mirrorPercentage"] = {"value": int(percent) if percent == int(percent) else percent}
    elif sides.subset(route.get("mirror") or {}) == sides.canary:
        del route["mirror"]
        route.pop("mirrorPercentage", None)


def _primary_entry(route: HttpRoute, sides: RouteSides) -> dict[str, Any]:
    entry = sides.entry(route, sides.primary)
    if entry is None:
        raise LookupError("a managed route sends users to the primary")
    return entry


def _narrowed(matches: list[dict[str, Any]], methods: tuple[str, ...]) -> list[dict[str, Any]]:
    """Each match narrowed to ``methods``; a match that lets none of them through is left out."""
    pairs = ((match, [one for one in methods if _lets_through(match.get("method"), one)]) for match in matches)
    return [{**deepcopy(match), "method": _method_match(kept)} for match, kept in pairs if kept]


def _lets_through(rule: Mapping[str, str] | None, method: str) -> bool:
    """Whether a StringMatch on the method, absent meaning any, accepts ``method``."""
    if not rule:
        return True
    if "exact" in rule:
        return method == rule["exact"]
    if "prefix" in rule:
        return method.startswith(rule["prefix"])
    try:
        return re.fullmatch(rule.get("regex", ""), method) is not None
    except re.error:  # RE2 knows expressions that Python does not: when in doubt, no copies
        return False


def _method_match(methods: list[str]) -> dict[str, str]:
    return {"exact": methods[0]} if len(methods) == 1 else {"regex": "|".join(map(re.escape, methods))}
