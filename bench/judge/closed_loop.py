"""The second edition in closed loop: what it says moves the simulated users one step later.

All runs of a scenario go through the product's own ``sequential.step`` at once. What is written here is what surrounds
it: scrapes, stages, and where users are. Nobody answers a question, so a run in which people are asked stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from bench.judge.scenarios import Scenario
from bench.judge.traffic import PER_SCRAPE, SCRAPE, SCRAPES, Floats
from bench.judge.world import BOUNDS, ERRORS, REQUESTS, SLOWER, Bools, Served, Whole, World
from bot.analysis.histograms import tail_bounds
from bot.analysis.judge.judge import RECENT
from bot.analysis.judge.second import sequential
from bot.analysis.judge.second.baseline import baseline, limits
from bot.analysis.judge.second.constants import HOME, HOME_CEILING
from bot.analysis.judge.second.sequential import Answer, Fixed, Outcome, Row, State
from bot.analysis.judge.second.stretch import typical
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.verdict import FAILING_FEWEST, FAILING_MANY, FAILING_TIMES

NEVER = np.inf
MINUTE = int(RECENT) // SCRAPE


@dataclass(slots=True, kw_only=True)
class Course:
    """When what first happened in each run, seconds; never is infinite.

    Attributes:
        home, back, home_again: a step back, the return, and the second step back.
        passed: by stage.
        at_home: seconds that users were kept home, those after an abort excepted.
        failed: user requests that failed at the canary beyond the primary's base rate, up to the end.
    """

    aborted: Floats
    home: Floats
    back: Floats
    home_again: Floats
    returns: Floats
    asked: Floats
    slower: Floats
    passed: Floats
    at_home: Floats
    failed: Floats

    @classmethod
    def begun(cls, runs: int, stages: int) -> Course:
        """Nothing happened yet."""
        never = [np.full(runs, NEVER) for _ in range(6)]
        aborted, home, back, again, asked, slower = never
        none = [np.zeros(runs) for _ in range(3)]
        return cls(
            aborted=aborted,
            home=home,
            back=back,
            home_again=again,
            returns=none[0],
            asked=asked,
            slower=slower,
            passed=np.full((runs, stages), NEVER),
            at_home=none[1],
            failed=none[2],
        )

    def of(self, runs: slice) -> Course:
        """Some of the runs."""
        return Course(**{one.name: getattr(self, one.name)[runs] for one in fields(self)})


def fixed_of(world: World, settings: JudgeSettings) -> tuple[Fixed, list[int]]:
    """What the primary's hour fixes, of every run; and the columns of the metrics."""
    past = world.history
    total = past[..., REQUESTS].sum()
    summed = {bound: total - past[..., SLOWER + place].sum() for place, bound in enumerate(BOUNDS)}
    bounds = tail_bounds({**summed, np.inf: total})
    columns = [ERRORS, *(SLOWER + BOUNDS.index(bound) for bound in bounds)]
    requests = np.repeat(past[:, None, :, REQUESTS], len(columns), axis=1)
    base = baseline(requests, past[..., columns].swapaxes(1, 2), settings)
    weights = settings.weights
    tolerated = limits(
        [settings.errors, settings.slow, settings.slow],
        [weights.errors, weights.slow_a, weights.slow_b, weights.ceiling],
        [settings.home * one for one in (*HOME, HOME_CEILING)],
        settings,
    )
    scores = typical(np.array(BOUNDS), past[..., SLOWER:].swapaxes(1, 2), past[..., REQUESTS])
    return sequential.settled(base, tolerated, scores, votes=True), columns


class _Stages:
    """Where each run is in its plan; a return begins a stage anew."""

    def __init__(self, scenario: Scenario, runs: int) -> None:
        self.shares = np.array([np.nan if share is None else share for _, _, share in scenario.stages])
        ends = np.array([end for _, end, _ in scenario.stages], float)
        self.lasts = np.diff(ends, prepend=0.0)
        self.lasts[-1] = NEVER
        self.first_weight = int(np.argmax(~np.isnan(self.shares)))
        self.place: Whole = np.zeros(runs, int)
        self.until = np.full(runs, self.lasts[0])

    @property
    def users(self) -> Bools:
        """Whether the stage has users at the canary."""
        return np.asarray(~np.isnan(self.shares[self.place]))

    def on(self, t: float, home: Bools) -> None:
        """The next stage, where this one's time is up and users are not kept home."""
        ended = (t >= self.until) & ~home
        self.place = np.where(ended, self.place + 1, self.place)
        self.until = np.where(ended, t + self.lasts[self.place], self.until)

    def back(self, t: float, these: Bools) -> None:
        """To the weight before the one that users came home from."""
        before = np.maximum(self.place - 1, self.first_weight)
        self.place = np.where(these, before, self.place)
        self.until = np.where(these, t + self.lasts[self.place], self.until)


def run(world: World, settings: JudgeSettings, *, alone: bool) -> tuple[Course, Served]:
    """Half an hour of every run; ``alone``: nobody is sent home, and an abort is noted but moves nothing."""
    runs, scenario = world.runs, world.scenario
    fixed, columns = fixed_of(world, settings)
    served, stages = Served.nothing(runs, latency=alone), _Stages(scenario, runs)
    course, state = Course.begun(runs, len(scenario.stages)), sequential.begin(fixed, settings)
    judged_stage, complete_at = stages.place, np.zeros(runs, int)
    known = np.zeros((2, runs), int)  # the step of each version's last scrape
    counted = np.zeros((2, runs), int)  # and of the one that the last complete row ended with
    share = stages.shares[stages.place]
    for scrape in range(SCRAPES):
        for step in range(PER_SCRAPE):
            at = scrape * PER_SCRAPE + step
            if step == 1:  # what was said at the reading a step ago has been written
                share = _sent(stages, state, course, alone=alone)
            served.step(world, at, share)
        t = (scrape + 1.0) * SCRAPE
        scraped = (scrape + 1) * PER_SCRAPE - world.phases
        known = np.where(world.lost[:, :, scrape], known, scraped)
        complete = np.asarray(~world.lost[:, :, scrape].any(axis=0))
        rows = _rows(served, known, counted)
        seconds = SCRAPE * np.maximum(scrape + 1 - complete_at, 1.0)
        row = Row(
            seconds=seconds,
            counts=_counts(rows, columns),
            blind=np.zeros((runs, len(columns)), bool),
            canary=_buckets(rows[0]),
            primary=_buckets(rows[1]),
            first=(judged_stage != stages.place) & (complete_at > 0),
            users=stages.users & ~state.probation,
            limited=(np.isnan(share)) & (scenario.copied < 1),
            failing=_fails(served, known, fixed, settings),
            alone=alone,
        )
        moved, answer = sequential.step(state, row, fixed, settings)
        before = state.probation
        state = moved if complete.all() else _chosen(complete, moved, state)
        _note(course, answer, complete & (course.aborted == NEVER), t, stages, state)
        judged_stage = np.where(complete, stages.place, judged_stage)
        complete_at = np.where(complete, scrape + 1, complete_at)
        counted = np.where(complete, known, counted)
        course.at_home += SCRAPE * (before & (course.aborted == NEVER))
        back = complete & (answer.outcome == Outcome.GO_BACK)
        stages.back(t, back)
        stages.on(t, state.probation)
    course.failed = served.failed[:, -1]
    return course, served


def _sent(stages: _Stages, state: State, course: Course, *, alone: bool) -> Floats:
    """By run the users' share at the canary, as ``Served.step`` has it."""
    share = np.where(state.probation, np.nan, stages.shares[stages.place])
    return share if alone else np.where(course.aborted < NEVER, 0.0, share)


def _rows(served: Served, known: Whole, counted: Whole) -> Floats:
    """Counts between two scrapes of each version: (side, run, column)."""
    each = np.arange(known.shape[1])
    return np.stack(
        [
            totals[each, now] - totals[each, then]
            for totals, now, then in zip((served.canary, served.primary), known, counted, strict=True)
        ]
    )


def _counts(rows: Floats, columns: list[int]) -> Floats:
    canary, primary = rows
    each = [
        np.stack([canary[:, REQUESTS], canary[:, column], primary[:, REQUESTS], primary[:, column]], axis=-1)
        for column in columns
    ]
    return np.stack(each, axis=1)


def _buckets(row: Floats) -> Floats:
    slower = np.concatenate([row[:, [REQUESTS]], row[:, SLOWER:], np.zeros((len(row), 1))], axis=1)
    return -np.diff(slower, axis=1)


def _fails(served: Served, known: Whole, fixed: Fixed, settings: JudgeSettings) -> Bools:
    """The primary, over the last minute: above the ceiling, or far above what it was like before."""
    lately = _rows(served, known, np.maximum(known - MINUTE * PER_SCRAPE, 0))[1]
    requests, errors = lately[:, REQUESTS], lately[:, ERRORS]
    share = errors / np.maximum(requests, 1.0)
    past = fixed.base.bad[:, 0] / np.maximum(fixed.base.requests[:, 0], 1.0)
    many = (errors >= FAILING_MANY) & (share >= FAILING_TIMES * past)
    return np.asarray(many | ((errors >= FAILING_FEWEST) & (share > settings.ceiling)))


def _chosen(these: Bools, one: Any, other: Any) -> Any:
    """The one state for these runs, the other for the rest."""
    found = {}
    for part in fields(one):
        first, second = getattr(one, part.name), getattr(other, part.name)
        if is_dataclass(first):
            found[part.name] = _chosen(these, first, second)
        else:
            at = these.reshape(-1, *[1] * (first.ndim - 1))
            found[part.name] = np.where(at, first, second)
    return type(one)(**found)


def _note(course: Course, answer: Answer, these: Bools, t: float, stages: _Stages, state: State) -> None:
    def first(at: Floats, outcome: Bools) -> Floats:
        return np.where(these & outcome & (at == NEVER), t, at)

    outcome = answer.outcome
    home = outcome == Outcome.STEP_BACK
    course.home_again = np.where(
        these & home & (course.home < NEVER), np.minimum(course.home_again, t), course.home_again
    )
    course.home = first(course.home, home)
    course.back = first(course.back, outcome == Outcome.GO_BACK)
    course.returns = course.returns + (these & (outcome == Outcome.GO_BACK))
    course.asked = first(course.asked, outcome == Outcome.ASK)
    course.slower = first(course.slower, state.is_slower)
    for run in np.flatnonzero(these & (outcome == Outcome.PASS)):
        place = stages.place[run]
        course.passed[run, place] = min(course.passed[run, place], t)
    course.aborted = first(course.aborted, outcome == Outcome.ABORT)
