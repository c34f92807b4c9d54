"""Text to tree: PromQL's grammar, as far as it is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "group"})
LEVELS = (("or",), ("and", "unless"), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/", "%"))
BINDS = {name: level for level, names in enumerate(LEVELS) for name in names}  # the more, the tighter
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<duration>(?:\d+(?:ms|[smhdw]))+)(?![\w.])
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
    |(?P<name>[a-zA-Z_][\w:]*)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<braces>\{(?:[^"'{}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\})
    |(?P<sign>=~|!~|==|!=|<=|>=|[-+*/%<>=()\[\],:@])
    )""",
    re.VERBOSE,
)
_PART = re.compile(r"(\d+)(ms|[smhdw])")


class QueryError(Exception):
    """The query is nothing that is understood here; the message says what was met instead."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label."""

    name: str
    how: str  # =, !=, =~ or !~
    value: str

    def fits(self, value: str) -> bool:
        """Whether a label's value (empty: there is no such label) fits."""
        same = value == self.value if self.how in {"=", "!="} else _pattern(self.value).fullmatch(value) is not None
        return same is (self.how in {"=", "=~"})


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Select:
    """Series by their labels; ``seconds`` makes it a range."""

    matchers: tuple[Matcher, ...]
    seconds: float | None = None
    offset: float = 0.0
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Sub:
    """A subquery: another query at every ``step`` of the last ``seconds``."""

    of: Node
    seconds: float
    step: float
    offset: float = 0.0
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``sum by (…)`` and its like; ``labels`` are kept, or with ``without`` dropped."""

    name: str
    of: Node
    labels: tuple[str, ...]
    without: bool


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two; ``on`` None: every label but the name."""

    name: str
    left: Node
    right: Node
    on: tuple[str, ...] | None = None
    ignoring: tuple[str, ...] = ()
    as_number: bool = False


Node = Number | Text | Select | Sub | Call | Aggregate | Binary


@lru_cache(maxsize=4096)
def parse(query: str) -> Node:
    """The tree of a query.

    Raises:
        QueryError: it is none, or one with something in it that is not known here.
    """
    parser = _Parser(tokens=list(_tokens(query)))
    node = parser.expression(0)
    if parser.at < len(parser.tokens):
        raise QueryError(f"parse error: unexpected {parser.peek()!r}")
    return node


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def seconds_of(text: str) -> float:
    """A duration such as ``1m30s``."""
    return sum(int(count) * UNITS[unit] for count, unit in _PART.findall(text))


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    at = 0
    while query[at:].strip():
        found = _TOKEN.match(query, at)
        if found is None:
            raise QueryError(f"parse error: unexpected {query[at : at + 20]!r}")
        at = found.end()
        kind = found.lastgroup or ""
        yield kind, found[kind]


@dataclass(slots=True)
class _Parser:
    tokens: list[tuple[str, str]]
    at: int = 0

    def peek(self) -> str:
        """The next token, or "" at the end."""
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "", kind: str = "") -> str:
        """The next token, which must be this one, or of this kind."""
        found = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")
        if (wanted and found[1] != wanted) or (kind and found[0] != kind):
            raise QueryError(f"parse error: unexpected {found[1]!r}, expected {wanted or kind}")
        self.at += 1
        return found[1]

    def takes(self, wanted: str) -> bool:
        """Whether this is the next token, which is then passed."""
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def expression(self, level: int) -> Node:
        """Operators of this level and of those that bind more."""
        left = self.unary()
        while (binds := BINDS.get(self.peek(), -1)) >= level:
            name = self.take()
            as_number = self.takes("bool")
            on, ignoring = self.matching()
            left = Binary(name, left, self.expression(binds + 1), on=on, ignoring=ignoring, as_number=as_number)
        return left

    def matching(self) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        """The labels two sides are matched by."""
        if self.takes("on"):
            return self.labels(), ()
        return None, self.labels() if self.takes("ignoring") else ()

    def unary(self) -> Node:
        """A sign before it, or none."""
        if self.takes("-"):
            return Binary("*", Number(-1.0), self.unary())
        return self.postfix(self.atom())

    def postfix(self, node: Node) -> Node:
        """Ranges, offsets and moments behind it."""
        while self.peek() in {"[", "offset", "@"}:
            sign = self.take()
            if sign == "[":
                node = self.ranged(node)
            elif not isinstance(node, Select | Sub):
                raise QueryError(f"parse error: {sign} modifier must be preceded by a selector or a subquery")
            elif sign == "@":
                node = replace(node, at=float(self.take(kind="number")))
            else:
                back = -1.0 if self.takes("-") else 1.0
                node = replace(node, offset=back * seconds_of(self.take(kind="duration")))
        return node

    def ranged(self, node: Node) -> Node:
        """``[5m]`` or ``[5m:10s]``."""
        seconds = seconds_of(self.take(kind="duration"))
        if self.takes(":"):
            step = 15.0 if self.peek() == "]" else seconds_of(self.take(kind="duration"))
            self.take("]")
            return Sub(node, seconds, step)
        self.take("]")
        if not isinstance(node, Select) or node.seconds is not None:
            raise QueryError("parse error: ranges only allowed for vector selectors")
        return replace(node, seconds=seconds)

    def atom(self) -> Node:
        """What is no operator."""
        if self.takes("("):
            inner = self.expression(0)
            self.take(")")
            return inner
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else "end"
        if kind == "number":
            return Number(float(self.take()))
        if kind == "string":
            return Text(_unquoted(self.take()))
        return self.named("" if kind == "braces" else self.take(kind="name"))

    def named(self, name: str) -> Node:
        """An aggregation, a function or a metric."""
        if name in AGGREGATIONS and self.peek() in {"(", "by", "without"}:
            return self.aggregate(name)
        return Call(name, self.arguments()) if self.peek() == "(" else self.selector(name)

    def aggregate(self, name: str) -> Node:
        """``sum by (a) (x)`` and ``sum(x) by (a)``."""
        grouping = self.grouping()
        (of,) = self.arguments()
        labels, without = grouping or self.grouping() or ((), False)
        return Aggregate(name, of, labels, without)

    def grouping(self) -> tuple[tuple[str, ...], bool] | None:
        """The labels of an aggregation, if they stand here."""
        if self.peek() not in {"by", "without"}:
            return None
        without = self.take() == "without"
        return self.labels(), without

    def arguments(self) -> tuple[Node, ...]:
        """Between parentheses."""
        self.take("(")
        found: list[Node] = []
        while not self.takes(")"):
            found.append(self.expression(0))
            if self.peek() != ")":
                self.take(",")
        return tuple(found)

    def labels(self) -> tuple[str, ...]:
        """Names between parentheses."""
        self.take("(")
        found: list[str] = []
        while not self.takes(")"):
            found.append(self.take(kind="name"))
            if self.peek() != ")":
                self.take(",")
        return tuple(found)

    def selector(self, name: str) -> Node:
        """A metric's name and its matchers, or one of the two."""
        matchers = (Matcher("__name__", "=", name),) if name else ()
        braces = self.tokens[self.at][0] == "braces" if self.at < len(self.tokens) else False
        return Select(matchers + (_matchers(self.take()) if braces else ()))


@lru_cache(maxsize=4096)
def _matchers(braces: str) -> tuple[Matcher, ...]:
    """What stands between braces; the same selectors come again and again, in queries that are never the same."""
    parser = _Parser(tokens=list(_tokens(braces[1:-1])))
    found: list[Matcher] = []
    while parser.peek():
        label, how = parser.take(kind="name"), parser.take(kind="sign")
        if how not in {"=", "!=", "=~", "!~"}:
            raise QueryError(f"parse error: unexpected {how!r} in label matching")
        found.append(Matcher(label, how, _unquoted(parser.take(kind="string"))))
        if parser.peek():
            parser.take(",")
    return tuple(found)


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1])
