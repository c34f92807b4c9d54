"""Whether what we read of a VirtualService has the shape that its API gives it; whoever wrote it may have been wrong.

An API server without Istio's schema takes anything, and so does a mistaken webhook. Only what is read here is looked
at: the rest passes through us untouched, whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Shape = Any  # a dict of shapes by field, a list of one shape, or one of the two below


@dataclass(frozen=True, slots=True)
class _Plain:
    """A plain value."""

    kinds: tuple[type, ...]
    name: str
    may_be_null: bool = True


_TEXT = _Plain((str,), "text")
_NUMBER = _Plain((int, float), "a number", may_be_null=False)
_DESTINATION = {"host": _TEXT, "subset": _TEXT}
_ROUTE = {
    "name": _TEXT,
    "route": [{"destination": _DESTINATION, "weight": _NUMBER}],
    "match": [{"method": {"exact": _TEXT, "prefix": _TEXT, "regex": _TEXT}}],
    "mirror": _DESTINATION,
    "mirrors": [{"destination": _DESTINATION}],
    "mirrorPercentage": {"value": _NUMBER},
    "mirrorPercent": _NUMBER,
    "mirror_percent": _NUMBER,
    "delegate": {"namespace": _TEXT, "name": _TEXT},
}
_SPEC = {"http": [_ROUTE]}
# Fields that may be null, as good as absent; where users go, and the entries of lists, may not.
OPTIONAL = ("http", "route", "match", "method", "mirror", "mirrors", "mirrorPercentage", "delegate")


def misshapen(vs: Mapping[str, Any]) -> str:
    """What is wrong with the object, as the end of a sentence; "" when nothing is."""
    if vs.get("spec") is None:
        return "has no spec"
    return _wrong(vs["spec"], _SPEC, "spec")


def _wrong(value: object, shape: Shape, where: str) -> str:
    if isinstance(shape, _Plain):
        fits = isinstance(value, shape.kinds) and not isinstance(value, bool)
        return "" if fits or (value is None and shape.may_be_null) else _says(where, value, shape.name)
    if value is None:
        return "" if where.endswith(OPTIONAL) else _says(where, value, "an object")
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _says(where, value, "a list")
        found = (_wrong(one, shape[0], f"{where}[{number}]") for number, one in enumerate(value))
        return next(filter(None, found), "")
    if not isinstance(value, dict):
        return _says(where, value, "an object")
    found = (_wrong(value[name], inner, f"{where}.{name}") for name, inner in shape.items() if name in value)
    return next(filter(None, found), "")


def _says(where: str, value: object, wanted: str) -> str:
    names = {type(None): "null", bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list"}
    return f"cannot be read: {where} is {names.get(type(value), 'an object')} where {wanted} belongs"
