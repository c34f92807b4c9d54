"""Versions that are hosts: which Services routes name, and whose pods those select. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.cluster.objects import (
    Labels,
    Object,
    full_name,
    name_of,
    named,
    namespace_of,
    pod_labels,
    selector_of,
    within,
)
from bot.model.service import ServiceConfig


def selects(service: Object, deployment: Object) -> bool:
    """Whether a Deployment's pods are the Service's; one without a selector has none."""
    selector = selector_of(service)
    return bool(selector) and within(selector, pod_labels(deployment))


def service_at(entry: Object, virtual_service: Object, home: str) -> str:
    """The name of the Service of the Namespace ``home`` that an entry sends to; "" where it is somewhere else."""
    host = full_name(str((entry.get("destination") or {}).get("host", "")), namespace_of(virtual_service, home))
    name, _, rest = host.partition(".")
    return name if rest in {home, f"{home}.svc", f"{home}.svc.cluster.local"} else ""


def entries_of(virtual_service: Object) -> list[Object]:
    """Every destination of its http routes, in their order."""
    http = (virtual_service.get("spec") or {}).get("http") or ()
    return [entry for route in http for entry in route.get("route") or ()]


def routed(virtual_service: Object, services: Sequence[Object], home: str) -> list[Object]:
    """The Services of the Namespace that its http routes name, in the order of the routes."""
    names = dict.fromkeys(service_at(entry, virtual_service, home) for entry in entries_of(virtual_service))
    return [one for name in names if (one := named(services, name))]


def primarys(
    service: ServiceConfig, virtual_service: Object | None, services: Sequence[Object], primary: Object
) -> Object | None:
    """The primary's own Service, where routes share users out between hosts whatever canary there will be.

    So it is where services.yaml says it; where routes name another version's Service too, which asks for another value
    of some label; and where they do not name the one for all versions, or it does not exist.
    """
    if service.primary_host:
        return named(services, service.primary_host)
    home = service.namespace
    if virtual_service is None or any(
        (one.get("destination") or {}).get("subset") for one in entries_of(virtual_service)
    ):
        return None
    found = routed(virtual_service, services, home)
    ours = [one for one in found if selects(one, primary)]
    for_all = named(services, (service.host or service.name).partition(".")[0])
    is_beside = for_all is None or not any(one is for_all for one in found)
    meant = [one for one in ours if is_beside or any(_is_anothers(one, other) for other in found)]
    return meant[0] if meant else None


def _is_anothers(one: Object, other: Object) -> bool:
    """Whether both ask for the same labels, of which some have other values."""
    ours, theirs = selector_of(one), selector_of(other)
    return ours.keys() == theirs.keys() and 0 < sum(ours[key] != theirs[key] for key in ours) < len(ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A version without a Service of its own, and what one would be called and select."""

    deployment: str
    service: str
    selector: Labels


def lacking(
    service: ServiceConfig, own: Object, services: Sequence[Object], deployments: Sequence[Object]
) -> Iterator[Lacking]:
    """Of each Deployment that may be a canary, and whose labels are others than those that the primary's asks for."""
    for one in deployments:
        if not may_be_canary(service, name_of(one)) or selects(own, one):
            continue
        if any(selects(other, one) and not _is_wider(other, own) for other in services):
            continue
        labels = pod_labels(one)
        selector = {key: labels[key] for key in selector_of(own) if key in labels}
        if selector.keys() == selector_of(own).keys():
            name = service.canary_service(service.version_of(name_of(one)) or "") or name_of(one)
            yield Lacking(deployment=name_of(one), service=name, selector=selector)


def may_be_canary(service: ServiceConfig, deployment: str) -> bool:
    """Whether a Deployment of that name is a version of the service, and not the primary."""
    is_version = service.version_of(deployment) is not None or deployment == service.canary_deployment
    return is_version and deployment != service.primary_deployment


def _is_wider(service: Object, own: Object) -> bool:
    """Whether it has the primary's pods as well."""
    return within(selector_of(service), selector_of(own))
