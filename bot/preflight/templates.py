"""How the two pod templates differ beyond the image, field by field.

Only the image is promoted, so whatever else differs makes the upgraded primary a combination that nobody has tested.
Lists whose items have a name are compared by name. Values of environment variables and arguments are never shown: they
may be secrets, and the sentence goes to a channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.objects import Object, images, name_of, pod_annotations, template_of
from bot.model.service import Promote
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Item, said

MOST_SHOWN = 8
_LONGEST = 40  # characters of a value
_KEYS = ("name", "mountPath", "containerPort", "devicePath", "ip", "key", "topologyKey")  # what tells items apart
_MESH = ("sidecar.istio.io/", "proxy.istio.io/", "traffic.sidecar.istio.io/", "inject.istio.io/")
_SAID_ELSEWHERE = {"containers", "initContainers", "serviceAccountName", "serviceAccount", "imagePullSecrets"}
_PROXIES = {"istio-proxy", "istio-init"}  # the mesh writes them, each in its own version
_PRIVATE = ("env", "envFrom", "args", "command")


def check(subject: Subject) -> Iterator[Problem]:
    """One warning with every difference; with ``promote: adopt`` the canary goes on as it was tested."""
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None or subject.service.promote is Promote.ADOPT:
        return
    found = [*differences(_comparable(primary), _comparable(canary))]
    if not found:
        return
    more = len(found) - MOST_SHOWN
    shown = (*found[:MOST_SHOWN], *([said("preflight.more_fields", n=more)] if more > 0 else []))
    yield warns(
        said("preflight.templates_differ", primary=name_of(primary), canary=name_of(canary), fields=shown),
        remedy=said("preflight.bring_together"),
    )


def left_as_they_are(subject: Subject, moved: Sequence[str]) -> Iterator[Problem]:
    """Other containers of the pod (init containers, sidecars of one's own) whose images change with the release."""
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None or not moved or subject.service.promote is Promote.ADOPT:
        return
    ours, theirs = images(primary), images(canary)
    differing = [name for name in ours if name in theirs and name not in moved and ours[name] != theirs[name]]
    differing = [name for name in differing if name not in _PROXIES]
    if differing:
        shown = tuple(f"{name}: {ours[name]} → {theirs[name]}" for name in differing)
        keys = Code(f"primary: {{containers: [{', '.join((*moved, *differing))}]}}")
        yield warns(
            said("preflight.other_images", primary=name_of(primary), canary=name_of(canary), containers=shown),
            remedy=said("preflight.promote_together", key=keys, service=subject.service.name),
        )


def _comparable(deployment: Object) -> dict[str, Any]:
    """The pod spec by container, with the annotations that change the proxy. Images and labels differ by design."""
    spec = template_of(deployment)["spec"]
    rest = {key: value for key, value in spec.items() if key not in _SAID_ELSEWHERE}
    containers = {
        one["name"]: {key: value for key, value in one.items() if key not in {"image", "name"}}
        for key in ("initContainers", "containers")
        for one in spec.get(key) or ()
    }
    annotations = {key: value for key, value in pod_annotations(deployment).items() if key.startswith(_MESH)}
    return {**containers, **rest, "annotations": annotations}


def differences(before: object, after: object, path: tuple[str, ...] = ()) -> Iterator[Item]:
    """Each field that differs, as ``reviews.resources.limits.memory: 256Mi → 512Mi``, in alphabetical order."""
    if before == after or (not before and not after):
        return
    one, two = _fields(before), _fields(after)
    absent = isinstance(after if before is None else before, Mapping) and (before is None or after is None)
    if one is None or two is None or absent:
        yield _shown(path, before, after)
        return
    for key in sorted({*one, *two}):
        yield from differences(one.get(key), two.get(key), (*path, key))


def _fields(value: object) -> Mapping[str, object] | None:
    """The parts of a value by name; None for a value without any. Nothing has no parts, and none that differ."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        key = next((key for key in _KEYS if all(isinstance(one, Mapping) and key in one for one in value)), None)
        return {str(one[key]): one for one in value} if key else None
    return None


def _shown(path: tuple[str, ...], before: object, after: object) -> Item:
    name = ".".join(path)
    if any(part in _PRIVATE for part in path):
        field = name.removesuffix(".value")
        if before is None:
            return said("preflight.only_on_canary", field=field)
        return (
            said("preflight.differs", field=field)
            if after is not None
            else said("preflight.only_on_primary", field=field)
        )
    return f"{name}: {_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
