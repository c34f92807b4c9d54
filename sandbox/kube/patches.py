"""The three patch formats: JSON patch (RFC 6902), merge patch (RFC 7396) and Kubernetes' strategic merge patch."""

from __future__ import annotations

from typing import Any

import jsonpatch

from sandbox.kube.errors import bad_patch, bad_request, unsupported_patch
from sandbox.kube.objects import Object, clone
from sandbox.kube.resources import Kind

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

# Lists that a strategic merge patch merges by key; any other list is replaced. By field name, as in the built-in
# kinds we serve these names mean the same everywhere.
_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "conditions": "type",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
# `ports` is keyed by a different field in containers and in services.
_PORT_KEYS = ("containerPort", "port")


def accepted(kind: Kind) -> tuple[str, ...]:
    """The patch formats a kind takes; custom resources have no strategic merge patch."""
    return (JSON_PATCH, MERGE_PATCH) if kind.custom else (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)


def apply(kind: Kind, content_type: str, obj: Object, patch: Any) -> Object:
    """``obj`` with ``patch`` applied; the original is left alone."""
    if content_type not in accepted(kind):
        raise unsupported_patch(accepted(kind))
    if content_type == JSON_PATCH:
        return _json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request(f"error decoding patch: a {content_type} must be a JSON object")
    merged = merge(obj, patch) if content_type == MERGE_PATCH else strategic_merge(obj, patch)
    return dict(merged)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null deletes, everything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = clone(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Any, field: str = "") -> Any:
    """Like a merge patch, but known lists merge by key, and ``$patch`` may replace or delete."""
    if isinstance(patch, list):
        key = _merge_key(field, patch)
        return _merge_list(target if isinstance(target, list) else [], patch, key) if key else clone(patch)
    if not isinstance(patch, dict):
        return clone(patch)
    if patch.get("$patch") == "replace":
        return {name: clone(value) for name, value in patch.items() if name != "$patch"}
    result = clone(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith(("$setElementOrder/", "$retainKeys")):
            continue  # kubectl's hints about order; the merged order is good enough to read
        if value is None:
            result.pop(name, None)
        else:
            result[name] = strategic_merge(result.get(name), value, name)
    return result


def _merge_key(field: str, patch: list[Any]) -> str | None:
    if field == "ports":
        return next((key for key in _PORT_KEYS if any(isinstance(item, dict) and key in item for item in patch)), None)
    return _MERGE_KEYS.get(field)


def _merge_list(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [clone(item) for item in patch if "$patch" not in item]
    result = clone(target)
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((index for index, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif at is None:
            result.append(clone(item))
        else:
            result[at] = strategic_merge(result[at], item)
    return list(result)


def _json_patch(obj: Object, patch: Any) -> Object:
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return dict(jsonpatch.apply_patch(clone(obj), patch))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise bad_patch(_reason(patch, error)) from error


def _reason(patch: list[Any], error: Exception) -> str:
    if isinstance(error, jsonpatch.JsonPatchTestFailed):
        paths = [item.get("path") for item in patch if item.get("op") == "test"]
        return f"testing value {' or '.join(map(str, paths))} failed: test failed"
    return str(error)
