"""Raw objects as preflight reads them: Bookinfo's reviews in good health, to change one thing at a time."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from bot.preflight import MetricFacts, Snapshot, Traffic
from bot.words.rendering import plain
from bot.words.sentence import Text

Object = dict[str, Any]


def a_deployment(name: str, version: str, *, image: str = "", replicas: int = 2, **selector: str) -> Object:
    """A settled Deployment. ``selector`` names other labels than its pods' (app and version)."""
    labels = {"app": "reviews", "version": version, **selector}
    container = {
        "name": "reviews",
        "image": image or f"registry.example/reviews-{version}:1.20.3",
        "readinessProbe": {"httpGet": {"path": "/health", "port": 9080}},
    }
    chosen = selector or labels
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "generation": 3},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        "status": {"observedGeneration": 3, "replicas": replicas},
    }


def a_pod(deployment: Object, number: int = 1, *, image_id: str = "", ready: bool = True) -> Object:
    """One of its pods, with a sidecar."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    app = {"name": "reviews", "ready": ready, "restartCount": 0, "state": {"running": {}}, "imageID": image_id}
    proxy = {"name": "istio-proxy", "ready": True, "restartCount": 0, "state": {"running": {}}}
    template = deployment["spec"]["template"]
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{number}",
            "namespace": "default",
            "labels": template["metadata"]["labels"] | {"pod-template-hash": "5d8f"},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": f"{deployment['metadata']['name']}-5d8f", "controller": True}
            ],
        },
        "spec": {"containers": [*template["spec"]["containers"], {"name": "istio-proxy", "image": "proxyv2"}]},
        "status": {"conditions": [condition], "containerStatuses": [app, proxy]},
    }


def a_virtual_service(name: str = "reviews", namespace: str = "default", **spec: Any) -> Object:
    """All users on v1."""
    route = [{"destination": {"host": "reviews", "subset": s}, "weight": w} for s, w in (("v1", 100), ("v2", 0))]
    usual = {"hosts": ["*"], "gateways": ["istio-system/reviews-gateway"], "http": [{"route": route}]}
    return {
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": usual | spec,
    }


def a_gateway(*hosts: str) -> Object:
    """The Gateway of that VirtualService."""
    server = {"port": {"number": 8080, "protocol": "HTTP"}, "hosts": [*(hosts or ("*",))]}
    return {
        "kind": "Gateway",
        "metadata": {"name": "reviews-gateway", "namespace": "istio-system"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }


def a_rule(*versions: str) -> Object:
    """A DestinationRule with a subset for each version."""
    subsets = [{"name": one, "labels": {"version": one}} for one in versions or ("v1", "v2", "v3")]
    return {
        "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"host": "reviews", "subsets": subsets},
    }


def a_backend(*ports: Object) -> Object:
    """The Kubernetes Service."""
    return {
        "kind": "Service",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"selector": {"app": "reviews"}, "ports": [*(ports or ({"name": "http", "port": 9080},))]},
    }


def a_gateway_pod() -> Object:
    """One that serves that Gateway."""
    return {
        "kind": "Pod",
        "metadata": {"name": "gateway-1", "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


HEALTHY = MetricFacts(
    traffic=(Traffic(source="istio-ingressgateway", requests=6000),),
    reporters=frozenset({"destination", "source"}),
    bounds={"reviews-v1": frozenset({100.0, 500.0})},
    scraped=frozenset(f"reviews-{version}-{number}" for version in ("v1", "v2") for number in (1, 2)),
    age=5.0,
    rate=10.0,
)


def a_snapshot(**changes: Any) -> Snapshot:
    """Nothing to complain about. Pods are the Deployments' own unless ``pods`` are given."""
    parts: dict[str, Any] = {
        "virtual_service": a_virtual_service(),
        "service": a_backend(),
        "destination_rules": (a_rule(),),
        "gateways": (a_gateway(),),
        "gateway_pods": (a_gateway_pod(),),
        "deployments": (a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v2")),
    } | changes
    pods = tuple(a_pod(one, number) for one in parts["deployments"] for number in (1, 2))
    return Snapshot(**({"pods": pods} | deepcopy(parts)))


def texts(found: Iterable[Text]) -> tuple[str, ...]:
    """What was found, in English."""
    return tuple(map(plain, found))
