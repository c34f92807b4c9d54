"""Label selectors as Kubernetes' objects have them: a test of labels, and the text of a query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What one label must be. ``values`` None asks only whether it is there."""

    key: str
    values: tuple[str, ...] | None = None
    negated: bool = False

    def met_by(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels are as required."""
        is_so = self.key in labels if self.values is None else labels.get(self.key) in self.values
        return is_so is not self.negated

    def __str__(self) -> str:
        """In the form the API server takes in a query."""
        if self.values is None:
            return f"!{self.key}" if self.negated else self.key
        if len(self.values) == 1 and not self.negated:
            return f"{self.key}={self.values[0]}"
        return f"{self.key} {'notin' if self.negated else 'in'} ({','.join(self.values)})"  # codespell:ignore notin


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """Every requirement must be met."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, selector: Mapping[str, Any]) -> LabelSelector:
        """What an object's own ``selector`` (``matchLabels``, ``matchExpressions``) asks for."""
        equal = [Requirement(key=key, values=(value,)) for key, value in (selector.get("matchLabels") or {}).items()]
        return cls(requirements=(*equal, *map(_requirement, selector.get("matchExpressions") or ())))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The labels whose one possible value is known: what an index can look up."""
        found = ((one.key, one.values) for one in self.requirements if one.values and not one.negated)
        return [(key, values[0]) for key, values in found if len(values) == 1]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(one.met_by(labels) for one in self.requirements)

    def __str__(self) -> str:
        """In the form the API server takes in a query; "" selects everything."""
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()


def _requirement(expression: Mapping[str, Any]) -> Requirement:
    operator = expression["operator"]
    values = tuple(expression.get("values") or ()) if operator in {"In", "NotIn"} else None
    return Requirement(key=expression["key"], values=values, negated=operator in {"NotIn", "DoesNotExist"})
