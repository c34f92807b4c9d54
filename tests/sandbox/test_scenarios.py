"""Every scenario of the demo, as a test: its checks rest on what users, Envoy and the cluster saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.demo import play
from sandbox.scenarios import SCENARIOS, Scenario
from sandbox.stories.checks import WHOLE_ROLLOUT

LONGEST = ("shared-incident", "early-pass")  # two minutes each: what begins last should not be among them
ORDER = sorted(SCENARIOS, key=lambda name: (-SCENARIOS[name].rollouts, name not in LONGEST))
A_ROLLOUT = 2 * WHOLE_ROLLOUT  # seconds; a story's own waits end before that, and say what did not come
PLAYED = [
    pytest.param(SCENARIOS[name], id=name, marks=pytest.mark.timeout(SCENARIOS[name].rollouts * A_ROLLOUT))
    for name in ORDER
]


@pytest.mark.sandbox
@pytest.mark.parametrize("scenario", PLAYED)
def test_the_scenario_ends_as_it_must(scenario: Scenario, tmp_path: Path) -> None:
    timeline = play(scenario, tmp_path, quiet=True)

    assert [str(check) for check in timeline.checks if not check.ok] == []
    assert timeline.passed
