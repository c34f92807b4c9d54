"""Validation of the built-in kinds, as far as a client of ours can get it wrong: Deployments."""

from __future__ import annotations

import json
from typing import Any

from sandbox.kube.errors import Cause, invalid
from sandbox.kube.objects import Object
from sandbox.kube.resources import Kind
from sandbox.kube.selectors import by_selector


def validate(kind: Kind, obj: Object, before: Object | None) -> None:
    """Raise 422 with every mistake at once."""
    if kind.kind != "Deployment":
        return
    causes = _deployment(obj.get("spec") or {}, (before or {}).get("spec"))
    if causes:
        raise invalid(kind.qualified_kind, kind, obj["metadata"]["name"], causes)


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
