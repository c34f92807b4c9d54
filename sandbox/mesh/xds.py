"""From Istio's objects and the ready pods to Envoy's configuration: clusters, endpoints, virtual hosts.

Pure functions over one ``View`` of the cluster; single routes are in ``routes``, files and the process in
``gateway``. We are istiod for one gateway and for the sidecar of one caller inside the mesh, and follow its rules where
a release can tell the difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sandbox.mesh.delegates import resolved
from sandbox.mesh.objects import (
    DOMAIN,
    JsonObject,
    JsonObjects,
    Pod,
    Service,
    exported_to,
    fqdn,
    gateway_key,
    is_shown,
    is_subset,
)
from sandbox.mesh.routes import MESH, Caller, cluster_name, is_catch_all, routes_of, unrouted
from sandbox.mesh.rules import subsets_for
from sandbox.ports import LOOPBACK

GATEWAY, SIDECAR = "gateway", "sidecar"  # the two proxies, and what their route configurations are called
HTTP_PORT = 80
GATEWAY_LABELS = {"app": "istio-ingressgateway", "istio": "ingressgateway"}
CALLERS = {
    GATEWAY: Caller(namespace="istio-system", labels=GATEWAY_LABELS, gateways=frozenset()),
    # Both proxies are one Envoy, and each may know other subsets than the other: the names of its clusters differ.
    SIDECAR: Caller(labels={"app": "productpage", "version": "v1"}, prefix=f"{SIDECAR}|"),
}
TYPES = "type.googleapis.com/envoy"
UNLIMITED = 4_294_967_295


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A pod that may get requests, and the loopback port it listens on."""

    pod: Pod
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the gateway's configuration follows from."""

    virtual_services: JsonObjects
    destination_rules: JsonObjects
    gateways: JsonObjects
    services: tuple[Service, ...]
    endpoints: tuple[Endpoint, ...]  # of ready pods only


def clusters(view: View, endpoint_source: Callable[[str], JsonObject]) -> JsonObjects:
    """For each proxy an EDS cluster per service port, and one more per subset that it knows.

    Args:
        view: what there is.
        endpoint_source: where the endpoints of a cluster come from.
    """
    return [_cluster(name, endpoint_source(name)) for name, _ in _cluster_ports(view)]


def assignments(view: View) -> dict[str, JsonObject]:
    """The endpoints of every cluster, by cluster name; an empty subset has a cluster without endpoints (503 UH)."""
    return {
        name: {
            "@type": f"{TYPES}.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_lb_endpoint(port) for port in ports]}] if ports else [],
        }
        for name, ports in _cluster_ports(view)
    }


def route_configurations(view: View) -> dict[str, JsonObject]:
    """What each proxy does with a request, by its name."""
    return {GATEWAY: _configuration(GATEWAY, _gateway_hosts(view)), SIDECAR: _configuration(SIDECAR, _mesh_hosts(view))}


def _gateway_hosts(view: View) -> JsonObjects:
    """A virtual host per host name; everything else is 404 NR."""
    services = {service.fqdn: service for service in view.services}
    virtual_services = _visible(view, GATEWAY)
    by_host: dict[str, JsonObjects] = {}
    ports: dict[str, int] = {}
    for gateway, server in _servers(sorted(view.gateways, key=_age)):
        key, port = "/".join(_place(gateway)), server["port"]["number"]
        caller = replace(CALLERS[GATEWAY], gateways=frozenset({key}))
        for virtual_service in virtual_services:
            hosts = list(_served(virtual_service, gateway, server))
            routes = routes_of(virtual_service, services, port, caller) if hosts else []
            for host in hosts if routes else ():
                # All ports are one here, so a host has the routes of the first that it is served on.
                if ports.setdefault(host, port) == port:
                    by_host.setdefault(host, []).extend(routes)
    return [
        # A stable sort: VirtualServices of one host are concatenated, and their catch-alls go last.
        {"name": f"{host}:80", "domains": [host], "routes": sorted(routes, key=is_catch_all)}
        for host, routes in sorted(by_host.items())
    ]


def _mesh_hosts(view: View) -> JsonObjects:
    """A virtual host per Service and per host that a VirtualService has on the mesh; of several the oldest counts."""
    services = {service.fqdn: service for service in view.services}
    by_host: dict[str, JsonObjects] = {}
    for virtual_service in _visible(view, SIDECAR):
        spec, namespace = virtual_service["spec"], virtual_service["metadata"]["namespace"]
        if MESH in (spec.get("gateways") or [MESH]):
            for host in (fqdn(one, namespace).lower() for one in spec["hosts"]):
                port = services[host].ports[0] if host in services else HTTP_PORT
                routes = routes_of(virtual_service, services, port, CALLERS[SIDECAR])
                if routes:
                    by_host.setdefault(host, routes)
    for service in view.services:
        cluster = CALLERS[SIDECAR].prefix + cluster_name(service.ports[0], "", service.fqdn)
        by_host.setdefault(service.fqdn, [unrouted(cluster)])
    return [{"name": host, "domains": _callable_as(host), "routes": routes} for host, routes in sorted(by_host.items())]


def _visible(view: View, proxy: str) -> JsonObjects:
    """The VirtualServices that a proxy sees, in Istio's order: those for fewer namespaces first, then by age."""
    found = [one for one in resolved(view.virtual_services) if is_shown(one, CALLERS[proxy].namespace)]
    return sorted(found, key=lambda one: (_is_private(one), _age(one)))


def is_needed(view: View) -> Callable[[str], bool]:
    """Whether Envoy has to be given a cluster, by its name.

    A sidecar's subsets are not needed where no VirtualService on the mesh names the Service: Envoy watches a file for
    each cluster, and Linux counts those.
    """
    on_mesh = [one["spec"] for one in _visible(view, SIDECAR) if MESH in (one["spec"].get("gateways") or [MESH])]
    named = json.dumps(on_mesh)

    def needed(cluster: str) -> bool:
        if not cluster.startswith(CALLERS[SIDECAR].prefix):
            return True
        *_, subset, host = cluster.split("|")
        return not subset or host.partition(".")[0] in named

    return needed


def _is_private(virtual_service: JsonObject) -> int:
    """0 to 2: for its own namespace, for some, for all."""
    exported, own = exported_to(virtual_service), virtual_service["metadata"]["namespace"]
    return 2 if "*" in exported else int(own not in exported)


def _callable_as(host: str) -> list[str]:
    """The names by which the caller reaches a host: a Service's short ones too."""
    name, found, rest = host.partition(f".{DOMAIN}")[0].partition(".")
    if not host.endswith(DOMAIN) or not found:
        return [host]
    short = [name] if rest == CALLERS[SIDECAR].namespace else []
    return [*short, f"{name}.{rest}", f"{name}.{rest}.svc", host, f"{host}."]


def _configuration(name: str, virtual_hosts: JsonObjects) -> JsonObject:
    return {
        "@type": f"{TYPES}.config.route.v3.RouteConfiguration",
        "name": name,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": virtual_hosts,
    }


def _cluster_ports(view: View) -> Iterator[tuple[str, list[int]]]:
    """Every cluster with the loopback ports behind it."""
    for service in view.services:
        behind = [endpoint for endpoint in view.endpoints if service.selects(endpoint.pod)]
        for caller in CALLERS.values():
            subsets = subsets_for(caller.namespace, service, view.destination_rules)
            for port in service.ports:
                for subset, labels in [("", {}), *subsets.items()]:
                    chosen = [endpoint.port for endpoint in behind if is_subset(labels, endpoint.pod.labels)]
                    yield caller.prefix + cluster_name(port, subset, service.fqdn), chosen


def _cluster(name: str, endpoint_source: JsonObject) -> JsonObject:
    return {
        "@type": f"{TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": endpoint_source},
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": UNLIMITED,
                    "max_pending_requests": UNLIMITED,
                    "max_requests": UNLIMITED,
                    "max_retries": UNLIMITED,
                }
            ]
        },
    }


def _lb_endpoint(port: int) -> JsonObject:
    return {"endpoint": {"address": {"socket_address": {"address": LOOPBACK, "port_value": port}}}}


def _age(virtual_service: JsonObject) -> tuple[str, str, str]:
    metadata = virtual_service["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"], metadata["namespace"]


def _servers(gateways: JsonObjects) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Every server of every Gateway that is ours."""
    for gateway in gateways:
        if is_subset(gateway["spec"].get("selector", {}), GATEWAY_LABELS):
            for server in gateway["spec"].get("servers", []):
                yield gateway, server


def _place(gateway: JsonObject) -> tuple[str, str]:
    return gateway["metadata"]["namespace"], gateway["metadata"]["name"]


def _served(virtual_service: JsonObject, gateway: JsonObject, server: JsonObject) -> Iterator[str]:
    """Where a VirtualService's hosts, written in full, and a server's meet; the narrower of two."""
    namespace, spec = virtual_service["metadata"]["namespace"], virtual_service["spec"]
    if _place(gateway) not in {gateway_key(name, namespace) for name in spec.get("gateways") or ()}:
        return
    hosts = [fqdn(host, namespace).lower() for host in spec.get("hosts", [])]
    for allowed in _allowed(server, gateway, namespace):
        for host in hosts:
            if _covers(allowed, host):
                yield host
            elif _covers(host, allowed):
                yield allowed


def _allowed(server: JsonObject, gateway: JsonObject, namespace: str) -> Iterator[str]:
    """The hosts of a server that a VirtualService of a namespace may have."""
    for server_host in server.get("hosts", []):
        space, slash, allowed = server_host.rpartition("/")
        own = gateway["metadata"]["namespace"] if space == "." else space
        if not slash or own in {"*", namespace}:
            yield allowed.lower()


def _covers(pattern: str, host: str) -> bool:
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))
