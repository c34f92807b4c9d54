"""``canary-bot status`` and ``canary-bot history``: rollouts as plain lines, each a sentence of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.cluster.virtual_service import in_words
from bot.model.freeze import Freeze, FreezeAction, FreezeLine, freeze_sentence
from bot.model.rollout import Rollout, RolloutId, Shown
from bot.model.story import Entry
from bot.rollout import exposure
from bot.rollout.phrases import called, describe, drilled, status_text
from bot.words.sentence import Moment, Person, Seconds, Sentence, Text, said

NOTHING: Mapping[RolloutId, Text] = {}
EPOCH = 1e8  # seconds; a recording counts from 1970, a file made by hand from its own beginning


def status(live: Sequence[Rollout], now: float) -> Iterator[Sentence]:
    """One line per live rollout, and one per gate that is not passing."""
    if not live:
        yield said("cli.no_live")
    for rollout in live:
        spec = rollout.spec
        yield said(
            "cli.live",
            service=spec.service,
            version=spec.version,
            id=spec.id,
            where=describe(rollout),
            routes=in_words(rollout.current.routes),
            time=Seconds(now - spec.started_at),
        )
        users = exposure.summary(rollout)
        if users:
            yield said("cli.users", text=users)
        for finding in rollout.judgement.findings if rollout.judgement else ():
            yield said("cli.finding", verdict=f"{finding.verdict:<12}", text=finding.sentence)


def frozen(freezes: Sequence[Freeze]) -> Iterator[Sentence]:
    """One line per freeze."""
    yield from map(freeze_sentence, freezes)


def freezes(lines: Sequence[FreezeLine]) -> Iterator[Sentence]:
    """One line for each time that something was frozen or unfrozen, newest first."""
    for line in reversed(lines):
        freeze, at, by = line.freeze, Moment(line.at), line.by
        if line.action is not FreezeAction.FROZE and by != freeze.by:
            yield said("cli.unfroze_anothers", at=at, by=by, what=freeze.what, other=freeze.by, reason=freeze.reason)
        elif line.action is not FreezeAction.FROZE:
            yield said("cli.unfroze", at=at, by=by, what=freeze.what, reason=freeze.reason)
        elif freeze.until is not None:
            until = Moment(freeze.until)
            yield said("cli.froze_until", at=at, by=by, what=freeze.what, until=until, reason=freeze.reason)
        else:
            yield said("cli.froze", at=at, by=by, what=freeze.what, reason=freeze.reason)


def history(rollouts: Sequence[Rollout], unreadable: Mapping[RolloutId, Text] = NOTHING) -> Iterator[Sentence]:
    """One line per rollout, newest first; then those whose records cannot be read, each with why."""
    if not (rollouts or unreadable):
        yield said("cli.no_history")
    for rollout in rollouts:
        spec = rollout.spec
        took = Seconds((rollout.ended_at or spec.started_at) - spec.started_at)
        past = said(
            "cli.past",
            at=Moment(spec.started_at),
            service=spec.service,
            version=spec.version,
            id=spec.id,
            how=status_text(rollout),
            took=took,
        )
        yield said("cli.past_because", past=past, why=rollout.reason) if rollout.reason else past
        users = exposure.ledger(rollout)
        if users:
            yield said("cli.users", text=users)
        for walked in rollout.walked:
            for one in walked.approvals:
                stage = next((called(stage) for stage in spec.plan if stage.name == walked.name), walked.name)
                yield said("cli.approved", stage=stage, who=Person(one.by), at=Moment(one.at))
                yield from _shown(one.shown)
        rehearsed = drilled(rollout)
        if rehearsed is not None:
            yield said("cli.more", text=rehearsed)
    for rollout_id, why in unreadable.items():
        yield said("cli.unreadable", id=rollout_id, why=why)


def story(entries: Sequence[Entry]) -> Iterator[Sentence]:
    """One line per entry, oldest first."""
    for entry in entries:
        at = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%S")
        yield said("cli.entry", at=at, by=f"{entry.by:<12}", text=entry.text)
        yield from _shown(entry.shown)


def _shown(shown: Shown | None) -> Iterator[Sentence]:
    """What an approver had in front of them, and where."""
    if shown is not None and shown.text:
        yield said("cli.shown", text=shown.text)
    if shown is not None and shown.permalink:
        yield said("cli.shown_at", address=shown.permalink)


def replayed(answer: dict[str, Any]) -> Sentence:
    """One line per judged interval, and the summary."""
    if "summary" not in answer:
        verdict, at = f"{answer['verdict']:<8}", f"{_moment(answer['t']):>8}"
        return said("cli.judged", at=at, verdict=verdict, text=answer["text"])
    summary = answer["summary"]
    by = summary["aborted_by"]
    passed = tuple(
        said("cli.passed_at", stage=str(one["stage"]), at=_moment(one["passed_at"]))
        for one in summary["stages"]
        if one["passed_at"] is not None
    )
    aborted = said("cli.replay_aborted", at=_moment(summary["aborted_at"]), by=by) if by else None
    end = aborted or said("cli.replay_not_aborted")
    whole = said("cli.replay_passed", end=end, passed=passed) if passed else said("cli.replay_none_passed", end=end)
    return _moved(whole, summary["moves"]) if "moves" in summary else whole


def _moved(end: Sentence, moves: Sequence[dict[str, Any]]) -> Sentence:
    """With what would have moved traffic, by the judge that can send users home."""
    if not moves:
        return said("cli.replay_not_moved", end=end)
    return said("cli.replay_moved", end=end, moves=tuple(map(_move, moves)))


def _move(move: dict[str, Any]) -> Sentence:
    at = _moment(move["t"])
    match move["what"]:
        case "home":
            return said("cli.move_home", at=at, by=move["by"])
        case "abort":
            return said("cli.move_abort", at=at, by=move["by"])
        case "back":
            return said("cli.move_back", at=at)
        case _:
            return said("cli.move_ask", at=at)


def _moment(t: float) -> str:
    """Seconds since something began, as a file by hand has them; or, where they are since the epoch, a time of day."""
    return f"{t:g} s" if t < EPOCH else f"{datetime.fromtimestamp(t, UTC):%H:%M:%S}"
