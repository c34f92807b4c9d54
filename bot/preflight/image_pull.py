"""Whether the primary can run the canary's image: where it comes from, and with whose credentials."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.objects import Object, images, name_of, template_of
from bot.model.images import repository
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, said


def check(subject: Subject) -> Iterator[Problem]:
    """The canary's pods pulled it; the primary's may have neither its secret nor its account."""
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None or not subject.service.upgrades:
        return
    other_place = [
        name
        for name, image in images(canary).items()
        if name in images(primary) and _registry(image) != _registry(images(primary)[name])
    ]
    if other_place:
        before, after = (_registry(images(side)[other_place[0]]) for side in (primary, canary))
        yield warns(
            said(
                "preflight.other_registry", canary=name_of(canary), after=after, primary=name_of(primary), before=before
            ),
            remedy=said("preflight.try_pull", primary=name_of(primary)),
        )
    ours, theirs = _secrets(primary), _secrets(canary)
    lacking = sorted(theirs - ours)
    if lacking:
        yield warns(
            said("preflight.pull_secret", canary=name_of(canary), secrets=tuple(lacking), primary=name_of(primary)),
            remedy=said(
                "preflight.add_secret",
                fields=Code(f"imagePullSecrets: [{', '.join(f'{{name: {name}}}' for name in lacking)}]"),
            ),
        )
    before, after = _account(primary), _account(canary)
    if before != after:
        yield warns(
            said(
                "preflight.other_account", canary=name_of(canary), after=after, primary=name_of(primary), before=before
            ),
            remedy=said("preflight.same_account", field=Code(f"serviceAccountName: {after}")),
        )


def _registry(image: str) -> str:
    """The registry and the path up to the image's own name."""
    return repository(image).rpartition("/")[0] or "Docker Hub"


def _secrets(deployment: Object) -> set[str]:
    return {str(one.get("name", "")) for one in template_of(deployment)["spec"].get("imagePullSecrets") or ()}


def _account(deployment: Object) -> str:
    return str(template_of(deployment)["spec"].get("serviceAccountName") or "default")
