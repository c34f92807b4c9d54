"""The Gateways a VirtualService names: whether they are there, and whether any of them lets its hosts in.

Istio takes three forms of a name: ``namespace/name``, ``name``, and since its first releases ``name.namespace.…``,
which many still write. The string in the object stays as it is; here it is only understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.objects import NamespacedName, Object, annotations_of, labels_of, name_of, namespace_of, within
from bot.model.images import is_ready
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject

GATEWAY_PODS = "Gateway pod"  # what the snapshot calls them when they may not be read
MESH = "mesh"  # in a VirtualService's list of gateways: the sidecars, and no Gateway object

_HTTP = ("HTTP", "GRPC")  # how the protocols of a server begin that http routes apply to
_EXPORT_TO = "networking.istio.io/exportTo"  # a Service has no such field

SIDECARS: NamespacedName = ("", MESH)  # the place of those that have no Gateway


def gateway_places(virtual_service: Object) -> list[NamespacedName]:
    """Namespace and name of each Gateway object a VirtualService names, in any of the three forms."""
    return [place for place in bindings(virtual_service) if place != SIDECARS]


def bindings(virtual_service: Object) -> list[NamespacedName]:
    """Where a VirtualService's routes apply; ``SIDECARS`` also where it names nothing.

    One without hosts is a part of another, and applies nowhere by itself.
    """
    if not virtual_service["spec"].get("hosts"):
        return []
    home = namespace_of(virtual_service, "default")
    named = virtual_service["spec"].get("gateways") or [MESH]
    return [SIDECARS if gateway == MESH else _place(gateway, home) for gateway in named]


def overlap(one: str, two: str) -> bool:
    """Whether two hosts, with or without a leading ``*``, have names in common."""
    if one.startswith("*") and two.startswith("*"):
        return one[1:].endswith(two[1:]) or two[1:].endswith(one[1:])
    if one.startswith("*"):
        return two.endswith(one[1:])
    if two.startswith("*"):
        return one.endswith(two[1:])
    return one == two


def place_of(gateway: Object) -> NamespacedName:
    """Where a Gateway object is."""
    return namespace_of(gateway, "default"), name_of(gateway)


def lets_in(gateway: Object, host: str, home: str) -> bool:
    """Whether a Gateway takes that host from a VirtualService of the namespace ``home``."""
    own = namespace_of(gateway, home)
    for server in (gateway.get("spec") or {}).get("servers") or ():
        for entry in (server.get("hosts") or ()) if _reads_http(server) else ():
            space, slash, name = str(entry).rpartition("/")
            admitted = not slash or space == "*" or (own if space == "." else space) == home
            if admitted and overlap(name, host):
                return True
    return False


def shown_to(space: str, exported: Sequence[str], home: str) -> bool:
    """Whether a namespace sees an object of the namespace ``home`` that is exported to those."""
    return any(entry == "*" or (home if entry == "." else entry) == space for entry in exported)


def check(subject: Subject) -> Iterator[Problem]:
    """Routes on a Gateway that does not exist, or does not let the host in, apply nowhere."""
    virtual_service = subject.snapshot.virtual_service
    if virtual_service is None:
        return
    places = gateway_places(virtual_service)
    if not places:
        return
    on_mesh = SIDECARS in bindings(virtual_service)
    yield from _missing(subject, virtual_service, places, on_mesh=on_mesh)
    yield from _uncovered(subject, virtual_service, on_mesh=on_mesh)
    yield from _deserted(subject)
    yield from _hidden(subject, virtual_service)


def _missing(
    subject: Subject, virtual_service: Object, places: Sequence[NamespacedName], *, on_mesh: bool
) -> Iterator[Problem]:
    found = {place_of(gateway) for gateway in subject.snapshot.gateways}
    absent = [place for place in places if place not in found]
    if not absent or not subject.snapshot.is_read("Gateway"):
        return
    listed = ", ".join(f"{space}/{name}" for space, name in absent)
    sentence = f"There is no Gateway {listed}, which VirtualService {name_of(virtual_service)} names."
    remedy = "Create it there, or correct `gateways`: NAME.NAMESPACE.svc.cluster.local means NAMESPACE/NAME."
    none_left = len(absent) == len(places) and not on_mesh
    yield blocks(sentence, remedy=remedy) if none_left else warns(sentence, remedy=remedy)


def _uncovered(subject: Subject, virtual_service: Object, *, on_mesh: bool) -> Iterator[Problem]:
    hosts = [str(host) for host in virtual_service["spec"].get("hosts") or ()]
    home = namespace_of(virtual_service, subject.service.namespace)
    gateways = subject.snapshot.gateways
    covered = [host for host in hosts if any(lets_in(gateway, host, home) for gateway in gateways)]
    if not gateways or len(covered) == len(hosts):
        return
    listed = ", ".join(host for host in hosts if host not in covered)
    shown = ", ".join("/".join(place_of(gateway)) for gateway in gateways)
    sentence = f"Gateway {shown} lets no request for {listed} in."
    remedy = (
        "Add the host to `servers[].hosts` of a server whose protocol is HTTP, or HTTPS that ends at the Gateway (no "
        "PASSTHROUGH), or correct `hosts` of the VirtualService."
    )
    yield warns(sentence, remedy=remedy) if covered or on_mesh else blocks(sentence, remedy=remedy)


def _reads_http(server: Object) -> bool:
    """Whether http routes apply there: not where TLS passes through unread, and not to plain TCP."""
    protocol = str((server.get("port") or {}).get("protocol", "HTTP")).upper()
    mode = str((server.get("tls") or {}).get("mode", ""))
    return protocol.startswith(_HTTP) and not mode.endswith("PASSTHROUGH")


def _deserted(subject: Subject) -> Iterator[Problem]:
    """A Gateway is only an order; pods with its labels carry it out, usually in its own namespace."""
    if not subject.snapshot.is_read(GATEWAY_PODS):
        return
    for gateway in subject.snapshot.gateways:
        space, name = place_of(gateway)
        selector = (gateway.get("spec") or {}).get("selector") or {}
        pods = [one for one in subject.snapshot.gateway_pods if namespace_of(one, space) == space]
        if selector and not any(is_ready(pod) and within(selector, labels_of(pod)) for pod in pods):
            labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
            yield warns(
                f"No ready pod in namespace {space} has the labels {labels} that Gateway {space}/{name} asks for.",
                remedy=f"Nothing lets users in unless such pods run elsewhere: `kubectl get pods -A -l {labels}`.",
            )


def _hidden(subject: Subject, virtual_service: Object) -> Iterator[Problem]:
    """``exportTo`` hides an object from other namespaces, and gateways are usually in another."""
    snapshot, home = subject.snapshot, subject.service.namespace
    wanting = sorted({place_of(gateway)[0] for gateway in snapshot.gateways})
    written = [(f"VirtualService {name_of(virtual_service)}", virtual_service["spec"].get("exportTo") or ())]
    written += [
        (f"DestinationRule {name_of(rule)}", rule["spec"].get("exportTo") or ())
        for rule in snapshot.destination_rules
        if name_of(rule) == subject.service.destination_rule
    ]
    if snapshot.service is not None:
        listed = annotations_of(snapshot.service).get(_EXPORT_TO, "").replace(" ", "").split(",")
        written.append((f"Service {name_of(snapshot.service)}", [entry for entry in listed if entry]))
    for what, spaces in written:
        blind = [space for space in wanting if spaces and not shown_to(space, spaces, home)]
        if blind:
            yield warns(
                f"{what} is exported to {', '.join(spaces)} alone, so a gateway in {', '.join(blind)} does not see it.",
                remedy=f"Add {', '.join(blind)} to its `exportTo`, unless the gateway's pods are elsewhere.",
            )


def _place(gateway: str, home: str) -> NamespacedName:
    if "/" in gateway:
        namespace, _, name = gateway.partition("/")
        return (home if namespace == "." else namespace), name
    name, _, rest = gateway.partition(".")  # the legacy form, NAME.NAMESPACE.svc.cluster.local
    return rest.partition(".")[0] or home, name
