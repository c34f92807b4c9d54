"""What else in the mesh has a say about the same requests: other VirtualServices, faults, ports, HTTPRoutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.cluster.objects import (
    NamespacedName,
    Object,
    annotations_of,
    called,
    host_names,
    name_of,
    namespace_of,
    service_name,
    title,
)
from bot.preflight.gateways import SIDECARS, lets_in, overlap, place_of
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.scope import applies, full_name, is_seen, meeting
from bot.preflight.snapshot import Subject

_HTTP = ("http", "http2", "grpc", "grpc-web")
_OTHERS = ("https", "tls", "tcp", "udp", "mongo", "mysql", "redis", "postgres")  # to Istio, https is TLS it cannot read
ELSEWHERE = "Other namespaces' VirtualService"  # what the snapshot calls them when they may not be read
ANNOTATIONS = "marks"  # what such a problem is about: with them, no dry run tells anything new
_PREFIX, _OURS = "canary-bot/", "canarybot-mirror-"  # how our annotations and the routes that we insert begin
_KUBERNETES_HTTP = ("kubernetes.io/h2c", "kubernetes.io/ws")


def check(subject: Subject) -> Iterator[Problem]:
    """Each in turn."""
    yield from _leftovers(subject)
    yield from _rivals(subject)
    yield from _delegation(subject)
    yield from _faults(subject)
    yield from _ports(subject)
    yield from _http_routes(subject)


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
            f"VirtualService {name_of(ours)} has marks of an older rollout ({', '.join(annotations)}) and no rollout.",
            remedy=f"`kubectl -n {subject.service.namespace} annotate virtualservice {name_of(ours)} {removed}`, when "
            "its routes are as they should be.",
            about=ANNOTATIONS,
        )
    routes = [str(one["name"]) for one in ours["spec"].get("http") or () if str(one.get("name", "")).startswith(_OURS)]
    if routes:
        yield blocks(
            f"VirtualService {name_of(ours)} still has the route {', '.join(routes)} of an older rollout.",
            remedy="It goes on mirroring: delete it from `spec.http`.",
            about=title(ours),
        )


def _rivals(subject: Subject) -> Iterator[Problem]:
    """Same host on the same gateway: Istio joins the rules of both in an order nobody chose; on the mesh one wins."""
    ours = subject.snapshot.virtual_service
    if ours is None:
        return
    home = subject.service.namespace
    for other in subject.snapshot.virtual_services:
        places = [place for place in meeting(ours, other) if _is_let_in(other, place, subject)]
        where = ", ".join(_written(place) for place in places)
        own, its = _hosts(ours, home), _hosts(other, home)
        same = sorted(its[host] for host in own.keys() & its.keys())
        narrower = sorted(its[host] for host in its if any(_within(host, one) for one in own))
        senders = _sent_to(other, subject) if applies(other) else []
        if same and places:
            yield warns(
                f"VirtualService {called(other, home)} has the same host {', '.join(same)} on {where}.",
                remedy="Which of the two a request meets is not yours to choose there: merge them, or split the hosts.",
            )
        elif narrower and places and senders:
            yield warns(
                f"VirtualService {called(other, home)} takes the requests for {', '.join(narrower)} on {where} "
                f"and sends them to {' and '.join(senders)}.",
                remedy="They follow its weights and not the rollout's: give it up, or accept that they do not move.",
            )
        elif senders:
            yield warns(
                f"VirtualService {called(other, home)} sends requests to {' and '.join(senders)} as well.",
                remedy="They follow none of the rollout's weights: without a subset they reach the canary at once, and "
                f"with the primary's they stay there while it is upgraded. Move them to {name_of(ours)}, or accept it.",
            )


def _within(host: str, wide: str) -> bool:
    """Whether Istio would prefer ``host`` to ``wide`` for the requests that both are about."""
    return host != wide and wide.startswith("*") and overlap(host, wide) and len(host) > len(wide)


def _is_let_in(other: Object, place: NamespacedName, subject: Subject) -> bool:
    """A Gateway may take hosts from some namespaces alone; one that was not read is thought to take them from all."""
    home = namespace_of(other, subject.service.namespace)
    gateways = [one for one in subject.snapshot.gateways if place_of(one) == place]
    hosts = _hosts(other, home)
    return not gateways or any(lets_in(gateway, host, home) for gateway in gateways for host in hosts)


def _sent_to(other: Object, subject: Subject) -> list[str]:
    """Which parts of our Service another VirtualService sends users to."""
    names = host_names(subject.service)
    home = namespace_of(other, subject.service.namespace)
    found = [
        one.get("destination") or {}
        for key in ("http", "tls", "tcp")
        for route in other["spec"].get(key) or ()
        for one in route.get("route") or ()
        if one.get("weight") or len(route["route"]) == 1
    ]
    ours = [one for one in found if full_name(str(one.get("host", "")), home) in names]
    service = service_name(subject.service)
    return sorted({f"{service} (subset {one['subset']})" if one.get("subset") else service for one in ours})


def _delegation(subject: Subject) -> Iterator[Problem]:
    """Routes without hosts apply where another VirtualService delegates to them, and inherit its mirror."""
    ours = subject.snapshot.virtual_service
    if ours is None or ours["spec"].get("hosts"):
        return
    home = subject.service.namespace
    roots = [
        (other, route)
        for other in subject.snapshot.virtual_services
        for route in other["spec"].get("http") or ()
        if _delegated(route, namespace_of(other, home)) == (home, name_of(ours))
    ]
    if not roots:
        yield _astray(ours, is_all_read=subject.snapshot.is_read(ELSEWHERE))
    for root, route in roots:
        if not is_seen(ours, namespace_of(root, home)):
            yield warns(
                f"VirtualService {called(root, home)} delegates to {name_of(ours)}, whose exportTo hides it there.",
                remedy=f"Add {namespace_of(root, home)} to its `exportTo`: until then its routes apply nowhere there.",
            )
        elif route.get("mirror") or route.get("mirrors"):
            yield warns(
                f"VirtualService {called(root, home)} mirrors what it delegates to {name_of(ours)}.",
                remedy="A route that has no mirror of its own inherits that one: remove it there, or its copies go on.",
            )


def _delegated(route: Object, home: str) -> NamespacedName:
    """Namespace and name of the VirtualService that has the routes; a root means its own namespace by default."""
    delegate = route.get("delegate") or {}
    return str(delegate.get("namespace") or home), str(delegate.get("name", ""))


def _astray(ours: Object, *, is_all_read: bool) -> Problem:
    if is_all_read:
        return warns(
            f"VirtualService {name_of(ours)} has no hosts, and no VirtualService of any namespace delegates to it.",
            remedy="Its routes apply nowhere, and a rollout would move nobody: give it `hosts`, or delegate to it.",
        )
    return warns(
        f"VirtualService {name_of(ours)} has no hosts, and nothing in its namespace delegates to it.",
        remedy="Unless a VirtualService of another namespace does, its routes apply nowhere: look there first.",
    )


def _hosts(virtual_service: Object, home: str) -> dict[str, str]:
    """Its hosts in full, each with how they are written there."""
    space = namespace_of(virtual_service, home)
    return {full_name(str(host), space): str(host) for host in virtual_service["spec"].get("hosts") or ()}


def _written(place: NamespacedName) -> str:
    return "the mesh" if place == SIDECARS else f"Gateway {place[0]}/{place[1]}"


def _faults(subject: Subject) -> Iterator[Problem]:
    virtual_service = subject.snapshot.virtual_service
    names = host_names(subject.service)
    for number, route in enumerate((virtual_service or {"spec": {}})["spec"].get("http") or (), start=1):
        hosts = {str((one.get("destination") or {}).get("host", "")) for one in route.get("route") or ()}
        if route.get("fault") and hosts & names:
            label = route.get("name") or f"http route {number}"
            kinds = " and ".join(sorted(route["fault"]))
            yield warns(
                f"The route {label} injects faults ({kinds}), and they are counted like real ones.",
                remedy="Remove `fault` before a start, or its errors and delays are judged as the service's.",
            )


def _ports(subject: Subject) -> Iterator[Problem]:
    """Istio guesses where the protocol is not said, and copies were then reported as TCP, which no gate sees."""
    ports = (subject.snapshot.service or {}).get("spec", {}).get("ports") or ()
    protocols = [_protocol(port) for port in ports]
    for port, protocol in zip(ports, protocols, strict=True):
        # A port that says it is something else is believed, as long as there is another for the requests.
        if protocol in _HTTP or (protocol in _OTHERS and any(one in _HTTP for one in protocols)):
            continue
        said = f"is called {port['name']}" if port.get("name") else "has no name"
        shown = f"has the appProtocol {port['appProtocol']}" if port.get("appProtocol") else said
        yield warns(
            f"Port {port.get('port')} of Service {service_name(subject.service)} {shown}, which is no HTTP to Istio.",
            remedy="If it carries HTTP or gRPC, say so: name it `http-NAME` or `grpc-NAME`, or set appProtocol. "
            "Nothing that Istio takes for TCP or TLS is counted, mirrored or shared out.",
        )


def _protocol(port: Object) -> str:
    """What Istio takes it for; "" where it has to guess."""
    if port.get("appProtocol"):
        written = str(port["appProtocol"]).lower()
        return "http" if written in _KUBERNETES_HTTP else written
    protocol = str(port.get("name") or "").lower().partition("-")[0]
    return protocol if protocol in (*_HTTP, *_OTHERS) else ""


def _http_routes(subject: Subject) -> Iterator[Problem]:
    """The Gateway API's own routes to the same Service know nothing of our weights."""
    names = {service_name(subject.service)}
    for route in subject.snapshot.http_routes:
        spec: dict[str, Any] = route.get("spec") or {}
        parents = {one.get("name") for one in spec.get("parentRefs") or () if one.get("kind") == "Service"}
        backends = {
            one.get("name")
            for rule in spec.get("rules") or ()
            for one in rule.get("backendRefs") or ()
            if one.get("kind", "Service") == "Service"
        }
        if parents & names:
            yield blocks(
                f"HTTPRoute {name_of(route)} routes the callers of Service {service_name(subject.service)}.",
                remedy="Two owners of one Service's routes exclude each other: remove the HTTPRoute, or manage it "
                "with a tool that knows the Gateway API.",
            )
        elif backends & names:
            yield warns(
                f"HTTPRoute {name_of(route)} sends requests to Service {service_name(subject.service)} as well.",
                remedy="They reach every ready pod, the canary's too, whatever the weights: move them to the "
                "VirtualService first.",
            )
