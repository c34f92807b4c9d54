"""Gates as rows, both sides' figures side by side for people to compare. Pure; judged elsewhere, only shown here."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.figures import (
    EVIDENCE,
    HARM,
    IN_ALL,
    SLOWER,
    TYPICAL,
    UNPROVEN,
    Finding,
    Judgement,
    Tendency,
    Unit,
    Verdict,
)
from bot.model.rollout import Phase, Rollout, Stage
from bot.model.versions import called_sides
from bot.rollout import leaving
from bot.rollout.phrases import called
from bot.slack.blocks import Block, data_table, shorten
from bot.words.rendering import Voice, plain
from bot.words.sentence import Sentence, Text, said

# What fits on a screen below the chart; every check is in Details. What is in doubt needs more room in a row.
MOST_ROWS, MOST_IN_DOUBT = 3, 2
NOTHING = "\N{EN DASH}"

_NAMES = {
    EVIDENCE: said("slack.check_in_all"),
    UNPROVEN: said("slack.check_in_all"),
    "warm-up": said("slack.check_in_all"),
    "errors": said("slack.check_errors"),
    TYPICAL: said("slack.check_typical"),
    "coverage": said("slack.check_copies"),
    "sample": said("slack.check_requests"),
    "traffic": said("slack.check_requests"),
    "users": said("slack.check_lost"),
    "leak": said("slack.check_leak"),
    "in force": said("slack.check_split"),
    "client errors": said("slack.check_refused"),
    f"{IN_ALL}in all": said("slack.check_refused"),
    "ready pods": said("slack.check_pods"),
    "pods wanted": said("slack.check_pods"),
    "pods waiting": said("slack.check_pods_waiting"),
    "images": said("slack.check_images"),
    "restarts": said("slack.check_restarts"),
    "crash loop": said("slack.check_restarts"),
    "out of memory": said("slack.check_memory"),
    "targets": said("slack.check_targets"),
    "metrics": said("slack.check_metrics"),
}
_AT_LEAST = frozenset({"coverage", "ready pods", "sample"})
_ANYWAY = frozenset({Verdict.FAIL, Verdict.ERROR})  # what is wrong has a row also where it has no figure
_WITHOUT_FIGURE = frozenset({EVIDENCE, UNPROVEN, "warm-up"})


def has_figures(rollout: Rollout) -> bool:
    """Whether there is anything to compare: in the first moments of a stage there is not."""
    judgement = rollout.judgement
    if judgement is None or judgement.figures is None or rollout.phase is Phase.REFUSED:
        return False
    side = judgement.figures.primary if rollout.primary_judged else judgement.figures.canary
    return side is not None and side.requests > 0 and bool(shown(judgement))


def shown(judgement: Judgement) -> list[Finding]:
    """The findings that have a row, the worst first; among equals those that compare both sides."""
    found = [
        finding
        for finding in judgement.findings
        if finding.gate not in _WITHOUT_FIGURE and (finding.value is not None or finding.verdict in _ANYWAY)
    ]
    return sorted(found, key=lambda finding: (-finding.verdict.badness, finding.compared is None))


def columns(rollout: Rollout, voice: Voice) -> tuple[str, ...]:
    """The header: the check, its verdict, both sides, what is allowed."""
    canary, primary = called_sides(rollout)
    named = [plain(column, voice) for column in (said("slack.column_check"), said("slack.column_verdict"))]
    return (*named, canary, primary, plain(said("slack.column_allowed"), voice))


def rows(rollout: Rollout, voice: Voice, most: int | None = None) -> tuple[tuple[str, ...], ...]:
    """One row per check, the worst first, with both sides' figures; no header."""
    judgement = rollout.judgement
    if judgement is None:
        return ()
    return tuple(
        _row(finding, rollout, judgement, voice)
        for finding in shown(judgement)[: _room(judgement) if most is None else most]
    )


def caption(rollout: Rollout, stage: Stage) -> Sentence:
    """What the table has: all checks of the stage, or as many of the worst as there is room for."""
    judgement = rollout.judgement
    if judgement is not None and (found := len(shown(judgement))) > (room := _room(judgement)):
        return said("slack.worst_checks_at", n=room, all=found, stage=called(stage))
    return said("slack.checks_at", stage=called(stage))


def _room(judgement: Judgement) -> int:
    return MOST_ROWS if judgement.verdict is Verdict.PASS else MOST_IN_DOUBT


def table(rollout: Rollout, caption: str, voice: Voice) -> Block:
    """The rows as a native table."""
    lines = (columns(rollout, voice), *rows(rollout, voice))
    return data_table(caption, lines)


def plain_table(lines: Sequence[Sequence[str]]) -> Block:
    """Rows with spaces between their cells, for workspaces without native tables."""
    cells = [[shorten(cell, 32) for cell in line] for line in lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    text = "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}],
    }


def name(finding: Finding) -> Text:
    """What a check is called; a team's own as they call it."""
    if finding.gate == HARM:
        return said("slack.check_harm")
    if finding.bound is not None and finding.gate.startswith(SLOWER):
        return said("slack.check_slower", n=finding.bound)
    if finding.gate == "errors" and finding.compared is None:
        return finding.gate  # a team's own query of that name
    return _NAMES.get(finding.gate, finding.gate)


def verdict(finding: Finding, *, served: bool) -> Sentence:
    """Its verdict in a word or two. ``served``: the stage's least time is over, so that more traffic is what lacks."""
    word = _word(finding, served=served)
    return word if finding.acts else said("slack.verdict_watched", verdict=word)


def _word(finding: Finding, *, served: bool) -> Sentence:
    match finding.verdict:
        case Verdict.PASS:
            return said("slack.verdict_ok")
        case Verdict.FAIL:
            return said("slack.verdict_worse")
        case Verdict.ERROR:
            return said("slack.verdict_no_data")
    early = said("slack.verdict_little") if served else said("slack.verdict_early")
    return _doubted(finding) or early


def _doubted(finding: Finding) -> Sentence | None:
    """What speaks against it, where something does and it is not sure yet; a lack of requests is no doubt."""
    is_low = finding.gate in _AT_LEAST
    if finding.seen is Tendency.WORSE or (finding.gate not in {"sample", "traffic"} and _is_beyond(finding, is_low)):
        return said("slack.verdict_low") if is_low else said("slack.verdict_maybe")
    return None


def _is_beyond(finding: Finding, is_low: bool) -> bool:  # noqa: FBT001  # which side of the limit is the bad one
    if finding.value is None or finding.limit is None:
        return False
    return finding.value < finding.limit if is_low else finding.value > finding.limit


def allowed(finding: Finding) -> Text:
    """What is allowed of a check, in the words of who judged it; its bare limit where it stored none."""
    if finding.allowed or finding.limit is None:
        return finding.allowed or NOTHING
    amount = _amount(finding.unit, finding.limit)
    return said("slack.at_least" if finding.gate in _AT_LEAST else "slack.at_most", amount=amount)


def answered(counts: tuple[float, float]) -> Sentence:
    """What a side answered, requests and errors: ``412 requests, none failed``."""
    requests, errors = (round(one) for one in counts)
    return said("slack.counted", n=requests, bad=errors) if errors else said("slack.counted_well", n=requests)


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * 100:.3g} %"


def _row(finding: Finding, rollout: Rollout, judgement: Judgement, voice: Voice) -> tuple[str, ...]:
    canary, primary = (plain(_narrow(cell), voice) for cell in (finding.canary, finding.primary))
    judged = NOTHING if finding.value is None else _amount(finding.unit, finding.value)
    if not (canary or primary):  # of one side alone, or of a version that stored none
        canary, primary = ("", judged) if rollout.primary_judged or finding.gate == HARM else (judged, "")
    word = verdict(finding, served=leaving.time_is_served(rollout, judgement, judgement.at))
    cells = (plain(name(finding), voice), plain(word, voice))
    limit = plain(allowed(finding), voice)
    return (*(shorten(cell, 60) for cell in cells), canary or NOTHING, primary or NOTHING, shorten(limit, 60))


def _narrow(cell: Text) -> Text:
    """A share with what it is a share of: how many that were stands in the sentence above, and in Details."""
    if not isinstance(cell, Sentence) or cell.key != "analysis.share_of":
        return cell
    return Sentence("slack.share_of", {name: cell.args[name] for name in ("share", "n") if name in cell.args})


def _amount(unit: Unit, value: float) -> str:
    """A figure in its own unit."""
    match unit:
        case Unit.SHARE:
            return percent(value)
        case Unit.MILLISECONDS:
            return f"{value:,.0f} ms"
        case Unit.NUMBER:
            return f"{value:,.4g}"
