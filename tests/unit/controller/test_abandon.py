"""The exit that needs nothing of the world: the record ends, our annotations go, and no route is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.controller.abandoning import NOBODY
from bot.controller.decisions import Abandon, Abort, ButtonToken, By, Event, Pause
from bot.model.errors import Fault, Refusal
from bot.model.rollout import HOME, Phase, Rollout, RolloutId
from bot.model.service import ApprovalRule
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.builders import LENA, OMAR, a_service, routes
from tests.fakes.mesh import InMemoryMesh, VirtualService
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import OUTAGE, Rig
from tests.unit.controller.test_decisions import drifted, halted, slack_user

WHY = Abandon("the service is retired")


def aborting(rig: Rig) -> Rollout:
    rig.at("switchback 50")
    return rig.decide(Abort("slow"))


def at(stage: str) -> Callable[[Rig], Rollout]:
    return lambda rig: rig.at(stage)


def paused(rig: Rig) -> Rollout:
    rig.at("shift 40")
    return rig.decide(Pause())


def anything_goes(_: Rig) -> None:
    """Nothing is lost."""


def without_virtual_service(rig: Rig) -> None:
    rig.mesh.remove("reviews")


def without_deployments(rig: Rig) -> None:
    rig.workloads.deployments.clear()


def without_rights(rig: Rig) -> None:
    rig.mesh.outage = Fault("Kubernetes", "Could not update VirtualService default/reviews: forbidden.")


def without_managed_route(rig: Rig) -> None:
    rig.mesh.edit("maya", lambda vs: vs["spec"].update(http=[{"fault": {"abort": {"httpStatus": 503}}}]))


def without_its_entry(rig: Rig) -> None:
    """The service has left services.yaml."""
    rig.service = a_service(name="other")
    rig.controller = rig.restarted()


STATES = {
    "mirroring": at("mirror"),
    "shifting": at("shift 40"),
    "paused": paused,
    "drifted": drifted,
    "halted": halted,
    "switching back": at("switchback 50"),
    "baking": at("bake"),
    "aborting": aborting,
}
LOSSES = [
    anything_goes,
    without_virtual_service,
    without_deployments,
    without_rights,
    without_managed_route,
    without_its_entry,
]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("bring", STATES.values(), ids=STATES)
def test_every_live_rollout_can_be_abandoned_whatever_was_lost(
    bring: Callable[[Rig], Rollout], lose: Callable[[Rig], None]
) -> None:
    rig = Rig()
    rig.start()
    bring(rig)
    key, rollout_id = rig.live().key, rig.live().spec.id
    lose(rig)
    routes_before, patches = spec(rig.mesh), list(rig.workloads.applied)

    ended = rig.decide(WHY)

    assert (ended.spec.id, ended.phase, rig.store.live()) == (rollout_id, Phase.ABANDONED, [])
    rig.tick()
    assert (spec(rig.mesh), rig.workloads.applied) == (routes_before, patches)
    last = rig.store.story(key, rollout_id)[-1]
    if lose is without_rights:
        assert (last.kind, "forbidden" in plain(last.text), "`/canary abandon reviews`" in plain(last.text)) == (
            EntryKind.ALERT,
            True,
            True,
        )
    else:
        assert (last.kind, last.by) == (EntryKind.ENDED, OMAR)
        assert annotations_on(rig.mesh) == {}


def spec(mesh: InMemoryMesh) -> object:
    return {key: vs["spec"] for key, vs in mesh.objects().items()}


def annotations_on(mesh: InMemoryMesh) -> dict[str, str]:
    found = (vs["metadata"].get("annotations", {}) for vs in mesh.objects().values())
    return {name: value for one in found for name, value in one.items() if name.startswith("canary-bot/")}


@pytest.mark.parametrize("reason", ["", "  ", "."])
def test_it_takes_a_reason(reason: str) -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")

    with pytest.raises(Refusal, match="Give a reason"):
        rig.decide(Abandon(reason))

    assert rig.live().phase is Phase.SHIFTING


def test_it_is_an_approvers_and_of_the_rollouts_own_rule() -> None:
    rig = Rig(a_service(approvals=ApprovalRule(approvers=(OMAR,))))
    rig.start()
    rig.at("shift 40")
    rig.service = replace(rig.service, approvals=ApprovalRule(approvers=(LENA,)))
    rig.controller = rig.restarted()

    with pytest.raises(Refusal, match="not one of the approvers"):
        rig.controller.decide("reviews", WHY, slack_user(LENA))
    assert rig.controller.decide("reviews", WHY, slack_user(OMAR)).phase is Phase.ABANDONED


def test_one_form_that_reaches_two_replicas_is_one() -> None:
    rig = Rig()
    rig.start()
    button_token = ButtonToken.of(rig.at("shift 40"))

    first = rig.controller.decide(button_token.key, WHY, By(id=OMAR), button_token)
    second = rig.restarted().decide(button_token.key, WHY, By(id=OMAR), button_token)

    assert first == second
    assert len(rig.said(EntryKind.ENDED)) == 1


# Annotations without a live rollout


def put_back(rig: Rig) -> Rollout:
    """A rollout was aborted, and somebody puts its VirtualService back: with users on the canary, and annotations."""
    rig.start()
    rig.at("shift 40")
    saved = rig.mesh.virtual_service()
    rig.decide(Abort("it smells"))
    ended = rig.until(lambda rollout: rollout.ended)

    def replace_it(vs: VirtualService) -> None:
        vs["spec"] = saved["spec"]
        vs["metadata"]["annotations"] = saved["metadata"]["annotations"]

    rig.mesh.edit("kubectl-replace", replace_it)
    return ended


def test_the_annotations_of_an_ended_rollout_go_and_its_routes_stay() -> None:
    rig = Rig()
    ended = put_back(rig)
    story = len(rig.controller.story(ended))

    found = rig.decide(WHY)

    assert (found.spec.id, found.phase) == (ended.spec.id, Phase.ABORTED)
    assert annotations_on(rig.mesh) == {}
    assert rig.mesh.observe(ended.spec.target).routes == routes(40)
    assert [entry.by for entry in rig.controller.story(ended)[story:]] == [OMAR]


def test_what_could_not_be_cleaned_up_is_cleaned_up_by_the_same_command_later() -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    rig.mesh.outage = OUTAGE
    rig.decide(WHY)
    rig.mesh.outage = None
    assert annotations_on(rig.mesh)
    notified = plain(rig.controller.story(live)[-1].text)  # its heartbeat has ended, and its annotations have not
    assert "Until then a watchdog may move the users to the safe side." in notified

    assert rig.decide(WHY).spec.id == live.spec.id

    assert annotations_on(rig.mesh) == {}


@pytest.mark.parametrize("damaged", [False, True])
def test_annotations_that_nobody_knows_go_and_the_history_tells_who_took_them(*, damaged: bool) -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.store = InMemoryStore()
    rig.controller = rig.restarted()
    if damaged:
        rig.mesh.edit("maya", lambda vs: vs["metadata"]["annotations"].update({"canary-bot/restore": "{"}))

    ended = rig.decide(WHY)

    assert (ended.phase, ended.reason, annotations_on(rig.mesh)) == (Phase.ABANDONED, "the service is retired.", {})
    assert rig.newest().spec.id == ended.spec.id
    with pytest.raises(Refusal, match="nothing to abandon"):
        rig.decide(WHY)


@pytest.mark.parametrize("rights", [True, False])
def test_a_rollout_whose_record_cannot_be_read_is_let_go_of_and_its_record_stays(*, rights: bool) -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    rig.store.garbled[live.spec.id] = "holds a rollout that cannot be read."
    if not rights:
        rig.mesh.outage = OUTAGE
    with pytest.raises(Refusal, match="Give a reason"):
        rig.decide(Abandon(""))
    assert rig.store.busy() == {"default/reviews": live.spec.id}

    ended = rig.decide(WHY)

    assert (ended.phase, ended.spec.id == live.spec.id, rig.store.busy()) == (Phase.ABANDONED, False, {})
    assert live.spec.id in rig.store.unreadable("default/reviews")
    assert (annotations_on(rig.mesh) == {}) == rights


@pytest.mark.parametrize("event", [WHY, Abort("the service is retired")], ids=["abandon", "abort"])
@pytest.mark.parametrize("text", ["holds a rollout that cannot be read.", "written by a newer canary-bot."])
def test_a_record_that_cannot_be_read_has_an_end_also_where_its_service_left_the_file(text: str, event: Event) -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    rig.store.garbled[live.spec.id] = text
    without_its_entry(rig)

    rig.decide(event)
    for _ in range(20):
        rig.tick()

    ended = rig.store.history("default/reviews")[0]
    assert (rig.store.busy(), annotations_on(rig.mesh)) == ({}, {})
    assert ended.phase is (Phase.ABANDONED if event is WHY else Phase.ABORTED)
    assert rig.mesh.observe(live.spec.target).routes == (routes(40) if event is WHY else HOME)


def test_who_may_abandon_a_record_that_cannot_be_read_is_what_the_record_still_says() -> None:
    rig = Rig(a_service(approvals=ApprovalRule(approvers=(OMAR,))))
    rig.start()
    rig.store.garbled[rig.at("shift 40").spec.id] = "written by a newer canary-bot."
    without_its_entry(rig)

    with pytest.raises(Refusal, match="not one of the approvers"):
        rig.controller.decide("reviews", WHY, slack_user(LENA))
    assert rig.controller.decide("reviews", WHY, slack_user(OMAR)).phase is Phase.ABANDONED


def test_the_annotations_of_another_services_live_rollout_stay() -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    rig.service = replace(rig.service, name="ratings")
    rig.controller = rig.restarted()
    before = annotations_on(rig.mesh)

    with pytest.raises(Refusal, match="which is live"):
        rig.decide(WHY, service="ratings")
    button_token = ButtonToken(key="default/ratings", rollout_id=NOBODY, stage=0, evidence=0)
    with pytest.raises(Refusal, match="which is live"):
        rig.controller.decide("default/ratings", WHY, By(id=OMAR), button_token)

    assert (annotations_on(rig.mesh), rig.store.live()) == (before, [rig.store.load(live.key, live.spec.id)])


def test_a_form_about_no_rollout_does_nothing_to_one_that_has_begun_since() -> None:
    rig = Rig()
    button_token = rig.controller.token_without_rollout("reviews")
    rig.start()
    rig.at("mirror")

    with pytest.raises(Refusal, match="which is live"):
        rig.controller.decide(button_token.key, WHY, By(id=OMAR), button_token)

    assert rig.live().phase is Phase.MIRRORING


def test_a_form_of_an_earlier_rollout_takes_off_nobody_elses_annotations() -> None:
    rig = Rig()
    put_back(rig)
    button_token = ButtonToken(key="default/reviews", rollout_id=RolloutId("r-0"), stage=1, evidence=1)

    with pytest.raises(Refusal, match="left nothing behind"):
        rig.controller.decide(button_token.key, WHY, By(id=OMAR), button_token)

    assert annotations_on(rig.mesh)


def test_once_the_routes_are_put_right_by_hand_the_next_start_finds_nothing_in_its_way() -> None:
    rig = Rig()
    before = rig.mesh.virtual_service()["spec"]
    rig.start()
    rig.at("shift 40")
    rig.decide(WHY)
    rig.mesh.edit("maya", lambda vs: vs.update(spec=before))

    assert rig.start().phase is Phase.MIRRORING
