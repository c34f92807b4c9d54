"""Which subset each Deployment's pods are in, and what that makes of the primary upgrade (the topology)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.cluster.objects import (
    Labels,
    Object,
    host_names,
    labels_of,
    name_of,
    pod_labels,
    pods_of,
    replicas,
    service_name,
    within,
)
from bot.model.images import is_ready
from bot.model.rollout import Topology
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject

_OTHERS_LABELS = ("pod-template-hash", "rollouts-pod-template-hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The DestinationRule and its two subsets, as raw objects."""

    rule: Object
    primary: Object
    canary: Object

    @property
    def moved(self) -> dict[str, str]:
        """The labels that tell the canary's subset from the primary's, with the canary's values."""
        ours = self.primary.get("labels") or {}
        theirs = self.canary.get("labels") or {}
        return {key: str(value) for key, value in theirs.items() if ours.get(key) != value}


def topology(primary: Object, moved: Labels) -> Topology:
    """Per-version when a label that tells the subsets apart is in the primary's immutable selector."""
    selector = primary["spec"]["selector"]
    locked = set(selector.get("matchLabels") or {}) | {one["key"] for one in selector.get("matchExpressions") or ()}
    return Topology.PER_VERSION if locked & set(moved) else Topology.RELABEL


def find(subject: Subject) -> tuple[Pair | None, list[Problem]]:
    """The pair, or every reason why there is none."""
    rule, problems = _rule(subject)
    if rule is None or subject.primary is None or subject.canary is None:
        return None, problems
    problems += _unselected(subject)
    chosen = [_subsets_of(rule, side) for side in (subject.primary, subject.canary)]
    for side, fitting in zip((subject.primary, subject.canary), chosen, strict=True):
        if len(fitting) != 1:
            found = ", ".join(str(one["name"]) for one in fitting) or "none"
            problems.append(
                blocks(
                    f"The pods of {name_of(side)} must be in exactly one subset of {name_of(rule)}, found {found}.",
                    remedy="Give each version a subset of its own, by a label that only its pods carry.",
                )
            )
    if any(len(fitting) != 1 for fitting in chosen):
        return None, problems
    pair = Pair(rule=rule, primary=chosen[0][0], canary=chosen[1][0])
    return pair, [*problems, *_indistinct(subject, pair), *_strangers(subject, pair), *_strays(subject, pair)]


def incomparable(pair: Pair) -> Iterator[Problem]:
    """What makes one side fail where the other would not: a pool or an outlier rule of its own, zones, sessions."""
    yield from _balanced(pair)
    ours, theirs = (one.get("trafficPolicy") or {} for one in (pair.primary, pair.canary))
    differing = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    if differing:
        names = f"{pair.primary['name']} and {pair.canary['name']} of {name_of(pair.rule)}"
        yield warns(
            f"The subsets {names} have different trafficPolicy ({', '.join(differing)}).",
            remedy="Their figures are not comparable: give both the same, or put it on the whole DestinationRule.",
        )


def _balanced(pair: Pair) -> Iterator[Problem]:
    """Load balancing that looks at more than weights, wherever in the rule it is said."""
    policies = [one.get("trafficPolicy") or {} for one in (pair.rule["spec"], pair.primary, pair.canary)]
    balancers = [one.get("loadBalancer") or {} for one in policies]
    name = name_of(pair.rule)
    if any(one.get("localityLbSetting") for one in balancers):
        yield warns(
            f"{name} balances by locality (localityLbSetting).",
            remedy="A zone with a single pod of the canary sends it all of the zone's share: spread its pods over the "
            "zones as the primary's are, or leave the setting out for the rollout.",
        )
    if any(one.get("consistentHash") for one in balancers):
        yield warns(
            f"{name} keeps sessions together (consistentHash), which holds within one subset only.",
            remedy="Users change between the versions from request to request: make sure that both share sessions.",
        )


def _strays(subject: Subject, pair: Pair) -> Iterator[Problem]:
    """Routes go by the labels that pods have, and somebody may have changed those by hand."""
    for side, subset in zip(subject.sides, (pair.primary, pair.canary), strict=True):
        for pod in pods_of(side, subject.snapshot.pods):
            if (
                is_ready(pod)
                and pod["metadata"].get("ownerReferences")
                and not within(subset.get("labels") or {}, labels_of(pod))
            ):
                yield blocks(
                    f"Pod {name_of(pod)} of {name_of(side)} is not in the subset {subset['name']}: its labels are not "
                    "its template's.",
                    remedy=f"`kubectl delete pod {name_of(pod)}`; another is born with the right ones.",
                )


def _rule(subject: Subject) -> tuple[Object | None, list[Problem]]:
    service, snapshot = subject.service, subject.snapshot
    host = service_name(service)
    names = host_names(service)
    rules = [
        one for one in snapshot.destination_rules if one["spec"].get("host") in names and one["spec"].get("subsets")
    ]
    if not snapshot.is_read("DestinationRule"):
        return None, []
    if len(rules) != 1:
        listed = ", ".join(name_of(rule) for rule in rules)
        found = f"{len(rules)} ({listed})" if rules else "none"
        problem = blocks(
            f"Exactly one DestinationRule with subsets is needed for {host}, found {found}.",
            remedy=f"`canary-bot init {service.name}` writes one; merge several into one.",
        )
        return None, [problem]
    rule = rules[0]
    if name_of(rule) == service.destination_rule:
        return rule, []
    problem = blocks(
        f"The DestinationRule for {host} is {name_of(rule)}, and services.yaml names {service.destination_rule}.",
        remedy=f"Write `destination_rule: {name_of(rule)}` for {service.name} in services.yaml.",
    )
    return rule, [problem]


def _subsets_of(rule: Object, deployment: Object) -> list[Object]:
    labels = pod_labels(deployment)
    return [one for one in rule["spec"]["subsets"] if within(one.get("labels") or {}, labels)]


def _unselected(subject: Subject) -> list[Problem]:
    if subject.snapshot.service is None:
        return []
    selector = _selector(subject)
    return [
        blocks(
            f"The Service {service_name(subject.service)} does not select the pods of {name_of(side)}.",
            remedy="Take the label that tells the versions apart out of the Service's selector.",
        )
        for side in subject.sides
        if not within(selector, pod_labels(side))
    ]


def _indistinct(subject: Subject, pair: Pair) -> Iterator[Problem]:
    primary, canary = subject.service.primary_deployment, subject.service.canary_name(subject.version)
    if pair.primary["name"] == pair.canary["name"]:
        yield blocks(
            f"{primary} and {canary} are both in the subset {pair.canary['name']}: no route can tell them apart.",
            remedy="Give each version a subset of its own, by a label that only its pods carry.",
        )
    for label in _OTHERS_LABELS:
        if label in pair.moved:
            yield blocks(
                f"The subsets {pair.primary['name']} and {pair.canary['name']} differ in {label}, "
                "which another controller owns.",
                remedy="Tell the versions apart by a label of your own, such as `version`.",
            )


def _strangers(subject: Subject, pair: Pair) -> Iterator[Problem]:
    """A third Deployment whose pods join one of the two subsets would get users nobody planned for."""
    ours = {name_of(side) for side in subject.sides}
    selector = _selector(subject)
    for other in subject.snapshot.deployments:
        if name_of(other) in ours or not within(selector, pod_labels(other)) or replicas(other) == 0:
            continue
        for subset in (pair.primary, pair.canary):
            if within(subset.get("labels") or {}, pod_labels(other)):
                yield blocks(
                    f"The pods of {name_of(other)} are in the subset {subset['name']} of {name_of(pair.rule)} too.",
                    remedy="It would get users that nobody planned. An earlier release's canary has served its time: "
                    f"`kubectl -n {subject.service.namespace} scale deployment/{name_of(other)} "
                    "--replicas=0`. Anything else: relabel it.",
                )


def _selector(subject: Subject) -> Labels:
    return (subject.snapshot.service or {}).get("spec", {}).get("selector") or {}
