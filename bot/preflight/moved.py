"""Users who are all on another Deployment than services.yaml calls the primary: an earlier release has left them there.

``promote: adopt`` and `accept` end with everybody on the canary. From then on it is the primary, whatever the file
says; nobody should be told to send users back to the old version because of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.objects import Object, annotations_of, host_names, name_of, namespace_of, pod_labels, replicas, within
from bot.model.rollout import ALL_CANARY, Phase, Rollout, Template
from bot.model.service import ServiceConfig
from bot.preflight.problems import Problem, blocks
from bot.preflight.scope import full_name
from bot.preflight.snapshot import Subject

MOVED = "moved"  # what the problem is about: no other sentence then says where users ought to be


def left_on_canary(rollout: Rollout) -> bool:
    """Whether the rollout ended with all users on the Deployment that was its canary, and with no upgraded primary."""
    last = rollout.current
    return rollout.phase is Phase.PROMOTED and last.routes == ALL_CANARY and last.template is Template.RECORDED


def check(subject: Subject, before: Rollout | None = None) -> Iterator[Problem]:
    """``before`` is the service's last rollout, where that one left users on its canary; None: not known."""
    subset = _subset_of_everyone(subject)
    if subset is None:
        return
    deployments = [name_of(one) for one in _in_subset(subject, subset)]
    if len(deployments) == 1:
        yield explain(subject.service, subset, deployments[0], before)
        return
    primary = subject.service.primary_deployment
    yield blocks(
        f"All users are on the subset {subset} and none on {primary}, which services.yaml calls the primary.",
        remedy=f"Name the Deployment that has them as `primary: {{deployment: NAME}}` for {subject.service.name} in "
        f"services.yaml; if that is not meant, give the weight to {primary} first.",
        about=MOVED,
    )


def explain(service: ServiceConfig, subset: str, deployment: str, before: Rollout | None = None) -> Problem:
    """What has become of the primary, and the keys of services.yaml that say so."""
    old = service.primary_deployment
    known = before is not None and before.spec.target.canary_deployment == deployment
    if before is not None and known:
        sentence = (
            f"{before.spec.version} is the primary now: rollout {before.spec.id} ended with all users on {deployment} "
            "(subset "
            f"{subset}), and services.yaml still calls {old} the primary."
        )
    else:
        sentence = f"All users are on {deployment} (subset {subset}), and services.yaml calls {old} the primary."
    container = f", container: {service.container}" if service.container else ""
    keys = f"`primary: {{deployment: {deployment}{container}}}`"
    if service.canary_deployment == deployment:  # a fixed name: the two have changed places
        keys += f" and `canary: {{deployment: {old}}}`"
    doubt = "" if known else f" If that is not meant, give all the weight to {old} in {service.virtual_service} first."
    remedy = f"Write {keys} for {service.name} in services.yaml, then start the next version."
    return blocks(sentence, remedy=f"{remedy}{doubt}", about=MOVED)


def _subset_of_everyone(subject: Subject) -> str | None:
    """The one subset that has all users of our routes and is not the primary's; None also while a rollout is on."""
    ours = subject.snapshot.virtual_service
    if ours is None or annotations_of(ours).get("canary-bot/rollout"):
        return None
    at_home = {str(one["name"]) for one in _subsets(subject) if _is_primarys(one, subject)}
    users: set[str | None] = set()
    for route in _routes(subject, ours, at_home):
        users |= {_subset(entry, subject, ours) for entry in route["route"] if _has_users(entry, route)}
    subset = users.pop() if len(users) == 1 else None
    return None if subset in at_home else subset


def _routes(subject: Subject, ours: Object, at_home: set[str]) -> list[Object]:
    """Those of services.yaml, those that name the primary's subset, or else all that name any of the Service's."""
    named = subject.service.routes
    http = [one for one in ours["spec"].get("http") or () if one.get("route")]
    if named:
        return [one for one in http if one.get("name") in named]
    places = [(one, {_subset(entry, subject, ours) for entry in one["route"]}) for one in http]
    return [one for one, there in places if there & at_home] or [one for one, there in places if there - {None}]


def _subset(entry: Object, subject: Subject, ours: Object) -> str | None:
    """The subset of the Service that an entry sends users to; None: some other place."""
    destination = entry.get("destination") or {}
    host = full_name(str(destination.get("host", "")), namespace_of(ours, subject.service.namespace))
    subset = destination.get("subset")
    return str(subset) if subset and host in host_names(subject.service) else None


def _has_users(entry: Object, route: Object) -> bool:
    return bool(entry.get("weight")) or len(route["route"]) == 1


def _subsets(subject: Subject) -> list[Object]:
    names = host_names(subject.service)
    rules = [one for one in subject.snapshot.destination_rules if one["spec"].get("host") in names]
    return [subset for rule in rules for subset in rule["spec"].get("subsets") or ()]


def _is_primarys(subset: Object, subject: Subject) -> bool:
    primary = subject.primary
    return primary is not None and within(subset.get("labels") or {}, pod_labels(primary))


def _in_subset(subject: Subject, name: str) -> list[Object]:
    """Deployments that have pods there."""
    selector = (subject.snapshot.service or {}).get("spec", {}).get("selector") or {}
    labels = [one.get("labels") or {} for one in _subsets(subject) if one["name"] == name]
    return [
        one
        for one in subject.snapshot.deployments
        if replicas(one) and within(selector, pod_labels(one)) and any(within(each, pod_labels(one)) for each in labels)
    ]
