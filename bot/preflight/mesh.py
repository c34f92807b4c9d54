"""What else in the mesh has a say about the same requests: other VirtualServices, faults and ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.cluster.bindings import (
    SIDECARS,
    are_one,
    bindings,
    delegated,
    gateway_key,
    governing,
    lets_in,
    overlap,
    spaces_of,
)
from bot.cluster.delegation import at_odds_with_methods
from bot.cluster.objects import (
    NamespacedName,
    Object,
    annotations_of,
    called,
    full_name,
    name_of,
    namespace_of,
    title,
)
from bot.cluster.virtual_service import is_inserted, label_of
from bot.model.service import ServiceConfig
from bot.preflight.problems import Problem, blocks, kubectl, patch, warns
from bot.preflight.scope import applies, is_seen, meeting
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Item, Sentence, said

_HTTP = ("http", "http2", "grpc", "grpc-web")
_OTHERS = ("https", "tls", "tcp", "udp", "mongo", "mysql", "redis", "postgres")  # to Istio, https is TLS it cannot read
ELSEWHERE = "Other namespaces' VirtualService"  # what the snapshot calls them when they may not be read
ANNOTATIONS = "annotations"  # what such a problem is about: with them, no dry run tells anything new
_PREFIX = "canary-bot/"  # how our annotations begin
_KUBERNETES_HTTP = ("kubernetes.io/h2c", "kubernetes.io/ws")


def check(subject: Subject) -> Iterator[Problem]:
    """Each in turn."""
    yield from _leftovers(subject)
    yield from _rivals(subject)
    yield from _delegation(subject)
    yield from _faults(subject)
    yield from _ports(subject)


def _leftovers(subject: Subject) -> Iterator[Problem]:
    """Annotations without a rollout: what was recorded before an older one would be taken for what was there before
    this.
    """
    ours = subject.snapshot.virtual_service
    if ours is None or annotations_of(ours).get(f"{_PREFIX}rollout"):
        return  # a rollout's own annotations are told with its name
    annotations = sorted(key for key in annotations_of(ours) if key.startswith(_PREFIX))
    if annotations:
        removed = " ".join(f"{mark}-" for mark in annotations)
        yield blocks(
            said("preflight.leftovers", name=name_of(ours), annotations=tuple(annotations)),
            remedy=said(
                "preflight.remove_leftovers",
                command=kubectl(
                    "annotate", "virtualservice", name_of(ours), removed, namespace=subject.service.routes_at[0]
                ),
            ),
            about=ANNOTATIONS,
        )
    http = ours["spec"].get("http") or ()
    left = {number: str(one["name"]) for number, one in enumerate(http) if is_inserted(one)}
    if left:
        changes = [{"op": "remove", "path": f"/spec/http/{number}"} for number in sorted(left, reverse=True)]
        command = patch(ours, changes, subject.service.routes_at[0])
        yield blocks(
            said("preflight.old_route", name=name_of(ours), routes=tuple(left.values())),
            remedy=said("preflight.delete_route", command=command),
            about=title(ours),
        )


def _rivals(subject: Subject) -> Iterator[Problem]:
    """Same host on the same gateway: Istio joins the rules of both in an order nobody chose; on the mesh one wins."""
    ours = subject.snapshot.virtual_service
    if ours is None:
        return
    others = subject.snapshot.virtual_services
    governs = governing(ours, others)
    for other in (*others, *subject.snapshot.siblings):
        if not any(other is one for one in governs):
            yield from _rival(ours, governs, other, subject)


def _rival(ours: Object, governs: Iterable[Object], other: Object, subject: Subject) -> Iterator[Problem]:
    home = subject.service.namespace
    own = {full: host for one in governs for full, host in _hosts(one, home).items()}
    where = [key for one in governs for key in _meeting(one, other, subject)]
    its = _hosts(other, home)
    same = sorted(its[host] for host in own.keys() & its.keys())
    narrower = sorted(its[host] for host in its if any(_within(host, one) for one in own))
    moves_too = any(other is one for one in subject.snapshot.siblings)
    senders = _sent_to(other, subject) if applies(other) and not moves_too else []
    name = called(other, home)
    if same and where:
        yield warns(
            said("preflight.same_host", other=name, hosts=tuple(same), where=tuple(where)),
            remedy=said("preflight.merge_them"),
        )
    elif narrower and where and senders:
        hosts, met_at = tuple(narrower), tuple(where)
        yield warns(
            said("preflight.narrower_host", other=name, hosts=hosts, where=met_at, senders=tuple(senders)),
            remedy=said("preflight.give_it_up"),
        )
    elif senders:
        yield warns(
            said("preflight.sends_as_well", other=name, senders=tuple(senders)),
            remedy=_joining_remedy(ours, other, subject),
        )


def _joining_remedy(ours: Object, other: Object, subject: Subject) -> Sentence:
    """How its users move too: beside ours in services.yaml; of what is no http nothing can."""
    service = subject.service
    if not _sent_to(other, subject, ("http",)):
        return said("preflight.move_them", name=called(ours, service.namespace))
    key = naming([ours, *subject.snapshot.siblings, other], service.namespace)
    return said("preflight.list_it_too", key=key, service=service.name)


def _meeting(ours: Object, other: Object, subject: Subject) -> list[Item]:
    """Where a proxy has the routes of both: the same Gateway or the mesh, or another Gateway of the same pods."""
    met_at = [_written(key) for key in meeting(ours, other) if _is_let_in(other, key, subject)]
    return [*met_at, *_joined(ours, other, subject)]


def other_gateway_keys(governs: Sequence[Object], others: Iterable[Object]) -> list[NamespacedName]:
    """The Gateways that ours (or its roots) do not name, and another VirtualService with hosts of ours does."""
    home = "default"
    mine = {SIDECARS, *(key for one in governs for key in bindings(one))}
    hosts = [host for one in governs for host in _hosts(one, home)]
    rivals = [one for one in others if any(overlap(a, b) for a in hosts for b in _hosts(one, home))]
    return sorted({key for one in rivals for key in bindings(one)} - mine)


def _joined(ours: Object, other: Object, subject: Subject) -> Iterator[Item]:
    """Other Gateways that the same pods carry out on the same port: to those pods they are one with ours."""
    snapshot, home = subject.snapshot, namespace_of(other, subject.service.namespace)
    mine, its = bindings(ours), bindings(other)
    for gateway in snapshot.other_gateways:
        key = gateway_key(gateway)
        if key not in its or key in mine or not any(lets_in(gateway, host, home) for host in _hosts(other, home)):
            continue
        for one in snapshot.gateways:
            spaces = spaces_of(one, snapshot.gateway_pods)
            if are_one(one, gateway, snapshot.gateway_pods) and any(is_seen(other, space) for space in spaces):
                yield said("preflight.one_gateway", other=_written(key), ours=_written(gateway_key(one)))
                break


def _within(host: str, wide: str) -> bool:
    """Whether Istio would prefer ``host`` to ``wide`` for the requests that both are about."""
    return host != wide and wide.startswith("*") and overlap(host, wide) and len(host) > len(wide)


def _is_let_in(other: Object, key: NamespacedName, subject: Subject) -> bool:
    """A Gateway may take hosts from some namespaces alone; one that was not read is thought to take them from all."""
    home = namespace_of(other, subject.service.namespace)
    gateways = [one for one in subject.snapshot.gateways if gateway_key(one) == key]
    hosts = _hosts(other, home)
    return not gateways or any(lets_in(gateway, host, home) for gateway in gateways for host in hosts)


def routing(subject: Subject) -> list[Object]:
    """VirtualServices other than ours that send users to the service by http, and that any proxy obeys."""
    return [one for one in subject.snapshot.virtual_services if applies(one) and _sent_to(one, subject, ("http",))]


def naming(found: Sequence[Object], home: str) -> Code:
    """The key of services.yaml that names them, seen from the service's namespace."""
    names = [called(one, home) for one in found]
    return Code(f"virtual_service: {names[0]}" if len(names) == 1 else f"virtual_services: [{', '.join(names)}]")


def naming_remedy(found: Sequence[Object], service: ServiceConfig) -> Sentence:
    """Where they route to the service already, nothing is to be created: they are to be named."""
    key = naming(found, service.namespace)
    if len(found) == 1:
        return said("preflight.write_key", key=key, service=service.name)
    return said("preflight.write_list", key=key, service=service.name, old=Code("virtual_service"))


def _sent_to(other: Object, subject: Subject, kinds: Sequence[str] = ("http", "tls", "tcp")) -> list[Item]:
    """Which parts of our Service another VirtualService sends users to."""
    home = namespace_of(other, subject.service.namespace)
    found = [
        one.get("destination") or {}
        for key in kinds
        for route in other["spec"].get(key) or ()
        for one in route.get("route") or ()
        if one.get("weight") or len(route["route"]) == 1
    ]
    ours = [one for one in found if subject.is_at(one.get("host"), home)]
    parts = sorted({(str(one["host"]).partition(".")[0], str(one.get("subset") or "")) for one in ours})
    return [said("preflight.subset_of", name=name, subset=subset) if subset else name for name, subset in parts]


def _delegation(subject: Subject) -> Iterator[Problem]:
    """Routes without hosts apply where another VirtualService delegates to them, and inherit its mirror."""
    ours = subject.snapshot.virtual_service
    if ours is None or ours["spec"].get("hosts"):
        return
    home = namespace_of(ours, subject.service.namespace)
    roots = [
        (other, route)
        for other in governing(ours, subject.snapshot.virtual_services)
        for route in other["spec"].get("http") or ()
        if delegated(route, namespace_of(other, home)) == (home, name_of(ours))
    ]
    if not roots:
        yield _astray(ours, is_all_read=subject.snapshot.is_read(ELSEWHERE))
    for root, route in roots:
        if not is_seen(ours, namespace_of(root, home)):
            yield warns(
                said("preflight.delegate_hidden", root=called(root, home), name=name_of(ours)),
                remedy=said("preflight.export_to_root", space=namespace_of(root, home), field=Code("exportTo")),
            )
        elif route.get("mirror") or route.get("mirrors"):
            yield warns(
                said("preflight.root_mirrors", root=called(root, home), name=name_of(ours)),
                remedy=said("preflight.remove_roots_mirror"),
            )
        elif subject.service.mirror_methods:
            yield from _dropped_copies(ours, called(root, home), route)


def _dropped_copies(ours: Object, root: str, route: Object) -> Iterator[Problem]:
    """Routes of which only some methods are mirrored get a copy with a condition, which not every root lets stand."""
    shared = [one for one in ours["spec"].get("http") or () if one.get("route") and not is_inserted(one)]
    fields = sorted({field for one in shared for field in at_odds_with_methods(route, one)})
    if fields:
        yield warns(
            said("preflight.root_drops_copies", root=root, fields=tuple(map(Code, fields)), name=name_of(ours)),
            remedy=said("preflight.say_it_there_too", name=name_of(ours), key=Code("mirror: {methods: all}")),
        )


def _astray(ours: Object, *, is_all_read: bool) -> Problem:
    if is_all_read:
        return warns(
            said("preflight.astray", name=name_of(ours)),
            remedy=said("preflight.give_hosts", field=Code("hosts")),
        )
    return warns(
        said("preflight.astray_here", name=name_of(ours)),
        remedy=said("preflight.look_elsewhere"),
    )


def _hosts(virtual_service: Object, home: str) -> dict[str, str]:
    """Its hosts in full, each with how they are written there."""
    space = namespace_of(virtual_service, home)
    return {full_name(str(host), space): str(host) for host in virtual_service["spec"].get("hosts") or ()}


def _written(key: NamespacedName) -> Item:
    return said("preflight.the_mesh") if key == SIDECARS else f"Gateway {key[0]}/{key[1]}"


def _faults(subject: Subject) -> Iterator[Problem]:
    virtual_service: Object = subject.snapshot.virtual_service or {"metadata": {}, "spec": {}}
    home = namespace_of(virtual_service, subject.service.namespace)
    http = virtual_service["spec"].get("http") or []
    for route in http:
        hosts = [(one.get("destination") or {}).get("host") for one in route.get("route") or ()]
        if route.get("fault") and any(subject.is_at(host, home) for host in hosts):
            yield warns(
                said(
                    "preflight.faults",
                    name=title(virtual_service),
                    route=label_of(http, route),
                    kinds=tuple(sorted(route["fault"])),
                ),
                remedy=said("preflight.remove_faults", field=Code("fault")),
            )


def _ports(subject: Subject) -> Iterator[Problem]:
    """Istio guesses where the protocol is not said, and copies were then reported as TCP, which no gate sees."""
    for backend in subject.backends:
        yield from _ports_of(backend)


def speaks_http(backend: Object) -> bool:
    """Whether each of its ports says that it is HTTP."""
    protocols = [_protocol(port) for port in (backend.get("spec") or {}).get("ports") or ()]
    return bool(protocols) and all(one in _HTTP for one in protocols)


def _ports_of(backend: Object) -> Iterator[Problem]:
    ports = (backend.get("spec") or {}).get("ports") or ()
    protocols = [_protocol(port) for port in ports]
    for port, protocol in zip(ports, protocols, strict=True):
        # A port that says it is something else is believed, as long as there is another for the requests.
        if protocol in _HTTP or (protocol in _OTHERS and any(one in _HTTP for one in protocols)):
            continue
        yield warns(
            _no_http(port, name_of(backend)),
            remedy=said("preflight.name_port", http=Code("http-NAME"), grpc=Code("grpc-NAME"), field="appProtocol"),
        )


def _no_http(port: Object, service: str) -> Sentence:
    number = str(port.get("port"))
    if port.get("appProtocol"):
        said_there = str(port["appProtocol"])
        return said("preflight.port_protocol", port=number, service=service, protocol=said_there)
    if port.get("name"):
        return said("preflight.port_name", port=number, service=service, name=str(port["name"]))
    return said("preflight.port_nameless", port=number, service=service)


def _protocol(port: Object) -> str:
    """What Istio takes it for; "" where it has to guess."""
    if port.get("appProtocol"):
        written = str(port["appProtocol"]).lower()
        return "http" if written in _KUBERNETES_HTTP else written
    protocol = str(port.get("name") or "").lower().partition("-")[0]
    return protocol if protocol in (*_HTTP, *_OTHERS) else ""
