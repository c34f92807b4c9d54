"""Hosts of a service that DNS takes for it and Istio does not: with a dot at their end, or written to the half.

Istio's validation lets such a host pass, and istiod looks for a service of just that name, the dot included
(``ResolveShortnameToFQDN`` leaves every host with a dot in it as it is), and so with ``reviews.default``. A route to it
is answered by nobody, and a DestinationRule of it is about nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.cluster.objects import Object, means, namespace_of, service_name, service_namespace
from bot.model.service import ServiceConfig

_SENT_TO = ("destination", "mirror")


def half_written(things: Iterable[Object], service: ServiceConfig) -> Iterator[tuple[Object, str]]:
    """Each with the first destination in it that would be the service if its name were completed."""
    short, space = service_name(service), service_namespace(service)
    for thing in things:
        hosts = _destinations(thing.get("spec"))
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


def _hosts(spec: object) -> Iterator[str]:
    """Those that the object is about, and every destination's."""
    if isinstance(spec, dict) and isinstance(about := spec.get("hosts"), list):
        yield from (one for one in about if isinstance(one, str))
    yield from _destinations(spec)


def _destinations(spec: object) -> Iterator[str]:
    """The host of a DestinationRule, and of everything that a route sends to or copies for, however deep.

    Another ``host`` is none: a header that is set may be called so, and a label.
    """
    if isinstance(spec, dict) and isinstance(spec.get("host"), str):
        yield spec["host"]
    yield from _sent_to(spec)


def _sent_to(part: object) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _sent_to(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in _SENT_TO and isinstance(value, dict) and isinstance(value.get("host"), str):
                yield value["host"]
            else:
                yield from _sent_to(value)
