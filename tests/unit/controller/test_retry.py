"""An aborted rollout begins again where it stopped: with the same images, after a look in the mirror, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.adapters.serialization import dump_rollout, load_rollout
from bot.controller.decisions import Abort
from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.model.rollout import Phase, Rollout, UserId
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests import snapshots
from tests.builders import LENA, MAYA, OMAR, a_side_of, routes
from tests.unit.controller.test_controller import Rig

BITS, OTHER_BITS = "sha256:" + "2" * 64, "sha256:" + "3" * 64


class Aborted(Rig):
    """v2 was aborted in a stage of its plan."""

    def __init__(self, stage: str = "shift 40", image_id: str = f"reviews@{BITS}") -> None:
        super().__init__()
        self.run(image_id)
        self.start()
        self.at(stage)
        self.decide(Abort(reason="The database was slow."))
        self.until(lambda rollout: rollout.ended)
        self.mesh.written.clear()

    def run(self, image_id: str, primary: str = "reviews:1") -> None:
        """The canary's pods show these bits."""
        v1 = snapshots.a_deployment("reviews-v1", "v1", image=primary)
        v2 = snapshots.a_deployment("reviews-v2", "v2", image="reviews:2")
        pods = (snapshots.a_pod(v1), *(snapshots.a_pod(v2, number, image_id=image_id) for number in (1, 2)))
        self.snapshots.found = snapshots.a_snapshot(
            virtual_service=self.mesh.virtual_service(), deployments=(v1, v2), pods=pods
        )

    def retry(self, stage: str = "", by: UserId = MAYA, because: str = "") -> Rollout:
        return self.controller.retry("reviews", by=by, stage=stage, because=because)


def test_it_goes_on_where_it_stopped_after_a_look_in_the_mirror_and_a_new_approval() -> None:
    world = Aborted()
    begun = world.retry()

    assert (begun.phase, begun.approvals) == (Phase.MIRRORING, ())
    asked = world.until(lambda rollout: rollout.asked_at is not None, approve=False)
    assert asked.current.name == "mirror"
    over = world.until(lambda rollout: rollout.ended)
    assert over.phase is Phase.PROMOTED
    assert [one.name for one in over.walked][:3] == ["mirror", "shift 40", "shift 60"]
    assert world.mesh.written[:2] == [routes(0, mirror=True), routes(40)]


def test_the_mirror_takes_no_longer_than_its_figures_need() -> None:
    world = Aborted()
    began = world.retry().spec.started_at
    asked = world.until(lambda rollout: rollout.asked_at is not None, approve=False)

    assert asked.asked_at is not None
    assert asked.asked_at - began < world.service.mirror_seconds / 2


def test_who_asked_why_and_from_where_stand_in_the_story_and_the_question() -> None:
    world = Aborted()
    world.retry(by=LENA, because="the database is well again")
    asked = world.until(lambda rollout: rollout.asked_at is not None, approve=False)

    taken_up = (
        "retries v2 from 40 % of users; before the abort these passed: mirror and 20 % of users. "
        "Approvals given then do not count."
    )
    (started,), (question,) = world.said(EntryKind.STARTED), world.said(EntryKind.ASK)
    assert taken_up in started
    assert taken_up in question
    assert LENA in started
    assert asked.spec.because == "the database is well again"
    assert load_rollout(dump_rollout(asked)).spec.again == asked.spec.again


def test_an_earlier_stage_may_be_named() -> None:
    world = Aborted("shift 60")
    begun = world.retry("shift 20")
    assert [stage.name for stage in begun.spec.plan][:3] == ["mirror", "shift 20", "shift 40"]


def test_a_canary_that_has_become_worse_is_aborted_in_the_mirror_and_meets_nobody() -> None:
    world = Aborted()
    world.metrics.sides["default/reviews-v2"] = a_side_of(800, errors=400)
    world.retry()
    over = world.until(lambda rollout: rollout.ended)

    assert over.phase is Phase.ABORTED
    assert over.walked[0].name == "mirror"
    assert all(one.canary == 0 for one in world.mesh.written)


def _other_canary(world: Aborted) -> None:
    world.run(f"reviews@{OTHER_BITS}")


def _other_primary(world: Aborted) -> None:
    world.run(f"reviews@{BITS}", primary="reviews:1.1")
    world.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:1.1"}


def _two_days_later(world: Aborted) -> None:
    world.clock.advance(48 * 3600)


def _frozen(world: Aborted) -> None:
    world.controller.freeze(ALL, by=OMAR, reason="audit", seconds=None)


def _started(world: Aborted) -> None:
    world.start()


AGAINST: dict[str, tuple[Callable[[Aborted], None], str, str]] = {
    "another canary": (_other_canary, "", "reviews-v2 has another image now than before the abort."),
    "another primary": (_other_primary, "", "reviews-v1 has another image now than before the abort."),
    "two days later": (_two_days_later, "", "was aborted more than 24 hours ago"),
    "everything is frozen": (_frozen, "", "All services are frozen"),
    "it has been started": (_started, "", "v2 is already rolling out"),
    "no such stage": (
        lambda _: None,
        "shift 41",
        "Type `/canary retry reviews --from-stage 20` or `/canary retry reviews --from-stage 40`.",
    ),
    "further than it had got": (lambda _: None, "shift 60", "cannot be retried from `shift 60`."),
    "the mirror": (lambda _: None, "mirror", "cannot be retried from `mirror`."),
}


@pytest.mark.parametrize(("happen", "stage", "why"), AGAINST.values(), ids=AGAINST)
def test_what_speaks_against_it_is_said_and_nothing_is_written(
    happen: Callable[[Aborted], None], stage: str, why: str
) -> None:
    world = Aborted()
    happen(world)
    before = list(world.mesh.written)
    with pytest.raises(Refusal) as refused:
        world.retry(stage)
    assert why in " ".join(plain(one) for one in (refused.value.sentence, *refused.value.reasons))
    assert world.mesh.written == before


def test_bits_that_nobody_knows_are_not_taken_for_those_that_passed() -> None:
    world = Aborted(image_id="")
    with pytest.raises(Refusal) as refused:
        world.retry()
    assert "do not show which image they run" in plain(refused.value.reasons[0])


def test_without_an_aborted_rollout_it_is_said_what_to_type() -> None:
    world = Rig()
    with pytest.raises(Refusal, match="Type `/canary start reviews`"):
        world.controller.retry("reviews", by=MAYA)
    assert world.controller.retries("reviews") == ()

    world.start()
    world.until(lambda rollout: rollout.ended)
    with pytest.raises(Refusal, match=r"\(promoted\). Type `/canary start reviews v2`"):
        world.controller.retry("reviews", by=MAYA)


def test_an_abort_in_the_mirror_leaves_nothing_to_leave_out() -> None:
    world = Rig()
    world.start()
    world.decide(Abort(reason="no"))
    world.until(lambda rollout: rollout.ended)
    with pytest.raises(Refusal, match="aborted before anything had passed"):
        world.controller.retry("reviews", by=MAYA)
