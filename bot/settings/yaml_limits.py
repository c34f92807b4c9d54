"""How large a YAML document is, before anything is made of it: found out event by event, however deep it is.

A document of a few hundred bytes can name itself again and again until it has more values than there is memory for, or
be so deep that reading it never comes back. Aliases count as what they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from bot.words.rendering import plain
from bot.words.sentence import Text, said

LARGEST = 1_000_000  # bytes of a file: some six thousand services
MOST_VALUES = 100_000
DEEPEST = 40  # mappings and lists inside one another; what services.yaml knows needs eight

# The reader in C is ten times as fast; PyYAML is built with it wherever there are wheels.
Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TooMuch(Exception):  # noqa: N818  # a finding
    """The document is not to be read. ``sentence`` says why, ``line`` where."""

    def __init__(self, line: int, sentence: Text) -> None:
        self.line = line
        self.sentence = sentence
        super().__init__(plain(sentence))


@dataclass(slots=True)
class _Size:
    """A value's size as if every alias in it were written out."""

    values: int = 1
    depth: int = 0
    anchor: str | None = field(default=None)

    def add(self, inner: _Size) -> None:
        self.values += inner.values
        self.depth = max(self.depth, inner.depth + 1)


def check(text: str) -> None:
    """Refuse what is too large, too deep, or holds what is no text.

    Raises:
        TooMuch: it is.
        yaml.YAMLError: it is no YAML.
    """
    open_ones, anchors = [_Size()], dict[str, _Size]()
    for event in yaml.parse(text, Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.CollectionStartEvent():
                open_ones.append(_Size(anchor=event.anchor))
            case yaml.CollectionEndEvent():
                done = open_ones.pop()
                _keep(anchors, done)
                open_ones[-1].add(done)
            case yaml.ScalarEvent():
                if not _is_text(event.value):
                    raise TooMuch(line, said("settings.surrogate"))
                scalar = _Size(anchor=event.anchor)
                _keep(anchors, scalar)
                open_ones[-1].add(scalar)
            case yaml.AliasEvent():  # of what is still open: the reader says that in its own words
                open_ones[-1].add(anchors.get(str(event.anchor), _Size()))
        _refuse_more(open_ones, line)


def _refuse_more(open_ones: list[_Size], line: int) -> None:
    if len(open_ones) + open_ones[-1].depth > DEEPEST:
        raise TooMuch(line, said("settings.too_deep", most=DEEPEST))
    if open_ones[-1].values > MOST_VALUES:
        raise TooMuch(line, said("settings.too_much", most=MOST_VALUES))


def _keep(anchors: dict[str, _Size], size: _Size) -> None:
    if size.anchor is not None:
        anchors[size.anchor] = size


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
