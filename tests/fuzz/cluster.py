"""Targets: what a Kubernetes API server answers, and objects that others may edit."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.adapters.kube_answers import answer_in, event_in, items_in, warnings_in
from bot.adapters.kube_objects import Objects
from bot.adapters.kube_shapes import checked, checked_spec
from bot.adapters.workloads import KubeWorkloads
from bot.cluster import heartbeat_lease
from bot.cluster.objects import Object
from bot.cluster.virtual_service import heartbeat_annotation
from bot.cluster.virtual_service.annotations import claim, release, rollout_annotations_of
from bot.model.errors import CanaryError, Fault
from bot.model.observation import RolloutAnnotations
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes
from bot.model.signing import UNSIGNED, Signer
from bot.preflight import Snapshot, examine
from tests.builders import a_service, a_target
from tests.fuzz.law import demand, demand_same_json, read_json

OWNER = RolloutId("r-1")
SIGNER = Signer(keys=(b"a key that only tests know, of 32",))
TEMPLATE = PodTemplate(images={"reviews": "registry.example/reviews-v1:1.20.3"})
SHIFTED = Routes(canary=20)
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
PATH = re.compile(r"(/[A-Za-z0-9_.:%~-]+)+")


def answers(data: bytes) -> None:
    """The body of an answer, and one line of a watch."""
    status = 200 + 50 * (len(data) % 8)
    objects = Objects()
    for read in (
        lambda: answer_in(status, data, "read it"),
        lambda: objects.apply("MODIFIED", checked(event_in(data, "watch it")["object"], "Pod")),
        lambda: warnings_in([data.decode(errors="replace")]),
        lambda: objects.reset([checked(one, "Pod") for one in items_in(answer_in(200, data, "list them"))], ""),
    ):
        try:
            read()
        except CanaryError:
            continue


def virtual_service(data: bytes) -> None:
    """The VirtualService of a live rollout, whatever somebody has made of it."""
    kube = _Cluster({"VirtualService": [_with_metadata(read_json(data)) | {"kind": "VirtualService"}]})
    mesh = IstioMesh(kube, now=lambda: 1_800_000_000.0, wait=lambda _: None)  # type: ignore[arg-type]  # it is asked for little
    target = a_target()
    for ask in (
        lambda: mesh.observe(target),
        lambda: mesh.annotations("default", "reviews"),
        lambda: mesh.heartbeat("default", "reviews"),
        lambda: mesh.route(target, SHIFTED, OWNER, TEMPLATE),
        lambda: mesh.preview_release(target, HOME),
        lambda: mesh.release(target, HOME, OWNER),
    ):
        try:
            ask()
        except CanaryError:
            continue
    for before, after in kube.written:
        _demand_only_ours(before, after)


def annotations_of_routes(data: bytes) -> None:
    """The annotations of a rollout, written by whoever may edit the object; and its Lease."""
    given = read_json(data)
    if not isinstance(given, dict):
        return
    vs = _with_metadata({"metadata": given.get("metadata"), "spec": _SPEC})
    try:
        lease = _lease(given.get("lease"))
    except Fault:
        lease = _lease({})
    for signer in (UNSIGNED, SIGNER):
        for read in (
            lambda signer=signer: rollout_annotations_of(vs, signer),
            lambda signer=signer: heartbeat_annotation.heartbeat_of(
                vs, heartbeat_lease.read(lease, OWNER), signer=signer
            ),
            lambda signer=signer: claim(
                deepcopy(vs), a_target(), SHIFTED, owner=OWNER, recorded=TEMPLATE, now=1.0, signer=signer
            ),
            lambda signer=signer: release(deepcopy(vs), a_target(), HOME, signer),
            lambda: heartbeat_annotation.beaten(vs, OWNER, 1.0),
            lambda: heartbeat_lease.beaten(lease, vs, OWNER, "s", 60.0, 1.0),
            lambda: heartbeat_lease.taken(lease, 1.0),
            lambda: heartbeat_lease.watching(lease, "default", 60.0, 1.0),
            lambda: heartbeat_lease.watched(lease),
        ):
            try:
                found = read()
            except CanaryError:
                continue
            if isinstance(found, RolloutAnnotations):
                demand(signer is UNSIGNED, "believed without a signature", found)
                _demand_names(found)


def workloads(data: bytes) -> None:
    """Deployments, ReplicaSets and pods of both sides."""
    given = read_json(data)
    kinds = ("Deployment", "ReplicaSet", "Pod")
    if not isinstance(given, dict) or not all(isinstance(given.get(kind), list) for kind in kinds):
        return
    kube = _Cluster({kind: [_with_metadata(one) for one in given[kind]] for kind in kinds})
    sides, target = KubeWorkloads(kube), a_target()  # type: ignore[arg-type]  # it is asked for little
    for ask in (
        lambda: sides.observe(target, TEMPLATE, TEMPLATE, TEMPLATE),
        lambda: sides.apply(target, PodTemplate(images={"reviews": "registry.example/reviews-v2:1.20.3"})),
        lambda: sides.known_images(target),
        lambda: sides.scale_primary_up(target, 3),
        lambda: sides.scale_canary_down(target),
    ):
        try:
            ask()
        except CanaryError:
            continue


def snapshot(data: bytes) -> None:
    """All objects that a start looks at."""
    given = read_json(data)
    if not isinstance(given, dict):
        return
    several = {name: found if isinstance(found := given.get(name), list) else [] for name in _KINDS}
    parts: dict[str, Any] = {name: _fitting(things, name) for name, things in several.items()}
    for name in ("virtual_service", "service"):
        parts[name] = next(iter(_fitting([given[name]], name)), None) if given.get(name) is not None else None
    examine(a_service(), "v2", Snapshot(**parts))


def paths(data: bytes) -> None:
    """Names from anywhere, in the address of a request."""
    given = read_json(data)
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        return
    space, name = [*given, "", ""][:2]
    kube = Kube.__new__(Kube)
    path = kube._path("Deployment", space, name, "scale", fieldManager=name).partition("?")[0]
    demand(PATH.fullmatch(path) is not None, "a path", path)
    parts = path.split("/")
    demand(parts[:5] == ["", "apis", "apps", "v1", "namespaces"] and not {"..", "."} & set(parts), "another path", path)
    demand(len(parts) <= 9, "a longer path", path)  # that of a subresource


class _Cluster:
    """Holds objects, and keeps what is written."""

    def __init__(self, objects: dict[str, list[Object]]) -> None:
        self._objects = objects
        self.written: list[tuple[Object, Object]] = []

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object of that name."""
        found = (one for one in self._objects.get(kind, ()) if one["metadata"]["name"] == name)
        thing = next((one for one in found if one["metadata"]["namespace"] == namespace), None)
        return None if thing is None else checked(deepcopy(thing), kind)

    def list(self, kind: str, namespace: str, label_selector: str = "") -> list[Object]:  # noqa: ARG002  # all of them
        """All objects of a kind."""
        return [checked(deepcopy(one), kind) for one in self._objects.get(kind, ())]

    def put(self, obj: Object, *, dry_run: bool = False) -> Object:  # noqa: ARG002  # kept all the same
        """Keep it beside what it replaces."""
        before = next(one for one in self._objects[obj["kind"]] if one["metadata"]["name"] == obj["metadata"]["name"])
        self.written.append((before, obj))
        return obj

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:  # noqa: ARG002  # of Leases
        """Take it."""
        return obj

    def delete(self, obj: Object) -> None:
        """Take it away."""

    def patch(self, kind: str, namespace: str, name: str, body: Object, **_: object) -> Object:
        """It holds nothing but images, labels, a number of pods and what it is about."""
        demand(bool(NAME.fullmatch(name)) and bool(NAME.fullmatch(namespace)), "a name", (kind, namespace, name))
        demand(set(body) <= {"apiVersion", "kind", "metadata", "spec"}, "a patch", body)
        demand(set(body.get("spec") or ()) <= {"template", "replicas"}, "a patch", body)
        json.dumps(body)
        return body


_SPEC: dict[str, Any] = {
    "hosts": ["*"],
    "http": [{"route": [{"destination": {"host": "reviews", "subset": "v1"}, "weight": 100}]}],
}


def _with_metadata(thing: object) -> Object:
    """Metadata has the types that an API server gives it, whatever the kind; everything else is as it is."""
    found: Object = dict(thing) if isinstance(thing, dict) else {"spec": thing}
    given = found.get("metadata")
    metadata = given if isinstance(given, dict) else {}
    texts = {
        key: {str(name): value for name, value in metadata[key].items() if isinstance(value, str)}
        for key in ("annotations", "labels")
        if isinstance(metadata.get(key), dict)
    }
    name = metadata.get("name")
    fits = isinstance(name, str) and NAME.fullmatch(name)
    return {
        "apiVersion": str(found.get("apiVersion", "v1")),
        "kind": str(found.get("kind", "VirtualService")),
        **{key: value for key, value in found.items() if key not in {"metadata", "apiVersion", "kind"}},
        "metadata": {
            "name": name if fits else "reviews",
            "namespace": "default",
            "uid": "1-2-3",
            "resourceVersion": "7",
        }
        | texts,
    }


_KINDS = {
    "virtual_service": "VirtualService", "service": "Service", "virtual_services": "VirtualService",
    "destination_rules": "DestinationRule", "gateways": "Gateway", "deployments": "Deployment", "pods": "Pod",
    "autoscalers": "HorizontalPodAutoscaler", "gateway_pods": "Pod", "http_routes": "HTTPRoute",
    "budgets": "PodDisruptionBudget", "quotas": "ResourceQuota", "policies": "Sidecar", "drivers": "Canary",
}  # fmt: skip
_ALSO = {"PeerAuthentication": "policies", "AuthorizationPolicy": "policies", "Rollout": "drivers"}


def _fitting(things: list[object], part: str) -> tuple[Object, ...]:
    """Those that are let in: the API server knows which kind it was asked for."""
    found = []
    for thing in things:
        whole = _with_metadata(thing)
        kind = whole["kind"] if _ALSO.get(whole["kind"]) == part else _KINDS[part]
        try:
            found.append(checked_spec(whole | {"kind": kind}, kind))
        except Fault:
            continue
    return tuple(found)


def _lease(thing: object) -> Object:
    return checked(_with_metadata(thing) | {"kind": "Lease"}, "Lease")


def _demand_only_ours(before: Object, after: Object) -> None:
    """Of what others wrote, all is there still, but for the routes and annotations that are ours."""
    demand(
        {key: value for key, value in after["metadata"].items() if key != "annotations"}
        == {key: value for key, value in before["metadata"].items() if key != "annotations"},
        "metadata changed",
        after["metadata"],
    )
    for key in (set(before) | set(after)) - {"metadata", "spec"}:
        demand_same_json(before.get(key), after.get(key), f"{key} changed")
    if isinstance(before.get("spec"), dict):
        for key in (set(before["spec"]) | set(after["spec"])) - {"http"}:
            demand_same_json(before["spec"].get(key), after["spec"].get(key), f"spec.{key} changed")
    foreign = (
        {key: value for key, value in (one["metadata"].get("annotations") or {}).items() if "canary-bot/" not in key}
        for one in (before, after)
    )
    first, second = foreign
    demand(first == second, "annotations changed", after["metadata"])


def _demand_names(found: RolloutAnnotations) -> None:
    target = found.target
    for name in (target.namespace, target.virtual_service, target.primary_deployment, target.canary_deployment):
        demand(NAME.fullmatch(name) is not None and ".." not in name, "a name", name)
    for image in (*found.recorded.images, *found.recorded.images.values()):
        demand(isinstance(image, str), "an image", image)


__all__ = ["Fault", "annotations", "answers", "paths", "snapshot", "virtual_service", "workloads"]
