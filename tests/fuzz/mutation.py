"""Inputs made from inputs: JSON is changed as a tree, so that most of what comes out still reaches the reader.

Pure: the same input and seed give the same result.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Change = Callable[[random.Random, Any], Any]
Place = tuple[Any, Any]  # a container, and the key or index in it

DEEP = 3000  # levels; the parser of the standard library gives up at about a thousand
LONG = "9" * 310  # a float holds 308 digits
LONGER = "9" * 4301  # int() reads 4,300
WORDS = (
    "", "NaN", "+Inf", "-Inf", "Infinity", LONG, LONGER, "1e400", "-1", "1_000", "0x10", "é", "\ud800", "\x00",
    "a\nb\r\u2028", "\\" * 5000, "%5C" * 2000, "-" * 5000, "eyJ" * 2000,
    "../../secrets", "a/b", "..", ".", "%2e%2e", "x" * 300, "A" * 5000, '"}) or vector(1) #', "\\", '\\"', "'",
    "$namespace",
    "<!channel>", "<!here|x>", "<@U0BOT00001>", "<https://evil.example|fine>", "&lt;", "`*_~", "U0BOT00001",
    "\x1b[31m", "null", "true", "{{version}}", "{version}", "{0.__class__}", "%s%n", "2026-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "v1", "v2", "reviews", "default", "sha256:", "5m",
    "10,50,100",
)  # fmt: skip
PLAIN = (
    None, True, False, 0, 1, -1, 2, 100, 101, 2**31, -(2**63), 2**64, 10**400, 0.5, 1e-320, 1e308, -1e308, float("nan"),
    float("inf"), float("-inf"),
)  # fmt: skip
PIECES = (
    b"[" * DEEP, b'{"a":' * DEEP, b"\xff\xfe", b"\x00", b"&a [*a]", b"<<: *a", b"!!python/object:x ",
    b"\n\n", b"\r", b"\xed\xa0\x80")  # fmt: skip


def mutated(data: bytes, seed: int, most: int = 100_000) -> bytes:
    """Another input, of at most ``most`` bytes: a tree with some places changed, or bytes with some pieces moved."""
    draw = random.Random(seed)  # noqa: S311  # nothing secret is made of it
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes_changed(draw, data)[:most]
    if draw.random() < 0.05:  # seldom: what is no JSON is refused at once
        return _bytes_changed(draw, data)[:most]
    for _ in range(draw.choice((1, 1, 1, 2, 3, 5))):
        tree = _tree_changed(draw, tree)
    try:
        return json.dumps(tree).encode()[:most]
    except (ValueError, RecursionError):
        return data[:most]


def odd(draw: random.Random) -> Any:
    """A value that nobody expects there."""
    kind = draw.randrange(10)
    if kind < 4:  # of ten
        return draw.choice(PLAIN)
    if kind < 8:
        return draw.choice(WORDS)
    return draw.choice(([], {}, [None], [[]], [{}], {"": None}, {"name": 1}, [0, "1"], {"items": [None]}))


def _tree_changed(draw: random.Random, tree: Any) -> Any:
    places = list(_places(tree))
    if not places:
        return odd(draw)
    container, key = draw.choice(places)
    draw.choice(CHANGES)(draw, container, key, places)
    return tree


def _places(tree: Any) -> Iterator[Place]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield tree, key
        yield from _places(value)


def _replace(draw: random.Random, container: Any, key: Any, _: list[Place]) -> None:
    container[key] = odd(draw)


def _remove(_: random.Random, container: Any, key: Any, __: list[Place]) -> None:
    del container[key]


def _repeat(_: random.Random, container: Any, key: Any, __: list[Place]) -> None:
    if isinstance(container, list):
        container.insert(key, json.loads(json.dumps(container[key])))


def _add(draw: random.Random, container: Any, _: Any, __: list[Place]) -> None:
    if isinstance(container, list):
        container.append(odd(draw))
    else:
        container[draw.choice(WORDS)] = odd(draw)


def _borrow(draw: random.Random, container: Any, key: Any, places: list[Place]) -> None:
    other, name = draw.choice(places)
    container[key] = json.loads(json.dumps(other[name]))


def _spell(draw: random.Random, container: Any, key: Any, _: list[Place]) -> None:
    value = container[key]
    if not isinstance(value, str):
        container[key] = str(value) if draw.random() < 0.5 else [value]  # half of them
        return
    at, word = draw.randrange(len(value) + 1), draw.choice(WORDS)
    container[key] = value[:at] + word + value[at + draw.randrange(2) :]


def _rename(draw: random.Random, container: Any, key: Any, _: list[Place]) -> None:
    if isinstance(container, dict):
        container[draw.choice(WORDS)] = container.pop(key)


CHANGES = (_replace, _replace, _replace, _remove, _repeat, _add, _borrow, _spell, _spell, _rename)


def _bytes_changed(draw: random.Random, data: bytes) -> bytes:
    for _ in range(draw.choice((1, 1, 2, 4))):
        start = draw.randrange(len(data) + 1)
        end = min(len(data), start + draw.choice((0, 0, 1, 2, 8, 40)))
        piece = draw.choice((_word, _word, _piece, _byte, _copied))(draw, data)
        data = data[:start] + piece + data[end:]
    return data


def _word(draw: random.Random, _: bytes) -> bytes:
    return draw.choice(WORDS).encode(errors="surrogatepass")


def _piece(draw: random.Random, _: bytes) -> bytes:
    return draw.choice(PIECES)


def _byte(draw: random.Random, _: bytes) -> bytes:
    return bytes([draw.randrange(256)])


def _copied(draw: random.Random, data: bytes) -> bytes:
    start = draw.randrange(len(data) + 1)
    return data[start : start + draw.randrange(60)]
