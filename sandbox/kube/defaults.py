"""What the API server fills in when an object leaves it out: the defaults a reader of the object relies on."""

from __future__ import annotations

from typing import Any

from sandbox.kube.objects import Object, digest


def fill(obj: Object) -> Object:
    """Complete ``obj`` in place and answer it."""
    if obj.get("kind") == "Deployment":
        _fill_deployment(obj.setdefault("spec", {}))
    elif obj.get("kind") == "Service":
        _fill_service(obj)
    return obj


def _fill_deployment(spec: dict[str, Any]) -> None:
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    pod = spec.setdefault("template", {}).setdefault("spec", {})
    pod.setdefault("restartPolicy", "Always")
    pod.setdefault("terminationGracePeriodSeconds", 30)
    pod.setdefault("dnsPolicy", "ClusterFirst")
    pod.setdefault("schedulerName", "default-scheduler")
    for container in pod.get("containers") or []:
        _fill_container(container)


def _fill_container(container: dict[str, Any]) -> None:
    container.setdefault("imagePullPolicy", "IfNotPresent")
    container.setdefault("resources", {})
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")


def _fill_service(service: Object) -> None:
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    metadata = service["metadata"]
    made_up = bytes.fromhex(digest(metadata.get("namespace", "default"), metadata["name"]))
    spec.setdefault("clusterIP", f"10.96.{made_up[0]}.{made_up[1]}")
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
