"""An assessment as a sentence for people: both sides' figures with their counts, how sure, and what is allowed."""

from __future__ import annotations

import math

from bot.rollout.judge.judge import Assessment, JudgeState, Metric, Verdict, limits_of
from bot.rollout.judge.ratio import GRID, Ratio
from bot.rollout.judge.settings import JudgeSettings

FEW = 5  # bad requests of the primary; below it "most likely" would be a guess
WORTH_SAYING = 0.9  # a "sure" below it would say nothing
MOST_SAID = math.log(1000)  # "sure" is capped at 99.9 %: beyond it no model deserves to be believed


def text(state: JudgeState, assessment: Assessment, settings: JudgeSettings) -> str:
    """The sentence."""
    metric = next((m for m in state.metrics if m.name == state.aborted_by), state.metrics[0])
    ratio = assessment.ratios[metric.name]
    match assessment.verdict:
        case Verdict.ABORT:
            return _aborted(state, metric, ratio, settings)
        case Verdict.PASS:
            limits = limits_of(metric, settings)
            limit = f"{limits.margin:g}x + {limits.margin_slack * 100:g} points"
            sure = f"{(1 - settings.alpha_pass) * 100:g} % sure, {state.stage_requests:,.0f} canary requests"
            return f"Passed: {_sides(metric)}. Shown to be below the limit of {limit} ({sure})."
        case Verdict.HOLD:
            return f"Both versions are failing: {_sides(metric)}. Going back would not help; promotion waits."
        case Verdict.NO_DATA:
            return f"No fresh metrics for {settings.no_data_after / 60:.2g} min. Promotion waits; nothing was judged."
        case _:
            return _watching(metric, ratio, assessment)


def _aborted(state: JudgeState, metric: Metric, ratio: Ratio, settings: JudgeSettings) -> str:
    after = f"{(state.watermark or 0) - (state.began or 0):.0f} s"
    if state.aborted_by == "ceiling":
        return f"Aborted after {after}: {_sides(state.metrics[0])}. Never allowed: over {settings.ceiling * 100:g} %."
    limits = limits_of(metric, settings)
    few = metric.totals[3] < FEW or ratio.high >= GRID[-1]
    times = f"over {ratio.low:.2g}x as many" if few else f"at least {ratio.low:.2g}x, most likely {ratio.best:.2g}x"
    more = "More than " if ratio.log_sure > MOST_SAID else ""
    sure = f" {more}{ratio.sure * 100:.3g} % sure it is worse than allowed." if ratio.sure >= WORTH_SAYING else ""
    return f"Aborted after {after}: {_sides(metric)}: {times}. Allowed: {limits.tolerance:g}x.{sure}"


def _watching(metric: Metric, ratio: Ratio, assessment: Assessment) -> str:
    n_c, b_c, n_p, b_p = metric.totals
    counts = f"{b_c:,.0f} canary {_what(metric)} in {n_c:,.0f} requests (primary {b_p:,.0f} in {n_p:,.0f})"
    warning = (
        " The primary alone is failing: going back moves users to the worse side."
        if assessment.blame == "primary"
        else ""
    )
    between = f" Between {ratio.low:.2g}x and {ratio.high:.2g}x." if b_c + b_p > 0 else ""
    return f"Too early to say: {counts}.{between} Watching.{warning}"


def _sides(metric: Metric) -> str:
    n_c, b_c, n_p, b_p = metric.totals
    canary, primary = (_share(bad, requests) for bad, requests in ((b_c, n_c), (b_p, n_p)))
    return f"canary {_what(metric)} {canary} against {primary} on primary"


def _share(bad: float, requests: float) -> str:
    percent = f"{bad / requests * 100:.2g} %" if requests else "unknown"
    return f"{percent} ({bad:,.0f} of {requests:,.0f})"


def _what(metric: Metric) -> str:
    return "errors" if metric.bound is None else f"requests slower than {metric.bound:g} ms"
