"""Whether each side has the pods for the users it will get, reckoned from what serves them all now."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from bot.cluster.objects import Object, labels_of, name_of, owners_of, pod_labels, replicas, within
from bot.cluster.selectors import LabelSelector
from bot.preflight.problems import Problem, kubectl, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Item, Share, said

_EVERYONE = 100
_SCALED_OBJECT = "scaledobject.keda.sh/name"
_LONGEST = 160  # characters of a controller's message


def check(subject: Subject) -> Iterator[Problem]:
    """The canary for the mirror and every weight; the primary for the way back."""
    primary, canary = subject.primary, subject.canary
    pods = parked(subject)
    if pods and canary is not None:
        yield warns(
            said("preflight.parked", name=name_of(canary), n=pods),
            remedy=said("preflight.pin_by_digest"),
        )
    if primary is None or canary is None or not replicas(primary) or not replicas(canary):
        return  # told elsewhere
    yield from _canary(subject, primary, canary)
    yield from _primary(subject, primary, canary)
    yield from _blind(subject, primary, canary)


def least(subject: Subject, deployment: Object) -> int:
    """The least pods that its HPA keeps of a Deployment; 0 when it has none."""
    scaler = _autoscaler(subject, deployment)
    return 0 if scaler is None else int((scaler.get("spec") or {}).get("minReplicas", 1))


def parked(subject: Subject) -> int:
    """How many pods the bot gives a canary that has none: what its largest share needs, as far as its HPA lets it.

    0: it has some, or the service leaves that to people.
    """
    primary, canary = subject.primary, subject.canary
    if not subject.service.scale_canary_up or primary is None or canary is None or replicas(canary):
        return 0
    most = max((pods for _, pods in _needed(subject, replicas(primary))), default=1)
    scaler = _autoscaler(subject, canary)
    return max(1, most if scaler is None else max(least(subject, canary), min(most, _most(scaler))))


def _canary(subject: Subject, primary: Object, canary: Object) -> Iterator[Problem]:
    """Pods for a share: as many as the primary has, times the share, rounded up."""
    have, now = replicas(canary), replicas(primary)
    short = [(what, pods) for what, pods in _needed(subject, now) if pods > have]
    if not short:
        return
    scaler = _autoscaler(subject, canary)
    most = max(pods for _, pods in short)
    if scaler is not None and _most(scaler) >= most:
        grows = said("preflight.grows_late", most=_most(scaler))
    elif scaler is not None:
        grows = said("preflight.stops_growing", most=_most(scaler))
    else:
        grows = said("preflight.nothing_scales")
    needs = tuple(said("preflight.pods_for", n=pods, what=what) for what, pods in short)
    if scaler is not None:  # which would undo a number that somebody sets by hand
        remedy = said("preflight.raise_minimum", scaler=name_of(scaler), most=most)
    else:
        command = kubectl(
            "scale", f"deployment/{name_of(canary)}", f"--replicas={most}", namespace=subject.service.namespace
        )
        remedy = said("preflight.scale_first", command=command)
    yield warns(
        said(
            "preflight.too_few_pods",
            name=name_of(canary),
            n=have,
            primary=name_of(primary),
            now=now,
            needs=needs,
            grows=grows,
        ),
        remedy=remedy,
    )


def _needed(subject: Subject, now: int) -> Iterator[tuple[Item, int]]:
    service = subject.service
    if service.mirror_methods is None:  # only then is it known how many requests are copied
        yield (
            said("preflight.for_mirror", share=Share(service.mirror_percent / _EVERYONE)),
            ceil(now * service.mirror_percent / _EVERYONE),
        )
    for weight in service.weights:
        yield Share(weight / _EVERYONE), ceil(now * weight / _EVERYONE)


def _primary(subject: Subject, primary: Object, canary: Object) -> Iterator[Problem]:
    """Without users an HPA shrinks the primary; then all of them come back at once."""
    scaler = _autoscaler(subject, primary)
    if scaler is None:
        return
    fewest, now, scaled = least(subject, primary), replicas(primary), _scaled_object(scaler)
    if subject.service.upgrades and scaled and fewest <= 1:
        yield warns(
            said("preflight.may_scale_to_none", scaler=scaled, name=name_of(primary)),
            remedy=said("preflight.keep_scaled", field=Code("minReplicaCount"), scaler=scaled, now=now),
        )
    elif subject.service.upgrades and fewest < now:
        yield warns(
            said("preflight.may_shrink", scaler=name_of(scaler), name=name_of(primary), now=now, n=fewest),
            remedy=said("preflight.keep_scaled", field=Code("minReplicaCount"), scaler=scaled, now=now)
            if scaled
            else said("preflight.keep_minimum", field="minReplicas", now=now, steps=Code("switchback")),
        )
    if LabelSelector.of(primary["spec"]["selector"]).matches(pod_labels(canary)):
        yield warns(
            said("preflight.counts_both", scaler=name_of(scaler), name=name_of(primary)),
            remedy=said("preflight.own_label"),
        )


def _blind(subject: Subject, *deployments: Object) -> Iterator[Problem]:
    """HPAs that say themselves that they do not scale, and why: of two with one reason it is said once."""
    blind = {name_of(one): (scaler, why) for one in deployments for scaler, why in _unable(subject, one)}
    if len(blind) > 1 and len({why for _, why in blind.values()}) == 1:
        (scaler, why), (other, _) = blind.values()
        primary, canary = blind
        scalers = (name_of(scaler), name_of(other))
        yield warns(
            said("preflight.neither_scales", scalers=scalers, primary=primary, canary=canary, why=why),
            remedy=said("preflight.see_scalers", command=_described(subject, *scalers)),
        )
        return
    for one in deployments:
        if (found := blind.get(name_of(one))) is not None:
            scaler, why = found
            yield warns(
                said("preflight.does_not_scale", scaler=name_of(scaler), name=name_of(one), why=why),
                remedy=said(
                    "preflight.see_scaler",
                    command=_described(subject, name_of(scaler)),
                    name=name_of(one),
                    n=replicas(one),
                ),
            )


def _unable(subject: Subject, deployment: Object) -> Iterator[tuple[Object, str]]:
    """Its HPA with why it does not scale; nothing where it does, or there is none."""
    scaler = _autoscaler(subject, deployment)
    conditions = ((scaler or {}).get("status") or {}).get("conditions") or ()
    broken = [
        one
        for one in conditions
        if one.get("type") in {"AbleToScale", "ScalingActive"} and one.get("status") == "False"
    ]
    if scaler is not None and broken:
        yield scaler, str(broken[0].get("message") or broken[0].get("reason") or "?")[:_LONGEST].rstrip(".")


def _described(subject: Subject, *scalers: str) -> Code:
    return kubectl("describe", "hpa", *scalers, namespace=subject.service.namespace)


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


def _scaled_object(autoscaler: Object) -> str:
    """The name of KEDA's ScaledObject that made the HPA; "" where it is somebody else's.

    KEDA writes ``minReplicas: 1`` into the HPA of one with ``minReplicaCount: 0``, its default, and scales to none by
    itself (``getHPAMinReplicas``).
    """
    owners = (one for one in owners_of(autoscaler) if one.get("kind") == "ScaledObject")
    return labels_of(autoscaler).get(_SCALED_OBJECT) or next((str(one.get("name", "")) for one in owners), "")


def _most(autoscaler: Object) -> int:
    return int((autoscaler.get("spec") or {}).get("maxReplicas", 1))
