"""What a rollout was like over time, in few numbers: users' exposure to the canary, and points of a chart. Pure.

Both are made of the rows that the judge keeps, so every request is in them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.analysis.histograms import slower
from bot.analysis.judge import editions
from bot.model.figures import AnalysisState, Exposure, Figures, Point, SideFigures
from bot.model.judge_settings import JudgeSettings
from bot.model.rollout import Phase, Rollout, copies_from

MOST_POINTS = 20  # what Slack draws in a line


def noted(state: AnalysisState, rollout: Rollout, row: Figures) -> AnalysisState:
    """The analysis with a row that is kept; its own sums are none of this module's."""
    bounds = state.bounds or _bounds(state, rollout.spec.gates.judge)
    points = state.points if bounds == state.bounds else ()
    return replace(
        state,
        exposure=exposed(state.exposure, rollout, row),
        bounds=bounds,
        points=_thinned((*points, *_point(row, bounds))),
    )


def exposed(so_far: Exposure, rollout: Rollout, row: Figures) -> Exposure:
    """What users met of the canary, with this row.

    The canary's own count holds every request once the mirror is off. A row that began before that holds copies as
    well: of those, only what the callers' proxies counted (they never count copies) went to users, and its errors are
    shared out evenly. Without that count nothing of such a row is taken for a user's.
    """
    met = SideFigures(requests=0, errors=0) if row.canary is None else row.canary
    settled_at = rollout.settled_at
    leaving = rollout.current.on_copies and (settled_at is None or row.start < settled_at)
    if rollout.phase is Phase.MIRRORING and not leaving:
        met = SideFigures(requests=0, errors=0)
    elif leaving or _holds_copies(rollout, row):
        users = min(row.users.canary, met.requests) if row.users is not None else 0.0
        met = SideFigures(requests=users, errors=met.errors * users / met.requests if met.requests else 0.0)
    return Exposure(requests=so_far.requests + met.requests, errors=so_far.errors + met.errors, until=row.end)


def _holds_copies(rollout: Rollout, row: Figures) -> bool:
    """Whether requests were still copied when the row began."""
    copied = {rollout.spec.plan[0].name, *(copies_from(one.share) for one in rollout.step_backs)}
    place = next((n for n in reversed(range(len(rollout.walked))) if rollout.walked[n].name in copied), None)
    if place is None:
        return False
    past_it = len(rollout.walked) - place > 1
    in_force = rollout.walked[place + 1].settled_at if past_it else rollout.settled_at
    return in_force is None or row.start < in_force


def _bounds(state: AnalysisState, settings: JudgeSettings) -> tuple[float, ...]:
    """What the judge counts slow requests by; it finds that out with the first rows."""
    try:
        metrics = editions.load(state.judge, settings).metrics if state.judge else ()
    except ValueError:
        return ()
    return tuple(sorted(metric.bound for metric in metrics if metric.bound))


def _point(row: Figures, bounds: Sequence[float]) -> tuple[Point, ...]:
    if row.canary is None or row.primary is None:
        return ()
    return (Point(at=row.end, canary=_counts(row.canary, bounds), primary=_counts(row.primary, bounds)),)


def _counts(side: SideFigures, bounds: Sequence[float]) -> tuple[float, ...]:
    return (side.requests, side.errors, *(slower(side.buckets, bound) or 0.0 for bound in bounds))


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """At most so many points: where there are more, the older half is told in steps twice as long."""
    if len(points) <= MOST_POINTS:
        return tuple(points)
    half = len(points) // 2 // 2 * 2
    older = (_together(points[place], points[place + 1]) for place in range(0, half, 2))
    return (*older, *points[half:])


def _together(one: Point, later: Point) -> Point:
    def added(these: Sequence[float], those: Sequence[float]) -> tuple[float, ...]:
        return tuple(map(sum, zip(these, those, strict=True)))

    return Point(at=later.at, canary=added(one.canary, later.canary), primary=added(one.primary, later.primary))
