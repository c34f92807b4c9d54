"""Client errors of a live rollout: row by row into their own bets (``judge.clients``), and what people are told. Pure.

The default holds and asks: what a version refuses may be meant, and only people know. So nothing is told of a canary
that refuses as often as its primary, be that often, and a version that answers 404 to everything goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.analysis.amounts import by_side, of
from bot.analysis.judge import clients
from bot.analysis.judge.clients import ALONE, CODES, Clients, Row
from bot.analysis.sides import Sides
from bot.model.figures import CLIENT_ERRORS, Figures, Finding, SideFigures, Tendency, Unit, Verdict
from bot.model.rollout import Rollout
from bot.model.service import GateAction, GateLimits
from bot.words.sentence import Sentence, Share, said, together

CLIENTS = "client errors"
MOST_NAMED = 2
LATE = 2.0  # the last minute is told when it is so many times worse than the stage

_READING = {
    CLIENT_ERRORS: said("analysis.code_all"),
    "401": said("analysis.code_401"),
    "403": said("analysis.code_403"),
    "404": said("analysis.code_404"),
    "429": said("analysis.code_429"),
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
    named = bets[:MOST_NAMED]
    lately = any(_is_worse_lately(bet, whole, late) for bet in named)
    sides = late if lately else whole  # one window for all that is told
    codes = [clients.code_of(bet) for bet in named]
    if bets == [ALONE]:
        moved = said(
            "analysis.refuses_alone", name=whole.name, code=_READING[codes[0]], here=_of(sides.subject, codes[0])
        )
        allowed = said("analysis.allowed_most", most=Share(limits.ceiling))
    else:
        moved = said(
            "analysis.refuses", name=whole.name, other=whole.other, codes=tuple(_text(c, sides) for c in codes)
        )
        allowed = said("analysis.allowed_times", times=limits.tolerance, other=whole.other)
    if lately:
        moved = said("analysis.in_last_minute", what=moved)
    copies_note = bets != [ALONE] and rollout.current.routes.mirror
    there = _of(sides.reference, codes[0]) if _counts(sides.reference) and bets[0] != ALONE else ""
    yield Finding(
        gate=CLIENTS,
        verdict=Verdict.FAIL if limits.action is GateAction.ABORT else Verdict.INCONCLUSIVE,
        sentence=together((moved, said("analysis.shadow"))) if copies_note else moved,
        brief=moved if copies_note else "",
        value=_share(sides.subject, codes[0]),
        sample=sides.subject.requests if sides.subject is not None else None,
        acts=limits.action is not GateAction.OBSERVE,
        unit=Unit.SHARE,
        allowed=allowed,
        seen=Tendency.WORSE,
        **by_side(rollout, _of(sides.subject, codes[0]), there),
    )


def detail(rollout: Rollout, stage: Figures) -> Iterator[Finding]:
    """A line about all of them, where they are counted."""
    sides, limits = Sides.of(rollout, stage), rollout.spec.gates.client_errors
    subject = sides.subject
    if limits is None or subject is None or not subject.client_errors or subject.requests <= 0:
        return
    here = _of(subject, CLIENT_ERRORS)
    there = _of(sides.reference, CLIENT_ERRORS) if _counts(sides.reference) else ""
    yield Finding(
        gate=f"{CLIENTS} in all",
        verdict=Verdict.PASS,
        sentence=said("analysis.clients", name=sides.name, here=here, other=sides.other, there=there)
        if there
        else said("analysis.clients_alone", name=sides.name, here=here),
        value=_share(subject, CLIENT_ERRORS),
        sample=subject.requests,
        part=True,
        unit=Unit.SHARE,
        allowed=said("analysis.allowed_times", times=limits.tolerance, other=sides.other) if there else "",
        **by_side(rollout, here, there),
    )


def _is_worse_lately(bet: str, stage: Sides, late: Sides) -> bool:
    code = clients.code_of(bet)
    return _share(late.subject, code) >= LATE * _share(stage.subject, code) > 0


def _text(code: str, sides: Sides) -> Sentence:
    here = _of(sides.subject, code)
    if not _counts(sides.reference):
        return said("analysis.code_alone", code=_READING[code], here=here)
    there = _of(sides.reference, code)
    return said("analysis.code", code=_READING[code], here=here, other=sides.other, there=there)


def _counts(side: SideFigures | None) -> bool:
    return side is not None and side.requests > 0


def _share(side: SideFigures | None, code: str) -> float:
    return side.client_errors.get(code, 0.0) / side.requests if side is not None and side.requests > 0 else 0.0


def _of(side: SideFigures | None, code: str) -> Sentence:
    return of(side.client_errors.get(code, 0.0), side.requests) if side is not None else of(0.0, 0.0)


def _kept(text: str, rollout: Rollout) -> Clients:
    """As it was kept; what another version kept begins again."""
    try:
        return clients.load(text) if text else clients.start(rollout.spec.gates.judge)
    except ValueError:
        return clients.start(rollout.spec.gates.judge)
