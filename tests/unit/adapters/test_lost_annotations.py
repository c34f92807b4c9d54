"""Somebody takes our annotations off the VirtualService in the middle of a rollout."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from bot.cluster import virtual_service as r
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes
from tests.builders import a_target

MIRROR, SHIFTED = Routes(canary=0, mirror=True), Routes(canary=20)
OWNER = RolloutId("r-1")
RECORDED = PodTemplate(images={"reviews": "reviews:1"})


def before() -> dict[str, Any]:
    destinations = [{"destination": {"host": "reviews", "subset": "v1"}, "weight": 100}]
    metadata = {"name": "reviews", "namespace": "default"}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"hosts": ["*"], "http": [{"route": destinations}]}}


def claim(vs: dict[str, Any], routes: Routes) -> dict[str, Any]:
    return r.claim(vs, a_target(), routes, owner=OWNER, recorded=RECORDED, now=1000.0)


def stripped(vs: dict[str, Any]) -> dict[str, Any]:
    bare = deepcopy(vs)
    del bare["metadata"]["annotations"]
    return bare


def test_the_rollout_goes_on_from_its_mirror_although_its_annotations_are_gone() -> None:
    shifted = claim(stripped(claim(before(), MIRROR)), SHIFTED)

    assert r.read_routes(shifted, a_target()) == SHIFTED
    assert r.owner_of(shifted) == OWNER


def test_what_is_recorded_anew_is_home_and_not_the_middle_of_the_rollout() -> None:
    remarked = claim(stripped(claim(before(), SHIFTED)), SHIFTED)

    left = r.release(remarked, a_target(), HOME)

    assert r.read_routes(left, a_target()) == HOME
    assert r.owner_of(left) is None
