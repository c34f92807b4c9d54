"""Somebody else's changes: each kind is noticed with its author, and each choice does what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.model.figures import Verdict
from bot.model.observation import DeploymentStatus, Observation
from bot.model.rollout import HOME, HoldCause, Phase, Rollout, RolloutId, Template, Topology
from bot.model.service import DriftRule, OnDrift, Promote
from bot.model.story import Entry, EntryKind
from bot.rollout import aborts, decide, drift, people
from bot.rollout.actions import ApplyTemplate, Release, SetRoutes, next_action
from bot.words.rendering import plain
from tests.builders import OLD, OMAR, a_rollout, a_service, a_side, a_target, an_observation, changed, routes, verdict

PASS, FAIL = verdict(Verdict.PASS), verdict(Verdict.FAIL)
OTHER = RolloutId("r-2")
NOON = 1_750_000_000.0  # 15:06:40 UTC


def at_stage(name: str, topology: Topology = Topology.PER_VERSION, **changes: Any) -> Rollout:
    """A rollout that is settled at a stage of its plan."""
    target = a_target(topology, primary_uid="p-1", canary_uid="c-1")
    rollout = a_rollout(a_service(), topology, target=target)
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    there = replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0)
    return changed(there, **changes)


def edited(rollout: Rollout, **changes: Any) -> Observation:
    """The mesh as kubectl left it."""
    return an_observation(rollout, **{"routes": HOME, "writer": "kubectl-edit", "written_at": NOON, **changes})


def said(entries: tuple[Entry, ...]) -> list[str]:
    return [plain(entry.text) for entry in entries]


# What is noticed


def side(template: Template | None, images: dict[str, str], **changes: Any) -> DeploymentStatus:
    return a_side(template, images=images, writer="helm", written_at=NOON, **changes)


TWO_KINDS = {"reviews": frozenset({"sha256:" + "2" * 64, "sha256:" + "9" * 64})}
CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "the shares": ("shift 40", {"routes": HOME}, "traffic split of reviews (kubectl-edit, 2025-06-15 15:06 UTC): 60"),
    "the mirror": ("mirror", {"routes": HOME}, "mirroring on → off"),
    "routes that no plan could write": (
        "shift 40",
        {"routes": None, "reason": "It has weights that are no whole percents."},
        ": 60/40 → something else (It has weights that are no whole percents).",
    ),
    "the mark": ("shift 40", {"routes": routes(40), "owner": OTHER}, "rollout annotation r-1 → r-2"),
    "our annotations": ("shift 40", {"routes": routes(40), "owner": None}, "removed canary-bot's annotations"),
    "a damaged record": ("shift 40", {"routes": routes(40), "annotated": False}, "removed canary-bot's annotations"),
    "the primary's image": (
        "shift 40",
        {"routes": routes(40), "primary": side(None, {"reviews": "registry.example/reviews:9"})},
        "image reviews:1 → reviews:9",
    ),
    "the primary's image in mid-upgrade": (
        "upgrade",
        {"routes": routes(100), "primary": side(None, {"reviews": "reviews:9"})},
        "image reviews:2@sha256:222222222222 → reviews:9",
    ),
    "the canary's image": (
        "shift 40",
        {"routes": routes(40), "canary": side(None, {"reviews": "reviews:3"})},
        "image reviews:2 → reviews:3",
    ),
    "the bits behind the canary's tag": (
        "shift 40",
        {"routes": routes(40), "canary": side(Template.RECORDED, {}, digests=TWO_KINDS)},
        "image that pods of reviews-v2 run sha256:222222222222 → sha256:999999999999",
    ),
    "another Deployment of the primary's name": (
        "shift 40",
        {"routes": routes(40), "primary": side(Template.RECORDED, {}, uid="p-2")},
        "reviews-v1 the one at the start → another of that name",
    ),
    "no Deployment any more": (
        "shift 40",
        {"routes": routes(40), "canary": side(None, {}, exists=False)},
        "reviews-v2 there → none",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("stage", "changes", "diff"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed_at_the_next_reconcile_and_shown_as_a_diff(
    stage: str, changes: dict[str, Any], diff: str
) -> None:
    rollout = at_stage(stage, asked_at=1.0, evidence=4)

    held, entries = decide.decide(rollout, edited(rollout, **changes), PASS, 500.0)

    assert held.stage == rollout.stage
    assert (held.hold and held.hold.cause, [entry.kind for entry in entries]) == (HoldCause.DRIFT, [EntryKind.ALERT])
    assert diff in plain(entries[0].text)
    assert (held.asked_at, held.evidence) == (None, 5), "an approval would have rested on something else"
    assert decide.decide(held, edited(rollout, **changes), PASS, 501.0) == (held, ()), "it is told once"


def test_labels_that_tell_the_subsets_apart_are_watched_too() -> None:
    rollout = at_stage("shift 40", Topology.RELABEL)

    held, entries = decide.decide(
        rollout, edited(rollout, routes=routes(40), primary=side(None, {"reviews": OLD})), PASS, 1.0
    )

    assert held.drift
    assert "pod labels version=v1 → others" in plain(entries[0].text)


def test_who_did_it_and_when_are_said_by_managed_fields() -> None:
    rollout = at_stage("shift 40")

    _, entries = decide.decide(rollout, edited(rollout), PASS, 500.0)

    assert " ".join(said(entries)) == (
        "Someone changed the traffic split of reviews (kubectl-edit, 2025-06-15 15:06 UTC): 60/40 → 100/0. "
        "Restore puts 60/40 back, Hold keeps 100/0 and waits, Abort takes all users back. "
        "Without an answer within 10 minutes, the change stays and the rollout waits."
    )


def test_whoever_took_the_annotation_is_named_and_not_who_wrote_the_routes() -> None:
    rollout = at_stage("shift 40")
    observed = edited(
        rollout, routes=routes(40), owner=OTHER, writer="canary-bot", annotated_by="argo", annotated_at=NOON
    )

    assert plain(decide.decide(rollout, observed, PASS, 1.0)[1][0].text).startswith(
        "Someone changed VirtualService reviews (argo, 2025-06-15 15:06 UTC): "
    )


def test_two_objects_that_were_changed_are_two_sentences() -> None:
    rollout = at_stage("shift 40")
    observed = edited(rollout, primary=side(None, {"reviews": "reviews:9"}))

    text = plain(decide.decide(rollout, observed, PASS, 1.0)[1][0].text)

    assert "Someone changed the traffic split of reviews (kubectl-edit, 2025-06-15 15:06 UTC)" in text
    assert "Someone changed Deployment reviews-v1 (helm, 2025-06-15 15:06 UTC): image reviews:1 → reviews:9." in text


def test_before_the_routes_of_a_stage_are_written_those_of_the_one_before_are_no_drift() -> None:
    rollout = at_stage("shift 40", settled_at=None)

    assert drift.find(rollout, an_observation(rollout, routes=routes(20)), 1.0) == ()
    assert drift.find(rollout, an_observation(rollout, routes=routes(70)), 1.0) != ()


def test_the_upgrade_itself_is_no_drift() -> None:
    rollout = at_stage("upgrade", settled_at=None)

    for template in (Template.RECORDED, Template.UPGRADED):
        assert drift.find(rollout, an_observation(rollout, primary=a_side(template)), 1.0) == ()


def test_a_halt_lets_people_mend_the_primary_and_tells_of_routes_that_were_moved() -> None:
    halted = at_stage("upgrade", phase=Phase.HALTED)

    assert drift.find(halted, an_observation(halted, primary=a_side(None)), 1.0) == ()
    assert decide.decide(halted, edited(halted), PASS, 1.0)[0].drift is not None


# What becomes of it


def held_at(stage: str = "shift 40", **changes: Any) -> Rollout:
    rollout = at_stage(stage, **changes)
    return decide.decide(rollout, edited(rollout), PASS, 0.0)[0]


def test_restoring_writes_ours_again_and_the_stage_is_judged_anew() -> None:
    held = held_at()
    restored, entries = people.restore(held, OMAR, 5.0)

    assert said(entries) == ["U0OMAR puts it back: traffic split 100/0 → 60/40."]
    assert next_action(restored, edited(held)) == SetRoutes(routes=routes(40), held_before=True)
    seen, more = decide.decide(restored, edited(held), PASS, 6.0)
    assert (seen.drift, more) == (None, ()), "what is being written over is not told again"
    settled, _ = decide.decide(seen, an_observation(seen), PASS, 7.0)
    assert (settled.settled_at, settled.restoring_at, settled.hold) == (7.0, None, None)


def test_a_restore_that_does_not_get_through_is_told_again() -> None:
    held = held_at()
    restored, _ = people.restore(held, OMAR, 5.0)

    again, entries = decide.decide(restored, edited(held), PASS, 5.0 + drift.RESTORING_SECONDS + 1)

    assert again.drift
    assert "canary-bot has put it back 1 time already, and kubectl-edit changed it again." in plain(entries[0].text)


def test_a_taken_annotation_is_taken_back_by_a_restore_and_by_nothing_else() -> None:
    rollout = at_stage("shift 40")
    taken = edited(rollout, routes=routes(40), owner=OTHER)
    held, _ = decide.decide(rollout, taken, PASS, 0.0)

    assert next_action(rollout, taken) == SetRoutes(routes=routes(40))
    restored, _ = people.restore(held, OMAR, 1.0)
    assert next_action(restored, taken) == SetRoutes(routes=routes(40), taking_from=OTHER, held_before=True)
    aborting, _ = aborts.abort(held, OMAR, "because.", 1.0)
    assert next_action(aborting, taken) == SetRoutes(routes=HOME, taking_from=OTHER)


def test_a_primarys_image_is_restored_while_it_has_no_users() -> None:
    rollout = at_stage("shift 100")
    foreign = edited(rollout, routes=routes(100), primary=side(None, {"reviews": "reviews:9"}))
    held, _ = decide.decide(rollout, foreign, PASS, 0.0)

    restored, _ = people.restore(held, OMAR, 1.0)

    assert next_action(restored, foreign) == ApplyTemplate(template=Template.RECORDED)


def test_a_primarys_image_is_not_touched_while_it_has_users() -> None:
    rollout = at_stage("shift 40")
    foreign = edited(rollout, routes=routes(40), primary=side(None, {"reviews": "reviews:9"}))
    held, entries = decide.decide(rollout, foreign, PASS, 0.0)

    assert "Restore" not in plain(entries[0].text)
    with pytest.raises(Refusal, match="canary-bot cannot restore Deployment reviews-v1"):
        people.restore(held, OMAR, 1.0)
    assert people.keep_theirs(held, OMAR, 1.0)[0].drift is not None


def test_holding_leaves_theirs_for_ever_and_says_no_more() -> None:
    held = held_at(drift_rule=DriftRule(on_timeout=OnDrift.ABORT))
    left, entries = people.keep_theirs(held, OMAR, 5.0)

    assert said(entries) == [
        (
            "U0OMAR keeps the change (traffic split 60/40 → 100/0). "
            "The rollout waits until it is undone, restored or aborted."
        )
    ]
    assert decide.decide(left, edited(left), PASS, 99_999.0) == (left, ())
    with pytest.raises(Refusal, match="waits with that change already"):
        people.keep_theirs(left, OMAR, 6.0)
    assert people.restore(left, OMAR, 7.0)[0].drift is None, "people may change their mind"


def test_a_change_that_is_undone_lets_the_rollout_go_on_by_itself() -> None:
    held = held_at()
    going, entries = decide.decide(held, an_observation(held), PASS, 90.0)

    assert (going.drift, going.hold, going.settled_at) == (None, None, 90.0)
    assert said(entries) == ["The change was undone after 90 seconds, going on at 40 % of users."]


def test_another_change_on_top_is_told_as_well() -> None:
    held, _ = people.keep_theirs(held_at(), OMAR, 5.0)

    again, entries = decide.decide(held, edited(held, routes=routes(90)), PASS, 6.0)

    assert again.drift
    assert again.drift.left_by is None
    assert "60/40 → 10/90" in plain(entries[0].text)


@pytest.mark.parametrize(
    ("rule", "notified"),
    [
        (OnDrift.HOLD, "Nobody chose what to do within 10 minutes. The change stays"),
        (OnDrift.RESTORE, "Nobody chose what to do within 10 minutes. Putting it back: "),
        (OnDrift.ABORT, "Aborted at 40 % of users. Someone changed the traffic split of reviews (kubectl-edit, "),
    ],
)
def test_without_an_answer_the_services_rule_decides(rule: OnDrift, notified: str) -> None:
    held = held_at(drift_rule=DriftRule(on_timeout=rule))

    assert decide.decide(held, edited(held), PASS, 600.0) == (held, ())
    decided, entries = decide.decide(held, edited(held), PASS, 601.0)

    assert plain(entries[-1].text).startswith(notified)
    assert (decided.phase is Phase.ABORTING) == (rule is OnDrift.ABORT)
    assert (decided.drift is None) == (rule is not OnDrift.HOLD)
    if rule is OnDrift.HOLD:
        assert decide.decide(decided, edited(held), PASS, 99_999.0) == (decided, ()), "told once"


def test_a_tool_that_keeps_the_object_is_named_with_its_ignore_rules_and_not_fought_for_ever() -> None:
    rollout = at_stage("shift 40", drift_rule=DriftRule(on_timeout=OnDrift.RESTORE))
    texts = []
    now = 0.0
    for _ in range(drift.FLAPS + 2):  # Argo CD undoes what was restored, each time
        observed = edited(rollout, writer="argocd-controller")
        rollout, entries = decide.decide(rollout, observed, PASS, now)
        texts += said(entries)
        now += 700.0
        rollout, _ = decide.decide(rollout, observed, PASS, now)
        rollout, _ = decide.decide(rollout, an_observation(rollout), PASS, now + 1)

    assert "argocd-controller is Argo CD. `canary-bot gitops reviews` prints the rules" in texts[0]
    assert "changed it again" not in texts[0]
    assert "canary-bot has put it back 3 times already, and argocd-controller changed it again." in texts[3]
    assert texts[3].count("Without an answer within 10 minutes, the change stays and the rollout waits.") == 1
    assert len(rollout.overwritten) == drift.FLAPS


def test_somebody_who_is_no_known_tool_is_hinted_at_once_it_flaps() -> None:
    held = held_at()
    restored, _ = people.restore(held, OMAR, 1.0)
    settled, _ = decide.decide(restored, an_observation(restored), PASS, 2.0)

    _, entries = decide.decide(settled, edited(settled), PASS, 3.0)

    assert "If kubectl-edit is a tool, make it leave this object alone while a rollout runs." in plain(entries[0].text)


def test_bad_figures_abort_over_a_drift_that_nobody_has_answered() -> None:
    held = held_at()

    aborting, _ = decide.decide(held, edited(held, routes=routes(70)), FAIL, 5.0)

    assert (aborting.phase, aborting.drift) == (Phase.ABORTING, None)
    assert next_action(aborting, edited(held, routes=routes(70))) == SetRoutes(routes=HOME)


def test_nothing_is_to_be_decided_where_nobody_changed_anything() -> None:
    rollout = at_stage("shift 40")

    with pytest.raises(Refusal, match="Nobody else has changed anything of reviews"):
        people.restore(rollout, OMAR, 1.0)
    with pytest.raises(Refusal, match="Nobody else has changed anything of reviews"):
        people.keep_theirs(rollout, OMAR, 1.0)


def test_a_cluster_that_could_not_be_read_gives_the_hold_back_to_the_change_that_is_still_there() -> None:
    rollout = at_stage("shift 40")
    noticed, _ = decide.decide(rollout, edited(rollout), PASS, 10.0)
    blind, _ = decide.decide(noticed, None, PASS, 20.0)

    seen, notified = decide.decide(blind, edited(rollout), PASS, 30.0)
    still, nothing = decide.decide(seen, edited(rollout), PASS, 40.0)

    assert blind.hold is not None
    assert blind.hold.cause is HoldCause.CLUSTER
    assert seen.hold == noticed.hold == still.hold
    assert (seen.drift, nothing) == (noticed.drift, ())
    assert said(notified)[0].startswith("Someone changed the traffic split of reviews (kubectl-edit, ")
    assert said(notified)[0].endswith("Staying at 40 % of users again.")


# Removed, by whoever it was


@pytest.mark.parametrize("changes", [{"owner": None}, {"annotated": False}], ids=["the mark", "the record"])
def test_what_was_removed_is_somebodys_and_not_our_own_doing(changes: dict[str, Any]) -> None:
    rollout = at_stage("shift 40")
    observed = an_observation(rollout, writer="canary-bot", written_at=NOON, **changes)

    _, entries = decide.decide(rollout, observed, PASS, 1.0)

    removed = "Someone removed canary-bot's annotations from VirtualService reviews."
    assert plain(entries[0].text).startswith(removed)


def test_a_deployment_that_is_gone_was_removed() -> None:
    rollout = at_stage("shift 40")
    gone = a_side(None, exists=False)  # its last pods still answer

    _, entries = decide.decide(rollout, an_observation(rollout, canary=gone), PASS, 1.0)

    assert plain(entries[0].text).startswith("Someone removed Deployment reviews-v2.")


# Nobody's business any more


@pytest.mark.parametrize(
    "canary",
    [
        side(None, {}, exists=False, ready=0, wanted=0),
        side(None, {"reviews": "reviews:3"}),
        side(Template.RECORDED, {}, uid="c-2"),
        side(Template.RECORDED, {}, ready=0, wanted=0),
    ],
    ids=["deleted", "the next version", "made anew", "scaled down"],
)
@pytest.mark.parametrize("stage", ["bake", "finish"])
def test_a_canary_that_has_done_its_work_may_be_cleaned_away_or_get_its_next_image(
    canary: DeploymentStatus, stage: str
) -> None:
    rollout = at_stage(stage, scale_canary_down=True, settled_at=None)
    observed = an_observation(rollout, canary=canary, owner=rollout.spec.id)

    seen, entries = decide.decide(rollout, observed, PASS, 1.0)

    assert (seen.phase, seen.hold, entries) == (Phase.BAKING, None, ())
    wanted = Release(routes=HOME) if stage == "finish" else None
    assert next_action(seen, observed) == wanted, "the next version's pods are not scaled down"


def test_a_canary_that_has_the_users_for_good_is_watched_to_the_end() -> None:
    adopting = a_rollout(a_service(promote=Promote.ADOPT))
    place = next(i for i, stage in enumerate(adopting.spec.plan) if stage.name == "bake")
    baking = replace(adopting, phase=Phase.BAKING, stage=place, settled_at=0.0)

    held, _ = decide.decide(baking, an_observation(baking, canary=side(None, {"reviews": "reviews:3"})), PASS, 1.0)

    assert held.drift is not None


def test_a_relabelled_canary_answers_users_until_it_has_no_pod_any_more() -> None:
    rollout = at_stage("bake", Topology.RELABEL)
    mixed = an_observation(rollout, canary=side(None, {"reviews": "reviews:3"}))

    assert decide.decide(rollout, mixed, PASS, 1.0)[0].drift is not None
    gone = replace(mixed, canary=side(None, {}, exists=False, ready=0))
    assert decide.decide(rollout, gone, PASS, 1.0)[0].drift is None
