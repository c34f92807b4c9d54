"""What was believed when the machine fell asleep is not believed when it wakes up: its own clock counts the sleep.

``time.monotonic`` stands still meanwhile: good for how long an answer may take, and for nothing that is remembered.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BOT = Path(__file__).parents[2] / "bot"
STANDS_STILL = "monotonic"

# Where it may stand still while the machine sleeps, and why.
MAY_STAND_STILL = {
    "adapters/clock.py": "where there is no other",
    "adapters/kube_credentials.py": "a second between two looks",
    "adapters/http_webhooks.py": "an answer's time",
    "adapters/prometheus_connection.py": "an answer's time",
    "adapters/redis_embedded.py": "a start's time",
    "adapters/scheduler.py": "what was due while it slept is due once",
    "app.py": "how late a sweep is, without the sleep; figures and failures of our own",
    "bounded.py": "an answer's time",
    "probes/asking.py": "an answer's time",
    "slack/bolt_app.py": "the default of tests; the process has another",
    "slack/connection.py": "a sleep is no silence of Slack's; a dead socket is found as fast after it",
    "slack/delivery.py": "an hour in which it could have been delivered, and was not",
    "slack/http_mode.py": "how often the log is told",
    "slack/listeners.py": "the default of tests; the process has another",
}


def calls(file: Path) -> Iterator[int]:
    """The lines in which it is named."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == STANDS_STILL and isinstance(node.value, ast.Name):
            yield from [node.lineno] if node.value.id == "time" else []


def test_nothing_that_is_remembered_goes_by_a_clock_that_stands_still() -> None:
    found = {str(file.relative_to(BOT)) for file in BOT.rglob("*.py") if any(calls(file))}

    assert found == set(MAY_STAND_STILL)


@pytest.mark.parametrize("believer", ["Channels", "Approvers", "build_app"])
def test_the_process_gives_a_clock_that_counts_sleep_to_whoever_remembers(believer: str) -> None:
    tree = ast.parse((BOT / "app.py").read_text(encoding="utf-8"))
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == believer]

    assert made
    for call in made:
        given = [*map(ast.unparse, call.args), *(ast.unparse(one.value) for one in call.keywords)]
        assert "adapters.stopwatch" in given
