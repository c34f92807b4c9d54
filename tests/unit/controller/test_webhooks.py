"""Webhooks in whole rollouts: asked once at each place, waited for or not, and never in the way of safety."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from bot.controller.decisions import Abort, Back, By
from bot.controller.leadership import LeadersStore
from bot.model.errors import Cause, Fault, Refusal
from bot.model.rollout import HOME, HoldCause, Phase, QuestionKind, Rollout
from bot.model.service import ApproveAt, ServiceConfig
from bot.model.story import Entry, EntryKind
from bot.model.webhooks import HookMoment, HookState, OnFailure, Webhook
from bot.rollout.hooks import OWED_SECONDS
from bot.words.rendering import plain
from tests.builders import MAYA, OMAR, a_service, routes
from tests.fakes.lease import FakeLease, FakeLeases
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import Rig

NO = Fault("Webhook", "503 Service Unavailable.", Cause.REFUSED)


def hook(when: HookMoment, then: OnFailure = OnFailure.HOLD, **changes: object) -> Webhook:
    named = {"name": when.value.replace("_", "-"), "url": "http://tests/run", "when": when, "on_failure": then}
    return Webhook(**(named | changes))  # type: ignore[arg-type]


def calling(*hooks: Webhook, **changes: object) -> ServiceConfig:
    return a_service(**({"webhooks": hooks, "weights": (50, 100), "approve": ()} | changes))


def ended(rollout: Rollout) -> bool:
    return rollout.ended


EVERY = tuple(hook(when) for when in HookMoment)


def test_a_release_calls_each_once_at_its_place_and_in_order() -> None:
    rig = Rig(calling(*EVERY))
    rig.start()

    rig.until(ended)

    assert [key for _, key, _ in rig.webhooks.calls] == [
        "r-1/start/before-start",
        "r-1/mirror/stage",
        "r-1/mirror/before-users",
        "r-1/shift-50/stage",
        "r-1/shift-100/stage",
        "r-1/shift-100/before-upgrade",
        "r-1/upgrade/stage",
        "r-1/switchback-50/stage",
        "r-1/switchback-100/stage",
        "r-1/bake/stage",
        "r-1/promoted/promoted",
        "r-1/end/end",
    ]


def test_what_they_are_told_says_where_it_is_and_what_was_measured() -> None:
    rig = Rig(calling(*EVERY))
    rig.start()
    rig.until(ended)

    bodies = {key: body for _, key, body in rig.webhooks.calls}
    asked = bodies["r-1/mirror/before-users"]
    assert (asked["service"], asked["namespace"], asked["version"]) == ("reviews", "default", "v2")
    assert (asked["when"], asked["stage"], asked["phase"], asked["mirror"]) == (
        "before_users",
        "mirror",
        "mirroring",
        True,
    )
    assert asked["primary"]["deployment"] == "reviews-v1"
    assert asked["primary"]["images"] == {"reviews": "reviews:1"}
    assert asked["canary"]["images"] == {"reviews": "reviews:2"}
    assert (asked["primary"]["weight"], asked["canary"]["weight"]) == (100, 0)
    assert asked["canary"]["figures"]["requests"] > 0
    assert asked["next"] == {"stage": "shift 50", "weight": 50}
    assert bodies["r-1/end/end"]["phase"] == "promoted"


def test_an_abort_calls_abort_and_end_and_asks_nobody() -> None:
    rig = Rig(calling(*EVERY))
    rig.start()
    rig.at("shift 50")
    rig.webhooks.calls.clear()

    rig.decide(Abort("no"))
    rig.until(ended)
    rig.controller.call_owed_webhooks()

    assert [name for name, _, _ in rig.webhooks.calls] == ["abort", "end"]
    assert rig.webhooks.calls[0][2]["reason"] == "no."


def test_nothing_is_written_before_the_start_is_let_through() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_START, OnFailure.WAIT)))
    rig.webhooks.failures["before-start"] = [NO, NO, NO]
    rig.start()
    rig.tick()

    held = rig.live()
    assert (rig.mesh.written, held.settled_at, held.hold and held.hold.cause) == ([], None, HoldCause.WEBHOOK)
    assert held.hold is not None
    assert plain(held.hold.sentence) == "Waiting for webhook before-start: 503 Service Unavailable."

    rig.until(lambda rollout: rollout.settled_at is not None)
    assert rig.mesh.written == [routes(0, mirror=True)]
    assert rig.webhooks.called("before-start") == ["r-1/start/before-start"] * 4
    assert rig.live().hold is None


def test_waiting_before_the_start_for_an_hour_is_nobodys_edit_and_no_failure_to_write() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_START, OnFailure.WAIT)))
    rig.webhooks.failures["before-start"] = [NO] * 500
    rig.start()
    for _ in range(60):
        rig.tick(60)

    held = rig.live()
    assert [one.cause for one in held.holds] == [HoldCause.WEBHOOK]
    assert (held.drift, rig.mesh.written) == (None, [])
    assert len(rig.said(EntryKind.ALERT)) == 1  # its patience ran out once


def test_people_may_start_without_it() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_START, retries=1), approve=(ApproveAt.MIRROR,)))
    rig.webhooks.failures["before-start"] = [NO] * 9
    rig.start()
    asked = rig.until(lambda rollout: rollout.asked_at is not None, approve=False)

    assert (asked.question and asked.question.kind, asked.question and asked.question.gate) == (
        QuestionKind.WEBHOOK,
        "before-start",
    )
    assert rig.mesh.written == []
    (question,) = rig.said(EntryKind.ASK)
    assert question.startswith(
        "Go on without webhook before-start? Webhook before-start did not say yes in 2 calls: 503"
    )
    assert "Next would be mirror." in question

    rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.button_token(asked))
    begun = rig.until(lambda rollout: rollout.settled_at is not None, approve=False)
    assert (begun.asked_at, begun.approvals, begun.question) == (None, (), None)
    assert len(rig.webhooks.called("before-start")) == 2
    # What the mirror asks is another question.
    assert rig.until(lambda rollout: rollout.asked_at is not None, approve=False).question.kind is QuestionKind.PLAIN  # type: ignore[union-attr]


@pytest.mark.parametrize("when", [HookMoment.BEFORE_START, HookMoment.BEFORE_USERS, HookMoment.STAGE])
def test_one_that_aborts_aborts_after_its_retries(when: HookMoment) -> None:
    rig = Rig(calling(hook(when, OnFailure.ABORT, retries=2)))
    rig.webhooks.failures[when.value.replace("_", "-")] = [NO] * 9
    rig.start()

    over = rig.until(ended)

    assert (over.phase, len(rig.webhooks.calls)) == (Phase.ABORTED, 3)
    assert plain(over.reason).endswith("did not say yes in 3 calls: 503 Service Unavailable.")
    assert all(written.canary == 0 for written in rig.mesh.written)
    assert rig.mesh.virtual_service()["spec"]["http"][0]["route"][0].get("weight", 100) == 100


def test_no_user_reaches_the_canary_before_the_webhook_has_said_yes() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_USERS, OnFailure.WAIT)))
    rig.webhooks.failures["before-users"] = [NO] * 40
    rig.start()
    rig.until(lambda _rollout: len(rig.webhooks.calls) == 20)

    assert rig.mesh.written == [routes(0, mirror=True)]
    assert (rig.live().hold and rig.live().hold.cause) is HoldCause.WEBHOOK  # type: ignore[union-attr]
    assert rig.until(ended).phase is Phase.PROMOTED
    assert len(rig.webhooks.calls) == 41


def test_one_that_refuses_before_users_is_peoples_to_decide_after_they_had_approved_the_figures() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_USERS, retries=1), approve=(ApproveAt.MIRROR,)))
    rig.webhooks.failures["before-users"] = [NO, NO]
    rig.start()
    asked = rig.until(lambda rollout: rollout.question is not None and rollout.question.kind is QuestionKind.WEBHOOK)

    assert (asked.approvals, asked.current.name) == ((), "mirror")
    assert len(rig.said(EntryKind.ASK)) == 2
    rig.tick(60)
    assert rig.live().current.name == "mirror"

    rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.button_token(rig.live()))
    assert rig.live().current.name == "shift 50"
    assert rig.said(EntryKind.APPROVED)[-1] == "U0OMAR lets it go on to 50 % of users without the webhook (1 of 1)."
    assert [run.state for run in rig.live().hook_runs] == [HookState.OVERRULED]


def test_nobodys_answer_about_a_webhook_is_no_yes() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_USERS, retries=0)))
    rig.webhooks.failures["before-users"] = [NO]
    rig.start()
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    for _ in range(40):
        rig.tick(60)

    held = rig.live()
    assert (held.current.name, held.hold and held.hold.cause) == ("mirror", HoldCause.APPROVAL)
    assert len(rig.webhooks.calls) == 1


def test_whoever_started_it_may_not_go_on_without_the_webhook_alone() -> None:
    rig = Rig(calling(hook(HookMoment.BEFORE_USERS, retries=0)))
    rig.webhooks.failures["before-users"] = [NO]
    rig.start()
    asked = rig.until(lambda rollout: rollout.asked_at is not None, approve=False)

    with pytest.raises(Refusal, match="somebody else"):
        rig.controller.approve("reviews", by=MAYA, evidence=rig.controller.button_token(asked))


def test_a_webhook_that_hangs_keeps_no_abort_waiting() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE), hook(HookMoment.ABORT), hook(HookMoment.END)))

    def hang(webhook: Webhook) -> None:
        if webhook.when is HookMoment.STAGE:
            rig.decide(Abort("no"))
            rig.tick()
            rig.controller.call_owed_webhooks()
            assert rig.newest().phase is Phase.ABORTED
            assert rig.mesh.written[-1] == HOME
            assert [name for name, _, _ in rig.webhooks.calls] == ["stage", "abort", "end"]

    rig.webhooks.during = hang
    rig.start()
    rig.tick()

    assert rig.newest().phase is Phase.ABORTED
    assert {run.hook for run in rig.newest().hook_runs} == {"stage", "abort", "end"}


def test_what_was_left_behind_before_its_webhook_was_called_is_not_called() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE)))
    waiting: list[Callable[[], None]] = []
    rig.hook_run = waiting.append
    rig.start()
    rig.tick()
    rig.decide(Abort("no"))

    for work in waiting:
        work()

    assert rig.webhooks.calls == []


def test_a_hanging_one_is_not_called_again_before_it_has_answered() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE)))
    hanging: list[Callable[[], None]] = []
    rig.hook_run = hanging.append
    rig.start()
    for _ in range(5):
        rig.tick()

    assert len(hanging) == 1


def test_a_process_that_dies_between_call_and_record_calls_again_with_the_same_key() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE)))
    lost: list[Callable[[], None]] = []
    rig.hook_run = lost.append
    rig.start()
    rig.tick()
    rig.webhooks.call(rig.service.webhooks[0], "r-1/mirror/stage", {}, 0.0)  # it was sent, and nobody lived to say so

    rig.hook_run = lambda work: work()
    rig.controller = rig.restarted()
    rig.tick()
    rig.tick()

    assert rig.webhooks.called("stage") == ["r-1/mirror/stage"] * 2


class LossyStore(InMemoryStore):
    """Of the next answers of webhooks that are stored, these many come in and are not confirmed."""

    unconfirmed = 0

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        stored = self.load(rollout.key, rollout.spec.id)
        saved = super().save(rollout, entries, fence=fence)
        if self.unconfirmed and stored is not None and stored.hook_runs != rollout.hook_runs:
            self.unconfirmed -= 1
            raise Fault("Redis", "did not answer in time.", Cause.TIMED_OUT)
        return saved


class DisturbedStore(LossyStore):
    """Before each of the next ``late`` answers of webhooks is stored, a write of a bot that has died arrives."""

    late = 0

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        stored = self.load(rollout.key, rollout.spec.id)
        if self.late and stored is not None and len(rollout.hook_runs) > len(stored.hook_runs):
            self.late -= 1
            super().save(stored)
        return super().save(rollout, entries, fence=fence)


@pytest.mark.parametrize(("late", "calls"), [(0, 1), (1, 1), (4, 1), (5, 1), (14, 1)])
def test_an_answer_that_arrives_while_the_record_changes_is_kept_and_not_asked_for_again(late: int, calls: int) -> None:
    rig = Rig(calling(hook(HookMoment.STAGE)))
    rig.store = DisturbedStore()
    rig.store.late = late
    rig.controller = rig.restarted()
    rig.start()
    for _ in range(5):
        rig.tick()

    assert rig.webhooks.called("stage").count("r-1/mirror/stage") == calls
    assert rig.live().hook_runs


def test_a_no_whose_storing_was_not_confirmed_is_one_try() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE, retries=1)))
    rig.store = LossyStore()
    rig.store.unconfirmed = 3
    rig.webhooks.failures["stage"] = [NO]
    rig.controller = rig.restarted()
    rig.start()
    for _ in range(6):
        rig.tick()

    (run,) = rig.live().hook_runs
    assert (run.state, run.tries) == (HookState.PASSED, 2)
    assert rig.webhooks.called("stage") == ["r-1/mirror/stage"] * 2


@pytest.mark.parametrize("answers", [[], [NO]], ids=["yes", "no"])
def test_a_last_answer_whose_storing_was_not_confirmed_keeps_no_other_webhook_waiting(
    answers: list[Fault | None],
) -> None:
    rig = Rig(calling(hook(HookMoment.ABORT, retries=0), hook(HookMoment.END)))
    rig.store = LossyStore()
    rig.store.unconfirmed = 1
    rig.webhooks.failures["abort"] = answers
    rig.controller = rig.restarted()
    rig.start()
    rig.tick()
    rig.decide(Abort("no"))
    for _ in range(6):
        rig.tick()
        rig.controller.call_owed_webhooks()

    assert [name for name, _, _ in rig.webhooks.calls] == ["abort", "end"]


def leading(rig: Rig) -> FakeLease:
    """A lease of this controller, which has a store that needs one."""
    lease = FakeLeases(rig.clock).lease("a")
    lease.keep()
    rig.controller = rig.controller.under(LeadersStore(rig.store, lease))
    return lease


def test_an_answer_that_comes_when_the_lease_has_run_out_is_kept() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE)))
    lease = leading(rig)
    rig.webhooks.during = lambda _: rig.clock.advance(60.0)
    rig.start()
    lease.keep()
    for _ in range(3):
        lease.keep()
        rig.tick(1.0)

    assert rig.webhooks.called("stage").count("r-1/mirror/stage") == 1


def test_an_answer_is_kept_however_long_the_store_is_away() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE)))

    def leave(_webhook: Webhook) -> None:
        rig.store.outage = Fault("Redis", "cannot be reached.", Cause.UNREACHABLE)

    rig.webhooks.during = leave
    rig.start()
    rig.tick()
    rig.webhooks.during = lambda _: None
    rig.clock.advance(900.0)
    rig.store.outage = None
    rig.tick()

    assert rig.webhooks.called("stage").count("r-1/mirror/stage") == 1


class Died(BaseException):
    """The process is gone, wherever it was."""


@dataclass
class Troubled:
    """A rollout whose webhooks are called while everything else goes on, and fails, as the dice have it.

    Whatever happens during a call happens inside of it, and may begin further calls, as threads do.
    """

    rig: Rig
    store: DisturbedStore
    lease: FakeLease
    dice: random.Random
    deaths: int = 0
    deep: int = 0

    def happen(self, _webhook: Webhook) -> None:
        self.deep += 1
        try:
            for _ in range(self.dice.randint(0, 2) if self.deep < 4 else 0):
                self._something()
        finally:
            self.deep -= 1

    def _something(self) -> None:
        match self.dice.randint(0, 6):
            case 0 if self.deaths < 2:
                self.deaths += 1
                raise Died
            case 1:
                self.rig.store.outage = Fault("Redis", "cannot be reached.", Cause.UNREACHABLE)
            case 2:
                self.store.late = self.dice.randint(1, 7)
            case 3:
                self.rig.clock.advance(60.0)  # the lease runs out
            case 4:
                self.store.unconfirmed = 1
            case _:
                self.step()

    def step(self) -> None:
        """A second of the leader's, and of people who approve whatever they are asked."""
        self.lease.keep()
        try:
            live = self.rig.controller.active("reviews")
            if live is not None and live.phase is Phase.UPGRADING:
                self.rig.workloads.finish("reviews-v1")
            if live is not None and live.asked_at is not None:
                evidence = self.rig.controller.button_token(live)
                self.rig.controller.approve("reviews", by=OMAR, evidence=evidence)
            self.rig.tick(8.0)
            self.rig.controller.call_owed_webhooks()
        except Fault:
            return  # the store is away

    @property
    def newest(self) -> Rollout:
        return self.rig.store.history("default/reviews", 1)[0]

    def play(self) -> None:
        self._alive(self.rig.start)
        for _ in range(300):
            self.rig.store.outage = None
            self._alive(self.step)
            self.rig.store.outage = None
            if self.newest.ended and self.rig.webhooks.called("end"):
                break
        self.rig.webhooks.during = lambda _: None
        for _ in range(8):
            self.rig.store.outage = None
            self._alive(self.step)

    def _alive(self, work: Callable[[], object]) -> None:
        """If it dies of it, another process takes over."""
        try:
            work()
        except Died:
            self.deep = 0
            self.rig.controller = self.rig.restarted().under(LeadersStore(self.rig.store, self.lease))
        except Fault:
            return


def troubled(seed: int) -> Troubled:
    another = hook(HookMoment.END, name="end-2")
    rig = Rig(calling(*EVERY, another, weights=(100,), switchback=(100,)))
    rig.store = store = DisturbedStore()
    rig.controller = rig.restarted()
    world = Troubled(rig=rig, store=store, lease=leading(rig), dice=random.Random(seed))  # noqa: S311  # dice
    rig.webhooks.during = world.happen
    return world


@pytest.mark.parametrize("seed", range(4))
def test_whatever_else_goes_wrong_no_more_calls_are_repeated_than_bots_have_died(seed: int) -> None:
    world = troubled(seed)
    world.play()

    calls = Counter(key for _, key, _ in world.rig.webhooks.calls)
    assert world.newest.phase is Phase.PROMOTED
    assert {"r-1/mirror/stage", "r-1/promoted/promoted", "r-1/end/end", "r-1/end/end-2"} <= calls.keys()
    assert sum(calls.values()) - len(calls) <= world.deaths, calls
    assert world.deaths  # the dice do kill it


def test_the_answer_of_an_older_call_changes_nothing_that_was_recorded() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE, OnFailure.ABORT, retries=0)))
    late: list[Callable[[], None]] = []
    rig.hook_run = late.append
    rig.start()
    rig.tick()
    rig.hook_run = lambda work: work()
    rig.controller = rig.restarted()
    rig.tick()
    rig.webhooks.failures["stage"] = [NO]

    late[0]()
    rig.tick()

    assert rig.live().phase is Phase.MIRRORING


def test_the_end_is_told_by_whoever_leads_when_whoever_ended_it_is_gone() -> None:
    rig = Rig(calling(hook(HookMoment.END)))
    rig.hook_run = lambda _work: None  # the process dies
    rig.start()
    rig.tick()
    rig.decide(Abort("no"))
    rig.until(ended)
    assert rig.webhooks.calls == []

    rig.hook_run = lambda work: work()
    rig.controller = rig.restarted()
    for _ in range(3):
        rig.controller.call_owed_webhooks()

    assert rig.webhooks.called("end") == ["r-1/end/end"]


@pytest.mark.parametrize("by_another", [False, True], ids=["ended here", "ended by another replica"])
@pytest.mark.parametrize("left", [False, True], ids=["its webhooks left the file", "the service did"])
def test_the_end_is_told_to_those_with_whom_it_began_whatever_the_file_says_by_now(
    *, by_another: bool, left: bool
) -> None:
    rig = Rig(calling(hook(HookMoment.ABORT), hook(HookMoment.END, retries=9)))
    rig.webhooks.failures["end"] = [NO] * 3
    rig.start()
    rig.tick()
    ratings, silent = replace(rig.service, name="ratings"), replace(rig.service, webhooks=())
    rig.controller.use({"ratings": ratings} if left else {"reviews": silent})
    if by_another:
        rig.restarted().decide("reviews", Abort("no"), By(id=OMAR))
    else:
        rig.decide(Abort("no"))
    for _ in range(6):
        rig.tick(60.0)
        rig.controller.call_owed_webhooks()

    assert [name for name, _, _ in rig.webhooks.calls] == ["abort", *["end"] * 4]


@pytest.mark.parametrize("by_another", [False, True], ids=["ended here", "ended by another replica"])
def test_the_end_is_told_also_where_another_rollout_has_begun_since(*, by_another: bool) -> None:
    rig = Rig(calling(hook(HookMoment.ABORT), hook(HookMoment.END, retries=9)))
    rig.webhooks.failures["end"] = [NO] * 3
    rig.start()
    rig.tick()
    decides = rig.restarted() if by_another else rig.controller
    decides.decide("reviews", Abort("no"), By(id=OMAR))
    assert rig.newest().ended
    rig.start()
    for _ in range(6):
        rig.tick(60.0)
        rig.controller.call_owed_webhooks()

    assert rig.newest().spec.id == "r-2"
    assert [key for _, key, _ in rig.webhooks.calls] == ["r-1/abort/abort", *["r-1/end/end"] * 4]


def test_an_hour_after_its_end_nobody_is_told_of_it_any_more() -> None:
    rig = Rig(calling(hook(HookMoment.ABORT), hook(HookMoment.END)))
    rig.start()
    rig.tick()
    rig.decide(Abort("no"))
    rig.clock.advance(OWED_SECONDS + 1.0)
    rig.controller.call_owed_webhooks()

    assert rig.webhooks.calls == []


def test_what_nothing_waits_for_is_given_up_after_its_retries_and_told_once() -> None:
    rig = Rig(calling(hook(HookMoment.END, retries=2)))
    rig.webhooks.failures["end"] = [NO] * 9
    rig.start()
    rig.decide(Abort("no"))
    rig.until(ended)
    for _ in range(9):
        rig.clock.advance(60)
        rig.controller.call_owed_webhooks()

    assert len(rig.webhooks.calls) == 3
    assert rig.said(EntryKind.HELD) == [
        "Webhook end was given up after 3 calls: 503 Service Unavailable. Nothing waits for it."
    ]


def test_nobody_is_told_of_an_end_of_yesterday() -> None:
    rig = Rig(calling(hook(HookMoment.END)))
    rig.hook_run = lambda _work: None
    rig.start()
    rig.decide(Abort("no"))
    rig.until(ended)
    rig.hook_run = lambda work: work()
    rig.controller = rig.restarted()
    rig.clock.advance(OWED_SECONDS + 1)

    rig.controller.call_owed_webhooks()

    assert rig.webhooks.calls == []


def test_a_stage_that_is_entered_anew_is_asked_anew() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE), approve=(ApproveAt.STEP,)))
    rig.start()
    rig.at("shift 50")
    rig.decide(Back())
    rig.at("mirror")
    rig.tick()

    assert rig.webhooks.called("stage") == ["r-1/mirror/stage", "r-1/shift-50/stage", "r-1/mirror.2/stage"]


def test_bad_figures_abort_while_a_webhook_is_waited_for() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE, OnFailure.WAIT)))
    rig.webhooks.failures["stage"] = [NO] * 900
    rig.start()
    rig.until(lambda rollout: rollout.hold is not None and rollout.hold.cause is HoldCause.WEBHOOK)
    side = rig.metrics.sides["default/reviews-v2"]
    rig.metrics.sides["default/reviews-v2"] = replace(side, errors=side.requests)

    assert rig.until(ended).phase is Phase.ABORTED


def test_a_fault_of_our_own_in_a_call_is_that_webhooks_failure_alone() -> None:
    rig = Rig(calling(hook(HookMoment.STAGE, OnFailure.WAIT)))
    broken = [True]

    def break_once(_webhook: Webhook) -> None:
        if broken:
            broken.pop()
            raise KeyError("x")

    rig.webhooks.during = break_once
    rig.start()

    assert rig.until(ended).phase is Phase.PROMOTED
    assert len([key for key in rig.webhooks.called("stage") if "mirror" in key]) == 2
