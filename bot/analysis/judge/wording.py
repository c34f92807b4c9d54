"""An assessment as sentences for people, and what is allowed of a metric, in the same words everywhere.

Counts stand next to every percentage, and all figures of one answer are of one window: this stage, or the last minute
where the time before hides how bad that was. "Sure" is one minus the anytime p-value (under 1 in 1,000 for a canary
within the limit, however often we look) and is not said below 90 %. A timeout is never called a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bot.analysis.amounts import of
from bot.analysis.judge.evidence import B_C, N_C
from bot.analysis.judge.forecast import TIMES, Forecast
from bot.analysis.judge.ratio import GRID, MOST_SURE, Ratio
from bot.analysis.judge.second.constants import STRETCH
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.state import CEILING, Judged, Metric
from bot.analysis.judge.verdict import SLOWER, Assessment, Decision, Failing, Overdue
from bot.words.sentence import Seconds, Sentence, Share, Text, said, together

WORTH_SAYING = 0.9  # a "sure" below it would say nothing
DILUTED = 2.0  # the last minute is told when it is so many times worse than the stage
WIDEST = 30.0  # from how many times as many to how many: a wider interval says nothing
SLOW = 180.0  # seconds to notice from which on more traffic is advised


@dataclass(frozen=True, slots=True)
class Names:
    """What the two sides are called: the one on trial, and the one it is compared with.

    ``errors``: whether they are judged; where they are not, nothing is said of them.
    """

    subject: Text = "canary"
    reference: Text = "primary"
    errors: bool = True


ROLES = Names()


class Window(Enum):
    """Of which time figures are."""

    STAGE = auto()
    MINUTE = auto()


@dataclass(frozen=True, slots=True)
class Account:
    """The metric that an answer is about, with the counts (n_c, b_c, n_p, b_p) that are told of it everywhere."""

    metric: Metric
    counts: Sequence[float]
    window: Window = Window.STAGE


def text(state: Judged, assessment: Assessment, settings: JudgeSettings, names: Names = ROLES) -> Text:
    """All that is said of it."""
    return together(sentences(state, assessment, settings, names))


def sentences(
    state: Judged,
    assessment: Assessment,
    settings: JudgeSettings,
    names: Names = ROLES,
    account: Account | None = None,
) -> tuple[Text, ...]:
    """The same in its parts: the first is one sentence that stands alone, the others are one or more.

    ``account``: what it is about, where the state cannot tell (typical latency is of all buckets).
    """
    account = account or decisive(state, assessment, names)
    match assessment.verdict:
        case Decision.ABORT:
            words = _worse(state, assessment, settings, names, account)
        case Decision.PASS:
            words = _good(account, settings, names)
        case Decision.NO_DATA:
            quiet = (state.watermark or 0.0) - min(state.canary_at, state.primary_at)
            words = said("analysis.no_fresh", time=Seconds(quiet)), said("analysis.waits")
        case _ if state.watermark is None:
            words = (said("analysis.no_figures"),)
        case _ if assessment.overdue is Overdue.SUSPECT:
            words = _doubt(assessment, account, settings, names)
        case _ if assessment.overdue is Overdue.NOT_PROVEN:
            words = (said("analysis.too_little", figures=figures(account, names)),)
        case Decision.HOLD:
            words = _both_fail(account, names)
        case _:
            words = _watching(assessment, settings, account, names)
    return *words, *_caveats(state, assessment, names)


def other_fails(state: Judged, assessment: Assessment, names: Names = ROLES) -> tuple[Text, ...]:
    """The same where the reference alone fails, with the figures by which that is found: those of the last minute."""
    shown = figures(Account(state.metrics[0], _minute(state), Window.MINUTE), names)
    return said("analysis.other_is_failing", other=names.reference, figures=shown), *_caveats(state, assessment, names)


def decisive(state: Judged, assessment: Assessment, names: Names = ROLES) -> Account:
    """What the answer is about: what tripped, what is doubted, or else what speaks most against the subject."""
    if assessment.verdict is Decision.ABORT:
        return _tripped(state)
    if assessment.verdict is Decision.HOLD and assessment.failing is Failing.SHARED:
        return Account(state.metrics[0], _minute(state), Window.MINUTE)
    if assessment.overdue is Overdue.SUSPECT and assessment.suspect != SLOWER:
        place = [metric.name for metric in state.metrics].index(assessment.suspect)
    elif assessment.verdict is Decision.PASS or assessment.overdue is not None:
        place = _first_judged(state, names)
    else:
        place = _against(state, names)
    return Account(state.metrics[place], state.stage_totals[place].tolist())


def figures(account: Account, names: Names) -> Sentence:
    """Both sides' figures of what an answer is about: ``errors 28 % (34 of 122), reviews-v1 none of 126``."""
    shown = _compared(account.metric, account.counts, names)
    return said("analysis.lately", figures=shown) if account.window is Window.MINUTE else shown


def _compared(metric: Metric, counts: Sequence[float], names: Names) -> Sentence:
    n_c, b_c, n_p, b_p = counts
    here, there = of(b_c, n_c), of(b_p, n_p)
    if n_p <= 0 and metric.bound is None:  # everyone is on the subject
        return said("analysis.errors_alone", here=here)
    if metric.bound is None:
        return said("analysis.errors", here=here, other=names.reference, there=there)
    return said("analysis.slow", bound=metric.bound, here=here, other=names.reference, there=there)


def allowed(metric: Metric, settings: JudgeSettings, names: Names) -> Sentence:
    """What is allowed of a metric, as it is said everywhere: ``1.25x reviews-v1, at most 5 %``."""
    times = metric.limits(settings).tolerance
    if metric.bound is not None:
        return said("analysis.allowed_times", times=times, other=names.reference)
    most = Share(settings.ceiling)
    return said("analysis.allowed_times_below", times=times, other=names.reference, most=most)


def likely(ratio: Ratio) -> Sentence:
    """How many times as many are likely, as far as that says anything."""
    if ratio.high < GRID[-1] and ratio.high <= WIDEST * ratio.low:
        return said("analysis.likely", low=_two_figures(ratio.low), high=_two_figures(ratio.high))
    if ratio.low > 1:
        return said("analysis.likely_over", low=_two_figures(ratio.low))
    return said("analysis.too_few_to_compare")


def forecast_text(forecast: Forecast) -> Text:
    """What to expect at this traffic."""
    if forecast.notice is None:
        return together([said("analysis.never_noticed", times=TIMES), said("analysis.mirror_would_help")])
    notice = said("analysis.noticed", times=TIMES, time=Seconds(forecast.notice))
    if forecast.home is not None:
        notice = said("analysis.noticed_home", times=TIMES, home=Seconds(forecast.home), time=Seconds(forecast.notice))
    if forecast.passing is None:
        return together([notice, said("analysis.never_sure"), said("analysis.more_weight_would_help")])
    slow = [said("analysis.more_weight_would_help")] if forecast.notice > SLOW else []
    return together([notice, said("analysis.sure_after", time=Seconds(forecast.passing)), *slow])


def _worse(
    state: Judged, assessment: Assessment, settings: JudgeSettings, names: Names, account: Account
) -> tuple[Text, ...]:
    shown = figures(account, names)
    if state.aborted_by == CEILING:
        most = said("analysis.never_above", most=Share(settings.ceiling))
        return said("analysis.too_many", name=names.subject, figures=shown), most
    shown = said("analysis.worse", name=names.subject, figures=shown)
    limit = said("analysis.allowed", allowed=allowed(account.metric, settings, names))
    return (shown, limit, *_sure(assessment.metrics[account.metric.name].ratio))


def _good(account: Account, settings: JudgeSettings, names: Names) -> tuple[Text, ...]:
    limits = account.metric.limits(settings)
    return (
        said("analysis.good", name=names.subject, figures=figures(account, names)),
        said(
            "analysis.sure_below",
            sure=Share(1 - settings.alpha_pass),
            times=limits.margin,
            other=names.reference,
            points=limits.margin_slack * 100,
        ),
    )


def _doubt(assessment: Assessment, account: Account, settings: JudgeSettings, names: Names) -> tuple[Text, ...]:
    if assessment.suspect == SLOWER:
        shown = said("analysis.is_slower", name=names.subject, figures=figures(account, names))
        return shown, said("analysis.slower_allowed", times=STRETCH, other=names.reference)
    return (
        said("analysis.may_be_worse", name=names.subject, figures=figures(account, names)),
        said("analysis.not_sure"),
        said("analysis.allowed", allowed=allowed(account.metric, settings, names)),
    )


def _both_fail(account: Account, names: Names) -> tuple[Text, ...]:
    return said("analysis.both_fail", figures=figures(account, names)), said(
        "analysis.not_to_blame", name=names.subject
    )


def _watching(assessment: Assessment, settings: JudgeSettings, account: Account, names: Names) -> tuple[Text, ...]:
    shown = figures(account, names)
    if assessment.metrics[account.metric.name].ratio.low > account.metric.limits(settings).tolerance:
        return (said("analysis.looks_worse", name=names.subject, figures=shown),)
    return (said("analysis.too_early", figures=shown),)


def _tripped(state: Judged) -> Account:
    """What decided. Of errors that rose lately the last minute is told: with the good time before it says little."""
    place = 0 if state.aborted_by == CEILING else [metric.name for metric in state.metrics].index(state.aborted_by)
    metric, stage = state.metrics[place], state.stage_totals[place].tolist()
    minute = _minute(state)
    lately = minute[B_C] / minute[N_C] if minute[N_C] > 0 else 0.0
    diluted = metric.bound is None and lately > 0 and lately >= DILUTED * stage[B_C] / max(stage[N_C], 1.0)
    return Account(metric, minute, Window.MINUTE) if diluted else Account(metric, stage)


def _minute(state: Judged) -> list[float]:
    """Requests and errors of both sides in the last minute."""
    rows = [(one.n_c, one.b_c, one.n_p, one.b_p) for one in state.recent]
    return [sum(column) for column in zip(*rows, strict=True)] or [0.0] * 4


def _first_judged(state: Judged, names: Names) -> int:
    """Errors, where they are judged; else the first latency that is."""
    if names.errors:
        return 0
    judged = [place for place, one in enumerate(state.metrics) if one.bound is not None and one.name not in state.blind]
    return judged[0] if judged else 0


def _against(state: Judged, names: Names) -> int:
    """The metric that speaks most against the subject; the first judged where none with figures of this stage does."""
    counted = state.stage_totals[:, N_C] > 0
    against = [worse if here else 0.0 for worse, here in zip(state.worse.tolist(), counted.tolist(), strict=True)]
    return against.index(max(against)) if max(against) > 0 else _first_judged(state, names)


def _caveats(state: Judged, assessment: Assessment, names: Names) -> list[Text]:
    found: list[Text] = []
    if assessment.failing is Failing.PRIMARY:
        found.append(said("analysis.other_fails", other=names.reference))
    bounds = tuple(f"{one.bound:g} ms" for one in state.metrics if one.bound and one.name in state.blind)
    if bounds:
        found.append(said("analysis.blind", bounds=bounds))
    if state.past_share is None and assessment.verdict is Decision.ABORT:
        found.append(said("analysis.no_past", other=names.reference))
    return found


def _sure(ratio: Ratio) -> list[Text]:
    if ratio.sure < WORTH_SAYING:
        return []
    # Rounded down, and capped: beyond 99.9 % no model deserves to be believed.
    if ratio.sure >= MOST_SURE:
        return [said("analysis.more_than_sure", sure=Share(MOST_SURE))]
    return [said("analysis.sure", sure=Share(int(ratio.sure * 1000) / 1000))]


def _two_figures(value: float) -> float:
    return float(f"{value:.2g}")
