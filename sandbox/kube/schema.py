"""What a CRD's structural schema does to an object: unknown fields are found and pruned, types are checked.

The tables are in ``istio_fields``; rules between fields (weights that add up, mirrors that exclude each other) are
Istio's own admission webhook, in ``admission``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.kube.errors import Cause
from sandbox.kube.istio_fields import SPECS, MapOf
from sandbox.kube.objects import Object

_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")
_UINT32_MAX = 2**32 - 1
_JSON_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


@dataclass(slots=True)
class Decoded:
    """An object without its unknown fields, and what was wrong with it."""

    obj: Object
    unknown: list[str] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)


def decode(obj: Object) -> Decoded:
    """Prune and check an Istio object; objects of other kinds pass as they are."""
    table = SPECS.get(obj.get("kind", ""))
    if table is None:
        return Decoded(obj)
    decoded = Decoded({key: value for key, value in obj.items() if key in _TOP_LEVEL})
    decoded.unknown += [key for key in obj if key not in _TOP_LEVEL]
    if "spec" in obj:
        decoded.obj["spec"] = _value(decoded, obj["spec"], table, "spec")
    return decoded


def _value(decoded: Decoded, value: Any, shape: Any, path: str) -> Any:
    wanted = _wanted_type(shape)
    if not _has_type(value, wanted):
        decoded.causes.append(_wrong_type(value, wanted, path))
        return value
    if isinstance(shape, list):
        return [_value(decoded, item, shape[0], f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(shape, MapOf):
        return {key: _value(decoded, item, shape.values, f"{path}.{key}") for key, item in value.items()}
    if isinstance(shape, dict):
        return _object(decoded, value, shape, path)
    if shape == "uint32" and not 0 <= value <= _UINT32_MAX:
        bound = "greater than or equal to 0" if value < 0 else f"less than or equal to {_UINT32_MAX}"
        message = f"Invalid value: {value}: {path} in body should be {bound}"
        decoded.causes.append(Cause(field=path, message=message))
    return value


def _object(decoded: Decoded, value: dict[str, Any], table: dict[str, Any], path: str) -> dict[str, Any]:
    shapes = {name.removesuffix("!"): shape for name, shape in table.items()}
    for name in table:
        if name.endswith("!") and name.removesuffix("!") not in value:
            missing = f"{path}.{name.removesuffix('!')}"
            decoded.causes.append(Cause(field=missing, message="Required value", reason="FieldValueRequired"))
    kept = {}
    for name, item in value.items():
        if name in shapes:
            kept[name] = _value(decoded, item, shapes[name], f"{path}.{name}")
        else:
            decoded.unknown.append(f"{path}.{name}")
    return kept


def _wanted_type(shape: Any) -> str:
    if isinstance(shape, list):
        return "array"
    if isinstance(shape, str):
        return {"uint32": "integer", "percent": "number"}.get(shape, shape)
    return "object"


def _has_type(value: Any, wanted: str) -> bool:
    found = _JSON_TYPES[type(value)]
    whole = found == "number" and float(value).is_integer()  # 20.0 is an integer to JSON Schema
    return found == wanted or (wanted == "number" and found == "integer") or (wanted == "integer" and whole)


def _wrong_type(value: Any, wanted: str, path: str) -> Cause:
    found = _JSON_TYPES[type(value)]
    message = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
    return Cause(field=path, message=message, reason="FieldValueTypeInvalid")
