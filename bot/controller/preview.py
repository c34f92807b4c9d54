"""The plan that a person can read before a start: every stage, and the objects it would write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.controller.draft import Draft
from bot.controller.freezes import frozen_or_why_not
from bot.controller.last_checks import Checked, checks, rivals_if_known
from bot.controller.ports import Ports
from bot.model.errors import Refusal
from bot.model.rollout import Phase, Rollout, Stage
from bot.rollout.phrases import called, share
from bot.words.sentence import Seconds, Sentence, Share, Text, said, together


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        objects: what would be written, as raw objects, in order.
    """

    name: str
    called: Text
    sentence: Text
    objects: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a start would do, without doing it. ``reasons`` are why it would be refused now."""

    planned: Sequence[PlannedStage]
    reasons: Sequence[Text]
    warnings: Sequence[Text]

    @property
    def findings(self) -> tuple[Text, ...]:
        """All that preflight says: what stops a start, then what a person should know."""
        blocking = (said("controller.stops_a_start", reason=reason) for reason in self.reasons)
        return (*blocking, *(said("controller.warning", text=text) for text in self.warnings))

    @property
    def stages(self) -> Sequence[tuple[Text, Text]]:
        """What each stage is called, and what it does."""
        return [(stage.called, stage.sentence) for stage in self.planned]


def make_plan_of(draft: Draft, ports: Ports) -> Plan:
    """Every stage with the objects it would write.

    Raises:
        Refusal: the VirtualService is none that could be written; with everything else that was found.
    """
    rollout = draft.rollout
    checked = checks(draft, ports)
    frozen, unknown = frozen_or_why_not(rollout.spec.service, ports)
    against = [*frozen, *rivals_if_known(draft, ports)]
    checked = Checked(reasons=(*against, *checked.reasons), warnings=(*checked.warnings, *unknown))
    try:
        planned = [
            PlannedStage(
                name=stage.name,
                called=called(stage),
                sentence=_sentence(rollout, stage),
                objects=_objects(rollout, stage, ports),
            )
            for stage in rollout.spec.plan
        ]
    except Refusal as refusal:
        # Where the checks have a reason of their own it says the same, and what to do.
        against_it = checked if checked.reasons else replace(checked, reasons=(refusal.sentence, *refusal.reasons))
        sentence = said("controller.no_plan", service=rollout.spec.service, version=rollout.spec.version)
        raise Refusal(sentence, tuple(dict.fromkeys(against_it.findings))) from refusal
    return Plan(planned=planned, reasons=checked.reasons, warnings=checked.warnings)


def _objects(rollout: Rollout, stage: Stage, ports: Ports) -> Sequence[dict[str, Any]]:
    if stage.phase is Phase.UPGRADING:
        return [ports.workloads.preview(rollout.spec.target, rollout.spec.upgraded)]
    if stage.release:
        return [ports.mesh.preview_release(one, stage.routes) for one in rollout.spec.target.each]
    return [
        ports.mesh.preview(one, stage.routes, rollout.spec.id, rollout.spec.recorded)
        for one in rollout.spec.target.each
    ]


def _sentence(rollout: Rollout, stage: Stage) -> Text:
    does = _does(rollout, stage)
    return together([does, said("controller.then_people_approve")]) if stage.approval else does


def _does(rollout: Rollout, stage: Stage) -> Sentence:
    target, time = rollout.spec.target, Seconds(stage.seconds)
    if stage.phase is Phase.UPGRADING:
        images = tuple(rollout.spec.upgraded.images.values())
        if rollout.spec.by_git:
            return said("controller.plan_git", primary=target.primary_deployment, images=images)
        return said("controller.plan_upgrade", primary=target.primary_deployment, images=images)
    routes = said(
        "controller.routes",
        old=share(stage.routes.primary),
        primary=target.primary_place,
        new=share(stage.routes.canary),
        canary=target.canary_place,
    )
    if stage.release:
        return said("controller.plan_finish", routes=routes)
    if stage.routes.mirror:
        copied = Share(target.mirror_percent / 100)
        return said("controller.plan_mirror", routes=routes, share=copied, time=time)
    return said("controller.plan_step", routes=routes, time=time)
