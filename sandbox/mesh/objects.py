"""What the mesh reads from Kubernetes objects: pods, services, and who selects whom.

Pure readings of raw JSON objects. Istio's routing objects are read by ``routes`` and ``xds``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

JsonObject = dict[str, Any]
JsonObjects = list[JsonObject]

DOMAIN = "svc.cluster.local"
SIDECAR = "istio-proxy"
IMAGE_VERSION = re.compile(r"-(v\d+)(?=[:@]|$)")


class Store(Protocol):
    """The part of the Kubernetes stand-in the mesh needs: what is there, and a call on every change."""

    def list(self, kind: str, namespace: str | None = None) -> JsonObjects:
        """All objects of a kind, as copies."""

    def subscribe(self, callback: Callable[[str, JsonObject], None]) -> None:
        """Call back with ("ADDED" | "MODIFIED" | "DELETED", object) after every change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, as far as traffic and metrics are concerned."""

    namespace: str
    name: str
    workload: str  # its Deployment
    version: str  # of the code, read off the image: after an upgrade in place the labels still name the old one
    labels: Mapping[str, str]
    service_account: str
    running: bool  # its process listens; a crashed or never pulled one refuses connections
    ready: bool  # the mesh may send it requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Kubernetes Service, as far as routing is concerned."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    ports: tuple[int, ...]

    @property
    def fqdn(self) -> str:
        """The name clusters and metrics know it by."""
        return f"{self.name}.{self.namespace}.{DOMAIN}"

    def selects(self, pod: Pod) -> bool:
        """Whether ``pod`` is behind this service; a service without a selector has no pods."""
        return bool(self.selector) and self.namespace == pod.namespace and is_subset(self.selector, pod.labels)


def pod_of(obj: JsonObject) -> Pod:
    """Read a Pod object."""
    metadata, spec, status = obj["metadata"], obj.get("spec", {}), obj.get("status", {})
    terminating = bool(metadata.get("deletionTimestamp"))
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    waiting = any("waiting" in container.get("state", {}) for container in status.get("containerStatuses", []))
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        workload=_workload(metadata),
        version=image_version(_app_image(spec)),
        labels=metadata.get("labels", {}),
        service_account=spec.get("serviceAccountName", "default"),
        running=not waiting,
        ready=conditions.get("Ready") == "True" and not terminating and not waiting,
    )


def service_of(obj: JsonObject) -> Service:
    """Read a Service object."""
    metadata, spec = obj["metadata"], obj.get("spec", {})
    return Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=spec.get("selector") or {},
        ports=tuple(port["port"] for port in spec.get("ports", [])),
    )


def image_version(image: str) -> str:
    """The code version an image holds: ``…reviews-v2:1.20.3`` is ``v2``; otherwise its tag."""
    repository = image.rpartition("/")[2]
    named = IMAGE_VERSION.search(repository)
    if named:
        return named.group(1)
    return repository.partition("@")[0].partition(":")[2] or "latest"


def is_subset(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether ``labels`` has every wanted pair: how Kubernetes and Istio select."""
    return wanted.items() <= labels.items()


def fqdn(host: str, namespace: str) -> str:
    """Istio's rule for short names: only a name without any dot gets the object's own namespace."""
    return host if "." in host or host.startswith("*") else f"{host}.{namespace}.{DOMAIN}"


def exported_to(thing: JsonObject) -> set[str]:
    """The namespaces that see one of Istio's objects; ``*`` is all of them."""
    own = thing["metadata"]["namespace"]
    return {own if one == "." else one for one in thing["spec"].get("exportTo") or ["*"]}


def is_shown(thing: JsonObject, namespace: str) -> bool:
    """Whether proxies of a namespace see one of Istio's objects."""
    return bool(exported_to(thing) & {"*", namespace})


def gateway_key(name: str, namespace: str) -> tuple[str, str]:
    """Where a VirtualService's gateway name points: ``ns/name``, a bare name, or the legacy ``name.ns.svc…``."""
    if "/" in name:
        gateway_namespace, _, gateway_name = name.partition("/")
        return namespace if gateway_namespace == "." else gateway_namespace, gateway_name
    if "." in name:
        gateway_name, gateway_namespace = name.split(".")[:2]
        return gateway_namespace, gateway_name
    return namespace, name


def _workload(metadata: JsonObject) -> str:
    template_hash = metadata.get("labels", {}).get("pod-template-hash")
    name: str = metadata["name"]
    head, found, _ = name.rpartition(f"-{template_hash}-")
    return head if template_hash and found else name


def _app_image(spec: JsonObject) -> str:
    images = [container["image"] for container in spec.get("containers", []) if container.get("name") != SIDECAR]
    return images[0] if images else ""
