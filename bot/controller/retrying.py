"""Beginning an aborted rollout again where it stopped: what speaks against it, and the draft that it is.

Only what passed for these very images may be left out: the canary's digest and the primary's image are compared with
those of the aborted rollout. Everything else is a start like any other, with its preflight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.controller.draft import Draft
from bot.model.errors import Refusal
from bot.model.images import digest
from bot.model.rollout import Phase, Rollout, Stage
from bot.rollout import again
from bot.rollout.phrases import status_text
from bot.words.sentence import Code, Seconds, Text, TypedIn, said

FRESH = 24 * 3600.0  # seconds after its end for which what passed in a rollout counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where an aborted rollout is taken up."""

    aborted: Rollout
    stage: Stage


def point(service: str, last: Rollout | None, stage: str, now: float) -> Point:
    """Where the service's last rollout is taken up.

    Args:
        service: its name.
        last: its newest rollout; None: it has had none.
        stage: the name of a stage as it was typed; "": where it stopped.
        now: seconds since the epoch.

    Raises:
        Refusal: it cannot be, or not there; with what to do.
    """
    start = TypedIn(f"start {service}" if last is None else f"start {service} {last.spec.version}")
    if last is None:
        raise Refusal(said("controller.retry_nothing", service=service, command=start))
    version = last.spec.version
    if last.phase is not Phase.ABORTED or last.spec.back_to:
        raise Refusal(said("controller.retry_not_aborted", service=service, how=_how(last), command=start))
    if now - (last.ended_at or 0.0) > FRESH:
        limit = Seconds(FRESH)
        raise Refusal(said("controller.retry_too_old", service=service, version=version, limit=limit, command=start))
    choices = again.choices(last)
    if not choices:
        raise Refusal(said("controller.retry_none_passed", service=service, version=version, command=start))
    chosen = next((one for one in choices if one.name == stage), None) if stage else choices[-1]
    if chosen is None:
        commands = tuple(commands_of(service, choices))
        raise Refusal(
            said("controller.retry_elsewhere", stage=Code(stage), service=service, version=version, commands=commands)
        )
    return Point(aborted=last, stage=chosen)


def _how(last: Rollout) -> Text:
    return said("controller.retry_rollback", version=last.spec.back_to) if last.spec.back_to else status_text(last)


def commands_of(service: str, choices: tuple[Stage, ...]) -> Iterator[TypedIn]:
    """Each choice as a command to paste."""
    return (TypedIn(f"retry {service} --from-stage {again.typed(stage)}") for stage in choices)


def cut(draft: Draft, where: Point) -> Draft:
    """The draft without the stages that passed in the aborted rollout.

    Raises:
        Refusal: its images are not those that passed.
    """
    spec = draft.rollout.spec
    changed = tuple(_other_images(where.aborted, draft.rollout))
    if changed:
        command = TypedIn(f"start {spec.service} {spec.version}")
        sentence = said("controller.retry_other", service=spec.service, version=spec.version, command=command)
        raise Refusal(sentence, changed)
    plan = again.plan_from(spec.plan, where.stage.name, spec.approvals_rule)
    taken_up = again.taken_up(where.aborted, where.stage)
    return replace(draft, rollout=replace(draft.rollout, spec=replace(spec, plan=plan, again=taken_up)))


def _other_images(aborted: Rollout, draft: Rollout) -> Iterator[Text]:
    before, now = aborted.spec, draft.spec
    target = now.target
    if dict(before.upgraded.images) != dict(now.upgraded.images):
        yield said("controller.retry_other_image", name=target.canary_deployment)
    elif not all(digest(image) for image in now.upgraded.images.values()):
        yield said("controller.retry_no_digest", name=target.canary_deployment)
    if dict(before.recorded.images) != dict(now.recorded.images):
        yield said("controller.retry_other_image", name=target.primary_deployment)
