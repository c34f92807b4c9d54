"""What comes and goes: told as such, asked about once, and never a reason to talk without end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.errors import Cause
from bot.model.figures import Finding, Judgement, Verdict
from bot.model.incidents import FAILED_CREATE, UNSCHEDULABLE, Trouble
from bot.model.observation import Denied, DeploymentStatus, Progress, Unobserved
from bot.model.rollout import Hold, HoldCause, Phase, Rollout, Template
from bot.model.service import ApprovalRule, OnTimeout
from bot.model.story import Entry, EntryKind
from bot.rollout import aborts, approvals, decide, holds
from bot.rollout.phrases import called
from bot.words.rendering import plain
from bot.words.sentence import Seconds, Sentence
from tests.builders import OMAR, a_rollout, a_service, a_side, an_observation, keys, verdict

PASS, INCONCLUSIVE, ERROR = (verdict(word) for word in (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR))


def doubt(gate: str) -> Judgement:
    finding = Finding(gate=gate, verdict=Verdict.INCONCLUSIVE, sentence=f"{gate} may be worse.")
    return Judgement(at=1e9, verdict=Verdict.INCONCLUSIVE, ask=True, findings=(finding,))


SLOW, FAILING = doubt("latency"), doubt("errors")


def settled(name: str = "mirror", **changes: object) -> Rollout:
    """Settled at a stage, whose time is up at 400."""
    rollout = a_rollout(a_service(**changes))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    return replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0)


def reconciled(rollout: Rollout, judgements: Iterable[Judgement], now: float = 400.0) -> tuple[Rollout, list[Entry]]:
    """Reconciles of ten seconds each."""
    said: list[Entry] = []
    for judgement in judgements:
        now += 10.0
        rollout, entries = decide.decide(rollout, an_observation(rollout), judgement, now)
        said += entries
    return rollout, said


def kinds(said: Sequence[Entry]) -> Counter[EntryKind]:
    return Counter(entry.kind for entry in said)


# Questions


@pytest.mark.parametrize("other", [INCONCLUSIVE, ERROR, SLOW], ids=["too few", "no answer", "a doubt"])
def test_figures_that_flip_at_every_reconcile_ask_once_for_each_kind(other: Judgement) -> None:
    _, said = reconciled(settled(), [other, PASS] * 60)

    assert kinds(said)[EntryKind.ASK] <= 2
    assert len(said) <= 12


JUDGEMENTS = st.sampled_from([PASS, PASS, INCONCLUSIVE, ERROR, SLOW, FAILING])


@settings(max_examples=60, deadline=None)
@given(judgements=st.lists(JUDGEMENTS, max_size=180), each=st.integers(1, 6))
def test_however_figures_come_and_go_people_are_asked_once_for_each_kind_and_told_little(
    judgements: list[Judgement], each: int
) -> None:
    figures = [judgement for judgement in judgements for _ in range(each)]

    rollout, said = reconciled(settled(), figures[:180])
    early, first = reconciled(settled(), figures[:60])

    assert kinds(first)[EntryKind.ASK] <= 3, "good figures, and two kinds of doubt"
    assert early.current.name == "mirror"

    assert kinds(said)[EntryKind.ASK] <= 9, "good figures and two kinds of doubt, again after ten minutes each"
    assert kinds(said)[EntryKind.ALERT] <= 2
    assert len(said) <= 25
    assert rollout.current.name == "mirror"


def test_a_question_that_stands_again_needs_its_approvals_again_and_calls_nobody() -> None:
    asked, _ = reconciled(settled(), [PASS])
    approved, _ = approvals.approve(
        replace(asked, spec=replace(asked.spec, approvals_rule=ApprovalRule(count=2))), OMAR, 411.0
    )

    withdrawn, _ = reconciled(approved, [INCONCLUSIVE], 411.0)
    again, said = reconciled(withdrawn, [PASS], 421.0)

    assert (withdrawn.asked_at, withdrawn.approvals) == (None, ())
    assert again.asked_at is not None
    assert kinds(said) == {EntryKind.RESUMED: 2}
    assert plain(said[-1].text).startswith("A decision is needed again: Not enough traffic to be sure: go on")


def test_an_approval_in_spite_of_a_doubt_counts_while_the_doubt_comes_and_goes() -> None:
    rollout, said = reconciled(settled(), [*[SLOW] * 4, PASS, *[SLOW] * 5])
    assert kinds(said)[EntryKind.ASK] == 1
    approved, _ = approvals.approve(rollout, OMAR, 501.0)

    for figures in (PASS, SLOW):
        assert reconciled(approved, [figures], 502.0)[0].current.name == "shift 20"


def test_another_doubt_is_another_question() -> None:
    rollout, _ = reconciled(settled(), [SLOW] * 4)
    approved, _ = approvals.approve(
        replace(rollout, spec=replace(rollout.spec, approvals_rule=ApprovalRule(count=2))), OMAR, 441.0
    )

    other, said = reconciled(approved, [FAILING] * 4, 441.0)

    assert (other.approvals, kinds(said)[EntryKind.ASK]) == ((), 1)


@pytest.mark.parametrize(("policy", "phase"), [(OnTimeout.HOLD, Phase.MIRRORING), (OnTimeout.ABORT, Phase.ABORTED)])
def test_a_stage_has_one_clock_for_approvals_which_runs_while_a_question_stands(
    policy: OnTimeout, phase: Phase
) -> None:
    rollout = replace(
        settled(), spec=replace(settled().spec, approvals_rule=ApprovalRule(timeout=600.0, on_timeout=policy))
    )
    minutes = [PASS] * 30 + [INCONCLUSIVE] * 100  # it stands for 300 s, then for 1000 s it does not
    waiting, _ = reconciled(rollout, minutes)
    assert waiting.phase is Phase.MIRRORING

    late, said = reconciled(waiting, [PASS] * 38, 1710.0)

    assert late.phase is phase
    assert any("Nobody approved 20 % of users within 10 minutes." in plain(entry.text) for entry in said)


# Holds


def test_a_cause_that_comes_back_is_over_only_when_it_has_stayed_away_for_a_while() -> None:
    rollout = settled("shift 20")
    twice, said = reconciled(rollout, [ERROR, INCONCLUSIVE], 0.0)  # the stage has time yet, so nothing is left
    assert kinds(said) == {EntryKind.HELD: 1, EntryKind.RESUMED: 1}

    again, said = reconciled(twice, [ERROR], 20.0)
    assert said[0].text == Sentence(
        "rollout.holding_until_calm", {"stage": called(again.current), "why": "", "calm": Seconds(60.0)}
    )
    calm, nothing = reconciled(again, [PASS] * 6, 30.0)
    over, notified = reconciled(calm, [PASS] * 2, 90.0)

    assert (calm.hold is not None, nothing) == (True, [])
    assert (over.hold, kinds(notified)) == (None, {EntryKind.RESUMED: 1})


@pytest.mark.parametrize("interval", [0.5, 5.0, 15.0, 60.0])
@pytest.mark.parametrize("times", range(2, 12))
def test_figures_must_stay_well_for_some_scrapes_and_never_for_more_than_ten_minutes(
    interval: float, times: int
) -> None:
    begun = settled("shift 20")
    metrics = replace(begun.spec.metrics, scrape_interval=interval)
    hold = Hold(cause=HoldCause.METRICS, sentence=ERROR.sentence, since=0.0, times=times)
    rollout = holds.put(replace(begun, spec=replace(begun.spec, metrics=metrics)), hold)
    scrapes = min(4 * 2 ** (times - 2), 40)
    calm = min(scrapes * interval, scrapes * 15.0)

    early, _ = holds.gone(holds.gone(rollout, 0.0, HoldCause.METRICS)[0], calm - 0.1, HoldCause.METRICS)
    over, _ = holds.gone(holds.gone(rollout, 0.0, HoldCause.METRICS)[0], calm, HoldCause.METRICS)

    assert (early.hold is not None, over.hold) == (True, None)


def test_what_a_cluster_lacks_must_stay_away_for_a_minute_however_quick_scrapes_are() -> None:
    begun = settled("shift 20")
    metrics = replace(begun.spec.metrics, scrape_interval=0.5)
    hold = Hold(cause=HoldCause.CLUSTER, sentence=ERROR.sentence, since=0.0, times=2)
    rollout = holds.put(replace(begun, spec=replace(begun.spec, metrics=metrics)), hold)

    early, _ = holds.gone(holds.gone(rollout, 0.0, HoldCause.CLUSTER)[0], 59.0, HoldCause.CLUSTER)

    assert early.hold is not None


def test_a_cause_that_was_away_for_long_is_news() -> None:
    rollout = settled("mirror")
    once, _ = reconciled(rollout, [ERROR, PASS], 0.0)

    _, said = reconciled(once, [ERROR], holds.STEADY_SECONDS + 60.0)

    assert [keys(entry.text)[0] for entry in said if entry.kind is EntryKind.HELD] == ["rollout.holding"]


def test_a_cluster_that_comes_and_goes_delays_no_retreat() -> None:
    rollout, _ = aborts.abort(settled("upgrade"), OMAR, "because.", 0.0)
    restoring = an_observation(rollout, primary=a_side(Template.UPGRADED))
    said: list[Entry] = []
    for number in range(40):
        rollout, entries = decide.decide(rollout, None if number % 2 else restoring, PASS, 10.0 * number)
        said += entries
    restored, _ = decide.decide(rollout, an_observation(rollout), PASS, 401.0)

    assert restored.current.name == "return"
    assert len(said) <= 6


def test_several_causes_are_told_each_and_the_one_that_remains_is_told_again() -> None:
    rollout, first = reconciled(settled(), [INCONCLUSIVE])
    blind, second = decide.decide(rollout, None, INCONCLUSIVE, 420.0)
    seen, third = decide.decide(blind, an_observation(rollout), INCONCLUSIVE, 430.0)

    assert [hold.cause for hold in blind.holds] == [HoldCause.CLUSTER, HoldCause.METRICS]
    assert [entry.kind for entry in (*first, *second)] == [EntryKind.HELD, EntryKind.HELD]
    assert (seen.hold and seen.hold.cause, keys(third[0].text)[0]) == (HoldCause.METRICS, "rollout.holding_again")


def test_what_cannot_be_read_says_another_thing_without_saying_it_anew() -> None:
    rollout = settled("shift 20")
    said: list[Entry] = []
    for number in range(60):
        why = Unobserved(cause=Cause.TIMED_OUT if number % 2 else Cause.FORBIDDEN, sentence=f"Try {number}.")
        observed = replace(an_observation(rollout), routes=None, owner=None, routes_unobserved=why)
        rollout, entries = decide.decide(rollout, observed, PASS, 10.0 * number)
        said += entries

    assert kinds(said) == {EntryKind.HELD: 1}
    assert rollout.hold is not None
    assert plain(rollout.hold.sentence).endswith("Try 59.")


# Pods that do not come up


def upgraded(*troubles: Trouble) -> DeploymentStatus:
    return a_side(Template.UPGRADED, ready=1, progress=Progress.WAITING, troubles=troubles)


def trouble(**changes: object) -> Trouble:
    return replace(Trouble(pod="reviews-v1-a", container="reviews"), **changes)  # type: ignore[arg-type]  # checked by the dataclass


PULL = trouble(waiting="ImagePullBackOff")
LOOP, RUNNING = trouble(restarts=2, ended="Error", waiting="CrashLoopBackOff"), trouble(restarts=3, ended="Error")
NO_NODE = trouble(container="", waiting=UNSCHEDULABLE, detail="0/3 nodes are available: 3 Insufficient cpu")
QUOTA = trouble(pod="", container="", waiting=FAILED_CREATE, detail="pods is forbidden: exceeded quota: small")
STUCK = {
    "image": ([PULL], "its new pod cannot pull the image (ImagePullBackOff)"),
    "crash loop": ([LOOP, RUNNING], "its new pod is in a crash loop (2 restarts)"),
    "no node": ([NO_NODE], "no node takes its new pod (0/3 nodes are available: 3 Insufficient cpu)"),
    "quota": ([QUOTA], "its new pods may not be created (pods is forbidden: exceeded quota: small)"),
    "configuration": ([trouble(waiting="CreateContainerError")], "its new pod cannot start (CreateContainerError)"),
}


@pytest.mark.parametrize("restoring", [False, True], ids=["upgrade", "restore"])
@pytest.mark.parametrize(("seen", "why"), STUCK.values(), ids=STUCK)
def test_an_upgrade_that_sticks_says_why_at_the_first_reconcile_and_once_however_the_kubelet_calls_it(
    seen: list[Trouble], why: str, *, restoring: bool
) -> None:
    rollout = replace(settled("upgrade"), settled_at=None)
    if restoring:
        rollout, _ = aborts.abort(rollout, OMAR, "because.", 0.0)
    said: list[Entry] = []
    for number in range(20):
        side = upgraded(seen[number % len(seen)])
        side = replace(side, template=Template.RECORDED) if restoring else side
        rollout, entries = decide.decide(rollout, an_observation(rollout, primary=side), PASS, 5.0 * number)
        said += entries

    sentence = f"reviews-v1 is stuck: {why}. Users stay on v2."
    waits = "The way back waits at primary restore." if restoring else "Staying at primary upgrade."
    assert [(entry.kind, plain(entry.text)) for entry in said] == [(EntryKind.HELD, f"{sentence} {waits}")]
    done, more = decide.decide(rollout, an_observation(rollout), PASS, 101.0)
    assert (done.hold, more[0].kind) == (None, EntryKind.RESUMED)


def test_a_halt_says_what_the_pods_said_and_not_how_long_it_was_waited() -> None:
    rollout = replace(settled("upgrade"), settled_at=None)

    halted, _ = decide.decide(
        rollout, an_observation(rollout, primary=upgraded(PULL)), PASS, rollout.spec.upgrade_timeout + 1
    )

    assert plain(halted.reason) == (
        "reviews-v1 could not be upgraded. reviews-v1 is stuck: its new pod cannot pull the image (ImagePullBackOff)."
    )


def test_without_a_reason_it_is_said_in_seconds_or_minutes_that_it_took_too_long() -> None:
    for seconds, words in ((25.0, "25 seconds"), (900.0, "15 minutes")):
        rollout = replace(settled("upgrade", upgrade_timeout=seconds), settled_at=None)
        slow = upgraded()
        halted, _ = decide.decide(rollout, an_observation(rollout, primary=slow), PASS, seconds + 1)
        assert plain(halted.reason) == f"reviews-v1 could not be upgraded. It did not become ready within {words}."


def test_a_primary_whose_pods_are_taken_away_again_and_again_is_told_of_once_and_in_the_halt() -> None:
    rollout = replace(settled("upgrade"), settled_at=None)
    said: list[Entry] = []
    for number in range(40):  # KEDA's poll of 30 seconds, the bot's of 5, and a pod that takes longer to start
        side = replace(upgraded(), ready=0, wanted=0 if number % 6 == 0 else 2)
        rollout, entries = decide.decide(rollout, an_observation(rollout, primary=side), PASS, 5.0 * number)
        said += entries

    why = (
        "reviews-v1 was scaled up and asks for no pods again: something else scales it to none, such as KEDA. "
        "Set its `minReplicaCount` to 1."
    )
    assert [plain(one.text) for one in said] == [f"{why} Users stay on v2. Staying at primary upgrade."]
    late = an_observation(rollout, primary=replace(upgraded(), ready=0, wanted=2))
    halted, _ = decide.decide(rollout, late, PASS, rollout.spec.upgrade_timeout + 1)
    assert plain(halted.reason) == f"reviews-v1 could not be upgraded. {why}"


@pytest.mark.parametrize("denied", [None, Denied(cause=Cause.REFUSED, sentence="It may not be scaled.")])
def test_a_primary_without_pods_that_was_given_none_yet_blames_nobody(denied: Denied | None) -> None:
    rollout = replace(settled("upgrade"), settled_at=None)
    asleep = an_observation(rollout, primary=replace(upgraded(), ready=0, wanted=0))
    later = 100.0 if denied else 20.0

    rollout, _ = decide.decide(rollout, replace(asleep, denied=denied), PASS, later)

    assert "KEDA" not in "".join(plain(hold.sentence) for hold in rollout.holds)


def test_one_restart_while_a_pod_starts_is_nothing_yet() -> None:
    rollout = replace(settled("upgrade"), settled_at=None)
    once = upgraded(trouble(restarts=1, ended="Error"))

    assert decide.decide(rollout, an_observation(rollout, primary=once), PASS, 5.0)[0].hold is None
