"""``canary-bot gitops``: the rules that make a GitOps tool leave alone what a rollout of a service writes.

They are made of what a rollout would write now, as ``canary-bot plan`` shows it, against what is in the cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bot.adapters.kube import Kube
from bot.cli.objects import dump
from bot.cluster.gitops import FLUX_OFF, TOOLS, Tool, Written, keeper, patched, rules
from bot.cluster.objects import NamespacedName, Object, name_of
from bot.controller.preview import Plan
from bot.model.errors import Refusal
from bot.model.service import Promote, ServiceConfig
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import Code, Text, said


def shown(
    service: ServiceConfig, version: str, plan: Plan, kube: Kube, tool: Tool | None, voice: Voice = ENGLISH
) -> Iterator[str]:
    """For each tool the part of its object to add, as YAML with what has to be known of it.

    Args:
        service: whose objects.
        version: a version that runs beside the primary.
        plan: what a rollout of that version would write.
        kube: where the objects are.
        tool: whose rules; None: of each that keeps one of the objects.
        voice: how it is said.

    Raises:
        Refusal: none of them is kept by a tool that could be told.
        Fault: the cluster could not be read.
    """
    several = written(service, version, plan, kube)
    kept = {tool: several} if tool else _by_tool(several)
    if not kept:
        raise Refusal(said("cli.gitops_nobody", option=Code("--tool")))
    for whose, theirs in kept.items():
        notes = "".join(f"# {plain(note, voice)}\n" for note in _notes(whose, service, theirs))
        yield f"---\n{notes}{dump(rules(whose, theirs))}".rstrip()


def written(service: ServiceConfig, version: str, plan: Plan, kube: Kube) -> tuple[Written, ...]:
    """Every object that a rollout writes, as it is now and as each stage leaves it."""
    planned = [thing for stage in plan.planned for thing in stage.objects]
    routes = defaultdict[NamespacedName, list[Object]](list)
    for thing in planned:
        if thing["kind"] == "VirtualService":
            routes[str(thing["metadata"]["namespace"]), name_of(thing)].append(thing)
    found = [Written(before=_live(kube, several[0]), after=several) for several in routes.values()]
    if service.promote is Promote.UPGRADE:
        primary = _named(kube, service, service.primary_deployment)
        patches = [thing for thing in planned if thing["kind"] == "Deployment"]
        found.append(Written(before=primary, after=[patched(primary, one) for one in patches], scaled=True))
    if service.promote is Promote.GIT:  # git gives it its image; its size alone is ours
        found.append(Written(before=_named(kube, service, service.primary_deployment), after=(), scaled=True))
    if service.scale_canary_down or service.scale_canary_up:
        found.append(Written(before=_named(kube, service, service.canary_name(version)), after=(), scaled=True))
    return tuple(found)


def _named(kube: Kube, service: ServiceConfig, name: str) -> Object:
    return _live(kube, {"kind": "Deployment", "metadata": {"name": name, "namespace": service.namespace}})


def _live(kube: Kube, thing: Object) -> Object:
    kind, namespace = str(thing["kind"]), str(thing["metadata"]["namespace"])
    live = kube.get(kind, namespace, name_of(thing))
    if live is None:
        raise Refusal(said("cli.gitops_gone", kind=kind, name=name_of(thing), namespace=namespace))
    return {"apiVersion": "", **live, "kind": kind}


def _by_tool(several: Sequence[Written]) -> dict[Tool, list[Written]]:
    found: dict[Tool, list[Written]] = {}
    for one in several:
        tool = TOOLS.get(keeper(one.before))
        if tool is not None:
            found.setdefault(tool, []).append(one)
    return found


def _notes(tool: Tool, service: ServiceConfig, several: Sequence[Written]) -> Iterator[Text]:
    match tool:
        case Tool.ARGO_CD:
            yield said("cli.gitops_argo")
            yield said("cli.gitops_argo_lists")
        case Tool.FLUX:
            yield said("cli.gitops_flux", command=Code("kubectl explain kustomization.spec.ignore"))
            for one in several:
                what = f"{str(one.before['kind']).lower()} {name_of(one.before)}"
                namespace = one.before["metadata"]["namespace"]
                command = Code(f"kubectl -n {namespace} annotate {what} {FLUX_OFF}=disabled")
                yield said("cli.gitops_flux_older", command=command)
        case Tool.HELM_RELEASE:
            yield said("cli.gitops_helm_release")
    by_us = service.promote is Promote.UPGRADE
    if by_us and any(name_of(one.before) == service.primary_deployment for one in several):
        yield said("cli.gitops_image")
