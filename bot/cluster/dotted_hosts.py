"""Hosts of a service that DNS takes for it and Istio does not: with a dot at their end, or written to the half.

Istio's validation lets such a host pass, and istiod looks for a service of just that name, the dot included
(``ResolveShortnameToFQDN`` leaves every host with a dot in it as it is), and so with ``reviews.default``. A route to it
is answered by nobody, and a DestinationRule of it is about nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.cluster.objects import Object, means, namespace_of, service_name, service_namespace
from bot.model.service import ServiceConfig


def half_written(things: Iterable[Object], service: ServiceConfig) -> Iterator[tuple[Object, str]]:
    """Each with the first destination in it that would be the service if its name were completed."""
    short, space = service_name(service), service_namespace(service)
    for thing in things:
        spec = thing.get("spec") or {}
        hosts = _hosts({key: value for key, value in spec.items() if key != "hosts"})
        host = next((one for one in hosts if one in {f"{short}.{space}", f"{short}.{space}.svc"}), None)
        if host is not None:
            yield thing, host


def dotted_hosts(things: Iterable[Object], service: ServiceConfig) -> Iterator[tuple[Object, str]]:
    """Each VirtualService and DestinationRule with the first host in it that would be the service without its dot."""
    for thing in things:
        space = namespace_of(thing, service.namespace)
        dotted = (host for host in _hosts(thing.get("spec")) if host.endswith("."))
        host = next((host for host in dotted if means(host.removesuffix("."), space, service)), None)
        if host is not None:
            yield thing, host


def _hosts(part: object) -> Iterator[str]:
    """Every value of ``host`` and ``hosts``, however deep: destinations, mirrors, and what the object is about."""
    if isinstance(part, list):
        for one in part:
            yield from _hosts(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "host" and isinstance(value, str):
                yield value
            elif key == "hosts" and isinstance(value, list):
                yield from (one for one in value if isinstance(one, str))
            else:
                yield from _hosts(value)
