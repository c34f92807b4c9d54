"""Ten rollouts at once: commands are still acknowledged at once, and every service has its own card."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.catalogue import reviews
from sandbox.kube.bookinfo import service_objects
from sandbox.people import CHANNEL, MAYA, cards
from sandbox.world import World

NAMES = [f"shop{number}" for number in range(10)]


def entry(name: str) -> dict[str, object]:
    primary = {"deployment": f"{name}-v1", "container": name}
    mesh = {"virtual_service": name, "destination_rule": name}
    return reviews(primary=primary, canary={"deployment": f"{name}-{{version}}"}, **mesh)


@pytest.mark.sandbox
@pytest.mark.timeout(180)
def test_commands_are_acknowledged_within_300_ms_while_ten_rollouts_run(tmp_path: Path) -> None:
    objects = [thing for name in NAMES for thing in service_objects(name)]
    with World(tmp_path, objects=objects, services={name: entry(name) for name in NAMES}) as world:
        deliveries = [world.slack.command(MAYA, CHANNEL, f"start {name} v2") for name in NAMES]
        world.slack.wait_for(lambda workspace: len(cards(workspace)) == len(NAMES), timeout=60)
        deliveries += [world.slack.command(MAYA, CHANNEL, f"status {name}") for name in NAMES * 3]

        assert all(delivery.acknowledged for delivery in deliveries)
        assert max(delivery.seconds for delivery in deliveries) < 0.3
        mirrored = [
            name
            for name in NAMES
            if "mirror" in (world.kube.store.get("VirtualService", "default", name) or {})["spec"]["http"][0]
        ]
        assert mirrored == NAMES
