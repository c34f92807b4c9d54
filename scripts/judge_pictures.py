"""The pictures of docs/judge.md: both sides' errors above, the evidence and its threshold below, the sentence last."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from bot.analysis.judge.settings import JudgeSettings
from scripts.judge_runs import BASE, ONSET, RPS, Row, aborted, passed, shares

WIDTH, HEIGHT = 860, 580
LEFT, RIGHT = 84, 836
ERRORS = (92, 242)  # top and bottom of the panels
EVIDENCE = (296, 446)
LINE = 20
CANARY, PRIMARY, INK, FAINT = "#c2410c", "#1d4ed8", "#1f2937", "#6b7280"
BAD, GOOD = "#b91c1c", "#15803d"
BANDS = ("#f3f4f6", "#e5e7eb")
FONT = "font-family='Helvetica, Arial, sans-serif'"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Maps minutes and a value to the picture; ``ticks`` are the values written at the left, with their words."""

    top: int
    bottom: int
    minutes: float
    lowest: float
    highest: float
    ticks: Sequence[tuple[float, str]]

    def x(self, minutes: float) -> float:
        """Across."""
        return LEFT + (RIGHT - LEFT) * minutes / self.minutes

    def y(self, value: float) -> float:
        """Down; what is off the panel is drawn at its edge."""
        part = (min(max(value, self.lowest), self.highest) - self.lowest) / (self.highest - self.lowest)
        return self.bottom - (self.bottom - self.top) * part

    def line(self, points: Points, colour: str, width: float = 2.5) -> str:
        """Through these (minutes, value)."""
        drawn = " ".join(f"{self.x(minutes):.1f},{self.y(value):.1f}" for minutes, value in points)
        return f"<polyline points='{drawn}' fill='none' stroke='{colour}' stroke-width='{width}'/>"

    def axis(self) -> Iterator[str]:
        """The ticks, each with a faint line across."""
        for value, words in self.ticks:
            yield rule(LEFT, self.y(value), RIGHT, self.y(value), "#d1d5db", 1)
            yield text(LEFT - 8, self.y(value) + 4, words, FAINT, anchor="end")


def pictures() -> dict[str, str]:
    """Both, by path."""
    return {"docs/judge-abort.svg": abort_picture(), "docs/judge-pass.svg": pass_picture()}


def abort_picture() -> str:
    """A fault that begins late; the evidence against the canary reaches its threshold."""
    rows, needed = aborted(), JudgeSettings().needed
    end = rows[-1].t / 60
    ticks = [(math.log(one / 20), words) for one, words in ((1, "1 : 20"), (20, "1 : 1"), (400, "20 : 1"))]
    evidence = Panel(
        top=EVIDENCE[0], bottom=EVIDENCE[1], minutes=end * 1.02, lowest=-3.6, highest=needed * 1.35, ticks=ticks
    )
    began = evidence.x(ONSET / 60)
    parts = [
        *frame(rows, evidence, "The canary turns bad after 15 minutes, with ten times the errors"),
        *(rule(began, top, began, bottom, INK, 1, dash="2 4") for top, bottom in (ERRORS, EVIDENCE)),
        text(began - 8, ERRORS[0] + 20, "the fault begins", INK, anchor="end"),
        caption(EVIDENCE, "Evidence that the canary is worse than allowed, as odds"),
        *threshold(evidence, needed, "20 : 1 aborts"),
        evidence.line([(row.t / 60, row.answer["log_e"]) for row in rows], BAD),
        *moment(evidence, rows[-1], needed, BAD),
        text(
            began - 8, evidence.y(needed) - 8, f"aborted after {rows[-1].t - ONSET:.0f} s", BAD, anchor="end", bold=True
        ),
        *sentence(rows[-1], BAD),
    ]
    return svg(parts)


def pass_picture() -> str:
    """A canary like its primary; the evidence that it is not worse ends each stage."""
    rows, needed = passed(), math.log(1 / JudgeSettings().alpha_pass)
    ticks = [(0.0, "1 : 1"), (needed, "20 : 1"), (math.log(400), "400 : 1")]
    evidence = Panel(
        top=EVIDENCE[0],
        bottom=EVIDENCE[1],
        minutes=rows[-1].t / 60 * 1.02,
        lowest=-0.8,
        highest=needed * 1.9,
        ticks=ticks,
    )
    parts = [
        *frame(rows, evidence, "The canary is as good as the primary: every stage ends on evidence"),
        caption(EVIDENCE, "Evidence that no metric of the canary is worse than its margin, as odds: the weakest"),
        *threshold(evidence, needed, "20 : 1 passes the stage"),
    ]
    for _, stage in groupby(rows, key=lambda row: row.stage):
        of_stage = [*stage]
        parts.append(evidence.line([(row.t / 60, weakest(row)) for row in of_stage], GOOD))
        parts += moment(evidence, of_stage[-1], weakest(of_stage[-1]), GOOD)
    return svg([*parts, *sentence(rows[-1], GOOD)])


def weakest(row: Row) -> float:
    """The least evidence for a pass among the metrics: all must be shown."""
    return min(float(metric["not_worse"]) for metric in row.answer["metrics"].values())


def frame(rows: Sequence[Row], evidence: Panel, title: str) -> Iterator[str]:
    """Title, stages, and the panel of errors."""
    yield text(LEFT, 32, title, INK, size=18, bold=True)
    yield text(LEFT, 54, f"Simulated: {RPS} requests a second, {BASE * 100:g} % errors on the primary", FAINT)
    sides = {"canary": CANARY, "primary": PRIMARY}
    drawn = {side: [(row.t / 60, share) for row, share in zip(rows, shares(rows, side), strict=True)] for side in sides}
    most = max(share for points in drawn.values() for _, share in points)
    step = 0.5 if most > 0.5 else 0.1  # noqa: PLR2004  # percent
    highest = step * math.ceil(most / step)
    ticks = [(one * step, f"{one * step:.1f} %") for one in range(round(highest / step) + 1)]
    errors = Panel(top=ERRORS[0], bottom=ERRORS[1], minutes=evidence.minutes, lowest=0, highest=highest, ticks=ticks)
    began = 0.0
    for number, (stage, group) in enumerate(groupby(rows, key=lambda row: row.stage)):
        ended = [*group][-1].t / 60
        x, width = errors.x(began), errors.x(ended) - errors.x(began)
        for top, bottom in (ERRORS, EVIDENCE):
            yield box(x, top, width, bottom - top, BANDS[number % 2])
        words = "copies alone" if stage == "mirror" else f"{stage} % of users"
        yield text(x + width / 2, EVIDENCE[1] + 38, words, FAINT, anchor="middle")
        began = ended
    yield caption(ERRORS, "Errors of the last minute:")
    yield text(LEFT + 190, ERRORS[0] - 10, "canary", CANARY, bold=True)
    yield text(LEFT + 254, ERRORS[0] - 10, "primary", PRIMARY, bold=True)
    yield from errors.axis()
    yield from evidence.axis()
    every = 5 if evidence.minutes > 10 else 1  # noqa: PLR2004  # minutes
    for minute in range(0, int(evidence.minutes) + 1, every):
        yield text(errors.x(minute), EVIDENCE[1] + 18, f"{minute} min", FAINT, anchor="middle")
    yield from (errors.line(points, sides[side]) for side, points in drawn.items())


def caption(panel: tuple[int, int], words: str) -> str:
    """Above a panel."""
    return text(LEFT, panel[0] - 10, words, INK)


def threshold(panel: Panel, value: float, words: str) -> Iterator[str]:
    """What the evidence must reach."""
    yield rule(LEFT, panel.y(value), RIGHT, panel.y(value), INK, 1.5, dash="7 5")
    yield text(LEFT + 8, panel.y(value) - 7, words, INK, bold=True)


def moment(panel: Panel, row: Row, value: float, colour: str) -> Iterator[str]:
    """When a verdict was reached."""
    x = panel.x(row.t / 60)
    yield from (rule(x, top, x, bottom, colour, 1.5) for top, bottom in (ERRORS, EVIDENCE))
    yield f"<circle cx='{x:.1f}' cy='{panel.y(value):.1f}' r='5' fill='{colour}'/>"


def sentence(row: Row, colour: str) -> Iterator[str]:
    """What people are told."""
    lines = textwrap.wrap(row.answer["text"], 100)
    yield box(LEFT, EVIDENCE[1] + 54, 4, LINE * len(lines) + 6, colour)
    for number, words in enumerate(lines):
        yield text(LEFT + 14, EVIDENCE[1] + 71 + LINE * number, words, INK)


def text(
    x: float, y: float, words: str, colour: str, *, anchor: str = "start", size: int = 14, bold: bool = False
) -> str:
    """One line of words."""
    weight = " font-weight='bold'" if bold else ""
    place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
    return f"<text {place} font-size='{size}' fill='{colour}'{weight}>{escape(words)}</text>"


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled one."""
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{colour}'/>"


def rule(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dash: str = "") -> str:
    """A straight line."""
    dashed = f" stroke-dasharray='{dash}'" if dash else ""
    ends = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{colour}' stroke-width='{width}'{dashed}/>"


def svg(parts: Iterable[str]) -> str:
    """The whole document, on white."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' {FONT}>"
    return "\n".join([head, box(0, 0, WIDTH, HEIGHT, "#ffffff"), *parts, "</svg>"]) + "\n"
