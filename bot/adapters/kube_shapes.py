"""Whether an object has the types that its API gives it: the models of the ``kubernetes`` client say so.

They only look: what is read stays the JSON that it was, with all the fields that they do not know. Of a custom resource
its metadata is looked at, which the API server keeps for every kind; what its ``spec`` must be is its readers' to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.client import models
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from bot.cluster.objects import Object
from bot.model.errors import Fault
from bot.words.sentence import Code, Sentence, said

_MODELS: Mapping[str, type[BaseModel]] = {
    "Deployment": models.V1Deployment,
    "ReplicaSet": models.V1ReplicaSet,
    "Pod": models.V1Pod,
    "Service": models.V1Service,
    "Lease": models.V1Lease,
    "HorizontalPodAutoscaler": models.V2HorizontalPodAutoscaler,
    "PodDisruptionBudget": models.V1PodDisruptionBudget,
    "ResourceQuota": models.V1ResourceQuota,
}
MOST_REPLICAS = 2**31 - 1  # an int32
_SCALED = frozenset({"Deployment", "ReplicaSet"})  # any other kind's field of that name is one that nobody knows

# What the models let be missing, and the API server never.
_NEEDED = {"Deployment": ("spec", "template", "spec"), "ReplicaSet": ("spec", "template", "spec"), "Pod": ("spec",)}


def checked(thing: Any, kind: str) -> Object:
    """The object, if it is one of that kind.

    Raises:
        Fault: it is not; the sentence says which one and where.
    """
    metadata = thing.get("metadata") if isinstance(thing, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str):
        raise Fault("Kubernetes", said("adapters.nameless", kind=kind))
    try:
        models.V1ObjectMeta.model_validate(metadata, extra="ignore")
        if kind in _MODELS:
            _MODELS[kind].model_validate(thing, extra="ignore")
    except ValidationError as wrong:
        field = ".".join(map(str, wrong.errors(include_url=False)[0]["loc"]))
        raise Fault("Kubernetes", _misshapen(kind, name, field)) from wrong
    if any(thing.get(field, "") is None for field in ("spec", "status")):
        raise Fault("Kubernetes", said("adapters.is_null", thing=f"{kind} {name}"))
    replicas = (thing.get("spec") or {}).get("replicas") if kind in _SCALED else None
    if replicas is not None and not 0 <= replicas <= MOST_REPLICAS:
        raise Fault(
            "Kubernetes", said("adapters.no_number_of_pods", thing=f"{kind} {name}", field=Code("spec.replicas"))
        )
    part: Any = thing
    for step in _NEEDED.get(kind, ()):
        part = part.get(step) or {}
    if not part:
        missing = ".".join(_NEEDED[kind])
        raise Fault("Kubernetes", said("adapters.field_missing", thing=f"{kind} {name}", field=missing))
    found: Object = thing
    return found


def checked_spec(thing: Any, kind: str) -> Object:
    """The same, and of a custom resource also what preflight reads of its ``spec``.

    Raises:
        Fault: it is not what its API says.
    """
    found = checked(thing, kind)
    try:
        if kind in _SPECS and found.get("spec") is not None:
            _SPECS[kind].model_validate(found["spec"])
    except ValidationError as wrong:
        field = ".".join(map(str, ("spec", *wrong.errors(include_url=False)[0]["loc"])))
        raise Fault("Kubernetes", _misshapen(kind, found["metadata"]["name"], field)) from wrong
    return found


def _misshapen(kind: str, name: str, field: str) -> Sentence:
    return said("adapters.misshapen", thing=f"{kind} {name}", field=field)


Labels = dict[str, str]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", alias_generator=to_camel)


class _Named(_Part):
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


class _Port(_Part):
    number: int | None = None
    name: str | None = None


class _Destination(_Part):
    host: str | None = None
    subset: str | None = None
    port: _Port | None = None


class _Weighted(_Part):
    destination: _Destination | None = None
    weight: int | None = None


class _Match(_Part):
    method: dict[str, str] | None = None
    gateways: list[str] | None = None
    source_labels: Labels | None = None
    source_namespace: str | None = None
    port: int | None = None
    sni_hosts: list[str] | None = None


class _Route(_Part):
    name: str | None = None
    match: list[_Match] | None = None
    route: list[_Weighted] | None = None
    mirror: _Destination | None = None
    mirrors: list[_Weighted] | None = None
    fault: dict[str, Any] | None = None
    delegate: _Named | None = None


class _VirtualService(_Part):
    hosts: list[str] | None = None
    gateways: list[str] | None = None
    export_to: list[str] | None = None
    http: list[_Route] | None = None
    tls: list[_Route] | None = None
    tcp: list[_Route] | None = None


class _Subset(_Part):
    name: str
    labels: Labels | None = None
    traffic_policy: dict[str, Any] | None = None


class _Selector(_Part):
    labels: Labels | None = None
    match_labels: Labels | None = None


class _DestinationRule(_Part):
    host: str | None = None
    export_to: list[str] | None = None
    subsets: list[_Subset] | None = None
    traffic_policy: dict[str, Any] | None = None
    workload_selector: _Selector | None = None


class _Server(_Part):
    hosts: list[str] | None = None
    port: dict[str, Any] | None = None
    tls: dict[str, Any] | None = None


class _Gateway(_Part):
    selector: Labels | None = None
    servers: list[_Server] | None = None


class _Policy(_Part):
    selector: _Selector | None = None
    workload_selector: _Selector | None = None


class _Rule(_Part):
    backend_refs: list[_Named] | None = None


class _HttpRoute(_Part):
    parent_refs: list[_Named] | None = None
    rules: list[_Rule] | None = None


class _IstioRouting(_Part):
    virtual_service: _Named | None = None
    virtual_services: list[_Named] | None = None


class _TrafficRouting(_Part):
    istio: _IstioRouting | None = None


class _CanaryStrategy(_Part):
    traffic_routing: _TrafficRouting | None = None


class _Strategy(_Part):
    canary: _CanaryStrategy | None = None


class _Driver(_Part):
    target_ref: _Named | None = None
    workload_ref: _Named | None = None
    strategy: _Strategy | None = None


_SPECS: Mapping[str, type[BaseModel]] = {
    "VirtualService": _VirtualService,
    "DestinationRule": _DestinationRule,
    "Gateway": _Gateway,
    "Sidecar": _Policy,
    "PeerAuthentication": _Policy,
    "AuthorizationPolicy": _Policy,
    "HTTPRoute": _HttpRoute,
    "Canary": _Driver,
    "Rollout": _Driver,
}
