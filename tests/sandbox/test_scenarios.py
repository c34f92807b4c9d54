"""Every scenario of the demo, as a test: its checks rest on what users, Envoy and the cluster saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.demo import play
from sandbox.scenarios import SCENARIOS, Scenario

LONGEST = ("shared-incident", "early-pass")  # two minutes each: what begins last should not be among them
ORDER = sorted(SCENARIOS, key=lambda name: name not in LONGEST)


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", [SCENARIOS[name] for name in ORDER], ids=ORDER)
def test_the_scenario_ends_as_it_must(scenario: Scenario, tmp_path: Path) -> None:
    timeline = play(scenario, tmp_path, quiet=True)

    assert [str(check) for check in timeline.checks if not check.ok] == []
    assert timeline.passed
