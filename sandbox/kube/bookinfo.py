"""Objects to begin with: Istio's Bookinfo reviews, in the shapes the bot knows."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sandbox.kube.objects import Object

_PORT = 9080
_ISTIO = "networking.istio.io/v1beta1"
_GATEWAY = "reviews-gateway.istio-system.svc.cluster.local"  # the legacy form, as people still write it


def objects(namespace: str = "default") -> list[Object]:
    """`reviews` with one Deployment per version: `version` is part of their immutable selectors."""
    return [gateway(), gateway_pod(), *_mesh("reviews", namespace, host="*"), *_per_version("reviews", namespace)]


def service_objects(name: str, namespace: str = "default", *, host: str | None = None) -> list[Object]:
    """The same for a service of any name, reached as ``host`` (default `NAME.example`)."""
    return [
        gateway(),
        gateway_pod(),
        *_mesh(name, namespace, host=host or f"{name}.example"),
        *_per_version(name, namespace),
    ]


def relabel_objects(namespace: str = "default") -> list[Object]:
    """`reviews` with a primary and a canary Deployment whose selectors leave `version` free."""
    return [
        gateway(),
        gateway_pod(),
        *_mesh("reviews", namespace, host="*"),
        _tracked("reviews", namespace, track="primary", version="v1"),
        _tracked("reviews-canary", namespace, track="canary", version="v2"),
    ]


def hosts_objects(namespace: str = "default") -> list[Object]:
    """`reviews` with a Service for each version, and routes between those: no subsets, and nothing to have them."""
    kept = [one for one in objects(namespace) if one["kind"] not in {"Service", "DestinationRule"}]
    for thing in kept:
        if thing["kind"] == "VirtualService":
            thing["spec"]["http"] = [{"route": [_to("reviews-v1", 100), _to("reviews-v2", 0)]}]
    return [*(_service_of(version, namespace) for version in ("v1", "v2", "v3")), *kept]


def routes_objects(namespace: str = "default") -> list[Object]:
    """`reviews` with four http routes: one that answers by itself, and three that send users to the primary.

    Of the three one is for a header and has two destinations, one has no name and a lone destination, and the last
    takes what is left.
    """
    found = objects(namespace)
    for thing in found:
        if thing["kind"] == "VirtualService":
            thing["spec"]["http"] = _several_routes(whole=thing["spec"]["http"][0]["route"])
    return found


INSIDE = ("default", "inside")


def with_callers_inside(objects: list[Object]) -> list[Object]:
    """The same with a second VirtualService, for callers inside the mesh."""
    (edge,) = [one for one in objects if one["kind"] == "VirtualService"]
    spec = {"hosts": ["reviews"], "http": [{"timeout": "5s", "route": deepcopy(edge["spec"]["http"][0]["route"])}]}
    metadata = {"name": INSIDE[1], "namespace": INSIDE[0]}
    return [*objects, {"apiVersion": edge["apiVersion"], "kind": "VirtualService", "metadata": metadata, "spec": spec}]


def placed(objects: list[Object]) -> list[Object]:
    """The same with the VirtualService in the gateway's namespace, where it names the service in full."""
    for thing in objects:
        if thing["kind"] == "VirtualService" and thing["metadata"]["name"] == "reviews":
            full = f"reviews.{thing['metadata']['namespace']}.svc.cluster.local"
            thing["metadata"]["namespace"] = "istio-system"
            for entry in (entry for route in thing["spec"]["http"] for entry in route["route"]):
                entry["destination"]["host"] = full
    return objects


def parked(objects: list[Object], canary: str) -> list[Object]:
    """The same with a canary that has no pods."""
    for thing in objects:
        if (thing["kind"], thing["metadata"]["name"]) == ("Deployment", canary):
            thing["spec"]["replicas"] = 0
    return objects


def of_two_containers(objects: list[Object]) -> list[Object]:
    """The same with a container that migrates data beside each version's own, with an image of that version."""
    for thing in objects:
        if thing["kind"] == "Deployment":
            containers = thing["spec"]["template"]["spec"]["containers"]
            beside = {"name": "migrate", "image": containers[0]["image"].replace("reviews-v", "migrate-v")}
            containers.append(beside)
    return objects


def _several_routes(*, whole: list[Object]) -> list[Object]:
    headers = {"request": {"set": {"x-reader": "tester"}}}
    moved = {"redirect": {"uri": "/reviews/0"}, "match": [{"uri": {"exact": "/old"}}], "name": "moved"}
    testers = {
        "match": [{"headers": {"x-user": {"exact": "tester"}}}],
        "timeout": "8s",
        "route": whole,
        "name": "testers",
    }
    lone = {"destination": {"host": "reviews", "port": {"number": _PORT}, "subset": "v1"}, "headers": headers}
    api = {
        "match": [{"uri": {"prefix": "/api/"}}],
        "rewrite": {"uri": "/"},
        "retries": {"attempts": 1},
        "route": [lone],
    }
    return [moved, testers, api, {"name": "rest", "route": [{"destination": {"host": "reviews", "subset": "v1"}}]}]


def _to(host: str, weight: int) -> Object:
    return {"destination": {"host": host, "port": {"number": _PORT}}, "weight": weight}


def _service_of(version: str, namespace: str) -> Object:
    labels = {"app": "reviews", "version": version}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"reviews-{version}", "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"name": "http", "port": _PORT}], "selector": labels},
    }


def autoscaler(deployment: str, *, least: int, most: int, utilization: int = 80, stable_seconds: int = 300) -> Object:
    """An HPA of a Deployment by CPU, that goes down only to the most it was advised in ``stable_seconds``."""
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": utilization}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": deployment, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": resource}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": stable_seconds}},
        },
    }


def gateway() -> Object:
    """The Gateway all of them share."""
    server = {"port": {"number": 8080, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return {
        "apiVersion": _ISTIO,
        "kind": "Gateway",
        "metadata": {"name": "reviews-gateway", "namespace": "istio-system"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }


def gateway_pod() -> Object:
    """The pod behind it, for whoever asks the API server; the gateway that serves users is the mesh's own."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "istio-ingressgateway-0",
            "namespace": "istio-system",
            "labels": {"istio": "ingressgateway"},
        },
        "spec": {"containers": [{"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.28.1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def image(version: str) -> str:
    """The image of one version of reviews."""
    return f"registry.istio.io/release/examples-bookinfo-reviews-{version}:1.20.3"


def _mesh(name: str, namespace: str, *, host: str) -> list[Object]:
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2", "v3")]
    route = [
        {"destination": {"host": name, "subset": "v1"}, "weight": 100},
        {"destination": {"host": name, "subset": "v2"}, "weight": 0},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, "service": name}},
            "spec": {"ports": [{"name": "http", "port": _PORT}], "selector": {"app": name}},
        },
        {
            "apiVersion": _ISTIO,
            "kind": "DestinationRule",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"host": name, "subsets": subsets},
        },
        {
            "apiVersion": _ISTIO,
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"hosts": [host], "gateways": [_GATEWAY], "http": [{"route": route}]},
        },
    ]


def _per_version(name: str, namespace: str) -> list[Object]:
    return [
        _deployment(
            f"{name}-{version}",
            namespace,
            container=name,
            version=version,
            replicas=replicas,
            selector={"app": name, "version": version},
            labels={"app": name, "version": version},
        )
        for version, replicas in (("v1", 2), ("v2", 2), ("v3", 1))
    ]


def _tracked(deployment: str, namespace: str, *, track: str, version: str) -> Object:
    return _deployment(
        deployment,
        namespace,
        container="reviews",
        version=version,
        replicas=2,
        selector={"app": "reviews", "track": track},
        labels={"app": "reviews", "track": track, "version": version},
    )


def _deployment(
    name: str,
    namespace: str,
    *,
    container: str,
    version: str,
    replicas: int,
    selector: dict[str, str],
    labels: dict[str, str],
) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [_container(container, version)]}},
        },
    }


def _container(name: str, version: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image(version),
        "env": [{"name": "LOG_DIR", "value": "/tmp/logs"}],  # noqa: S108 -- as in Bookinfo; nothing here writes to it
        "ports": [{"containerPort": _PORT}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": _PORT}, "periodSeconds": 5},
    }
