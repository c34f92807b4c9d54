"""Laws that hold over whole stories, whatever the world does: Hypothesis draws the world's moves and people's."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.errors import Refusal
from bot.model.figures import Verdict
from bot.model.observation import DeploymentStatus, Observation, Progress
from bot.model.rollout import ALL_CANARY, HOME, Phase, Rollout, Routes, Template, Topology, UserId
from bot.model.service import ApproveAt, Promote
from bot.rollout import aborts, approvals, decide, people, weights
from bot.rollout.actions import ApplyTemplate, Release, ScaleCanaryDown, ScalePrimaryUp, SetRoutes, Wait, next_action
from bot.rollout.transitions import Change
from tests.builders import OMAR, a_rollout, a_service, a_target, verdict


class Move(StrEnum):
    """What may happen between two reconciles."""

    NOTHING = "nothing"
    TIME = "time passes"
    APPROVE = "somebody approves"
    PAUSE = "somebody pauses"
    RESUME = "somebody resumes"
    ABORT = "somebody aborts"
    RETRY = "somebody retries"
    ACCEPT = "somebody accepts"
    BLIND = "the cluster cannot be seen"
    WRITE_FAILS = "the next write fails"
    CANARY_DOWN = "the canary has no ready pod"
    CANARY_UP = "the canary is ready"
    PRIMARY_DOWN = "the primary has no ready pod"
    PRIMARY_UP = "the primary's rollout completes"
    PRIMARY_STUCK = "the primary's rollout fails"
    PRIMARY_SHRINKS = "somebody, or an HPA, scales the primary down to one pod"
    PRIMARY_VANISHES = "somebody scales the primary to zero"
    EDIT = "somebody edits the routes by hand"
    STRIP = "somebody takes our marks off"
    RESTORE = "somebody restores ours"
    KEEP_THEIRS = "somebody leaves theirs"
    BACK = "somebody goes one step back"
    SET = "somebody sets another share"


Drawn = tuple[Promote, Topology, tuple[ApproveAt, ...]]
Moves = list[tuple[Move, Verdict]]


def _set_some_share(rollout: Rollout, by: UserId, now: float) -> Change:
    return weights.set_share(rollout, 1 + int(now / 10) % 100, by, now)


PEOPLE = {
    Move.APPROVE: approvals.approve,
    Move.PAUSE: people.pause,
    Move.RESUME: people.resume,
    Move.RETRY: people.retry,
    Move.ACCEPT: people.accept,
    Move.RESTORE: people.restore,
    Move.KEEP_THEIRS: people.keep_theirs,
    Move.BACK: weights.back,
    Move.SET: _set_some_share,
}


@dataclass
class World:
    """A mesh and two Deployments that do as they are told, with every write checked as it happens."""

    topology: Topology
    routes: Routes = HOME
    owner: str | None = None
    template: Template = Template.RECORDED
    progress: Progress = Progress.DONE
    primary_ready: int = 2
    primary_wanted: int = 2
    canary_ready: int = 2
    now: float = 0.0
    shares: list[int] = field(default_factory=list)

    def observed(self, rollout: Rollout) -> Observation:
        primary = DeploymentStatus(
            template=self.template, progress=self.progress, ready=self.primary_ready, wanted=self.primary_wanted
        )
        canary = DeploymentStatus(template=Template.RECORDED, progress=Progress.DONE, ready=self.canary_ready, wanted=2)
        return Observation(
            routes=self.routes, primary=primary, canary=canary, owner=rollout.spec.id if self.owner else None
        )

    def happen(self, move: Move) -> None:  # noqa: C901  # a case for each move
        match move:
            case Move.TIME:
                self.now += 400.0
            case Move.CANARY_DOWN:
                self.canary_ready = 0
            case Move.CANARY_UP:
                self.canary_ready = 2
            case Move.PRIMARY_DOWN:
                self.primary_ready = 0
            case Move.PRIMARY_UP:
                self.primary_ready = self.primary_wanted
                self.progress = Progress.DONE if self.primary_wanted else Progress.WAITING
            case Move.PRIMARY_SHRINKS if self.progress is Progress.DONE:
                self.primary_wanted, self.primary_ready = 1, min(1, self.primary_ready)
            case Move.PRIMARY_VANISHES if self.progress is Progress.DONE:
                self.primary_wanted, self.primary_ready, self.progress = 0, 0, Progress.WAITING
            case Move.EDIT if self.canary_ready and self.owner:  # while the object is ours
                self.routes = Routes(canary=55)
            case Move.STRIP:
                self.owner = None
            case Move.PRIMARY_STUCK if self.progress is Progress.WAITING:
                self.progress = Progress.FAILED
            case _:
                pass

    def do(self, rollout: Rollout) -> None:
        match next_action(rollout, self.observed(rollout)):
            case SetRoutes(routes=routes):
                self._check_receivers(rollout, routes)
                self.routes, self.owner = routes, rollout.spec.id
                self.shares.append(routes.canary)
            case ApplyTemplate(template=template):
                asked_of_git = rollout.spec.by_git and template is Template.UPGRADED
                assert not asked_of_git or rollout.restoring_at is not None, "what git is asked for is git's to write"
                assert self.routes.primary == 0, "a template is patched only while the primary has no user"
                assert self.canary_ready > 0 or not self.primary_ready, "and only while somebody else can have them"
                self.template, self.progress, self.primary_ready = template, Progress.WAITING, 0
            case Release(routes=routes):
                assert routes == self.routes, "the end changes nothing for users"
                self.owner = None
            case ScaleCanaryDown():
                self.canary_ready = 0
            case ScalePrimaryUp(pods=pods):
                assert pods > self.primary_wanted, "only ever up"
                self.primary_wanted, self.progress = pods, Progress.WAITING
            case Wait() | None:
                self._merge(rollout)

    def _merge(self, rollout: Rollout) -> None:
        """Where git is asked for the image, somebody puts it there."""
        if rollout.waits_for_git and self.template is Template.RECORDED:
            self.template, self.progress, self.primary_ready = Template.UPGRADED, Progress.WAITING, 0

    def _check_receivers(self, rollout: Rollout, routes: Routes) -> None:
        if routes.canary > self.routes.canary:
            assert self.canary_ready > 0, "users arrive only where a pod is ready"
        if routes.primary > self.routes.primary:
            assert self.primary_ready > 0, "users arrive only where a pod is ready"
            if rollout.phase is Phase.SWITCHING_BACK:
                assert (self.template, self.progress) == (Template.UPGRADED, Progress.DONE)


def walk(rollout: Rollout, world: World, moves: Moves) -> Rollout:
    """Look once per move, as the controller does: decide, then act."""
    for move, word in moves:
        world.now += 10.0
        world.happen(move)
        before = rollout
        if move in PEOPLE or move is Move.ABORT:
            try:
                if move is Move.ABORT:
                    rollout, _ = aborts.abort(rollout, OMAR, "because.", world.now)
                else:
                    rollout, _ = PEOPLE[move](rollout, OMAR, world.now)
            except Refusal:
                assert rollout is before, "a refusal changes nothing"
        observed = None if move is Move.BLIND else world.observed(rollout)
        rollout, _ = decide.decide(rollout, observed, verdict(word, world.now), world.now)
        theirs = rollout.drift is not None and rollout.phase is not Phase.ABORTING
        if observed is not None and move is not Move.WRITE_FAILS and not theirs:
            world.do(rollout)
        if before.ended:
            assert rollout == before, "an ended rollout never changes"
    return rollout


def story(promote: Promote, topology: Topology, approve: tuple[ApproveAt, ...]) -> tuple[Rollout, World]:
    service = a_service(promote=promote, approve=approve, hold_patience=100.0)
    target = a_target(topology, primary_replicas=2, canary_replicas=2)
    rollout, _ = decide.enter_first_stage(a_rollout(service, topology, target=target), 0.0)
    return rollout, World(topology)


STORIES = st.tuples(
    st.sampled_from(Promote), st.sampled_from(Topology), st.sampled_from([(), tuple(ApproveAt), (ApproveAt.MIRROR,)])
)
FORWARD = [move for move in Move if move not in {Move.BACK, Move.SET}]
ONLY_FORWARD = st.lists(
    st.tuples(st.sampled_from(FORWARD), st.sampled_from([*[Verdict.PASS] * 12, *Verdict])), max_size=80
)
MOVES = st.lists(st.tuples(st.sampled_from(Move), st.sampled_from([*[Verdict.PASS] * 12, *Verdict])), max_size=80)
CALM = [(Move.PRIMARY_UP, Verdict.PASS), (Move.CANARY_UP, Verdict.PASS), (Move.TIME, Verdict.PASS)]
WILLING = [*CALM, (Move.APPROVE, Verdict.PASS), (Move.RESUME, Verdict.PASS)]


@settings(max_examples=300, deadline=None)
@given(story=STORIES, moves=ONLY_FORWARD)
def test_the_canarys_share_only_grows_until_it_is_all_taken_back(story: Drawn, moves: Moves) -> None:
    rollout, world = _begin(story)
    walk(rollout, world, moves)

    up = [share for share in world.shares if share > 0]
    peak = up.index(100) if 100 in up else len(up)
    assert up[:peak] == sorted(up[:peak])


@settings(max_examples=300, deadline=None)
@given(story=STORIES, moves=MOVES)
def test_whatever_happens_a_calm_world_brings_an_abort_to_its_end_with_everyone_on_the_old_version(
    story: Drawn, moves: Moves
) -> None:
    rollout, world = _begin(story)
    rollout = walk(rollout, world, moves)
    rollout = walk(rollout, world, [(Move.ABORT, Verdict.PASS), *CALM * 8])
    if rollout.phase is Phase.HALTED:  # a primary that took too long to come up again: a person says go on
        rollout = walk(rollout, world, [(Move.RETRY, Verdict.PASS), *CALM * 8])

    if rollout.phase is Phase.ABORTED:
        assert (world.routes, world.owner) == (HOME, None)
    else:
        assert rollout.phase is Phase.PROMOTED


@settings(max_examples=300, deadline=None)
@given(story=STORIES, moves=MOVES)
def test_an_ended_rollout_leaves_everyone_on_one_version_and_no_annotation(story: Drawn, moves: Moves) -> None:
    rollout, world = _begin(story)
    rollout = walk(rollout, world, [*moves, *WILLING * 15])

    if rollout.ended:
        assert world.owner is None
        assert world.routes in {HOME, ALL_CANARY}
        if rollout.phase is Phase.ABORTED and world.canary_ready:
            assert world.routes == HOME


@pytest.mark.parametrize("topology", list(Topology))
@pytest.mark.parametrize("promote", list(Promote))
def test_a_willing_world_promotes(promote: Promote, topology: Topology) -> None:
    rollout, world = story(promote, topology, tuple(ApproveAt))

    rollout = walk(rollout, world, WILLING * 15)

    assert rollout.phase is Phase.PROMOTED
    upgraded_home = promote is not Promote.ADOPT and topology is not Topology.RELABEL
    assert world.routes == (HOME if upgraded_home else ALL_CANARY)
    assert world.template is (Template.UPGRADED if promote is not Promote.ADOPT else Template.RECORDED)


def test_a_rollout_that_cannot_be_written_neither_moves_nor_forgets() -> None:
    rollout, world = story(Promote.UPGRADE, Topology.PER_VERSION, ())

    stuck = walk(rollout, world, [(Move.WRITE_FAILS, Verdict.PASS)] * 20)

    assert (stuck.stage, stuck.settled_at, world.routes) == (0, None, HOME)
    assert walk(stuck, world, WILLING * 15).phase is Phase.PROMOTED


def _begin(drawn: Drawn) -> tuple[Rollout, World]:
    rollout, world = story(*drawn)
    return rollout, world
