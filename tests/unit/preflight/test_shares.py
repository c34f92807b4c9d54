"""Routes that have users, or copies of their requests, on the canary before a rollout begins."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bot.cluster.virtual_service import read_routes
from bot.model.errors import Refusal
from bot.model.rollout import HOME
from bot.preflight import examine
from tests.builders import a_service, a_target
from tests.snapshots import a_deployment, a_snapshot, a_virtual_service, texts

Object = dict[str, Any]


def entry(subset: str, weight: int | None = None) -> Object:
    return {"destination": {"host": "reviews", "subset": subset}} | ({} if weight is None else {"weight": weight})


def reasons(*http: Object) -> tuple[str, ...]:
    found = examine(a_service(), "v2", a_snapshot(virtual_service=a_virtual_service(http=[*http])))
    return texts(found.reasons)


def patched(virtual_service: Object, reason: str) -> Object:
    """The object after the command that the refusal names."""
    found = re.search(r"`kubectl -n default patch virtualservice reviews --type=json -p '(.*)'`", reason)
    assert found is not None
    for change in json.loads(found[1]):
        *path, last = change["path"].strip("/").split("/")
        place: Any = virtual_service
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if change["op"] == "remove":
            del place[last]
        else:
            place[last] = change["value"]
    return virtual_service


MIRROR = {"mirror": {"host": "reviews", "subset": "v2"}}
SHAPES: dict[str, tuple[list[Object], str]] = {
    "a quarter": ([{"route": [entry("v1", 25), entry("v2", 75)]}], "http route 1 gives v2 75 % of users"),
    "a third destination": (
        [{"route": [entry("v1", 50), entry("v2", 40), entry("v3", 10)]}],
        "http route 1 gives v2 40 % of users",
    ),
    "one route of two": (
        [
            {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "route": [entry("v1")]},
            {"name": "b", "route": [entry("v2", 90), entry("v1", 10)]},
        ],
        "route b gives v2 90 % of users",
    ),
    "copies": ([{"route": [entry("v1", 100), entry("v2")]} | MIRROR], "http route 1 mirrors to v2"),
    "copies among others'": (
        [
            {
                "route": [entry("v1")],
                "mirrors": [{"destination": {"host": "log"}}, {"destination": {"host": "reviews", "subset": "v2"}}],
            }
        ],
        "http route 1 mirrors to v2",
    ),
}


@pytest.mark.parametrize(("http", "words"), SHAPES.values(), ids=SHAPES)
def test_what_is_not_at_home_is_named_once_and_the_command_takes_it_there(http: list[Object], words: str) -> None:
    (reason,) = reasons(*http)
    assert words in reason
    mended = patched(a_virtual_service(http=http), reason)
    assert read_routes(mended, a_target()) == HOME
    assert reasons(*mended["spec"]["http"]) == ()


def test_the_command_is_refused_where_somebody_has_changed_the_object_since() -> None:
    ours = a_virtual_service(http=[{"route": [entry("v1", 25), entry("v2", 75)]}])
    ours["metadata"]["resourceVersion"] = "1012"
    (reason,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=ours)).reasons)
    assert """'[{"op":"test","path":"/metadata/resourceVersion","value":"1012"},{"op":"add",""" in reason


def test_a_third_destination_keeps_its_share() -> None:
    http = [{"route": [entry("v1", 50), entry("v2", 40), entry("v3", 10)]}]
    mended = patched(a_virtual_service(http=http), reasons(*http)[0])
    assert [one["weight"] for one in mended["spec"]["http"][0]["route"]] == [90, 0, 10]


@pytest.mark.parametrize(
    "route", [[entry("v1")], [entry("v1", 100), entry("v2", 0)], [entry("v1", 90), entry("v3", 10)]]
)
def test_users_on_the_primary_are_at_home(route: list[Object]) -> None:
    assert reasons({"route": route}) == ()


def test_the_primary_that_is_missing_is_said_once_and_nobody_is_said_to_have_moved() -> None:
    snapshot = a_snapshot(deployments=(a_deployment("reviews-v2", "v2"),))
    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", snapshot)
    (reason,) = [one for one in texts(refused.value.reasons) if not one.startswith("Warning")]
    assert reason == (
        "There is no Deployment reviews-v1 in namespace default (the primary). "
        "Correct `primary.deployment` or `namespace` in services.yaml."
    )


def test_a_refusal_that_comes_early_says_as_well_that_the_canary_has_no_pods() -> None:
    empty = a_deployment("reviews-v2", "v2", replicas=0)
    snapshot = a_snapshot(deployments=(a_deployment("reviews-v1", "v1"), empty), destination_rules=())
    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", snapshot)
    assert "`kubectl -n default scale deployment/reviews-v2 --replicas=2` gives it pods." in str(refused.value)
