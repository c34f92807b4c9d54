"""YAML with its line numbers: a document as a tree in which every value remembers where in the file it was written.

Knows nothing of services. Values are those of JSON; a key with nothing after it counts as not written at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml
from yaml.reader import ReaderError

from bot.settings.yaml_limits import Loader, TooMuch, check
from bot.words.sentence import Text, said

Scalar: TypeAlias = str | int | float | bool | None
Json: TypeAlias = "Scalar | list[Json] | dict[str, Json]"
YamlPath: TypeAlias = Sequence[str | int]

LONGEST_NUMBER = 50  # characters
LONGEST_KEY = 80  # characters of a key that are shown

_TAG = "tag:yaml.org,2002:"
_JSON_TAGS = frozenset({f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"})


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with the file."""

    line: int
    path: str  # such as services.reviews.weights; empty for the file as a whole
    sentence: Text

    def sentence_in(self, file: Path) -> Text:
        """The mistake with its place in front."""
        if not self.path:
            return said("settings.in_line", file=file.name, line=str(self.line), what=self.sentence)
        return said("settings.in_line_at", file=file.name, line=str(self.line), path=self.path, what=self.sentence)


@dataclass(frozen=True, slots=True)
class Tree:
    """A value, its line (a mapping's value has its key's) and its path."""

    line: int
    path: str
    value: Scalar | tuple[Tree, ...] | dict[str, Tree]

    def plain(self) -> Json:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: inner.plain() for key, inner in self.value.items()}
        if isinstance(self.value, tuple):
            return [inner.plain() for inner in self.value]
        return self.value

    def at(self, path: YamlPath) -> Tree:
        """The value at ``path``, or the innermost one on the way there that was written."""
        here = self
        for step in path:
            if isinstance(here.value, dict) and step in here.value:
                here = here.value[str(step)]
            elif isinstance(here.value, tuple) and isinstance(step, int):
                here = here.value[step]
        return here

    def over(self, defaults: Tree) -> Tree:
        """This tree with what it leaves out taken from ``defaults``, key by key; lists are taken whole."""
        if not isinstance(self.value, dict) or not isinstance(defaults.value, dict):
            return self
        merged = dict(defaults.value)
        for key, inner in self.value.items():
            merged[key] = inner.over(merged[key]) if key in merged else inner
        return Tree(self.line, self.path, merged)


def parse(text: str) -> tuple[Tree, list[Mistake]]:
    """The tree of the only document in ``text``, and what is wrong with it as YAML; never raises."""
    try:
        check(text)
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return _nothing(), [Mistake(1, "", said("settings.empty_file", example="services.yaml"))]
        return _Reader(loader).document(node)
    except TooMuch as finding:
        return _nothing(), [Mistake(finding.line, "", finding.sentence)]
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _nothing(), [Mistake(line, "", said("settings.unprintable"))]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return _nothing(), [Mistake(mark.line + 1 if mark else 1, "", said("settings.no_yaml", what=what))]


def _nothing() -> Tree:
    return Tree(1, "", {})


class _Reader:
    """Turns PyYAML's nodes into a tree and keeps count of what is wrong."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._errors: list[Mistake] = []
        self._open: set[int] = set()  # nodes we are inside of: an alias may point at its own parent

    def document(self, node: yaml.Node) -> tuple[Tree, list[Mistake]]:
        return self._tree(node, "", node.start_mark.line + 1), self._errors

    def _tree(self, node: yaml.Node, path: str, line: int) -> Tree:
        if id(node) in self._open:
            self._errors.append(Mistake(line, path, said("settings.alias_of_itself")))
            return Tree(line, path, None)
        self._open.add(id(node))
        try:
            return Tree(line, path, self._value(node, path))
        finally:
            self._open.discard(id(node))

    def _value(self, node: yaml.Node, path: str) -> Scalar | tuple[Tree, ...] | dict[str, Tree]:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return tuple(
                self._tree(item, f"{path}[{index}]", item.start_mark.line + 1) for index, item in enumerate(node.value)
            )
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Scalar:
        """What JSON has a word for; anything else, such as a date, is the text it was written as."""
        # No number of this file has so many digits, and to read one takes long.
        if node.tag not in _JSON_TAGS or len(str(node.value)) > LONGEST_NUMBER:
            return str(node.value)
        try:
            value: Scalar = self._loader.construct_object(node)
        except (ValueError, LookupError):  # `!!int x`
            return str(node.value)
        return value

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Tree]:
        node.value = self._without_duplicates(node, path)
        self._loader.flatten_mapping(node)  # `<<: *anchor`: what it brings comes first, so that later keys win
        node.value = list({str(key.value): (key, value) for key, value in node.value}.values())
        inner = {}
        for key, value in node.value:
            name = str(key.value)
            tree = self._tree(value, _join(path, name), key.start_mark.line + 1)
            if tree.value is not None:
                inner[name] = tree
        return inner

    def _without_duplicates(self, node: yaml.MappingNode, path: str) -> list[tuple[yaml.Node, yaml.Node]]:
        """The pairs with the first of each key; the others are mistakes, and so is whatever is no scalar."""
        kept: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._errors.append(Mistake(key.start_mark.line + 1, path, said("settings.key_no_text")))
                continue
            name = str(key.value)
            if name in kept:
                sentence = said("settings.written_twice", line=str(kept[name][0].start_mark.line + 1))
                self._errors.append(Mistake(key.start_mark.line + 1, _join(path, name), sentence))
            kept.setdefault(name, (key, value))
        return list(kept.values())


def _join(path: str, name: str) -> str:
    """A path as people read it: on one line, and not longer than that."""
    shown = name if name.isprintable() else name.encode("unicode_escape").decode()
    shown = shown if len(shown) <= LONGEST_KEY else f"{shown[:LONGEST_KEY]}…"
    return f"{path}.{shown}" if path else shown
