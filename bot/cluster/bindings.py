"""Gateway objects, and where a VirtualService's routes apply: what their names, hosts, ports and selectors mean. Pure.

Istio takes three forms of a Gateway's name: ``namespace/name``, ``name``, and since its first releases
``name.namespace.…``, which many still write. The string in the object stays as it is; here it is only understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.cluster.objects import Labels, NamespacedName, Object, labels_of, name_of, namespace_of, within

MESH = "mesh"  # in a VirtualService's list of gateways: the sidecars, and no Gateway object
SIDECARS: NamespacedName = ("", MESH)  # the key of those that have no Gateway
_HTTP = ("HTTP", "GRPC")  # how the protocols of a server begin that http routes apply to


def gateway_keys(virtual_service: Object) -> list[NamespacedName]:
    """Namespace and name of each Gateway object a VirtualService names, in any of the three forms."""
    return [key for key in bindings(virtual_service) if key != SIDECARS]


def bindings(virtual_service: Object) -> list[NamespacedName]:
    """Where a VirtualService's routes apply; ``SIDECARS`` also where it names nothing.

    One without hosts is a part of another, and applies nowhere by itself.
    """
    if not virtual_service["spec"].get("hosts"):
        return []
    home = namespace_of(virtual_service, "default")
    named = virtual_service["spec"].get("gateways") or [MESH]
    return [SIDECARS if gateway == MESH else _key(gateway, home) for gateway in named]


def governing(virtual_service: Object, others: Iterable[Object]) -> list[Object]:
    """Whose hosts and gateways its routes have: its own, or those of the roots that delegate to one without hosts."""
    if virtual_service["spec"].get("hosts"):
        return [virtual_service]
    ours = namespace_of(virtual_service, "default"), name_of(virtual_service)
    return [
        one
        for one in others
        if any(delegated(route, namespace_of(one, "default")) == ours for route in one["spec"].get("http") or ())
    ]


def delegated(route: Object, home: str) -> NamespacedName:
    """Namespace and name of the VirtualService that has the routes; a root means its own namespace by default."""
    delegate = route.get("delegate") or {}
    return str(delegate.get("namespace") or home), str(delegate.get("name", ""))


def overlap(one: str, two: str) -> bool:
    """Whether two hosts, with or without a leading ``*``, have names in common."""
    if one.startswith("*") and two.startswith("*"):
        return one[1:].endswith(two[1:]) or two[1:].endswith(one[1:])
    if one.startswith("*"):
        return two.endswith(one[1:])
    if two.startswith("*"):
        return one.endswith(two[1:])
    return one == two


def gateway_key(gateway: Object) -> NamespacedName:
    """Where a Gateway object is."""
    return namespace_of(gateway, "default"), name_of(gateway)


def lets_in(gateway: Object, host: str, home: str) -> bool:
    """Whether a Gateway takes that host from a VirtualService of the namespace ``home``."""
    return any(overlap(name.removesuffix("."), host.removesuffix(".")) for name in _admitted(gateway, home))


def served_hosts(gateway: Object, home: str) -> list[str]:
    """The hosts of its servers that routes of the namespace ``home`` may be for, each once."""
    return list(dict.fromkeys(_admitted(gateway, home)))


def _admitted(gateway: Object, home: str) -> Iterator[str]:
    own = namespace_of(gateway, home)
    for server in (gateway.get("spec") or {}).get("servers") or ():
        for entry in (server.get("hosts") or ()) if _reads_http(server) else ():
            space, slash, name = str(entry).rpartition("/")
            if not slash or space == "*" or (own if space == "." else space) == home:
                yield name


def shown_to(space: str, exported: Sequence[str], home: str) -> bool:
    """Whether a namespace sees an object of the namespace ``home`` that is exported to those."""
    return any(entry == "*" or (home if entry == "." else entry) == space for entry in exported)


def pods_behind(gateway: Object, pods: Sequence[Object]) -> list[Object]:
    """Those that carry out what a Gateway says, ready or not: Istio asks for labels, and not for a namespace."""
    selector = selector_of(gateway)
    return [pod for pod in pods if selector and within(selector, labels_of(pod))]


def spaces_of(gateway: Object, pods: Sequence[Object]) -> list[str]:
    """The namespaces whose proxies carry it out; its own where no pod can be seen."""
    own = gateway_key(gateway)[0]
    return sorted({namespace_of(pod, own) for pod in pods_behind(gateway, pods)}) or [own]


def are_one(one: Object, two: Object, pods: Sequence[Object]) -> bool:
    """Whether two Gateways speak to the same pods on the same port: Istio joins them, whatever they are called."""
    both = [pod for pod in pods_behind(one, pods) if within(selector_of(two), labels_of(pod))]
    same = bool(both) or selector_of(one) == selector_of(two)
    return same and bool(_ports(one) & _ports(two))


def selector_of(gateway: Object) -> Labels:
    """The labels of the pods that it asks for."""
    return (gateway.get("spec") or {}).get("selector") or {}


def _ports(gateway: Object) -> set[int]:
    """Those on which http routes apply."""
    servers = (gateway.get("spec") or {}).get("servers") or ()
    return {int((one.get("port") or {}).get("number") or 0) for one in servers if _reads_http(one)}


def _reads_http(server: Object) -> bool:
    """Whether http routes apply there: not where TLS passes through unread, and not to plain TCP."""
    protocol = str((server.get("port") or {}).get("protocol", "HTTP")).upper()
    mode = str((server.get("tls") or {}).get("mode", ""))
    return protocol.startswith(_HTTP) and not mode.endswith("PASSTHROUGH")


def _key(gateway: str, home: str) -> NamespacedName:
    if "/" in gateway:
        namespace, _, name = gateway.partition("/")
        return (home if namespace == "." else namespace), name
    name, _, rest = gateway.partition(".")  # the legacy form, NAME.NAMESPACE.svc.cluster.local
    return rest.partition(".")[0] or home, name
