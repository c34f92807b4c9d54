"""A rollout in words: where it is, what an approval would do, what a stage has shown. Pure, and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.figures import EVIDENCE, HARM, UNPROVEN, Judgement, Verdict
from bot.model.observation import Observation
from bot.model.rollout import (
    BOT,
    SWIFT,
    Phase,
    Question,
    QuestionKind,
    Rollout,
    Stage,
    StageKind,
    Template,
    UserId,
)
from bot.model.versions import old_version, spoken, spoken_sides
from bot.rollout.exposure import cost
from bot.words.sentence import Person, Seconds, Sentence, Share, Text, said

_ENDED = {
    Phase.PROMOTED: said("rollout.is_promoted"),
    Phase.ABORTED: said("rollout.is_aborted"),
    Phase.REFUSED: said("rollout.is_refused"),
    Phase.ABANDONED: said("rollout.is_abandoned"),
}


def share(percent: int) -> Share:
    """Whole percent, as plans have them."""
    return Share(percent / 100)


# Stages


_OF_KIND = {
    StageKind.RESTORE: said("rollout.stage_restore"),
    StageKind.SCALE_UP: said("rollout.stage_scale_up"),
    StageKind.RETURN: said("rollout.stage_home"),
}
_OF_PHASE = {
    Phase.MIRRORING: said("rollout.stage_mirror"),
    Phase.UPGRADING: said("rollout.stage_upgrade"),
    Phase.SWITCHING_BACK: said("rollout.stage_home"),  # relabelled pods are where the users are: no share moves
}


def called(stage: Stage) -> Sentence:
    """What people call a stage; ``Stage.name`` is its identifier."""
    if stage.on_copies:
        return said("rollout.stage_copies")
    if stage.kind in _OF_KIND:
        return _OF_KIND[stage.kind]
    if stage.phase is Phase.SHIFTING:
        return said("rollout.stage_shift", share=share(stage.routes.canary))
    if stage.phase is Phase.SWITCHING_BACK and stage.routes.primary:
        return said("rollout.stage_return", share=share(stage.routes.primary))
    last = said("rollout.stage_finish" if stage.release else "rollout.stage_watch")
    return _OF_PHASE.get(stage.phase, last)


def next_called(rollout: Rollout) -> Sentence:
    """What an approval of the current stage lets begin: the first one itself, while a webhook has not let it begin."""
    walk = rollout.retreat or rollout.spec.plan
    if rollout.asked_at is not None and rollout.settled_at is None and rollout.phase is Phase.MIRRORING:
        return called(rollout.current)
    return called(walk[min(rollout.stage + 1, len(walk) - 1)])


def doing(rollout: Rollout) -> Sentence:
    """What happens in the stage it is in."""
    stage, primary, version = rollout.current, rollout.spec.target.primary_deployment, rollout.spec.arrives
    match stage.phase:
        case Phase.UPGRADING:
            return _upgrading(rollout)
        case Phase.SWITCHING_BACK if stage.routes.primary:
            back = share(stage.routes.primary)
            return said("rollout.doing_return", share=back, primary=primary, version=version)
        case Phase.SWITCHING_BACK:
            return said("rollout.doing_join", primary=primary, version=version)
        case Phase.BAKING:
            return _watching(rollout)
        case Phase.ABORTING:
            return _going_back(rollout)
    return said("rollout.doing_shift", share=share(stage.routes.canary), version=rollout.spec.version)


def _upgrading(rollout: Rollout) -> Sentence:
    primary, version = rollout.spec.target.primary_deployment, rollout.spec.arrives
    if rollout.waits_for_git:
        return asked_of_git(rollout)
    if rollout.spec.back_to:
        return said("rollout.doing_rollback", primary=primary, version=version)
    return said("rollout.doing_upgrade", primary=primary, version=version)


def asked_of_git(rollout: Rollout) -> Sentence:
    """Which image has to go into git, for which Deployment."""
    images = tuple(f"{name}: {image}" for name, image in rollout.spec.upgraded.images.items())
    return said("rollout.ask_git", primary=rollout.spec.target.primary_deployment, images=images)


def _watching(rollout: Rollout) -> Sentence:
    version, seconds = rollout.spec.arrives, rollout.current.seconds
    if not seconds:
        return said("rollout.doing_last", version=version)
    return said("rollout.doing_watch", version=version, time=Seconds(seconds))


def _going_back(rollout: Rollout) -> Sentence:
    stage, primary = rollout.current, rollout.spec.target.primary_deployment
    if stage.kind is StageKind.SCALE_UP:
        return said("rollout.doing_scale_up", primary=primary)
    if stage.kind is StageKind.RESTORE:
        return said("rollout.doing_restore", primary=primary)
    return said("rollout.doing_home", primary=spoken(old_version(rollout)))


# How it is


def status_text(rollout: Rollout) -> Sentence:
    """A rollout's status, in a few words that may stand between brackets."""
    if rollout.ended:
        back = rollout.spec.back_to if rollout.phase is Phase.PROMOTED else ""
        return said("rollout.is_rolled_back", version=back) if back else _ENDED[rollout.phase]
    if rollout.phase is Phase.PREFLIGHT:
        return said("rollout.is_checked")
    at = called(rollout.current)
    if rollout.phase is Phase.HALTED:
        return said("rollout.is_halted", stage=at)
    if rollout.paused_by:
        return said("rollout.is_paused", stage=at)
    if rollout.phase is Phase.ABORTING:
        return said("rollout.is_going_back", stage=at)
    return said("rollout.is_on_hold", stage=at) if rollout.hold else at


def describe(rollout: Rollout) -> Sentence:
    """The same, with why it does not go on."""
    why = rollout.reason if rollout.phase is Phase.HALTED else rollout.hold.sentence if rollout.hold else ""
    if rollout.ended or rollout.paused_by or not why:
        return status_text(rollout)
    return said("rollout.is_because", place=status_text(rollout), why=why)


# What happened to it


def started(rollout: Rollout, warnings: Sequence[Text]) -> Sentence:
    """That it has begun, and what preflight doubts."""
    spec, who = rollout.spec, Person(rollout.spec.started_by)
    if spec.back_to:
        return said("rollout.started_rollback", who=who, service=spec.service, old=spec.version, version=spec.back_to)
    if opening := taken_up(rollout) or _rehearsed(rollout):
        return said("rollout.opened_with_warnings", opening=opening, warnings=tuple(warnings)) if warnings else opening
    if warnings:
        return said(
            "rollout.started_with_warnings",
            who=who,
            service=spec.service,
            version=spec.version,
            warnings=tuple(warnings),
        )
    return said("rollout.started", who=who, service=spec.service, version=spec.version)


def _rehearsed(rollout: Rollout) -> Sentence | None:
    spec = rollout.spec
    if not spec.drill:
        return None
    return said("rollout.started_drill", who=Person(spec.started_by), service=spec.service, version=spec.version)


def drilled(rollout: Rollout) -> Sentence | None:
    """How long a drill took from its decision to accepted routes; None where it is none, or is not that far."""
    seconds = rollout.drilled
    return None if seconds is None else said("rollout.drilled", n=round(seconds, 2))


def taken_up(rollout: Rollout) -> Sentence | None:
    """Who takes up which stage of an aborted rollout, and what passed in that one; None where it takes up none."""
    again, spec = rollout.spec.again, rollout.spec
    if again is None:
        return None
    passed = tuple(called(stage) for stage in again.passed)
    return said(
        "rollout.taken_up", who=Person(spec.started_by), version=spec.version, stage=called(again.stage), passed=passed
    )


def aborted(rollout: Rollout, by: UserId, reason: Text, now: float, *, stage_known: bool = True) -> Sentence:
    """Where it was aborted, by whom, why, and what becomes of its users."""
    home_at = rollout.home_at
    then = said("rollout.users_return") if home_at is None else said("rollout.users_home", time=Seconds(now - home_at))
    if rollout.primary_touched:
        primary, version = rollout.spec.target.primary_deployment, rollout.spec.version
        then = said("rollout.users_return_later", version=version, primary=primary)
    facts = (reason, then)
    if by == BOT:
        at = called(rollout.current)
        return (
            said("rollout.aborted", stage=at, facts=facts) if stage_known else said("rollout.taken_back", facts=facts)
        )
    if stage_known:
        return said("rollout.aborted_by", who=Person(by), stage=called(rollout.current), facts=facts)
    return said("rollout.taken_back_by", who=Person(by), facts=facts)


def abandoned(rollout: Rollout, by: UserId, why: Text) -> Sentence:
    """That nothing is moved, and what canary-bot takes away."""
    target = rollout.spec.target
    return said(
        "rollout.abandoned",
        who=Person(by),
        stage=called(rollout.current),
        why=why,
        primary=target.primary_deployment,
        name=target.routes_names,
    )


def accepted(rollout: Rollout, by: UserId) -> Sentence:
    """Where everybody stays."""
    target = rollout.spec.target
    return said(
        "rollout.accepted",
        who=Person(by),
        version=rollout.spec.version,
        canary=target.canary_deployment,
        primary=target.primary_deployment,
    )


def promoted(rollout: Rollout, now: float) -> Sentence:
    """Where everybody is, and how long it took."""
    target, version, took = rollout.spec.target, rollout.spec.version, Seconds(now - rollout.spec.started_at)
    if rollout.spec.back_to:
        return said("rollout.rolled_back", version=rollout.spec.back_to, primary=target.primary_deployment, took=took)
    if rollout.current.template is Template.UPGRADED:
        return said("rollout.promoted", version=version, primary=target.primary_deployment, took=took)
    return said("rollout.promoted_on_canary", version=version, canary=target.canary_deployment, took=took)


def abort_ended(rollout: Rollout, observed: Observation, now: float) -> Sentence:
    """That an abort is over: the whole of it where nobody has had time to read of the decision, else what is new."""
    stopped, home = rollout.stopped, came_home(rollout, observed)
    took = (found,) if (found := drilled(rollout)) is not None else ()
    if stopped is None or now - stopped.at > SWIFT:
        return said("rollout.ended", facts=(home, *_users_met(rollout), *took))
    facts = (rollout.reason, home, *_users_met(rollout), *took)
    if stopped.by == BOT:
        return (
            said("rollout.aborted", stage=stopped.stage, facts=facts)
            if stopped.stage
            else said("rollout.taken_back", facts=facts)
        )
    if stopped.stage:
        return said("rollout.aborted_by", who=Person(stopped.by), stage=stopped.stage, facts=facts)
    return said("rollout.taken_back_by", who=Person(stopped.by), facts=facts)


def _users_met(rollout: Rollout) -> tuple[Text, ...]:
    """What users had of the canary and what it cost, as far as it is counted by now; the card tells the last count."""
    moved = {stage.name for stage in rollout.spec.plan if stage.routes.canary > 0}
    if rollout.stopped is not None and rollout.stopped.stage and not any(one.name in moved for one in rollout.walked):
        return (said("rollout.nobody_met", version=rollout.spec.version),)
    exposure = rollout.exposure
    if exposure.requests <= 0:
        return ()
    met, failed = round(exposure.requests), round(exposure.errors)
    users = said("rollout.users_met", n=met, version=rollout.spec.version, failed=failed)
    return tuple(filter(None, (users, cost(rollout))))


def came_home(rollout: Rollout, observed: Observation) -> Sentence:
    """Where an abort has brought the users; not always what it set out for (``retreat.canary_gone``)."""
    name = rollout.spec.target.primary_deployment
    if not rollout.spec.recorded.images:  # it went by annotations that do not say which image is the old one
        images = sorted(image.rpartition("/")[2] for image in observed.primary.images.values())
        if images:
            return said("rollout.home_with_images", primary=name, images=tuple(images))
        return said("rollout.home_with_some_image", primary=name)
    if observed.primary.template is not Template.UPGRADED:
        stopped = rollout.stopped
        lasted = stopped.home_at - stopped.at if stopped is not None and stopped.home_at is not None else 0.0
        if lasted < 1:
            return said("rollout.home", primary=spoken(old_version(rollout)))
        return said("rollout.home_after", primary=spoken(old_version(rollout)), lasted=Seconds(lasted))
    return said("rollout.home_upgraded", primary=name, version=rollout.spec.version)


# What people are asked


def question(rollout: Rollout) -> Sentence:
    """What people are asked now: to go on, or to go on in spite of what is doubted."""
    asked, version = rollout.question or Question(), rollout.spec.version
    match asked.kind:
        case QuestionKind.DOUBT if asked.gate == HARM:
            return said("rollout.ask_harm", name=spoken_sides(rollout)[1])
        case QuestionKind.DOUBT:
            return said("rollout.ask_doubt", name=spoken_sides(rollout)[rollout.primary_judged])
        case QuestionKind.TOO_LITTLE:
            return said("rollout.ask_too_little")
        case QuestionKind.UNKNOWN:
            return said("rollout.ask_unknown", version=version)
        case QuestionKind.WEBHOOK:
            return said("rollout.ask_webhook", name=asked.gate)
        case QuestionKind.PLAIN:
            return _would(rollout)


def next_would_be(rollout: Rollout) -> Text:
    """What going on means, where the question itself does not say it; else ""."""
    return said("rollout.next_would_be", stage=next_called(rollout)) if rollout.is_asked_in_doubt else ""


def _would(rollout: Rollout) -> Sentence:
    """What an approval of the current stage would do, as a question."""
    following = rollout.spec.plan[rollout.stage + 1]
    version, primary = rollout.spec.version, rollout.spec.target.primary_deployment
    match following.phase:
        case Phase.SHIFTING:
            return said("rollout.shift_to", share=share(following.routes.canary), version=version)
        case Phase.UPGRADING:
            return said("rollout.upgrade_to", primary=primary, version=rollout.spec.arrives)
        case Phase.SWITCHING_BACK if following.routes.primary:
            return said("rollout.return_to", share=share(following.routes.primary), primary=primary)
        case Phase.SWITCHING_BACK:  # relabelled pods are in the subset that has the users already: no share moves
            return said("rollout.join", primary=primary)
        case _:
            return said("rollout.go_on_after", stage=called(rollout.current))


def summary(rollout: Rollout, judgement: Judgement) -> Sentence:
    """The metric summary of a stage that was left: a sentence per gate. A timeout is no pass."""
    stage = called(rollout.current)
    findings = tuple(one.sentence for one in judgement.findings if not one.part)
    if judgement.verdict is not Verdict.PASS:
        return said("rollout.stage_left_in_doubt", stage=stage, findings=findings)
    return said("rollout.stage_done", stage=stage, findings=findings)


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
    return next((one.brief or one.sentence for one in judgement.findings if one.gate == gate), "")
