"""What preflight finds out, and what it refuses: the seed's objects with one thing changed at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.rollout.errors import Refusal
from bot.rollout.images import pinned, repository
from bot.rollout.model import Progress, Template, Topology
from bot.rollout.preflight import Survey, examine, ready_to_begin
from bot.rollout.service import Promote
from tests.builders import a_service, a_side, a_target, routes

DIGEST = "sha256:" + "a" * 64


def a_deployment(name: str, version: str, **selector: str) -> dict[str, Any]:
    labels = {"app": "reviews", "version": version}
    container = {"name": "reviews", "image": f"registry.example/reviews-{version}:1.20.3"}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": selector or labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def a_survey(**changes: Any) -> Survey:
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2", "v3")]
    rule = {"metadata": {"name": "reviews"}, "spec": {"host": "reviews", "subsets": subsets}}
    parts: dict[str, Any] = {
        "virtual_service": {
            "kind": "VirtualService",
            "metadata": {"name": "reviews", "namespace": "default"},
            "spec": {},
        },
        "service": {"metadata": {"name": "reviews"}, "spec": {"selector": {"app": "reviews"}}},
        "destination_rules": (rule,),
        "deployments": (a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v2")),
    }
    return Survey(**(parts | changes))


def test_a_version_in_the_immutable_selector_means_traffic_returns_to_the_primarys_subset() -> None:
    scene = examine(a_service(), "v2", a_survey())

    assert (scene.target.topology, scene.target.primary_subset, scene.target.canary_subset) == (
        Topology.PER_VERSION,
        "v1",
        "v2",
    )
    assert scene.upgraded.images == {"reviews": "registry.example/reviews-v2:1.20.3"}
    assert scene.upgraded.labels == {}


def test_a_free_version_label_moves_together_with_the_image() -> None:
    deployments = (
        a_deployment("reviews", "v1", app="reviews", track="primary"),
        a_deployment("reviews-canary", "v2", app="reviews", track="canary"),
    )
    service = a_service(primary_deployment="reviews", canary_deployment="reviews-canary")

    scene = examine(service, "v2", a_survey(deployments=deployments))

    assert scene.target.topology is Topology.RELABEL
    assert (scene.recorded.labels, scene.upgraded.labels) == ({"version": "v1"}, {"version": "v2"})


def two_rules(survey: dict[str, Any]) -> None:
    survey["destination_rules"] = survey["destination_rules"] * 2


def no_canary(survey: dict[str, Any]) -> None:
    survey["deployments"] = survey["deployments"][:1]


def no_virtual_service(survey: dict[str, Any]) -> None:
    survey["virtual_service"] = None


def same_subset(survey: dict[str, Any]) -> None:
    survey["deployments"] = (a_deployment("reviews-v1", "v2"), a_deployment("reviews-v2", "v2"))


def a_stranger(survey: dict[str, Any]) -> None:
    survey["deployments"] += (a_deployment("reviews-hotfix", "v2"),)


def same_image(survey: dict[str, Any]) -> None:
    image = {"containers": [{"name": "reviews", "image": "registry.example/reviews:1"}]}
    for deployment in survey["deployments"]:
        deployment["spec"]["template"]["spec"] = image


def owned_by_flagger(survey: dict[str, Any]) -> None:
    survey["virtual_service"]["metadata"]["ownerReferences"] = [{"kind": "Canary", "name": "reviews"}]


def two_containers(survey: dict[str, Any]) -> None:
    survey["deployments"][0]["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (two_rules, "Exactly one DestinationRule with subsets is needed for reviews, found 2"),
        (no_canary, "There is no Deployment reviews-v2 in namespace default. Deploy v2 first"),
        (no_virtual_service, "There is no VirtualService reviews .* `canary-bot init reviews` writes one"),
        (same_subset, "both in the subset v2: no route can tell them apart"),
        (a_stranger, "The pods of reviews-hotfix are in the subset v2 of reviews too"),
        (same_image, "reviews-v1 runs the image of v2 already"),
        (owned_by_flagger, "belongs to Flagger"),
        (two_containers, "name one in services.yaml"),
    ],
)
def test_what_is_missing_or_ambiguous_is_refused_in_words(
    change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    survey = a_survey()
    parts = {name: getattr(survey, name) for name in Survey.__slots__}
    change(parts)

    with pytest.raises(Refusal, match=sentence):
        examine(a_service(), "v2", Survey(**parts))


def test_every_reason_is_given_at_once() -> None:
    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", a_survey(virtual_service=None, service=None, deployments=()))

    assert len(refused.value.reasons) == 4


def test_templates_that_differ_beyond_the_image_are_a_warning() -> None:
    primary, canary = a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v2")
    canary["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "FAST", "value": "1"}]

    scene = examine(a_service(), "v2", a_survey(deployments=(primary, canary)))

    assert "differ beyond the image (reviews.env)" in scene.warnings[0]
    assert examine(a_service(promote=Promote.ADOPT), "v2", a_survey(deployments=(primary, canary))).warnings == ()


def a_pod(image_id: str, *, ready: bool = True) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": {"labels": {"app": "reviews", "version": "v2"}},
        "status": {"conditions": [condition], "containerStatuses": [{"name": "reviews", "imageID": image_id}]},
    }


def test_the_bits_that_were_tested_are_the_bits_that_are_promoted() -> None:
    pods = (a_pod(f"registry.example/reviews-v2@{DIGEST}"), a_pod("registry.example/reviews-v2@sha256:0", ready=False))

    scene = examine(a_service(), "v2", a_survey(pods=pods))

    assert scene.upgraded.images == {"reviews": f"registry.example/reviews-v2:1.20.3@{DIGEST}"}


def test_one_tag_with_two_digests_is_refused() -> None:
    pods = (a_pod(f"reviews@{DIGEST}"), a_pod("reviews@sha256:" + "b" * 64))

    with pytest.raises(Refusal, match="run different images"):
        pinned("reviews:2", "reviews", pods)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("reviews", "reviews"),
        ("reviews:2", "reviews"),
        ("registry.example:5000/team/reviews", "registry.example:5000/team/reviews"),
        (f"registry.example:5000/team/reviews:2@{DIGEST}", "registry.example:5000/team/reviews"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(image: str, expected: str) -> None:
    assert repository(image) == expected


def test_a_rollout_begins_only_at_home_with_both_sides_healthy() -> None:
    stuck = a_side(progress=Progress.FAILED, ready=1, reason="Image cannot be pulled.")

    reasons = ready_to_begin(a_target(), routes(20), "", a_side(Template.UPGRADED, wanted=0), stuck)

    assert [reason.split(";")[0] for reason in reasons] == [
        "The routes of reviews are 80/20",
        "reviews-v1 has no replicas",
        "reviews-v2 is not ready: 1 of 2 pods. Image cannot be pulled.",
        "reviews-v1 is changing right now",
    ]
    assert ready_to_begin(a_target(), routes(0), "", a_side(), a_side()) == []
