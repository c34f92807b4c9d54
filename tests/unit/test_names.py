"""Names of our own invention, for which the field has one, do not come back; nor do two modules of one name.

Words of everyday English are names where they say what they say everywhere (``line``, ``answers``, ``letter``): only as
modules, where they once hid what was in them, are some of them refused.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("bot", "sandbox", "tests", "bench")

WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")

INSTEAD = {
    "sight": "observation",
    "look": "reconcile, or observe",
    "trial": "analysis_state",
    "weigh": "analyse",
    "courier": "delivery",
    "desk": "commands",
    "visitor": "requester",
    "engine": "the controller",
    "marks": "annotations",
    "marker": "annotated_by",
    "pulse": "heartbeat",
    "rescue": "failsafe",
    "rescuer": "failsafe",
    "deed": "action",
    "meaning": "reading",
    "writers": "managed_fields",
    "survey": "snapshot",
    "scene": "examine",
    "reach": "scope",
    "pulling": "image_pull",
    "beginning": "live_state",
    "watch": "telemetry",
    "outside": "adapters",
    "told": "notified",
    "tell": "notify",
    "link": "connection",
    "mistakes": "errors",
    "seen": "button_token",
}
ENGLISH = {"watch", "seen"}  # as names of functions and variables; a class called so was something else
MODULES = {
    *INSTEAD, "letter", "letters", "line", "answers", "room", "rooms", "said", "stored", "repeats", "kinds", "sections",
    "section", "values", "edits",
}  # fmt: skip

# Not even as a part of a name: ``look_on``, ``MeshSight``.
NOWHERE = {
    *("sight", "sights", "look", "looks", "trial", "trials", "weigh", "courier", "desk", "visitor", "marks", "pulse"),
    *("rescue", "rescuer", "deed", "deeds", "survey", "scene", "tell", "pulling"),
}
# One name, two rooms: each is the room's own part of one thing, and is imported by its room's name.
SHARED = {
    "figures",
    "snapshot",
    "errors",
    "settings",
    "objects",
    "server",
    "words",
    "workloads",
    "watchdog",
    "wording",
    "freezes",
    "gates",
}


def modules(room: str) -> Iterator[Path]:
    return (path for path in (ROOT / room).rglob("*.py") if path.name != "__init__.py")


def names(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Every name that a module defines, with its line, and whether it is a class."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno, False
            case ast.ClassDef():
                yield node.name, node.lineno, True
            case ast.arg():
                yield node.arg, node.lineno, False
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno, False
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno, False


@pytest.mark.parametrize("room", ROOMS)
def test_what_the_field_has_a_name_for_is_called_that(room: str) -> None:
    ours = [
        f"{path.relative_to(ROOT)}:{line}: {name}, write {INSTEAD[plain]}"
        for path in modules(room)
        for name, line, is_class in names(path)
        if (plain := name.strip("_").lower()) in INSTEAD and (is_class or plain not in ENGLISH)
    ]

    assert ours == []


@pytest.mark.parametrize("room", ROOMS)
def test_nor_is_it_a_part_of_a_name(room: str) -> None:
    ours = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in modules(room)
        for name, line, _ in names(path)
        if not name.startswith("test_") and NOWHERE & set(WORDS.sub("_", name).lower().split("_"))
    ]

    assert ours == []


def test_what_makes_a_sentence_is_called_as_nothing_else_is() -> None:
    said = [
        str(path.relative_to(ROOT)) for path in modules("bot") for name, *_ in names(path) if name.strip("_") == "said"
    ]

    assert said == ["bot/words/sentence.py"]


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_is_called_by_a_word_that_hides_what_is_in_it(room: str) -> None:
    assert [str(path.relative_to(ROOT)) for path in modules(room) if path.stem in MODULES] == []


def test_a_name_of_a_module_stands_for_one_thing() -> None:
    floors = {path.name for path in (ROOT / "bot").iterdir()} | {f"{path.name}.py" for path in (ROOT / "bot").iterdir()}
    counted = Counter(path.name for path in modules("bot") if path.name not in floors and "words" not in path.parts)

    assert sorted(name for name, times in counted.items() if times > 1 and Path(name).stem not in SHARED) == []


def _defined(path: Path) -> Iterator[str]:
    """What a module defines for itself or for others; what pytest finds by its name or its mark is nobody's to name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(decorator_list=marks) if any("fixture" in ast.unparse(mark) for mark in marks):
                pass
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_nothing_is_defined_that_nobody_names() -> None:
    paths = [path for room in (*ROOMS, "scripts") for path in (ROOT / room).rglob("*.py")]
    named = Counter(name for path in paths for name in re.findall(r"\w+", path.read_text(encoding="utf-8")))
    defined = [(path, name) for path in paths for name in _defined(path)]

    assert len(defined) > 5_000
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in defined
        if named[name] == 1 and not name.startswith(("test_", "pytest_", "__"))
    ] == []
