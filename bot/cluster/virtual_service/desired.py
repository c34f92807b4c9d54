"""Making the managed routes say something else. What is already right is left exactly as it is spelled."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

from bot.cluster.virtual_service.managed import (
    EVERY_REQUEST,
    INSERTED,
    HttpRoute,
    RouteSides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    share_of_others,
    title,
)
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Routes, Target
from bot.words.sentence import Share, said


def with_routes(vs: VirtualService, target: Target, routes: Routes) -> VirtualService:
    """A copy of ``vs`` whose managed routes say ``routes``; the annotations stay as they are.

    Going home is refused for one reason only, that the managed routes cannot be told; any other edit is also refused
    while somebody else's ``mirror`` is on one of them, because we would have to overwrite that, and where the weights
    have no whole number for what is wanted.
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


def fingerprint(vs: VirtualService, target: Target) -> str:
    """Of the spec as others have written it: the same whatever share and mirror of ours is on the managed routes.

    "" where these cannot be told from the rest.
    """
    try:
        spec = with_routes(vs, target, HOME)["spec"]
    except (Refusal, LookupError, TypeError):  # ``read_routes`` says what is wrong with it
        return ""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


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
        raise Refusal(said("cluster.nothing_to_mirror", name=title(vs), methods=methods))
    return result


def is_about_copies(warning: str, vs: VirtualService) -> bool:
    """Whether Istio's webhook warns of ``vs`` so only because of our copies.

    They take what a rule behind them matches, which is what they are for; and more than that to Istio, which takes any
    method for GET. Copies of a rule that gets nothing get nothing either (``analyzeUnreachableHTTPRules`` of
    pkg/config/validation).
    """
    http = list(enumerate(vs["spec"].get("http") or []))
    pairs = ((one, route) for (_, one), route in pairwise(http) if is_inserted(one) and not is_inserted(route[1]))
    left_nothing = {_called(route, place) for copy, (place, route) in pairs if _takes_all(copy, route)}
    unused = {f"virtualService rule {rule} not used (all matches used by prior rules)" for rule in left_nothing}
    return f'"{INSERTED}' in warning or warning in unused


def _takes_all(copy: HttpRoute, route: HttpRoute) -> bool:
    """Whether Istio finds each match of the rule in the copy before it; their names do not count."""
    taken, matches = ([_unnamed(match) for match in one.get("match") or []] for one in (copy, route))
    return matches != [] and all(match in taken for match in matches)


def _called(route: HttpRoute, place: int) -> str:
    """As Istio calls a rule."""
    return f'"{route["name"]}"' if route.get("name") else f"#{place}"


def _unnamed(match: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in match.items() if key != "name"}


def mirrors_canary(route: HttpRoute, sides: RouteSides) -> bool:
    """Whether the canary gets copies of this route's requests."""
    return copied_percent(route, sides) > 0


def copied_percent(route: HttpRoute, sides: RouteSides) -> float:
    """Percent of this route's requests that the canary gets copies of, in all."""
    alone = mirror_percent(route) if sides.side(route.get("mirror") or {}) == sides.canary else 0.0
    return alone + sum(_entry_percent(entry) for entry in route.get("mirrors") or () if _is_ours(entry, sides))


def mirror_percent(route: HttpRoute) -> float:
    """As Istio reads it: the new field wins over the two old ones, and none of them means every request."""
    percentage = route.get("mirrorPercentage")
    if percentage is not None:
        return _float(percentage.get("value", 0))
    return _float(next((route[old] for old in ("mirrorPercent", "mirror_percent") if old in route), EVERY_REQUEST))


def _entry_percent(entry: Mapping[str, Any]) -> float:
    """Of an entry of ``mirrors``, each of which has a percentage of its own."""
    percentage = entry.get("percentage")
    return EVERY_REQUEST if percentage is None else _float(percentage.get("value", 0))


def _is_ours(entry: Mapping[str, Any], sides: RouteSides) -> bool:
    return sides.side(entry.get("destination") or {}) == sides.canary


def _float(number: float) -> float:
    """JSON's whole numbers have no limit, and a float has one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def canary_destination(primary: Mapping[str, Any], sides: RouteSides) -> dict[str, Any]:
    """The primary entry's destination made the canary's: without its ``port``, the listener's would be taken.

    Where versions are hosts, the canary's is written as the primary's is, in full or short.
    """
    canary = deepcopy(primary["destination"])
    if sides.canary.subset:
        return {**canary, "subset": sides.canary.subset}
    host = sides.canary.host
    named = {"host": host if "." in canary["host"] else host.partition(".")[0]}
    port = {"port": {"number": sides.canary_port}} if canary.get("port") and sides.canary_port else {}
    return {key: value for key, value in (canary | named | port).items() if key != "subset"}


def _refuse_foreign_mirrors(vs: VirtualService, managed: list[HttpRoute], sides: RouteSides) -> None:
    """A route has one ``mirror``, or a list of ``mirrors`` in which there is a place for ours."""
    for route in managed:
        theirs = route.get("mirror") or {}
        if theirs and sides.side(theirs) != sides.canary and mirror_percent(route) > 0:
            raise Refusal(said("cluster.mirror_taken", name=title(vs), host=str(theirs.get("host", "?"))))


def _set_shares(route: HttpRoute, sides: RouteSides, routes: Routes) -> None:
    """The primary's entry always stays: Istio would give a lone canary everyone, whatever its weight.

    A third destination keeps its weight, so that we share out what is left of the hundred.
    """
    primary, canary = _primary_entry(route, sides), sides.entry(route, sides.canary)
    ours = EVERY_REQUEST - share_of_others(route, sides)
    if canary is None:
        if routes == HOME:
            return  # the lone primary has everyone of ours already
        canary = {"destination": canary_destination(primary, sides)}
        route["route"].append(canary)
    of_canary = ours * routes.canary / EVERY_REQUEST
    if of_canary != int(of_canary) or ours != int(ours):
        raise Refusal(said("cluster.share_is_not_whole", ours=ours, share=Share(routes.canary / EVERY_REQUEST)))
    primary["weight"], canary["weight"] = int(ours - of_canary), int(of_canary)


def _set_mirror(route: HttpRoute, sides: RouteSides, percent: float | None) -> None:
    """Without a percentage the mirror goes: left behind at 0 %, any tool that drops the percentage makes it 100 %.

    Istio takes ``mirror`` or ``mirrors``, never both: beside somebody else's list ours is an entry of it.
    """
    theirs = [entry for entry in route.get("mirrors") or () if not _is_ours(entry, sides)]
    if route.get("mirrors"):
        ours = {"destination": _canary_of(route, sides), "percentage": _percentage(percent or 0)}
        route["mirrors"] = theirs if percent is None else [*theirs, ours]
    elif percent is not None:
        route["mirror"] = _canary_of(route, sides)
        route["mirrorPercentage"] = _percentage(percent)
    elif sides.side(route.get("mirror") or {}) == sides.canary:
        del route["mirror"]
        route.pop("mirrorPercentage", None)


def without_copies(route: HttpRoute, sides: RouteSides) -> None:
    """Take our copies off a route; what others copy stays."""
    _set_mirror(route, sides, None)


def _percentage(percent: float) -> dict[str, Any]:
    return {"value": int(percent) if percent == int(percent) else percent}


def _canary_of(route: HttpRoute, sides: RouteSides) -> dict[str, Any]:
    """The canary's own destination where the route has one, else the primary's made the canary's."""
    canary = sides.entry(route, sides.canary)
    return deepcopy(canary["destination"]) if canary else canary_destination(_primary_entry(route, sides), sides)


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
