"""``canary-bot status`` and ``canary-bot history``: rollouts as plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.model.freeze import Freeze, FreezeAction, FreezeLine, freeze_sentence
from bot.model.rollout import Entry, Rollout, RolloutId
from bot.rollout.phrases import describe

NOTHING: Mapping[RolloutId, str] = {}
EPOCH = 1e8  # seconds; a recording counts from 1970, a file made by hand from its own beginning


def status(live: Sequence[Rollout], now: float) -> Iterator[str]:
    """One line per live rollout, and one per gate that is not passing."""
    if not live:
        yield "No rollout is live."
    for rollout in live:
        routes = rollout.current.routes
        yield (
            f"{rollout.spec.service} {rollout.spec.version} ({rollout.spec.id}): {describe(rollout)}; "
            f"planned routes {routes}; for {_minutes(now - rollout.spec.started_at)}"
        )
        for finding in rollout.judgement.findings if rollout.judgement else ():
            yield f"  {finding.verdict:<12} {finding.sentence}"


def frozen(freezes: Sequence[Freeze]) -> Iterator[str]:
    """One line per freeze."""
    for freeze in freezes:
        yield str(freeze_sentence(freeze))


def freezes(lines: Sequence[FreezeLine]) -> Iterator[str]:
    """One line for each time that something was frozen or unfrozen, newest first."""
    for line in reversed(lines):
        freeze = line.freeze
        until = (
            f" until {_date(freeze.until)}" if line.action is FreezeAction.FROZE and freeze.until is not None else ""
        )
        whose = f" (frozen by {freeze.by})" if line.by != freeze.by else ""
        yield f"{_date(line.at)}  {line.by} {line.action} {freeze.what}{until}{whose}: {freeze.reason}"


def history(rollouts: Sequence[Rollout], unreadable: Mapping[RolloutId, str] = NOTHING) -> Iterator[str]:
    """One line per rollout, newest first; then those whose records cannot be read, each with why."""
    if not (rollouts or unreadable):
        yield "No rollout has been started yet."
    for rollout in rollouts:
        began = _date(rollout.spec.started_at)
        took = _minutes((rollout.ended_at or rollout.spec.started_at) - rollout.spec.started_at)
        why = f": {rollout.reason}" if rollout.reason else ""
        spec = rollout.spec
        yield f"{began}  {spec.service} {spec.version} ({spec.id})  {rollout.phase} after {took}{why}"
    yield from _unreadable(unreadable)


def _unreadable(unreadable: Mapping[RolloutId, str]) -> Iterator[str]:
    yield from (f"{rollout_id}: Redis {why}" for rollout_id, why in unreadable.items())


def story(entries: Sequence[Entry]) -> Iterator[str]:
    """One line per entry, oldest first."""
    for entry in entries:
        at = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%S")
        yield f"  {at}  {entry.by:<12} {entry.text}"


def replayed(answer: dict[str, Any]) -> str:
    """One line per judged interval, and the summary."""
    if "summary" not in answer:
        return f"{_moment(answer['t']):>8}  {answer['verdict']:<8} {answer['text']}"
    summary = answer["summary"]
    by = summary["aborted_by"]
    end = f"aborted at {_moment(summary['aborted_at'])} by {by}" if by else "not aborted"
    passed = [f"{s['stage']} at {_moment(s['passed_at'])}" for s in summary["stages"] if s["passed_at"] is not None]
    return f"{end}; passed: {', '.join(passed) or 'none'}"


def _moment(t: float) -> str:
    """Seconds since something began, as a file by hand has them; or, where they are since the epoch, a time of day."""
    return f"{t:g} s" if t < EPOCH else f"{datetime.fromtimestamp(t, UTC):%H:%M:%S}"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
