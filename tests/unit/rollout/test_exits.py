"""An exit from everywhere: whatever is lost, a person ends the rollout; and what is lost is said by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.errors import Cause, Refusal
from bot.model.figures import Verdict
from bot.model.observation import BLIND, UNKNOWN, Denied, Observation, Progress, Unobserved
from bot.model.rollout import ALL_CANARY, HOME, HoldCause, Phase, Rollout, Template, Topology
from bot.model.service import ApproveAt, Promote
from bot.model.story import EntryKind
from bot.rollout import aborts, decide, obstacles, people
from bot.rollout.actions import Release, SetRoutes, next_action
from bot.rollout.compare import Part, compare
from bot.rollout.phrases import called
from bot.words.rendering import plain
from tests.builders import OMAR, a_rollout, a_service, a_side, an_observation, routes, verdict
from tests.unit.rollout.test_laws import MOVES, Drawn, Moves, World, story, walk

PASS, FAIL = verdict(Verdict.PASS), verdict(Verdict.FAIL)
GONE = Unobserved(cause=Cause.MISSING, sentence="VirtualService default/reviews does not exist.")
FORBIDDEN = Unobserved(cause=Cause.FORBIDDEN, sentence='Could not read it: User "canary-bot" cannot get resource.')
SLOW = Unobserved(cause=Cause.TIMED_OUT, sentence="Could not read it: the API server did not answer in time.")
NOBODY = a_side(None, exists=False, ready=0, wanted=0, progress=Progress.FAILED, reason="It does not exist.")
REFUSED = Denied(cause=Cause.REFUSED, sentence="Could not patch it: exceeded quota.")


def at_stage(name: str, topology: Topology = Topology.PER_VERSION, **changes: object) -> Rollout:
    """A rollout that is settled at a stage of its plan, as if it had walked there."""
    rollout = a_rollout(a_service(**changes), topology)
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    return replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0)


def without_routes(rollout: Rollout, why: Unobserved = GONE, **changes: object) -> Observation:
    return replace(an_observation(rollout), routes=None, owner=None, routes_unobserved=why, **changes)  # type: ignore[arg-type]  # checked by the dataclass


def without_pods(rollout: Rollout, why: Unobserved = FORBIDDEN, **changes: object) -> Observation:
    return replace(an_observation(rollout), primary=UNKNOWN, canary=UNKNOWN, pods_unobserved=why, **changes)  # type: ignore[arg-type]  # checked by the dataclass


# Every reachable state, under every combination of losses


@dataclass(frozen=True)
class Losses:
    """What a person has to end a rollout without."""

    routes: Unobserved | None
    pods: Unobserved | None
    primary: bool
    canary: bool
    writes: bool

    def of(self, observed: Observation) -> Observation:
        if self.primary:
            observed = replace(observed, primary=NOBODY)
        if self.canary:
            observed = replace(observed, canary=NOBODY)
        if self.pods is not None:
            observed = replace(observed, primary=UNKNOWN, canary=UNKNOWN, pods_unobserved=self.pods)
        if self.routes is not None:
            observed = replace(observed, routes=None, owner=None, failsafe_record=None, routes_unobserved=self.routes)
        return replace(observed, denied=REFUSED) if self.writes else observed


UNSEEN, BOTH = (None, GONE, FORBIDDEN, SLOW), (False, True)
LOSSES = [
    Losses(routes=on_routes, pods=pods, primary=primary, canary=canary, writes=writes)
    for on_routes, pods, primary, canary, writes in product(UNSEEN, (None, FORBIDDEN, SLOW), BOTH, BOTH, BOTH)
]
STORIES = st.tuples(st.sampled_from(Promote), st.sampled_from(Topology), st.just(tuple(ApproveAt)))


@settings(max_examples=120, deadline=None)
@given(drawn=STORIES, moves=MOVES, losses=st.sampled_from(LOSSES))
def test_from_every_reachable_state_under_every_loss_some_command_leads_to_an_end(
    drawn: Drawn, moves: Moves, losses: Losses
) -> None:
    rollout, world = story(*drawn)
    rollout = walk(rollout, world, moves)
    rollout = aborted_under(rollout, world, losses)
    if rollout.ended:
        return
    ends_by_itself = losses.routes is GONE or (losses.primary and losses.canary and not losses.pods)
    assert not ends_by_itself or losses.writes or losses.routes not in {None, GONE}, "the abort reaches an end"
    said = [hold for hold in rollout.holds if hold.notified] or rollout.phase is Phase.HALTED
    assert said, "who waits for a person has told one"

    ended, entries = people.abandon(rollout, OMAR, "it cannot be mended", world.now)

    assert (ended.phase, entries[-1].kind) == (Phase.ABANDONED, EntryKind.ENDED)


def aborted_under(rollout: Rollout, world: World, losses: Losses) -> Rollout:
    """A person aborts, and for more than an hour nothing that was lost comes back."""
    if not rollout.ended and rollout.phase is not Phase.ABORTING:
        rollout, _ = aborts.abort(rollout, OMAR, "because.", world.now)
    for _ in range(40):
        world.now += 120.0
        observed = losses.of(world.observed(rollout))
        rollout, _ = decide.decide(rollout, observed, PASS, world.now)
        if losses.writes:
            continue
        match next_action(rollout, observed):
            case SetRoutes(routes=wanted):
                world.routes, world.owner = wanted, rollout.spec.id
            case Release():
                world.owner = None
            case _:
                pass
    return rollout


@pytest.mark.parametrize(("name", "held_at"), [("shift 60", "primary scale-up"), ("bake", "primary restore")])
def test_users_of_a_primary_that_is_gone_are_brought_to_the_canary_once_the_write_gets_through(
    name: str, held_at: str
) -> None:
    """A halt writes nothing: it would leave them there, be aborted as somebody is stranded, and come again."""
    rollout, _ = aborts.abort(at_stage(name), OMAR, "because.", 0.0)
    live = at_stage(name).current.routes
    observed = an_observation(rollout, primary=NOBODY, routes=live, owner=rollout.spec.id, denied=REFUSED)
    said: list[str] = []
    for now in range(60, 7200, 60):
        rollout, entries = decide.decide(rollout, observed, PASS, float(now))
        said += [plain(entry.text) for entry in entries if entry.kind is EntryKind.ALERT]

    assert said == [f"Could not patch it: exceeded quota. canary-bot keeps trying. The way back waits at {held_at}."]
    assert next_action(rollout, observed) == SetRoutes(routes=ALL_CANARY)
    away = replace(observed, routes=ALL_CANARY, denied=None)
    halted, entries = decide.decide(rollout, away, PASS, 7260.0)
    assert (halted.phase, entries[-1].kind) == (Phase.HALTED, EntryKind.HALTED)
    assert decide.decide(halted, away, PASS, 9000.0)[0].phase is Phase.HALTED


# The VirtualService is gone


@pytest.mark.parametrize("name", ["mirror", "shift 40", "shift 100", "upgrade", "switchback 50", "bake"])
def test_a_virtual_service_that_is_gone_is_said_by_name_and_an_abort_ends(name: str) -> None:
    rollout = at_stage(name)
    held, said = decide.decide(rollout, without_routes(rollout), PASS, 1.0)

    gone = "VirtualService reviews no longer exists. Nothing is moved. `/canary abandon reviews` ends this rollout."
    assert [plain(entry.text) for entry in said] == [f"{gone} Staying at {plain(called(rollout.current))}."]
    assert next_action(held, without_routes(held)) is None
    aborting, _ = aborts.abort(held, OMAR, "the service is retired.", 2.0)
    observed = without_routes(aborting, primary=a_side(rollout.current.template))
    waiting, _ = decide.decide(aborting, observed, PASS, 10.0)
    ended, entries = decide.decide(waiting, observed, PASS, 32.0)
    assert (waiting.phase, ended.phase) == (Phase.ABORTING, Phase.ABORTED)
    left = " reviews-v1 has the image of v2. Put the old one back by hand."
    upgraded = rollout.current.template is Template.UPGRADED
    assert plain(entries[-1].text) == (
        f"Abort complete: VirtualService reviews no longer exists, so nobody can be moved.{left if upgraded else ''}"
    )


def test_a_virtual_service_that_is_made_anew_within_a_moment_is_brought_home_as_ever() -> None:
    aborting, _ = aborts.abort(at_stage("shift 40"), OMAR, "because.", 0.0)
    waiting, _ = decide.decide(aborting, without_routes(aborting), PASS, 5.0)
    anew = an_observation(aborting, routes=routes(40), owner=None)

    going_on, _ = decide.decide(waiting, anew, PASS, 20.0)
    again, _ = decide.decide(going_on, without_routes(going_on), PASS, 40.0)

    assert next_action(going_on, anew) == SetRoutes(routes=HOME)
    assert (going_on.gone_since, again.phase) == (None, Phase.ABORTING)


def test_a_promotion_of_which_only_the_annotations_were_left_ends_with_the_object() -> None:
    finishing = replace(at_stage("finish"), settled_at=None)

    assert decide.decide(finishing, without_routes(finishing), PASS, 1.0)[0].phase is Phase.PROMOTED


def test_bad_figures_abort_although_the_virtual_service_is_gone() -> None:
    rollout = at_stage("shift 40")

    assert decide.decide(rollout, without_routes(rollout), FAIL, 1.0)[0].phase is Phase.ABORTING


# What may not be read, or is too slow


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            FORBIDDEN,
            "canary-bot is not allowed to read {}. Routes stay as they are. Could not read it: ",
        ),
        (
            SLOW,
            "{} cannot be read: the API server did not answer in time. Routes stay as they are. Could not read it: ",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_the_kind_of_failure(why: Unobserved, words: str) -> None:
    rollout = at_stage("shift 40")

    _, on_routes = decide.decide(rollout, without_routes(rollout, why), PASS, 1.0)
    _, on_pods = decide.decide(rollout, without_pods(rollout, why), PASS, 1.0)

    assert plain(on_routes[0].text).startswith(words.format("VirtualService reviews"))
    assert plain(on_pods[0].text).startswith(words.format("reviews-v1 or reviews-v2"))


def test_users_of_a_dead_canary_go_home_although_the_routes_may_not_be_read() -> None:
    rollout = at_stage("shift 40")
    observed = without_routes(rollout, FORBIDDEN, canary=a_side(ready=0))

    aborting, said = decide.decide(rollout, observed, PASS, 1.0)

    assert aborting.phase is Phase.ABORTING
    assert "40 % of users are on reviews-v2, which has no ready pod." in plain(said[0].text)


def test_nobody_is_called_dead_whose_pods_cannot_be_seen() -> None:
    for name in ("mirror", "shift 40", "upgrade", "switchback 50", "bake"):
        rollout = at_stage(name)
        held, _ = decide.decide(rollout, without_pods(rollout), PASS, 9999.0)
        assert (held.phase, held.stage, held.drift) == (rollout.phase, rollout.stage, None)


def test_an_abort_brings_users_home_to_a_primary_that_was_never_touched_although_its_pods_may_not_be_seen() -> None:
    aborting, _ = aborts.abort(at_stage("shift 40"), OMAR, "because.", 0.0)
    away = without_pods(aborting, routes=routes(40))

    assert next_action(decide.decide(aborting, away, PASS, 1.0)[0], away) == SetRoutes(routes=HOME)
    there = without_pods(aborting, routes=HOME)
    home, _ = decide.decide(aborting, there, PASS, 2.0)
    assert next_action(home, there) == Release(routes=HOME)


def test_nobody_is_sent_to_a_touched_primary_whose_pods_may_not_be_seen() -> None:
    aborting, _ = aborts.abort(at_stage("switchback 50"), OMAR, "because.", 0.0)
    back = replace(aborting, stage=1)  # restored, and about to return

    blocked = [
        plain(gap.blocked) for gap in compare(back, without_pods(back, routes=ALL_CANARY)) if gap.part is Part.ROUTES
    ]

    assert blocked == ["Pods of reviews-v1 cannot be seen, so nobody is sent there."]


def test_a_drift_on_what_cannot_be_seen_now_is_there_still() -> None:
    rollout = at_stage("shift 40")
    held, _ = decide.decide(rollout, an_observation(rollout, routes=routes(70), writer="helm"), PASS, 1.0)

    half = without_pods(held, routes=routes(70), writer="helm")
    for observed in (None, without_routes(held, FORBIDDEN), without_routes(held), half):
        blind, _ = decide.decide(held, observed, PASS, 9999.0)
        assert (blind.drift, blind.phase) == (held.drift, Phase.SHIFTING)


def test_a_reconcile_without_an_observation_is_one_that_sees_nothing() -> None:
    for rollout in (at_stage("shift 40"), aborts.abort(at_stage("bake"), OMAR, "because.", 0.0)[0]):
        assert decide.decide(rollout, None, PASS, 9.0) == decide.decide(rollout, BLIND, PASS, 9.0)


# Deployments that are gone


def test_with_neither_deployment_there_an_abort_puts_the_routes_back_and_ends() -> None:
    for name in ("shift 40", "upgrade", "bake"):
        rollout, _ = aborts.abort(at_stage(name), OMAR, "because.", 0.0)
        live = at_stage(name).current.routes
        observed = an_observation(rollout, primary=NOBODY, canary=NOBODY, routes=live, owner=rollout.spec.id)
        for now in range(1, 8):
            rollout, _ = decide.decide(rollout, observed, PASS, float(now))
            match next_action(rollout, observed):
                case SetRoutes(routes=wanted):
                    observed = replace(observed, routes=wanted)
                case Release():
                    observed = replace(observed, owner=None)
                case _:
                    pass
        assert (rollout.phase, observed.routes, observed.owner) == (Phase.ABORTED, HOME, None)


def test_a_primary_that_is_gone_in_its_upgrade_halts_within_a_minute_and_the_canary_may_be_accepted() -> None:
    rollout = replace(at_stage("upgrade"), settled_at=None)
    observed = an_observation(rollout, primary=NOBODY)

    held, _ = decide.decide(rollout, observed, PASS, 1.0)
    halted, _ = decide.decide(held, observed, PASS, 45.0)

    assert (halted.phase, plain(halted.reason)) == (
        Phase.HALTED,
        "reviews-v1 could not be upgraded. It does not exist.",
    )
    accepted, _ = people.accept(halted, OMAR, 50.0)
    left = replace(observed, owner=None)
    assert decide.decide(accepted, left, PASS, 51.0)[0].phase is Phase.PROMOTED


# Writes that are turned down


@pytest.mark.parametrize("cause", [Cause.FORBIDDEN, Cause.REFUSED, Cause.MISSING])
@pytest.mark.parametrize(("name", "live"), [("shift 40", routes(20)), ("upgrade", ALL_CANARY)])
def test_what_the_api_server_turns_down_is_told_at_the_next_reconcile_in_its_own_words(
    name: str, live: object, cause: Cause
) -> None:
    rollout = replace(at_stage(name), settled_at=None)
    denied = Denied(cause=cause, sentence="Could not patch it: the quota is exceeded.")
    observed = an_observation(rollout, primary=a_side(), routes=live, denied=denied)

    held, said = decide.decide(rollout, observed, PASS, 1.0)
    still, more = decide.decide(held, observed, PASS, 2.0)
    done, then = decide.decide(still, an_observation(rollout, primary=a_side(rollout.current.template)), PASS, 3.0)

    at = called(rollout.current)
    text = f"Could not patch it: the quota is exceeded. canary-bot keeps trying. Staying at {plain(at)}."
    assert [(entry.kind, plain(entry.text)) for entry in said] == [(EntryKind.ALERT, text)]
    assert more == ()
    assert (done.hold, then[0].kind) == (None, EntryKind.RESUMED)


def test_a_write_that_may_go_through_next_time_is_told_when_it_has_not_for_a_while() -> None:
    rollout = replace(at_stage("upgrade"), settled_at=None)
    denied = Denied(cause=Cause.TIMED_OUT, sentence="Could not patch it: the API server did not answer in time.")
    observed = an_observation(rollout, primary=a_side(), denied=denied)

    early, nothing = decide.decide(rollout, observed, PASS, obstacles.WRITE_SECONDS)
    _, said = decide.decide(early, observed, PASS, obstacles.WRITE_SECONDS + 1)

    assert nothing == ()
    assert plain(said[0].text).startswith(
        "Could not patch it: the API server did not answer in time. canary-bot keeps trying."
    )


def test_an_upgrade_that_was_turned_down_to_the_end_says_so_when_it_halts() -> None:
    rollout = replace(at_stage("upgrade"), settled_at=None)
    observed = an_observation(rollout, primary=a_side(), denied=REFUSED)

    halted, _ = decide.decide(rollout, observed, PASS, rollout.spec.upgrade_timeout + 1)

    assert plain(halted.reason) == "reviews-v1 could not be upgraded. Could not patch it: exceeded quota."


def test_nobody_can_retry_what_has_ended_in_a_gone_object() -> None:
    aborting, _ = aborts.abort(at_stage("shift 40"), OMAR, "because.", 0.0)
    held, _ = decide.decide(aborting, without_routes(aborting), PASS, 1.0)
    ended, _ = decide.decide(held, without_routes(aborting), PASS, 60.0)

    assert (held.hold and held.hold.cause) is HoldCause.CLUSTER
    for event in (people.retry, people.accept, people.pause, people.resume):
        with pytest.raises(Refusal, match="has ended"):
            event(ended, OMAR, 61.0)
