"""``canary-bot status`` and ``canary-bot history``: rollouts as plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.rollout.machine import describe
from bot.rollout.model import Entry, Rollout


def status(live: Sequence[Rollout], now: float) -> Iterator[str]:
    """One line per live rollout, and one per gate that is not passing."""
    if not live:
        yield "No rollout is live."
    for rollout in live:
        routes = rollout.current.routes
        yield (
            f"{rollout.service} {rollout.version} ({rollout.id}): {describe(rollout)}; "
            f"planned routes {routes}; for {_minutes(now - rollout.started_at)}"
        )
        for finding in rollout.judgement.findings if rollout.judgement else ():
            yield f"  {finding.verdict:<12} {finding.sentence}"


def history(rollouts: Sequence[Rollout]) -> Iterator[str]:
    """One line per rollout, newest first."""
    if not rollouts:
        yield "No rollout has been started yet."
    for rollout in rollouts:
        began = datetime.fromtimestamp(rollout.started_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        took = _minutes((rollout.ended_at or rollout.started_at) - rollout.started_at)
        why = f": {rollout.reason}" if rollout.reason else ""
        yield f"{began}  {rollout.service} {rollout.version} ({rollout.id})  {rollout.phase} after {took}{why}"


def story(entries: Sequence[Entry]) -> Iterator[str]:
    """One line per entry, oldest first."""
    for entry in entries:
        at = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%S")
        yield f"  {at}  {entry.by:<12} {entry.text}"


def replayed(answer: dict[str, Any]) -> str:
    """One line per judged interval, and the summary."""
    if "summary" not in answer:
        return f"{answer['t']:>8g} s  {answer['verdict']:<8} {answer['text']}"
    summary = answer["summary"]
    end = (
        f"aborted at {summary['aborted_at']:g} s by {summary['aborted_by']}" if summary["aborted_by"] else "not aborted"
    )
    passed = [f"{s['stage']} at {s['passed_at']:g} s" for s in summary["stages"] if s["passed_at"] is not None]
    return f"{end}; passed: {', '.join(passed) or 'none'}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
