"""Who else writes the objects we write. Another canary tool blocks; a GitOps tool warns, with the rule that lets it be.

Found by the owner's references, labels and annotations, and where those are silent by the field managers that wrote.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.gitops import keeper, remedy
from bot.cluster.objects import Object, annotations_of, name_of, owners_of, title
from bot.model.service import Promote
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import said

_RIVALS = {"Canary": "Flagger", "Rollout": "Argo Rollouts"}
_RIVAL_ANNOTATIONS = {
    "argo-rollouts.argoproj.io/managed-by-rollouts": "Argo Rollouts",
    "flagger.kubernetes.app/original-configuration": "Flagger",
}


def check(subject: Subject) -> Iterator[Problem]:
    """Every object that a rollout writes, and the canary, which nobody else may steer either."""
    virtual_service = subject.snapshot.virtual_service
    for thing in (*subject.sides, *([virtual_service] if virtual_service else [])):
        yield from _rivals(thing)
    yield from _drivers(subject)
    for thing in _written(subject):
        owner = keeper(thing)
        if owner:
            yield warns(
                said("preflight.kept_by", thing=title(thing), owner=owner),
                remedy=remedy(owner, subject.service.name, image=thing is subject.primary),
            )


def _rivals(thing: Object) -> Iterator[Problem]:
    """Controllers that move traffic or replicas themselves: two drivers at one wheel."""
    owners = {_RIVALS[one["kind"]]: str(one.get("name", "")) for one in owners_of(thing) if one.get("kind") in _RIVALS}
    annotations = {tool: mark for mark, tool in _RIVAL_ANNOTATIONS.items() if mark in annotations_of(thing)}
    for tool, evidence in (annotations | owners).items():
        yield blocks(
            said("preflight.belongs", thing=title(thing), tool=tool, sign=evidence),
            remedy=said("preflight.release_it", tool=tool),
        )


def _drivers(subject: Subject) -> Iterator[Problem]:
    """Orders of other canary tools that name our objects without having marked them, as a new one has not yet."""
    names = {name_of(side) for side in subject.sides}
    for driver in subject.snapshot.drivers:
        spec = driver.get("spec") or {}
        named = {str((spec.get(field) or {}).get("name", "")) for field in ("targetRef", "workloadRef")}
        istio = (((spec.get("strategy") or {}).get("canary") or {}).get("trafficRouting") or {}).get("istio") or {}
        listed = [istio.get("virtualService") or {}, *(istio.get("virtualServices") or ())]
        routes = {str(one.get("name", "")) for one in listed} & {subject.service.virtual_service}
        taken = sorted(f"Deployment {name}" for name in named & names) + [f"VirtualService {name}" for name in routes]
        tool = _RIVALS.get(str(driver.get("kind", "")), "")
        if tool and taken:
            yield blocks(
                said("preflight.steered", tool=tool, thing=title(driver), taken=tuple(taken)),
                remedy=said("preflight.release_or_delete", tool=tool, kind=str(driver["kind"])),
            )


def _written(subject: Subject) -> list[Object]:
    service = subject.service
    primary = subject.primary if service.promote is Promote.UPGRADE else None
    canary = subject.canary if service.scale_canary_down or service.scale_canary_up else None
    return [thing for thing in (subject.snapshot.virtual_service, primary, canary) if thing is not None]
