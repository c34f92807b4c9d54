"""Client errors of a live rollout: row by row into their own bets (``judge.clients``), and what people are told. Pure.

The default holds and asks: what a version refuses may be meant, and only people know. So nothing is told of a canary
that refuses as often as its primary, be that often, and a version that answers 404 to everything goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.analysis.gates import Sides
from bot.analysis.judge import clients
from bot.analysis.judge.clients import ALONE, CODES, Clients, Row
from bot.model.figures import CLIENT_ERRORS, Figures, Finding, SideFigures, Unit, Verdict
from bot.model.formats import count, percent
from bot.model.rollout import Rollout
from bot.model.service import GateAction, GateLimits

CLIENTS = "client errors"
MOST_NAMED = 2
SHADOW = 'Before Istio 1.28 copies carry the host name with "-shadow" behind it.'
LATE = 2.0  # the last minute is told when it is so many times worse than the stage

_READING = {
    CLIENT_ERRORS: "client errors (4xx)",
    "401": "401 (not authenticated)",
    "403": "403 (not allowed)",
    "404": "404 (not found)",
    "429": "429 (too many requests)",
}


def begin(limits: GateLimits, history: Sequence[SideFigures]) -> str:
    """What is remembered before the first row; "" where client errors are not judged."""
    return clients.save(clients.start(limits.judge, history)) if limits.client_errors else ""


def again(text: str, rollout: Rollout) -> str:
    """The same before another side is on trial."""
    return (
        clients.save(clients.again(_kept(text, rollout), rollout.spec.gates.judge))
        if rollout.spec.gates.client_errors
        else ""
    )


def passed_on(text: str, rollout: Rollout, last: Figures | None) -> str:
    """The same before the next stage. ``last``: figures of the one that was left."""
    limits = rollout.spec.gates.client_errors
    if limits is None or not text or last is None or limits.action is not GateAction.HOLD:
        return text
    subject = Sides.of(rollout, last).subject
    return clients.save(
        clients.passed_on(
            _kept(text, rollout), {code: _share(subject, code) for code in CODES}, rollout.spec.gates.judge
        )
    )


def analysed(text: str, rollout: Rollout, row: Figures, *, first: bool) -> str:
    """The same with one whole row more; ``first``: of its stage."""
    limits = rollout.spec.gates.client_errors
    if limits is None:
        return ""
    sides = Sides.of(rollout, row)
    counted = Row(
        seconds=row.end - row.start,
        subject=sides.subject,
        reference=sides.reference,
        first=first,
        alone=not rollout.current.routes.compared,
        limited=rollout.limited,
    )
    return clients.save(clients.step(_kept(text, rollout), counted, limits, rollout.spec.gates.judge))


def find(text: str, rollout: Rollout, stage: Figures, recent: Sequence[Figures]) -> Iterator[Finding]:
    """What has moved, as one finding; nothing where nothing has."""
    limits = rollout.spec.gates.client_errors
    won = _kept(text, rollout).won if text else frozenset[str]()
    if limits is None or not won:
        return
    whole, late = Sides.of(rollout, stage), Sides.of(rollout, sum(recent[1:], start=recent[0]))
    # The sum of all codes says nothing that its own codes do not.
    bets = sorted(won - {CLIENT_ERRORS} or won, key=clients.BETS.index)
    text = "; ".join(_text(bet, whole, late) for bet in bets[:MOST_NAMED])
    moved = f"{whole.name} refuses otherwise than {whole.other}: {text}."
    if bets == [ALONE]:
        moved = f"{text}; at most {percent(limits.ceiling)} is taken for callers' own doing."
    copies_note = bets != [ALONE] and rollout.current.routes.mirror
    yield Finding(
        gate=CLIENTS,
        verdict=Verdict.FAIL if limits.action is GateAction.ABORT else Verdict.INCONCLUSIVE,
        sentence=f"{moved} {SHADOW}" if copies_note else moved,
        brief=moved if copies_note else "",
        value=_share(whole.subject, clients.code_of(bets[0])),
        sample=whole.subject.requests if whole.subject is not None else None,
        acts=limits.action is not GateAction.OBSERVE,
        unit=Unit.SHARE,
    )


def detail(rollout: Rollout, stage: Figures) -> Iterator[Finding]:
    """A line about all of them, where they are counted."""
    sides = Sides.of(rollout, stage)
    subject = sides.subject
    if (
        rollout.spec.gates.client_errors is None
        or subject is None
        or not subject.client_errors
        or subject.requests <= 0
    ):
        return
    against = f", {sides.other} {_of(sides.reference, CLIENT_ERRORS)}" if _counts(sides.reference) else ""
    sentence = f"Client errors (4xx) on {sides.name}: {_of(subject, CLIENT_ERRORS)}{against}."
    yield Finding(
        gate=f"{CLIENTS} in all",
        verdict=Verdict.PASS,
        sentence=sentence,
        value=_share(subject, CLIENT_ERRORS),
        sample=subject.requests,
        part=True,
        unit=Unit.SHARE,
    )


def _text(bet: str, stage: Sides, late: Sides) -> str:
    code = clients.code_of(bet)
    lately = _share(late.subject, code) >= LATE * _share(stage.subject, code) > 0
    sides = late if lately else stage
    when = " in the last minute" if lately else ""
    against = f", {sides.other} {_of(sides.reference, code)}" if _counts(sides.reference) and bet != ALONE else ""
    subject = f"{sides.name} answers " if bet == ALONE else ""
    return f"{subject}{_READING[code]} {_of(sides.subject, code)}{against}{when}"


def _counts(side: SideFigures | None) -> bool:
    return side is not None and side.requests > 0


def _share(side: SideFigures | None, code: str) -> float:
    return side.client_errors.get(code, 0.0) / side.requests if side is not None and side.requests > 0 else 0.0


def _of(side: SideFigures | None, code: str) -> str:
    bad, requests = (0.0, 0.0) if side is None else (side.client_errors.get(code, 0.0), side.requests)
    return f"{percent(_share(side, code))} ({count(bad)} of {count(requests)})"


def _kept(text: str, rollout: Rollout) -> Clients:
    """As it was kept; what another version kept begins again."""
    try:
        return clients.load(text) if text else clients.start(rollout.spec.gates.judge)
    except ValueError:
        return clients.start(rollout.spec.gates.judge)
