"""Validation of the built-in kinds, as far as a client of ours can get it wrong: Deployments and Leases."""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.kube.errors import Cause, bad_request, invalid
from sandbox.kube.objects import Object
from sandbox.kube.resources import Kind
from sandbox.kube.selectors import by_selector

_MICRO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(Z|[+-]\d{2}:\d{2})")
_INT32 = range(-(2**31), 2**31)


def validate(kind: Kind, obj: Object, before: Object | None) -> None:
    """Raise 400 for what cannot be read, 422 with every mistake at once for what can."""
    spec, causes = obj.get("spec") or {}, []
    if kind.kind == "Deployment":
        causes = _deployment(spec, (before or {}).get("spec"))
    elif kind.kind == "Lease":
        _read_lease(spec)
        causes = _lease(spec)
    if causes:
        raise invalid(kind.qualified_kind, kind, obj["metadata"]["name"], causes)


def _read_lease(spec: dict[str, Any]) -> None:
    """The types of a LeaseSpec in Go, where JSON has more numbers and texts than they hold."""
    why = [
        f"json: cannot unmarshal {json.dumps(spec[field])} into Go struct field LeaseSpec.spec.{field} of type int32"
        for field in ("leaseDurationSeconds", "leaseTransitions")
        if spec.get(field) is not None and not (type(spec[field]) is int and spec[field] in _INT32)
    ]
    why += [
        f'parsing time "{spec[field]}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse'
        for field in ("acquireTime", "renewTime")
        if spec.get(field) is not None and not _MICRO_TIME.fullmatch(str(spec[field]))
    ]
    if why:
        raise bad_request(f'Lease in version "v1" cannot be handled as a Lease: {why[0]}')


def _lease(spec: dict[str, Any]) -> list[Cause]:
    least = (
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    )
    return [
        Cause(field=f"spec.{field}", message=f"Invalid value: {spec[field]}: {rule}")
        for field, smallest, rule in least
        if spec.get(field) is not None and spec[field] < smallest
    ]


def _deployment(spec: dict[str, Any], before: dict[str, Any] | None) -> list[Cause]:
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    causes = []
    if not selector:
        causes.append(_required("spec.selector"))
    elif not by_selector(selector, labels):
        message = f"Invalid value: {_shown(labels)}: `selector` does not match template `labels`"
        causes.append(Cause(field="spec.template.metadata.labels", message=message))
    if before is not None and selector != before.get("selector"):
        message = f"Invalid value: {_shown(selector)}: field is immutable"
        causes.append(Cause(field="spec.selector", message=message))
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        causes.append(Cause(field="spec.replicas", message=message))
    return causes + _containers((template.get("spec") or {}).get("containers") or [])


def _containers(containers: list[dict[str, Any]]) -> list[Cause]:
    path = "spec.template.spec.containers"
    if not containers:
        return [_required(path)]
    return [
        _required(f"{path}[{index}].{field}")
        for index, container in enumerate(containers)
        for field in ("name", "image")
        if not container.get(field)
    ]


def _required(path: str) -> Cause:
    return Cause(field=path, message="Required value", reason="FieldValueRequired")


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
