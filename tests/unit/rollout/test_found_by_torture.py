"""What the fault schedules (``make torture``) found in the rules, each as the shortest story that shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.errors import Cause
from bot.model.figures import Verdict
from bot.model.observation import Progress, Unobserved
from bot.model.rollout import ALL_CANARY, HOME, HoldCause, Phase, Rollout, Template, Topology
from bot.model.story import EntryKind
from bot.rollout import aborts, decide, obstacles
from bot.rollout.actions import ApplyTemplate, SetRoutes, Wait, next_action
from bot.rollout.plans import make_plan
from bot.words.rendering import plain
from bot.words.sentence import said
from tests.builders import OMAR, a_rollout, a_service, a_side, an_observation, routes, verdict

PASS = verdict(Verdict.PASS)


def entered(name: str) -> Rollout:
    """A rollout that has just entered a stage and was not seen there yet."""
    rollout = a_rollout(a_service(approve=()))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    return replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0)


def test_an_abort_restores_a_primary_that_the_store_no_longer_knows_was_upgraded() -> None:
    stored = replace(entered("shift 100"), settled_at=0.0)  # a fail-over has lost that it went on to the upgrade
    aborting, _ = aborts.abort(stored, OMAR, "bad", now=10.0)
    observed = an_observation(stored, primary=a_side(Template.UPGRADED))

    after, entries = decide.decide(aborting, observed, PASS, now=10.0)

    assert (after.phase, after.current.name) == (Phase.ABORTING, "restore")
    assert next_action(after, observed) == ApplyTemplate(template=Template.RECORDED)
    assert [plain(entry.text) for entry in entries] == [
        "reviews-v1 has the image of v2 already. It is restored before any user returns to it."
    ]


def test_an_abort_that_knows_of_the_upgrade_is_told_nothing_new() -> None:
    aborting, _ = aborts.abort(entered("upgrade"), OMAR, "bad", now=10.0)
    observed = an_observation(aborting, primary=a_side(Template.UPGRADED))

    after, entries = decide.decide(aborting, observed, PASS, now=10.0)

    assert (after.current.name, entries) == ("restore", ())


def test_a_write_that_keeps_failing_is_told_and_then_asked_about() -> None:
    rollout = entered("shift 20")
    unwritten = an_observation(rollout, routes=routes(0, mirror=True))
    early, nothing = decide.decide(rollout, unwritten, PASS, now=obstacles.WRITE_SECONDS)
    held, said = decide.decide(early, unwritten, PASS, now=obstacles.WRITE_SECONDS + 1)
    asked, alert = decide.decide(held, unwritten, PASS, now=obstacles.WRITE_SECONDS + 2 + rollout.spec.hold_patience)

    assert (early.hold, nothing) == (None, ())
    assert held.hold is not None
    assert held.hold.cause is HoldCause.CLUSTER
    assert [plain(entry.text) for entry in said] == [
        "VirtualService reviews cannot be written for 20 % of users. canary-bot keeps trying. Staying at 20 % of users."
    ]
    assert [entry.kind for entry in alert] == [EntryKind.ALERT]
    assert asked.hold is not None
    assert asked.hold.notified


def test_an_abort_that_cannot_be_written_is_told_as_well() -> None:
    aborting, _ = aborts.abort(entered("shift 20"), OMAR, "bad", now=0.0)

    _, said = decide.decide(
        aborting, an_observation(aborting, routes=routes(20)), PASS, now=obstacles.WRITE_SECONDS + 1
    )

    assert [entry.kind for entry in said] == [EntryKind.HELD]


def test_a_hold_for_an_unreadable_cluster_ends_when_it_is_read_though_the_stage_is_not_there_yet() -> None:
    rollout = entered("upgrade")
    blind, _ = decide.decide(rollout, None, PASS, now=1.0)
    waiting = an_observation(rollout, primary=a_side(Template.UPGRADED, progress=Progress.WAITING, ready=1))

    seen, said = decide.decide(blind, waiting, PASS, now=5.0)

    assert blind.hold is not None
    assert seen.hold is None
    assert [plain(entry.text) for entry in said] == ["Hold over after 4 seconds, going on at primary upgrade."]


def test_an_abort_without_a_ready_canary_says_where_the_users_really_are() -> None:
    aborting, _ = aborts.abort(entered("upgrade"), OMAR, "bad", now=0.0)
    observed = an_observation(aborting, primary=a_side(Template.UPGRADED), canary=a_side(ready=0))
    notified: list[str] = []
    for at, reconcile in enumerate(
        (observed, replace(observed, routes=HOME), replace(observed, routes=HOME, owner=None)) * 2
    ):
        aborting, entries = decide.decide(aborting, reconcile, PASS, now=float(at))
        notified += [plain(entry.text) for entry in entries if entry.kind is EntryKind.ENDED]

    where = "all users are on reviews-v1, which still has the image of v2. Put the old one back by hand."
    assert notified == [f"Abort complete: {where}"]


def test_users_stay_with_the_last_relabelled_pod_until_the_primary_is_restored() -> None:
    """Its Deployment was given the old template: the pods it still replaces are in the subset that has the users."""
    relabel = a_rollout(a_service(approve=()), Topology.RELABEL)
    back = next(i for i, stage in enumerate(relabel.spec.plan) if stage.phase is Phase.SWITCHING_BACK)
    aborting, _ = aborts.abort(replace(relabel, phase=Phase.SWITCHING_BACK, stage=back), OMAR, "bad", now=0.0)
    halfway = a_side(Template.RECORDED, progress=Progress.WAITING, ready=1, stale=1, elsewhere=1)
    observed = an_observation(aborting, primary=halfway, canary=a_side(ready=0))

    waiting, said = decide.decide(aborting, observed, PASS, now=1.0)
    left, _ = decide.decide(aborting, replace(observed, primary=replace(halfway, stale=0, elsewhere=0)), PASS, now=1.0)

    assert (aborting.current.name, waiting.current.name, said) == ("restore", "restore", ())
    assert left.current.name == "return"


def test_a_canary_that_comes_back_before_anybody_was_moved_keeps_the_users_until_the_primary_is_restored() -> None:
    aborting, _ = aborts.abort(entered("upgrade"), OMAR, "bad", now=0.0)
    upgraded = an_observation(aborting, primary=a_side(Template.UPGRADED), canary=a_side(ready=0))
    leaving, _ = decide.decide(aborting, upgraded, PASS, now=1.0)
    unwritten = an_observation(leaving, routes=ALL_CANARY, primary=a_side(Template.UPGRADED))

    restoring, said = decide.decide(leaving, unwritten, PASS, now=2.0)

    assert (leaving.current.name, restoring.current.name) == ("return", "restore")
    assert next_action(restoring, unwritten) == ApplyTemplate(template=Template.RECORDED)
    assert [plain(entry.text) for entry in said] == [
        "reviews-v2 is ready again and keeps the users until reviews-v1 is restored."
    ]


def test_a_canary_that_will_be_scaled_down_first_idles_for_the_drain_time() -> None:
    def bakes(**changes: object) -> float:
        plan = make_plan(a_service(**changes), Topology.PER_VERSION)
        return next(stage.seconds for stage in plan if stage.name == "bake")

    assert bakes(bake_seconds=0.0, scale_canary_down=True) == 30.0
    assert bakes(bake_seconds=0.0, scale_canary_down=True, drain_seconds=90.0) == 90.0
    assert bakes(bake_seconds=600.0, scale_canary_down=True) == 600.0
    assert bakes(bake_seconds=0.0) == 0.0
    assert a_rollout().spec.plan[-3].routes != ALL_CANARY


HANGING = a_side(Template.UPGRADED, progress=Progress.WAITING, ready=0, stale=2)  # its old pods answer
GONE = a_side(ready=0)


@pytest.mark.parametrize("topology", Topology)
@pytest.mark.parametrize("phase", [Phase.UPGRADING, Phase.HALTED])
def test_a_canary_that_dies_while_the_upgrade_hangs_sends_users_back_to_the_old_pods(
    phase: Phase, topology: Topology
) -> None:
    rollout = a_rollout(a_service(approve=()), topology)
    place = next(place for place, stage in enumerate(rollout.spec.plan) if stage.phase is Phase.UPGRADING)
    stuck = replace(rollout, phase=phase, stage=place, since=0.0)
    observed = an_observation(stuck, primary=HANGING, canary=GONE)

    aborting, said = decide.decide(stuck, observed, PASS, now=1.0)
    restored = replace(observed, primary=a_side())
    returning, _ = decide.decide(aborting, restored, PASS, now=2.0)

    assert (aborting.phase, aborting.current.name) == (Phase.ABORTING, "restore")
    assert "100 % of users are on" in plain(said[0].text)
    assert next_action(aborting, observed) == ApplyTemplate(template=Template.RECORDED)
    assert next_action(returning, restored) == SetRoutes(routes=HOME)


def test_new_pods_of_a_relabelled_primary_serve_the_users_of_a_canary_that_is_gone() -> None:
    relabel = a_rollout(a_service(approve=()), Topology.RELABEL)
    place = next(place for place, stage in enumerate(relabel.spec.plan) if stage.phase is Phase.UPGRADING)
    upgrading = replace(relabel, phase=Phase.UPGRADING, stage=place, since=0.0)
    halfway = a_side(Template.UPGRADED, progress=Progress.WAITING, ready=1, stale=1, elsewhere=1)

    going_on, said = decide.decide(upgrading, an_observation(upgrading, primary=halfway, canary=GONE), PASS, now=1.0)

    assert (going_on.phase, said) == (Phase.UPGRADING, ())


def test_users_whom_older_pods_answer_while_a_deployment_by_hand_hangs_are_not_taken_for_stranded() -> None:
    shifting = entered("shift 20")
    hotfix = a_side(None, progress=Progress.WAITING, ready=0, stale=2)

    held, said = decide.decide(shifting, an_observation(shifting, primary=hotfix), PASS, now=1.0)

    assert (held.phase, held.hold and held.hold.cause) == (Phase.SHIFTING, HoldCause.DRIFT)
    assert "no ready pod" not in " ".join(plain(entry.text) for entry in said)


def test_users_of_a_canary_that_is_gone_go_to_whatever_answers_while_the_primary_is_being_restored() -> None:
    aborting, _ = aborts.abort(entered("upgrade"), OMAR, "bad", now=0.0)
    restoring = a_side(Template.RECORDED, progress=Progress.WAITING, ready=0, stale=1)
    observed = an_observation(aborting, primary=restoring, canary=GONE)

    returning, said = decide.decide(aborting, observed, PASS, now=1.0)

    assert next_action(returning, observed) == SetRoutes(routes=HOME)
    assert [plain(entry.text) for entry in said if entry.kind is EntryKind.ALERT] == [
        "reviews-v2 has no ready pod, so users go to reviews-v1, which is still being restored."
    ]


def test_users_whom_somebody_may_have_sent_to_a_dead_canary_go_home_although_the_routes_cannot_be_read() -> None:
    mirroring = entered("mirror")
    observed = an_observation(mirroring, routes=None, canary=GONE)

    aborting, said = decide.decide(mirroring, observed, PASS, now=1.0)

    assert next_action(aborting, observed) == SetRoutes(routes=HOME)
    assert plain(said[0].text).startswith(
        "Aborted at mirror. reviews-v2 has no ready pod, and the routes, which somebody edited, may send users there."
    )


@pytest.mark.parametrize("cause", [Cause.TIMED_OUT, Cause.FORBIDDEN, Cause.UNREACHABLE])
def test_no_template_is_written_while_nobody_sees_whether_the_primary_has_users(cause: Cause) -> None:
    """It was aborted where its last switchback could not be written: half of the users are on the primary still."""
    upgrading = entered("upgrade")
    aborting, _ = aborts.abort(entered("switchback 100"), OMAR, "bad", now=0.0)
    for rollout, template in ((upgrading, Template.RECORDED), (aborting, Template.UPGRADED)):
        unseen = an_observation(
            rollout,
            routes=None,
            owner=None,
            routes_unobserved=Unobserved(cause=cause, sentence="Could not read it."),
            primary=a_side(template),
        )

        assert next_action(rollout, unseen) == Wait(sentence=said("rollout.users_unseen", name="reviews-v1"))


def test_a_primary_is_restored_where_there_is_no_virtual_service_to_have_users_by() -> None:
    aborting, _ = aborts.abort(entered("switchback 100"), OMAR, "bad", now=0.0)
    gone = an_observation(
        aborting,
        routes=None,
        owner=None,
        routes_unobserved=Unobserved(cause=Cause.MISSING, sentence="It does not exist."),
        primary=a_side(Template.UPGRADED),
    )

    assert next_action(aborting, gone) == ApplyTemplate(template=Template.RECORDED)
