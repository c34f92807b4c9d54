"""Which subset each Deployment's pods are in, and what that makes of the primary upgrade (the topology)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.cluster.mesh_setup import VERSION_LABEL
from bot.cluster.objects import (
    Labels,
    Object,
    called,
    full_host,
    labels_of,
    name_of,
    namespace_of,
    owners_of,
    pod_labels,
    pods_of,
    replicas,
    selector_of,
    service_name,
    within,
)
from bot.cluster.rule_lookup import is_wide
from bot.cluster.virtual_service.managed import title
from bot.model.images import is_ready
from bot.model.rollout import Topology
from bot.preflight.destination_rules import (
    about_another,
    by_caller,
    by_other_sidecars,
    effective,
    named_rule,
    subsets_of,
)
from bot.preflight.problems import INIT, Problem, blocks, canary_bot, init_remedy, kubectl, patch, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Sentence, said

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
    chosen = _chosen(subject, rule, subject.primary, subject.canary)
    for side, fitting in zip((subject.primary, subject.canary), chosen, strict=True):
        if len(fitting) != 1:
            found = tuple(str(one["name"]) for one in fitting)
            problems.append(
                blocks(
                    said("preflight.several_subsets", name=name_of(side), rule=name_of(rule), found=found)
                    if found
                    else said("preflight.no_subset", name=name_of(side), rule=name_of(rule)),
                    remedy=_subset_remedy(subject, rule, side),
                    about="" if found else INIT,
                )
            )
    if any(len(fitting) != 1 for fitting in chosen):
        return None, problems
    pair = Pair(rule=rule, primary=chosen[0][0], canary=chosen[1][0])
    blind = _blind(subject, rule, pair.primary, pair.canary)
    return pair, [*problems, *blind, *_indistinct(subject, pair), *_strangers(subject, pair), *_strays(subject, pair)]


def incomparable(pair: Pair) -> Iterator[Problem]:
    """What makes one side fail where the other would not: a pool or an outlier rule of its own, zones, sessions."""
    yield from _balanced(pair)
    ours, theirs = (one.get("trafficPolicy") or {} for one in (pair.primary, pair.canary))
    differing = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    if differing:
        yield warns(
            said(
                "preflight.policies_differ",
                primary=str(pair.primary["name"]),
                canary=str(pair.canary["name"]),
                rule=name_of(pair.rule),
                differing=tuple(differing),
            ),
            remedy=said("preflight.same_policy"),
        )


def _balanced(pair: Pair) -> Iterator[Problem]:
    """Load balancing that looks at more than weights, wherever in the rule it is said."""
    policies = [one.get("trafficPolicy") or {} for one in (pair.rule["spec"], pair.primary, pair.canary)]
    balancers = [one.get("loadBalancer") or {} for one in policies]
    name = name_of(pair.rule)
    if any(one.get("localityLbSetting") for one in balancers):
        yield warns(
            said("preflight.by_locality", name=name),
            remedy=said("preflight.spread_pods"),
        )
    if any(one.get("consistentHash") for one in balancers):
        yield warns(
            said("preflight.sticky", name=name),
            remedy=said("preflight.share_sessions"),
        )


def _strays(subject: Subject, pair: Pair) -> Iterator[Problem]:
    """Routes go by the labels that pods have, and somebody may have changed those by hand."""
    for side, subset in zip(subject.sides, (pair.primary, pair.canary), strict=True):
        for pod in pods_of(side, subject.snapshot.pods):
            if is_ready(pod) and owners_of(pod) and not within(subset.get("labels") or {}, labels_of(pod)):
                yield blocks(
                    said("preflight.stray", pod=name_of(pod), name=name_of(side), subset=str(subset["name"])),
                    remedy=said(
                        "preflight.delete_stray",
                        command=kubectl("delete", "pod", name_of(pod), namespace=subject.service.namespace),
                    ),
                )


def _rule(subject: Subject) -> tuple[Object | None, list[Problem]]:
    service, snapshot = subject.service, subject.snapshot
    host = service_name(service)
    rules = effective(subject)
    if not snapshot.is_read("DestinationRule"):
        return None, []
    if not rules:
        return None, _none_obeyed(subject)
    if len(rules) > 1:
        listed = tuple(called(rule, service.namespace) for rule in rules)
        sentence = said("preflight.several_rules", host=host, n=len(rules), rules=listed)
        return None, [blocks(sentence, remedy=said("preflight.merge_rules"))]
    rule = rules[0]
    if (namespace_of(rule, service.namespace), name_of(rule)) == service.rule_at:
        return rule, []
    obeyed = called(rule, service.namespace)
    problem = blocks(
        said("preflight.other_rule", host=host, rule=obeyed, named=service.destination_rule),
        remedy=said("preflight.write_keys", keys=(Code(f"destination_rule: {obeyed}"),), service=service.name),
    )
    return rule, [problem]


def _none_obeyed(subject: Subject) -> list[Problem]:
    """No caller obeys a rule with subsets: another goes first, the one that is named is not about the service, or none
    is there.
    """
    service, ours, astray = subject.service, named_rule(subject), about_another(subject)
    blind = [*_blind(subject, ours, *ours["spec"]["subsets"])] if ours is not None and subsets_of(ours) else []
    if any(one.blocking for one in blind):
        return blind
    host = service_name(service)
    if astray is not None:
        written = str(astray["spec"].get("host", ""))
        sentence = said("preflight.anothers_rule", rule=title(astray), written=Code(written), host=host)
        creates = canary_bot("init", service.name, "--apply")
        return [
            *blind,
            blocks(sentence, remedy=said("preflight.free_name", key=Code("destination_rule"), creates=creates)),
        ]
    return [*blind, blocks(said("preflight.no_rule", host=host), remedy=init_remedy(service.name), about=INIT)]


def _blind(subject: Subject, ours: Object, *subsets: Object) -> Iterator[Problem]:
    """Callers whose own namespace has a rule that goes first and lacks a subset: no proxy of theirs knows it (NC)."""
    for space, rule, lacking in _unknown(by_caller(subject), subsets):
        names = tuple(str(one["name"]) for one in lacking)
        yield blocks(
            said("preflight.blind_callers", space=space, rule=title(rule), subsets=names),
            remedy=_subsets_remedy(subject, rule, ours, lacking),
        )
    for space, rule, lacking in _unknown(by_other_sidecars(subject), subsets):
        names = tuple(str(one["name"]) for one in lacking)
        yield warns(
            said("preflight.blind_callers", space=space, rule=title(rule), subsets=names),
            remedy=_subsets_remedy(subject, rule, ours, lacking),
        )


def _unknown(
    callers: Mapping[str, Sequence[Object]], subsets: Sequence[Object]
) -> Iterator[tuple[str, Object, list[Object]]]:
    """Each namespace whose callers obey rules that lack some of these, with one of the rules."""
    for space, rules in callers.items():
        known = {name for rule in rules for name in subsets_of(rule)}
        lacking = [one for one in subsets if str(one["name"]) not in known]
        if rules and lacking:
            yield space, rules[0], lacking


def _subsets_remedy(subject: Subject, rule: Object, ours: Object, lacking: Sequence[Object]) -> Sentence:
    """How they get to know it: in the rule that they obey, or in one of the service's own beside a rule for many."""
    home = subject.service.namespace
    if is_wide(rule):
        host = Code(full_host(subject.service))
        return said("preflight.own_rule", host=host, like=called(ours, home), space=namespace_of(rule, home))
    added = ({"name": one["name"], "labels": one.get("labels") or {}} for one in lacking)
    changes = [{"op": "add", "path": "/spec/subsets", "value": [*(rule["spec"].get("subsets") or ()), *added]}]
    return said("preflight.add_subsets", command=patch(rule, changes, namespace_of(rule, home)))


def _chosen(subject: Subject, rule: Object, *sides: Object) -> list[list[Object]]:
    """What each side may be told by: subsets that have its pods and not the other's, and of several what routes name.

    A subset of every version's pods tells nothing, whoever is sent there (``as_written``).
    """
    fitting = [_subsets_of(rule, side) for side in sides]
    if name_of(sides[0]) == name_of(sides[1]):
        return fitting
    shared = {str(one["name"]) for one in fitting[0]} & {str(one["name"]) for one in fitting[1]}
    own = [[one for one in each if str(one["name"]) not in shared] or each for each in fitting]
    named = _named_in_routes(subject)
    meant = [[one for one in each if str(one["name"]) in named] for each in own]
    return [used if len(used) == 1 else each for used, each in zip(meant, own, strict=True)]


def _named_in_routes(subject: Subject) -> set[str]:
    """The subsets of the service that our routes name."""
    return {
        str(destination["subset"])
        for ours in subject.snapshot.ours
        for route in ours["spec"].get("http") or ()
        for entry in route.get("route") or ()
        if (destination := entry.get("destination") or {}).get("subset")
        and subject.is_at(destination.get("host"), namespace_of(ours, subject.service.namespace))
    }


def _subset_remedy(subject: Subject, rule: Object, side: Object) -> Sentence:
    """`init` writes a subset for a version by its label, unless the rule has one of that name already."""
    subsets = rule["spec"]["subsets"]
    if any(label in (one.get("labels") or {}) for one in subsets for label in _OTHERS_LABELS):
        return said("preflight.own_version_label", label=Code(VERSION_LABEL))
    version, fitting = pod_labels(side).get(VERSION_LABEL), _subsets_of(rule, side)
    if len({str(one.get("labels")) for one in fitting}) == 1 < len(fitting):
        names = tuple(str(one["name"]) for one in fitting)
        return said("preflight.one_name", field=Code("subset"), names=names)
    if version and not fitting and version not in {str(one["name"]) for one in subsets}:
        return init_remedy(subject.service.name)
    return said("preflight.own_subset")


def _subsets_of(rule: Object, deployment: Object) -> list[Object]:
    labels = pod_labels(deployment)
    return [one for one in rule["spec"]["subsets"] if within(one.get("labels") or {}, labels)]


def _unselected(subject: Subject) -> list[Problem]:
    if subject.snapshot.service is None:
        return []
    selector = _selector(subject)
    return [
        blocks(
            said("preflight.unselected", service=service_name(subject.service), name=name_of(side)),
            remedy=said("preflight.init_widens_selector", command=canary_bot("init", subject.service.name, "--apply")),
        )
        for side in subject.sides
        if not within(selector, pod_labels(side))
    ]


def _indistinct(subject: Subject, pair: Pair) -> Iterator[Problem]:
    primary, canary = subject.service.primary_deployment, subject.service.canary_name(subject.version)
    if pair.primary["name"] == pair.canary["name"]:
        yield blocks(
            said("preflight.one_subset", primary=primary, canary=canary, subset=str(pair.canary["name"]))
            if primary != canary
            else said("preflight.is_primary", name=primary),
            remedy=said("preflight.own_subset") if primary != canary else said("preflight.other_version"),
        )
    for label in _OTHERS_LABELS:
        if label in pair.moved:
            yield blocks(
                said(
                    "preflight.foreign_label",
                    primary=str(pair.primary["name"]),
                    canary=str(pair.canary["name"]),
                    label=label,
                ),
                remedy=said("preflight.own_version_label", label=Code("version")),
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
                    said(
                        "preflight.stranger",
                        name=name_of(other),
                        subset=str(subset["name"]),
                        rule=name_of(pair.rule),
                    ),
                    remedy=said(
                        "preflight.scale_stranger",
                        command=kubectl(
                            "scale",
                            f"deployment/{name_of(other)}",
                            "--replicas=0",
                            namespace=subject.service.namespace,
                        ),
                    ),
                )


def _selector(subject: Subject) -> Labels:
    return selector_of(subject.snapshot.service or {})
