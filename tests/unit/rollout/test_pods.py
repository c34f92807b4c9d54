"""Pods as evidence: what condemns, what makes a rollout wait, what is only shown; and what a halt does about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.figures import Verdict
from bot.model.incidents import Trouble
from bot.model.observation import DeploymentStatus, Observation, Progress
from bot.model.rollout import HOME, Phase, Rollout, Template
from bot.model.story import EntryKind
from bot.rollout import decide, pods
from bot.rollout.actions import SetRoutes, Wait, next_action
from bot.words.rendering import plain
from tests.builders import OMAR, a_rollout, a_service, a_side, a_target, an_observation, changed, routes, verdict

PASS, INCONCLUSIVE, FAIL = verdict(Verdict.PASS), verdict(Verdict.INCONCLUSIVE), verdict(Verdict.FAIL)


def at_stage(name: str, **changes: Any) -> Rollout:
    """A rollout with two pods a side, settled at a stage of its plan, whose pods had not been restarted by then."""
    rollout = a_rollout(a_service(approve=()), target=a_target(primary_replicas=2, canary_replicas=2))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    there = replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0, restarts={})
    return changed(there, **changes)


def trouble(pod: str = "reviews-v2-a", **changes: Any) -> Trouble:
    return Trouble(pod=pod, container="reviews", **changes)


OOM = trouble(restarts=1, ended="OOMKilled")
LOOP = trouble(restarts=2, ended="Error", waiting="CrashLoopBackOff")
ONCE = trouble(restarts=1, ended="Error")
IMAGE = trouble(waiting="ImagePullBackOff")


def canary_with(rollout: Rollout, *troubles: Trouble, **changes: Any) -> Observation:
    return an_observation(rollout, canary=a_side(troubles=troubles, **changes))


# Containers


@pytest.mark.parametrize("stage", ["mirror", "shift 40", "upgrade"])
@pytest.mark.parametrize(("one", "why"), [(OOM, "ran out of memory (OOMKilled)"), (LOOP, "is in a crash loop")])
def test_an_oom_kill_or_a_crash_loop_of_the_canary_aborts_at_the_first_reconcile(
    stage: str, one: Trouble, why: str
) -> None:
    rollout = at_stage(stage)

    aborting, entries = decide.decide(rollout, canary_with(rollout, one), PASS, 5.0)

    assert aborting.phase is Phase.ABORTING
    assert f"reviews-v2 {why}" in plain(entries[0].text)


def test_the_sentence_has_the_figures() -> None:
    rollout = at_stage("shift 40")
    observed = canary_with(rollout, LOOP, trouble("reviews-v2-b", restarts=3, ended="OOMKilled"))

    (finding,) = pods.findings(rollout, observed)

    assert plain(finding.sentence) == (
        "reviews-v2 is in a crash loop while it has 40 % of users: "
        "5 restarts of reviews in 2 pods since 40 % of users began, the last for Error and OOMKilled."
    )


def test_three_restarts_in_one_stage_are_a_crash_loop_whatever_it_is_called_just_now() -> None:
    rollout = at_stage("shift 40")
    observed = canary_with(rollout, trouble(restarts=3, ended="Error"))

    assert decide.decide(rollout, observed, PASS, 5.0)[0].phase is Phase.ABORTING


@pytest.mark.parametrize(
    ("troubles", "gates"),
    [
        ([LOOP, OOM, ONCE], ["crash loop"]),
        ([OOM, ONCE], ["out of memory"]),
        ([ONCE, IMAGE], ["restarts", "pods waiting"]),
        ([LOOP, IMAGE], ["crash loop", "pods waiting"]),
        ([replace(IMAGE, container="")], []),  # it waits for a node: it is not there yet, and is counted as such
    ],
)
def test_the_worst_of_what_happened_is_told_and_what_cannot_start_beside_it(
    troubles: list[Trouble], gates: list[str]
) -> None:
    rollout = at_stage("shift 40")

    found = pods.findings(rollout, canary_with(rollout, *troubles))

    assert [one.gate for one in found] == gates


def test_one_restart_is_shown_and_keeps_nobody_waiting() -> None:
    rollout = at_stage("shift 40")

    left, _ = decide.decide(rollout, canary_with(rollout, ONCE), PASS, 500.0)

    assert left.current.name == "shift 60"
    shown = [(one.gate, one.acts, one.value) for one in pods.findings(rollout, canary_with(rollout, ONCE))]
    assert shown == [("restarts", False, 1.0)]


def test_two_restarts_make_the_rollout_wait() -> None:
    rollout = at_stage("shift 40")
    observed = canary_with(rollout, ONCE, trouble("reviews-v2-b", restarts=1))

    held, entries = decide.decide(rollout, observed, PASS, 500.0)

    assert held.stage == rollout.stage
    assert plain(entries[0].text) == (
        "reviews-v2 was restarted while it has 40 % of users: "
        "2 restarts of reviews in 2 pods since 40 % of users began, the last for Error. Staying at 40 % of users."
    )


def test_a_pod_that_cannot_pull_its_image_makes_the_rollout_wait() -> None:
    rollout = at_stage("shift 40")

    held, _ = decide.decide(rollout, canary_with(rollout, IMAGE), PASS, 500.0)

    assert held.hold
    assert plain(held.hold.sentence) == "1 pod of reviews-v2 cannot start: ImagePullBackOff."


def test_a_ready_pod_of_another_image_makes_the_rollout_wait_while_it_can_answer_users() -> None:
    rollout = at_stage("shift 40")

    held, _ = decide.decide(rollout, canary_with(rollout, stale=1), PASS, 500.0)

    assert held.hold
    assert plain(held.hold.sentence) == (
        "1 ready pod of reviews-v2 runs another image than its Deployment asks for, with 40 % of users."
    )
    assert list(pods.findings(at_stage("bake"), canary_with(at_stage("bake"), stale=1))) == []


def test_what_happened_before_the_stage_is_not_held_against_it() -> None:
    rollout = at_stage("shift 40", restarts=None)
    observed = canary_with(rollout, OOM)

    seen, entries = decide.decide(rollout, observed, PASS, 5.0)
    assert (seen.phase, entries, seen.restarts) == (Phase.SHIFTING, (), {"reviews-v2-a/reviews": 1})
    again = canary_with(rollout, replace(OOM, restarts=2))
    assert decide.decide(seen, again, PASS, 6.0)[0].phase is Phase.ABORTING


def test_each_stage_counts_from_its_own_beginning() -> None:
    rollout = at_stage("shift 40")
    left, _ = decide.decide(rollout, canary_with(rollout, ONCE), PASS, 500.0)

    assert left.restarts is None
    assert decide.decide(left, canary_with(left, ONCE), PASS, 501.0)[0].restarts == {"reviews-v2-a/reviews": 1}


def test_a_side_that_receives_nothing_may_do_what_it_likes() -> None:
    rollout = at_stage("switchback 100")

    assert list(pods.findings(rollout, canary_with(rollout, LOOP))) == []


def test_a_primary_in_trouble_while_the_canary_is_tried_makes_it_wait_and_sends_nobody_there() -> None:
    rollout = at_stage("shift 40")
    observed = an_observation(
        rollout, primary=a_side(troubles=(trouble("reviews-v1-a", restarts=1, ended="OOMKilled"),))
    )

    held, entries = decide.decide(rollout, observed, PASS, 500.0)

    assert held.stage == rollout.stage
    assert "reviews-v1 ran out of memory (OOMKilled) while it has 60 % of users" in plain(entries[0].text)


def test_the_upgraded_primary_is_judged_while_users_return_to_it() -> None:
    rollout = at_stage("switchback 50")
    observed = an_observation(rollout, primary=a_side(Template.UPGRADED, troubles=(replace(LOOP, pod="reviews-v1-a"),)))

    aborting, _ = decide.decide(rollout, observed, PASS, 5.0)

    assert (aborting.phase, aborting.current.name) == (Phase.ABORTING, "restore")


# Too few pods


def reconciles(rollout: Rollout, observed: Observation, times: int, seconds: float = 10.0) -> tuple[Rollout, list[str]]:
    texts: list[str] = []
    for number in range(times):
        rollout, entries = decide.decide(rollout, observed, PASS, 200.0 + number * seconds)
        texts += [plain(entry.text) for entry in entries]
    return rollout, texts


def test_fewer_ready_pods_than_the_share_needs_wait_at_once_and_abort_after_a_few_reconciles() -> None:
    rollout = at_stage("shift 80")  # 80 % of what two pods carried needs both
    short = canary_with(rollout, ready=1)

    held, texts = reconciles(rollout, short, 2)
    assert held.phase is Phase.SHIFTING
    assert texts == ["reviews-v2 has 1 of the 2 ready pods that 80 % of users need. Staying at 80 % of users."]
    aborting, texts = reconciles(rollout, short, 3)
    assert aborting.phase is Phase.ABORTING
    assert "reviews-v2 has 1 of the 2 ready pods that 80 % of users need, for 20 seconds now." in texts[-1]


def test_one_pod_is_enough_for_a_share_that_one_pod_can_carry() -> None:
    rollout = at_stage("shift 40")

    assert list(pods.findings(rollout, canary_with(rollout, ready=1))) == []


def test_reconciles_that_follow_each_other_at_once_are_one_and_a_recovery_begins_anew() -> None:
    rollout = at_stage("shift 80")
    short = canary_with(rollout, ready=1)

    assert reconciles(rollout, short, 10, seconds=0.01)[0].phase is Phase.SHIFTING
    twice, _ = reconciles(rollout, short, 2)
    whole, _ = decide.decide(twice, an_observation(twice), PASS, 230.0)
    assert whole.shortage is None
    assert reconciles(replace(whole, hold=None, stage=rollout.stage), short, 2)[0].phase is not Phase.ABORTING


def test_a_shortage_condemns_nobody_while_the_other_side_could_not_serve_either() -> None:
    rollout = at_stage("shift 80")
    observed = an_observation(rollout, canary=a_side(ready=1), primary=a_side(ready=0, progress=Progress.WAITING))

    assert all(
        one.verdict is Verdict.INCONCLUSIVE for one in pods.findings(reconciles(rollout, observed, 1)[0], observed)
    )


def test_users_arrive_only_where_there_are_pods_for_their_share() -> None:
    rollout = at_stage("shift 80", settled_at=None)
    observed = an_observation(rollout, routes=routes(60), canary=a_side(ready=1))

    held, entries = decide.decide(rollout, observed, PASS, 5.0)

    assert held.hold
    assert plain(entries[0].text) == (
        "reviews-v2 has 1 of the 2 ready pods that 80 % of users need. Staying at 80 % of users."
    )


# What an autoscaler does


def sized(ready: int, wanted: int, template: Template = Template.RECORDED) -> DeploymentStatus:
    progress = Progress.DONE if ready >= wanted else Progress.WAITING
    return a_side(template, ready=ready, wanted=wanted, progress=progress)


# Each reconcile: seconds since the one before, pods that are wanted, pods that are ready.
AUTOSCALERS: dict[str, list[tuple[float, int, int]]] = {
    "scales in": [(10, 2, 2), (10, 1, 2), (10, 1, 1), *[(10, 1, 1)] * 20],
    "scales in, and pods take their time to go": [(10, 2, 2), *[(10, 1, 2)] * 10, *[(10, 1, 1)] * 10],
    "scales in before it is first seen": [(10, 1, 1)] * 20,
    "scales out again, and pods take their time to come": [(10, 2, 2), (10, 1, 1), *[(10, 2, 1)] * 17, (10, 2, 2)],
    "goes up and down": [(10, 2, 2), *[(10, 1, 1), (10, 2, 1), (10, 3, 1)] * 20],
    "scales out far": [(10, 2, 2), *[(10, 8, 2)] * 10, *[(10, 8, 5)] * 30],
}
ABOUT = [("mirror", "canary"), ("shift 40", "primary"), ("shift 100", "canary"), ("upgrade", "canary")]
ABOUT += [("switchback 50", "primary"), ("switchback 100", "primary"), ("bake", "primary"), ("bake", "canary")]


@pytest.mark.parametrize("steps", AUTOSCALERS.values(), ids=AUTOSCALERS)
@pytest.mark.parametrize(("stage", "which"), ABOUT)
def test_an_autoscaler_that_does_its_job_aborts_nothing_and_keeps_nobody_waiting(
    stage: str, which: str, steps: list[tuple[float, int, int]]
) -> None:
    rollout = replace(at_stage(stage), paused_by=OMAR)  # so that it stays in the stage however long that takes
    now = 200.0
    for seconds, wanted, ready in steps:
        now += seconds
        template = rollout.current.template if which == "primary" else Template.RECORDED
        observed = an_observation(rollout, **{which: sized(ready, wanted, template)})
        rollout, entries = decide.decide(rollout, observed, PASS, now)
        assert (rollout.current.name, rollout.hold, entries) == (stage, None, ())


def test_what_is_wanted_less_than_the_load_had_at_the_start_is_shown_and_nothing_follows() -> None:
    rollout = at_stage("bake")
    observed = an_observation(rollout, primary=sized(1, 1, Template.UPGRADED))

    (finding,) = pods.findings(rollout, observed)

    assert plain(finding.sentence) == "reviews-v1 asks for 1 pod. At the start 2 carried 100 % of users."
    assert not finding.acts


def test_pods_that_are_lost_condemn_also_after_an_autoscaler_has_chosen_another_number() -> None:
    rollout = at_stage("shift 100")
    for number, side in enumerate([sized(2, 2), sized(2, 4), sized(1, 4), sized(1, 4), sized(1, 4)]):
        rollout, _ = decide.decide(rollout, an_observation(rollout, canary=side), PASS, 10.0 * number)

    assert rollout.phase is Phase.ABORTING


def test_pods_that_were_asked_for_and_never_come_condemn_once_they_had_their_time() -> None:
    rollout = replace(at_stage("shift 100"), paused_by=OMAR)
    rollout, _ = decide.decide(rollout, an_observation(rollout, canary=sized(1, 1)), PASS, 0.0)
    aborted_at = None
    for now in range(10, 400, 10):
        rollout, _ = decide.decide(rollout, an_observation(rollout, canary=sized(1, 2)), PASS, float(now))
        aborted_at = aborted_at or (now if rollout.phase is Phase.ABORTING else None)

    assert aborted_at is not None
    assert rollout.spec.scale_timeout < aborted_at < rollout.spec.scale_timeout + 60


def test_users_arrive_where_as_many_pods_are_ready_as_are_asked_for_and_nowhere_without_any() -> None:
    rollout = at_stage("shift 80", settled_at=None)

    assert next_action(rollout, an_observation(rollout, routes=routes(60), canary=sized(1, 1))) == SetRoutes(
        routes=routes(80)
    )
    assert isinstance(next_action(rollout, an_observation(rollout, routes=routes(60), canary=sized(0, 0))), Wait)


# Nobody ready at all


def test_users_on_a_primary_without_a_ready_pod_go_to_the_canary_that_has_some_of_them() -> None:
    rollout = at_stage("shift 40")
    observed = an_observation(rollout, primary=a_side(ready=0, wanted=0, progress=Progress.WAITING))

    aborting, entries = decide.decide(rollout, observed, PASS, 5.0)
    waiting, more = decide.decide(aborting, observed, PASS, 5.1)

    assert "60 % of users are on reviews-v1, which has no ready pod." in plain(entries[0].text)
    assert (waiting.current.name, waiting.current.routes) == ("scale up", routes(100))
    assert plain(more[0].text) == (
        "reviews-v1 has 0 of the 2 ready pods that all users need. It is scaled from 0 to 2 first. "
        "Until then all users go to v2."
    )


def test_nobody_is_the_first_to_meet_the_canary_by_accident() -> None:
    rollout = at_stage("mirror")

    assert pods.stranded(rollout, an_observation(rollout, primary=a_side(ready=0))) == ""


# Halted


def halted() -> Rollout:
    return at_stage("upgrade", phase=Phase.HALTED, reason="reviews-v1 could not be upgraded.")


def test_a_halt_tells_once_that_the_side_with_all_users_goes_bad_and_once_that_it_is_good_again() -> None:
    rollout = halted()
    observed = an_observation(rollout, primary=a_side(Template.UPGRADED, ready=1, progress=Progress.FAILED))
    said = []
    for now, word in enumerate([PASS, FAIL, FAIL, INCONCLUSIVE, PASS, PASS]):
        rollout, entries = decide.decide(rollout, observed, word, float(now))
        said += [(entry.kind, plain(entry.text)) for entry in entries]
        assert rollout.phase is Phase.HALTED, "nothing moves by itself"

    bad = plain(FAIL.sentence)
    assert said == [
        (
            EntryKind.ALERT,
            f"v2 has all users and looks bad now. {bad} Nothing moves by itself here: abort, or repair it.",
        ),
        (EntryKind.RESUMED, "v2 looks good again. The rollout is still halted."),
    ]


def test_a_halt_is_left_when_the_users_have_no_ready_pod_and_the_other_side_has_some() -> None:
    rollout = halted()
    observed = an_observation(rollout, canary=a_side(ready=0), primary=a_side(Template.UPGRADED, ready=1))

    aborting, _ = decide.decide(rollout, observed, PASS, 5.0)
    home, entries = decide.decide(aborting, observed, PASS, 5.1)

    assert (home.phase, home.current.routes) == (Phase.ABORTING, HOME)
    assert entries[0].kind is EntryKind.ALERT


def test_a_halt_with_nobody_ready_anywhere_stays_where_it_is() -> None:
    rollout = halted()
    observed = an_observation(rollout, canary=a_side(ready=0), primary=a_side(Template.UPGRADED, ready=0))

    assert decide.decide(rollout, observed, PASS, 5.0)[0].phase is Phase.HALTED
