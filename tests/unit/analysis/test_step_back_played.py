"""Rows, decisions and traffic in one loop: what a step back leads to, with a cluster that does what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.adapters.serialization import dump_rollout, load_rollout
from bot.analysis import analysis
from bot.model.figures import Figures
from bot.model.judge_settings import STRICTNESS
from bot.model.rollout import Phase, Rollout
from bot.model.service import GateLimits
from bot.model.story import Entry, EntryKind
from bot.rollout import approvals, decide, people
from bot.rollout.again import choices, plan_from
from bot.words.rendering import plain
from tests.builders import OMAR, a_rollout, a_service, a_side, a_side_of, an_observation, changed, keys

ROW = 15.0
RATE = 20.0  # requests a second of all users
USUAL = 0.002  # of requests, what fails of either version
Fault = Callable[[float, bool], float]  # seconds and whether requests are copies: the share that fails


class Play:
    """A rollout, the rows that it reads, and all that is said."""

    def __init__(
        self,
        fault: Fault,
        primary: Fault = lambda _at, _copies: USUAL,
        *,
        shield: bool = True,
        returns: int = 1,
        **judge: Any,
    ) -> None:
        limits = GateLimits(judge=replace(STRICTNESS, shield=shield, returns=returns, **judge))
        rollout = a_rollout(a_service(approve=frozenset(), gates=limits))
        history = [
            a_side_of(RATE * ROW, round(RATE * ROW * USUAL), slow=3, client_errors={"4xx": 0.0}) for _ in range(240)
        ]
        self.rollout = replace(rollout, analysis_state=analysis.begin(limits, history))
        self.rollout, lines = decide.enter_first_stage(self.rollout, 0.0)
        self.fault, self.primary, self.now, self.ready = fault, primary, 0.0, 2
        self.refused = 0.0  # of what users ask the canary, the share that it answers with 401
        self.copies = 1.0  # of what users ask, the share that it gets copies of
        self.slow = 0.01  # of the canary's answers, the share over 100 ms
        self.fast = 0.5  # of the canary's answers, the share under 50 ms; of the primary's it is half
        self.said: list[tuple[float, Entry]] = [(0.0, one) for one in lines]
        self.places: list[tuple[float, str]] = []
        self.failed = 0.0

    def row(self) -> Rollout:
        """A scrape interval: users are where the routes send them, and everything goes through the store once."""
        self.rollout = load_rollout(dump_rollout(self.rollout))
        stage, observed = self.rollout.current, an_observation(self.rollout, primary=a_side(ready=self.ready))
        self.now += ROW
        share = stage.routes.canary / 100
        requests = RATE * ROW
        n_c, n_p = requests * (self.copies if stage.routes.mirror else share), requests * (1 - share)
        b_c = round(n_c * self.fault(self.now, stage.routes.mirror))
        b_p = round(n_p * self.primary(self.now, False))
        self.failed += 0 if stage.routes.mirror else b_c
        judgement, state = analysis.unread(self.rollout, self.now), None
        span = analysis.span(self.rollout, self.now + self.rollout.spec.metrics.delay)
        if span is not None:
            refused = 0.0 if stage.routes.mirror else round(n_c * self.refused)
            codes = {"4xx": refused, "401": refused}
            canary = a_side_of(n_c, b_c, slow=round(n_c * self.slow), client_errors=codes)
            canary = replace(canary, buckets={**canary.buckets, 50.0: round(n_c * self.fast)})
            primary = a_side_of(n_p, b_p, slow=round(n_p * 0.01), client_errors=dict.fromkeys(codes, 0.0))
            sides = [
                replace(one, first=span[0], last=span[1]) if n else None for one, n in ((canary, n_c), (primary, n_p))
            ]
            figures = Figures(start=span[0], end=span[1], canary=sides[0], primary=sides[1])
            judgement, state = analysis.analyse(self.rollout, figures, ready=self.ready > 0)
        for _ in range(3):
            before = self.rollout
            self.rollout, lines = decide.decide(before, observed, judgement, self.now, state)
            self.said += [(self.now, one) for one in lines]
            if (before.phase, before.stage) == (self.rollout.phase, self.rollout.stage):
                break
            self.places.append((self.now, self.rollout.current.name))
            if self.rollout.ended or self.rollout.phase is Phase.ABORTING:
                break
            observed = an_observation(self.rollout, primary=a_side(ready=self.ready))
            judgement, state = analysis.unread(self.rollout, self.now), None
        return self.rollout

    def until(self, reached: Callable[[Rollout], object], most: int = 400) -> Play:
        """Row after row."""
        for _ in range(most):
            if reached(self.row()):
                return self
        raise AssertionError([self.rollout.current.name, self.places, [plain(one.text) for _, one in self.said[-4:]]])

    def heard(self, key: str) -> list[float]:
        """When something was said."""
        return [at for at, one in self.said if key in keys(one.text)]


def on(stage: str) -> Callable[[Rollout], bool]:
    return lambda rollout: rollout.current.name == stage


def over(rollout: Rollout) -> bool:
    return rollout.phase in {Phase.UPGRADING, Phase.ABORTING}


class From:
    """A fault that begins when it is told to."""

    def __init__(self, share: float, lasts: float = 1e9, *, users_only: bool = False) -> None:
        self.share, self.lasts, self.users_only, self.began = share, lasts, users_only, 1e9

    def __call__(self, at: float, copies: bool) -> float:  # noqa: FBT001  # as a fault is asked
        here = self.began < at <= self.began + self.lasts and not (copies and self.users_only)
        return self.share if here else USUAL


def begun_at(weight: int, fault: From, *, shield: bool = True, returns: int = 1) -> Play:
    play = Play(fault, shield=shield, returns=returns)
    play.until(on(f"shift {weight}")).row()
    fault.began = play.now
    return play


@pytest.mark.parametrize("weight", [20, 40, 60, 80])
def test_a_bad_canary_has_its_users_taken_home_after_two_rows_and_is_aborted_on_copies(weight: int) -> None:
    play = begun_at(weight, From(0.3))
    play.until(over)

    began = play.fault.began  # type: ignore[attr-defined]
    (home,) = play.heard("rollout.step_back")
    assert home - began <= 2 * ROW
    assert play.rollout.phase is Phase.ABORTING
    assert home < play.now <= began + 10 * ROW
    assert play.rollout.exposure.errors <= RATE * 2 * ROW * weight / 100 * 0.35


def test_a_blip_is_home_and_back_by_itself_and_promoted() -> None:
    play = begun_at(40, From(0.3, 45.0))
    play.until(over)

    assert play.rollout.phase is Phase.UPGRADING
    assert [name for _, name in play.places][2:6] == ["copies 40", "shift 20", "shift 40", "shift 60"]
    (back,) = play.heard("rollout.goes_back")
    assert back - play.heard("rollout.step_back")[0] <= 300


def test_a_fault_of_users_alone_returns_once_and_then_people_are_asked() -> None:
    play = begun_at(40, From(0.3, users_only=True))
    play.until(lambda rollout: rollout.asked_at is not None)

    assert [one.share for one in play.rollout.step_backs] == [40, 20]
    assert play.rollout.current.on_copies
    assert len(play.heard("rollout.goes_back")) == 1
    for _ in range(20):  # nobody answers
        assert play.row().current.on_copies
    assert len([one for _, one in play.said if one.kind is EntryKind.ASK]) == 1
    play.rollout, _ = approvals.approve(play.rollout, OMAR, play.now)
    assert play.row().current.name == "shift 20"


def test_without_returns_people_are_asked_the_first_time() -> None:
    play = begun_at(40, From(0.3, users_only=True), returns=0)
    play.until(lambda rollout: rollout.asked_at is not None)

    assert [one.share for one in play.rollout.step_backs] == [40]
    assert play.heard("rollout.goes_back") == []


def test_with_the_shield_off_there_is_no_step_back_and_the_abort_is_as_soon_as_ever() -> None:
    play = begun_at(40, From(0.3), shield=False)
    play.until(over)

    assert play.heard("rollout.step_back") == []
    assert play.now - play.fault.began <= 4 * ROW  # type: ignore[attr-defined]


def test_while_the_primary_fails_as_much_nobody_is_sent_there() -> None:
    fault = From(0.2)
    play = Play(fault, primary=lambda at, _copies: fault(at, False))
    play.until(on("shift 40")).row()
    fault.began = play.now
    for _ in range(20):
        play.row()

    assert play.rollout.current.name == "shift 40"
    assert play.heard("rollout.step_back") == []


def test_while_the_primary_has_no_ready_pod_users_stay_and_that_is_said() -> None:
    play = begun_at(100, From(0.3))
    play.ready = 0
    play.row()
    play.row()

    assert not play.rollout.current.on_copies
    assert play.rollout.judgement is not None
    assert any("analysis.nowhere_better" in keys(one.sentence) for one in play.rollout.judgement.findings)
    play.ready = 2
    assert play.row().current.on_copies


def test_a_healthy_canary_is_left_where_it_is() -> None:
    play = Play(lambda _at, _copies: USUAL)
    play.until(over)

    assert play.rollout.step_backs == ()
    assert play.rollout.phase is Phase.UPGRADING


def test_everyone_on_a_canary_above_the_ceiling_is_taken_home() -> None:
    play = begun_at(100, From(0.3))
    play.until(lambda rollout: rollout.current.on_copies, most=3)
    play.until(over)

    assert play.rollout.phase is Phase.ABORTING


@pytest.mark.parametrize("lasts", [15.0, 30.0, 45.0])
@pytest.mark.parametrize("weight", [20, 60, 100])
def test_no_blip_up_to_three_rows_ends_a_rollout(weight: int, lasts: float) -> None:
    play = begun_at(weight, From(0.3, lasts))
    play.until(over)

    assert play.rollout.phase is Phase.UPGRADING
    assert len(play.rollout.step_backs) <= 1


def home_by_some_methods(copied: float) -> Play:
    """Users were taken home for a blip, by a mirror of some methods that copied this share of their requests."""
    fault = From(0.3, 45.0)
    play = Play(fault)
    play.copies = copied
    play.rollout = changed(play.rollout, target=replace(play.rollout.spec.target, mirror_methods=("GET", "HEAD")))
    play.until(on("shift 40")).row()
    fault.began = play.now
    return play.until(lambda rollout: rollout.current.on_copies, most=3)


@pytest.mark.parametrize("copied", [0.2, 0.7, 0.94])
def test_copies_of_some_methods_never_send_users_back_by_themselves(copied: float) -> None:
    play = home_by_some_methods(copied)
    play.copies = 1.0  # by now others ask; what counts is what was copied in the mirror stage
    play.until(lambda rollout: rollout.asked_at is not None)

    assert play.rollout.current.on_copies
    assert play.heard("rollout.goes_back") == []
    assert play.heard("rollout.copies_some")


@pytest.mark.parametrize("copied", [0.96, 1.0])
def test_copies_of_nearly_all_requests_do_once(copied: float) -> None:
    play = home_by_some_methods(copied)
    play.until(lambda rollout: not rollout.current.on_copies, most=60)

    assert play.heard("rollout.goes_back")
    assert play.rollout.current.name == "shift 20"
    assert play.rollout.limited is False
    assert play.rollout.analysis_state.copied == pytest.approx(copied, abs=0.01)


def test_paused_users_are_taken_home_all_the_same() -> None:
    play = begun_at(40, From(0.3, 45.0))
    play.rollout, _ = people.pause(play.rollout, OMAR, play.now)
    play.until(lambda rollout: rollout.current.on_copies, most=3)
    for _ in range(30):
        play.row()

    assert play.rollout.current.on_copies  # and stay there until somebody resumes
    play.rollout, _ = people.resume(play.rollout, OMAR, play.now)
    assert play.row().current.name == "shift 20"


def test_after_an_abort_on_copies_a_retry_begins_where_users_were_taken_home() -> None:
    play = begun_at(60, From(0.3))
    play.until(over)

    assert [stage.name for stage in choices(play.rollout)] == ["shift 20", "shift 40", "shift 60"]
    assert [stage.name for stage in plan_from(play.rollout.spec.plan, "shift 60", play.rollout.approvals_rule)][:2] == [
        "mirror",
        "shift 60",
    ]


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("lasts", [60.0, 200.0])
def test_whatever_a_fault_is_like_the_plan_has_one_stage_on_copies_while_it_lasts_and_is_then_as_before(
    share: float, lasts: float
) -> None:
    play = begun_at(40, From(share, lasts))
    plan = [stage.name for stage in play.rollout.spec.plan]
    for _ in range(200):
        rollout = play.row()
        copies = [stage for stage in rollout.spec.plan if stage.on_copies]
        assert [stage.name for stage in rollout.spec.plan if not stage.on_copies] == plan
        assert len(copies) == (1 if rollout.current.on_copies else 0) or rollout.retreat
        if over(rollout):
            break
        if rollout.asked_at is not None and not rollout.approvals:
            play.rollout, _ = approvals.approve(rollout, OMAR, play.now)
    assert over(play.rollout)


def test_a_step_back_lets_nobody_through_whom_the_canary_refuses() -> None:
    fault = From(0.3, 45.0)
    play = Play(fault)
    play.until(on("shift 40"))
    play.refused = 0.3
    play.until(lambda rollout: rollout.asked_at is not None)
    fault.began = play.now
    play.until(lambda rollout: rollout.current.on_copies, most=3)
    play.until(lambda rollout: rollout.asked_at is not None, most=100)

    assert play.heard("rollout.goes_back")
    assert play.rollout.current.name in {"shift 20", "shift 40"}
    assert play.rollout.is_asked_in_doubt


def slower_on_copies(copies: float) -> Play:
    """People are asked about a canary whose typical latency is another one on copies; what else it does is fine."""
    play = begun_at(40, From(0.3, 45.0), returns=0)
    play.until(lambda rollout: rollout.current.on_copies, most=3)
    play.fast, play.slow, play.copies = 0.0, 0.0, copies
    play.until(lambda rollout: rollout.asked_at is not None, most=70)
    for _ in range(20):
        play.row()
    assert play.rollout.current.on_copies
    return play


def doubts_latency(play: Play) -> bool:
    assert play.rollout.judgement is not None
    return "analysis.is_slower" in keys(play.rollout.judgement.sentence)


def test_what_people_send_users_back_to_in_spite_of_its_latency_is_not_asked_about_again() -> None:
    play = slower_on_copies(copies=0.02)
    assert doubts_latency(play)
    play.rollout, _ = approvals.approve(play.rollout, OMAR, play.now)
    play.until(on("shift 60"), most=200)

    assert [name for _, name in play.places[-3:]] == ["shift 20", "shift 40", "shift 60"]
    assert play.rollout.approvals == ()  # nobody was asked on the way
    assert not any(one.approvals for one in play.rollout.walked[-2:])


def test_who_was_sent_back_to_by_a_yes_to_something_else_is_asked_about_for_its_latency() -> None:
    play = slower_on_copies(copies=1.0)
    assert not doubts_latency(play)
    play.rollout, _ = approvals.approve(play.rollout, OMAR, play.now)
    play.until(lambda rollout: rollout.is_asked_in_doubt, most=70)

    assert play.rollout.current.name == "shift 20"
    assert doubts_latency(play)


def test_when_copies_stop_people_are_asked_all_the_same() -> None:
    play = begun_at(40, From(0.3, 45.0))
    play.until(lambda rollout: rollout.current.on_copies, most=3)
    play.copies = 0.0
    play.until(lambda rollout: rollout.asked_at is not None, most=70)

    assert play.rollout.current.on_copies
    assert play.rollout.asked_at is not None
    assert play.rollout.settled_at is not None
    assert play.rollout.asked_at - play.rollout.settled_at <= 900 + 4 * ROW


def test_a_hold_because_home_is_no_better_lasts_between_two_scrapes() -> None:
    play = begun_at(100, From(0.3))
    play.ready = 0
    play.row()
    play.row()
    rollout = play.rollout
    assert rollout.judgement is not None
    assert rollout.judgement.hold

    nothing = Figures(start=play.now, end=play.now + 5.0, canary=None, primary=None)
    judgement, _ = analysis.analyse(rollout, nothing, ready=False)

    assert judgement.hold
    assert judgement.sentence == rollout.judgement.sentence


@pytest.mark.parametrize("shield", [True, False])
@pytest.mark.parametrize("stage", range(10))
def test_only_who_may_be_taken_home_reads_when_that_would_be(stage: int, shield: bool) -> None:  # noqa: FBT001  # as drawn
    limits = GateLimits(judge=replace(STRICTNESS, shield=shield))
    begun = a_rollout(a_service(gates=limits))
    there = begun.spec.plan[stage]
    state = analysis.begin(limits, [a_side_of(300, 1) for _ in range(240)])
    rollout = replace(begun, phase=there.phase, stage=stage, since=0.0, settled_at=0.0, analysis_state=state)
    side = replace(a_side_of(300, 1), first=0.0, last=15.0)

    judgement, _ = analysis.analyse(rollout, Figures(start=0.0, end=15.0, canary=side, primary=side))

    forecast = keys(judgement.forecast)
    goes = shield and there.phase is Phase.SHIFTING and there.routes.compared
    assert ("analysis.noticed_home" in forecast) == goes
    assert ("analysis.noticed" in forecast) == (there.routes.compared and not goes)
