"""An assessment as a sentence for people.

Counts stand next to every percentage. "Sure" is one minus the anytime p-value (under 1 in 1,000 for a canary within the
limit, however often we look) and is not said below 90 %. A timeout is never called a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P
from bot.analysis.judge.forecast import TIMES, Forecast
from bot.analysis.judge.ratio import GRID, MOST_SURE, Ratio
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.state import CEILING, JudgeState, Metric
from bot.analysis.judge.verdict import Assessment, Decision, Failing, Overdue

FEW = 5  # bad requests of the primary; below it "most likely" would be a guess
WORTH_SAYING = 0.9  # a "sure" below it would say nothing
DILUTED = 2.0  # the last minute is told when it is so many times worse than the whole
WHOLE_FROM = 99.5  # from here on two figures would be written with an exponent
LONG = 90.0  # seconds; longer times are told in minutes


@dataclass(frozen=True, slots=True)
class Names:
    """What the two sides are called: the one on trial, and the one it is compared with."""

    subject: str = "canary"
    reference: str = "primary"
    article: str = "the "  # "" where they are called by their own names

    @property
    def the_subject(self) -> str:
        """In the middle of a sentence."""
        return f"{self.article}{self.subject}"

    @property
    def the_reference(self) -> str:
        """At its beginning."""
        return f"{self.article.capitalize()}{self.reference}"


ROLES = Names()

_Said = tuple[str, ...]  # sentences, the first of which stands alone


def text(state: JudgeState, assessment: Assessment, settings: JudgeSettings, names: Names = ROLES) -> str:
    """All that is said of it."""
    return " ".join(sentences(state, assessment, settings, names))


def sentences(
    state: JudgeState, assessment: Assessment, settings: JudgeSettings, names: Names = ROLES
) -> tuple[str, ...]:
    """The same in its parts: the first is one sentence that stands alone, the others are one or more."""
    match assessment.verdict:
        case Decision.ABORT:
            said = _aborted(state, assessment, settings, names)
        case Decision.PASS:
            said = _passed(state, settings, names)
        case Decision.NO_DATA:
            course = state.course
            quiet = _duration((course.watermark or 0.0) - min(course.canary_at, course.primary_at))
            said = f"No fresh metrics for {quiet}.", "Promotion waits; nothing was judged."
        case _ if state.course.watermark is None:
            said = ("No figures yet: judging begins with the first scrape of both versions.",)
        case _ if assessment.overdue is not None:
            said = _overdue(state, assessment.overdue, names)
        case Decision.HOLD:
            why = f"Not blaming {names.the_subject}: going back would not help. Promotion waits."
            said = f"Both versions are failing: {_minute(state, names)}.", why
        case _:
            said = _watching(state, assessment, settings, names)
    return *said, *_caveats(state, assessment, names)


def forecast_text(forecast: Forecast) -> str:
    """What to expect at this traffic."""
    if forecast.notice is None:
        return f"At this traffic a canary with {TIMES:g}x the errors would not be noticed. A mirror stage would help."
    notice = (
        f"At this traffic a canary with {TIMES:g}x the errors would take about {_duration(forecast.notice)} to notice"
    )
    if forecast.passing is None:
        return f"{notice}; a pass is out of reach. More weight or a mirror stage would help."
    slow = " More weight or a mirror stage would be quicker." if forecast.notice > 2 * LONG else ""
    return f"{notice}, a healthy one about {_duration(forecast.passing)} to pass.{slow}"


def _aborted(state: JudgeState, assessment: Assessment, settings: JudgeSettings, names: Names) -> _Said:
    after = _duration((state.course.watermark or 0.0) - state.course.began)
    if state.aborted_by == CEILING:
        limit = f"More than {settings.ceiling * 100:g} % errors are never allowed."
        return f"Aborted after {after}: {_minute(state, names)}.", limit
    place = [metric.name for metric in state.metrics].index(state.aborted_by)
    metric, row = state.metrics[place], state.evidence.totals[place].tolist()
    ratio = assessment.metrics[metric.name].ratio
    allowed = f"Allowed: {metric.limits(settings).tolerance:g}x.{_sure(ratio)}"
    if _diluted(state, metric, row):
        # Of good and bad time together a ratio would say little.
        return f"Aborted after {after}: {_minute(state, names)}; over the whole rollout {_shares(row)}.", allowed
    return f"Aborted after {after}: {_sides(metric, row, names)}: {_times(ratio, row)}.", allowed


def _passed(state: JudgeState, settings: JudgeSettings, names: Names) -> _Said:
    metric, row = state.metrics[0], state.evidence.totals[0].tolist()
    limits = metric.limits(settings)
    limit = f"{limits.margin:g}x + {limits.margin_slack * 100:g} points"
    sure = f"{(1 - settings.alpha_pass) * 100:g} % sure, {row[N_C]:,.0f} {names.subject} requests"
    return f"Passed: {_sides(metric, row, names)}.", f"Shown to be below the limit of {limit} ({sure})."


def _overdue(state: JudgeState, overdue: Overdue, names: Names) -> _Said:
    place = _worst(state) if overdue is Overdue.SUSPECT else 0
    sides = _sides(state.metrics[place], state.evidence.stage_totals[place].tolist(), names)
    if overdue is Overdue.SUSPECT:
        suspicion = f"{names.the_subject} looks worse than tolerated, though not surely"
        return f"Time is up and {suspicion}: {sides}.", "A person decides."
    why = f"Nothing speaks against {names.the_subject}, but there was too little to show it."
    return f"Time is up; not proven: {sides}.", why


def _watching(state: JudgeState, assessment: Assessment, settings: JudgeSettings, names: Names) -> _Said:
    place = _worst(state)
    metric, row = state.metrics[place], state.evidence.totals[place].tolist()
    ratio = assessment.metrics[metric.name].ratio
    lead = "Looks worse, not surely yet" if ratio.low > metric.limits(settings).tolerance else "Too early to say"
    other = f"{names.reference} {row[B_P]:,.0f} in {row[N_P]:,.0f}"
    counts = f"{_bad(metric, row[B_C], names)} in {row[N_C]:,.0f} requests ({other})"
    return f"{lead}: {counts}.", *_between(ratio), "Watching."


def _worst(state: JudgeState) -> int:
    """The metric that speaks most against the subject; errors where none does."""
    against = state.worse.tolist()
    return against.index(max(against)) if max(against) > 0 else 0


def _bad(metric: Metric, count: float, names: Names) -> str:
    if metric.bound is not None:
        return f"{count:,.0f} {names.subject} requests slower than {metric.bound:g} ms"
    return f"{count:,.0f} {names.subject} error{'' if count == 1 else 's'}"


def _caveats(state: JudgeState, assessment: Assessment, names: Names) -> list[str]:
    said = []
    if assessment.failing is Failing.PRIMARY:
        said.append(f"{names.the_reference} alone is failing: going back moves users to the worse side.")
    if state.blind:
        said.append(f"Not judged: {_blind(state)}, for which a version has no bucket.")
    if state.past_share is None and assessment.verdict is Decision.ABORT:
        said.append("The primary's past is not known, so bursts of errors were not allowed for.")
    return said


def _blind(state: JudgeState) -> str:
    bounds = [f"{metric.bound:g} ms" for metric in state.metrics if metric.bound and metric.name in state.blind]
    return f"requests slower than {' and '.join(bounds)}"


def _sides(metric: Metric, row: Sequence[float], names: Names) -> str:
    what = "errors" if metric.bound is None else f"requests slower than {metric.bound:g} ms"
    return f"{names.subject} {what} {_shares(row)} on {names.reference}"


def _shares(row: Sequence[float]) -> str:
    return f"{_share(row[B_C], row[N_C])} against {_share(row[B_P], row[N_P])}"


def _minute(state: JudgeState, names: Names) -> str:
    rows = [(one.n_c, one.b_c, one.n_p, one.b_p) for one in state.course.recent]
    return f"{_sides(state.metrics[0], [sum(column) for column in zip(*rows, strict=True)], names)} in the last minute"


def _diluted(state: JudgeState, metric: Metric, row: Sequence[float]) -> bool:
    """Whether the good time before hides how bad the last minute was."""
    bad, requests = sum(one.b_c for one in state.course.recent), sum(one.n_c for one in state.course.recent)
    return metric.bound is None and requests > 0 and bad / requests >= DILUTED * row[B_C] / max(row[N_C], 1.0)


def _times(ratio: Ratio, row: Sequence[float]) -> str:
    if ratio.low < 1:
        return f"most likely {times(ratio.best)}x"
    if ratio.high >= GRID[-1] or row[B_P] < FEW:
        return f"over {times(ratio.low)}x as many"
    return f"at least {times(ratio.low)}x, most likely {times(ratio.best)}x"


def _between(ratio: Ratio) -> _Said:
    """The interval as far as it says anything."""
    low, high = ratio.low > GRID[0], ratio.high < GRID[-1]
    if low and high:
        return (f"Between {times(ratio.low)}x and {times(ratio.high)}x.",)
    if low:
        return (f"At least {times(ratio.low)}x.",)
    return (f"At most {times(ratio.high)}x.",) if high else ()


def times(value: float) -> str:
    """How many times as many, to two figures."""
    return f"{value:.2g}" if value < WHOLE_FROM else f"{value:.0f}"


def _sure(ratio: Ratio) -> str:
    if ratio.sure < WORTH_SAYING:
        return ""
    # Rounded down, and capped: beyond 99.9 % no model deserves to be believed.
    sure = f"More than {MOST_SURE * 100:g} %" if ratio.sure >= MOST_SURE else f"{int(ratio.sure * 1000) / 10:g} %"
    return f" {sure} sure it is worse than allowed."


def _share(bad: float, requests: float) -> str:
    return f"{bad / requests * 100:.2g} % ({bad:,.0f} of {requests:,.0f})" if requests > 0 else "unknown (no requests)"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < LONG else f"{seconds / 60:.0f} min"
