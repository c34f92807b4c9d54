"""What a Pod looks like in each moment of its life, sidecar included; when they come is decided in ``kubelet``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.kube.objects import Object, clone, digest, timestamp

PROXY_IMAGE = "docker.io/istio/proxyv2:1.29.0"
_PER_NODE = 250
_NODES = 3


def addresses() -> Iterator[tuple[str, str]]:
    """Made-up pod addresses with the node each is on, round robin."""
    for count in itertools.count():
        node = count % _NODES
        yield (
            f"10.244.{node + _NODES * (count // (_NODES * _PER_NODE))}.{2 + count // _NODES % _PER_NODE}",
            f"node-{node + 1}",
        )


def new_pod(replica_set: Object, name: str, *, address: str, node: str, now: datetime) -> Object:
    """A Pod of a ReplicaSet, scheduled, its containers still being created."""
    template = clone(replica_set["spec"]["template"])
    metadata, spec = template.get("metadata") or {}, template["spec"]
    containers = [*spec["containers"], _proxy()]
    owner = replica_set["metadata"]
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{owner['name']}-",
            "namespace": owner["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": (metadata.get("annotations") or {})
            | {"sidecar.istio.io/status": '{"containers":["istio-proxy"],"initContainers":["istio-init"]}'},
            "ownerReferences": [owner_reference(replica_set)],
        },
        "spec": spec | {"containers": containers, "nodeName": node},
        "status": {
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": f"192.168.0.{int(node.rpartition('-')[2]) + 10}",
            "startTime": timestamp(now),
        },
    }
    statuses = [_container_status(container, name) for container in containers]
    pod["status"]["containerStatuses"] = statuses
    if spec.get("initContainers"):
        ran = [_container_status(container, name) for container in spec["initContainers"]]
        pod["status"]["initContainerStatuses"] = [status | _completed(now) for status in ran]
    return set_waiting(pod, "ContainerCreating", now)


def _completed(now: datetime) -> dict[str, Any]:
    """What an init container is once it has ended well, which is when the others start."""
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": timestamp(now), "finishedAt": timestamp(now)}
    return {"ready": True, "started": False, "state": {"terminated": ended}}


def owner_reference(owner: Object) -> dict[str, Any]:
    """The controller reference that makes an object belong to ``owner``."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def set_waiting(pod: Object, reason: str, now: datetime) -> Object:
    """The application's containers do not run, for ``reason``; the sidecar does unless the pod is brand new."""
    for status in pod["status"]["containerStatuses"]:
        if status["name"] == "istio-proxy" and reason != "ContainerCreating":
            _set_running(status, now)
        else:
            status |= {"ready": False, "started": False, "state": {"waiting": _waiting(reason, status)}}
    crashed = reason == "CrashLoopBackOff"
    return _set_conditions(pod, is_ready=False, phase="Running" if crashed else "Pending", now=now)


def set_running(pod: Object, now: datetime) -> Object:
    """Every container runs and is ready."""
    for status in pod["status"]["containerStatuses"]:
        _set_running(status, now)
    return _set_conditions(pod, is_ready=True, phase="Running", now=now)


def set_unready(pod: Object, now: datetime) -> Object:
    """The application's containers run and their readiness probes fail."""
    for status in pod["status"]["containerStatuses"]:
        status["ready"] = status["name"] == "istio-proxy"
    return _set_conditions(pod, is_ready=False, phase="Running", now=now)


def set_crashed(pod: Object, now: datetime) -> Object:
    """The application's containers ended with an error and wait for their next try."""
    for status in pod["status"]["containerStatuses"]:
        if status["name"] != "istio-proxy":
            status["restartCount"] += 1
            status["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": timestamp(now)}}
    return set_waiting(pod, "CrashLoopBackOff", now)


def _waiting(reason: str, status: Object) -> dict[str, str]:
    messages = {
        "ImagePullBackOff": f'Back-off pulling image "{status["image"]}"',
        "CrashLoopBackOff": f"back-off 10s restarting failed container={status['name']}",
    }
    return {"reason": reason, **({"message": messages[reason]} if reason in messages else {})}


def _proxy() -> dict[str, Any]:
    return {
        "name": "istio-proxy",
        "image": PROXY_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["proxy", "sidecar"],
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}},
    }


def _container_status(container: Object, pod_name: str) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": image_id(container["image"]),
        "containerID": f"containerd://{digest(pod_name, container['name'])}",
        "restartCount": 0,
        "lastState": {},
    }


def image_id(image: str) -> str:
    """`repository@sha256:...`: the digest a reference names, or one made up from the reference."""
    if "@" in image:
        return image
    repository, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:  # no tag, only the port of a registry
        repository = image
    return f"{repository}@sha256:{digest(image)}"


def _set_running(status: Object, now: datetime) -> None:
    if "running" not in status.get("state", {}):
        status["state"] = {"running": {"startedAt": timestamp(now)}}
    status |= {"ready": True, "started": True}


def _set_conditions(pod: Object, *, is_ready: bool, phase: str, now: datetime) -> Object:
    names = [status["name"] for status in pod["status"]["containerStatuses"] if not status["ready"]]
    unready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(names)}]"}
    before = {item["type"]: item for item in pod["status"].get("conditions") or []}
    conditions = []
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        holds = is_ready or kind in {"PodScheduled", "Initialized"}
        status = "True" if holds else "False"
        old = before.get(kind)
        since = old["lastTransitionTime"] if old and old["status"] == status else timestamp(now)
        entry = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
        conditions.append(entry if holds else entry | unready)
    pod["status"] |= {"phase": phase, "conditions": conditions}
    return pod
