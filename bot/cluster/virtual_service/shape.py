"""Whether what we read of a VirtualService has the shape that its API gives it; whoever wrote it may have been wrong.

An API server without Istio's schema takes anything, and so does a mistaken webhook. Only what is read here is looked
at: the rest passes through us untouched, whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.words.sentence import Sentence, said

Shape = Any  # a dict of shapes by field, a list of one shape, or one of the two below


@dataclass(frozen=True, slots=True)
class _Plain:
    """A plain value."""

    kinds: tuple[type, ...]
    name: Sentence
    may_be_null: bool = True


LARGEST = 2**31 - 1  # as in Istio's schema; a larger one cannot be added to a share that is no whole number
_IS_TEXT, _IS_NUMBER = said("cluster.text"), said("cluster.number")
_IS_SMALLER = said("cluster.int32")
_IS_LIST, _IS_OBJECT = said("cluster.list"), said("cluster.object")
_KINDS = {
    type(None): said("cluster.null"),
    bool: said("cluster.boolean"),
    str: _IS_TEXT,
    int: _IS_NUMBER,
    float: _IS_NUMBER,
    list: _IS_LIST,
}
_TEXT = _Plain((str,), _IS_TEXT)
_NUMBER = _Plain((int, float), _IS_NUMBER, may_be_null=False)
_DESTINATION = {"host": _TEXT, "subset": _TEXT}
_ROUTE = {
    "name": _TEXT,
    "route": [{"destination": _DESTINATION, "weight": _NUMBER}],
    "match": [{"method": {"exact": _TEXT, "prefix": _TEXT, "regex": _TEXT}}],
    "mirror": _DESTINATION,
    "mirrors": [{"destination": _DESTINATION, "percentage": {"value": _NUMBER}}],
    "mirrorPercentage": {"value": _NUMBER},
    "mirrorPercent": _NUMBER,
    "mirror_percent": _NUMBER,
    "delegate": {"namespace": _TEXT, "name": _TEXT},
}
_SPEC = {"http": [_ROUTE]}
# Fields that may be null, as good as absent; where users go, and the entries of lists, may not.
OPTIONAL = ("http", "route", "match", "method", "mirror", "mirrors", "mirrorPercentage", "percentage", "delegate")


def misshapen(vs: Mapping[str, Any], name: str) -> Sentence | None:
    """What is wrong with the object called ``name``; None when nothing is."""
    if vs.get("spec") is None:
        return said("cluster.no_spec", name=name)
    wrong = _wrong(vs["spec"], _SPEC, "spec")
    if wrong is None:
        return None
    return said("cluster.misshapen", name=name, where=wrong.where, found=wrong.found, wanted=wrong.wanted)


@dataclass(frozen=True, slots=True)
class _Wrong:
    where: str
    found: Sentence
    wanted: Sentence


def _wrong(value: object, shape: Shape, where: str) -> _Wrong | None:
    if isinstance(shape, _Plain):
        return _wrong_plain(value, shape, where)
    if value is None:
        return None if where.endswith(OPTIONAL) else _is(where, value, _IS_OBJECT)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _is(where, value, _IS_LIST)
        found = (_wrong(one, shape[0], f"{where}[{number}]") for number, one in enumerate(value))
        return next(filter(None, found), None)
    if not isinstance(value, dict):
        return _is(where, value, _IS_OBJECT)
    found = (_wrong(value[name], inner, f"{where}.{name}") for name, inner in shape.items() if name in value)
    return next(filter(None, found), None)


def _wrong_plain(value: object, shape: _Plain, where: str) -> _Wrong | None:
    if isinstance(value, shape.kinds) and not isinstance(value, bool):
        return _is(where, value, _IS_SMALLER) if isinstance(value, int) and abs(value) > LARGEST else None
    return None if value is None and shape.may_be_null else _is(where, value, shape.name)


def _is(where: str, value: object, wanted: Sentence) -> _Wrong:
    return _Wrong(where, _KINDS.get(type(value), _IS_OBJECT), wanted)
