"""A rollout in words: where it is, what an approval would do, what a stage has shown. Pure, and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.figures import EVIDENCE, UNPROVEN, Judgement
from bot.model.observation import Observation
from bot.model.rollout import JUDGED, Phase, Rollout, StageKind, Template
from bot.words.said import Text


def describe(rollout: Rollout) -> str:
    """Where a rollout is, as half a sentence for people."""
    if rollout.phase is Phase.HALTED:
        return f"it is halted ({str(rollout.reason).rstrip('.')})"
    if rollout.ended:
        return f"it has ended ({rollout.phase})"
    if rollout.paused_by:
        return f"it is paused at {rollout.current.name}"
    if rollout.hold:
        return f"it holds at {rollout.current.name} ({str(rollout.hold.sentence).rstrip('.')})"
    return f"it is at {rollout.current.name} and being judged" if rollout.phase in JUDGED else f"it is {rollout.phase}"


def started(rollout: Rollout, warnings: Sequence[Text]) -> str:
    """That it has begun, and what preflight doubts."""
    text = f"{rollout.spec.service} {rollout.spec.version}: started."
    return " ".join([text, "Preflight warns:", *map(str, warnings)]) if warnings else text


def aborted(rollout: Rollout, reason: Text, *, stage_known: bool = True) -> str:
    """Where it was aborted, why, and what becomes of its users."""
    at = f" at {rollout.current.name}" if stage_known else ""
    then = "All users return to the primary now."
    if rollout.primary_touched:
        name = rollout.spec.target.primary_deployment
        then = f"Users stay on {rollout.spec.version} until {name} is restored, then return to it."
    return f"Aborted{at}: {reason} {then}"


def abandoned(rollout: Rollout, why: str) -> str:
    """That nothing is moved, and what canary-bot takes away."""
    spec = rollout.spec
    return (
        f"{spec.service} {spec.version} is abandoned at {rollout.current.name}: {why}. Nothing is moved: the routes "
        f"stay as they are, and so does the image of {spec.target.primary_deployment}. canary-bot takes its "
        f"annotations off VirtualService {spec.target.virtual_service} and looks after this rollout no more."
    )


def accepted(rollout: Rollout) -> str:
    """Where everybody stays."""
    target = rollout.spec.target
    return (
        f"Accepted as it is: all users stay on {rollout.spec.version} ({target.canary_deployment}). "
        f"{target.primary_deployment} was left as it is and has no users."
    )


def promoted(rollout: Rollout, now: float) -> str:
    """Where everybody is, and how long it took."""
    spec, minutes = rollout.spec, (now - rollout.spec.started_at) / 60
    upgraded = f"the upgraded {spec.target.primary_deployment}"
    where = upgraded if rollout.current.template is Template.UPGRADED else spec.target.canary_deployment
    return f"{spec.service} {spec.version} is promoted: all users are on {where}. It took {minutes:.1f} minutes."


def came_home(rollout: Rollout, observed: Observation) -> str:
    """That an abort has ended, where that has brought the users, and why it was."""
    return f"{rollout.spec.service} {rollout.spec.version} is aborted: {home(rollout, observed)}. {rollout.reason}"


def question(rollout: Rollout) -> str:
    """What an approval of the current stage would do, as a question."""
    following = rollout.spec.plan[rollout.stage + 1]
    target = rollout.spec.target
    match following.phase:
        case Phase.SHIFTING:
            return f"Shift {following.routes.canary} % of the users to {rollout.spec.version}?"
        case Phase.UPGRADING:
            return f"Upgrade {target.primary_deployment} to {rollout.spec.version}?"
        case Phase.SWITCHING_BACK:
            # Relabelled pods are in the subset that has the users already: no share moves.
            share = f"{following.routes.primary} % of the users" if following.routes.primary else "users"
            return f"Return {share} to the upgraded {target.primary_deployment}?"
        case _:
            return f"Leave {rollout.current.name}?"


def summary(rollout: Rollout, judgement: Judgement) -> str:
    """The metric summary of a stage that was left: the evidence, and a sentence per gate. A timeout is no pass."""
    stage = rollout.current
    said = "ended, not proven" if is_unproven(rollout, judgement) else "passed"
    return " ".join([f"{stage.name} {said}.", *(str(one.sentence) for one in judgement.findings if not one.part)])


def gist(judgement: Judgement) -> Text:
    """What a summary says first, in one sentence: half a figure at the end of a cut line would be a wrong figure."""
    return next((one.brief or one.sentence for one in judgement.findings if not one.part), "")


def is_unproven(rollout: Rollout, judgement: Judgement) -> bool:
    """Whether what was seen proves nothing: here, or where nothing is compared, in the last stage that compared."""
    if rollout.current.routes.compared:
        return not judgement.proven
    return any(one.gate == UNPROVEN for one in judgement.findings)


def unproven(rollout: Rollout, judgement: Judgement) -> Text:
    """The sentence that says so, with both samples, for whoever is asked to approve; "" where all is proven."""
    if not is_unproven(rollout, judgement):
        return ""
    gate = EVIDENCE if rollout.current.routes.compared else UNPROVEN
    return next((one.sentence for one in judgement.findings if one.gate == gate), "")


def doing(rollout: Rollout) -> str:
    """What happens in the stage it is in, as half a sentence."""
    stage, target = rollout.current, rollout.spec.target
    if rollout.phase is Phase.UPGRADING:
        return f"{target.primary_deployment} gets the image of {rollout.spec.version}"
    if stage.kind is StageKind.SCALE_UP:
        return f"waiting for pods of {target.primary_deployment}"
    if stage.kind is StageKind.RESTORE:
        return f"restoring {target.primary_deployment}"
    return f"users {stage.routes.primary} % primary, {stage.routes.canary} % canary"


def home(rollout: Rollout, observed: Observation) -> str:
    """Where an abort has brought the users; not always what it set out for (``retreat.canary_gone``)."""
    if not rollout.spec.recorded.images:  # it went by annotations that do not say which image is the old one
        names = ", ".join(sorted(image.rpartition("/")[2] for image in observed.primary.images.values()))
        has = f"the image that it has now ({names})" if names else "the image that it has now"
        name = rollout.spec.target.primary_deployment
        return f"all users are on {name}, with {has}; if that is not the old one, put the old one back by hand"
    if observed.primary.template is not Template.UPGRADED:
        return "all users are on the old version"
    name = rollout.spec.target.primary_deployment
    return f"all users are on {name}, which still has the image of {rollout.spec.version}; put the old one back by hand"
