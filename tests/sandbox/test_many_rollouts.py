"""Ten rollouts at once: no acknowledgement waits for the cluster, and every service has its own card."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from sandbox.catalogue import reviews
from sandbox.kube.bookinfo import service_objects
from sandbox.people import CHANNEL, MAYA, cards
from sandbox.wire import Moment, Request, Trouble
from sandbox.world import World

NAMES = [f"shop{number}" for number in range(10)]
SLOW_SECONDS = 6.0  # of every answer of the API server, while commands come
SLACK_SECONDS = 3.0  # what Slack waits for an acknowledgement


def entry(name: str) -> dict[str, object]:
    primary = {"deployment": f"{name}-v1", "container": name}
    mesh = {"virtual_service": name, "destination_rule": name}
    return reviews(primary=primary, canary={"deployment": f"{name}-{{version}}"}, **mesh)


@pytest.mark.sandbox
@pytest.mark.timeout(180)
def test_no_command_waits_for_a_slow_cluster_while_ten_rollouts_run(tmp_path: Path) -> None:
    slow = Event()

    def delay(_request: Request, moment: Moment) -> Trouble | None:
        return Trouble(seconds=SLOW_SECONDS) if moment is Moment.BEFORE and slow.is_set() else None

    objects = [thing for name in NAMES for thing in service_objects(name)]
    with World(tmp_path, objects=objects, services={name: entry(name) for name in NAMES}) as world:
        world.kube.wire.listen(delay)
        slow.set()
        deliveries = [world.slack.command(MAYA, CHANNEL, f"start {name} v2") for name in NAMES]
        slow.clear()
        world.slack.wait_for(lambda workspace: len(cards(workspace)) == len(NAMES), timeout=60)
        slow.set()
        deliveries += [world.slack.command(MAYA, CHANNEL, f"status {name}") for name in NAMES * 3]
        slow.clear()

        assert all(delivery.acknowledged for delivery in deliveries)
        assert max(delivery.seconds for delivery in deliveries) < SLACK_SECONDS
        assert world.kube.store.wait_until(lambda: _mirrored(world) == NAMES, timeout=30)


def _mirrored(world: World) -> list[str]:
    live = {name: world.kube.store.get("VirtualService", "default", name) for name in NAMES}
    return [name for name, vs in live.items() if vs is not None and "mirror" in vs["spec"]["http"][0]]
