"""The step back: users go home while the canary keeps getting copies and is judged on them, and how they return. Pure.

Protecting users is cheap and can be undone, so it rests on less than an abort does. One write takes everyone home,
from any weight, also while the rollout is paused, held or waiting for approval. The stage on copies is in the plan only
while it lasts, before the weight to which users return: the one before that they came from, or the first.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.figures import EVIDENCE, Judgement, Verdict
from bot.model.observation import Observation
from bot.model.rollout import Phase, Rollout, Routes, Stage, StepBack, copies_from
from bot.model.story import EntryKind
from bot.model.versions import spoken_sides
from bot.rollout import capacity
from bot.rollout.phrases import share
from bot.rollout.transitions import Change, enter, entry
from bot.words.sentence import Text, said

LONGEST = 900.0  # seconds on copies that prove neither, after which people are asked; or so many scrapes, if sooner
MOST_SCRAPES = 60
KEPT = 4  # of what the routes may be until they are written


def take_home(rollout: Rollout, observed: Observation, judgement: Judgement, now: float) -> Change:
    """Users are better off at home now; a rule of ``decide.decide``.

    Never once the primary may have been touched: whoever goes back then goes by an abort.
    """
    if not leads_home(rollout, judgement):
        return rollout, ()
    from_share, (rest, index) = rollout.current.routes.canary, _without(rollout)
    place = index - 1 if index and rest[index - 1].phase is Phase.SHIFTING else index
    stage = _stage(rollout, observed, rest, from_share)
    before = rollout.spec.plan[rollout.stage - 1].routes if rollout.stage else Routes(canary=0)
    entered = enter(
        rollout,
        Phase.MIRRORING,
        place,
        now,
        spec=replace(rollout.spec, plan=(*rest[:place], stage, *rest[place:])),
        came_from=(rollout.current.routes, before, *rollout.came_from)[:KEPT],
        step_backs=(*rollout.step_backs, StepBack(at=now, share=from_share)),
    )
    text = said(
        "rollout.step_back",
        primary=spoken_sides(rollout)[1],
        why=next((one.sentence for one in judgement.findings if one.gate == EVIDENCE), judgement.sentence),
        version=rollout.spec.version,
    )
    # No stage is named in it: what the card says of a stage is not said again, and this is more than that.
    return entered, (replace(entry(now, EntryKind.STAGE, text), loud=True),)


def leads_home(rollout: Rollout, judgement: Judgement) -> bool:
    """Whether these figures take users home."""
    possible = rollout.phase is Phase.SHIFTING and not rollout.retreat and not rollout.primary_touched
    return possible and judgement.home and judgement.verdict is not Verdict.FAIL


def note(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Note that users are home, and that the primary has had the pods for them: then what others write is theirs."""
    if rollout.goes_home and observed.routes_unobserved is None and _is_home(observed):
        *earlier, last = rollout.step_backs
        rollout = replace(rollout, step_backs=(*earlier, replace(last, home_at=now)))
    stage = rollout.current
    if not stage.on_copies or not stage.pods:
        return rollout, ()
    grown = observed.pods_unobserved is None and observed.primary.wanted >= stage.pods
    if not grown and now - rollout.since <= rollout.spec.scale_timeout:
        return rollout, ()
    plan = (*rollout.spec.plan[: rollout.stage], replace(stage, pods=0), *rollout.spec.plan[rollout.stage + 1 :])
    return replace(rollout, spec=replace(rollout.spec, plan=plan)), ()


def _is_home(observed: Observation) -> bool:
    return all(one.routes is not None and one.routes.canary == 0 for one in observed.objects)


def _stage(rollout: Rollout, observed: Observation, plan: tuple[Stage, ...], from_share: int) -> Stage:
    mirror = next((one for one in plan if one.phase is Phase.MIRRORING), None)
    needed = 0 if observed.pods_unobserved is not None else capacity.of_primary(rollout, capacity.EVERYONE, observed)
    asked = mirror is not None and mirror.approval
    return Stage(
        name=copies_from(from_share),
        phase=Phase.MIRRORING,
        routes=Routes(canary=0, mirror=True),
        seconds=min(LONGEST, MOST_SCRAPES * rollout.spec.metrics.scrape_interval),
        approval=asked or not may_return(rollout, len(rollout.step_backs) + 1),
        rule=mirror.rule if mirror is not None else None,
        pods=needed,
        home_from=from_share,
    )


def may_return(rollout: Rollout, times: int) -> bool:
    """Whether users return by themselves after so many step backs: not where copies are of some requests only, which
    says nothing of the others, unless those were hardly any.
    """
    return times <= rollout.spec.gates.judge.returns and rollout.copies_suffice


def go_back(rollout: Rollout, now: float) -> Change:
    """Users go to the canary again: to the weight behind the stage on copies, which leaves the plan."""
    rest, index = _without(rollout)
    entered = enter(
        rollout,
        rest[index].phase,
        index,
        now,
        spec=replace(rollout.spec, plan=rest),
        came_from=(rollout.current.routes, *rollout.came_from)[:KEPT],
    )
    text = said(
        "rollout.goes_back",
        version=rollout.spec.version,
        share=share(entered.current.routes.canary),
        before=share(rollout.current.home_from),
    )
    return entered, (entry(now, EntryKind.STAGE, text),)


def _without(rollout: Rollout) -> tuple[tuple[Stage, ...], int]:
    """The plan without stages on copies, and where the current stage is in it, or the one that follows it."""
    plan = rollout.spec.plan
    before = sum(one.on_copies for one in plan[: rollout.stage])
    return tuple(one for one in plan if not one.on_copies), rollout.stage - before


def why_asked(rollout: Rollout) -> Text:
    """Why users do not return by themselves; "" where they would, or were not taken home."""
    times = len(rollout.step_backs)
    if not rollout.current.on_copies or may_return(rollout, times):
        return ""
    if not rollout.copies_suffice:
        return said("rollout.copies_some", version=rollout.spec.version)
    return said("rollout.home_again", n=times)
