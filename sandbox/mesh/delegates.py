"""Delegation: what a root VirtualService leaves to another one, put in its place by istiod's rules. Pure.

A delegated route applies where root and delegate agree, and has from the root what it does not say itself. What it says
of hosts is meant in its own namespace, so short names are written in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from sandbox.mesh.objects import JsonObject, JsonObjects, fqdn

INHERITED = (
    *("rewrite", "timeout", "retries", "fault", "mirror", "mirrorPercentage", "mirrors", "corsPolicy", "headers"),
)


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
    reference = route["delegate"]
    home = reference.get("namespace") or root["metadata"]["namespace"]
    delegate = delegates.get((home, reference["name"]))
    for each in delegate["spec"].get("http", []) if delegate else ():
        matches = [*_agreed(route.get("match") or [{}], each.get("match") or [{}])]
        if matches:
            yield _merged(route, _in_full(each, home), matches)


def _merged(route: JsonObject, delegated: JsonObject, matches: JsonObjects) -> JsonObject:
    names = [one["name"] for one in (route, delegated) if one.get("name")]
    kept = {key: route[key] for key in INHERITED if key in route}
    match = {} if matches == [{}] else {"match": matches}
    rest = {key: value for key, value in delegated.items() if key not in {"match", "name"}}
    return kept | rest | match | ({"name": "-".join(names)} if names else {})


def _in_full(route: JsonObject, home: str) -> JsonObject:
    written = deepcopy(route)
    named = [entry["destination"] for field in ("route", "mirrors") for entry in written.get(field) or ()]
    for destination in [*named, *([written["mirror"]] if "mirror" in written else [])]:
        destination["host"] = fqdn(destination["host"], home)
    return written


def _agreed(roots: JsonObjects, delegated: JsonObjects) -> Iterator[JsonObject]:
    """Each condition of the root with each of the delegate, where both can hold."""
    for root in roots:
        for match in delegated:
            if _is_within(match.get("uri"), root.get("uri")):
                headers = {**root.get("headers", {}), **match.get("headers", {})}
                yield root | match | ({"headers": headers} if headers else {})


def _is_within(inner: JsonObject | None, outer: JsonObject | None) -> bool:
    """Whether a path of the delegate narrows the root's; nothing narrows one that is exact or a pattern."""
    if inner is None or outer is None:
        return True
    path = inner.get("prefix") or inner.get("exact")
    return "prefix" in outer and path is not None and path.startswith(outer["prefix"])
