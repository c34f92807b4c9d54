"""What users had of the canary: how many of their requests it answered, how many failed, and what that costs. Pure.

The cost is told where a service has an error budget (`budget: 99.9%/30d`): of all requests in a window, the share that
its objective lets fail. The Site Reliability Workbook (chapter 2, "Implementing SLOs") counts it like this:

    failures allowed in the window = (1 - objective) x requests in the window
    share of the budget            = failures / failures allowed in the window

How many requests the window has is estimated from the rate at which both sides are asked during the rollout, so a
rollout in a quiet hour counts for more than in a busy one, and everything here is told as "about".
"""

from __future__ import annotations

import math

from bot.model.rollout import Phase, Rollout, Stage
from bot.words.sentence import Seconds, Sentence, Share, Text, said, together

EVERYONE = 100  # percent
LEAST = 0.001  # of a budget; less is told as that


def ledger(rollout: Rollout) -> Text:
    """What users have met of the canary so far and what it has cost; "" where none met it."""
    return together((_met(rollout), cost(rollout)))


def summary(rollout: Rollout) -> Text:
    """The same, also that nobody met it, and what the next stage adds; "" where it is not known."""
    so_far = ledger(rollout)
    if rollout.ended or rollout.retreat:
        return so_far  # that nobody met it is said with the end
    if not so_far and all(stage.routes.canary == 0 for stage in _so_far(rollout)):
        so_far = said("rollout.nobody_met_yet", version=rollout.spec.version)
    return together((so_far, spared(rollout), next_stage(rollout))) if so_far else ""


def _met(rollout: Rollout) -> Text:
    version, (n, bad) = rollout.spec.version, map(round, (rollout.exposure.requests, rollout.exposure.errors))
    if not n:
        return ""
    return said("rollout.met", version=version, n=n, bad=bad) if bad else said("rollout.met_well", version=version, n=n)


def spared(rollout: Rollout) -> Text:
    """What the step back has spared users since it is in force, by what became of copies; "" where nothing, or unknown.

    As large a share of the requests as went to the canary before would have failed as often as copies do.
    """
    judgement, stage = rollout.judgement, rollout.current
    if not stage.on_copies or judgement is None or judgement.figures is None:
        return ""
    canary, primary = judgement.figures.canary, judgement.figures.primary
    if rollout.analysis_state.stage != stage.name or canary is None or primary is None or canary.requests <= 0:
        return ""
    n = round(primary.requests * stage.home_from / EVERYONE * canary.errors / canary.requests)
    return said("rollout.spared", n=n, version=rollout.spec.version) if n else ""


def next_stage(rollout: Rollout) -> Text:
    """How many requests the next weight sends to the canary, and what they cost if as many fail; "" where unknown."""
    following, rate = _next_weight(rollout), user_rate(rollout)
    if following is None or not rate:
        return ""
    requests = rate * following.routes.canary / EVERYONE * following.seconds
    if not math.isfinite(requests):
        return ""
    meets = said("rollout.next_meets", n=max(1, round(requests)), time=Seconds(following.seconds))
    return together((meets, _next_cost(rollout, requests)))


def _next_weight(rollout: Rollout) -> Stage | None:
    if rollout.ended or rollout.retreat or rollout.stage + 1 >= len(rollout.spec.plan):
        return None
    following = rollout.spec.plan[rollout.stage + 1]
    return following if following.phase is Phase.SHIFTING and following.seconds else None


def _so_far(rollout: Rollout) -> tuple[Stage, ...]:
    names = {one.name for one in rollout.walked}
    here = () if rollout.retreat else (rollout.current,)
    return (*(stage for stage in rollout.spec.plan if stage.name in names), *here)


# The error budget


def allowed(rollout: Rollout) -> float | None:
    """Failures that the budget allows in its window; None where no budget is set, or the rate is not known."""
    budget, rate = rollout.spec.budget, user_rate(rollout)
    return (1 - budget.objective) * rate * budget.window if budget is not None and rate else None


def spent(rollout: Rollout) -> float | None:
    """The share of the budget that users' failures at the canary are, 1 for all of it; None where it is not known."""
    whole = allowed(rollout)
    return rollout.exposure.errors / whole if whole else None


def cost(rollout: Rollout) -> Text:
    """What the rollout has cost of the budget; "" where nothing failed or nothing is known."""
    budget, share = rollout.spec.budget, spent(rollout)
    if budget is None or not share:
        return ""
    version, objective, window = rollout.spec.version, f"{budget.objective * 100:.10g} %", Seconds(budget.window)
    if share < LEAST:
        return said("rollout.cost_little", version=version, least=Share(LEAST), objective=objective, window=window)
    return said("rollout.cost", version=version, share=Share(share), objective=objective, window=window)


def _next_cost(rollout: Rollout, requests: float) -> Sentence | str:
    exposure, whole = rollout.exposure, allowed(rollout)
    if not whole or not exposure.errors or not exposure.requests:
        return ""
    share = requests * exposure.errors / exposure.requests / whole
    return said("rollout.next_costs", share=Share(share)) if share >= LEAST else ""


def user_rate(rollout: Rollout) -> float | None:
    """Requests per second of all users, as far as it is known: of both sides, or of the primary while it mirrors."""
    figures = rollout.judgement.figures if rollout.judgement is not None else None
    if rollout.user_rate is not None or not rollout.current.routes.mirror or figures is None:
        return rollout.user_rate
    primary, seconds = figures.primary, figures.end - figures.start
    return primary.requests / seconds if primary is not None and seconds > 0 else None
