"""Whether the primary can run the canary's image: where it comes from, and with whose credentials."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.objects import Object, images, name_of, template_of
from bot.model.images import repository
from bot.model.service import Promote
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject


def check(subject: Subject) -> Iterator[Problem]:
    """The canary's pods pulled it; the primary's may have neither its secret nor its account."""
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None or subject.service.promote is not Promote.UPGRADE:
        return
    other_place = [
        name
        for name, image in images(canary).items()
        if name in images(primary) and _registry(image) != _registry(images(primary)[name])
    ]
    if other_place:
        before, after = (_registry(images(side)[other_place[0]]) for side in (primary, canary))
        yield warns(
            f"{name_of(canary)} runs an image of {after}, and {name_of(primary)} one of {before}.",
            remedy=f"Nobody knows whether the nodes of {name_of(primary)} may pull from there: try it with a pod of "
            "its service account first.",
        )
    ours, theirs = _secrets(primary), _secrets(canary)
    lacking = sorted(theirs - ours)
    if lacking:
        yield warns(
            f"{name_of(canary)} pulls its image with the secret {', '.join(lacking)}, which {name_of(primary)} lacks.",
            remedy=f"Add `imagePullSecrets: [{', '.join(f'{{name: {name}}}' for name in lacking)}]` to its pod "
            "template before the start, or the upgrade ends in ImagePullBackOff.",
        )
    before, after = _account(primary), _account(canary)
    if before != after:
        yield warns(
            f"{name_of(canary)} runs as service account {after}, and {name_of(primary)} as {before}.",
            remedy="Pull secrets, and what other services allow by principal, go with the account: give both the same, "
            "or make sure that the primary's may do as much.",
        )


def _registry(image: str) -> str:
    """The registry and the path up to the image's own name."""
    return repository(image).rpartition("/")[0] or "Docker Hub"


def _secrets(deployment: Object) -> set[str]:
    return {str(one.get("name", "")) for one in template_of(deployment)["spec"].get("imagePullSecrets") or ()}


def _account(deployment: Object) -> str:
    return str(template_of(deployment)["spec"].get("serviceAccountName") or "default")
