"""Rollouts that the store has lost, and those the watchdog took in hand: found, told, ended, never fought over."""

from __future__ import annotations

import pytest

from bot.controller.adoption import Adoption
from bot.controller.decisions import By, Pause
from bot.controller.watchdog import Watchdog
from bot.model.errors import Fault
from bot.model.observation import Progress
from bot.model.rollout import HOME, Phase, Rollout
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.builders import MAYA, a_service, a_target, routes
from tests.fakes.clock import FakeClock
from tests.unit.controller.test_controller import Rig

PATIENCE, PAUSE = 60.0, 5.0
STAGES = ["mirror", "shift 60", "shift 100", "upgrade", "switchback 50", "bake"]


class Morning(Rig):
    """A controller with a job that looks for forgotten rollouts, and a watchdog beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.stopwatch = FakeClock(0.0)
        self.before = self.mesh.virtual_service()
        self.adoption = self.a_job()
        self.dog = Watchdog(
            services=[self.service],
            mesh=self.mesh,
            workloads=self.workloads,
            failsafe=self.mesh,
            limit=120.0,
            now=self.clock.now,
            stopwatch=self.stopwatch.now,
        )

    def a_job(self) -> Adoption:
        return Adoption(
            services=[self.service],
            store=self.store,
            mesh=self.mesh,
            reclaim=self.controller.reclaim,
            cared_for=self.controller.cared_for,
            patience=PATIENCE,
            pause=3 * PAUSE,
            stopwatch=self.stopwatch.now,
            failed=lambda _, fault: self.faults.append(plain(fault.sentence)),
        )

    def begun(self, stage: str) -> Rollout:
        self.start()
        return self.at(stage)

    def redis_is_lost(self) -> None:
        """The process lives on; its store is empty."""
        self.store.lose_everything()

    def bot_is_restarted(self) -> None:
        self.controller = self.restarted()
        self.adoption = self.a_job()

    def reconcile(self, seconds: float = PAUSE) -> None:
        """The job's next run."""
        self.stopwatch.advance(seconds)
        self.clock.advance(seconds)
        self.adoption.reconcile()

    def nobody_lives(self, seconds: float = 125.0) -> None:
        """Only the watchdog is awake."""
        for _ in range(round(seconds)):
            self.stopwatch.advance(1.0)
            self.clock.advance(1.0)
            self.dog.reconcile()

    def ends_at_home(self) -> None:
        self.until(lambda rollout: rollout.ended)
        after = self.mesh.virtual_service()
        assert self.newest().phase is Phase.ABORTED
        assert after["spec"] == self.before["spec"]
        assert "annotations" not in after["metadata"]
        assert self.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_living_bots_redis_loses_is_taken_up_at_the_next_reconcile_and_aborted(stage: str) -> None:
    morning = Morning()
    rollout = morning.begun(stage)
    morning.redis_is_lost()

    morning.reconcile()

    assert morning.newest().spec.id == rollout.spec.id
    (said,) = morning.said(EntryKind.ABORTING)
    assert said.startswith("Aborted. Redis had lost this rollout. It was found by its annotations on VirtualService ")
    morning.ends_at_home()


def test_a_new_process_with_an_empty_store_listens_before_it_takes_up_what_may_be_anothers() -> None:
    morning = Morning()
    morning.begun("shift 60")
    morning.redis_is_lost()
    morning.bot_is_restarted()

    for _ in range(round(PATIENCE / PAUSE)):
        morning.reconcile()
    assert morning.controller.active("reviews") is None
    morning.reconcile()

    assert morning.newest().phase in {Phase.ABORTING, Phase.ABORTED}
    morning.ends_at_home()


def test_another_bots_rollout_is_never_touched_while_that_one_lives() -> None:
    theirs, mine = Morning(), Morning()
    theirs.begun("shift 60")
    mine.mesh, mine.workloads = theirs.mesh, theirs.workloads
    mine.bot_is_restarted()

    for _ in range(100):
        theirs.tick(PAUSE)
        mine.reconcile()

    assert mine.controller.active("reviews") is None
    assert theirs.newest().phase is not Phase.ABORTING


def test_nothing_is_forgotten_while_the_store_merely_cannot_be_reached() -> None:
    morning = Morning()
    morning.begun("shift 60")
    morning.store.outage = Fault("Redis", "cannot be reached.")

    for _ in range(100):
        with pytest.raises(Fault, match="cannot be reached"):
            morning.reconcile()

    assert morning.mesh.observe(a_target()).routes == routes(60)
    morning.store.outage = None
    morning.reconcile()
    assert morning.live().phase is Phase.SHIFTING


def test_a_store_that_comes_back_between_two_questions_keeps_its_rollout() -> None:
    morning = Morning()
    rollout = morning.begun("shift 60")

    assert morning.controller.reclaim("reviews", rollout.spec.id, "lost.") is None
    assert morning.live().phase is Phase.SHIFTING


def test_annotations_of_another_services_rollout_on_a_shared_object_are_left_to_that_service() -> None:
    morning = Morning()
    rollout = morning.begun("shift 60")
    morning.redis_is_lost()
    morning.service = a_service(primary_deployment="ratings-v1")
    morning.bot_is_restarted()

    assert morning.controller.reclaim("reviews", rollout.spec.id, "lost.") is None


def test_a_cluster_that_cannot_be_read_is_told_and_asked_again() -> None:
    morning = Morning()
    morning.begun("shift 60")
    morning.redis_is_lost()
    morning.mesh.outage = Fault("Kubernetes", "cannot be reached.")
    morning.reconcile()
    morning.mesh.outage = None

    morning.reconcile()

    assert "cannot be reached." in morning.faults
    morning.ends_at_home()


@pytest.mark.parametrize(("ready", "stale"), [(2, 1), (1, 0), (0, 0)], ids=["a mix", "not whole", "not ready"])
def test_a_primary_that_is_still_being_restored_takes_nobody_before_it_is_whole(ready: int, stale: int) -> None:
    morning = Morning()
    morning.begun("upgrade")
    primary = morning.workloads.deployments["reviews-v1"]
    primary.images, primary.progress = {"reviews": "reviews:1"}, Progress.WAITING
    primary.ready, primary.stale = ready, stale
    morning.redis_is_lost()

    morning.reconcile()

    assert morning.live().current.name == "restore"
    assert morning.live().current.routes.primary == 0


# After the watchdog


@pytest.mark.parametrize("stage", ["mirror", "shift 20", "shift 60", "shift 100", "upgrade", "switchback 50"])
@pytest.mark.parametrize("redis", ["kept its data", "is empty"])
def test_a_bot_that_is_back_tells_what_the_watchdog_did_and_ends_the_rollout(stage: str, redis: str) -> None:
    morning = Morning()
    rollout = morning.begun(stage)
    morning.nobody_lives()
    if redis == "is empty":
        morning.redis_is_lost()
    morning.bot_is_restarted()

    morning.reconcile()
    morning.tick(1.0)

    (said,) = morning.said(EntryKind.ABORTING)
    assert "canary-bot was silent for 2 minutes, so the watchdog " in said
    assert morning.newest().spec.id == rollout.spec.id
    morning.ends_at_home()
    assert len(morning.said(EntryKind.ABORTING)) == 1


def test_users_whom_the_watchdog_brought_home_do_not_leave_it_again() -> None:
    morning = Morning()
    morning.begun("shift 60")
    morning.nobody_lives()
    morning.bot_is_restarted()
    morning.mesh.written.clear()

    morning.ends_at_home()

    assert set(morning.mesh.written) == {HOME}


def test_a_rollout_at_home_on_the_upgraded_primary_goes_on_when_the_bot_is_back() -> None:
    morning = Morning()
    morning.begun("bake")
    morning.nobody_lives()
    morning.bot_is_restarted()

    morning.until(lambda rollout: rollout.ended)

    assert morning.newest().phase is Phase.PROMOTED
    assert [reason for reason, _ in morning.mesh.events] == ["LeftAtHome"]


def test_a_rollout_the_watchdog_acted_on_is_over_also_while_it_was_paused() -> None:
    morning = Morning()
    morning.begun("shift 60")
    morning.controller.decide("reviews", Pause(), By(id=MAYA))
    morning.nobody_lives()
    morning.bot_is_restarted()

    morning.tick()

    assert morning.newest().phase in {Phase.ABORTING, Phase.ABORTED}
    morning.ends_at_home()
