"""One row more of any number of rollouts: evidence, shield and proof move on, and something follows or nothing.

The order is that of the specification: a new stage, a probation's second start, evidence, proof, typical latency,
shield, and last what follows. Every float is rounded at the end of its own step, so a saved state is the state. Rows
are complete: both sides were scraped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum, auto
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P, absolute
from bot.analysis.judge.processes import lse
from bot.analysis.judge.second import noninferiority, row_evidence, stretch
from bot.analysis.judge.second.arrays import any_of, rounded
from bot.analysis.judge.second.baseline import Baseline, Limits
from bot.analysis.judge.second.constants import (
    CEILING_TIMES,
    DECIMALS,
    ENTERING_PROBATION,
    EXACT,
    HOME_EVENTS,
    HOME_FIRST,
    LADDER,
    LEAST_ROWS,
    MEMORY,
    MOST_ROWS,
    PASS_PATIENCE,
    QUIET,
    SECOND_START,
    STRETCH_ACTIVE,
    STRETCH_HAZARD,
    STRETCH_NEEDED,
    STRETCH_NEW_STAGE,
    STRETCHES,
)
from bot.analysis.judge.second.mixture import Mixture, fresh, joining
from bot.analysis.judge.second.noninferiority import Absolute, Proof
from bot.analysis.judge.second.row_evidence import ALL_KINDS, USUAL, VOTES, WORSE
from bot.analysis.judge.second.shield import Shield, idle
from bot.analysis.judge.second.stretch import Typical
from bot.analysis.judge.settings import Bools, Floats, JudgeSettings

LOG_TWO, LOG_TWENTY = math.log(2), math.log(20)
STRETCH_FIRST, STRETCH_FURTHER = STRETCH_NEEDED / 2, STRETCH_NEEDED / 8
RECENT = 60.0  # seconds for which the primary's failing excuses the canary
VETO_FEWEST = 3

Codes = NDArray[np.int64]


class Outcome(IntEnum):
    """What follows from a row."""

    WATCH = auto()
    PASS = auto()
    ASK = auto()  # a probation that ended neither way: people decide
    GO_BACK = auto()  # users may go to the canary again
    STEP_BACK = auto()  # users go home, the canary keeps its copies
    ABORT = auto()


# As plain numbers, because that is what arrays of them hold.
_WATCH, _PASS, _ASK, _GO_BACK, _STEP_BACK, _ABORT = map(int, Outcome)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fixed:
    """What is settled before the first row.

    Attributes:
        typical: None: no histogram is known on which both sides agree.
        weights: of the proof's components, as logs; ``absolute``: what some of them bet.
        votes: whether any metric's rows vote.
    """

    base: Baseline
    limits: Limits
    typical: Typical | None
    weights: Floats
    absolute: Absolute
    votes: bool


def settled(base: Baseline, limits: Limits, typical: Typical | None, *, votes: bool) -> Fixed:
    """With what follows from it."""
    return Fixed(
        base=base,
        limits=limits,
        typical=typical,
        weights=noninferiority.log_weights(base),
        absolute=noninferiority.absolute_of(base, limits),
        votes=votes,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """A complete row; arrays have the rollouts' axes.

    Attributes:
        seconds: since the row before.
        counts: (..., metric, column of ``evidence``).
        blind: by metric: one side's histogram has no such bound.
        canary, primary: requests by bucket of ``Typical.scores``; None: not known of both sides.
        first: of its stage, the rollout's very first row excepted.
        users: users are on the canary.
        limited: copies are of some requests only.
        failing: the primary, or both, fail lately: nobody passes, and nobody is sent back.
        alone: no step back in this rollout, so an abort must be as soon as it ever was.
        waits: a probation that ended well goes on until somebody says that users are on the canary (``returned``).
    """

    seconds: Floats
    counts: Floats
    blind: Bools
    canary: Floats | None
    primary: Floats | None
    first: Bools
    users: Bools
    limited: Bools
    failing: Bools
    alone: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """What is remembered between two rows.

    Attributes:
        evidence: by kind of ``row_evidence`` and metric; ``ceiling``: of the canary alone.
        slower: of typical latency, against ``mean``, the primary's mean score lately; ``is_slower`` stays.
        events: bad requests while the shield is up, by metric and, last, the ceiling.
        lately, totals: counts by metric, of the rows before with less and less weight, and of this stage.
        so_far: the primary's requests since the rollout began, by metric, and of its bad ones those that counted.
        clock, stage_clock: seconds since the rollout and the stage began.
        since: rows of this probation before the next one.
    """

    evidence: Mixture
    ceiling: Mixture
    slower: Mixture
    shield: Shield
    ceiling_shield: Shield
    events: Floats
    proof: Proof
    lately: Floats
    totals: Floats
    so_far: Floats
    mean: Floats
    clock: Floats
    stage_clock: Floats
    veto_until: Floats
    since: Floats
    step_backs: Floats
    probation: Bools
    is_slower: Bools


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a row led to.

    Attributes:
        totals: counts of the stage by metric, this row included.
        parts: the log evidence of each metric and, last, of the ceiling, weights included; ``log_e`` is their sum.
        shield: the shield's value, in the same order.
        shown: by metric, whether it is shown to be within the margin.
        by: the place in that order of what decided an abort or a step back.
        well: of a probation, whether its copies have shown the canary to be good; users may return or people decide.
    """

    outcome: Codes
    log_e: Floats
    parts: Floats
    shield: Floats
    shown: Bools
    by: Codes
    totals: Floats
    well: Bools


def begin(fixed: Fixed, settings: JudgeSettings) -> State:
    """Before the first row."""
    metrics = fixed.base.phi.shape
    rollouts, kinds = metrics[:-1], ALL_KINDS if fixed.votes else ALL_KINDS - 1
    shape = (*rollouts, kinds, metrics[-1], len(LADDER))
    ceiling = (*rollouts, len(ceiling_shares(settings.ceiling)))
    stretches = (*rollouts, len(STRETCHES))
    first = fixed.limits.first[:kinds]
    none = np.zeros(rollouts)
    return State(
        evidence=fresh(shape, settings.active, first[:, :-1]),
        ceiling=fresh(ceiling, settings.active, first[WORSE, -1]),
        slower=fresh(stretches, STRETCH_ACTIVE, np.asarray(STRETCH_FIRST)),
        shield=idle(shape),
        ceiling_shield=idle(ceiling),
        events=np.zeros((*rollouts, metrics[-1] + 1)),
        proof=Proof(fixed.weights, fixed.weights),
        lately=np.zeros((*metrics, 4)),
        totals=np.zeros((*metrics, 4)),
        so_far=np.zeros((*metrics, 2)),
        mean=none + fixed.typical.mean if fixed.typical else none,
        clock=none,
        stage_clock=none,
        veto_until=none - 1,
        since=none,
        step_backs=none,
        probation=none > 0,
        is_slower=none > 0,
    )


def step(state: State, row: Row, fixed: Fixed, settings: JudgeSettings) -> tuple[State, Answer]:
    """One row more."""
    state = _started_again(entered(state, row.first, fixed, settings), fixed)
    state, parts, shielding = _with_row(state, row, fixed, settings)
    answer = _answer(state, row, parts, shielding, fixed, settings)
    return _following(state, answer, fixed, waits=row.waits), answer


def _with_row(state: State, row: Row, fixed: Fixed, settings: JudgeSettings) -> tuple[State, Floats, Floats]:
    """All that the row adds to; the evidence by metric and ceiling, and the shield's values in the same order."""
    limits, base, counts = fixed.limits, fixed.base, row.counts
    clock, stage_clock = rounded(state.clock + row.seconds), rounded(state.stage_clock + row.seconds)
    counted = ~row.blind
    counted[..., 1:] &= (clock > settings.latency_after)[..., None]
    valid = counts * counted[..., None]
    worse, better = row_evidence.both_ways(valid, limits, row.limited)
    gains = row_evidence.gains(valid, worse, state.lately, base, limits, votes=fixed.votes)
    veto_until = _veto(clock, state.veto_until, row, settings)
    alone = _above_ceiling(counts, clock <= veto_until, base, settings)
    h = _joins(state, row, settings)
    first, further = (limits.first_alone, limits.further_alone) if row.alone else (limits.first, limits.further)
    kinds = gains.shape[-3]
    evidence = state.evidence.step(gains, h[..., None, None], first[:kinds, :-1], further[:kinds, :-1])
    ceiling = state.ceiling.step(alone, h, first[WORSE, -1], further[WORSE, -1])
    parts = parts_of(evidence, ceiling, fixed)
    shield = state.shield.step(gains, limits.home[:-1] * HOME_FIRST)
    ceiling_shield = state.ceiling_shield.step(alone, limits.home[-1] * HOME_FIRST)
    shielding = _shielding(shield, ceiling_shield, base)
    most = settings.needed_to_pass / PASS_PATIENCE
    slower, mean, is_slower = _typical(state, row, clock > settings.latency_after, fixed.typical)
    moved = State(
        evidence=evidence,
        ceiling=ceiling,
        slower=slower,
        shield=shield,
        ceiling_shield=ceiling_shield,
        events=_events(state.events, valid, shielding),
        proof=state.proof.step(noninferiority.gains(valid, better, state.so_far, base, limits, fixed.absolute, most)),
        lately=np.where(counted[..., None], MEMORY * state.lately + counts, state.lately).round(DECIMALS),
        totals=state.totals + valid,
        so_far=state.so_far + np.stack([counts[..., N_P], valid[..., B_P]], axis=-1),
        mean=mean,
        clock=clock,
        stage_clock=stage_clock,
        veto_until=veto_until,
        since=state.since,
        step_backs=state.step_backs,
        probation=state.probation,
        is_slower=is_slower,
    )
    return moved, parts, shielding


def returned(state: State, fixed: Fixed) -> State:
    """After a probation: users are on the canary again, whoever decided that."""
    return _returning(state, state.probation, fixed)


def says_home(state: State, fixed: Fixed) -> tuple[Bools, Codes]:
    """Whether the shield, as the last row left it, would have users at home, and the place of what does most."""
    above = _shielding(state.shield, state.ceiling_shield, fixed.base) - fixed.limits.home
    return _trips(above, state.events), above.round(6).argmax(axis=-1)


# Before the evidence


def entered(state: State, first: Bools, fixed: Fixed, settings: JudgeSettings) -> State:
    """Where a stage begins: half of the proof is carried into it, and its clock and totals begin anew."""
    if not any_of(first):
        return state
    carried = state.proof.carried(fixed.weights, settings.carry, settings.needed_to_pass)
    return _from_here(state, first, carried)


def _from_here(state: State, these: Bools, proof: Proof) -> State:
    """The stage's clock and totals begin anew, with this proof."""
    return replace(
        state,
        proof=_proof(these, proof, state.proof),
        totals=np.where(these[..., None, None], 0.0, state.totals),
        stage_clock=np.where(these, 0.0, state.stage_clock),
    )


def _proof(these: Bools, one: Proof, other: Proof) -> Proof:
    at = these[..., None, None]
    return Proof(np.where(at, one.all, other.all), np.where(at, one.here, other.here))


def _started_again(state: State, fixed: Fixed) -> State:
    """A probation's second start: what is left of a blip is not held against the canary twice."""
    these = state.probation & (state.since == SECOND_START)
    if not any_of(these):
        return state
    at = these[..., None, None]
    lately = state.lately.copy()
    lately[..., [N_C, B_C]] = np.where(at, 0.0, lately[..., [N_C, B_C]])
    return replace(
        state,
        proof=_proof(these, state.proof.again(fixed.weights), state.proof),
        totals=np.where(at, 0.0, state.totals),
        lately=lately,
    )


def _joins(state: State, row: Row, settings: JudgeSettings) -> Floats:
    h = np.asarray(joining(settings.hazard, row.seconds))
    if any_of(row.first):
        h = np.where(row.first, settings.stage_injection, h)
    entering = state.probation & (state.since == 0)
    return np.where(entering, ENTERING_PROBATION, h) if any_of(entering) else h


# Evidence


@lru_cache
def ceiling_shares(ceiling: float) -> Floats:
    """The alternatives to "at most so many errors"."""
    shares = np.array(CEILING_TIMES) * ceiling
    below = shares[shares < 1]
    return below if below.size else np.array([(1 + ceiling) / 2])


def _veto(clock: Floats, until: Floats, row: Row, settings: JudgeSettings) -> Floats:
    """Until when the ceiling is not held against the canary, because the primary fails as well."""
    n_c, n_p, b_p = (row.counts[..., 0, column] for column in (N_C, N_P, B_P))
    fair = np.where(row.limited & (n_c > 0), np.minimum(n_p, n_c), n_p) if any_of(row.limited) else n_p
    fails = (b_p >= VETO_FEWEST) & (b_p > settings.ceiling / 2 * fair)
    return np.where(fails, clock + RECENT, until) if any_of(fails) else until


def _above_ceiling(counts: Floats, vetoed: Bools, base: Baseline, settings: JudgeSettings) -> Floats:
    """The gains of the ceiling, of the canary alone."""
    n_c, b_c = counts[..., 0, N_C, None], counts[..., 0, B_C, None]
    gains = absolute(n_c, b_c, settings.ceiling, ceiling_shares(settings.ceiling)) / base.phi[..., :1]
    return np.where(vetoed[..., None], np.minimum(gains, 0.0), gains) if any_of(vetoed) else gains


def worse_of(evidence: Mixture, base: Baseline) -> Floats:
    """The log evidence by metric."""
    return _by_metric(evidence.log_e, evidence.log_e[..., WORSE, :], base)


def parts_of(evidence: Mixture, ceiling: Mixture, fixed: Fixed) -> Floats:
    """What each metric and, last, the ceiling contribute to the whole evidence, as logs."""
    against = np.concatenate([worse_of(evidence, fixed.base), ceiling.log_e[..., None]], axis=-1)
    return np.asarray(fixed.limits.log_weights + against)


def _by_metric(values: Floats, beside: Floats, base: Baseline) -> Floats:
    """One value by metric out of those by kind; ``beside``: what stands beside a bursty metric's votes."""
    both = np.minimum(values[..., WORSE, :], values[..., USUAL, :])
    if values.shape[-2] <= VOTES:
        return both
    return np.where(base.bursty, np.logaddexp(beside, values[..., VOTES, :]) - LOG_TWO, both)


def _events(events: Floats, counts: Floats, shielding: Floats) -> Floats:
    """Bad requests of the canary while the shield is up; the ceiling's are errors."""
    bad = np.concatenate([counts[..., B_C], counts[..., :1, B_C]], axis=-1)
    return np.where(shielding <= QUIET, 0.0, events + bad)


def _typical(state: State, row: Row, warm: Bools, base: Typical | None) -> tuple[Mixture, Floats, Bools]:
    """Typical latency after the row: its evidence, the primary's mean score, and whether it is slower."""
    if base is None or row.canary is None or row.primary is None:
        return state.slower, state.mean, state.is_slower
    gains = stretch.gains(row.canary, row.primary, state.mean, base) * warm[..., None]
    h = joining(STRETCH_HAZARD, row.seconds)
    h = np.where(row.first, STRETCH_NEW_STAGE, h) if any_of(row.first) else h
    slower = state.slower.step(gains, h, np.asarray(STRETCH_FIRST), np.asarray(STRETCH_FURTHER))
    mean = rounded(np.where(warm, stretch.followed(state.mean, row.primary, base), state.mean))
    return slower, mean, state.is_slower | (warm & (slower.log_e >= STRETCH_NEEDED - EXACT))


def _shielding(shield: Shield, ceiling: Shield, base: Baseline) -> Floats:
    """The shield's values by metric and, last, the ceiling."""
    both = np.minimum(shield.value[..., WORSE, :], shield.value[..., USUAL, :])
    return np.concatenate([_by_metric(shield.value, both, base), ceiling.value[..., None]], axis=-1)


def _trips(above: Floats, events: Floats) -> Bools:
    return np.asarray(((above >= -EXACT) & (events >= HOME_EVENTS)).any(axis=-1))


# What follows


def _answer(state: State, row: Row, parts: Floats, shield: Floats, fixed: Fixed, settings: JudgeSettings) -> Answer:
    log_e = lse(parts)
    proven = shown(state, fixed, settings) | row.blind
    above = shield - fixed.limits.home
    calm = (shield <= fixed.limits.home - LOG_TWENTY / 2).all(axis=-1)
    fine = proven.all(axis=-1) & (log_e <= 0) & calm & ~row.failing
    abort = log_e >= settings.needed - EXACT
    home = _trips(above, state.events) & row.users & ~state.probation & (not row.alone)
    outcome = np.where(_passes(state, row, fine, settings), _PASS, _WATCH)
    well = state.probation & fine & (state.since >= LEAST_ROWS)
    if any_of(state.probation):
        outcome = np.where(state.probation, _of_probation(state, row, well, settings), outcome)
    by = np.where(abort, parts.round(6).argmax(axis=-1), above.round(6).argmax(axis=-1))
    return Answer(
        outcome=np.where(abort, _ABORT, np.where(home, _STEP_BACK, outcome)),
        log_e=log_e,
        parts=parts,
        shield=shield,
        shown=proven,
        by=by,
        totals=state.totals,
        well=well & ~abort,
    )


def shown(state: State, fixed: Fixed, settings: JudgeSettings) -> Bools:
    """By metric, whether it is shown to be within the margin."""
    proof = state.proof
    enough = lse(proof.all) >= settings.needed_to_pass - EXACT
    here = (lse(proof.here) >= 0) | state.probation[..., None]
    checked = noninferiority.within(state.totals, fixed.limits) & noninferiority.within(state.lately, fixed.limits)
    return np.asarray(enough & here & checked)


def _passes(state: State, row: Row, fine: Bools, settings: JudgeSettings) -> Bools:
    both = (row.counts[..., 0, N_C] > 0) & (row.counts[..., 0, N_P] > 0)
    served = (state.stage_clock >= settings.least_seconds) & (state.totals[..., 0, N_C] >= settings.least_requests)
    return np.asarray(fine & both & served & ~(state.is_slower & settings.slower_asks))


def _of_probation(state: State, row: Row, well: Bools, settings: JudgeSettings) -> Codes:
    """Back, if copies are of everything and it was not too often; after long enough, people are asked."""
    long = state.since >= MOST_ROWS
    may = (state.step_backs <= settings.returns) & ~row.limited
    ended = np.where(may, _GO_BACK, _ASK)
    return np.where(well, ended, np.where(long, _ASK, _WATCH))


def _following(state: State, answer: Answer, fixed: Fixed, *, waits: bool) -> State:
    if any_of(state.probation):
        state = replace(state, since=state.since + state.probation)
    home, back = answer.outcome == _STEP_BACK, answer.outcome == _GO_BACK
    if any_of(home):
        state = _stepping_back(state, home, fixed)
    return _returning(state, back, fixed) if any_of(back) and not waits else state


def _stepping_back(state: State, these: Bools, fixed: Fixed) -> State:
    proof = Proof(noninferiority.halved(fixed.weights), fixed.weights)
    state = _from_here(_without_shield(state, these), these, proof)
    return replace(
        state,
        probation=state.probation | these,
        since=np.where(these, 0.0, state.since),
        step_backs=state.step_backs + these,
    )


def _returning(state: State, these: Bools, fixed: Fixed) -> State:
    proof = Proof(state.proof.all, np.broadcast_to(fixed.weights, state.proof.all.shape))
    state = _from_here(_without_shield(state, these), these, proof)
    return replace(state, probation=state.probation & ~these, since=np.where(these, 0.0, state.since))


def _without_shield(state: State, these: Bools) -> State:
    """Zeroed: what was held against the canary has led to something."""
    kept, kinds, alone = ~these, ~these[..., None, None], ~these[..., None]
    return replace(
        state,
        shield=Shield(state.shield.sums * kinds[..., None], state.shield.value * kinds),
        ceiling_shield=Shield(state.ceiling_shield.sums * alone, state.ceiling_shield.value * kept),
        events=state.events * alone,
    )
