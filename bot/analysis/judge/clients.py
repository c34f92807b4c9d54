"""Client errors (answers of 400 to 499) of both sides, compared as a metric of their own: beside the judge, not in it.

They are no errors of a version: whoever asks for what is not there, or what they may not have, gets them from a healthy
one too. But both versions are asked alike, and while copies are made by the very same requests. So a share that is not
the other side's is the version's doing, and 404 to everything is no perfect canary.

There is a bet for each code (``BETS``), that the subject answers it more often than allowed: ``tolerance`` times the
reference's share + ``slack``. Of 401 and 403 there is one more, that it answers them less often, because a version that
asks nobody who they are looks like the best there ever was. Where there is no other side, a last one is about an
absolute share, and about twice of what was usual if that is more. What a row says is ``evidence``'s, how rows add up
``processes``'. Each bet may be wrong with its equal part of ``ALPHA`` (Bonferroni), over the whole rollout and however
often it is looked at. A row may add at most a third of what a bet needs: three must agree, so that a crawler whom one
side's scrape shows first moves nothing.

A bet that was won stays won until its evidence is gone, so that nothing flaps. Evidence stops growing at twice
what was needed: what was mended is seen to be. What people let through in one stage is what they know of in the
next (``accepted``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from bot.analysis.judge.dispersion import dispersion
from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P, absolute, originals, relative
from bot.analysis.judge.processes import Worse, hazard
from bot.analysis.judge.settings import Floats, JudgeSettings
from bot.model.figures import CLIENT_CODES, CLIENT_ERRORS, SideFigures
from bot.model.service import ClientLimits

CODES = (CLIENT_ERRORS, *CLIENT_CODES)
FEWER = ("401", "403")
ALONE = "alone"
_FEWER = slice(CODES.index(FEWER[0]), CODES.index(FEWER[-1]) + 1)
BETS = (*CODES, *(f"fewer {code}" for code in FEWER), ALONE)

ALPHA = 0.01  # of ever being told of a canary that is within what is allowed
NEEDED = math.log(len(BETS) / ALPHA)  # log evidence with which one bet is won
MOST = 2 * NEEDED
TIMES: Floats = np.array([1.3, 2.0, 5.0, 20.0])  # alternatives: so many times as often as allowed
ABOVE: Floats = np.array([0.2, 0.4, 0.7, 0.95])  # and alone, so far between what is allowed and all
# Bursts of the past widen the bets as they do the judge's, but what crawlers do is in bursts and hits both sides alike.
MOST_BURSTY = 30.0
DECIMALS = 4
EXACT = 1e-3  # three capped rows land exactly on what is needed
UNIT = 10.0**DECIMALS
LEAST = -1e9  # a log below it is as good as none
VERSION = 1
REMEMBERED = 2048  # texts with what they say: a state is read more often than it changes
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
USUALLY = 2.0  # times the usual share that is no news where nobody is left to compare with


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clients:
    """What is remembered between two rows.

    Attributes:
        worse: a process for each of ``BETS``.
        pending: by code the counts (as in ``evidence``) of one side whose other side was not scraped yet.
        limited: some of what waits is of a mirror of some requests only.
        phi: by code, how much wider than Poisson the primary's counts were.
        usual: of the reference so far, its past included, requests and client errors.
        won: bets that were won and whose evidence is not gone.
        accepted: by bet, the subject's share that people have let through.
        heard: whether client errors were ever counted.
    """

    worse: Worse
    pending: Floats
    limited: bool = False
    phi: tuple[float, ...] = (1.0,) * len(CODES)
    usual: tuple[float, float] = (0.0, 0.0)
    won: frozenset[str] = frozenset()
    accepted: Mapping[str, float]
    heard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of counts; see ``judge.Interval``.

    Attributes:
        first: the first one of its stage.
        alone: there is no other side in this stage.
    """

    seconds: float
    subject: SideFigures | None
    reference: SideFigures | None
    first: bool = False
    alone: bool = False
    limited: bool = False


def start(settings: JudgeSettings, history: Sequence[SideFigures] = ()) -> Clients:
    """Before the first row. ``history``: the primary's last hour in rows."""
    requests = [row.requests for row in history]
    bad = {code: [row.client_errors.get(code, 0.0) for row in history] for code in CODES}
    heard = any(row.client_errors for row in history)
    return Clients(
        worse=_fresh(settings),
        pending=_nothing(),
        phi=tuple(round(min(dispersion(requests, bad[code]), MOST_BURSTY), DECIMALS) for code in CODES),
        usual=(sum(requests), sum(bad[CLIENT_ERRORS])) if heard else (0.0, 0.0),
        accepted={},
        heard=heard,
    )


def again(state: Clients, settings: JudgeSettings) -> Clients:
    """Before the first row of another subject: nothing is held against it but what people know of."""
    return replace(state, worse=_fresh(settings), pending=_nothing(), limited=False, won=frozenset())


def passed_on(state: Clients, shares: Mapping[str, float], settings: JudgeSettings) -> Clients:
    """Before the first row of the next stage, which people let begin: what was won is known, and begins anew.

    Args:
        state: at the end of a stage.
        shares: what the subject answered in it, by code; 0 to 1.
        settings: of the judge.
    """
    if not state.won:
        return state
    fresh, lost = _fresh(settings), np.array([bet in state.won for bet in BETS])
    known = {bet: max(state.accepted.get(bet, 0.0), round(shares[code_of(bet)], 6)) for bet in state.won}
    worse = Worse(
        np.where(lost[:, None], fresh.active, state.worse.active),
        np.where(lost, fresh.reserve, state.worse.reserve),
        np.where(lost, fresh.log_e, state.worse.log_e),
    )
    return replace(state, worse=worse, won=frozenset(), accepted={**state.accepted, **known})


def step(state: Clients, row: Row, limits: ClientLimits, settings: JudgeSettings) -> Clients:
    """One row more."""
    sides = (row.subject, row.reference)
    heard = state.heard or any(side is not None and side.client_errors for side in sides)
    if not heard:
        return state
    waiting = bool(state.pending.any())
    counts = state.pending + np.array([[*_bad(row.subject, code), *_bad(row.reference, code)] for code in CODES])
    state = replace(state, heard=True, limited=row.limited or (state.limited and waiting))
    if row.subject is None or (row.reference is None and not row.alone):
        return replace(state, pending=counts)
    h = settings.stage_injection if row.first else hazard(settings.hazard, row.seconds)
    cap = np.minimum(NEEDED / settings.patience, MOST - state.worse.log_e)
    worse = _rounded(state.worse.step(_gains(state, counts, row, limits), h, cap))
    requests, bad = state.usual
    seen = (requests, bad) if row.alone else (requests + float(counts[0, N_P]), bad + float(counts[0, B_P]))
    won = frozenset(bet for bet, log_e in zip(BETS, worse.log_e.tolist(), strict=True) if _is_won(state, bet, log_e))
    return replace(state, worse=worse, pending=_nothing(), usual=seen, won=won)


def _is_won(state: Clients, bet: str, log_e: float) -> bool:
    return log_e >= NEEDED - EXACT or (bet in state.won and log_e > 0)


def _gains(state: Clients, counts: Floats, row: Row, limits: ClientLimits) -> Floats:
    """What the row says of each bet's alternatives."""
    gains = np.zeros((len(BETS), len(TIMES)))
    if row.alone:
        gains[-1] = _alone(state, counts, limits) / state.phi[0]
        return gains
    # The other way round the two sides change places. Of a mirror of some requests nothing is known that way: what the
    # reference refuses may be what was not copied.
    both = np.zeros((len(BETS) - 1, 4))
    both[: len(CODES)] = originals(counts) if state.limited else counts
    if not state.limited:
        both[len(CODES) :] = counts[_FEWER][:, [N_P, B_P, N_C, B_C]]
    found = relative(both, np.array(limits.tolerance), _slack(state, limits), TIMES)
    gains[:-1] = found / np.array([*state.phi, *state.phi[_FEWER]])[:, None]
    return gains


def _slack(state: Clients, limits: ClientLimits) -> Floats:
    """By bet; what people let through is allowed, and where they let through that less is refused, any of it."""
    if not state.accepted:
        return np.array(limits.slack)
    more = [max(limits.slack, limits.tolerance * state.accepted.get(code, 0.0)) for code in CODES]
    fewer = [1.0 if f"fewer {code}" in state.accepted else limits.slack for code in FEWER]
    return np.array([*more, *fewer])[:, None]


def _alone(state: Clients, counts: Floats, limits: ClientLimits) -> Floats:
    """Above the ceiling, and above what this service's callers get anyhow."""
    n_c, b_c = counts[0, :2]
    requests, bad = state.usual
    usual = bad / requests if requests > 0 else 0.0
    allowed = max(limits.ceiling, USUALLY * usual, USUALLY * state.accepted.get(ALONE, 0.0))
    if not 0 < allowed < 1 or n_c <= 0:
        return np.zeros(len(TIMES))
    return absolute(float(n_c), float(b_c), allowed, allowed + ABOVE * (1 - allowed))


def _bad(side: SideFigures | None, code: str) -> tuple[float, float]:
    if side is None or side.requests <= 0:
        return 0.0, 0.0
    return side.requests, min(side.client_errors.get(code, 0.0), side.requests)


def code_of(bet: str) -> str:
    """The code that a bet is about."""
    return CLIENT_ERRORS if bet == ALONE else bet.removeprefix("fewer ")


def _nothing() -> Floats:
    return np.zeros((len(CODES), 4))


def _fresh(settings: JudgeSettings) -> Worse:
    return _rounded(Worse.fresh((len(BETS), len(TIMES)), settings.active))


def _rounded(worse: Worse) -> Worse:
    return Worse(worse.active.round(DECIMALS), worse.reserve.round(DECIMALS), worse.log_e.round(DECIMALS))


def save(state: Clients) -> str:
    """The state as a small JSON text."""
    logs = np.concatenate([state.worse.active, state.worse.reserve, state.worse.log_e], axis=None)
    logs = np.maximum(logs, LEAST)
    saved = {
        "version": VERSION,
        "logs": np.rint(logs * UNIT).astype(np.int64).tolist(),
        "pending": state.pending.ravel().tolist() if state.pending.any() else [],
        "limited": state.limited,
        "phi": state.phi,
        "usual": state.usual,
        "won": sorted(state.won),
        "accepted": dict(state.accepted),
        "heard": state.heard,
    }
    return _encode(saved)


@lru_cache(REMEMBERED)
def load(text: str) -> Clients:
    """What ``save`` wrote.

    Raises:
        ValueError: the text is of another version; the evidence then starts again.
    """
    data: dict[str, Any] = json.loads(text)
    if data.get("version") != VERSION:
        raise ValueError(f"The client errors' state is of version {data.get('version')}, not {VERSION}.")
    logs, bets = np.asarray(data["logs"], float) / UNIT, len(BETS)
    pending = np.asarray(data["pending"], float).reshape(len(CODES), 4) if data["pending"] else _nothing()
    for remembered in (logs, pending):
        remembered.setflags(write=False)  # it is shared
    active = logs[: bets * len(TIMES)].reshape(bets, len(TIMES))
    reserve, log_e = logs[bets * len(TIMES) :].reshape(2, bets)
    return Clients(
        worse=Worse(active, reserve, log_e),
        pending=pending,
        limited=data["limited"],
        phi=tuple(data["phi"]),
        usual=(data["usual"][0], data["usual"][1]),
        won=frozenset(data["won"]),
        accepted=data["accepted"],
        heard=data["heard"],
    )
