"""Every promise of the safety page names the tests that keep it, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/safety.md").read_text(encoding="utf-8")
PROMISES = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("promise", PROMISES, ids=[line.split("|")[1].strip()[:60] for line in PROMISES])
def test_a_promise_says_how_it_is_kept_and_names_a_test(promise: str) -> None:
    _, said, how, by, _ = promise.split("|")

    assert said.strip()
    assert how.strip()
    assert re.fullmatch(r" (`tests/[\w/]+\.py::test_\w+` ?)+", by)


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in names_in(ROOT / path)


def test_the_page_has_promises() -> None:
    assert len(PROMISES) > 25
    assert len(NAMED) > 25
