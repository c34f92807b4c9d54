"""What may happen to a rollout: each event once, then every input of one reconcile, then whole stories as laws."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from bot.model.errors import Refusal
from bot.model.figures import Finding, Judgement, Verdict
from bot.model.observation import FailsafeAction, FailsafeRecord, Progress
from bot.model.rollout import ALL_CANARY, BOT, ENDED, HOME, HoldCause, Phase, Rollout, Template, Topology
from bot.model.service import ApprovalRule, ApproveAt, OnTimeout, Promote
from bot.model.story import Entry, EntryKind
from bot.rollout import aborts, approvals, decide, people
from bot.rollout.actions import next_action
from bot.rollout.phrases import called
from bot.rollout.transitions import TRANSITIONS
from bot.words.rendering import plain
from tests.builders import EVER, LENA, MAYA, OMAR, a_rollout, a_service, a_side, an_observation, routes, verdict

PASS, INCONCLUSIVE, ERROR, FAIL = (verdict(word) for word in Verdict)


def begun(**changes: object) -> Rollout:
    rollout, _ = decide.enter_first_stage(a_rollout(a_service(**changes)), now=0.0)
    return rollout


def at_stage(name: str, topology: Topology = Topology.PER_VERSION, **changes: object) -> Rollout:
    """A rollout that is settled at a stage of its plan, as if it had walked there."""
    rollout = a_rollout(a_service(**changes), topology)
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    return replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0)


def kinds(entries: tuple[Entry, ...]) -> list[EntryKind]:
    return [entry.kind for entry in entries]


def test_a_rollout_begins_with_the_mirror() -> None:
    rollout, entries = decide.enter_first_stage(a_rollout(), now=5.0)

    assert (rollout.phase, rollout.current.routes) == (Phase.MIRRORING, routes(0, mirror=True))
    assert kinds(entries) == [EntryKind.STARTED]


def test_a_stage_counts_its_time_from_when_the_routes_were_seen_not_from_when_they_were_wanted() -> None:
    rollout = begun(approve=())
    pending, _ = decide.decide(rollout, an_observation(rollout, routes=HOME), PASS, now=1000.0)

    assert pending.settled_at is None
    settled, _ = decide.decide(pending, an_observation(rollout), PASS, now=1001.0)
    assert (settled.settled_at, settled.stage) == (1001.0, 0)


def test_a_passed_and_served_stage_without_approval_is_left() -> None:
    rollout = at_stage("shift 20")

    left, entries = decide.decide(rollout, an_observation(rollout), PASS, now=120.0)

    assert left.current.name == "shift 40"
    assert kinds(entries) == [EntryKind.SUMMARY, EntryKind.STAGE]


def test_a_passed_stage_is_not_left_before_its_least_time() -> None:
    rollout = at_stage("shift 20")

    assert decide.decide(rollout, an_observation(rollout), PASS, now=119.0)[0].stage == rollout.stage


def test_people_are_asked_once_and_the_stage_waits_for_them() -> None:
    rollout = at_stage("mirror")
    asked, first = decide.decide(rollout, an_observation(rollout), PASS, now=300.0)
    waiting, second = decide.decide(asked, an_observation(asked), PASS, now=310.0)

    assert (kinds(first), second) == ([EntryKind.ASK], ())
    assert waiting.current.name == "mirror"


def test_an_approval_lets_the_next_reconcile_leave_the_stage() -> None:
    rollout = at_stage("mirror")
    asked, _ = decide.decide(rollout, an_observation(rollout), PASS, now=300.0)
    approved, _ = approvals.approve(asked, OMAR, now=301.0)

    left, _ = decide.decide(approved, an_observation(approved), PASS, now=302.0)

    assert left.current.name == "shift 20"


def test_an_approval_is_refused_before_it_is_asked_for() -> None:
    with pytest.raises(Refusal, match="reviews needs no approval now"):
        approvals.approve(at_stage("mirror"), OMAR, now=1.0)


def test_nobody_approves_their_own_rollout_unless_the_service_allows_it() -> None:
    rollout = replace(at_stage("mirror"), asked_at=1.0)

    with pytest.raises(Refusal, match="somebody else"):
        approvals.approve(rollout, MAYA, now=2.0)
    allowed = replace(rollout, spec=replace(rollout.spec, approvals_rule=ApprovalRule(own=True)))
    assert approvals.approve(allowed, MAYA, now=2.0)[0].approvals[0].by == MAYA


def test_two_approvals_are_two_people() -> None:
    rollout = replace(
        at_stage("mirror"), spec=replace(at_stage("mirror").spec, approvals_rule=ApprovalRule(count=2)), asked_at=1.0
    )
    once, _ = approvals.approve(rollout, OMAR, now=2.0)

    with pytest.raises(Refusal, match="approved this already"):
        approvals.approve(once, OMAR, now=3.0)
    assert decide.decide(once, an_observation(once), PASS, now=300.0)[0].stage == once.stage
    twice, _ = approvals.approve(once, LENA, now=4.0)
    assert decide.decide(twice, an_observation(twice), PASS, now=300.0)[0].stage == once.stage + 1


def test_worse_figures_withdraw_the_question_and_its_approvals() -> None:
    rollout = replace(at_stage("mirror"), asked_at=1.0, evidence=7)
    once, _ = approvals.approve(rollout, OMAR, now=2.0)

    withdrawn, _ = decide.decide(once, an_observation(once), INCONCLUSIVE, now=400.0)

    assert (withdrawn.asked_at, withdrawn.approvals, withdrawn.evidence) == (None, (), 8)


@pytest.mark.parametrize(("policy", "phase"), [(OnTimeout.HOLD, Phase.MIRRORING), (OnTimeout.ABORT, Phase.ABORTING)])
def test_silence_is_never_a_yes(policy: OnTimeout, phase: Phase) -> None:
    rule = ApprovalRule(timeout=60, on_timeout=policy)
    rollout = replace(at_stage("mirror"), spec=replace(at_stage("mirror").spec, approvals_rule=rule), asked_at=0.0)

    timed_out, entries = decide.decide(rollout, an_observation(rollout), PASS, now=301.0)

    assert timed_out.phase is phase
    assert len(entries) == 1


def unproven_at(stage: str, **changes: object) -> tuple[Rollout, Judgement]:
    """A rollout whose stages ask for nobody, and what judging says where nothing was proven."""
    rollout = at_stage(stage, Topology.PER_VERSION, approve=(), **changes)
    compared = rollout.current.routes.compared
    evidence, unproven = ("evidence", "Time is up; not proven: 0 of 30."), ("unproven", "Not proven: 0 of 7.")
    gate, sentence = evidence if compared else unproven
    finding = Finding(gate=gate, verdict=Verdict.PASS, sentence=sentence, acts=compared)
    return rollout, Judgement(at=EVER, verdict=Verdict.PASS, findings=(finding,), ask=not compared)


@pytest.mark.parametrize("promote", Promote)
def test_nobody_enters_the_upgrade_or_adoptions_end_unproven_without_a_person(promote: Promote) -> None:
    rollout, judgement = unproven_at("shift 100", promote=promote)

    asked, entries = decide.decide(rollout, an_observation(rollout), judgement, now=1000.0)
    later, more = decide.decide(asked, an_observation(asked), judgement, now=1010.0)
    approved, _ = approvals.approve(later, OMAR, now=1020.0)
    gone, said = decide.decide(approved, an_observation(approved), judgement, now=1030.0)

    assert (asked.current.name, kinds(entries), asked.hold) == ("shift 100", [EntryKind.ASK], None)
    assert "Not enough traffic to be sure: go on anyway? Not proven: 0 of 7." in plain(entries[0].text)
    assert (later.stage, more) == (rollout.stage, ())
    assert gone.stage == rollout.stage + 1
    assert plain(said[0].text) == "100 % of users done. Not proven: 0 of 7."


def test_weights_go_on_unproven_and_say_so() -> None:
    rollout, judgement = unproven_at("shift 80")

    gone, entries = decide.decide(rollout, an_observation(rollout), judgement, now=1000.0)

    assert gone.current.name == "shift 100"
    assert plain(entries[0].text).startswith("80 % of users done. Time is up; not proven: ")


def test_a_question_says_that_nothing_was_proven() -> None:
    rollout = at_stage("mirror")
    _, judgement = unproven_at("mirror")

    _, entries = decide.decide(rollout, an_observation(rollout), judgement, now=1000.0)

    assert plain(entries[-1].text) == (
        "Not enough traffic to be sure: go on anyway? Time is up; not proven: 0 of 30. "
        "Next would be 20 % of users. 1 approval is needed."
    )


def test_bad_figures_abort_even_while_paused_and_waiting_for_approval() -> None:
    rollout = replace(at_stage("shift 40"), paused_by=OMAR, asked_at=1.0)

    aborting, entries = decide.decide(rollout, an_observation(rollout), FAIL, now=10.0)

    assert (aborting.phase, aborting.current.routes) == (Phase.ABORTING, HOME)
    assert entries[-1].by == BOT


def test_a_paused_rollout_stays_where_it_is() -> None:
    rollout, _ = people.pause(at_stage("shift 20"), OMAR, now=1.0)

    assert decide.decide(rollout, an_observation(rollout), PASS, now=9999.0)[0].stage == rollout.stage
    resumed, _ = people.resume(rollout, OMAR, now=2.0)
    assert decide.decide(resumed, an_observation(resumed), PASS, now=9999.0)[0].stage == rollout.stage + 1


def test_an_unreachable_prometheus_holds_once_and_goes_on_by_itself() -> None:
    rollout = at_stage("shift 20")
    held, first = decide.decide(rollout, an_observation(rollout), ERROR, now=1.0)
    still, second = decide.decide(held, an_observation(held), ERROR, now=500.0)
    going, third = decide.decide(still, an_observation(still), PASS, now=600.0)

    assert (held.hold and held.hold.cause, kinds(first), second) == (HoldCause.METRICS, [EntryKind.HELD], ())
    assert third[0].kind is EntryKind.RESUMED
    assert (going.hold, going.current.name) == (None, "shift 40")


def test_a_hold_that_lasts_asks_a_person_once() -> None:
    rollout = at_stage("shift 20", hold_patience=60)
    said = []
    for now in (1.0, 30.0, 62.0, 90.0, 120.0):
        rollout, entries = decide.decide(rollout, an_observation(rollout), ERROR, now=now)
        said += kinds(entries)

    assert said == [EntryKind.HELD, EntryKind.ALERT]


def test_a_cluster_that_cannot_be_seen_is_neither_good_nor_bad() -> None:
    rollout = at_stage("shift 20")

    held, _ = decide.decide(rollout, None, PASS, now=9999.0)

    assert (held.stage, held.hold and held.hold.cause) == (rollout.stage, HoldCause.CLUSTER)


def test_somebody_elses_change_is_said_with_its_author_and_left_alone() -> None:
    rollout = at_stage("shift 20")

    held, entries = decide.decide(
        rollout, an_observation(rollout, routes=routes(30), writer="kubectl-edit"), PASS, now=500.0
    )

    assert held.stage == rollout.stage
    assert "Someone changed the traffic split of reviews (kubectl-edit): 80/20 → 70/30." in plain(entries[0].text)
    restored, _ = people.restore(held, OMAR, now=501.0)
    assert (restored.hold, restored.settled_at) == (None, None)


def test_an_abort_overrides_drift() -> None:
    rollout = at_stage("shift 20")
    held, _ = decide.decide(rollout, an_observation(rollout, routes=routes(30)), PASS, now=5.0)

    aborting, _ = aborts.abort(held, OMAR, "wrong version.", now=6.0)

    assert decide.decide(aborting, an_observation(aborting, routes=routes(30)), PASS, now=7.0)[0].hold is None


def test_users_on_a_canary_without_ready_pods_go_home() -> None:
    rollout = at_stage("shift 60")

    aborting, entries = decide.decide(rollout, an_observation(rollout, canary=a_side(ready=0)), PASS, now=1.0)

    assert aborting.phase is Phase.ABORTING
    assert "60 % of users are on reviews-v2, which has no ready pod" in plain(entries[0].text)


def test_a_changed_canary_image_holds() -> None:
    rollout = at_stage("shift 20")

    held, _ = decide.decide(rollout, an_observation(rollout, canary=a_side(None)), PASS, now=500.0)

    assert held.hold
    assert held.hold.cause is HoldCause.DRIFT


def test_the_upgrade_is_left_only_when_every_wanted_pod_is_ready_on_the_new_image() -> None:
    rollout = replace(at_stage("upgrade"), settled_at=None, asked_at=None)
    rolling = a_side(Template.UPGRADED, progress=Progress.WAITING, ready=1)

    waiting, _ = decide.decide(rollout, an_observation(rollout, primary=rolling), PASS, now=1.0)
    done, entries = decide.decide(waiting, an_observation(rollout), PASS, now=2.0)

    assert waiting.settled_at is None
    assert (done.settled_at, kinds(entries)) == (2.0, [EntryKind.ASK])


def test_a_primary_that_does_not_come_up_halts_with_the_users_on_the_canary() -> None:
    rollout = replace(at_stage("upgrade"), settled_at=None)
    stuck = a_side(Template.UPGRADED, progress=Progress.FAILED, ready=1, reason="Image cannot be pulled.")

    halted, entries = decide.decide(rollout, an_observation(rollout, primary=stuck), PASS, now=1.0)

    assert (halted.phase, halted.current.routes) == (Phase.HALTED, ALL_CANARY)
    assert "Image cannot be pulled. All users stay on v2" in plain(entries[-1].text)


def test_a_retry_gives_a_stuck_primary_its_full_time_again() -> None:
    rollout = replace(at_stage("upgrade"), settled_at=None)
    stuck = a_side(Template.UPGRADED, progress=Progress.FAILED, ready=1)
    halted, _ = decide.decide(rollout, an_observation(rollout, primary=stuck), PASS, now=1.0)
    again, _ = people.retry(halted, OMAR, now=10.0)

    assert decide.decide(again, an_observation(again, primary=stuck), PASS, now=11.0)[0].phase is Phase.UPGRADING
    assert decide.decide(again, an_observation(again, primary=stuck), PASS, now=1000.0)[0].phase is Phase.HALTED


def test_accepting_a_halt_ends_on_the_canary() -> None:
    halted = replace(at_stage("upgrade"), phase=Phase.HALTED)
    accepted, _ = people.accept(halted, OMAR, now=1.0)

    ended, _ = decide.decide(accepted, an_observation(accepted), PASS, now=2.0)
    ended, _ = decide.decide(ended, an_observation(ended), PASS, now=3.0)

    assert (ended.phase, ended.current.routes) == (Phase.PROMOTED, ALL_CANARY)


@pytest.mark.parametrize(
    ("stage", "way"),
    [
        ("mirror", ["return", "finish"]),
        ("shift 60", ["return", "finish"]),
        ("shift 100", ["return", "finish"]),
        ("upgrade", ["restore", "return", "finish"]),
        ("switchback 50", ["restore", "return", "finish"]),
        ("bake", ["restore", "return", "finish"]),
    ],
)
def test_the_way_home_leads_over_the_canary_once_the_primary_may_be_patched(stage: str, way: list[str]) -> None:
    aborting, _ = aborts.abort(at_stage(stage), OMAR, "because.", now=1.0)

    assert [step.name for step in aborting.retreat] == way
    assert aborting.retreat[0].routes == (ALL_CANARY if "restore" in way else HOME)


def test_an_adopted_canary_needs_no_upgrade_and_going_home_is_direct() -> None:
    rollout = at_stage("bake", promote=Promote.ADOPT)

    aborting, _ = aborts.abort(rollout, OMAR, "because.", now=1.0)

    assert [stage.name for stage in rollout.spec.plan][-3:] == ["shift 100", "bake", "finish"]
    assert [step.name for step in aborting.retreat] == ["return", "finish"]


def test_a_canary_that_dies_while_the_primary_is_restored_sends_users_to_any_ready_pod() -> None:
    aborting, _ = aborts.abort(at_stage("switchback 50"), OMAR, "because.", now=1.0)

    moved, entries = decide.decide(aborting, an_observation(aborting, canary=a_side(ready=0)), PASS, now=2.0)

    assert (moved.current.name, moved.current.routes) == ("return", HOME)
    assert entries[0].kind is EntryKind.ALERT


def test_each_weight_asks_when_the_service_says_so() -> None:
    plan = begun(approve=tuple(ApproveAt)).spec.plan

    assert [stage.name for stage in plan if stage.approval] == [
        "mirror",
        "shift 20",
        "shift 40",
        "shift 60",
        "shift 80",
        "shift 100",
        "upgrade",
    ]


SIDES = [a_side(), a_side(ready=0), a_side(None), a_side(Template.UPGRADED), a_side(progress=Progress.FAILED, ready=1)]


@pytest.mark.parametrize("word", list(Verdict))
@pytest.mark.parametrize("topology", list(Topology))
@pytest.mark.parametrize("promote", list(Promote))
def test_every_input_of_one_reconcile_leads_to_a_phase_the_table_allows(
    topology: Topology, promote: Promote, word: Verdict
) -> None:
    few = {"promote": promote, "weights": (20, 60, 100)}  # the first, one between and the last
    plan = a_rollout(a_service(**few), topology).spec.plan
    starts = [at_stage(stage.name, topology, **few) for stage in plan]
    starts += [aborts.abort(start, OMAR, "because.", 0.0)[0] for start in starts]
    starts += [replace(start, settled_at=None) for start in starts]
    starts += [
        replace(start, phase=Phase.HALTED) for start in starts if start.phase in {Phase.UPGRADING, Phase.ABORTING}
    ]
    once: list[Rollout] = []  # the way home is the same from most stages
    once += (start for start in starts if start not in once)
    for start, primary, canary, seen, now in product(
        once, SIDES, SIDES, [None, HOME, ALL_CANARY, "wanted"], [1.0, 9999.0]
    ):
        live = start.current.routes if seen == "wanted" else seen
        observed = an_observation(start, primary=primary, canary=canary, routes=live)
        after, _ = decide.decide(start, observed, verdict(word), now)

        assert after.phase is start.phase or after.phase in TRANSITIONS[start.phase]
        if word is not Verdict.PASS and start.phase in {Phase.MIRRORING, Phase.SHIFTING, Phase.SWITCHING_BACK}:
            assert after.stage == start.stage or after.phase is Phase.ABORTING
        if live is None and start.phase is not Phase.ABORTING and after.phase is not Phase.ABORTING:
            assert after.stage == start.stage or start.phase is Phase.HALTED


@pytest.mark.parametrize("phase", sorted(ENDED))
def test_an_ended_rollout_never_changes(phase: Phase) -> None:
    ended = replace(a_rollout(), phase=phase)

    assert decide.decide(ended, an_observation(ended), FAIL, now=1.0) == (ended, ())
    for event in (people.pause, people.resume, people.retry, people.accept, people.restore, approvals.approve):
        with pytest.raises(Refusal, match="has ended"):
            event(ended, OMAR, 1.0)
    with pytest.raises(Refusal, match="has ended"):
        aborts.abort(ended, OMAR, "late.", 1.0)


# After the watchdog


def failsafe_record(action: FailsafeAction = FailsafeAction.HOME) -> FailsafeRecord:
    return FailsafeRecord(at=36_000.0, silence=120.0, action=action)


@pytest.mark.parametrize("name", ["mirror", "shift 60", "shift 100", "upgrade", "switchback 50", "bake"])
def test_a_rollout_the_watchdog_acted_on_is_aborted_with_what_the_watchdog_did_and_not_held_for_drift(
    name: str,
) -> None:
    rollout = at_stage(name)

    aborting, entries = decide.decide(
        rollout, an_observation(rollout, routes=HOME, failsafe_record=failsafe_record()), PASS, now=9.0
    )

    assert aborting.phase is Phase.ABORTING
    assert kinds(entries) == [EntryKind.ABORTING]
    old = "version 1" if name in {"mirror", "shift 60", "shift 100"} else "reviews-v1"
    sentence = f"canary-bot was silent for 2 minutes, so the watchdog sent everyone back to {old}"
    assert plain(entries[0].text).startswith(
        f"Aborted at {plain(called(rollout.current))}. {sentence} (1970-01-01 10:00 UTC)."
    )


def test_whoever_is_home_on_a_primary_as_it_was_stays_there_also_after_an_upgrade_that_had_only_been_asked_for() -> (
    None
):
    rollout = at_stage("upgrade")
    home = an_observation(rollout, routes=HOME, primary=a_side(), failsafe_record=failsafe_record())

    aborting, _ = decide.decide(rollout, home, PASS, now=9.0)

    assert [stage.routes for stage in aborting.retreat] == [HOME, HOME]


def test_users_who_were_kept_on_the_canary_stay_there_until_the_primary_is_restored() -> None:
    rollout = at_stage("upgrade")
    kept = an_observation(
        rollout, primary=a_side(Template.UPGRADED, ready=0), failsafe_record=failsafe_record(FailsafeAction.KEPT)
    )

    aborting, entries = decide.decide(rollout, kept, PASS, now=9.0)

    assert [stage.routes for stage in aborting.retreat] == [ALL_CANARY, HOME, HOME]
    assert plain(entries[0].text).endswith("reviews-v1 is restored before any user returns to it.")


def test_a_halted_rollout_that_the_watchdog_acted_on_is_aborted_too() -> None:
    rollout = replace(at_stage("upgrade"), phase=Phase.HALTED)

    aborting, _ = decide.decide(
        rollout, an_observation(rollout, failsafe_record=failsafe_record(FailsafeAction.KEPT)), PASS, now=9.0
    )

    assert aborting.phase is Phase.ABORTING


def test_a_failsafe_action_ends_a_rollout_once() -> None:
    rollout, _ = aborts.abort(at_stage("shift 60"), OMAR, "because.", now=0.0)

    still, entries = decide.decide(rollout, an_observation(rollout, failsafe_record=failsafe_record()), PASS, now=9.0)

    assert (still.phase, still.reason, entries) == (Phase.ABORTING, "because.", ())


def test_a_promotion_of_which_only_the_annotations_are_left_is_finished() -> None:
    rollout = at_stage("finish", Topology.RELABEL)

    ended, _ = decide.decide(
        rollout, an_observation(rollout, failsafe_record=failsafe_record(FailsafeAction.KEPT)), PASS, now=9.0
    )

    assert ended.phase is Phase.PROMOTED


def test_whoever_approves_the_first_users_is_shown_what_preflight_doubted() -> None:
    rollout, _ = decide.enter_first_stage(a_rollout(), 0.0, ["reviews-v2 has no readinessProbe."])
    settled, _ = decide.decide(rollout, an_observation(rollout), verdict(Verdict.PASS), 0.0)

    asked, said = decide.decide(settled, an_observation(settled), verdict(Verdict.PASS), settled.current.seconds)

    assert asked.asked_at is not None
    assert plain(said[-1].text).endswith("Known warnings (from the start): reviews-v2 has no readinessProbe.")


DOUBT = Judgement(at=EVER, verdict=Verdict.INCONCLUSIVE, ask=True, findings=())


def test_a_doubt_that_time_will_not_settle_is_a_persons_to_decide() -> None:
    rollout, _ = decide.enter_first_stage(a_rollout(a_service(approve=())), 0.0)
    settled, _ = decide.decide(rollout, an_observation(rollout), INCONCLUSIVE, 0.0)

    held, first = decide.decide(settled, an_observation(settled), DOUBT, 300.0)
    asked, said = decide.decide(held, an_observation(held), DOUBT, 330.0)
    still, more = decide.decide(asked, an_observation(asked), DOUBT, 340.0)
    approved, _ = approvals.approve(still, OMAR, 341.0)
    gone_on, _ = decide.decide(approved, an_observation(approved), DOUBT, 342.0)

    assert (held.hold is not None, held.asked_at, asked.asked_at) == (True, None, 330.0)
    assert (kinds(first), kinds(said)) == ([EntryKind.HELD], [EntryKind.ASK])
    assert (still.asked_at, more) == (330.0, ())
    assert gone_on.current.name == "shift 20"


def test_an_approval_given_for_good_figures_does_not_count_for_doubtful_ones() -> None:
    rollout, _ = decide.enter_first_stage(a_rollout(), 0.0)
    settled, _ = decide.decide(rollout, an_observation(rollout), PASS, 0.0)
    asked, _ = decide.decide(settled, an_observation(settled), PASS, 300.0)

    doubtful, said = decide.decide(asked, an_observation(asked), replace(DOUBT, at=310.0), 310.0)

    assert doubtful.asked_at is None
    assert plain(said[0].text).startswith("No decision needed any more: ")


def test_figures_that_end_before_the_stage_does_keep_nobody_there_with_a_hold() -> None:
    """A reconcile comes a moment after its figures were read: what they leave open may be settled at the end."""
    rollout, _ = decide.enter_first_stage(a_rollout(), 0.0)
    settled, _ = decide.decide(rollout, an_observation(rollout), PASS, 0.0)

    waiting, said = decide.decide(settled, an_observation(settled), verdict(Verdict.INCONCLUSIVE, 299.9), 300.1)
    held, more = decide.decide(waiting, an_observation(waiting), verdict(Verdict.INCONCLUSIVE, 300.0), 300.1)

    assert (waiting.hold, said) == (None, ())
    assert (held.hold is not None, [entry.kind for entry in more]) == (True, [EntryKind.HELD])


def test_a_stage_without_a_time_is_not_held_in_the_reconcile_that_settles_it() -> None:
    baking = replace(at_stage("bake"), settled_at=None)
    plan = tuple(replace(stage, seconds=0.0) for stage in baking.spec.plan)
    baking = replace(baking, spec=replace(baking.spec, plan=plan))

    settled, said = decide.decide(baking, an_observation(baking), INCONCLUSIVE, 10.0)
    held, more = decide.decide(settled, an_observation(settled), INCONCLUSIVE, 15.0)

    assert (settled.settled_at, settled.hold, said) == (10.0, None, ())
    assert (held.hold is not None, [entry.kind for entry in more]) == (True, [EntryKind.HELD])


def test_silence_about_a_doubt_is_told_once_and_never_a_yes() -> None:
    rollout, _ = decide.enter_first_stage(a_rollout(), 0.0)
    at, said = rollout, []
    for now in range(0, 5000, 100):
        at, entries = decide.decide(at, an_observation(at), DOUBT, float(now))
        said += [entry.kind for entry in entries if entry.kind is EntryKind.ALERT]

    assert at.current.name == "mirror"
    assert said == [EntryKind.ALERT]


def test_a_hold_ends_with_its_cause_although_the_stages_time_is_not_up() -> None:
    rollout, _ = decide.enter_first_stage(a_rollout(), 0.0)
    settled, _ = decide.decide(rollout, an_observation(rollout), verdict(Verdict.INCONCLUSIVE), 0.0)
    shared = Judgement(at=10.0, verdict=Verdict.INCONCLUSIVE, hold=True)
    held, said = decide.decide(settled, an_observation(settled), shared, 10.0)

    after, more = decide.decide(held, an_observation(held), verdict(Verdict.INCONCLUSIVE, 20.0), 20.0)

    assert [entry.kind for entry in said] == [EntryKind.HELD]
    assert (after.hold, [entry.kind for entry in more]) == (None, [EntryKind.RESUMED])


# Abandoned


LIVE = [phase for phase in Phase if phase not in ENDED | {Phase.PREFLIGHT}]


@pytest.mark.parametrize("phase", LIVE)
def test_a_rollout_can_be_abandoned_from_every_live_phase_and_nothing_is_moved(phase: Phase) -> None:
    rollout = replace(at_stage("shift 40"), phase=phase, paused_by=MAYA)

    abandoned, entries = people.abandon(rollout, OMAR, " the service is retired. ", now=9.0)

    assert (abandoned.phase, abandoned.ended_at, abandoned.reason) == (Phase.ABANDONED, 9.0, "the service is retired.")
    assert next_action(abandoned, an_observation(rollout, routes=HOME)) is None
    assert [(entry.kind, entry.by) for entry in entries] == [(EntryKind.ENDED, OMAR)]
    assert plain(entries[0].text) == (
        "U0OMAR abandoned the rollout at 40 % of users: the service is retired. Nothing is moved: routes and the image "
        "of reviews-v1 stay as they are. canary-bot takes its annotations off VirtualService reviews."
    )


def test_a_rollout_of_which_only_the_retreat_is_left_can_be_abandoned() -> None:
    aborting, _ = aborts.abort(at_stage("upgrade"), OMAR, "because.", now=1.0)

    assert people.abandon(aborting, OMAR, "gone", now=2.0)[0].phase is Phase.ABANDONED


@pytest.mark.parametrize("reason", ["", "  ", " . "])
def test_nobody_abandons_without_a_reason(reason: str) -> None:
    with pytest.raises(Refusal, match="Give a reason"):
        people.abandon(at_stage("shift 40"), OMAR, reason, now=1.0)


def test_there_is_nothing_to_abandon_before_the_beginning_or_after_the_end() -> None:
    with pytest.raises(Refusal, match="cannot go from `preflight` to `abandoned`"):
        people.abandon(a_rollout(), OMAR, "because", now=1.0)
    for phase in ENDED:
        with pytest.raises(Refusal, match="has ended"):
            people.abandon(replace(a_rollout(), phase=phase), OMAR, "because", now=1.0)
