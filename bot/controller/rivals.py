"""Rollouts of other services that are about the same Deployments. Pure.

Two that patch one Deployment take each other's images back. ``services.yaml`` refuses two such services; a live rollout
of a service that has left the file, or has another name now, is found here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bot.model.errors import Cause, Fault
from bot.model.observation import Observation
from bot.model.rollout import Phase, Rollout
from bot.model.service import ServiceConfig
from bot.rollout.phrases import status_text
from bot.words.sentence import Sentence, TypedIn, said


def conflicts(rollout: Rollout, live: Iterable[Rollout], others: Iterable[ServiceConfig] = ()) -> Iterator[Sentence]:
    """Why the rollout may not begin, as sentences.

    Args:
        rollout: the one that would begin.
        live: every live rollout.
        others: the services of the file.
    """
    target = rollout.spec.target
    ours = {target.primary_deployment, target.canary_deployment}
    for other in live:
        shared = ours & {other.spec.target.primary_deployment, other.spec.target.canary_deployment}
        if other.key != rollout.key and other.spec.target.namespace == target.namespace and shared:
            yield said(
                "controller.deployment_in_use",
                service=other.spec.service,
                names=tuple(sorted(shared)),
                version=other.spec.version,
                where=status_text(other),
                command=TypedIn(f"status {other.spec.service}"),
            )
    for service in others:
        theirs = service.primary_deployment == target.canary_deployment and service.namespace == target.namespace
        if theirs and service.key != rollout.key:
            name = target.canary_deployment
            yield said("controller.primary_of_other", name=name, other=service.name, service=rollout.spec.service)


def promoted_since(rollout: Rollout, images: Mapping[str, str], others: Iterable[Rollout]) -> Rollout | None:
    """The rollout of another service that has given this one's primary the ``images`` it has now, if one has.

    Whatever ``rollout`` recorded when it began is older than that: it is not written over what another has promoted.
    """
    target = rollout.spec.target
    for other in others:
        same = (other.spec.target.namespace, other.spec.target.primary_deployment) == (
            target.namespace,
            target.primary_deployment,
        )
        gave = all(images.get(name) == image for name, image in other.spec.upgraded.images.items())
        if other.key != rollout.key and same and other.phase is Phase.PROMOTED and other.spec.upgraded.images and gave:
            return other
    return None


def refuse_taking_back(rollout: Rollout, observed: Observation, past: Iterable[Rollout]) -> None:
    """What another service has promoted on the same primary meanwhile is not taken back.

    ``past``, the rollouts of all other services, is only gone through where the primary has a template of nobody's.

    Raises:
        Fault: it has, so nothing may be written.
    """
    if observed.primary.template is not None:
        return
    other = promoted_since(rollout, observed.primary.images, past)
    if other is not None:
        name = rollout.spec.target.primary_deployment
        theirs, command = other.spec, TypedIn(f"abandon {rollout.spec.service}")
        why = said(
            "controller.promoted_since", name=name, other=theirs.service, version=theirs.version, command=command
        )
        raise Fault("Kubernetes", why, Cause.REFUSED)
