"""Delegation: what a root VirtualService leaves to another one, put in its place by istiod's rules. Pure.

A delegated route applies where root and delegate agree, and has from the root what it does not say itself. What it says
of hosts is meant in its own namespace, so short names are written in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from sandbox.mesh.objects import JsonObject, JsonObjects, fqdn, is_shown

INHERITED = (
    *("rewrite", "timeout", "retries", "fault", "mirror", "mirrorPercent", "mirrorPercentage", "mirrors"),
    *("corsPolicy", "headers", "directResponse"),
)
TEXTS = ("uri", "scheme", "method", "authority")
TABLES = ("headers", "withoutHeaders", "queryParams", "sourceLabels")  # the first three have texts in them


def resolved(virtual_services: JsonObjects) -> JsonObjects:
    """Every VirtualService that has hosts, with the routes of its delegates in place of what names them."""
    delegates = {_key(one): one for one in virtual_services if not one["spec"].get("hosts")}
    return [_resolve(one, delegates) for one in virtual_services if one["spec"].get("hosts")]


def _key(virtual_service: JsonObject) -> tuple[str, str]:
    metadata = virtual_service["metadata"]
    return metadata["namespace"], metadata["name"]


def _resolve(root: JsonObject, delegates: dict[tuple[str, str], JsonObject]) -> JsonObject:
    http = [route for each in root["spec"].get("http", []) for route in _routes(root, each, delegates)]
    return root | {"spec": root["spec"] | {"http": http}}


def _routes(root: JsonObject, route: JsonObject, delegates: dict[tuple[str, str], JsonObject]) -> Iterator[JsonObject]:
    if "delegate" not in route:
        yield route
        return
    reference, asking = route["delegate"], root["metadata"]["namespace"]
    home = reference.get("namespace") or asking
    delegate = delegates.get((home, reference["name"]))
    if delegate is None or not is_shown(delegate, asking):
        return
    for each in delegate["spec"].get("http", []):
        matches = _agreed(route.get("match") or [], each.get("match") or [])
        if matches is not None:
            yield _merged(route, _in_full(each, home), matches)


def _merged(route: JsonObject, delegated: JsonObject, matches: JsonObjects) -> JsonObject:
    kept = {key: route[key] for key in INHERITED if key in route}
    rest = {key: value for key, value in delegated.items() if key not in {"match", "name"}}
    return kept | rest | ({"match": matches} if matches else {}) | _named(route, delegated)


def _named(outer: JsonObject, inner: JsonObject) -> JsonObject:
    names = [one["name"] for one in (outer, inner) if one.get("name")]
    return {"name": "-".join(names)} if names else {}


def _in_full(route: JsonObject, home: str) -> JsonObject:
    written = deepcopy(route)
    named = [entry["destination"] for field in ("route", "mirrors") for entry in written.get(field) or ()]
    for destination in [*named, *([written["mirror"]] if "mirror" in written else [])]:
        destination["host"] = fqdn(destination["host"], home)
    return written


def _agreed(roots: JsonObjects, delegated: JsonObjects) -> JsonObjects | None:
    """Each condition of the root with each of the delegate; none where one of the delegate's fits no one of the root's.

    Istio leaves out a whole route of which a part is not the root's to give.
    """
    if not roots or not delegated:
        return [*roots, *delegated]
    found: JsonObjects = []
    for match in delegated:
        fitting = [_both(root, match) for root in roots if not _conflict(root, match)]
        if not fitting:
            return None
        found += fitting
    return found


def _both(root: JsonObject, match: JsonObject) -> JsonObject:
    tables = {key: {**root.get(key, {}), **match.get(key, {})} for key in TABLES}
    return root | match | {key: value for key, value in tables.items() if value} | _named(root, match)


def _conflict(root: JsonObject, match: JsonObject) -> bool:
    """Whether a condition of a delegate is not inside of the root's, as Istio finds it."""
    texts = [(root.get(key), match.get(key)) for key in TEXTS]
    texts += [(root.get(table, {}).get(key), one) for table in TABLES[:3] for key, one in match.get(table, {}).items()]
    space = root.get("sourceNamespace")
    return (
        any(outer is not None and inner is not None and not _is_within(inner, outer) for outer, inner in texts)
        or bool(root.get("ignoreUriCase")) != bool(match.get("ignoreUriCase"))
        or (root.get("port") or match.get("port")) != (match.get("port") or root.get("port"))
        or (bool(space) and match.get("sourceNamespace") != space)
        or any(root.get("sourceLabels", {}).get(key, value) != value for key, value in _labels(match))
        or not {*match.get("gateways", [])} <= {*(root.get("gateways") or match.get("gateways", []))}
    )


def _labels(match: JsonObject) -> Iterator[tuple[str, str]]:
    yield from match.get("sourceLabels", {}).items()


def _is_within(inner: JsonObject, outer: JsonObject) -> bool:
    """Whether a text of the delegate narrows the root's; nothing narrows a pattern, and nothing is narrowed to one."""
    text = inner.get("prefix") or inner.get("exact")
    if not text or "regex" in outer:
        return False
    if outer.get("exact"):
        return bool(inner.get("exact") == outer["exact"])
    return bool(outer.get("prefix")) and text.startswith(outer["prefix"])
