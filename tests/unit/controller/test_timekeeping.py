"""Somebody sets the clock in the middle of a rollout: nothing is skipped, nothing times out, nothing waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from bot.controller.controller import Controller
from bot.controller.ports import Ports, Window
from bot.controller.telemetry import Telemetry
from bot.model.errors import Fault
from bot.model.figures import Figures
from bot.model.rollout import Phase, Rollout, RolloutId
from bot.model.service import ServiceConfig
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.builders import a_service, figures
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.unit.controller.test_controller import Rig

HOUR = 3600.0


class TrueMetrics(FakeMetrics):
    """A Prometheus whose own clock is right: of what is still to come there are no figures."""

    now: Callable[[], float]

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        found = super().read(windows)
        none = {one.rollout.spec.id: figures(None, None, start=one.since, end=one.until) for one in windows}
        ahead = {one.rollout.spec.id for one in windows if one.until > self.now() + 1.0}
        return {**found, **{rollout_id: none[rollout_id] for rollout_id in ahead}}


class Clocks(Rig):
    """A wall clock that may be set, and a stopwatch beside it that never is."""

    def __init__(self) -> None:
        self.steady = FakeClock(50.0)
        self.set_by: list[float] = []
        super().__init__(a_service(stage_seconds=300.0))
        self.wrong_before = 0.0  # by how much the clock had been wrong when it was set right
        metrics = TrueMetrics(self.metrics.sides, per=self.metrics.per)
        metrics.now = lambda: 1000.0 + self.steady.now() - 50.0 + self.wrong_before
        self.metrics = metrics
        self.controller = self.restarted()

    def set_clock(self, seconds: float, *, right: bool = False) -> None:
        """``right``: it was wrong until now; otherwise it is wrong from now on, or no more."""
        self.clock.advance(seconds)
        self.wrong_before += seconds if right else 0.0

    def restarted(self, services: Mapping[str, ServiceConfig] | None = None) -> Controller:
        ports = Ports(
            store=self.store,
            freezes=self.freezes,
            mesh=self.mesh,
            workloads=self.workloads,
            snapshots=self.snapshots,
            metrics=self.metrics,
            clock=self.clock,
        )
        ids: Callable[[], RolloutId] = lambda: RolloutId(f"r-{next(self.ids)}")  # noqa: E731  # the port is a callable
        telemetry = Telemetry(
            failed=lambda _, fault: self.faults.append(plain(fault.sentence)), clock_set=self.set_by.append
        )
        known = {"reviews": self.service} if services is None else services
        return Controller(services=known, ports=ports, new_id=ids, telemetry=telemetry, stopwatch=self.steady.now)

    def tick(self, seconds: float = 10.0) -> None:
        self.steady.advance(seconds)
        super().tick(seconds)

    def seconds_until(self, reached: Callable[[Rollout], bool]) -> float:
        began = self.steady.now()
        self.until(reached)
        return self.steady.now() - began


@pytest.mark.parametrize("by", [HOUR, 24 * HOUR, 5.0])
@pytest.mark.parametrize("stage", ["shift 20", "bake"])
def test_a_stage_is_neither_skipped_nor_prolonged_by_a_clock_that_is_set_forward(stage: str, by: float) -> None:
    plain, shaken = Clocks(), Clocks()
    for rig in (plain, shaken):
        rig.start()
        rig.at(stage)
        rig.tick()
    left: Callable[[Rollout], bool] = lambda rollout: rollout.current.name != stage or rollout.ended  # noqa: E731

    shaken.set_clock(by, right=True)

    as_usual, then = plain.seconds_until(left), shaken.seconds_until(left)
    assert abs(then - as_usual) <= 20.0  # two ticks: what was read for the first of them is not believed
    assert shaken.set_by == [by]
    assert shaken.newest().phase is not Phase.ABORTING


@pytest.mark.parametrize("stage", ["shift 20", "bake"])
def test_behind_what_was_read_it_holds_and_says_so_and_goes_on_once_the_clock_is_right(stage: str) -> None:
    plain, shaken = Clocks(), Clocks()
    for rig in (plain, shaken):
        rig.start()
        rig.at(stage)
        rig.tick(100.0)
    left: Callable[[Rollout], bool] = lambda rollout: rollout.current.name != stage or rollout.ended  # noqa: E731

    shaken.set_clock(-HOUR)
    for _ in range(3):
        shaken.tick()
        plain.tick()
    assert "behind the figures that were read" in shaken.said(EntryKind.HELD)[-1]
    shaken.set_clock(HOUR)

    assert abs(shaken.seconds_until(left) - plain.seconds_until(left)) <= 20.0
    assert shaken.set_by == [-HOUR, HOUR]
    assert shaken.newest().phase is not Phase.ABORTING


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_question_is_not_answered_by_setting_the_clock(by: float) -> None:
    rig = Clocks()
    rig.start()
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)

    rig.set_clock(by)
    for _ in range(5):
        rig.tick()

    assert rig.said(EntryKind.ALERT) == []
    assert rig.live().asked_at is None  # nobody is asked about figures that cannot be had
    rig.set_clock(-by)
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    assert rig.said(EntryKind.ALERT) == []


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_an_upgrade_does_not_time_out_by_setting_the_clock(by: float) -> None:
    rig = Clocks()
    rig.start()
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)

    rig.set_clock(by)
    for _ in range(5):
        rig.tick()

    assert rig.live().phase is Phase.UPGRADING
    rig.set_clock(-by)
    rig.workloads.finish("reviews-v1")
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED


def test_time_that_truly_passes_is_not_mistaken_for_a_clock_that_was_set() -> None:
    rig = Clocks()
    rig.start()
    rig.at("shift 20")

    rig.tick(HOUR)  # the bot was stopped, or its machine was
    rig.tick()

    assert rig.set_by == []
    assert rig.newest().current.name != "shift 20"


def test_a_new_process_begins_to_wait_where_moments_lie_ahead() -> None:
    rig = Clocks()
    rig.start()
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)

    rig.set_clock(-HOUR)  # this replica's clock is not the other's
    rig.controller = rig.restarted()
    rig.tick()

    assert rig.live().since == pytest.approx(rig.clock.now(), abs=1.0)
