"""What becomes of a scenario under the second edition, in closed loop, and beside it of everybody else's judging.

The first edition, the second one without its shield, and the peers see the same world in open loop: nothing that they
say moves its traffic, and what failed of users' requests is counted up to one step after their abort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.judge import at_once
from bench.judge.closed_loop import Course, run
from bench.judge.peers import PEERS
from bench.judge.scenarios import Scenario
from bench.judge.traffic import SECONDS, Floats
from bench.judge.world import last_step, world
from bot.analysis.judge.settings import JudgeSettings
from bot.model.judge_settings import SECOND

FIRST, ALONE = "first", "shield off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """The second edition on one scenario; times are seconds since its onset, and never is infinite."""

    scenario: Scenario
    course: Course

    @property
    def runs(self) -> int:
        """How many."""
        return len(self.course.aborted)

    @property
    def failed(self) -> float:
        """User requests that failed beyond the base rate, on average."""
        return float(self.course.failed.mean())

    @property
    def returns(self) -> float:
        """By itself, in the run with most of them."""
        return float(self.course.returns.max())

    def aborts(self) -> float:
        """The share of runs; so are those that follow."""
        return float(np.isfinite(self.course.aborted).mean())

    def homes(self) -> float:
        """In which users were taken home by a step back."""
        return float(np.isfinite(self.course.home).mean())

    def asks(self) -> float:
        """In which people were asked where to go."""
        return float(np.isfinite(self.course.asked).mean())

    def slowers(self) -> float:
        """In which it was called slower."""
        return float(np.isfinite(self.course.slower).mean())

    def passes(self) -> float:
        """In which it ever passed."""
        return float(np.isfinite(self.course.passed).any(axis=1).mean())

    def home(self, share: float) -> float:
        """Seconds until this share of the runs had users at home, by a step back or an abort."""
        return self._after(np.minimum(self.course.home, self.course.aborted), share)

    def abort(self, share: float) -> float:
        """Until it was aborted."""
        return self._after(self.course.aborted, share)

    def slower(self, share: float) -> float:
        """Until it was called slower."""
        return self._after(self.course.slower, share)

    def passing(self, share: float) -> float:
        """Until it first passed."""
        return quantile(self.course.passed.min(axis=1), share)

    def back(self, share: float) -> float:
        """From the step back to the return, of the runs that were taken home and not aborted."""
        these = np.isfinite(self.course.home) & ~np.isfinite(self.course.aborted)
        if not these.any():
            return np.nan
        return quantile((self.course.back - np.where(these, self.course.home, 0.0))[these], share)

    def _after(self, at: Floats, share: float) -> float:
        seconds = at - self.scenario.onset
        return quantile(seconds[seconds > 0], share)

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        figures = {
            "scenario": self.scenario.name,
            "runs": self.runs,
            "aborted": self.aborts(),
            "home": self.homes(),
            "asked": self.asks(),
            "slower": self.slowers(),
            "passed": self.passes(),
            "failed": self.failed,
            "minutes_at_home": float(self.course.at_home.mean()) / 60,
        }
        times = {"home_s": self.home, "abort_s": self.abort, "slower_s": self.slower, "pass_s": self.passing}
        return figures | {name: [_finite(of(share)) for share in (0.5, 0.9)] for name, of in times.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Everybody else on the same scenario: when each run was aborted, by judge.

    Attributes:
        failed: users' requests beyond the base rate until the first edition's abort.
        homes: step backs of the second edition without its shield.
    """

    scenario: Scenario
    aborted: dict[str, Floats]
    failed: float
    homes: float

    @property
    def alone(self) -> str:
        """The second edition without its shield."""
        return ALONE

    def median(self, judge: str) -> float:
        """Seconds since the onset."""
        seconds = self.aborted[judge] - self.scenario.onset
        return quantile(seconds[seconds > 0], 0.5)

    def aborts(self, judge: str) -> float:
        """The share of runs."""
        return float(np.isfinite(self.aborted[judge]).mean())

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        each = {name: [self.aborts(name), _finite(self.median(name))] for name in self.aborted}
        return {"scenario": self.scenario.name, "failed": self.failed, "aborted_and_median_s": each}


def loops(scenario: Scenario, runs: int, seeds: Sequence[int]) -> list[Loop]:
    """The second edition, whose word moves users: so many runs of each seed."""
    course, _ = run(world(scenario, runs, seeds), SECOND, alone=False)
    return [Loop(scenario=scenario, course=course.of(part)) for part in _parts(runs, seeds)]


def besides(scenario: Scenario, runs: int, seeds: Sequence[int]) -> list[Beside]:
    """The others, whose word moves nothing."""
    there, settings = world(scenario, runs, seeds), JudgeSettings()
    course, served = run(there, SECOND, alone=True)
    traffic = served.scraped(there)
    first = np.array([one.aborted for one in at_once.judge(scenario, traffic, settings)])
    failed = served.failed[np.arange(len(first)), [last_step(at) for at in first.tolist()]]
    aborted = {FIRST: first, ALONE: course.aborted}
    for name, rule in PEERS.items():
        at = rule(traffic)
        aborted[name] = np.where(at <= SECONDS, at, np.inf)
    return [
        Beside(
            scenario=scenario,
            aborted={name: at[part] for name, at in aborted.items()},
            failed=float(failed[part].mean()),
            homes=float(np.isfinite(course.home[part]).sum()),
        )
        for part in _parts(runs, seeds)
    ]


def _parts(runs: int, seeds: Sequence[int]) -> list[slice]:
    return [slice(place * runs, (place + 1) * runs) for place in range(len(seeds))]


def quantile(seconds: Floats, share: float) -> float:
    """One of the values; NaN of none."""
    return float(np.quantile(seconds, share, method="higher")) if seconds.size else float("nan")


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
