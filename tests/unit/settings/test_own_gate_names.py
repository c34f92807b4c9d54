"""A gate of the team's own is never called like one of ours: rules and pages know ours by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.analysis import targets
from bot.analysis.gates import client_errors
from bot.analysis.judge.state import Metric
from bot.model import figures
from bot.model.figures import OWN_GATES, SLOWER, is_our_gate
from bot.rollout import pods
from tests.unit.settings.test_services import errors, least, reviews

BOT = Path(__file__).parents[3] / "bot"
NAMED = {
    "EVIDENCE": figures.EVIDENCE,
    "UNPROVEN": figures.UNPROVEN,
    "TYPICAL": figures.TYPICAL,
    "HARM": figures.HARM,
    "CLIENTS": client_errors.CLIENTS,
    "GATE": targets.GATE,
    "SLOWER": SLOWER,
    "metric": Metric(name="slow", weight=1.0, bound=100.0),
}
# Whose names are a team's own, or one of several of ours.
ELSEWHERE = {"gate", "evaluation.name", "incident.kind.value", "what"}

CUSTOM = "gates: {{custom: [{{name: {name!r}, query: 'vector(1)', max: 2}}]}}"


def written() -> Iterator[str]:
    """How the gate of each finding in the code is written."""
    for path in sorted(BOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and called == "Finding":
                yield from (ast.unparse(one.value) for one in node.keywords if one.arg == "gate")
            elif isinstance(node, ast.Call) and called == "unknown" and path.parent.name == "gates":
                yield ast.unparse(node.args[0])


def named(how: str) -> str:
    """What that is called."""
    return str(eval(how, {}, dict(NAMED)))  # noqa: S307  # our own source


def test_every_gate_of_ours_is_among_our_names() -> None:
    found = {named(how) for how in written() if how not in ELSEWHERE}

    found |= {kind.value for kind in pods._Kind}
    assert {name for name in found if not is_our_gate(name)} == set()
    assert found >= OWN_GATES


@pytest.mark.parametrize(
    "name", [*sorted(OWN_GATES), "Evidence", " harm", "ready  pods", f"{SLOWER}100 ms", "client errors in all"]
)
def test_a_custom_gate_with_a_name_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    (mistake,) = errors(tmp_path, least(CUSTOM.format(name=name)))

    assert mistake.endswith(f'"{name}" is the name of a gate of canary-bot\'s own: call yours something else')


@pytest.mark.parametrize("name", sorted(OWN_GATES))
def test_so_is_a_hard_limit(tmp_path: Path, name: str) -> None:
    (mistake,) = errors(tmp_path, least(f"gates: {{limits: [{{of: errors, max: 5%, name: {name!r}}}]}}"))

    assert "of canary-bot's own" in mistake


@pytest.mark.parametrize("name", ["queue lag", "errors of the queue", "harmless", "p99"])
def test_any_other_name_is_taken(tmp_path: Path, name: str) -> None:
    (gate,) = reviews(tmp_path, CUSTOM.format(name=name)).gates.custom

    assert gate.name == name
    assert not is_our_gate(name)


def test_a_custom_gate_is_not_called_like_the_latency_limit(tmp_path: Path) -> None:
    both = "gates: {latency: {max: 200}, custom: [{name: p99, query: 'vector(1)', max: 2}]}"

    assert any('two gates are called "p99"' in mistake for mistake in errors(tmp_path, least(both)))
