"""From Istio's objects and the ready pods to Envoy's configuration: clusters, endpoints, virtual hosts.

Pure functions over one ``View`` of the cluster; single routes are in ``routes``, files and the process in
``gateway``. We are istiod for one gateway, and follow its rules where a release can tell the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.mesh.objects import JsonObject, JsonObjects, Pod, Service, fqdn, is_subset
from sandbox.mesh.routes import cluster_name, is_catch_all, routes_of
from sandbox.ports import LOOPBACK

ROUTE_CONFIGURATION = "gateway"
GATEWAY_LABELS = {"app": "istio-ingressgateway", "istio": "ingressgateway"}
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
    """One EDS cluster per service port, and one more per subset; ``endpoint_source`` says where its endpoints come."""
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


def route_configuration(view: View) -> JsonObject:
    """What the gateway does with a request: a virtual host per host name, everything else is 404 NR."""
    services = {service.fqdn: service for service in view.services}
    by_host: dict[str, JsonObjects] = {}
    for virtual_service in sorted(view.virtual_services, key=_age):
        for host, gateway_port in _bound_hosts(virtual_service, view.gateways):
            by_host.setdefault(host, []).extend(routes_of(virtual_service, services, gateway_port))
    return {
        "@type": f"{TYPES}.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIGURATION,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            # A stable sort: VirtualServices of one host are concatenated, and their catch-alls go last.
            {"name": f"{host}:80", "domains": [host], "routes": sorted(routes, key=is_catch_all)}
            for host, routes in sorted(by_host.items())
        ],
    }


def _cluster_ports(view: View) -> Iterator[tuple[str, list[int]]]:
    """Every cluster with the loopback ports behind it."""
    for service in view.services:
        behind = [endpoint for endpoint in view.endpoints if service.selects(endpoint.pod)]
        subsets = dict(_subsets(service, view.destination_rules))
        for port in service.ports:
            for subset, labels in [("", {}), *subsets.items()]:
                chosen = [endpoint.port for endpoint in behind if is_subset(labels, endpoint.pod.labels)]
                yield cluster_name(port, subset, service.fqdn), chosen


def _subsets(service: Service, destination_rules: JsonObjects) -> Iterator[tuple[str, dict[str, str]]]:
    for rule in destination_rules:
        spec = rule["spec"]
        if fqdn(spec["host"], rule["metadata"]["namespace"]) == service.fqdn:
            for subset in spec.get("subsets", []):
                yield subset["name"], subset.get("labels", {})


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


def _bound_hosts(virtual_service: JsonObject, gateways: JsonObjects) -> Iterator[tuple[str, int]]:
    """The host names a VirtualService serves through our gateway, each with the server's port."""
    namespace = virtual_service["metadata"]["namespace"]
    spec = virtual_service["spec"]
    wanted = {_gateway_key(name, namespace) for name in spec.get("gateways", [])}
    seen: set[str] = set()
    for gateway in gateways:
        metadata = gateway["metadata"]
        if (metadata["namespace"], metadata["name"]) not in wanted or not _is_ours(gateway):
            continue
        for host, port in _served(spec.get("hosts", []), gateway["spec"].get("servers", [])):
            if host not in seen:
                seen.add(host)
                yield host, port


def _gateway_key(name: str, namespace: str) -> tuple[str, str]:
    """Where a VirtualService's gateway name points: ``ns/name``, a bare name, or the legacy ``name.ns.svc…``."""
    if "/" in name:
        gateway_namespace, _, gateway_name = name.partition("/")
        return gateway_namespace, gateway_name
    if "." in name:
        gateway_name, gateway_namespace = name.split(".")[:2]
        return gateway_namespace, gateway_name
    return namespace, name


def _is_ours(gateway: JsonObject) -> bool:
    return is_subset(gateway["spec"].get("selector", {}), GATEWAY_LABELS)


def _served(hosts: list[str], servers: JsonObjects) -> Iterator[tuple[str, int]]:
    for server in servers:
        for server_host in server.get("hosts", []):
            allowed = server_host.rpartition("/")[2]  # "ns/host" limits the namespace, which we do not play
            for host in hosts:
                if _covers(allowed, host):
                    yield host, server["port"]["number"]
                elif _covers(host, allowed):
                    yield allowed, server["port"]["number"]


def _covers(pattern: str, host: str) -> bool:
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))
