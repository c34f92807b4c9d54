"""Rules for Argo CD and Flux: with them nothing differs in any stage of a rollout, and what is not ours still does."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
import yaml

from bot.adapters.workloads import template_patch
from bot.cluster.gitops import Tool, Written, patched, rules
from bot.cluster.virtual_service.desired import with_routes
from bot.model.rollout import HOME, PodTemplate, Target, Topology
from bot.rollout.plans import make_plan
from tests import snapshots
from tests.builders import NEW, OLD, a_service, a_target
from tests.gitops_tools import argo_in_sync, argo_synced, flux_in_sync

Object = dict[str, Any]


def destination(subset: str, weight: int | None = None) -> Object:
    weighted = {} if weight is None else {"weight": weight}
    return {"destination": {"host": "reviews", "subset": subset}, **weighted}


# As they are in git: with one destination (ours is added), with both, with a name, beside routes of others, and with a
# mirror to somebody else.
ROUTES: dict[str, list[Object]] = {
    "one destination": [{"route": [destination("v1")]}],
    "both destinations": [{"route": [destination("v1", 100), destination("v2", 0)], "timeout": "3s"}],
    "a name": [{"name": 'the "main" one', "route": [destination("v1")]}],
    "beside others": [
        {"name": "health", "match": [{"uri": {"prefix": "/health"}}], "route": [{"destination": {"host": "health"}}]},
        {"name": "main", "route": [destination("v1")], "retries": {"attempts": 2}},
    ],
    "mirrors": [
        {
            "route": [destination("v1")],
            "mirrors": [{"destination": {"host": "audit"}, "percentage": {"value": 10}}],
        }
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A rollout over objects that are in git."""

    git: tuple[Object, ...]
    written: tuple[Written, ...]

    def stages(self) -> Iterator[tuple[Object, Object]]:
        """Each object as it is in git and as a stage leaves it in the cluster."""
        for git, one in zip(self.git, self.written, strict=True):
            yield from ((git, after) for after in one.after)


def a_story(routes: str, topology: Topology, methods: tuple[str, ...] | None) -> Story:
    target: Target = replace(a_target(topology), mirror_methods=methods)
    git: Object = {
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"hosts": ["reviews"], "http": deepcopy(ROUTES[routes])},
    }
    if topology is Topology.HOSTS:
        _name_hosts(git["spec"]["http"])
    plan = make_plan(a_service(mirror_methods=methods), topology)
    shapes = dict.fromkeys((*(stage.routes for stage in plan), HOME))
    after = [_annotated(with_routes(git, target, shape)) for shape in shapes]
    primary = snapshots.a_deployment("reviews-v1", "v1", image=OLD)
    metadata = primary["spec"]["template"]["metadata"]
    metadata["labels"] = {**metadata["labels"], "app.kubernetes.io/version": "1.0"}
    labels = {"app.kubernetes.io/version": "2.0"} if topology is Topology.RELABEL else {}
    upgraded = patched(primary, template_patch(primary, PodTemplate(images={"reviews": NEW}, labels=labels)))
    upgraded["spec"]["replicas"] = 7
    return Story(
        git=(git, primary),
        written=(Written(before=git, after=after), Written(before=primary, after=[upgraded], scaled=True)),
    )


def _name_hosts(http: list[Object]) -> None:
    """A Service for each version instead of a subset."""
    for one in (one["destination"] for route in http for one in route["route"] if "subset" in one["destination"]):
        one["host"] = f"reviews-{one.pop('subset')}"


def _annotated(thing: Object) -> Object:
    new = deepcopy(thing)
    new["metadata"]["annotations"] = {"canary-bot/rollout": "r-1"}
    return new


STORIES = [
    a_story(routes, topology, methods)
    for routes, topology, methods in product(ROUTES, Topology, (None, ("GET", "HEAD")))
]


@pytest.mark.parametrize("story", STORIES)
def test_argo_cd_sees_no_difference_in_any_stage_and_a_sync_moves_nobody(story: Story) -> None:
    ours = rules(Tool.ARGO_CD, story.written)

    for git, live in story.stages():
        assert argo_in_sync(git, live, ours)
        assert argo_synced(git, live, ours) == live


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("tool", [Tool.FLUX, Tool.HELM_RELEASE])
def test_flux_sees_no_difference_in_any_stage(story: Story, tool: Tool) -> None:
    spec = rules(tool, story.written)["spec"]
    ignore = spec["ignore"] if tool is Tool.FLUX else spec["driftDetection"]["ignore"]

    for git, live in story.stages():
        assert flux_in_sync(git, live, ignore)


def test_without_the_rules_every_stage_that_moves_users_differs() -> None:
    story = a_story("one destination", Topology.RELABEL, None)
    none: Object = {"spec": {"ignoreDifferences": []}}
    moved = [(git, live) for git, live in story.stages() if live["spec"] != git["spec"]]

    assert len(moved) > 3
    assert not any(argo_in_sync(git, live, none) or flux_in_sync(git, live, []) for git, live in moved)


def test_what_somebody_changes_beside_a_rollout_is_still_seen() -> None:
    story = a_story("beside others", Topology.PER_VERSION, None)
    git, live = story.git[0], deepcopy(story.written[0].after[1])
    live["spec"]["http"][0]["route"] = [{"destination": {"host": "elsewhere"}}]

    assert not argo_in_sync(git, live, rules(Tool.ARGO_CD, story.written))


def test_of_the_primary_nothing_but_its_image_its_label_and_its_size_is_ignored() -> None:
    story = a_story("a name", Topology.RELABEL, None)
    _, primary = rules(Tool.ARGO_CD, story.written)["spec"]["ignoreDifferences"]

    assert primary["jqPathExpressions"] == [
        ".spec.replicas",
        '.spec.template.metadata.labels["app.kubernetes.io/version"]',
        '.spec.template.spec.containers[] | select(.name == "reviews") | .image',
    ]
    (_, flux) = rules(Tool.FLUX, story.written)["spec"]["ignore"]
    assert flux["paths"] == [
        "/spec/replicas",
        "/spec/template/metadata/labels/app.kubernetes.io~1version",
        "/spec/template/spec/containers/0/image",
    ]


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("tool", Tool)
def test_rules_survive_being_yaml(story: Story, tool: Tool) -> None:
    made = rules(tool, story.written)

    assert yaml.safe_load(yaml.safe_dump(made)) == made
