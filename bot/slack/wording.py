"""How a rollout is called and what is going on with it, in a few words. Pure; used by every message about rollouts."""

from __future__ import annotations

from bot.model.rollout import ALL_CANARY, HoldCause, Phase, Rollout, Stage, StageKind
from bot.model.versions import old_version
from bot.rollout.phrases import called, gist, question, share
from bot.words.sentence import Arg, Seconds, Sentence, Share, Text, said, together

_MOVES = frozenset({Phase.MIRRORING, Phase.SHIFTING, Phase.SWITCHING_BACK})  # by routes
_STATES = {
    Phase.PREFLIGHT: said("slack.state_checking"),
    Phase.MIRRORING: said("slack.state_mirroring"),
    Phase.UPGRADING: said("slack.state_upgrading"),
    Phase.BAKING: said("slack.state_watching"),
    Phase.PROMOTED: said("slack.state_promoted"),
    Phase.ABORTING: said("slack.state_going_back"),
    Phase.ABORTED: said("slack.state_aborted"),
    Phase.HALTED: said("slack.state_halted"),
    Phase.REFUSED: said("slack.state_refused"),
    Phase.ABANDONED: said("slack.state_abandoned"),
}


def title(rollout: Rollout) -> Text:
    """``reviews v1 → v2``."""
    spec = rollout.spec
    if spec.back_to:
        return f"{spec.service} {spec.version} → {spec.back_to}"
    name = f"{spec.service} {old_version(rollout)} → {spec.version}"
    return said("slack.drill_title", title=name) if spec.drill else name


def needs_approval(rollout: Rollout) -> bool:
    """Whether people are asked right now."""
    return (
        rollout.asked_at is not None
        and rollout.phase not in {Phase.HALTED, Phase.ABORTING}
        and not rollout.ended
        and not rollout.retreat
        and len(rollout.approvals) < rollout.approvals_rule.count
        and rollout.stage + 1 < len(rollout.spec.plan)
    )


def needs_somebody(rollout: Rollout) -> bool:
    """Whether it waits for any decision of a person."""
    drift = rollout.drift is not None and rollout.drift.left_by is None
    return not rollout.ended and (needs_approval(rollout) or drift or rollout.phase is Phase.HALTED)


def can_accept(rollout: Rollout) -> bool:
    """Whether a halted rollout could be left as it is: only with all users on one version."""
    return rollout.phase is Phase.HALTED and rollout.current.routes == ALL_CANARY


def state(rollout: Rollout) -> Sentence:
    """Where it is, in a few words: ``needs approval``."""
    if rollout.phase in {Phase.HALTED, Phase.ABORTING} or rollout.ended:
        return _STATES[rollout.phase]
    return _waiting(rollout) or _moving(rollout)


def _waiting(rollout: Rollout) -> Sentence | None:
    if rollout.paused_by:
        return said("slack.state_paused", stage=called(rollout.current))
    if rollout.is_asked_in_doubt and needs_approval(rollout):
        return said("slack.state_decides")
    if rollout.hold is not None and rollout.hold.cause is not HoldCause.APPROVAL:
        return said("slack.state_on_hold", stage=called(rollout.current))
    return said("slack.state_asks") if needs_approval(rollout) else None


def _moving(rollout: Rollout) -> Sentence:
    routes = rollout.current.routes
    if rollout.current.on_copies:
        return said("slack.state_on_copies")
    if rollout.phase is Phase.SHIFTING:
        return said("slack.state_shift", share=share(routes.canary), version=rollout.spec.version)
    if rollout.phase is Phase.SWITCHING_BACK:
        return said("slack.state_return", share=share(routes.primary))
    return _STATES[rollout.phase]


def heading(rollout: Rollout, broken: Stage | None = None) -> Sentence:
    """The question, the outcome, or where it is. ``broken`` is the stage in which it was aborted."""
    words: Text = state(rollout)
    if is_asking(rollout):
        words = question(rollout)
    elif broken is not None and rollout.phase is Phase.ABORTED:
        words = said("slack.state_aborted_at", stage=called(broken), old=old_version(rollout))
    return said("slack.heading", title=title(rollout), state=words)


def is_asking(rollout: Rollout) -> bool:
    """Whether the card is a question now."""
    waits = rollout.hold is not None and rollout.hold.cause is not HoldCause.APPROVAL
    return needs_approval(rollout) and not rollout.paused_by and (rollout.is_asked_in_doubt or not waits)


def sentence(rollout: Rollout) -> Sentence:
    """Where it is and what a reader needs most, as whole sentences for who sees nothing else."""
    why = together((question(rollout), situation(rollout))) if is_asking(rollout) else situation(rollout)
    if not why:
        return said("slack.is", title=title(rollout), state=state(rollout))
    return said("slack.is_because", title=title(rollout), state=state(rollout), why=why)


def situation(rollout: Rollout) -> Text:
    """The sentence a reader needs most: what is wrong, or what the figures say; may be empty."""
    if rollout.phase is Phase.HALTED and rollout.hold is not None:  # something has happened since
        return together((rollout.reason, rollout.hold.sentence))
    if rollout.phase in {Phase.HALTED, Phase.ABORTING, Phase.ABORTED, Phase.REFUSED, Phase.ABANDONED}:
        return rollout.reason
    if rollout.phase is Phase.PROMOTED:
        return said("slack.all_on", version=rollout.spec.arrives)
    if is_asking(rollout) and rollout.question is not None and rollout.question.why:
        return rollout.question.why
    if rollout.hold is not None and rollout.hold.cause is not HoldCause.APPROVAL:
        return rollout.hold.sentence
    return _seen(rollout)


def _seen(rollout: Rollout) -> Text:
    """What the figures say; before there are any the header says all there is, once that is so in the cluster."""
    if rollout.settled_at is None and rollout.phase in _MOVES:
        return said("slack.not_in_force")
    judgement = rollout.judgement
    early = judgement is None or any(one.gate == "warm-up" for one in judgement.findings)
    return "" if judgement is None or early else gist(judgement)


# What stands in the table of checks and in Details as well.
_IN_DETAIL = frozenset({"analysis.allowed", "analysis.sure", "analysis.more_than_sure", "analysis.sure_below"})


def briefly(text: Text) -> Text:
    """The same without what is allowed and how sure it is: where a table stands below, or in a line of a list."""
    if not isinstance(text, Sentence):
        return text
    args = {name: _brief_part(arg) for name, arg in text.args.items()}
    return text if args == text.args else Sentence(text.key, args)


def _brief_part(arg: Arg) -> Arg:
    if isinstance(arg, Sentence):
        return briefly(arg)
    if not isinstance(arg, tuple):
        return arg
    kept = (one for one in arg if not (isinstance(one, Sentence) and one.key in _IN_DETAIL))
    return tuple(briefly(one) if isinstance(one, Sentence) else one for one in kept)


def stage_title(stage: Stage, rollout: Rollout) -> Sentence:
    """What a stage does, for people."""
    target, routes, version = rollout.spec.target, stage.routes, rollout.spec.version
    match stage.phase:
        case Phase.MIRRORING:
            copies = said("slack.stage_mirror", share=Share(target.mirror_percent / 100), version=version)
            return said("slack.stage_copies", version=version) if stage.on_copies else copies
        case Phase.SHIFTING:
            return said("slack.stage_shift", share=share(routes.canary), version=version)
        case Phase.UPGRADING:
            return said("slack.stage_upgrade", primary=target.primary_deployment)
        case Phase.SWITCHING_BACK:
            back = said("slack.stage_return", share=share(routes.primary))
            return back if routes.primary else said("slack.stage_join")
        case Phase.ABORTING:
            return _way_back(stage, rollout)
        case _:
            return said("slack.stage_watch", time=Seconds(stage.seconds))


def _way_back(stage: Stage, rollout: Rollout) -> Sentence:
    primary = rollout.spec.target.primary_deployment
    if stage.kind is StageKind.SCALE_UP:
        return said("slack.stage_scale_up", primary=primary)
    if stage.kind is StageKind.RESTORE:
        return said("slack.stage_restore", primary=primary)
    return said("slack.stage_home", old=old_version(rollout))


def effect(rollout: Rollout) -> Sentence:
    """What the approve button does, on its label: the stage that would follow."""
    following, version = rollout.spec.plan[rollout.stage + 1], rollout.spec.version
    match following.phase:
        case Phase.SHIFTING:
            return said("slack.press_shift", share=share(following.routes.canary), version=version)
        case Phase.UPGRADING:
            return said("slack.press_upgrade", version=version)
        case Phase.SWITCHING_BACK if following.routes.primary:
            return said("slack.press_return", share=share(following.routes.primary))
        case Phase.SWITCHING_BACK:
            return said("slack.press_join")
        case _:
            return said("slack.press_go_on")
