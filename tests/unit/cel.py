"""Reads the part of CEL that deploy/admissionpolicy.yaml is written in, so that its rules can be tried on objects.

Fields and indices, literals, ``!``, ``==``, ``in``, ``&&``, ``||``, ``has``, ``size``, ``dyn``, ``startsWith`` and the
macros ``all``, ``exists`` and ``filter``. As in CEL a missing field is an error; what is not known here is one too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Scope = Mapping[str, Any]
Part = Callable[[Scope], Any]

_TOKEN = re.compile(r"\s*('[^']*'|[A-Za-z_]\w*|&&|\|\||==|[!.,()\[\]]|\S)")


def evaluate(text: str, scope: Scope) -> Any:
    """What ``text`` is worth where the names in ``scope`` stand for these values."""
    reader = _Reader(text)
    part = reader.either()
    if reader.tokens:
        raise SyntaxError(f"not read: {' '.join(reader.tokens)}")
    return part(scope)


class _Reader:
    """By recursive descent, loosest operator first."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)

    def either(self) -> Part:
        left = self.both()
        while self._takes("||"):
            left = _or(left, self.both())
        return left

    def both(self) -> Part:
        left = self.relation()
        while self._takes("&&"):
            left = _and(left, self.relation())
        return left

    def relation(self) -> Part:
        left = self.unary()
        if self._takes("=="):
            return _equal(left, self.unary())
        if self._takes("in"):
            return _within(left, self.unary())
        return left

    def unary(self) -> Part:
        if self._takes("!"):
            inner = self.unary()
            return lambda scope: not inner(scope)
        part = self.primary()
        while self.tokens and self.tokens[0] in ".[":
            part = self._member(part) if self._takes(".") else self._index(part)
        return part

    def primary(self) -> Part:
        token = self.tokens.pop(0)
        if token == "(":
            inner = self.either()
            self._must(")")
            return inner
        if token == "[":
            return self._list()
        if token.startswith("'"):
            return lambda _scope: token[1:-1]
        if not token.isidentifier():
            raise SyntaxError(f"not read: {token}")
        return self._call(token) if self._takes("(") else lambda scope: scope[token]

    def _list(self) -> Part:
        items = [self.either()]
        while self._takes(","):
            items.append(self.either())
        self._must("]")
        return lambda scope: [item(scope) for item in items]

    def _call(self, name: str) -> Part:
        argument = self.either()
        self._must(")")
        match name:
            case "dyn":
                return argument
            case "size":
                return lambda scope: len(argument(scope))
            case "has":
                return lambda scope: _is_there(argument, scope)
            case _:
                raise SyntaxError(f"not read: {name}()")

    def _index(self, part: Part) -> Part:
        self._must("[")
        key = self.either()
        self._must("]")
        return lambda scope: part(scope)[key(scope)]

    def _member(self, part: Part) -> Part:
        name = self.tokens.pop(0)
        if not self._takes("("):
            return lambda scope: part(scope)[name]
        if name == "startsWith":
            prefix = self.either()
            self._must(")")
            return lambda scope: part(scope).startswith(prefix(scope))
        variable = self.tokens.pop(0)
        self._must(",")
        body = self.either()
        self._must(")")
        return _macro(name, part, variable, body)

    def _takes(self, token: str) -> bool:
        if self.tokens[:1] != [token]:
            return False
        self.tokens.pop(0)
        return True

    def _must(self, token: str) -> None:
        if not self._takes(token):
            raise SyntaxError(f"{token} expected, found {' '.join(self.tokens[:3]) or 'the end'}")


def _macro(name: str, part: Part, variable: str, body: Part) -> Part:
    def holds(scope: Scope) -> Callable[[Any], bool]:
        return lambda item: bool(body({**scope, variable: item}))

    match name:
        case "all":
            return lambda scope: all(map(holds(scope), part(scope)))
        case "exists":
            return lambda scope: any(map(holds(scope), part(scope)))
        case "filter":
            return lambda scope: list(filter(holds(scope), part(scope)))
        case _:
            raise SyntaxError(f"not read: .{name}()")


def _or(left: Part, right: Part) -> Part:
    return lambda scope: bool(left(scope)) or bool(right(scope))


def _and(left: Part, right: Part) -> Part:
    return lambda scope: bool(left(scope)) and bool(right(scope))


def _equal(left: Part, right: Part) -> Part:
    return lambda scope: left(scope) == right(scope)


def _within(left: Part, right: Part) -> Part:
    return lambda scope: left(scope) in right(scope)


def _is_there(argument: Part, scope: Scope) -> bool:
    """Only the last field may be missing in CEL; a path that breaks off earlier is rare enough to be let pass here."""
    try:
        argument(scope)
    except KeyError:
        return False
    return True
