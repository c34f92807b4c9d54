"""``canary-bot plan`` and ``canary-bot init``: objects as YAML documents, for people and for files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from bot.adapters.kube import Kube
from bot.cluster.managed_fields import without_managed_fields
from bot.controller.start import Plan, PlannedStage
from bot.model.errors import Refusal
from bot.model.service import ServiceConfig


def plan_as_yaml(plan: Plan) -> str:
    """Every object that would be written, in order, under a comment line ``# stage: NAME``.

    Without ``managedFields``, as kubectl shows objects: the API server keeps those of a write that has none.
    """
    notes = [f"# {line}" for finding in plan.findings for line in str(finding).splitlines()]
    documents = [
        f"---\n# stage: {stage.name}\n# {stage.sentence}\n{_dump(thing)}"
        for stage in plan.planned
        for thing in _shown(stage)
    ]
    return "\n".join([*notes, *documents]).rstrip() + "\n"


def plan_as_json(plan: Plan) -> str:
    """The same for programs."""
    stages = [{"stage": stage.name, "does": str(stage.sentence), "objects": _shown(stage)} for stage in plan.planned]
    return json.dumps({"findings": [str(finding) for finding in plan.findings], "stages": stages}, indent=2)


def mesh_objects(service: ServiceConfig, kube: Kube) -> Sequence[dict[str, Any]]:
    """The Gateway, DestinationRule and VirtualService a service needs, made from what is deployed.

    One subset per version label that Deployments of the service carry; all users on the primary's.

    Raises:
        Refusal: the Service or the primary is missing, or its pods carry no version label.
        Fault: the cluster could not be read.
    """
    host = service.host or service.name
    backend = kube.get("Service", service.namespace, host)
    if backend is None:
        raise Refusal(f"There is no Service {host} in namespace {service.namespace}.")
    selector = backend["spec"].get("selector") or {}
    versions: dict[str, str] = {}
    for deployment in kube.list("Deployment", service.namespace):
        labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
        if selector.items() <= labels.items() and "version" in labels:
            versions[deployment["metadata"]["name"]] = labels["version"]
    if service.primary_deployment not in versions:
        raise Refusal(
            f"There is no Deployment {service.primary_deployment} with a label `version` that {host} selects."
        )
    return tuple(_mesh_objects(service, host, versions, kube.istio_version()))


def _mesh_objects(service: ServiceConfig, host: str, versions: dict[str, str], api: str) -> Iterator[dict[str, Any]]:
    def thing(kind: str, name: str, spec: dict[str, Any], namespace: str = service.namespace) -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": f"networking.istio.io/{api}", "kind": kind, "metadata": metadata, "spec": spec}

    gateway = f"{service.virtual_service}-gateway"
    server = {"port": {"number": 8080, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    yield thing("Gateway", gateway, {"selector": {"istio": "ingressgateway"}, "servers": [server]}, "istio-system")
    subsets = [{"name": version, "labels": {"version": version}} for version in sorted(set(versions.values()))]
    yield thing("DestinationRule", service.destination_rule, {"host": host, "subsets": subsets})
    primary = {"destination": {"host": host, "subset": versions[service.primary_deployment]}, "weight": 100}
    spec = {"hosts": ["*"], "gateways": [f"istio-system/{gateway}"], "http": [{"route": [primary]}]}
    yield thing("VirtualService", service.virtual_service, spec)


def apply_missing(objects: Sequence[dict[str, Any]], kube: Kube) -> Iterator[str]:
    """Create what is not there; what is there is never changed. One sentence each."""
    for thing in objects:
        kind, meta = thing["kind"], thing["metadata"]
        where = f"{kind} {meta['namespace']}/{meta['name']}"
        if kube.get(kind, meta["namespace"], meta["name"]) is not None:
            yield f"{where} is there already; it was left as it is."
        else:
            kube.create(thing)
            yield f"{where} created."


def as_yaml(objects: Sequence[dict[str, Any]]) -> str:
    """YAML documents."""
    return "---\n".join(_dump(thing) for thing in objects)


def _shown(stage: PlannedStage) -> list[dict[str, Any]]:
    return [without_managed_fields(thing) for thing in stage.objects]


def _dump(thing: dict[str, Any]) -> str:
    return str(yaml.safe_dump(thing, sort_keys=False, width=120))
