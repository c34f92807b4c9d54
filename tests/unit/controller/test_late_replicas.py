"""A replica that hangs before a write, while another ends the rollout: a schedule for every write there is.

The leader is stopped at its n-th write, for every n of a whole rollout. Meanwhile a person ends the rollout on another
replica, which carries it out completely; then the leader goes on from where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.model.rollout import HOME, Phase, Rollout
from bot.model.service import Promote
from tests.builders import MAYA, OMAR, a_service
from tests.unit.controller.test_controller import Rig

WRITES = ("route", "release", "apply")


class Hanging:
    """A port whose n-th write of a whole rollout waits until ``meanwhile`` has happened."""

    def __init__(self, port: Any, counter: list[int], at: int, meanwhile: Callable[[], None]) -> None:
        self._port = port
        self._counter = counter
        self._at = at
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in WRITES:
            return method

        def hangs(*given: Any, **named: Any) -> Any:
            self._counter[0] += 1
            if self._counter[0] == self._at:
                self._meanwhile()
            return method(*given, **named)

        return hangs


def play(at: int, promote: Promote) -> tuple[Rig, Rollout | None]:
    """The rollout as its end on the other replica left it; None where there is no n-th write."""
    rig = Rig(a_service(promote=promote))
    counter, ended = [0], list[Rollout]()
    second = rig.restarted()

    def ends_elsewhere() -> None:
        second.abort("reviews", by=OMAR, reason="it is bad")
        for _ in range(50):
            if rig.newest().ended:
                break
            rig.workloads.finish("reviews-v1")
            rig.clock.advance(10.0)
            second.sweep(rig.store.live())
        ended.append(rig.newest())

    ports = rig.controller._ports
    mesh = Hanging(rig.mesh, counter, at, ends_elsewhere)
    workloads = Hanging(rig.workloads, counter, at, ends_elsewhere)
    rig.controller._ports = replace(ports, mesh=mesh, workloads=workloads)
    rig.controller.start("reviews", "v2", by=MAYA)
    rig.until(lambda rollout: rollout.ended)
    for _ in range(3):
        rig.tick()
    return rig, ended[0] if ended else None


@pytest.mark.parametrize("promote", [Promote.UPGRADE, Promote.ADOPT])
def test_no_write_of_a_whole_rollout_takes_effect_after_another_replica_has_ended_it(promote: Promote) -> None:
    for at in range(1, 40):
        rig, ended = play(at, promote)
        if ended is None:
            break
        assert ended.ended, f"write {at}: the abort elsewhere never came to its end"
        assert rig.newest() == ended, f"write {at}"
        if ended.phase is Phase.ABORTED:
            assert rig.mesh.observe(ended.spec.target).routes == HOME, f"write {at}"
            assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}, f"write {at}"
        assert "annotations" not in rig.mesh.virtual_service()["metadata"], f"write {at}"
    assert at > len(WRITES) * 2
