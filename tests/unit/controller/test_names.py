"""Which rollout is meant: live ones first, whatever services.yaml says now, and none of two that share something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.controller.controller import Controller
from bot.controller.decisions import Abandon, Abort, Approve, Pause, Resume
from bot.controller.names import key_of
from bot.controller.ports import Ports
from bot.controller.rivals import conflicts
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Phase, PodTemplate, Rollout, RolloutId
from bot.model.service import ServiceConfig
from bot.model.story import Entry
from bot.settings.services import read_or_do_without
from bot.words.rendering import plain
from bot.words.sentence import Text
from tests.builders import MAYA, OMAR, a_rollout, a_service, a_target
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import Rig
from tests.unit.controller.test_decisions import asked


def left(_: ServiceConfig) -> Mapping[str, ServiceConfig]:
    return {"other": a_service(name="other", primary_deployment="other-v1", canary_deployment="other-{version}")}


def renamed(service: ServiceConfig) -> Mapping[str, ServiceConfig]:
    return {"books": replace(service, name="books")}


def moved(service: ServiceConfig) -> Mapping[str, ServiceConfig]:
    return {"reviews": replace(service, namespace="shop")}


def empty(_: ServiceConfig) -> Mapping[str, ServiceConfig]:
    return {}


def with_file(rig: Rig, services: Mapping[str, ServiceConfig], trouble: Text = "") -> Controller:
    """A new process on the same world that has read another file."""
    before = rig.restarted()
    ports: Ports = before._ports  # the rig's world
    return Controller(services=services, trouble=trouble, ports=ports, new_id=lambda: RolloutId("r-new"))


@pytest.mark.parametrize("file", [left, renamed, moved, empty])
def test_a_service_that_is_not_in_the_file_any_more_is_ruled_like_any_other(
    file: Callable[[ServiceConfig], Mapping[str, ServiceConfig]],
) -> None:
    rig = Rig()
    rig.start()
    asked(rig)
    rig.controller = with_file(rig, file(rig.service))

    rig.decide(Approve())
    assert rig.at("shift 20").phase is Phase.SHIFTING
    assert rig.decide(Pause()).paused_by == OMAR
    assert rig.decide(Resume(), service="default/reviews").paused_by is None
    assert rig.controller.active("reviews") == rig.store.live()[0]
    assert "reviews" in rig.controller.names()
    aborted = rig.decide(Abort("it smells"))

    assert (aborted.phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)


def test_a_rollout_of_a_service_that_left_the_file_is_looked_after_to_its_end() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.controller = with_file(rig, {})
    for _ in range(200):
        for rollout in rig.store.live():
            if rollout.asked_at is not None:
                rig.decide(Approve())
        rig.workloads.finish("reviews-v1")
        rig.tick()

    assert [rollout.phase for rollout in rig.store.history("default/reviews")] == [Phase.PROMOTED]


def test_a_file_with_mistakes_starts_nothing_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("services:\n  reviews:\n    spacename: default\n", encoding="utf-8")
    catalogue = read_or_do_without(file)
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.controller = with_file(rig, {}, catalogue.trouble)

    with pytest.raises(Refusal, match=r"Nothing can be started: services.yaml line \d+: .*`canary-bot check` lists"):
        rig.controller.start("reviews", "v3", by=MAYA)
    assert rig.decide(Abandon("the file is broken, too")).phase is Phase.ABANDONED


def test_two_live_rollouts_of_one_name_are_told_apart_by_their_namespaces() -> None:
    live = ["default/reviews", "shop/reviews", "default/ratings"]
    file = {"reviews": a_service(namespace="prod")}

    assert key_of("ratings", live, file) == "default/ratings"
    assert key_of("shop/reviews", live, file) == "shop/reviews"
    assert key_of("reviews", live[:1], file) == "default/reviews"
    assert key_of("reviews", [], file) == "prod/reviews"
    assert key_of("prod/reviews", live, file) == "prod/reviews"
    with pytest.raises(Refusal, match=r"Several .* called reviews\. Say which: default/reviews or shop/reviews\."):
        key_of("reviews", live, file)
    with pytest.raises(Refusal, match=r"no service details in services.yaml. Known: reviews"):
        key_of("details", live, file)


def test_each_of_two_live_rollouts_of_one_name_is_ended_by_its_full_name() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    there = a_rollout(id=RolloutId("r-9"), target=a_target(namespace="shop"), phase=Phase.MIRRORING)
    rig.store.create(there, ())

    with pytest.raises(Refusal, match="Several services are called reviews"):
        rig.decide(Abandon("which one?"))
    rig.decide(Abandon("that one"), service="shop/reviews")

    assert [rollout.key for rollout in rig.store.live()] == ["default/reviews"]


# Rollouts of other services on the same Deployments


def beside(rig: Rig, **changes: Any) -> Rollout:
    """A live rollout that another service has begun."""
    target = a_target(
        virtual_service="books",
        **{"primary_deployment": "books-v1", "canary_deployment": "books-v2", "primary_subset": "b1", **changes},
    )
    books = a_service(name="books")
    return rig.store.create(a_rollout(books, id=RolloutId("r-9"), target=target, phase=Phase.MIRRORING), ())


@pytest.mark.parametrize(
    ("shared", "refused"),
    [
        ({"primary_deployment": "reviews-v1"}, True),
        ({"canary_deployment": "reviews-v2"}, True),
        ({"primary_deployment": "reviews-v2"}, True),
        ({"canary_deployment": "reviews-v1"}, True),
        ({"primary_deployment": "reviews-v1", "namespace": "shop"}, False),
        ({}, False),
    ],
)
def test_a_start_on_a_deployment_of_another_live_rollout_is_refused(shared: dict[str, str], *, refused: bool) -> None:
    rig = Rig()
    other = beside(rig, **shared)
    reasons = [
        one for one in map(plain, rig.controller.plan("reviews", "v2").findings) if "one rollout at a time" in one
    ]

    if refused:
        with pytest.raises(Refusal, match=r"books has a live rollout with .* \(v2, mirror\)") as refusal:
            rig.start()
        assert "abort" not in str(refusal.value)  # it would end the other one
    else:
        rig.start()

    assert len(reasons) == refused
    assert rig.store.active("default/books" if other.spec.target.namespace == "default" else other.key) == other


def test_a_version_that_makes_the_canary_another_services_primary_is_refused() -> None:
    rig = Rig()
    others = {"reviews": rig.service, "books": a_service(name="books", primary_deployment="reviews-v2")}
    rig.controller = with_file(rig, others)

    with pytest.raises(Refusal, match="reviews-v2 is the primary of books, so it is no canary of reviews"):
        rig.controller.start("reviews", "v2", by=MAYA)


class Meanwhile(InMemoryStore):
    """Just before the next rollout is stored another replica stores one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None

    def create(self, rollout: Rollout, entries: Sequence[Entry], *, fence: int | None = None) -> Rollout:
        first, self.first = self.first, None
        if first is not None:
            first()
        return super().create(rollout, entries, fence=fence)


def test_of_two_starts_at_the_same_moment_one_at_least_gives_way_before_anybody_is_moved() -> None:
    rig = Rig()
    rig.store = store = Meanwhile()
    rig.controller = rig.restarted()
    store.first = lambda: beside(rig, primary_deployment="reviews-v1")

    with pytest.raises(Refusal, match=r"aborted at once\. No user was moved"):
        rig.start()
    rig.until(lambda rollout: rollout.ended)

    assert rig.newest().phase is Phase.ABORTED
    assert {written.canary for written in rig.mesh.written} <= {0}
    assert rig.workloads.applied == []


@pytest.mark.parametrize("who", ["another service", "somebody"])
def test_an_abort_does_not_take_back_what_another_service_has_promoted_on_the_same_primary(who: str) -> None:
    """Such a pair can begin no more; records of an older version, or a restored backup, may still hold one."""
    rig = Rig()
    rig.start()
    live = rig.at("switchback 50")
    books = a_service(name="books", virtual_service="books")
    if who == "another service":
        newer = replace(
            live,
            spec=replace(
                live.spec, id=RolloutId("r-9"), service="books", upgraded=PodTemplate(images={"reviews": "reviews:9"})
            ),
        )
        rig.store.create(replace(newer, phase=Phase.PROMOTED, revision=0, ended_at=rig.clock.now()), ())
    rig.controller = with_file(rig, {"reviews": rig.service, "books": books})
    rig.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:9"}
    patches = len(rig.workloads.applied)

    rig.decide(Abort("slow"))
    for _ in range(20):
        rig.tick()

    taken_back = [template.images for template in rig.workloads.applied[patches:]]
    assert taken_back == ([] if who == "another service" else [{"reviews": "reviews:1"}])
    rig.decide(Abandon("books has it now"))
    assert rig.controller.active("reviews") is None


def test_a_rollout_is_not_in_its_own_way() -> None:
    ours, theirs = a_rollout(), a_rollout(a_service(name="ratings"), id=RolloutId("r-2"))

    assert list(conflicts(ours, [ours])) == []
    assert len(list(conflicts(ours, [ours, theirs]))) == 1
