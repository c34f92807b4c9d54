"""The living card of a rollout: one message that is edited from the start to the end. Pure.

Everything a person needs to decide is on it, and only the buttons that work now. It never outgrows what Slack takes:
where names or plans are long, outputs go first, then distant stages, then rows of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.controller.decisions import ButtonToken
from bot.model.incidents import Drift
from bot.model.rollout import Entry, EntryKind, Phase, Rollout, Stage
from bot.rollout.phrases import called
from bot.slack import blocks as b
from bot.slack import figures, wording
from bot.slack.blocks import Block, Element, Message

APPROVE, HOLD, ABORT = "canary_approve", "canary_hold", "canary_abort"
RETRY, ACCEPT, RESTORE, DETAILS = "canary_retry", "canary_accept", "canary_restore", "canary_details"
# One action id for whatever keeps a rollout where it is: the value says which button the person saw, so that two clicks
# do not cancel out. ``leave:`` leaves somebody else's change as it is.
PAUSE_PREFIX, RESUME_PREFIX, KEEP_THEIRS_PREFIX = "pause:", "resume:", "leave:"
MOST_DIFFERENCES = 5

_SYMBOLS = {"complete": "✓", "in_progress": "▸", "pending": "·", "error": "✗"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of the plan and of long texts is shown."""

    stages: int
    output: int
    sentence: int


DETAILS_LEVELS = (
    Detail(stages=20, output=120, sentence=1000),
    Detail(stages=12, output=60, sentence=400),
    Detail(stages=6, output=0, sentence=150),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One line of the plan as it is shown."""

    id: str
    title: str
    status: str
    output: str = ""


def card(rollout: Rollout, story: Sequence[Entry], now: float) -> Message:
    """The card as it must read now."""
    text = b.escape(b.shorten(f"{wording.title(rollout)}: {wording.state(rollout)}.", 350))
    situation = wording.situation(rollout)
    if situation:
        shown = b.readable if rollout.phase is Phase.REFUSED else b.escape
        text += f" {shown(b.shorten(situation, 500))}"
    return Message(
        text=text, blocks=_fit(rollout, story, now, native=True), plain=_fit(rollout, story, now, native=False)
    )


def _fit(rollout: Rollout, story: Sequence[Entry], now: float, *, native: bool) -> tuple[Block, ...]:
    for detail in DETAILS_LEVELS:
        blocks = _blocks(rollout, story, now, detail, native=native)
        if b.fits(blocks):
            return blocks
    return tuple(block for block in blocks if block["type"] not in {"data_table", "plan"})


def _blocks(rollout: Rollout, story: Sequence[Entry], now: float, detail: Detail, *, native: bool) -> tuple[Block, ...]:
    blocks = [b.header(f"{wording.title(rollout)} · {wording.state(rollout)}"), _who(rollout)]
    situation = wording.situation(rollout)
    if situation:
        refused = rollout.phase is Phase.REFUSED  # in our own words; who froze is among them by their id
        plain = b.words(situation, bold=wording.needs_somebody(rollout), limit=detail.sentence)
        blocks.append(b.rich_text(*(b.named(situation, detail.sentence) if refused else [plain])))
    if rollout.drift is not None:
        blocks.append(_diff(rollout.drift))
    tasks = _tasks(rollout, story, detail)
    if tasks:
        blocks.append(_plan(rollout, tasks) if native else _plain_plan(tasks))
    if rollout.judgement and rollout.judgement.findings and rollout.phase is not Phase.REFUSED:
        judged = figures.judged_primary(rollout)
        caption = f"Checks at {called(rollout.current)}, worst first"
        blocks.append(
            figures.table(rollout.judgement, caption, primary_is_judged=judged)
            if native
            else figures.plain_table(rollout.judgement, primary_is_judged=judged)
        )
    blocks.append(b.actions(buttons(rollout)))
    blocks.append(_small_print(rollout, now))
    return tuple(blocks)


def _diff(drift: Drift) -> Block:
    """What somebody else changed: ours → theirs."""
    changes = [one for edit in drift.edits for one in edit.differences][:MOST_DIFFERENCES]
    return b.rich_list(
        [b.words(f"{one.what}: ", limit=200), b.words(f"{one.ours} → {one.theirs}", bold=True, limit=200)]
        for one in changes
    )


def _who(rollout: Rollout) -> Block:
    parts = [
        b.words("Started by "),
        b.person(rollout.spec.started_by),
        b.words(" in "),
        b.place(rollout.spec.channel or "Slack"),
    ]
    parts += [b.words(" · "), b.date(rollout.spec.started_at)]
    if rollout.paused_by:
        parts += [b.words(" · paused by "), b.person(rollout.paused_by)]
    for approval in rollout.approvals[:5]:
        parts += [b.words(" · approved by "), b.person(approval.by)]
    return b.rich_text(*parts)


# The plan


def _plan(rollout: Rollout, tasks: Sequence[Task]) -> Block:
    cards = [
        {
            "task_id": task.id,
            "title": task.title,
            "status": task.status,
            **({"output": b.rich_text(b.words(task.output))} if task.output else {}),
        }
        for task in tasks
    ]
    return {"type": "plan", "title": b.shorten(_progress(rollout), 150), "tasks": cards}


def _plain_plan(tasks: Sequence[Task]) -> Block:
    lines = (f"{_SYMBOLS[task.status]} {task.title}" + (f" · {task.output}" if task.output else "") for task in tasks)
    return b.rich_text(b.words("\n".join(lines)))


def _progress(rollout: Rollout) -> str:
    walk = _shown(rollout)
    done = min(rollout.stage + (1 if rollout.phase is Phase.PROMOTED else 0), len(walk))
    return f"{'Way back' if rollout.retreat and not rollout.accepted else 'Plan'}: {done} of {len(walk)} steps done"


def _shown(rollout: Rollout) -> list[Stage]:
    """The stages a person cares about: taking our notes off the VirtualService is not one."""
    return [stage for stage in (rollout.retreat or rollout.spec.plan) if not stage.release]


def _tasks(rollout: Rollout, story: Sequence[Entry], detail: Detail) -> list[Task]:
    """The stages around the current one; what is far off is counted in the title only."""
    if rollout.phase in {Phase.PREFLIGHT, Phase.REFUSED}:
        return []
    stages = _shown(rollout)
    first = max(0, min(rollout.stage - detail.stages // 3, len(stages) - detail.stages))
    summaries = _summaries(story)
    return [
        Task(
            id=f"{rollout.spec.id[:100]}-{'r' if rollout.retreat else 'p'}{number}",
            title=b.shorten(wording.stage_title(stage, rollout), 100),
            status=_status(rollout, number),
            output=_output(rollout, stage, number, summaries, detail),
        )
        for number, stage in enumerate(stages[first : first + detail.stages], start=first)
    ]


def _status(rollout: Rollout, number: int) -> str:
    finished = rollout.phase in {Phase.PROMOTED, Phase.ABORTED}
    if number < rollout.stage or finished:
        return "complete"
    if number > rollout.stage:
        return "pending"
    return "error" if rollout.phase in {Phase.HALTED, Phase.ABANDONED} else "in_progress"


def _output(rollout: Rollout, stage: Stage, number: int, summaries: dict[str, str], detail: Detail) -> str:
    if not detail.output:
        return ""
    if number == rollout.stage and not rollout.ended and rollout.judgement and rollout.judgement.figures:
        line = figures.one_line(rollout.judgement.figures, primary_is_judged=figures.judged_primary(rollout))
        return b.shorten(f"{stage.routes.canary} % · {line}", detail.output) if stage.routes.canary else line
    done = number < rollout.stage or rollout.ended
    return b.shorten(summaries[stage.name], detail.output) if done and stage.name in summaries else ""


def _summaries(story: Sequence[Entry]) -> dict[str, str]:
    """What was said when each stage was left, by its name, in one whole sentence."""
    return {entry.stage: str(entry.gist) for entry in story if entry.kind is EntryKind.SUMMARY and entry.gist}


# Buttons


def buttons(rollout: Rollout) -> list[Element]:
    """Only what is possible now."""
    token = str(ButtonToken.of(rollout))
    details = b.button("Details", DETAILS, token)
    if rollout.ended or rollout.phase is Phase.ABORTING:
        return [details]
    if rollout.drift is not None:
        return [*_about_theirs(rollout.drift, token), _abort(token), details]
    if rollout.phase is Phase.HALTED:
        return [*_ways_out(rollout, token), _abort(token), details]
    chosen = [_approve(rollout, token)] if wording.needs_approval(rollout) else []
    if rollout.phase is not Phase.PREFLIGHT:
        chosen.append(
            b.button("Resume", HOLD, RESUME_PREFIX + token)
            if rollout.paused_by
            else b.button("Pause", HOLD, PAUSE_PREFIX + token)
        )
    return [*chosen, _abort(token), details]


def _about_theirs(drift: Drift, token: str) -> list[Element]:
    """Write ours again, where that may be done, or leave theirs, which is chosen once."""
    restore = b.button("Restore", RESTORE, token, style="primary")
    hold = b.button("Hold", HOLD, KEEP_THEIRS_PREFIX + token)
    return [*([restore] if drift.restorable else []), *([hold] if drift.left_by is None else [])]


def _approve(rollout: Rollout, token: str) -> Element:
    effect = wording.effect(rollout)
    dialog = b.confirm(f"{effect}?", f"{wording.title(rollout)}: the figures are on the card.", "Approve")
    return b.button(effect, APPROVE, token, style="primary", confirm=dialog)


def _ways_out(rollout: Rollout, token: str) -> list[Element]:
    again = b.button("Try Again", RETRY, token)
    if not wording.can_accept(rollout):
        return [again]
    dialog = b.confirm(
        "Leave it as it is?", f"All users stay on {rollout.spec.version}; the rollout ends here.", "Accept"
    )
    return [again, b.button("Accept as It Is", ACCEPT, token, confirm=dialog)]


def _abort(token: str) -> Element:
    """No dialog in front: the form that asks for the reason is one, and a second would cost seconds."""
    return b.button("Abort", ABORT, token, style="danger")


def _small_print(rollout: Rollout, now: float) -> Block:
    rule = rollout.spec.approvals_rule
    parts = [b.escape(b.shorten(rollout.spec.id, 100))]
    if wording.needs_approval(rollout) and rollout.asked_at is not None:
        parts.append(f"approvals {len(rollout.approvals)} of {rule.count}")
        parts.append(f"waits until {b.date_mrkdwn(rollout.asked_at + rule.timeout)}, then: {rule.on_timeout}")
    if rollout.ended_at is not None:
        parts.append(f"took {(rollout.ended_at - rollout.spec.started_at) / 60:.1f} min")
    parts.append(f"updated {b.date_mrkdwn(now, '{time_secs}')}")
    return b.context(" · ".join(parts))
