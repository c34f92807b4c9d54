"""The product's judge over all runs of a scenario at once: its own formulas and processes on arrays with a run axis.

What is written again here is only what surrounds them: rows, stages, who is failing, when a stage is passed. It is ten
times as fast as stepping run by run, which makes thousands of runs affordable; ``ours`` steps some runs of every
scenario through the product itself, and a check says that both agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.judge.ours import NEVER, Run, increments
from bench.judge.scenarios import Scenario
from bench.judge.traffic import BOUNDS, ERRORS, LATENCY, REQUESTS, SCRAPE, SCRAPES, Floats, Traffic
from bot.analysis.histograms import tail_bounds
from bot.analysis.judge.dispersion import dispersion
from bot.analysis.judge.evidence import absolute, originals, relative
from bot.analysis.judge.judge import ALTERNATIVES, BETTER, EXACT, RECENT, VETO_FEWEST, WORSE
from bot.analysis.judge.processes import NotWorse, Worse, hazard, lse
from bot.analysis.judge.settings import CEILING_TIMES, LADDER, LOWER, NEEDED_AGAIN, JudgeSettings
from bot.analysis.judge.state import CEILING
from bot.analysis.judge.verdict import FAILING_FEWEST, FAILING_MANY, FAILING_TIMES

Bools = NDArray[np.bool_]
NAMES = ("errors", "slow_a", "slow_b", "ceiling")
METRICS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fixed:
    """What is settled at the start: (run, metric), and the metrics' constants by alternative."""

    columns: list[int]
    phi: Floats
    past_share: Floats
    theta: Floats
    slack: Floats
    log_weights: Floats  # of the three metrics and the ceiling


def judge(scenario: Scenario, traffic: Traffic, settings: JudgeSettings) -> list[Run]:
    """Every run of a scenario."""
    fixed = _fixed(traffic, settings)
    sides = increments(traffic.canary), increments(traffic.primary)
    return _Runs(fixed, len(sides[0]), settings, limited=scenario.copied < 1).judge(scenario, *sides)


def _fixed(traffic: Traffic, settings: JudgeSettings) -> _Fixed:
    past = traffic.history
    total = past[..., REQUESTS].sum()
    summed = {bound: total - past[..., LATENCY + 1 + place].sum() for place, bound in enumerate(BOUNDS)}
    bounds = tail_bounds({**summed, np.inf: total})
    columns = [ERRORS, *(LATENCY + 1 + BOUNDS.index(bound) for bound in bounds)]
    phi = np.array([[dispersion(run[:, REQUESTS], run[:, column]) for column in columns] for run in past])
    limits = [settings.errors, settings.slow, settings.slow]
    weights = settings.weights
    shares = np.array([weights.errors, weights.slow_a, weights.slow_b, weights.ceiling])
    return _Fixed(
        columns=columns,
        phi=phi,
        past_share=past[..., ERRORS].sum(axis=1) / past[..., REQUESTS].sum(axis=1),
        theta=np.array([[one.tolerance] * len(LADDER) + [one.margin] * len(LOWER) for one in limits]),
        slack=np.array([[one.slack] * len(LADDER) + [one.margin_slack] * len(LOWER) for one in limits]),
        log_weights=np.log(shares / shares.sum()),
    )


class _Runs:
    """All runs as they are after some rows."""

    def __init__(self, fixed: _Fixed, runs: int, settings: JudgeSettings, *, limited: bool) -> None:
        self.fixed, self.settings, self.limited = fixed, settings, limited
        self.needed = settings.needed - fixed.log_weights
        self.ceilings = np.array(CEILING_TIMES) * settings.ceiling
        self.worse = self.votes = Worse.fresh((runs, METRICS, len(LADDER)), settings.active)
        self.ceiling = self.relapse = Worse.fresh((runs, len(self.ceilings)), settings.active)
        self.all = self.stage = NotWorse.fresh(runs * METRICS).all.reshape(runs, METRICS, -1)
        self.pending = np.zeros((runs, METRICS, 4))
        self.served = np.zeros(runs)
        self.veto_until = np.full(runs, -1.0)
        self.heard_at = np.zeros((2, runs))

    def judge(self, scenario: Scenario, canary: Floats, primary: Floats) -> list[Run]:
        """From the first row to the last."""
        runs = len(canary)
        aborted, by = np.full(runs, NEVER), np.full(runs, "", dtype=object)
        passed: list[dict[str, float]] = [{} for _ in range(runs)]
        stage, began = "", 0.0
        for number in range(SCRAPES):
            t = (number + 1.0) * SCRAPE
            h = hazard(self.settings.hazard, SCRAPE)
            now = next(name for name, end, _ in scenario.stages if t <= end)
            if now != stage:
                h = self.settings.stage_injection if stage else h
                self.next_stage()
                stage, began = now, t - SCRAPE
            parts = self.row(canary[:, number], primary[:, number], t, h)
            log_e = lse(parts)
            fresh = (log_e >= self.settings.needed - EXACT) & (aborted == NEVER)
            aborted[fresh] = t
            by[fresh] = [NAMES[place] for place in np.argmax(parts[fresh].round(6), axis=1)]
            again = (self.relapse.log_e >= NEEDED_AGAIN - EXACT) & (self.ceiling.log_e < 0) & (aborted == NEVER)
            aborted[again], by[again] = t, CEILING
            minute = slice(max(0, number + 1 - int(RECENT) // SCRAPE), number + 1)
            passes = self.passes(canary[:, minute], primary[:, minute], t, began) & (log_e <= 0) & (aborted == NEVER)
            for run in np.flatnonzero(passes):
                passed[run].setdefault(stage, t)
        return [Run(aborted=one, by=two, passed=three) for one, two, three in zip(aborted, by, passed, strict=True)]

    def next_stage(self) -> None:
        """Half of the evidence for a pass is inherited."""
        shape = self.all.shape
        flat = NotWorse(self.all.reshape(-1, shape[-1]), self.stage.reshape(-1, shape[-1]))
        following = flat.next_stage(self.settings.carry, self.settings.needed_to_pass)
        self.all, self.stage = following.all.reshape(shape), following.stage.reshape(shape)
        self.served = np.zeros(len(self.served))

    def row(self, canary: Floats, primary: Floats, t: float, h: float) -> Floats:
        """One row of every run; the weighted log evidence of each metric and the ceiling."""
        settings, fixed = self.settings, self.fixed
        counts = self.counts(canary, primary, t)
        gains = relative(counts, fixed.theta, fixed.slack, ALTERNATIVES)
        if self.limited:
            fair = relative(originals(counts), fixed.theta, fixed.slack, ALTERNATIVES)
            gains = np.concatenate([fair[..., WORSE], gains[..., BETTER]], axis=-1)
        calm = gains / fixed.phi[..., None]
        events = np.maximum(counts[..., 1] + counts[..., 3], 1.0)[..., None]
        needed = self.needed[:METRICS]
        self.worse = self.worse.step(calm[..., WORSE], h, needed / settings.patience)
        self.votes = self.votes.step(gains[..., WORSE] / events, h, needed / settings.vote_patience)
        proof = NotWorse(self.all, self.stage).step(calm[..., BETTER], settings.needed_to_pass / settings.pass_patience)
        self.all, self.stage = proof.all, proof.stage
        self.served = self.served + counts[:, 0, 0]
        self.step_ceiling(canary, primary, t, h)
        mean = np.logaddexp(self.worse.log_e, self.votes.log_e) - np.log(2)
        metrics = np.where(fixed.phi > settings.vote_above, mean, self.worse.log_e)
        parts: Floats = fixed.log_weights + np.concatenate([metrics, self.ceiling.log_e[:, None]], axis=-1)
        return parts

    def counts(self, canary: Floats, primary: Floats, t: float) -> Floats:
        """(run, metric, n_c b_c n_p b_p) where both sides were scraped; the rest waits."""
        scraped = [~np.isnan(side[:, REQUESTS]) for side in (canary, primary)]
        for place, (side, known) in enumerate(zip((canary, primary), scraped, strict=True)):
            self.heard_at[place] = np.where(known, t, self.heard_at[place])
            given = np.nan_to_num(side)
            for metric, column in enumerate(self.fixed.columns):
                if metric == 0 or t > self.settings.latency_after:
                    self.pending[:, metric, 2 * place] += given[:, REQUESTS]
                    self.pending[:, metric, 2 * place + 1] += given[:, column]
        complete = (scraped[0] & scraped[1])[:, None, None]
        counts = np.where(complete, self.pending, 0.0)
        self.pending = np.where(complete, 0.0, self.pending)
        return counts

    def step_ceiling(self, canary: Floats, primary: Floats, t: float, h: float) -> None:
        """The canary alone, not while the primary fails too."""
        canary, primary = np.nan_to_num(canary), np.nan_to_num(primary)
        errors, requests = primary[:, ERRORS], primary[:, REQUESTS]
        copies = np.where(canary[:, REQUESTS] > 0, canary[:, REQUESTS], np.inf) if self.limited else np.inf
        failing = (errors >= VETO_FEWEST) & (errors > self.settings.ceiling / 2 * np.minimum(requests, copies))
        self.veto_until = np.where(failing, t + RECENT, self.veto_until)
        gains = absolute(canary[:, [REQUESTS]], canary[:, [ERRORS]], self.settings.ceiling, self.ceilings)
        gains = gains / self.fixed.phi[:, :1]
        gains = np.where((t <= self.veto_until)[:, None], np.minimum(gains, 0.0), gains)
        patience = self.settings.patience
        self.ceiling = self.ceiling.step(gains, h, self.needed[METRICS] / patience)
        self.relapse = self.relapse.step(gains, h, np.asarray(NEEDED_AGAIN / patience), spare=True)

    def passes(self, canary: Floats, primary: Floats, t: float, began: float) -> Bools:
        """Everything a pass needs but the evidence against the canary; sides: the last minute's rows."""
        settings = self.settings
        shown = (lse(self.all) >= settings.needed_to_pass) & (lse(self.stage) >= 0)
        compared = (np.nan_to_num(canary[:, -1, REQUESTS]) > 0) & (np.nan_to_num(primary[:, -1, REQUESTS]) > 0)
        heard = t - self.heard_at.min(axis=0) < settings.no_data_after
        served = (t - began >= settings.least_seconds) & (self.served >= settings.least_requests)
        failing = self.fails(canary) | self.fails(primary)
        return np.asarray(shown.all(axis=1) & compared & heard & served & ~failing)

    def fails(self, minute: Floats) -> Bools:
        """Above the ceiling, or far above what the primary was like before."""
        requests, errors = (np.nan_to_num(minute[..., column]).sum(axis=1) for column in (REQUESTS, ERRORS))
        share = errors / np.maximum(requests, 1.0)
        many = (errors >= FAILING_MANY) & (share >= FAILING_TIMES * self.fixed.past_share)
        above = (errors >= FAILING_FEWEST) & (share > self.settings.ceiling)
        return np.asarray((requests > 0) & (above | many))
