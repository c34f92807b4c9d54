"""The ambient mesh's waypoint and the Gateway API's HTTPRoutes, where they have the say about the service's requests.

An HTTPRoute whose parent is the Service shares out its callers by weights that are not ours, so nothing can begin; one
of another namespace has the say about the callers of that namespace alone. A waypoint obeys a VirtualService only where
that is bound to the mesh, and counts no copies.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.bindings import SIDECARS, bindings
from bot.cluster.objects import (
    Labels,
    NamespacedName,
    Object,
    called,
    labels_of,
    means,
    name_of,
    namespace_of,
    pod_labels,
    service_name,
    service_namespace,
)
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, said

ELSEWHERE = "Other namespaces' HTTPRoute"  # what the snapshot calls them when they may not be read
_USE_WAYPOINT = "istio.io/use-waypoint"
_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
_NONE = "none"  # its value that turns one off


def check(subject: Subject) -> Iterator[Problem]:
    """HTTPRoutes of the Service first: they take the place of a VirtualService."""
    yield from _http_routes(subject)
    yield from _waypoint(subject)


def owners(subject: Subject) -> list[Object]:
    """The HTTPRoutes that route all callers of the Service, whichever host they use: those of its own namespace."""
    home = service_namespace(subject.service)
    return [one for one in _attached(subject) if namespace_of(one, home) == home]


def _attached(subject: Subject) -> list[Object]:
    ours = _ours(subject)
    return [one for one in subject.snapshot.http_routes if ours & _services(one, _refs(one, "parentRefs"), "")]


def _ours(subject: Subject) -> set[NamespacedName]:
    """The Service, and where versions are hosts each one's."""
    service, home = subject.service, service_namespace(subject.service)
    return {(home, service_name(service)), *((home, name_of(one)) for one in subject.backends)}


def _http_routes(subject: Subject) -> Iterator[Problem]:
    """The Gateway API's own routes to the same Service know nothing of our weights."""
    home, service = subject.service.namespace, service_name(subject.service)
    ours, attached, owning = _ours(subject), _attached(subject), owners(subject)
    for route in subject.snapshot.http_routes:
        name = called(route, home)
        rules = (route.get("spec") or {}).get("rules") or ()
        if any(route is one for one in owning):
            yield blocks(
                said("preflight.http_route_owns", route=name, service=service),
                remedy=said("preflight.keep_http_route"),
            )
        elif any(route is one for one in attached):
            yield warns(
                said("preflight.http_route_consumes", route=name, service=service, space=namespace_of(route, home)),
                remedy=said("preflight.move_http_route"),
            )
        elif any(ours & _services(route, _refs_of(rule, "backendRefs"), "Service") for rule in rules):
            yield warns(
                said("preflight.http_route_sends", route=name, service=service),
                remedy=said("preflight.move_http_route"),
            )


def _refs(route: Object, field: str) -> list[Object]:
    return _refs_of(route.get("spec") or {}, field)


def _refs_of(part: Object, field: str) -> list[Object]:
    return list(part.get(field) or ())


def _services(route: Object, refs: list[Object], kind: str) -> set[NamespacedName]:
    """Namespace and name of each Service among references; ``kind`` is what one without a kind means."""
    home = namespace_of(route, "default")
    return {
        (str(one.get("namespace") or home), str(one.get("name")))
        for one in refs
        if one.get("kind", kind) == "Service" and not one.get("group")
    }


def _waypoint(subject: Subject) -> Iterator[Problem]:
    """Told once, of the Service or else of the first side whose pods ask for one, or of the Namespace."""
    asking = ((what, _waypoint_of(labels)) for what, labels in _labelled(subject))
    what, waypoint = next(((what, name) for what, name in asking if name != _NONE), ("", ""))
    if not waypoint:
        return
    host = service_name(subject.service)
    if _is_obeyed_there(subject):
        remedy = said("preflight.waypoint_counts_no_copies", setting=Code("gates.custom"))
    else:
        remedy = said("preflight.bind_to_mesh", mesh=Code("mesh"), host=host, setting=Code("gates.custom"))
    yield warns(said("preflight.waypoint", what=what, waypoint=waypoint), remedy=remedy)


def _labelled(subject: Subject) -> Iterator[tuple[str, Labels]]:
    """A Service that says anything, also that it wants none, is not asked for its Namespace."""
    service, namespace = subject.snapshot.service, subject.snapshot.namespace
    if service is not None:
        yield f"Service {name_of(service)}", labels_of(service)
    for side in subject.sides:
        yield name_of(side), pod_labels(side)
    if namespace is not None and (service is None or _USE_WAYPOINT not in labels_of(service)):
        yield f"Namespace {name_of(namespace)}", labels_of(namespace)


def _waypoint_of(labels: Labels) -> str:
    """What the labels ask for, as ``NAMESPACE/NAME`` where it is somewhere else."""
    name, space = labels.get(_USE_WAYPOINT, _NONE), labels.get(_WAYPOINT_NAMESPACE, "")
    return f"{space}/{name}" if space and name != _NONE else name


def _is_obeyed_there(subject: Subject) -> bool:
    """Whether our routes are bound to the mesh for the service's own host."""
    home = subject.service.namespace
    return any(
        SIDECARS in bindings(one) and means(host, namespace_of(one, home), subject.service)
        for one in subject.snapshot.governs
        for host in one["spec"].get("hosts") or ()
    )
