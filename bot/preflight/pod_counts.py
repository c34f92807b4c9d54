"""Whether each side has the pods for the users it will get, reckoned from what serves them all now."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from bot.cluster.objects import Object, name_of, pod_labels, replicas, within
from bot.model.service import Promote
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject

_EVERYONE = 100
_LONGEST = 160  # characters of a controller's message


def check(subject: Subject) -> Iterator[Problem]:
    """The canary for the mirror and every weight; the primary for the way back."""
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None or not replicas(primary) or not replicas(canary):
        return  # told elsewhere
    yield from _canary(subject, primary, canary)
    yield from _primary(subject, primary, canary)
    for side in (primary, canary):
        yield from _blind(subject, side)


def least(subject: Subject, deployment: Object) -> int:
    """The least pods that its HPA keeps of a Deployment; 0 when it has none."""
    scaler = _autoscaler(subject, deployment)
    return 0 if scaler is None else int((scaler.get("spec") or {}).get("minReplicas", 1))


def _canary(subject: Subject, primary: Object, canary: Object) -> Iterator[Problem]:
    """Pods for a share: as many as the primary has, times the share, rounded up."""
    have, now = replicas(canary), replicas(primary)
    short = [(what, pods) for what, pods in _needed(subject, now) if pods > have]
    if not short:
        return
    scaler = _autoscaler(subject, canary)
    most = max(pods for _, pods in short)
    if scaler is not None and _most(scaler) >= most:
        grows = f"its HPA may grow it to {_most(scaler)}, but only after the users have come"
    elif scaler is not None:
        grows = f"its HPA stops at {_most(scaler)}"
    else:
        grows = "nothing scales it"
    needs = ", ".join(f"{pods} for {what}" for what, pods in short)
    if scaler is not None:  # which would undo a number that somebody sets by hand
        first = f"Let HPA {name_of(scaler)} keep at least {most} (minReplicas, and maxReplicas where it is less)"
    else:
        first = f"`kubectl scale deployment/{name_of(canary)} --replicas={most}`"
    yield warns(
        f"{name_of(canary)} has {_pods(have)} where {name_of(primary)} serves everyone with {now}: "
        f"it would need {needs}; {grows}.",
        remedy=f"{first} before the start, or choose smaller weights.",
    )


def _needed(subject: Subject, now: int) -> Iterator[tuple[str, int]]:
    service = subject.service
    if service.mirror_methods is None:  # only then is it known how many requests are copied
        yield f"the mirror ({service.mirror_percent:g} %)", ceil(now * service.mirror_percent / _EVERYONE)
    for weight in service.weights:
        yield f"{weight} %", ceil(now * weight / _EVERYONE)


def _primary(subject: Subject, primary: Object, canary: Object) -> Iterator[Problem]:
    """Without users an HPA shrinks the primary; then all of them come back at once."""
    scaler = _autoscaler(subject, primary)
    if scaler is None:
        return
    least, now = int((scaler.get("spec") or {}).get("minReplicas", 1)), replicas(primary)
    if least < now and subject.service.promote is Promote.UPGRADE:
        yield warns(
            f"HPA {name_of(scaler)} may shrink {name_of(primary)} from {now} to {_pods(least)} "
            "while its users are on the canary.",
            remedy=f"Set its minReplicas to {now} until the rollout has ended, or make the `switchback` steps smaller.",
        )
    selector = primary["spec"]["selector"].get("matchLabels") or {}
    if within(selector, pod_labels(canary)):
        yield warns(
            f"HPA {name_of(scaler)} counts the canary's pods as {name_of(primary)}'s: the selector fits both.",
            remedy="Its averages are wrong while both run: give the primary's selector a label of its own.",
        )


def _blind(subject: Subject, deployment: Object) -> Iterator[Problem]:
    """An HPA that says itself that it does not scale, and why."""
    scaler = _autoscaler(subject, deployment)
    conditions = ((scaler or {}).get("status") or {}).get("conditions") or ()
    broken = [
        one
        for one in conditions
        if one.get("type") in {"AbleToScale", "ScalingActive"} and one.get("status") == "False"
    ]
    if scaler is not None and broken:
        said = str(broken[0].get("message") or broken[0].get("reason") or "no reason given")[:_LONGEST].rstrip(".")
        yield warns(
            f"HPA {name_of(scaler)} does not scale {name_of(deployment)}: {said}.",
            remedy=f"`kubectl describe hpa {name_of(scaler)}`; until it does, {name_of(deployment)} keeps its "
            f"{_pods(replicas(deployment))} whatever the traffic.",
        )


def _autoscaler(subject: Subject, deployment: Object) -> Object | None:
    wanted = {"kind": "Deployment", "name": name_of(deployment)}
    return next(
        (
            one
            for one in subject.snapshot.autoscalers
            if within(wanted, (one.get("spec") or {}).get("scaleTargetRef") or {})
        ),
        None,
    )


def _most(autoscaler: Object) -> int:
    return int((autoscaler.get("spec") or {}).get("maxReplicas", 1))


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"
