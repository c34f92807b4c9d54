"""What a tree is worth at a moment: PromQL's rules of looking back, staleness, matching and grouping."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from sandbox.promql.parsing import Aggregate, Binary, Call, Matcher, Node, Number, QueryError, Select, Sub, Text, parse

LOOKBACK = 300.0  # seconds: how old a sample may be that an instant still shows
NAME = "__name__"

Labels = Mapping[str, str]
Point = tuple[float, float | None]  # when and what; None: the series ended there, or its scrape failed
Series = tuple[Labels, Sequence[Point]]
Vector = list[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Series with the samples of a range."""

    series: list[tuple[Labels, list[tuple[float, float]]]]


Answer = float | Vector | Matrix | str


class Database(Protocol):
    """Whoever has samples."""

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Series]:
        """Every series that fits, with its samples after ``start`` and not after ``end``, oldest first."""

    def newest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[tuple[Labels, Point]]:
        """The last of these samples, of every series that has any."""


def evaluate(database: Database, query: str, at: float, *, closed: bool = False) -> Answer:
    """The answer to a query at a moment; ``closed`` ranges hold what lies at their very beginning, as before version 3.

    Raises:
        QueryError: it is nothing that is understood here.
    """
    return _Evaluation(database=database, at=at, closed=closed).value(parse(query))


@dataclass(frozen=True, slots=True)
class _Evaluation:
    database: Database
    at: float
    closed: bool

    def value(self, node: Node) -> Answer:
        if isinstance(node, Number | Text):
            return node.value
        if isinstance(node, Select):
            return self.instant(node) if node.seconds is None else self.range(node)
        if isinstance(node, Sub):
            return self.subquery(node)
        if isinstance(node, Aggregate):
            return _aggregated(node, self.vector(node.of))
        if isinstance(node, Binary):
            return _combined(node, self.value(node.left), self.value(node.right))
        return self.call(node)

    def vector(self, node: Node) -> Vector:
        found = self.value(node)
        if isinstance(found, list):
            return found
        raise QueryError(f"expected an instant vector, got {type(node).__name__}")

    def matrix(self, node: Node) -> Matrix:
        found = self.value(node)
        if isinstance(found, Matrix):
            return found
        raise QueryError(f"expected a range vector, got {type(node).__name__}")

    # Selectors

    def _when(self, node: Select | Sub) -> float:
        return (self.at if node.at is None else node.at) - node.offset

    def newest(self, node: Select) -> Iterable[tuple[Labels, float, float]]:
        """The newest sample of each series that is not too old and was not the last of it."""
        at = self._when(node)
        for labels, (when, value) in self.database.newest(node.matchers, at - LOOKBACK, at):
            if value is not None:
                yield labels, when, value

    def instant(self, node: Select) -> Vector:
        return [(labels, value) for labels, _, value in self.newest(node)]

    def samples(self, node: Select) -> Iterable[Series]:
        """Everything in a range, annotations of ends and of failed scrapes as well."""
        at, seconds = self._when(node), node.seconds or 0.0
        start = math.nextafter(at - seconds, -math.inf) if self.closed else at - seconds
        return self.database.select(node.matchers, start, at)

    def range(self, node: Select) -> Matrix:
        series = [
            (labels, [(when, value) for when, value in points if value is not None])
            for labels, points in self.samples(node)
        ]
        return Matrix([(labels, points) for labels, points in series if points])

    def last(self, node: Node) -> Vector:
        """The newest sample of each range; what is before it is not looked at."""
        if not isinstance(node, Select) or node.seconds is None:
            return [(labels, points[-1][1]) for labels, points in self.matrix(node).series]
        newest = (
            (labels, next((value for _, value in reversed(points) if value is not None), None))
            for labels, points in self.samples(node)
        )
        return [(labels, value) for labels, value in newest if value is not None]

    def subquery(self, node: Sub) -> Matrix:
        end = self._when(node)
        found: dict[frozenset[tuple[str, str]], tuple[Labels, list[tuple[float, float]]]] = {}
        begin = (end - node.seconds) / node.step
        step = math.ceil(begin) if self.closed else math.floor(begin) + 1
        while step * node.step <= end:
            at = step * node.step
            for labels, value in replace(self, at=at).vector(node.of):
                found.setdefault(frozenset(labels.items()), (labels, []))[1].append((at, value))
            step += 1
        return Matrix(list(found.values()))

    # Functions

    def call(self, node: Call) -> Answer:
        name, arguments = node.name, node.arguments
        if name == "last_over_time":
            return self.last(arguments[0])
        if name in OVER_TIME:
            return self.over_time(OVER_TIME[name], arguments[0])
        if name in OF_NUMBERS:
            change = OF_NUMBERS[name]
            return [(_unnamed(labels), change(value)) for labels, value in self.vector(arguments[0])]
        if name not in FUNCTIONS:
            raise QueryError(f'parse error: unknown function with name "{name}"')
        return FUNCTIONS[name](self, arguments)

    def over_time(self, worth: Callable[[Sequence[float]], float], node: Node) -> Vector:
        series = self.matrix(node).series
        return [(_unnamed(labels), worth([value for _, value in points])) for labels, points in series]

    def time(self, _arguments: Sequence[Node]) -> float:
        return self.at

    def of_scalar(self, arguments: Sequence[Node]) -> Vector:
        return [({}, self._number(arguments[0]))]

    def scalar(self, arguments: Sequence[Node]) -> float:
        found = self.vector(arguments[0])
        return found[0][1] if len(found) == 1 else math.nan

    def absent(self, arguments: Sequence[Node]) -> Vector:
        return [] if self.vector(arguments[0]) else [({}, 1.0)]

    def timestamp(self, arguments: Sequence[Node]) -> Vector:
        """Of a selector the moments of its samples, of anything else the moment of the question."""
        (node,) = arguments
        if isinstance(node, Select) and node.seconds is None:
            return [(_unnamed(labels), when) for labels, when, _ in self.newest(node)]
        return [(_unnamed(labels), self.at) for labels, _ in self.vector(node)]

    def label_replace(self, arguments: Sequence[Node]) -> Vector:
        vector, texts = self.vector(arguments[0]), [_text(one) for one in arguments[1:]]
        target, replacement, source, pattern = texts
        template = re.sub(r"\$(\d+|\{\w+\})", lambda found: f"\\g<{found[1].strip('{}')}>", replacement)
        changed: Vector = []
        for labels, value in vector:
            found = re.fullmatch(pattern, labels.get(source, ""))
            text = (found.expand(template) if "\\" in template else template) if found else labels.get(target, "")
            new = {**labels, target: text}
            changed.append(({name: text for name, text in new.items() if text}, value))
        return changed

    def _number(self, node: Node) -> float:
        found = self.value(node)
        if isinstance(found, float):
            return found
        raise QueryError("expected a number")


def _text(node: Node) -> str:
    if isinstance(node, Text):
        return node.value
    raise QueryError("expected a string")


def _resets(values: Sequence[float]) -> float:
    return float(sum(later < earlier for earlier, later in pairwise(values)))


def _changes(values: Sequence[float]) -> float:
    return float(sum(later != earlier for earlier, later in pairwise(values)))


OVER_TIME: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min_over_time": min,
    "max_over_time": max,
    "sum_over_time": math.fsum,
    "count_over_time": lambda values: float(len(values)),
    "avg_over_time": lambda values: math.fsum(values) / len(values),
    "present_over_time": lambda _values: 1.0,
    "resets": _resets,
    "changes": _changes,
}
OF_NUMBERS: Mapping[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": lambda value: float(math.ceil(value)),
    "floor": lambda value: float(math.floor(value)),
}


FUNCTIONS: Mapping[str, Callable[[_Evaluation, Sequence[Node]], Answer]] = {
    "time": _Evaluation.time,
    "vector": _Evaluation.of_scalar,
    "scalar": _Evaluation.scalar,
    "absent": _Evaluation.absent,
    "timestamp": _Evaluation.timestamp,
    "label_replace": _Evaluation.label_replace,
}


# Operators

Key = tuple[tuple[str, str], ...]
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left)


RECKON: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "%": lambda left, right: math.fmod(left, right) if right else math.nan,
}


def _combined(node: Binary, left: Answer, right: Answer) -> Answer:
    if not isinstance(left, float | list) or not isinstance(right, float | list):
        raise QueryError("operators are for numbers and instant vectors")
    if node.name in {"or", "and", "unless"}:
        if isinstance(left, float) or isinstance(right, float):
            raise QueryError(f"set operator {node.name!r} not allowed in binary scalar expression")
        return _set(node, left, right)
    if isinstance(left, float):
        if isinstance(right, float):
            return float(COMPARE[node.name](left, right)) if node.name in COMPARE else RECKON[node.name](left, right)
        return _reckoned(node, [(labels, left, value, value) for labels, value in right])
    if isinstance(right, float):
        return _reckoned(node, [(labels, value, right, value) for labels, value in left])
    return _reckoned(node, _matched(node, left, right))


def _reckoned(node: Binary, pairs: Iterable[tuple[Labels, float, float, float]]) -> Vector:
    if node.name in RECKON:
        return [(_unnamed(labels), RECKON[node.name](one, other)) for labels, one, other, _ in pairs]
    compare = COMPARE[node.name]
    if node.as_number:
        return [(_unnamed(labels), float(compare(one, other))) for labels, one, other, _ in pairs]
    return [(labels, shown) for labels, one, other, shown in pairs if compare(one, other)]


def _matched(node: Binary, left: Vector, right: Vector) -> list[tuple[Labels, float, float, float]]:
    others: dict[Key, float] = {}
    for labels, value in right:
        key = _key(node, labels)
        if key in others:
            raise QueryError("found duplicate series for the match group on the right hand-side of the operation")
        others[key] = value
    found: dict[Key, tuple[Labels, float, float, float]] = {}
    for labels, value in left:
        key = _key(node, labels)
        if key in others:
            if key in found:
                raise QueryError("multiple matches for labels: many-to-one matching must be explicit")
            found[key] = (labels, value, others[key], value)
    return list(found.values())


def _set(node: Binary, left: Vector, right: Vector) -> Vector:
    there = {_key(node, labels) for labels, _ in (left if node.name == "or" else right)}
    if node.name == "or":
        return [*left, *((labels, value) for labels, value in right if _key(node, labels) not in there)]
    wanted = node.name == "and"
    return [(labels, value) for labels, value in left if (_key(node, labels) in there) is wanted]


def _key(node: Binary, labels: Labels) -> Key:
    if node.on is not None:
        return tuple((name, labels.get(name, "")) for name in node.on)
    return tuple(sorted((name, value) for name, value in labels.items() if name != NAME and name not in node.ignoring))


# Groups

WORTH: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "min": min,
    "max": max,
    "avg": lambda values: math.fsum(values) / len(values),
    "count": lambda values: float(len(values)),
    "group": lambda _values: 1.0,
}


def _aggregated(node: Aggregate, vector: Vector) -> Vector:
    groups: dict[Key, list[float]] = {}
    for labels, value in vector:
        kept = [
            (name, text) for name, text in labels.items() if (name in node.labels) is not node.without and name != NAME
        ]
        groups.setdefault(tuple(sorted(kept)), []).append(value)
    worth = WORTH[node.name]
    return [(dict(key), worth(values)) for key, values in groups.items()]


def _unnamed(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != NAME}
