"""What became of a scenario: aborts and passes of every run, ours and the peers', and the figures told about them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bench.judge import at_once, ours
from bench.judge.ours import Run
from bench.judge.peers import PEERS
from bench.judge.scenarios import FIVE, TEN, THIRTY, TWO, Noise, Scenario, bad
from bench.judge.traffic import SECONDS, Floats, simulate
from bench.judge.tuned import Tuned, tune
from bot.analysis.judge.settings import JudgeSettings

OURS = "ours"
SAMPLE = 5  # runs of each scenario that are also stepped row by row
BAD = frozenset(bad())
ERRORS = (THIRTY, TEN, FIVE, TWO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One scenario.

    Attributes:
        aborted: when each run was, by judge, never being infinite.
        differing: of the first ``SAMPLE`` runs, those that the product, stepped row by row, judges otherwise.
        unfair: the share of runs that were aborted if copies of some were compared with all of the primary's requests.
        tuned: the best fixed threshold there is, for canaries whose errors are bad from the start.
    """

    scenario: Scenario
    runs: list[Run]
    aborted: dict[str, Floats]
    differing: int = 0
    unfair: float | None = None
    tuned: Tuned | None = None

    @property
    def is_bad(self) -> bool:
        """Whether an abort is right."""
        return self.scenario in BAD

    def aborts(self, judge_name: str = OURS) -> float:
        """The share of runs that were aborted."""
        return float(np.isfinite(self.aborted[judge_name]).mean())

    def detection(self, share: float, judge_name: str = OURS) -> float:
        """Seconds from the fault by which this share was aborted; a run aborted before the fault is left out."""
        seconds = self.aborted[judge_name] - self.scenario.onset
        after = seconds[seconds > 0]
        return float(np.quantile(after, share, method="higher")) if after.size else float("nan")

    @property
    def missed(self) -> float:
        """The share of runs that were never aborted."""
        return 1 - self.aborts()

    def passing(self, share: float = 0.5) -> float:
        """Seconds by which this share of the runs had first passed."""
        first = [min(run.passed.values(), default=np.inf) for run in self.runs]
        return float(np.quantile(first, share, method="higher"))

    @property
    def ever_passed(self) -> float:
        """The share of runs that ever passed."""
        return float(np.mean([bool(run.passed) for run in self.runs]))

    @property
    def passed_while_bad(self) -> float:
        """The share of runs in which a stage first passed after the fault had begun."""
        onset = self.scenario.onset
        return float(np.mean([any(at > onset for at in run.passed.values()) for run in self.runs]))

    def stage_passing(self) -> dict[str, tuple[float, float]]:
        """By stage: the share of runs that passed it, and the median seconds it took those."""
        findings, began = {}, 0
        for name, end, _ in self.scenario.stages:
            took = [run.passed[name] - began for run in self.runs if name in run.passed]
            findings[name] = (len(took) / len(self.runs), float(np.median(took)) if took else float("nan"))
            began = end
        return findings

    def to_json(self) -> dict[str, Any]:
        """For ``--out``."""
        return {
            "scenario": self.scenario.name,
            "bad": self.is_bad,
            "aborts": {name: self.aborts(name) for name in self.aborted},
            "median_s": {name: _finite(self.detection(0.5, name)) for name in self.aborted} if self.is_bad else None,
            "p90_s": {name: _finite(self.detection(0.9, name)) for name in self.aborted} if self.is_bad else None,
            "tuned": asdict(self.tuned) if self.tuned else None,
            "stages": {stage: [share, _finite(took)] for stage, (share, took) in self.stage_passing().items()},
        }


def work_out(scenario: Scenario, runs: int, seed: int) -> Outcome:
    """Simulate a scenario and let everybody judge it."""
    traffic = simulate(scenario, runs, seed)
    settings = JudgeSettings()
    judged = at_once.judge(scenario, traffic, settings)
    stepped = ours.judge(scenario, traffic.of(slice(SAMPLE)), settings)
    differing = sum(one != two for one, two in zip(stepped, judged, strict=False))
    aborted = {OURS: np.array([run.aborted for run in judged])}
    for name, rule in PEERS.items():
        at = rule(traffic)
        aborted[name] = np.where(at <= SECONDS, at, np.inf)
    errors = scenario in BAD and scenario.group in ERRORS and scenario.noise is Noise.PLAIN and not scenario.onset
    tuned = tune(scenario, traffic.canary, runs, seed) if errors else None
    whole = at_once.judge(replace(scenario, copied=1.0), traffic, settings) if scenario.copied < 1 else ()
    unfair = float(np.mean([np.isfinite(run.aborted) for run in whole])) if whole else None
    return Outcome(scenario=scenario, runs=judged, aborted=aborted, differing=differing, unfair=unfair, tuned=tuned)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
