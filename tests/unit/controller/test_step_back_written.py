"""A step back meets what an abort meets: another writer in the same moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.model.errors import Contended
from bot.model.judge_settings import STRICTNESS
from bot.model.rollout import Rollout
from bot.model.service import GateLimits
from tests.builders import a_service, a_side_of
from tests.fakes.mesh import InMemoryMesh, reviews
from tests.unit.controller.test_controller import Rig


class Contested(InMemoryMesh):
    """The next write meets somebody else's, once."""

    contested = False

    def route(self, *args: Any, **named: Any) -> None:
        if self.contested:
            self.contested = False
            raise Contended("Kubernetes", "somebody else was first.")
        super().route(*args, **named)


def test_a_step_back_that_meets_a_rivals_write_writes_over_it_at_once() -> None:
    rig = Rig(a_service(gates=GateLimits(judge=replace(STRICTNESS, shield=True))))
    rig.mesh = Contested([reviews()])
    rig.controller = rig.restarted()
    rig.start()
    rig.at("shift 40")
    rig.metrics.sides["default/reviews-v2"] = a_side_of(800, errors=240)
    rig.mesh.contested = True

    def is_home(rollout: Rollout) -> bool:
        return rollout.current.on_copies

    rig.until(is_home, every=5.0)

    assert not rig.mesh.contested
    assert rig.mesh.written[-1].canary == 0
    assert rig.faults == []
