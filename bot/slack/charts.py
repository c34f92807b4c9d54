"""The worst check over time, as a native chart: the canary, the primary, and what is allowed. Pure.

A part of the time in which one side answered nothing is left out of every line: a gap is not a zero. The figures are in
the table and in words as well, so nothing is lost where a workspace does not draw charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.analysis.course import MOST_POINTS
from bot.model.figures import Finding, Point
from bot.model.rollout import Rollout
from bot.model.service import Measure
from bot.model.versions import called_sides
from bot.slack import gate_rows
from bot.slack.blocks import Block, shorten
from bot.words.rendering import Voice, plain
from bot.words.sentence import Seconds, said

LEAST_POINTS = 4  # fewer are no course of anything
LONGEST_NAME, LONGEST_TITLE = 20, 50  # characters, Slack's limits

CHART = "data_visualization"


def chart(rollout: Rollout, voice: Voice) -> Block | None:
    """The chart of the worst check, or None where there is none to draw."""
    found = _worst(rollout)
    if found is None:
        return None
    finding, index = found
    points = _drawn(rollout.analysis_state.points)
    if len(points) < LEAST_POINTS:
        return None
    labels = _labels(rollout, points, voice)
    lines = [[_percent(side[index], side[0]) for side in sides] for sides in _sides(points)]
    names = [*called_sides(rollout), plain(said("slack.line_allowed"), voice)]
    if finding.limit is not None:
        lines.append([_percent(finding.limit, 1.0)] * len(points))
    return {
        "type": CHART,
        "block_id": shorten(f"chart:{rollout.spec.id[:100]}:{rollout.revision}", 255),
        "title": shorten(_title(finding, points, voice), LONGEST_TITLE),
        "chart": {
            "type": "line",
            "series": [
                {"name": shorten(name, LONGEST_NAME), "data": _data(labels, line)}
                for name, line in zip(_apart(names), lines, strict=False)
            ],
            "axis_config": {
                "categories": labels,
                "y_label": plain(said("slack.axis_share"), voice),
            },
        },
    }


def _labels(rollout: Rollout, points: Sequence[Point], voice: Voice) -> list[str]:
    """The time of each point; the first after users were taken home says so."""
    home = plain(said("slack.chart_home"), voice)
    after = {next((point.at for point in points if point.at >= one.at), None) for one in rollout.step_backs}
    return [f"{_clock(point.at)} {home}" if point.at in after else _clock(point.at) for point in points]


def _worst(rollout: Rollout) -> tuple[Finding, int] | None:
    """The worst check that is counted in points, and where in them: errors are second, slow requests behind."""
    judgement, bounds = rollout.judgement, rollout.analysis_state.bounds
    found: list[tuple[Finding, int]] = []
    for finding in judgement.findings if judgement is not None else ():
        if finding.compared is Measure.ERRORS:
            found.append((finding, 1))
        elif finding.compared is Measure.LATENCY and finding.bound in bounds:
            found.append((finding, 2 + bounds.index(finding.bound)))
    return min(found, key=lambda one: (-one[0].verdict.badness, -_near(one[0])), default=None)


def _near(finding: Finding) -> float:
    """How near it is to what is allowed."""
    if finding.value is None or not finding.limit:
        return 0.0
    return finding.value / finding.limit


def _drawn(points: Sequence[Point]) -> list[Point]:
    """Those in which both sides answered, each second once, the newest ``MOST_POINTS``."""
    by_label = {_clock(point.at): point for point in points if point.canary[0] > 0 and point.primary[0] > 0}
    wide = {(len(point.canary), len(point.primary)) for point in by_label.values()}
    return list(by_label.values())[-MOST_POINTS:] if len(wide) == 1 else []


def _sides(points: Sequence[Point]) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    return [point.canary for point in points], [point.primary for point in points]


def _percent(bad: float, of: float) -> float:
    return round(100 * min(bad / of, 1.0), 2)


def _data(labels: Sequence[str], values: Sequence[float]) -> list[dict[str, object]]:
    return [{"label": label, "value": value} for label, value in zip(labels, values, strict=True)]


def _apart(names: Sequence[str]) -> list[str]:
    """No two lines may have one name."""
    seen: list[str] = []
    for name in names:
        cut = name[: LONGEST_NAME - 2] or "-"
        seen.append(cut if cut not in seen else f"{cut} {len(seen) + 1}")
    return seen


def _title(finding: Finding, points: Sequence[Point], voice: Voice) -> str:
    time = Seconds(points[-1].at - points[0].at)
    return plain(said("slack.chart_title", what=gate_rows.name(finding), time=time), voice)


def _clock(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"[:LONGEST_NAME]
