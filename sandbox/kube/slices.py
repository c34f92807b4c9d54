"""EndpointSlices: which Pods stand behind a Service right now."""

from __future__ import annotations

from typing import Any

from sandbox.kube.objects import Object, digest, is_ready, is_terminating, labels_of
from sandbox.kube.pods import owner_reference
from sandbox.kube.selectors import Labels, by_pairs
from sandbox.kube.store import Store


def sync(store: Store, namespace: str) -> None:
    """Bring the EndpointSlices of one namespace up to date."""
    with store.transaction():
        services = store.list("Service", namespace)
        for service in services:
            selector = service["spec"].get("selector")
            if selector:
                store.put(endpoint_slice(service, _pods_of(store, namespace, selector)))
        wanted = {_name(service) for service in services}
        for found in store.list("EndpointSlice", namespace, where=_is_ours):
            if found["metadata"]["name"] not in wanted:
                store.delete("EndpointSlice", namespace, found["metadata"]["name"])


def endpoint_slice(service: Object, pods: list[Object]) -> Object:
    """The slice of a Service: its living Pods, ready or not; terminating ones have left already."""
    metadata, ports = service["metadata"], service["spec"].get("ports") or []
    living = [pod for pod in pods if not is_terminating(pod)]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": _name(service),
            "namespace": metadata["namespace"],
            "labels": labels_of(service)
            | {
                "kubernetes.io/service-name": metadata["name"],
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "ports": [_port(port) for port in ports],
        "endpoints": [_endpoint(pod) for pod in living],
    }


def _pods_of(store: Store, namespace: str, selector: Labels) -> list[Object]:
    return store.list("Pod", namespace, where=lambda pod: by_pairs(selector, labels_of(pod)))


def _is_ours(found: Object) -> bool:
    return labels_of(found).get("endpointslice.kubernetes.io/managed-by") == "endpointslice-controller.k8s.io"


def _name(service: Object) -> str:
    metadata = service["metadata"]
    return f"{metadata['name']}-{digest(metadata['namespace'], metadata['name'])[:5]}"


def _port(port: dict[str, Any]) -> dict[str, Any]:
    shown = {"name": port.get("name", ""), "port": port["targetPort"], "protocol": port["protocol"]}
    return shown | ({"appProtocol": port["appProtocol"]} if "appProtocol" in port else {})


def _endpoint(pod: Object) -> dict[str, Any]:
    ready = is_ready(pod)
    metadata = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }
