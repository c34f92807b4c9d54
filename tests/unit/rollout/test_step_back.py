"""Users go home while the canary is judged on copies: when, by what, and how they return."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.adapters.serialization import dump_rollout, load_rollout
from bot.model.errors import Cause
from bot.model.figures import Finding, Judgement, Verdict
from bot.model.judge_settings import STRICTNESS
from bot.model.observation import Denied, Observation, Unobserved
from bot.model.rollout import HOME, HoldCause, Phase, Rollout, RolloutId, Routes, StepBack
from bot.model.service import ApproveAt, GateLimits
from bot.model.story import EntryKind
from bot.rollout import aborts, approvals, decide, transitions, weights
from bot.rollout.actions import ScalePrimaryUp, SetRoutes, Wait, next_action
from bot.rollout.plans import Overrides, make_plan
from bot.words.rendering import plain
from tests.builders import MAYA, OMAR, a_drift, a_rollout, a_service, a_side, an_observation, changed, keys, verdict

GOOD = replace(verdict(Verdict.PASS), proven=True)
UNSAFE = Judgement(
    at=1e9,
    verdict=Verdict.INCONCLUSIVE,
    findings=(Finding(gate="evidence", verdict=Verdict.INCONCLUSIVE, sentence="v2 fails requests."),),
    home=True,
)
BAD = verdict(Verdict.FAIL)
SHIELDED = GateLimits(judge=replace(STRICTNESS, shield=True))
COPIES = Routes(canary=0, mirror=True)


def at_stage(name: str, **changes: object) -> Rollout:
    service = a_service(gates=SHIELDED, **{"approve": frozenset(), **changes})
    rollout = a_rollout(service)
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    phase = rollout.spec.plan[index].phase
    return replace(rollout, phase=phase, stage=index, since=0.0, settled_at=0.0, judgement=GOOD)


def names(rollout: Rollout) -> list[str]:
    return [stage.name for stage in rollout.spec.plan]


def home(rollout: Rollout, at: float = 10.0, observed: Observation | None = None) -> Rollout:
    return decide.decide(rollout, observed or an_observation(rollout), UNSAFE, at)[0]


def settled(rollout: Rollout, at: float = 20.0) -> Rollout:
    return decide.decide(rollout, an_observation(rollout), verdict(Verdict.INCONCLUSIVE), at)[0]


@pytest.mark.parametrize(
    ("weight", "back"), [(20, "shift 20"), (40, "shift 20"), (60, "shift 40"), (80, "shift 60"), (100, "shift 80")]
)
def test_from_any_weight_users_go_home_and_return_to_the_weight_before(weight: int, back: str) -> None:
    before = at_stage(f"shift {weight}")

    went = home(before)

    assert (went.phase, went.current.routes, went.current.home_from) == (Phase.MIRRORING, COPIES, weight)
    assert next_action(went, an_observation(went, routes=before.current.routes)) == SetRoutes(routes=COPIES)
    returned, entries = decide.decide(settled(went), an_observation(went), GOOD, 200.0)
    assert (returned.phase, returned.current.name) == (Phase.SHIFTING, back)
    assert names(returned) == names(before)
    assert next_action(returned, an_observation(returned, routes=COPIES)) == SetRoutes(routes=returned.current.routes)
    assert "rollout.goes_back" in keys(entries[-1].text)


def test_everybody_in_the_channel_is_told_that_it_is_no_abort() -> None:
    _, entries = decide.decide(at_stage("shift 40"), an_observation(at_stage("shift 40")), UNSAFE, 10.0)

    (line,) = entries
    assert (line.kind, line.loud) == (EntryKind.STAGE, True)
    assert plain(line.text) == ("All users go back to version 1. v2 fails requests. No abort: v2 is judged on copies.")


def test_what_is_said_is_what_takes_users_home_and_not_what_else_is_in_doubt() -> None:
    rollout = at_stage("shift 40")
    other = Finding(gate="client errors", verdict=Verdict.INCONCLUSIVE, sentence="v2 refuses requests.")
    unsafe = replace(UNSAFE, findings=(other, *UNSAFE.findings))

    _, (line,) = decide.decide(rollout, an_observation(rollout), unsafe, 10.0)

    assert "v2 fails requests." in plain(line.text)
    assert "refuses" not in plain(line.text)


def test_a_question_that_stood_is_not_told_to_be_over_besides() -> None:
    asked = replace(at_stage("shift 40"), asked_at=5.0)

    went, entries = decide.decide(asked, an_observation(asked), UNSAFE, 10.0)

    assert (went.current.on_copies, went.asked_at) == (True, None)
    assert [keys(entry.text)[0] for entry in entries] == ["rollout.step_back"]


def test_a_canary_that_is_surely_worse_is_aborted_instead() -> None:
    rollout = at_stage("shift 40")

    assert home(rollout).phase is Phase.MIRRORING
    assert decide.decide(rollout, an_observation(rollout), replace(UNSAFE, verdict=Verdict.FAIL), 10.0)[0].phase is (
        Phase.ABORTING
    )


def test_on_copies_a_bad_canary_is_aborted() -> None:
    went = settled(home(at_stage("shift 40")))

    assert decide.decide(went, an_observation(went), BAD, 60.0)[0].phase is Phase.ABORTING


@pytest.mark.parametrize("state", ["paused", "held", "waiting", "drifting"])
def test_nothing_that_a_rollout_waits_for_keeps_users_on_a_canary_that_fails_them(state: str) -> None:
    rollout = at_stage("shift 40")
    rollout = {
        "paused": replace(rollout, paused_by=MAYA),
        "held": decide.decide(rollout, an_observation(rollout), verdict(Verdict.ERROR), 5.0)[0],
        "waiting": replace(rollout, asked_at=5.0),
        "drifting": replace(rollout, drift=a_drift()),
    }[state]

    went = home(rollout, observed=an_observation(rollout, routes=Routes(canary=55)) if state == "drifting" else None)

    assert went.current.on_copies
    seen = an_observation(went, routes=Routes(canary=55), owner=RolloutId("r-2"))
    assert next_action(went, seen) == SetRoutes(routes=COPIES, taking_from=RolloutId("r-2"))
    assert decide.decide(went, seen, UNSAFE, 11.0)[0].drift is None
    assert went.paused_by == rollout.paused_by


@pytest.mark.parametrize("stage", ["upgrade", "switchback 100", "bake"])
def test_once_the_primary_may_have_been_touched_there_is_no_step_back(stage: str) -> None:
    rollout = at_stage(stage)

    assert not home(rollout).current.on_copies


def test_an_approval_of_the_mirror_is_one_of_the_way_back() -> None:
    rollout = at_stage("shift 40", approve=frozenset({ApproveAt.MIRROR}))

    asked, entries = decide.decide(settled(home(rollout)), an_observation(home(rollout)), GOOD, 200.0)

    assert (asked.current.on_copies, asked.asked_at) == (True, 200.0)
    assert entries[-1].kind is EntryKind.ASK
    approved, _ = approvals.approve(asked, OMAR, 210.0)
    assert decide.decide(approved, an_observation(approved), GOOD, 220.0)[0].current.name == "shift 20"


def test_the_second_time_people_send_users_back() -> None:
    once = decide.decide(settled(home(at_stage("shift 40"))), an_observation(home(at_stage("shift 40"))), GOOD, 200.0)[
        0
    ]
    twice = settled(home(settled(once, 210.0), 220.0), 230.0)

    assert names(twice).count("copies 20") == 1
    asked, entries = decide.decide(twice, an_observation(twice), GOOD, 400.0)
    assert (asked.current.name, asked.asked_at) == ("copies 20", 400.0)
    assert "rollout.home_again" in keys(entries[-1].text)
    assert [one.share for one in asked.step_backs] == [40, 20]


def test_copies_of_some_methods_say_nothing_of_the_others() -> None:
    rollout = at_stage("shift 40")
    target = replace(rollout.spec.target, mirror_methods=("GET", "HEAD"))
    went = settled(home(changed(rollout, target=target)))

    asked, entries = decide.decide(went, an_observation(went), GOOD, 200.0)

    assert (asked.current.on_copies, asked.asked_at) == (True, 200.0)
    assert "rollout.copies_some" in keys(entries[-1].text)


def test_neither_is_asked_about_after_a_quarter_of_an_hour() -> None:
    went = settled(home(at_stage("shift 40")))
    too_little = replace(verdict(Verdict.INCONCLUSIVE), ask=True, lacking=True)

    early, _ = decide.decide(went, an_observation(went), replace(too_little, at=900.0), 900.0)
    late, _ = decide.decide(early, an_observation(went), replace(too_little, at=921.0), 921.0)
    asked, _ = decide.decide(late, an_observation(went), replace(too_little, at=960.0), 960.0)

    assert early.asked_at is None
    assert asked.asked_at is not None
    assert asked.current.on_copies


def test_onto_a_primary_without_a_ready_pod_nobody_is_sent() -> None:
    went = home(at_stage("shift 40"))
    seen = an_observation(went, routes=Routes(canary=40), primary=a_side(ready=0))

    assert isinstance(next_action(went, seen), Wait)


def test_users_do_not_wait_for_a_canary_that_is_gone() -> None:
    went = home(at_stage("shift 40"))
    seen = an_observation(went, routes=Routes(canary=40), canary=a_side(ready=0))

    assert next_action(went, seen) == SetRoutes(routes=HOME)
    gone = replace(seen, routes=HOME)
    assert isinstance(next_action(went, gone), Wait)
    assert next_action(went, replace(gone, canary=a_side())) == SetRoutes(routes=COPIES)
    held, _ = decide.decide(went, gone, verdict(Verdict.INCONCLUSIVE), 11.0)
    assert (held.drift, held.settled_at, [hold.cause for hold in held.holds]) == (None, None, [HoldCause.CAPACITY])


def at_home_without_copies() -> tuple[Rollout, Observation]:
    """Users were seen to be home, and the canary that would get copies is dead."""
    went = home(at_stage("shift 40"))
    seen = an_observation(went, routes=HOME, canary=a_side(ready=0))
    return decide.decide(went, seen, verdict(Verdict.INCONCLUSIVE), 12.0)[0], seen


def test_users_are_home_when_no_route_leads_to_the_canary_and_not_only_when_copies_arrive() -> None:
    went, _ = at_home_without_copies()

    assert (went.settled_at, went.goes_home, went.step_backs[-1].home_at) == (None, False, 12.0)
    _, (line,) = aborts.abort(went, OMAR, "enough", 30.0)
    assert "Users have been home for 18 seconds." in plain(line.text)


def test_once_users_are_home_what_somebody_else_writes_is_theirs() -> None:
    went, seen = at_home_without_copies()
    theirs = replace(seen, routes=Routes(canary=55), owner=RolloutId("r-2"), canary=a_side())

    action = next_action(went, theirs)
    assert not isinstance(action, SetRoutes) or action.taking_from is None
    assert decide.decide(went, theirs, verdict(Verdict.INCONCLUSIVE), 3600.0)[0].drift is not None
    assert next_action(went, replace(seen, canary=a_side())) == SetRoutes(routes=COPIES)


@pytest.mark.parametrize(("seen", "at"), [(8, 11.0), (1, 191.0)], ids=["grown", "out of time"])
def test_the_primary_gets_its_pods_once_and_then_is_its_autoscalers(seen: int, at: float) -> None:
    rollout = at_stage("shift 40")
    rollout = changed(rollout, target=replace(rollout.spec.target, primary_replicas=4))
    went = settled(home(rollout), 10.5)
    assert next_action(went, an_observation(went, primary=a_side(ready=1, wanted=1))) == ScalePrimaryUp(pods=4)

    early, _ = decide.decide(went, an_observation(went, primary=a_side(ready=1, wanted=1)), UNSAFE, 10.9)
    assert early.current.pods == 4
    later, _ = decide.decide(went, an_observation(went, primary=a_side(ready=1, wanted=seen)), UNSAFE, at)

    assert next_action(later, an_observation(later, primary=a_side(ready=1, wanted=1))) is None
    assert later.current.on_copies


def test_users_do_not_wait_for_copies_that_are_refused() -> None:
    went = home(at_stage("shift 40"))
    refused = Denied(cause=Cause.REFUSED, sentence="Somebody else's mirror stands there.")
    seen = an_observation(went, routes=Routes(canary=40), denied=refused)

    assert next_action(went, replace(seen, denied=None)) == SetRoutes(routes=COPIES)
    assert next_action(went, seen) == SetRoutes(routes=HOME)


def test_when_users_were_home_is_remembered() -> None:
    went = settled(home(at_stage("shift 40"), 10.0), 12.0)

    (one,) = went.step_backs
    assert (one.at, one.share, one.home_at) == (10.0, 40, 12.0)


def test_people_who_abort_on_copies_go_the_usual_way() -> None:
    went = settled(home(at_stage("shift 40")))

    aborting, _ = aborts.abort(went, OMAR, "enough", 30.0)

    assert (aborting.phase, aborting.current.routes) == (Phase.ABORTING, HOME)


def by_an_older_version(rollout: Rollout) -> Rollout:
    """As it is read once a version without step backs has written it."""
    document = json.loads(dump_rollout(rollout))
    for name in ("step_backs", "came_from"):
        del document["rollout"][name]
    for stage in document["rollout"]["plan"]:
        del stage["home_from"]
    return load_rollout(json.dumps(document))


def test_what_an_older_version_has_written_is_a_step_back_again() -> None:
    went = settled(home(at_stage("shift 40")))
    assert load_rollout(dump_rollout(went)) == went

    read = by_an_older_version(went)

    assert read.spec.plan == went.spec.plan
    assert read.step_backs == (StepBack(at=10.0, share=40, home_at=20.0),)
    assert decide.decide(read, an_observation(read), GOOD, 200.0)[0].current.name == "shift 20"


def test_an_older_version_that_went_on_from_copies_has_used_up_the_return() -> None:
    went = settled(home(at_stage("shift 40")))
    on = transitions.enter(went, Phase.SHIFTING, went.stage + 1, 200.0)

    read = by_an_older_version(on)

    assert (read.current.name, names(read)) == ("shift 20", names(at_stage("shift 40")))
    assert [one.share for one in read.step_backs] == [40]
    assert home(settled(read, 210.0), 220.0).current.approval


def test_an_older_version_that_got_it_after_the_return_has_not_made_another_of_it() -> None:
    back = decide.decide(settled(home(at_stage("shift 40"))), an_observation(home(at_stage("shift 40"))), GOOD, 200.0)[
        0
    ]

    read = by_an_older_version(back)

    assert read == replace(back, came_from=())


def test_a_plan_that_was_overridden_returns_to_its_first_weight() -> None:
    rollout = a_rollout(a_service(gates=SHIELDED, approve=frozenset()))
    plan = make_plan(a_service(approve=frozenset()), rollout.spec.target.topology, Overrides(weights=(7, 100)))
    rollout = replace(changed(rollout, plan=plan), phase=Phase.SHIFTING, stage=1, settled_at=0.0, judgement=GOOD)

    went = home(rollout)

    assert went.spec.plan[went.stage + 1].name == "shift 7"


def test_a_step_back_by_people_is_another_matter() -> None:
    went, _ = weights.back(at_stage("shift 20"), MAYA, 10.0)

    assert not went.current.on_copies


def test_where_pods_cannot_be_seen_users_still_go_home() -> None:
    went = home(at_stage("shift 40"))
    seen = an_observation(
        went, routes=Routes(canary=40), pods_unobserved=Unobserved(cause=Cause.REFUSED, sentence="no")
    )

    assert next_action(went, seen) == SetRoutes(routes=HOME)
