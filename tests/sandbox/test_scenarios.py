"""Every scenario of the demo, as a test: its checks rest on what users, Envoy and the cluster saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.demo import play
from sandbox.scenarios import SCENARIOS, Scenario


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_the_scenario_ends_as_it_must(scenario: Scenario, tmp_path: Path) -> None:
    timeline = play(scenario, tmp_path, quiet=True)

    assert [str(check) for check in timeline.checks if not check.ok] == []
    assert timeline.passed
