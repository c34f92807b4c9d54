"""Signs of life: for every rollout that is truly looked after, often enough, and for no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.controller.decisions import Pause
from bot.controller.heartbeat import Heartbeats, Task
from bot.model.errors import Fault
from bot.model.observation import Observation
from bot.model.rollout import Phase, Rollout, RolloutId, Target
from bot.words.rendering import plain
from tests.builders import OMAR, a_rollout, an_observation
from tests.fakes.clock import FakeClock
from tests.fakes.mesh import InMemoryMesh
from tests.unit.controller.test_controller import OUTAGE, Rig

LIMIT = 120.0


class Beating:
    """A heart that has beaten for one rollout once, and twice more to be past its own first pause."""

    def __init__(self) -> None:
        self.clock = FakeClock(1000.0)
        self.mesh = InMemoryMesh(now=self.clock.now)
        self.faults: list[str] = []
        self.heart = Heartbeats(
            self.mesh, self.clock, LIMIT, failed=lambda _, fault: self.faults.append(plain(fault.sentence))
        )
        self.rollout = replace(a_rollout(), phase=Phase.MIRRORING)
        self.mesh.route(
            self.rollout.spec.target, self.rollout.current.routes, self.rollout.spec.id, self.rollout.spec.recorded
        )
        self.reconcile()
        self.reconcile(after=LIMIT)

    def reconcile(self, rollout: Rollout | None = None, *, after: float = 0.0) -> int:
        """Look; how often the heart beat for it."""
        rollout = rollout or self.rollout
        self.clock.advance(after)
        before = self.mesh.beats
        self.heart.after_reconcile(rollout, an_observation(rollout))
        return self.mesh.beats - before


def test_a_heart_beats_three_times_within_the_limit_and_no_more() -> None:
    beating = Beating()

    beats = [beating.reconcile(after=5.0) for _ in range(48)]

    assert sum(beats) == 6
    assert [index for index, beat in enumerate(beats, start=1) if beat] == [8, 16, 24, 32, 40, 48]


def test_a_beat_does_not_touch_the_virtual_service() -> None:
    beating = Beating()
    before = beating.mesh.virtual_service()

    assert beating.reconcile(after=40.0) == 1

    assert beating.mesh.virtual_service() == before


def test_a_beat_says_how_long_it_is_good_for() -> None:
    beating = Beating()

    heartbeat = beating.mesh.heartbeat("default", "reviews")

    assert heartbeat is not None
    assert heartbeat.limit == LIMIT


def test_a_reconcile_that_did_not_see_the_cluster_is_no_sign_of_life() -> None:
    beating = Beating()
    beating.clock.advance(40.0)
    before = beating.mesh.beats

    beating.heart.after_reconcile(beating.rollout, None)

    assert beating.mesh.beats == before


def test_a_conflict_is_left_to_the_next_reconcile() -> None:
    beating = Beating()
    beating.mesh.conflicts = 1

    assert [beating.reconcile(after=40.0), beating.reconcile(after=5.0)] == [0, 1]
    assert beating.faults == []


def test_a_fault_is_told_and_the_next_reconcile_tries_again() -> None:
    beating = Beating()
    beating.mesh.outage = Fault("Kubernetes", "cannot be reached.")
    beating.reconcile(after=40.0)
    beating.mesh.outage = None

    assert beating.faults == ["cannot be reached."]
    assert beating.reconcile(after=5.0) == 1


def test_a_clock_that_is_set_back_does_not_keep_the_heart_waiting() -> None:
    beating = Beating()

    assert beating.reconcile(after=-3600.0) == 1


def test_nothing_is_written_for_a_rollout_whose_annotations_are_not_there() -> None:
    beating = Beating()
    stranger = replace(beating.rollout, spec=replace(beating.rollout.spec, id=RolloutId("r-2")))

    assert beating.reconcile(stranger) == 0


def test_an_ended_rollout_has_no_heartbeat_and_is_forgotten() -> None:
    beating = Beating()

    assert beating.heart.knows(beating.rollout.spec.id)
    assert beating.reconcile(replace(beating.rollout, phase=Phase.PROMOTED), after=40.0) == 0
    assert not beating.heart.knows(beating.rollout.spec.id)


def test_a_thousand_rollouts_do_not_beat_all_at_once() -> None:
    clock, tasks = FakeClock(1000.0), list[Task]()
    heart = Heartbeats(InMemoryMesh(), clock, LIMIT, run=tasks.append)
    rollouts = [
        replace(a_rollout(), spec=replace(a_rollout().spec, id=RolloutId(f"r-{n:06x}")), phase=Phase.SHIFTING)
        for n in range(1000)
    ]
    counts = []
    for _ in range(9):
        tasks.clear()
        for rollout in rollouts:
            heart.after_reconcile(rollout, an_observation(rollout))
        for task in tasks:
            task()
        counts.append(len(tasks))
        clock.advance(10.0)

    assert counts[0] == 1000
    assert max(counts[1:]) < 350
    assert sum(counts[1:5]) == sum(counts[5:9]) == 1000


def slow_heart(tasks: list[Task]) -> tuple[Heartbeats, FakeClock, InMemoryMesh, Rollout]:
    """Every write waits in ``tasks`` until it is done there."""
    clock, mesh = FakeClock(1000.0), InMemoryMesh()
    rollout = replace(a_rollout(), phase=Phase.SHIFTING)
    mesh.route(rollout.spec.target, rollout.current.routes, rollout.spec.id, rollout.spec.recorded)
    return Heartbeats(mesh, clock, LIMIT, run=tasks.append), clock, mesh, rollout


def test_slow_writes_do_not_pile_up() -> None:
    tasks = list[Task]()
    heart, clock, mesh, rollout = slow_heart(tasks)
    for _ in range(1000):
        heart.after_reconcile(rollout, an_observation(rollout))
        clock.advance(10.0)

    assert len(tasks) == 1
    tasks.pop()()
    heart.after_reconcile(rollout, an_observation(rollout))
    assert (mesh.beats, len(tasks)) == (1, 1)


class BrokenMesh(InMemoryMesh):
    """Whose beats fail by a mistake of ours, as a pool of threads meets it: nobody asks for what it raised."""

    def beat(self, target: Target, owner: RolloutId, limit: float = 0.0) -> None:
        raise ZeroDivisionError(target, owner, limit)

    def quiet(self, target: Target, owner: RolloutId) -> None:
        raise ZeroDivisionError(target, owner)


def test_a_beat_that_crashes_is_told_and_the_next_reconcile_tries_again() -> None:
    notified = list[str]()
    rollout = replace(a_rollout(), phase=Phase.SHIFTING)
    heart = Heartbeats(
        BrokenMesh(), FakeClock(1000.0), LIMIT, failed=lambda _, fault: notified.append(plain(fault.sentence))
    )

    heart.after_reconcile(rollout, an_observation(rollout))
    heart.after_reconcile(rollout, an_observation(rollout))

    assert len(notified) == 2
    assert all("heartbeat" in sentence for sentence in notified)


def test_the_end_of_a_heartbeat_that_crashes_is_told_and_leaves_nothing_behind() -> None:
    notified = list[str]()
    rollout = replace(a_rollout(), phase=Phase.SHIFTING)
    heart = Heartbeats(
        BrokenMesh(), FakeClock(1000.0), LIMIT, failed=lambda _, fault: notified.append(plain(fault.sentence))
    )
    heart.after_reconcile(rollout, an_observation(rollout))

    heart.after_reconcile(replace(rollout, phase=Phase.PROMOTED), None)

    assert len(notified) == 2
    assert not heart.knows(rollout.spec.id)


@pytest.mark.parametrize("in_flight", [True, False])
def test_an_ended_rollout_leaves_no_lease_behind_also_by_a_beat_that_was_under_way(*, in_flight: bool) -> None:
    tasks = list[Task]()
    heart, clock, mesh, rollout = slow_heart(tasks)
    heart.after_reconcile(rollout, an_observation(rollout))
    tasks.pop()()
    clock.advance(LIMIT)
    if in_flight:
        heart.after_reconcile(rollout, an_observation(rollout))

    heart.after_reconcile(replace(rollout, phase=Phase.PROMOTED), an_observation(rollout))
    while tasks:
        tasks.pop()()

    assert mesh.leases == {}
    assert not heart.knows(rollout.spec.id)


# In the controller


def advanced_to(name: str) -> Rig:
    rig = Rig()
    rig.start()
    rig.at(name)
    return rig


def beats_in_two_minutes(rig: Rig) -> int:
    before = rig.mesh.beats
    for _ in range(12):
        rig.tick(10.0)
    return rig.mesh.beats - before


@pytest.mark.parametrize("stage", ["mirror", "shift 60", "upgrade", "bake"])
def test_a_paused_rollout_is_looked_after(stage: str) -> None:
    rig = advanced_to(stage)
    rig.decide(Pause())

    assert beats_in_two_minutes(rig) >= 3


def test_a_rollout_that_waits_for_approval_or_holds_is_looked_after() -> None:
    rig = advanced_to("mirror")
    rig.metrics.outage = Fault("Prometheus", "cannot be reached.")

    assert beats_in_two_minutes(rig) >= 3
    assert rig.live().hold is not None


def test_a_halted_rollout_is_looked_after() -> None:
    rig = advanced_to("shift 100")
    for _ in range(100):
        rollout = rig.live()
        if rollout.phase is Phase.HALTED:
            break
        if rollout.asked_at is not None:
            rig.controller.approve("reviews", by=OMAR)
        rig.workloads.fail("reviews-v1", "It crashes.")
        rig.tick()

    assert rig.live().phase is Phase.HALTED
    assert beats_in_two_minutes(rig) >= 3


def test_without_a_store_or_a_cluster_there_is_no_heartbeat() -> None:
    rig = advanced_to("shift 60")
    live = rig.store.live()
    before = rig.mesh.beats

    rig.workloads.outage = OUTAGE
    for _ in range(12):
        rig.tick(10.0)
    rig.workloads.outage, rig.store.outage = None, Fault("Redis", "cannot be reached.")
    for _ in range(12):
        rig.clock.advance(10.0)
        rig.controller.sweep(live)

    assert rig.mesh.beats == before


def test_an_observation_is_needed_not_a_good_one() -> None:
    beating = Beating()
    beating.clock.advance(40.0)
    ill = Observation(
        routes=None, primary=an_observation(beating.rollout).primary, canary=an_observation(beating.rollout).canary
    )
    before = beating.mesh.beats

    beating.heart.after_reconcile(beating.rollout, ill)

    assert beating.mesh.beats == before + 1
