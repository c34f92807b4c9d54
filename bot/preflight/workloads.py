"""Both Deployments as they are written and as their pods are. Whether enough pods are ready is asked live, later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import inf
from typing import Any

from bot.cluster.objects import Object, app_containers, container_statuses, name_of, namespace_of, pods_of, replicas
from bot.preflight.problems import Problem, blocks, kubectl, warns
from bot.preflight.snapshot import Subject
from bot.words.rendering import duration, plain
from bot.words.sentence import Code, Moment, Seconds, Text, said

_NEVER = 2_147_483_647  # Kubernetes' own way to write "no deadline"
_LONGEST = 160  # characters of a node's message


def check(subject: Subject) -> Iterator[Problem]:
    """Each Deployment by itself, and the primary as the one that will be upgraded."""
    yield from _probes(subject.sides, subject.service.containers)
    for side in subject.sides:
        for check_one in (_paused, _just_changed, _no_progress, _pods_not_created):
            yield from check_one(side)
        for pod in pods_of(side, subject.snapshot.pods):
            yield from _waiting(side, pod)
        yield from _restarts(side, subject)
    if subject.primary is not None and subject.service.upgrades:
        yield from _revision_history(subject.primary)
        yield from _deadline(subject.primary, subject.service.upgrade_timeout)
        yield from _strategy(subject.primary)


def _paused(deployment: Object) -> Iterator[Problem]:
    name = name_of(deployment)
    if deployment["spec"].get("paused"):
        command = kubectl("rollout", "resume", f"deployment/{name}", namespace=namespace_of(deployment, "default"))
        yield blocks(
            said("preflight.paused", name=name), remedy=said("preflight.resume_it", command=command), about=name
        )


def _just_changed(deployment: Object) -> Iterator[Problem]:
    name, status = name_of(deployment), deployment.get("status") or {}
    observed, newest = status.get("observedGeneration"), deployment["metadata"].get("generation", 0)
    if observed is not None and observed < newest:
        yield blocks(said("preflight.just_changed", name=name), remedy=said("preflight.try_again_soon"), about=name)


def _no_progress(deployment: Object) -> Iterator[Problem]:
    name = name_of(deployment)
    if any(one.get("reason") == "ProgressDeadlineExceeded" for one in _conditions(deployment)):
        command = kubectl("describe", f"deployment/{name}", namespace=namespace_of(deployment, "default"))
        yield blocks(
            said("preflight.no_progress", name=name, field=Code("progressDeadlineSeconds")),
            remedy=said("preflight.see_why_pods", command=command),
            about=name,
        )


def _pods_not_created(deployment: Object) -> Iterator[Problem]:
    name = name_of(deployment)
    failed = [one for one in _conditions(deployment) if one.get("type") == "ReplicaFailure"]
    ready = (deployment.get("status") or {}).get("readyReplicas", 0)
    if any(one.get("status") == "True" for one in failed) and ready < replicas(deployment):
        why = str(failed[0].get("message") or failed[0].get("reason") or "?")[:_LONGEST].rstrip(".")
        yield blocks(
            said("preflight.pods_not_created", name=name, why=why), remedy=said("preflight.make_room"), about=name
        )


def _conditions(deployment: Object) -> list[Object]:
    return (deployment.get("status") or {}).get("conditions") or []


def _probes(deployments: Sequence[Object], wanted: Sequence[str]) -> Iterator[Problem]:
    """Of both sides at once: what lacks on one mostly lacks on the other, and is told once."""
    lacking = tuple(
        said("preflight.container_of", container=container["name"], name=name_of(deployment))
        for deployment in deployments
        for container in app_containers(deployment)
        if (not wanted or container["name"] in wanted) and not container.get("readinessProbe")
    )
    if lacking:
        yield warns(
            said("preflight.no_probe", containers=lacking, n=len(lacking)),
            remedy=said("preflight.add_probe", field=Code("readinessProbe"), n=len(lacking)),
        )


def _waiting(deployment: Object, pod: Object) -> Iterator[Problem]:
    """A container that waits, in the node's own words; a pod that has only just been born waits without harm."""
    for status in container_statuses(pod):
        waiting: dict[str, Any] = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason and reason not in {"ContainerCreating", "PodInitializing"}:
            why = f"{reason} ({str(waiting['message'])[:_LONGEST]})" if waiting.get("message") else reason
            yield blocks(
                said(
                    "preflight.container_waits",
                    container=status["name"],
                    pod=name_of(pod),
                    name=name_of(deployment),
                    why=why,
                ),
                remedy=said(
                    "preflight.see_why",
                    command=kubectl("describe", "pod", name_of(pod), namespace=namespace_of(deployment, "default")),
                ),
                about=name_of(deployment),
            )


def _restarts(deployment: Object, subject: Subject) -> Iterator[Problem]:
    """How often and why last. Whether that was an hour or a month ago is for a person to say."""
    statuses = [one for pod in pods_of(deployment, subject.snapshot.pods) for one in container_statuses(pod)]
    restarted = [one for one in statuses if one.get("restartCount")]
    if restarted:
        count = sum(int(one["restartCount"]) for one in restarted)
        ends = [(one.get("lastState") or {}).get("terminated") or {} for one in restarted]
        reasons = sorted({str(end["reason"]) for end in ends if end.get("reason")})
        last = max((str(end["finishedAt"]) for end in ends if end.get("finishedAt")), default="")
        yield warns(
            said("preflight.restarted", name=name_of(deployment), n=count)
            if not reasons and not last
            else said(
                "preflight.restarted_because",
                name=name_of(deployment),
                n=count,
                reasons=tuple(reasons) or "?",
                last=said("preflight.last_at", last=_moment(last)) if last else "",
            ),
            remedy=said(
                "preflight.see_logs",
                command=kubectl(
                    "logs",
                    "--previous",
                    f"deployment/{name_of(deployment)}",
                    namespace=namespace_of(deployment, "default"),
                ),
            ),
        )


def _moment(written: str) -> Moment | str:
    """A time as the API server writes it; as it stands where it is none."""
    try:
        return Moment(datetime.fromisoformat(written).timestamp())
    except ValueError:
        return written


def _revision_history(primary: Object) -> Iterator[Problem]:
    if primary["spec"].get("revisionHistoryLimit", 10) < 1:
        yield warns(
            said("preflight.no_history", name=name_of(primary), field=Code("revisionHistoryLimit: 0")),
            remedy=said(
                "preflight.keep_history", command=Code("kubectl rollout undo"), field=Code("revisionHistoryLimit: 1")
            ),
        )


def _in_distinct_units(patience: float, deadline: int) -> Seconds | Text:
    """The shorter time, in seconds where both would read the same."""
    if plain(duration(patience)) != plain(duration(deadline)):
        return Seconds(patience)
    return said("preflight.exactly_seconds", n=patience)


def _deadline(primary: Object, patience: float) -> Iterator[Problem]:
    deadline = int(primary["spec"].get("progressDeadlineSeconds", 600))
    if deadline > patience:
        shown = Seconds(inf if deadline >= _NEVER else deadline)
        yield warns(
            said(
                "preflight.deadline_late",
                name=name_of(primary),
                deadline=shown,
                patience=_in_distinct_units(patience, deadline),
                field=Code("progressDeadlineSeconds"),
                setting=Code("upgrade_timeout"),
            ),
            remedy=said(
                "preflight.shorten_deadline", field=Code("progressDeadlineSeconds"), setting=Code("upgrade_timeout")
            ),
        )


def _strategy(primary: Object) -> Iterator[Problem]:
    if (primary["spec"].get("strategy") or {}).get("type") == "Recreate":
        yield warns(
            said("preflight.recreates", name=name_of(primary), strategy=Code("Recreate")),
            remedy=said(
                "preflight.roll_instead",
                fields=Code("strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0}}"),
            ),
        )
