"""Label selectors: an object's own as a query, and a query as a test of labels. Pure; asking is ``kube``'s business."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_SPLIT = re.compile(r",(?![^(]*\))")  # commas, but not those between the parentheses of `in (a,b)`
_SET = re.compile(r"(?P<key>\S+) (?P<operator>in|notin) \((?P<values>[^)]*)\)")  # codespell:ignore notin


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What one label must be. ``values`` None asks only whether it is there."""

    key: str
    values: frozenset[str] | None = None
    negated: bool = False

    def met_by(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels are as required."""
        is_so = self.key in labels if self.values is None else labels.get(self.key) in self.values
        return is_so is not self.negated


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """Every requirement must be met."""

    requirements: tuple[Requirement, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The labels whose one possible value is known: what an index can look up."""
        found = ((one.key, one.values) for one in self.requirements if one.values and not one.negated)
        return [(key, next(iter(values))) for key, values in found if len(values) == 1]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(one.met_by(labels) for one in self.requirements)


@lru_cache(maxsize=4096)
def read_selector(text: str) -> LabelSelector:
    """The selector in a query written by ``selector_text``."""
    return LabelSelector(requirements=tuple(_read(part) for part in _SPLIT.split(text) if part))


def selector_text(selector: Mapping[str, Any]) -> str:
    """A Deployment's ``spec.selector`` in the form the API server takes in a query."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *map(_requirement, selector.get("matchExpressions") or [])])


def _requirement(expression: Mapping[str, Any]) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or [])
    forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
    return str(forms.get(expression["operator"], key))


def _read(text: str) -> Requirement:
    if found := _SET.fullmatch(text):
        values = frozenset(found["values"].split(","))
        return Requirement(key=found["key"], values=values, negated=found["operator"] != "in")
    key, equals, value = text.partition("=")
    if equals:
        return Requirement(key=key, values=frozenset({value}))
    return Requirement(key=key.removeprefix("!"), negated=key.startswith("!"))
