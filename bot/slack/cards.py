"""The living card of a rollout: one message that is edited from the start to the end. Pure.

Its header is the question or the outcome; below stands on what that rests. Everything a person needs to decide is on
it, and only the buttons that work now. It fits a screen, and never outgrows what Slack takes: where names are long the
chart goes first, then the table, then long texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.controller.decisions import ButtonToken
from bot.model.incidents import Drift
from bot.model.rollout import HoldCause, Phase, Rollout
from bot.model.service import OnTimeout
from bot.model.story import Entry
from bot.model.versions import old_version
from bot.rollout import exposure
from bot.rollout.phrases import drilled, next_would_be, question, taken_up
from bot.slack import blocks as b
from bot.slack import endings, gate_rows, wording
from bot.slack.because import because
from bot.slack.blocks import Block, Element, Message
from bot.slack.charts import chart
from bot.slack.plan import broken_at, plan
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import Moment, Person, Seconds, Sentence, Text, said, together

APPROVE, PAUSE, ABORT = "canary_approve", "canary_hold", "canary_abort"
RETRY, ACCEPT, RESTORE, DETAILS = "canary_retry", "canary_accept", "canary_restore", "canary_details"
START_AGAIN, ROLLBACK = "canary_start_again", "canary_rollback"
# One action id for whatever keeps a rollout where it is: the value says which button the person saw, so that two clicks
# do not cancel out. ``leave:`` leaves somebody else's change as it is.
PAUSE_PREFIX, RESUME_PREFIX, KEEP_THEIRS_PREFIX = "pause:", "resume:", "leave:"
MOST_DIFFERENCES = 5
MOST_APPROVERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much is shown: what goes first where it is too long."""

    chart: bool = True
    table: bool = True
    sentence: int = 600


DETAILS_LEVELS = (Detail(), Detail(chart=False), Detail(chart=False, sentence=300), Detail(chart=False, table=False))


def card(rollout: Rollout, story: Sequence[Entry], now: float, voice: Voice = ENGLISH) -> Message:
    """The card as it must read now."""
    native, plainer = (_fit(rollout, story, now, voice, native=native) for native in (True, False))
    return Message(text=b.mrkdwn(wording.sentence(rollout), voice, 1000), blocks=native, plain=plainer)


def _fit(rollout: Rollout, story: Sequence[Entry], now: float, voice: Voice, *, native: bool) -> tuple[Block, ...]:
    for detail in DETAILS_LEVELS:
        blocks = tuple(_blocks(rollout, story, now, detail, voice, native=native))
        if b.fits(blocks):
            return blocks
    return tuple(block for block in blocks if block["type"] not in {"data_table", "plan"})


def _blocks(
    rollout: Rollout, story: Sequence[Entry], now: float, detail: Detail, voice: Voice, *, native: bool
) -> Iterator[Block]:
    yield b.header(plain(wording.heading(rollout, broken_at(rollout)), voice))
    grounds = list(_grounds(rollout, story, detail, voice))
    if grounds:
        yield b.rich_text(*grounds)
    explained = rollout.hold is not None and rollout.hold.cause is HoldCause.DRIFT
    if rollout.drift is not None and not explained:  # else the sentence has every difference
        yield _diff(rollout.drift, voice)
    yield from _shown(rollout, detail, voice, native=native)
    rows = plan(rollout, now, voice, native=native)
    if rows is not None:
        yield rows
    yield b.actions(buttons(rollout, voice))
    yield b.context(b.mrkdwn(_small_print(rollout, now), voice))


def _grounds(rollout: Rollout, story: Sequence[Entry], detail: Detail, voice: Voice) -> Iterator[Element]:
    """On what it rests, and what users have met."""
    evidence = wording.situation(rollout)
    if detail.table and gate_rows.has_figures(rollout):
        evidence = wording.briefly(evidence)
    if rollout.phase is Phase.ABORTED:
        last = story[-1] if story else None
        evidence = together((evidence, endings.came_home(rollout, last)))
    users = "" if rollout.phase in {Phase.REFUSED, Phase.PREFLIGHT} else exposure.summary(rollout)
    if evidence:
        yield from b.spoken(evidence, voice, bold=True, limit=detail.sentence)
    if evidence and users:
        yield b.words(" ")
    if users:
        yield from b.spoken(users, voice, limit=detail.sentence)
    yield from b.separated("\n" if evidence or users else "", because(rollout, voice))
    for more in (taken_up(rollout), drilled(rollout)):
        if more is not None:
            yield b.words("\n")
            yield from b.spoken(more, voice, limit=detail.sentence)
    if rollout.phase is Phase.PROMOTED and (pictures := endings.images(rollout)):
        yield b.words("\n")
        yield from b.spoken(pictures, voice, limit=detail.sentence)


def _shown(rollout: Rollout, detail: Detail, voice: Voice, *, native: bool) -> Iterator[Block]:
    """The figures: how it went at the end, else the course of the worst check and a row for each."""
    if rollout.phase is Phase.PROMOTED:
        went = (endings.how_it_went if native else endings.how_it_went_plainly)(rollout, voice)
        if went is not None and detail.table:
            yield went
        return
    if not gate_rows.has_figures(rollout):
        return
    # Where the routes are in question their differences are the evidence, and the course of the figures is none.
    drawn = chart(rollout, voice) if native and detail.chart and rollout.drift is None else None
    if drawn is not None:
        yield drawn
    if detail.table:
        stage = broken_at(rollout) or rollout.current
        caption = plain(gate_rows.caption(rollout, stage), voice)
        if native:
            yield gate_rows.table(rollout, caption, voice)
        else:
            yield gate_rows.plain_table((gate_rows.columns(rollout, voice), *gate_rows.rows(rollout, voice)))


def _diff(drift: Drift, voice: Voice) -> Block:
    """What somebody else changed: ours → theirs."""
    changes = [one for edit in drift.edits for one in edit.differences][:MOST_DIFFERENCES]
    return b.rich_list(
        [
            *b.spoken(one.what, voice, limit=200),
            b.words(": "),
            *b.spoken(one.ours, voice, bold=True, limit=100),
            b.words(" → ", bold=True),
            *b.spoken(one.theirs, voice, bold=True, limit=100),
        ]
        for one in changes
    )


# Buttons


def buttons(rollout: Rollout, voice: Voice = ENGLISH) -> list[Element]:
    """Only what is possible now."""
    token = str(ButtonToken.of(rollout))
    details = b.button(plain(said("slack.press_details"), voice), DETAILS, token)
    if rollout.phase is Phase.ABORTED and not rollout.spec.drill:
        return [_again(rollout, token, voice), details]
    if rollout.phase is Phase.PROMOTED and rollout.primary_touched and not rollout.spec.back_to:
        return [_roll_back(rollout, token, voice), details]
    if rollout.ended or rollout.phase is Phase.ABORTING:
        return [details]
    if rollout.drift is not None:
        return [*_about_theirs(rollout.drift, token, voice), _abort(token, voice), details]
    if rollout.phase is Phase.HALTED:
        return [*_ways_out(rollout, token, voice), _abort(token, voice), details]
    asks = wording.needs_approval(rollout)
    chosen = [_approve(rollout, token, voice)] if asks else []
    if rollout.phase is not Phase.PREFLIGHT:
        chosen.append(_pause(rollout, token, voice))
    return [*chosen, _abort(token, voice, main=not asks), details]


def _again(rollout: Rollout, token: str, voice: Voice) -> Element:
    label = said("slack.press_again", version=b.shorten(rollout.spec.version, 40))
    return b.button(plain(label, voice), START_AGAIN, token)


def _roll_back(rollout: Rollout, token: str, voice: Voice) -> Element:
    """A rollout of its own, from the promoted version to the image that is recorded."""
    old = b.shorten(old_version(rollout), 40)
    label = said("slack.press_roll_back", old=old)
    text = said("slack.rolling_back", primary=rollout.spec.target.primary_deployment, old=old)
    return b.button(plain(label, voice), ROLLBACK, token, confirm=_dialog(label, text, label, voice))


def _pause(rollout: Rollout, token: str, voice: Voice) -> Element:
    if rollout.paused_by:
        return b.button(plain(said("slack.press_resume"), voice), PAUSE, RESUME_PREFIX + token)
    return b.button(plain(said("slack.press_pause"), voice), PAUSE, PAUSE_PREFIX + token)


def _about_theirs(drift: Drift, token: str, voice: Voice) -> list[Element]:
    """Write ours again, where that may be done, or leave theirs, which is chosen once."""
    restore = b.button(plain(said("slack.press_restore"), voice), RESTORE, token, style="primary")
    hold = b.button(plain(said("slack.press_hold"), voice), PAUSE, KEEP_THEIRS_PREFIX + token)
    return [*([restore] if drift.restorable else []), *([hold] if drift.left_by is None else [])]


def _approve(rollout: Rollout, token: str, voice: Voice) -> Element:
    """The dialog repeats on what it rests; a doubt has no green button."""
    why = together((wording.situation(rollout), exposure.cost(rollout), next_would_be(rollout))) or said(
        "slack.figures_on_card"
    )
    if rollout.is_asked_in_doubt:
        anyway = said("slack.press_anyway")
        return b.button(plain(anyway, voice), APPROVE, token, confirm=_dialog(question(rollout), why, anyway, voice))
    effect = wording.effect(rollout)
    dialog = _dialog(question(rollout), why, said("slack.press_approve"), voice)
    return b.button(plain(effect, voice), APPROVE, token, style="primary", confirm=dialog)


def _dialog(title: Text, text: Text, verb: Sentence, voice: Voice) -> Element:
    cancel = plain(said("slack.press_cancel"), voice)
    return b.confirm(plain(title, voice), plain(text, voice), plain(verb, voice), cancel)


def _ways_out(rollout: Rollout, token: str, voice: Voice) -> list[Element]:
    again = b.button(plain(said("slack.press_retry"), voice), RETRY, token)
    if not wording.can_accept(rollout):
        return [again]
    text = said("slack.accepting", version=rollout.spec.version)
    accept = said("slack.press_accept")
    dialog = _dialog(said("slack.accept_it"), text, said("slack.press_accept_now"), voice)
    return [again, b.button(plain(accept, voice), ACCEPT, token, confirm=dialog)]


def _abort(token: str, voice: Voice, *, main: bool = True) -> Element:
    """No dialog in front: the form that asks for the reason is one, and a second would cost seconds.

    ``main``: nothing else is asked, so that it stands out.
    """
    return b.button(plain(said("slack.press_abort"), voice), ABORT, token, style="danger" if main else None)


# Small print


def _small_print(rollout: Rollout, now: float) -> Text:
    """Who may decide, by when, and what else happens; who started it, and which one it is."""
    spec = rollout.spec
    asks = wording.needs_approval(rollout)
    parts: list[Text] = [*_deciding(rollout)] if asks else []
    if rollout.approvals:  # also while it is about to be left: who pressed sees it at once
        parts.append(
            said("slack.approved_so_far", who=tuple(Person(one.by) for one in rollout.approvals[:MOST_APPROVERS]))
        )
    if rollout.phase is not Phase.PROMOTED and rollout.ended and (given := endings.approvals(rollout)):
        parts.append(given)
    if not asks or rollout.approvals_rule.own:  # else they are named as who may not decide
        parts.append(said("slack.started_by", who=Person(spec.started_by), at=Moment(spec.started_at)))
    if rollout.paused_by:
        parts.append(said("slack.paused_by", who=Person(rollout.paused_by)))
    if rollout.phase is Phase.ABORTED and (pictures := endings.images(rollout)):
        parts.append(pictures)
    if rollout.ended_at is not None:
        parts.append(said("slack.took", time=Seconds(rollout.ended_at - spec.started_at)))
    which = _which(rollout)
    parts += [which] if rollout.ended else [which, said("slack.updated", at=Moment(now))]
    return said("slack.dots", parts=tuple(parts))


def _which(rollout: Rollout) -> Sentence:
    """Namespace and service, its cluster where services.yaml names it, and the rollout's id."""
    spec, cluster = rollout.spec, rollout.spec.metrics.cluster
    if cluster:
        return said("slack.which_in_cluster", key=spec.key, cluster=cluster, id=spec.id)
    return said("slack.which", key=spec.key, id=spec.id)


def _deciding(rollout: Rollout) -> Iterator[Text]:
    rule, given = rollout.approvals_rule, len(rollout.approvals)
    who = tuple(Person(name) for name in rule.approvers[:MOST_APPROVERS])
    if who:
        yield said("slack.approvals_from", given=given, needed=rule.count, who=who)
    else:
        yield said("slack.approvals_from_any", given=given, needed=rule.count)
    if not rule.own:
        yield said("slack.not_from", who=Person(rollout.spec.started_by))
    if rollout.asked_at is not None:
        until = Moment(rollout.asked_at - rollout.asked_for + rule.timeout)
        yield said("slack.else_aborts" if rule.on_timeout is OnTimeout.ABORT else "slack.else_stays", until=until)
