"""The scale subresource: a Deployment seen as nothing but a number of replicas."""

from __future__ import annotations

from typing import Any

from sandbox.kube.errors import bad_request
from sandbox.kube.objects import Object, clone
from sandbox.kube.selectors import as_text


def scale_of(deployment: Object) -> Object:
    """The autoscaling/v1 Scale of a Deployment."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in shown},
        "spec": {"replicas": spec.get("replicas", 1)},
        "status": {
            "replicas": deployment.get("status", {}).get("replicas", 0),
            "selector": as_text(spec.get("selector") or {}),
        },
    }


def scaled(deployment: Object, scale: Object) -> Object:
    """The Deployment with the replicas (and the resourceVersion precondition) that ``scale`` asks for."""
    replicas: Any = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas must be an integer')
    result: Object = clone(deployment)
    result["spec"]["replicas"] = replicas
    asked = (scale.get("metadata") or {}).get("resourceVersion")
    if asked:
        result["metadata"]["resourceVersion"] = asked
    return result
