"""The plan on a card: a few rows, with what is behind and what is ahead gathered. Pure.

A stage that ended because its time was up, or because people said go on, has no tick: nothing was shown of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby

from bot.model.rollout import Phase, Rollout, Stage, StageOutcome, Walked
from bot.rollout.phrases import called, share
from bot.rollout.time_to_go import time_to_go
from bot.slack import blocks as b
from bot.slack import gate_rows, wording
from bot.slack.blocks import Block
from bot.words.rendering import Voice, plain
from bot.words.sentence import Seconds, Sentence, Text, said

COMPLETE, IN_PROGRESS, PENDING, ERROR = "complete", "in_progress", "pending", "error"
MOST_ROWS = 4
LONGEST, SIGN = 150, " · "  # characters of a row; what stands between its two parts
MOST_WEIGHTS = 3  # that are named one by one
UNSURE = frozenset({StageOutcome.TIME_UP, StageOutcome.IN_DOUBT})

_SYMBOLS = {COMPLETE: "✓", IN_PROGRESS: "▸", PENDING: "○", ERROR: "✗"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it is shown: one line, so that a card still fits a screen to its buttons."""

    title: Text
    status: str
    output: Text = ""

    def line(self, voice: Voice) -> str:
        """All that it says; of what is too long the title is cut, and never what came of it."""
        title, output = b.capital(plain(self.title, voice)), plain(self.output, voice)
        if not output:
            return b.shorten(title, LONGEST)
        return f"{b.shorten(title, LONGEST - len(SIGN + output))}{SIGN}{output}"


def plan(rollout: Rollout, now: float, voice: Voice, *, native: bool) -> Block | None:
    """The plan; None where there is none to show."""
    shown = rows(rollout, now)
    if not shown:
        return None
    if not native:
        return _plainly(rollout, shown, now, voice)
    tasks = [
        {
            "task_id": f"{rollout.spec.id[:100]}-{index}",
            "title": row.line(voice),
            "status": row.status,
        }
        for index, row in enumerate(shown)
    ]
    return {"type": "plan", "title": b.shorten(plain(progress(rollout, now), voice), 150), "tasks": tasks}


def _plainly(rollout: Rollout, shown: Sequence[Row], now: float, voice: Voice) -> Block:
    parts = [b.words(plain(progress(rollout, now), voice), bold=True)]
    parts += [b.words(f"\n{_SYMBOLS[row.status]} {row.line(voice)}") for row in shown]
    return b.rich_text(*parts)


def progress(rollout: Rollout, now: float) -> Sentence:
    """How far it is, and how long it takes from here if all goes well."""
    stages = _stages(rollout)
    broken = broken_at(rollout)
    if broken is not None:
        reached, walk = _reached(stages, broken)
        return said("slack.got_as_far", n=reached, all=len(walk))
    step = min(rollout.stage + 1, len(stages))
    expected = time_to_go(rollout, now)
    if expected is None or not expected.rollout:
        return said("slack.step", n=step, all=len(stages))
    return said("slack.step_to_go", n=step, all=len(stages), time=Seconds(expected.rollout))


def rows(rollout: Rollout, now: float) -> list[Row]:
    """What is behind, where it is, and what is ahead; nothing before it began or once it is promoted."""
    if rollout.phase in {Phase.PREFLIGHT, Phase.REFUSED, Phase.PROMOTED} or rollout.accepted:
        return []
    stages = _stages(rollout)
    if rollout.retreat:
        return _way_back(rollout, stages)
    ahead = _ahead(rollout, stages[rollout.stage + 1 :])
    behind = _behind(rollout, stages[: rollout.stage], MOST_ROWS - 1 - len(ahead))
    here = ERROR if rollout.phase in {Phase.HALTED, Phase.ABANDONED} else IN_PROGRESS
    current = Row(title=wording.stage_title(rollout.current, rollout), status=here, output=_here(rollout, now))
    return [*behind, current, *ahead]


def _stages(rollout: Rollout) -> list[Stage]:
    """The stages a person cares about: taking our annotations off the VirtualService is not one."""
    return [stage for stage in rollout.spec.plan if not stage.release]


def _reached(stages: Sequence[Stage], broken: Stage) -> tuple[int, list[Stage]]:
    """How many stages users had got to in which plan, where it was broken off in this one.

    On copies they had been further: up to the weight from which they were taken home.
    """
    walk = [stage for stage in stages if not stage.on_copies]
    if not broken.on_copies:
        return walk.index(broken) + 1, walk
    weights = [n for n, one in enumerate(walk, 1) if one.phase is Phase.SHIFTING]
    return max(n for n in weights if n == weights[0] or walk[n - 1].routes.canary <= broken.home_from), walk


def left(rollout: Rollout) -> dict[str, Walked]:
    """How each stage was left, the last time that it was."""
    return {walked.name: walked for walked in rollout.walked}


def broken_at(rollout: Rollout) -> Stage | None:
    """The stage of the plan in which it was aborted, once it was."""
    if not rollout.retreat or rollout.accepted:
        return None
    broken = next((one.name for one in reversed(rollout.walked) if one.outcome is StageOutcome.ABORTED), "")
    return next((stage for stage in rollout.spec.plan if stage.name == broken and not stage.release), None)


# Behind


def _behind(rollout: Rollout, stages: Sequence[Stage], room: int) -> list[Row]:
    """In the order in which it went, as far as there is ``room`` for it; else what was shown, and then the rest."""
    walked = left(rollout)

    def ended(stage: Stage) -> _Ended:
        return _Ended.SHOWN if stage.name not in walked else _ended(rollout, walked[stage.name])

    parts = [(how, list(group)) for how, group in groupby(stages, key=ended)]
    said_of = [how for how, _ in parts if how is not _Ended.SHOWN]
    if len(parts) > room or len(said_of) > len(set(said_of)):  # one thing is said once
        parts = [(how, list(group)) for how, group in groupby(sorted(stages, key=ended), key=ended)]
    return [_left(rollout, group, how) for how, group in parts]


class _Ended(IntEnum):
    """What a row says of how its stages ended, in the order in which rows stand where there is little room."""

    SHOWN = 0
    UNSURE = 1
    HOME = 2


def _ended(rollout: Rollout, walked: Walked) -> _Ended:
    if rollout.was_taken_home(walked):
        return _Ended.HOME
    return _Ended.UNSURE if walked.outcome in UNSURE else _Ended.SHOWN


def _left(rollout: Rollout, stages: Sequence[Stage], how: _Ended) -> Row:
    if how is _Ended.SHOWN:
        return _shown(rollout, stages)
    output = said("slack.taken_home") if how is _Ended.HOME else said("slack.not_sure")
    return Row(title=_together(rollout, stages), status=PENDING, output=output)


def _shown(rollout: Rollout, stages: Sequence[Stage]) -> Row:
    walked = left(rollout)
    seen = [one.canary for stage in stages if (one := walked.get(stage.name)) is not None and one.canary is not None]
    total = (sum(requests for requests, _ in seen), sum(errors for _, errors in seen))
    output = gate_rows.answered(total) if seen and total[0] else ""
    return Row(title=_together(rollout, stages), status=COMPLETE, output=output)


def _together(rollout: Rollout, stages: Sequence[Stage]) -> Text:
    if len(stages) == 1:
        return wording.stage_title(stages[0], rollout)
    return said("slack.several", stages=tuple(_short(stage) for stage in stages))


def _short(stage: Stage) -> Text | Sentence:
    return said("slack.weight", share=share(stage.routes.canary)) if stage.phase is Phase.SHIFTING else called(stage)


# Here and ahead


def _here(rollout: Rollout, now: float) -> Text:
    """How long it has been there. Its figures stand in the table of checks, which counts from another moment."""
    if rollout.phase is Phase.HALTED:
        return ""  # it was entered again when it halted
    since = rollout.settled_at if rollout.settled_at is not None else rollout.since
    return said("slack.for_so_long", time=Seconds(max(0.0, now - since)))


def _ahead(rollout: Rollout, stages: Sequence[Stage]) -> list[Row]:
    """All that is still to come in one row; how long that takes is in the plan's title."""
    weights = [stage for stage in stages if stage.phase is Phase.SHIFTING]
    last = [stage for stage in stages if stage.phase is not Phase.SHIFTING]
    if not stages:
        return []
    if weights and last:
        title: Text = said("slack.ahead", weights=_weights(weights), last=in_turn_briefly(last))
    elif weights:
        title = said("slack.weights", steps=_weights(weights), version=rollout.spec.version)
    else:
        title = wording.stage_title(last[0], rollout) if len(last) == 1 else _in_turn(rollout, last)
    approvals = sum(stage.approval for stage in stages)
    more = said("slack.more_approvals", n=approvals) if approvals else ""
    return [Row(title=title, status=PENDING, output=more)]


def _weights(stages: Sequence[Stage]) -> Sentence:
    """The shares that users take, one by one as long as they are few."""
    shares = tuple(said("slack.weight", share=share(stage.routes.canary)) for stage in stages)
    if len(shares) <= MOST_WEIGHTS:
        return said("slack.weights_in_turn", steps=shares)
    return said("slack.weights_in_steps", first=shares[0], last=shares[-1], n=len(shares))


def _in_turn(rollout: Rollout, stages: Sequence[Stage]) -> Sentence:
    """The end of the plan, after the weights: ``upgrade reviews-v1, return users and watch for 10 minutes``."""
    parts: list[Sentence] = []
    for stage in stages:
        if stage.phase is Phase.UPGRADING:
            parts.append(said("slack.then_upgrade", primary=rollout.spec.target.primary_deployment))
        elif stage.phase is Phase.SWITCHING_BACK and said("slack.then_return") not in parts:
            parts.append(said("slack.then_return"))
        elif stage.phase is Phase.BAKING:
            parts.append(said("slack.then_watch", time=Seconds(stage.seconds)))
    return said("slack.in_turn", parts=tuple(parts))


def in_turn_briefly(stages: Sequence[Stage]) -> Sentence:
    """The end of the plan by what was done in it, in few words."""
    kinds = {stage.phase for stage in stages}
    briefly = {
        Phase.UPGRADING: said("slack.brief_upgrade"),
        Phase.SWITCHING_BACK: said("slack.brief_return"),
        Phase.BAKING: said("slack.brief_watch"),
    }
    return said("slack.in_turn", parts=tuple(word for phase, word in briefly.items() if phase in kinds))


# The way back


def _way_back(rollout: Rollout, stages: Sequence[Stage]) -> list[Row]:
    broken = broken_at(rollout)
    way = [stage for stage in rollout.retreat if not stage.release]
    here = min(rollout.stage, len(way) - 1)
    if rollout.phase is Phase.ABORTED:
        back = Row(title=wording.stage_title(way[-1], rollout), status=COMPLETE, output=_took(rollout))
    else:
        stuck = rollout.phase in {Phase.HALTED, Phase.ABANDONED}
        back = Row(title=wording.stage_title(way[here], rollout), status=ERROR if stuck else IN_PROGRESS)
    if broken is None:
        return [back]
    failed = Row(title=wording.stage_title(broken, rollout), status=ERROR, output=_failed(rollout, broken))
    reached, walk = _reached(stages, broken)
    if not broken.on_copies:
        return [*_behind(rollout, walk[: reached - 1], MOST_ROWS - 2), failed, back]
    # Users were home before it was aborted: once that is over, the way back is no news.
    way_back = () if rollout.phase is Phase.ABORTED else (back,)
    return [*_behind(rollout, walk[:reached], MOST_ROWS - 2), failed, *way_back]


def _failed(rollout: Rollout, stage: Stage) -> Text:
    """How long it had been there, from the same moment as in ``_here``."""
    walked = left(rollout).get(stage.name)
    if walked is None:
        return ""
    since = walked.settled_at if walked.settled_at is not None else walked.began
    return said("slack.after", time=Seconds(max(0.0, walked.ended - since)))


def _took(rollout: Rollout) -> Text:
    took = seconds_home(rollout)
    if took is None:
        return ""
    return said("slack.after", time=Seconds(took)) if took >= 1 else said("slack.at_once")


def seconds_home(rollout: Rollout) -> float | None:
    """How long after the abort all users were back; None where nobody knows."""
    stopped = rollout.stopped
    if stopped is None or stopped.home_at is None:
        return None
    return max(0.0, stopped.home_at - stopped.at)
