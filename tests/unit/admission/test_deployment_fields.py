"""Every field of a Deployment and its pods, as the official client's models have them, is written and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from kubernetes import client

from sandbox.kube import bookinfo
from tests.unit.admission.fields import removed, written
from tests.unit.admission.rules import DOCUMENTS, Object, of_kind, refusals

TEMPLATE = "spec.template"
PARTS: dict[str, Any] = {
    "spec": client.V1DeploymentSpec,
    f"{TEMPLATE}.spec": client.V1PodSpec,
    f"{TEMPLATE}.spec.containers[]": client.V1Container,
    f"{TEMPLATE}.spec.initContainers[]": client.V1Container,
}
# What else a person may write of metadata is nothing: the API server keeps the rest for itself.
METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def deployment(*, relabel: bool = False) -> Object:
    """With a container that runs first."""
    made = of_kind("Deployment", bookinfo.relabel_objects() if relabel else bookinfo.objects())
    made["spec"]["template"]["spec"]["initContainers"] = [{"name": "migrate", "image": "reviews:1"}]
    return made


def sample(kind: str) -> Any:
    """A value for a field of this type of the client's."""
    if kind == "V1ResourceRequirements":  # what it does not know an API server drops, and there is one always
        return {"limits": {"cpu": "7"}}
    if kind.lower().startswith("list["):
        return [{"name": "written-by-a-test"}]
    if kind.lower().startswith(("dict", "v1")) or kind == "object":
        return {"key": "written-by-a-test"}
    return {"str": "written-by-a-test", "int": 7, "bool": True}[kind]


def fields() -> Iterator[tuple[str, Any]]:
    for part, model in PARTS.items():
        for name, kind in model.openapi_types.items():
            yield f"{part}.{model.attribute_map[name]}", sample(kind)
    for name in METADATA:
        yield f"metadata.{name}", sample("object")
        yield f"{TEMPLATE}.metadata.{name}", sample("object")
    yield f"{TEMPLATE}.metadata.labels.version", "v2"
    yield f"{TEMPLATE}.metadata.labels.app", "other"


FIELDS = dict(fields())
LISTS = [f"{TEMPLATE}.spec.{name}" for name in ("containers", "initContainers", "ephemeralContainers")]
OURS = {
    f"{TEMPLATE}.spec.containers[].image",
    f"{TEMPLATE}.spec.initContainers[].image",
    f"{TEMPLATE}.metadata.labels.version",
}


def test_nothing_of_a_deployment_is_written_but_images_and_the_version_label() -> None:
    live = deployment()

    assert len(FIELDS) > 100
    assert {path for path, value in FIELDS.items() if not refusals(live, written(live, path, value))} == OURS


def test_nothing_of_a_deployment_is_taken_away() -> None:
    full = deployment()
    for path, value in FIELDS.items():
        if path not in {*OURS, TEMPLATE} and path not in LISTS and not path.endswith((".name", "metadata.labels")):
            full = written(full, path, value)

    there = [path for path in FIELDS if "initContainers[]" not in path and not path.endswith("ephemeralContainers")]
    gone = {path for path in there if not refusals(full, removed(full, path))}
    assert gone == set()
    assert refusals(full, deepcopy(full)) == []


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_containers_stay_the_same_ones_in_the_same_order(field: str) -> None:
    live = deployment()
    containers = live["spec"]["template"]["spec"][field]
    containers.append(containers[0] | {"name": "second"})
    others = [containers[::-1], containers[:1], [*containers, {"name": "third", "image": "evil"}], []]

    for other in others:
        after = deepcopy(live)
        after["spec"]["template"]["spec"][field] = other
        assert refusals(live, after) == ["canary-bot may change nothing of a pod but the images of its containers."]


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        ("registry.example/shop/a:1", "registry.example/shop/a:2", True),
        ("registry.example/shop/a:1", "registry.example.evil/shop/a:2", False),
        ("registry.example/shop/a:1", "a:2", False),
        ("elsewhere.example/a:1", "registry.example/shop/a:2", False),  # there would be no way back
        ("elsewhere.example/a:1", "elsewhere.example/a:1", True),  # not changed
    ],
)
def test_registries_can_be_named(before: str, after: str, *, passes: bool) -> None:
    documents = deepcopy(DOCUMENTS)
    variables = documents[0]["spec"]["variables"]
    next(one for one in variables if one["name"] == "registries")["expression"] = "['registry.example/shop/']"
    image = f"{TEMPLATE}.spec.containers[].image"
    live = written(deployment(), image, before)

    found = refusals(live, written(live, image, after), documents=documents)
    assert found == (
        [] if passes else ["canary-bot may change images only from and to the registries that this policy names."]
    )


def scale(replicas: int | None) -> Object:
    """As the API server has it: 0 is left out."""
    spec = {"replicas": replicas} if replicas else {}
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "reviews-v2"}, "spec": spec}


@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, 2), (2, 3), (0, 0), (2, 2)])
def test_a_deployment_is_scaled_up_or_to_nothing(before: int, after: int) -> None:
    assert refusals(scale(before), scale(after)) == []


def test_a_deployment_with_users_is_not_scaled_down() -> None:
    assert refusals(scale(3), scale(2)) == ["canary-bot may scale a Deployment only up, or to 0."]
