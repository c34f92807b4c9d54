"""Label and field selectors, parsed from query strings and from objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kube.errors import bad_request
from sandbox.kube.objects import Object, labels_of

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<operator>in|notin)\s+\((?P<values>[^)]*)\)$")  # codespell:ignore notin
_EQUAL = re.compile(r"^(?P<key>[^\s=!]+)\s*(?P<operator>==|=|!=)\s*(?P<value>\S*)$")
_SPLIT = re.compile(r",(?![^(]*\))")  # commas, but not those inside the parentheses of `in (a, b)`
_FIELDS = ("metadata.name", "metadata.namespace", "involvedObject.name", "involvedObject.kind", "involvedObject.uid")


def by_query(label_selector: str, field_selector: str) -> Callable[[Object], bool]:
    """One test for both selectors of a list or watch."""
    on_labels = [_requirement(part.strip()) for part in _SPLIT.split(label_selector) if part.strip()]
    on_fields = [_field(part.strip()) for part in field_selector.split(",") if part.strip()]

    def matches(obj: Object) -> bool:
        return all(test(labels_of(obj)) for test in on_labels) and all(test(obj) for test in on_fields)

    return matches


def by_selector(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) selects these labels."""
    pairs: Labels = selector.get("matchLabels") or {}
    return by_pairs(pairs, labels) and all(_expression(item, labels) for item in selector.get("matchExpressions") or [])


def by_pairs(pairs: Labels, labels: Labels) -> bool:
    """Whether every pair is among the labels, as a Service or a subset selects."""
    return all(labels.get(key) == value for key, value in pairs.items())


def as_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector's pairs as a query string, as the scale subresource shows them."""
    return ",".join(f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items()))


def _requirement(text: str) -> Matches:
    if found := _SET.match(text):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(text):
        key, value = found["key"], found["value"]
        if found["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if re.fullmatch(r"![^\s=!]+", text):
        return lambda labels: text[1:] not in labels
    if re.fullmatch(r"[^\s=!]+", text):
        return lambda labels: text in labels
    raise bad_request(f'unable to parse requirement: found "{text}", expected: a label selector')


def _field(text: str) -> Callable[[Object], bool]:
    found = _EQUAL.match(text)
    if not found:
        raise bad_request(f'invalid selector: "{text}"; can\'t understand "{text}"')
    if found["key"] not in _FIELDS:
        raise bad_request(f"field label not supported: {found['key']}")
    section, field = found["key"].split(".")
    value, wanted = found["value"], found["operator"] != "!="
    return lambda obj: (obj.get(section, {}).get(field, "") == value) is wanted


def _expression(item: Mapping[str, Any], labels: Labels) -> bool:
    key, values = item["key"], item.get("values") or []
    match item["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":  # codespell:ignore notin
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
