"""Figures of both sides, side by side, for people to compare. Pure; judged already elsewhere, only shown here."""

from __future__ import annotations

from bot.analysis.histograms import slower
from bot.model.figures import EVIDENCE, Figures, Finding, Judgement, SideFigures, Unit, Verdict
from bot.model.rollout import Phase, Rollout
from bot.model.service import Measure
from bot.slack.blocks import Block, data_table, shorten

COLUMNS = ("Gate", "Canary", "Primary", "Limit", "Verdict")
MOST_ROWS = 12
NOTHING = "-"

_WORST_FIRST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)


def judged_primary(rollout: Rollout, phase: Phase | None = None) -> bool:
    """Whether the (upgraded) primary is on trial rather than the canary in this phase."""
    phase = phase or rollout.phase
    return phase is Phase.SWITCHING_BACK or (phase is Phase.BAKING and rollout.primary_touched)


def rows(judgement: Judgement, *, primary_is_judged: bool) -> tuple[tuple[str, ...], ...]:
    """One row per gate, the worst first, with both sides' figures; no header."""
    # What the evidence amounts to is a sentence, and has no figure of its own.
    shown = [finding for finding in judgement.findings if finding.gate != EVIDENCE]
    ranked = sorted(shown, key=lambda finding: _WORST_FIRST.index(finding.verdict))
    checks = tuple(_row(finding, judgement.figures, primary_is_judged) for finding in ranked[:MOST_ROWS])
    figures = judgement.figures
    if figures is None:
        return checks
    requests = ("requests", _count(figures.canary), _count(figures.primary), NOTHING, NOTHING)
    return (*checks, requests)


def table(judgement: Judgement, caption: str, *, primary_is_judged: bool) -> Block:
    """The rows as a native table."""
    return data_table(caption, (COLUMNS, *rows(judgement, primary_is_judged=primary_is_judged)))


def plain_table(judgement: Judgement, *, primary_is_judged: bool) -> Block:
    """The rows with spaces between them, for workspaces without native tables."""
    lines = (COLUMNS, *rows(judgement, primary_is_judged=primary_is_judged))
    cells = [[shorten(cell, 32) for cell in line] for line in lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    text = "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}],
    }


def one_line(figures: Figures, *, primary_is_judged: bool) -> str:
    """What the judged side answered: ``412 requests, 0 errors``."""
    side = figures.primary if primary_is_judged else figures.canary
    if side is None:
        return "no data yet"
    return f"{side.requests:,.0f} requests, {side.errors:,.0f} errors"


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * 100:.3g} %"


def _row(finding: Finding, figures: Figures | None, primary_is_judged: bool) -> tuple[str, ...]:  # noqa: FBT001  # private
    canary, primary = (_figure(finding, side) for side in (figures.canary, figures.primary)) if figures else ("", "")
    judged = _amount(finding, finding.value)
    if primary_is_judged:
        primary = primary or judged
    else:
        canary = canary or judged
    verdict = str(finding.verdict) if finding.acts else f"{finding.verdict} (observed only)"
    return (shorten(finding.gate, 60), canary or NOTHING, primary or NOTHING, _amount(finding, finding.limit), verdict)


def _figure(finding: Finding, side: SideFigures | None) -> str:
    """One side's own figure for gates that compare sides; "" where only one side has one."""
    bad = None if side is None or side.requests <= 0 else _bad(finding, side)
    return "" if side is None or bad is None else f"{percent(bad / side.requests)} ({bad:,.0f})"


def _bad(finding: Finding, side: SideFigures) -> float | None:
    if finding.compared is Measure.ERRORS:
        return side.errors
    return None if finding.bound is None else slower(side.buckets, finding.bound)


def _amount(finding: Finding, value: float | None) -> str:
    """A figure in the unit of its gate."""
    if value is None:
        return NOTHING
    match finding.unit:
        case Unit.SHARE:
            return percent(value)
        case Unit.MILLISECONDS:
            return f"{value:,.0f} ms"
        case Unit.NUMBER:
            return f"{value:,.4g}"


def _count(side: SideFigures | None) -> str:
    return NOTHING if side is None else f"{side.requests:,.0f}"
