"""``make demo``: plays one scenario, prints it live, and says whether it ended as it must."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.recorder import Recorder
from sandbox.scenarios import SCENARIOS, Scenario
from sandbox.story import Timeline
from sandbox.world import World


def demo(name: str) -> int:
    """Play the scenario of this name; 0 when every check holds."""
    scenario = SCENARIOS.get(name)
    if scenario is None:
        listed = "\n".join(f"  {known.name:<16} {known.about}" for known in SCENARIOS.values())
        print(f"There is no scenario {name}. There are:\n{listed}")
        return 2
    print(f"{scenario.name}: {scenario.about}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="canary-bot-") as directory:
        timeline = play(scenario, Path(directory))
        timeline.close()
        if not timeline.passed:
            print(f"{scenario.name} did not end as it must.")
            return 1
    print(f"{scenario.name} ended as it must.")
    return 0


def play(scenario: Scenario, directory: Path, *, quiet: bool = False) -> Timeline:
    """Play one scenario in a world of its own. A story that gets stuck is a check that fails."""
    world = World(
        directory,
        objects=scenario.objects(),
        services=scenario.services,
        post_share=scenario.post_share,
        users_per_second=scenario.users_per_second,
        asks=scenario.asks,
        dead_man_seconds=scenario.dead_man_seconds,
    )
    with world, Recorder(world, primary=scenario.primary) as recorder:
        timeline = Timeline(world, quiet=quiet)
        up = "cluster, mesh, Prometheus, Redis, workspace and bot are up"
        timeline.say("sandbox", f"{up}; users send {scenario.users_per_second:g} requests a second")
        try:
            scenario.play(world, timeline, recorder)
        except (TimeoutError, LookupError) as stuck:
            timeline.check(f"the story got stuck: {stuck}", ok=False)
            print(world.bot_log_tail())
            print(world.last_words())
        world.users.stop()
        return timeline
