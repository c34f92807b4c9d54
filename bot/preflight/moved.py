"""Users who are all on another Deployment than services.yaml calls the primary: an earlier release has left them there.

``promote: adopt`` and `accept` end with everybody on the canary. From then on it is the primary, whatever the file
says; nobody should be told to send users back to the old version because of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.cluster.objects import (
    Object,
    annotations_of,
    means,
    name_of,
    namespace_of,
    pod_labels,
    replicas,
    selector_of,
    within,
)
from bot.model.rollout import ALL_CANARY, Phase, Rollout, Template
from bot.preflight.destination_rules import effective, known_subsets, named_rule
from bot.preflight.problems import Problem, blocks
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Sentence, said, together

MOVED = "moved"  # what the problem is about: no other sentence then says where users ought to be


def left_on_canary(rollout: Rollout) -> bool:
    """Whether the rollout ended with all users on the Deployment that was its canary, and with no upgraded primary."""
    last = rollout.current
    return rollout.phase is Phase.PROMOTED and last.routes == ALL_CANARY and last.template is Template.RECORDED


def check(subject: Subject, before: Rollout | None = None) -> Iterator[Problem]:
    """``before`` is the service's last rollout, where that one left users on its canary; None: not known."""
    subset = everyone_at(subject)
    if subset is None:
        return
    deployments = [name_of(one) for one in in_subset(subject, subset)]
    if len(deployments) == 1:
        yield explain(subject, subset, deployments[0], before)
        return
    if not deployments and subject.primary is None:
        return  # whose pods have the users is not known, and that the primary is missing is told
    primary = subject.service.primary_deployment
    yield blocks(
        said("preflight.all_elsewhere", place=_called(subject, subset), primary=primary),
        remedy=said(
            "preflight.name_primary",
            key=Code("primary: {deployment: NAME}"),
            service=subject.service.name,
            primary=primary,
        ),
        about=MOVED,
    )


def _called(subject: Subject, part: str) -> Sentence:
    return said("preflight.service_called" if subject.apart else "preflight.subset_called", name=part)


def explain(subject: Subject, part: str, deployment: str, before: Rollout | None = None) -> Problem:
    """What has become of the primary, and the keys of services.yaml that say so.

    ``part`` is the subset, or the Service, that has all users.
    """
    service, called = subject.service, _called(subject, part)
    old = service.primary_deployment
    known = before is not None and before.spec.target.canary_deployment == deployment
    if before is not None and known:
        sentence = said(
            "preflight.was_adopted",
            version=before.spec.version,
            rollout=before.spec.id,
            name=deployment,
            place=called,
            old=old,
        )
    else:
        sentence = said("preflight.all_on_another", name=deployment, place=called, old=old)
    container = containers_key(service.containers)
    host, old_host = (f", host: {name}" if subject.apart else "" for name in (part, service.primary_host))
    keys = [Code(f"primary: {{deployment: {deployment}{container}{host}}}")]
    if service.canary_deployment == deployment:  # a fixed name: the two have changed places
        keys.append(Code(f"canary: {{deployment: {old}{old_host}}}"))
    remedy = said("preflight.write_keys", keys=tuple(keys), service=service.name)
    other_remedy = "" if known else said("preflight.if_not_meant", old=old, name=service.routes_names)
    return blocks(sentence, remedy=together((remedy, other_remedy)), about=MOVED)


def containers_key(names: Sequence[str]) -> str:
    """The same containers as before, for the key of the new primary."""
    if len(names) > 1:
        return f", containers: [{', '.join(names)}]"
    return f", container: {names[0]}" if names else ""


def everyone_at(subject: Subject) -> str | None:
    """The one subset that has all users of our routes and is not the primary's; None also while a rollout is on."""
    ours = subject.snapshot.virtual_service
    if ours is None or annotations_of(ours).get("canary-bot/rollout"):
        return None
    at_home = {str(one["name"]) for one in _subsets(subject) if _is_primarys(one, subject)}
    users: set[str | None] = set()
    for route in _routes(subject, ours, at_home):
        users |= {_subset(entry, subject, ours) for entry in route["route"] if _has_users(entry, route)}
    subset = users.pop() if len(users) == 1 else None
    unknown = not subject.apart and subset not in known_subsets(subject)  # whoever is sent there is nowhere
    return None if unknown or subset in at_home else subset


def _routes(subject: Subject, ours: Object, at_home: set[str]) -> list[Object]:
    """Those of services.yaml, those that name the primary's subset, or else all that name any of the Service's."""
    named = subject.service.routes
    http = [one for one in ours["spec"].get("http") or () if one.get("route")]
    if named:
        return [one for one in http if one.get("name") in named]
    routed = [(one, {_subset(entry, subject, ours) for entry in one["route"]}) for one in http]
    return [one for one, there in routed if there & at_home] or [one for one, there in routed if there - {None}]


def _subset(entry: Object, subject: Subject, ours: Object) -> str | None:
    """The subset of the Service that an entry sends users to; None: some other place."""
    destination = entry.get("destination") or {}
    home = namespace_of(ours, subject.service.namespace)
    if subject.apart:
        host = destination.get("host")
        return next((one["name"] for one in _subsets(subject) if _is_service(subject, one["name"], host, home)), None)
    subset = destination.get("subset")
    return str(subset) if subset and means(destination.get("host"), home, subject.service) else None


def _is_service(subject: Subject, service: str, host: object, home: str) -> bool:
    return means(host, home, replace(subject.service, primary_host=service))


def _has_users(entry: Object, route: Object) -> bool:
    return bool(entry.get("weight")) or len(route["route"]) == 1


def _subsets(subject: Subject) -> list[Object]:
    """What tells versions apart, each with its labels: subsets of the Service, or Services of their own."""
    if subject.apart:
        return [
            {"name": name_of(one), "labels": labels}
            for one in subject.snapshot.services
            if (labels := selector_of(one))
        ]
    named = named_rule(subject)  # whoever obeys it: that nobody does is told by another
    rules = effective(subject) or [one for one in (named,) if one is not None]
    return [subset for rule in rules for subset in rule["spec"].get("subsets") or ()]


def _is_primarys(subset: Object, subject: Subject) -> bool:
    primary = subject.primary
    return primary is not None and within(subset.get("labels") or {}, pod_labels(primary))


def in_subset(subject: Subject, name: str) -> list[Object]:
    """Deployments that have pods there."""
    selector = {} if subject.apart else selector_of(subject.snapshot.service or {})
    labels = [one.get("labels") or {} for one in _subsets(subject) if one["name"] == name]
    return [
        one
        for one in subject.snapshot.deployments
        if replicas(one) and within(selector, pod_labels(one)) and any(within(each, pod_labels(one)) for each in labels)
    ]
