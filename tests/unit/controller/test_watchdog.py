"""The watchdog's loop over ports in memory: when it acts, what it writes, and that it never fights a living bot."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from bot.cluster.objects import NamespacedName
from bot.cluster.virtual_service import HEARTBEAT, OWNER, RESTORE
from bot.controller.watchdog import LONGEST_PAUSE, Watchdog, Witness
from bot.model.errors import Contended, Fault
from bot.model.observation import FailsafeAction
from bot.model.rollout import ALL_CANARY, HOME, Routes
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, a_target, routes
from tests.fakes.clock import FakeClock
from tests.fakes.mesh import InMemoryMesh
from tests.fakes.workloads import InMemoryWorkloads

LIMIT = 120.0
PLACE = ("default", "reviews")
ROLLOUT, TARGET = a_rollout(), a_target()
RECORDED = {"reviews": "reviews:1"}


class Night:
    """A cluster with a rollout at these routes, a watchdog, and a bot that gives a sign of life when told to."""

    def __init__(self, live: Routes, *, watched: NamespacedName = PLACE) -> None:
        self.wall, self.stopwatch = FakeClock(), FakeClock(0.0)
        self.mesh = InMemoryMesh(now=self.wall.now)
        self.workloads = InMemoryWorkloads()
        self.workloads.deployments["reviews-v1"].images = dict(RECORDED)
        self.mesh.route(TARGET, live, ROLLOUT.spec.id, ROLLOUT.spec.recorded)
        self.mesh.written.clear()
        self.acted: list[FailsafeAction] = []
        self.left: list[str] = []
        self.failed: list[str] = []
        self.silences: list[float] = []
        self.dog = self.another(watched)

    def another(self, watched: NamespacedName = PLACE) -> Watchdog:
        """A watchdog that has just started."""
        return Watchdog(
            services=[a_service(namespace=watched[0], virtual_service=watched[1])],
            mesh=self.mesh,
            workloads=self.workloads,
            failsafe=self.mesh,
            limit=LIMIT,
            now=self.wall.now,
            stopwatch=self.stopwatch.now,
            witness=Witness(
                listened=self.silences.extend,
                acted=lambda _place, action, _sentence: self.acted.append(action),
                left=lambda _place, sentence: self.left.append(plain(sentence)),
                failed=lambda _place, fault: self.failed.append(plain(fault.sentence)),
            ),
        )

    def passes(self, seconds: float, *, step: float = 1.0, beats_every: float = 0.0) -> None:
        """Look after each step; a bot that lives beats now and then."""
        for second in range(round(seconds / step)):
            self.wall.advance(step)
            self.stopwatch.advance(step)
            if beats_every and second * step % beats_every == 0:
                self.mesh.beat(TARGET, ROLLOUT.spec.id)
            self.dog.reconcile()

    def beats_as_an_older_version(self, beat: str) -> None:
        self.mesh.edit("canary-bot", lambda vs: vs["metadata"]["annotations"].update({HEARTBEAT: beat}))

    @property
    def routes(self) -> Routes | None:
        return self.mesh.observe(TARGET).routes

    @property
    def annotations(self) -> set[str]:
        return set(self.mesh.virtual_service()["metadata"]["annotations"])


def test_users_are_home_a_second_after_the_limit_and_not_before_it() -> None:
    night = Night(routes(60))
    night.dog.reconcile()

    night.passes(LIMIT - 1)
    before = night.routes
    night.passes(1)

    assert (before, night.routes) == (routes(60), HOME)
    assert night.acted == [FailsafeAction.HOME]


def test_a_failsafe_action_leaves_the_annotations_says_when_and_why_and_posts_one_event() -> None:
    night = Night(routes(60))

    night.passes(LIMIT + 60)

    names = ("rollout", "restore", "heartbeat", "watchdog")
    assert night.annotations == {f"canary-bot/{name}" for name in names}
    assert night.mesh.written == [HOME]
    ((reason, sentence),) = night.mesh.events
    assert reason == "BroughtHome"
    assert "canary-bot was silent for 2 minutes, so the watchdog " in sentence
    failsafe_record = night.mesh.observe(TARGET).failsafe_record
    assert failsafe_record is not None
    assert (failsafe_record.action, failsafe_record.silence) == (FailsafeAction.HOME, LIMIT)
    assert night.mesh.observe(TARGET).writer == "canary-bot-watchdog"


def test_a_living_bot_is_never_disturbed_however_its_clock_runs() -> None:
    night = Night(routes(60))

    night.passes(600, beats_every=40)
    night.wall.advance(-86_400)
    night.passes(600, beats_every=40)
    night.wall.advance(10 * 86_400)
    night.passes(600, beats_every=40)

    assert (night.routes, night.acted, night.mesh.events) == (routes(60), [], [])
    assert max(night.silences) <= 40


@pytest.mark.parametrize(("bots", "waits"), [(600.0, 600.0), (30.0, LIMIT), (0.0, LIMIT)])
def test_a_bot_that_asks_for_more_patience_is_given_it_and_less_hurries_nobody(bots: float, waits: float) -> None:
    night = Night(routes(60))
    night.mesh.beat(TARGET, ROLLOUT.spec.id, bots)
    night.dog.reconcile()

    night.passes(waits - 1)
    before = night.routes
    night.passes(1)

    assert (before, night.routes) == (routes(60), HOME)


def test_a_bot_of_an_older_version_lives_by_the_annotation_that_it_renews() -> None:
    night = Night(routes(60))
    for beat in range(20):
        night.beats_as_an_older_version(str(beat))
        night.passes(40)
    assert (night.routes, night.acted) == (routes(60), [])

    night.passes(LIMIT)

    assert night.routes == HOME


@pytest.mark.parametrize("stale", [True, False])
def test_an_object_from_a_backup_is_no_living_rollout(*, stale: bool) -> None:
    night = Night(routes(60))
    night.mesh.beat(TARGET, ROLLOUT.spec.id, LIMIT)
    saved = night.mesh.virtual_service()
    if not stale:
        night.mesh.quiet(TARGET, ROLLOUT.spec.id)
    night.dog = night.another()

    night.mesh.edit("velero", lambda vs: vs.update(saved))
    night.passes(LIMIT + 1)

    assert night.routes == HOME


def test_it_says_where_it_watches_and_with_which_limit() -> None:
    night = Night(routes(60))
    night.dog.reconcile()
    assert night.mesh.watched == {"default": LIMIT}

    night.mesh.watched.clear()
    night.passes(LIMIT / 3 - 1)
    assert night.mesh.watched == {}
    night.passes(1)
    assert night.mesh.watched == {"default": LIMIT}


def test_a_watchdog_that_has_just_started_waits_a_whole_limit_however_old_the_heartbeat_looks() -> None:
    night = Night(routes(60))
    night.wall.advance(86_400)

    night.passes(LIMIT)

    assert night.routes == routes(60)
    night.passes(1)
    assert night.routes == HOME


def test_a_beat_between_the_last_reconcile_and_the_write_stops_it() -> None:
    night = Night(routes(60))
    night.passes(LIMIT)
    night.mesh.conflicts = 1
    night.passes(1)

    assert (night.routes, night.acted, night.failed) == (routes(60), [], [])

    night.mesh.beat(TARGET, ROLLOUT.spec.id)
    night.passes(LIMIT - 1)
    assert night.routes == routes(60)


def test_an_outage_of_the_api_server_makes_no_rollout_dead() -> None:
    night = Night(routes(60))
    night.passes(30)
    night.mesh.outage = Fault("Kubernetes", "cannot be reached.")
    night.passes(3600)
    assert night.dog.trouble == "cannot be reached."
    night.mesh.outage = None

    night.passes(LIMIT - 30 - LONGEST_PAUSE)

    assert (night.routes, night.dog.trouble) == (routes(60), "")


def test_a_watchdog_that_was_frozen_listens_first() -> None:
    night = Night(routes(60))
    night.passes(30)

    night.passes(3600, step=3600)

    assert night.routes == routes(60)


@pytest.mark.parametrize("live", [routes(0, mirror=True), routes(20), routes(60), ALL_CANARY])
def test_before_the_upgrade_everyone_goes_home_and_no_copies_are_made(live: Routes) -> None:
    night = Night(live)

    night.passes(LIMIT + 5)

    assert night.routes == HOME


def test_a_primary_in_mid_upgrade_gets_nobody() -> None:
    night = Night(ALL_CANARY)
    night.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:2"}
    night.workloads.deployments["reviews-v1"].ready = 0

    night.passes(LIMIT + 60)

    assert (night.routes, night.acted) == (ALL_CANARY, [FailsafeAction.KEPT])
    assert "canary-bot/watchdog" in night.annotations
    assert [reason for reason, _ in night.mesh.events] == ["KeptOnCanary"]


def test_once_the_primary_is_as_it_was_everyone_goes_home_after_all() -> None:
    night = Night(ALL_CANARY)
    primary = night.workloads.deployments["reviews-v1"]
    primary.images = dict(RECORDED)
    primary.stale = 1
    night.passes(LIMIT + 5)
    kept = night.routes

    primary.stale = 0
    night.passes(6)

    assert (kept, night.routes, night.acted) == (ALL_CANARY, HOME, [FailsafeAction.KEPT, FailsafeAction.HOME])


def test_users_of_an_upgraded_primary_at_half_are_brought_to_the_canary() -> None:
    night = Night(routes(50))
    night.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:2"}

    night.passes(LIMIT + 5)

    assert (night.routes, night.acted) == (ALL_CANARY, [FailsafeAction.CANARY])


def test_where_nothing_is_better_nothing_is_written_and_a_person_is_asked_for_once() -> None:
    night = Night(routes(60))
    for deployment in night.workloads.deployments.values():
        deployment.ready = 0

    night.passes(LIMIT + 300)

    assert (night.routes, night.mesh.written) == (routes(60), [])
    ((reason, sentence),) = night.mesh.events
    assert reason == "LeftAsItIs"
    assert sentence.startswith("A person must decide: ")
    assert "canary-bot/watchdog" not in night.annotations


def test_it_goes_on_looking_and_helps_once_it_can() -> None:
    night = Night(routes(60))
    for deployment in night.workloads.deployments.values():
        deployment.ready = 0
    night.passes(LIMIT + 30)

    night.workloads.deployments["reviews-v1"].ready = 1
    night.passes(6)

    assert night.routes == HOME


def test_users_who_are_home_already_are_left_there_without_a_annotation_so_that_the_bot_may_go_on() -> None:
    night = Night(routes(0, mirror=True))
    night.mesh.route(TARGET, HOME, ROLLOUT.spec.id, ROLLOUT.spec.recorded)
    night.mesh.written.clear()
    night.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:2"}  # as when it bakes

    night.passes(LIMIT + 60)

    assert (night.mesh.written, night.acted) == ([], [])
    assert [reason for reason, _ in night.mesh.events] == ["LeftAtHome"]
    assert "canary-bot/watchdog" not in night.annotations


def test_a_second_watchdog_finds_nothing_to_do_and_nothing_to_say() -> None:
    night = Night(routes(60))
    other = night.another()
    for _ in range(round(LIMIT) + 60):
        night.passes(1)
        other.reconcile()

    assert night.mesh.written == [HOME]
    assert len(night.mesh.events) == 1


def test_a_place_that_is_new_in_services_yaml_is_watched_and_one_that_left_it_as_well() -> None:
    night = Night(routes(60), watched=("default", "elsewhere"))
    night.dog.use([a_service()])
    night.dog.use([a_service(virtual_service="elsewhere")])

    night.passes(LIMIT + 2)

    assert night.acted == [FailsafeAction.HOME]


def test_without_annotations_there_is_nothing_to_watch() -> None:
    night = Night(routes(60))
    night.mesh.release(TARGET, HOME, ROLLOUT.spec.id)
    night.mesh.written.clear()

    night.passes(LIMIT * 3)

    assert (night.silences, night.mesh.written, night.mesh.events) == ([], [], [])


def test_a_virtual_service_that_is_not_there_is_no_trouble() -> None:
    night = Night(routes(60), watched=("default", "ratings"))

    night.passes(LIMIT * 2)

    assert (night.dog.trouble, night.routes) == ("", routes(60))


def test_damaged_annotations_are_told_and_nothing_is_written() -> None:
    night = Night(routes(60))
    night.mesh.edit("maya", lambda vs: vs["metadata"]["annotations"].update({"canary-bot/restore": "{"}))

    night.passes(LIMIT + 5)

    assert night.mesh.written == []
    assert "is damaged" in plain(night.dog.trouble)


class Forbidding(InMemoryMesh):
    """A cluster that lets the watchdog read, and nothing else."""

    def apply(self, *_: object) -> None:
        raise Fault("Kubernetes", "Could not update VirtualService default/reviews: forbidden.")

    def notify(self, *_: object) -> None:
        raise Contended("Kubernetes", "Could not create Event: already exists.")


def test_a_failsafe_action_that_is_refused_is_told_and_tried_again_and_words_that_are_refused_stop_nothing() -> None:
    night = Night(routes(60))
    forbidding = Forbidding([night.mesh.virtual_service()])
    night.mesh, night.dog = (
        forbidding,
        Watchdog(
            services=[a_service()],
            mesh=forbidding,
            workloads=night.workloads,
            failsafe=forbidding,
            limit=LIMIT,
            now=night.wall.now,
            stopwatch=night.stopwatch.now,
            witness=Witness(failed=lambda _place, fault: night.failed.append(plain(fault.sentence))),
        ),
    )

    night.passes(LIMIT + 3)

    assert plain(night.dog.trouble).endswith("forbidden.")
    assert sum("forbidden" in sentence for sentence in night.failed) == 3
    assert sum("already exists" in sentence for sentence in night.failed) == 1


def test_silence_grows_reconcile_by_reconcile() -> None:
    night = Night(routes(60))

    night.passes(30)

    assert all(later - earlier == 1 for earlier, later in pairwise(night.silences))


def damage(night: Night, *names: str) -> None:
    """Somebody's tool cuts these annotations in half."""

    def cut(vs: dict[str, Any]) -> None:
        annotations = vs["metadata"]["annotations"]
        annotations |= {name: annotations[name][: len(annotations[name]) // 2] for name in names}

    night.mesh.edit("a tool", cut)


def test_annotations_that_were_damaged_after_a_beat_take_home_away_from_nobody() -> None:
    night = Night(routes(60))
    night.dog.reconcile()
    damage(night, RESTORE)

    night.passes(LIMIT + 5)

    assert (night.routes, night.acted, night.dog.trouble) == (HOME, [FailsafeAction.HOME], "")


def test_annotations_that_were_taken_away_after_a_beat_take_home_away_from_nobody() -> None:
    night = Night(routes(60))
    night.dog.reconcile()
    night.mesh.edit("maya", lambda vs: vs["metadata"]["annotations"].pop(RESTORE))

    night.passes(LIMIT + 5)

    assert (night.routes, night.acted) == (HOME, [FailsafeAction.HOME])


@pytest.mark.parametrize("names", [(RESTORE,), (OWNER, RESTORE)])
def test_where_nobody_can_know_where_home_is_an_event_asks_for_a_person_once(names: tuple[str, ...]) -> None:
    night = Night(routes(60))
    if OWNER in names:  # what was known before was another rollout's, as far as anybody can tell
        night.dog.reconcile()
    damage(night, *names)

    night.passes(2 * LIMIT)

    ((reason, sentence),) = night.mesh.events
    assert (night.mesh.written, reason) == ([], "RescueFailed")
    assert sentence.startswith("The watchdog cannot bring users to safety. The annotation `canary-bot/restore`")


@pytest.mark.parametrize("live", [routes(0, mirror=True), routes(60)])
def test_users_of_a_primary_that_was_deleted_go_to_the_canary(live: Routes) -> None:
    night = Night(live)
    del night.workloads.deployments["reviews-v1"]

    night.passes(LIMIT + 5)

    assert (night.routes, night.acted) == (ALL_CANARY, [FailsafeAction.CANARY])
