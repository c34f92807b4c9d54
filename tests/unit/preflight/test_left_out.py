"""Users of the primary whom the rollout would not move."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from bot.cluster.virtual_service import with_routes
from bot.model.rollout import Routes
from bot.model.service import Promote
from bot.preflight import examine
from bot.words.rendering import plain
from tests.builders import a_service
from tests.snapshots import a_backend, a_snapshot, a_virtual_service, texts


def route(name: str, subset: str | None) -> dict[str, Any]:
    destination = {"host": "reviews"} | ({"subset": subset} if subset else {})
    return {"name": name, "route": [{"destination": destination}]}


def findings(other: dict[str, Any], promote: Promote) -> tuple[list[str], list[str]]:
    ours = a_virtual_service(http=[route("main", "v1"), other])
    found = examine(a_service(promote=promote, routes=("main",)), "v2", a_snapshot(virtual_service=ours))
    return list(map(plain, found.reasons)), list(map(plain, found.warnings))


OTHERS = [
    (route("beside", "v1"), "users are sent to v1 too by routes that are not to move: route beside."),
    (route("open", None), "route open sends users to reviews.default.svc.cluster.local without a subset"),
]


@pytest.mark.parametrize(("other", "words"), OTHERS)
def test_a_route_that_keeps_users_on_the_primary_stops_an_upgrade(other: dict[str, Any], words: str) -> None:
    (reason,), warnings = findings(other, Promote.UPGRADE)
    assert words in reason
    assert warnings == []


@pytest.mark.parametrize(("other", "words"), OTHERS)
def test_where_the_canary_is_adopted_a_person_is_told_of_it(other: dict[str, Any], words: str) -> None:
    reasons, (warning,) = findings(other, Promote.ADOPT)
    assert reasons == []
    assert words in warning


def test_routes_that_cannot_be_told_are_a_problem_of_their_own() -> None:
    ours = a_virtual_service(http=[route("main", "v1") | {"redirect": {"uri": "/"}}])
    found = examine(a_service(), "v2", a_snapshot(virtual_service=ours))
    assert found.reasons == ()


SHARES = [(100, 0), (0, 100), (80, 20)]
PLACES = [*({"host": "reviews", "subset": one} for one in ("v1", "v2", "v3", "x")), {"host": "other"}]


def test_where_nothing_is_in_the_way_each_stage_can_be_written() -> None:
    """Else a start would be refused by whoever writes, in a sentence that names no remedy."""
    written = 0
    for first, second, shares, third in product(PLACES, PLACES, SHARES, [None, *PLACES]):
        split = [{"destination": each, "weight": share} for each, share in zip((first, second), shares, strict=True)]
        beside = [{"match": [{"uri": {"prefix": "/b"}}], "route": [{"destination": third}]}] if third else []
        ours = a_virtual_service(http=[*beside, {"route": split}])
        found = examine(a_service(), "v2", a_snapshot(virtual_service=ours))
        if not found.reasons:
            assert with_routes(ours, found.target, Routes(canary=20)) != ours, split
            written += 1
    assert written


LINES = [
    (("a", "b"), "Write `routes: [main, a, b]` for reviews in services.yaml"),
    (("yes", "of a: b"), 'Write `routes: [main, "yes", "of a: b"]` for reviews in services.yaml'),
    (("a", ""), "Take `routes` out of reviews in services.yaml"),
    (("a", "a"), "Take `routes` out of reviews in services.yaml"),
]


@pytest.mark.parametrize(("names", "line"), LINES)
def test_one_line_moves_every_route_that_was_left_out(names: tuple[str, ...], line: str) -> None:
    ours = a_virtual_service(http=[route("main", "v1"), *(route(name, "v1") for name in names)])
    (reason,) = texts(examine(a_service(routes=("main",)), "v2", a_snapshot(virtual_service=ours)).reasons)
    assert line in reason


def streams(**spec: Any) -> dict[str, Any]:
    found = a_virtual_service()
    found["spec"] = {key: value for key, value in found["spec"].items() if key != "http"} | spec
    return found


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_users_of_a_route_that_cannot_move_are_no_obstacle_where_the_canary_is_adopted(kind: str) -> None:
    ours = a_virtual_service(http=[route("main", "v1")])
    ours["spec"][kind] = [{"route": [{"destination": {"host": "reviews", "subset": "v1"}}]}]
    (reason,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=ours)).reasons)
    assert f"{kind} route 1" in reason
    assert "`promote: adopt`" in reason
    adopted = examine(a_service(promote=Promote.ADOPT), "v2", a_snapshot(virtual_service=ours))
    assert adopted.reasons == ()
    (warning,) = texts(adopted.warnings)
    assert "They stay on the old version." in warning


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_init_writes_the_subset_of_streams_too(kind: str) -> None:
    ours = a_virtual_service(http=[route("main", "v1")])
    ours["spec"][kind] = [{"route": [{"destination": {"host": "reviews"}}]}]
    (reason,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=ours)).reasons)
    assert "`canary-bot init reviews --apply` writes `subset: v1` there" in reason


TO_V1 = [{"destination": {"host": "reviews", "subset": "v1"}}]
NO_COMMAND = [
    streams(tls=[{"match": [{"port": 443, "sniHosts": ["shop.example"]}], "route": TO_V1}]),
    streams(tcp=[{"match": [{"destinationSubnets": ["10.0.0.0/8"]}], "route": TO_V1}]),
    streams(tcp=[{"route": [{"destination": {"host": "reviews"}}]}]),
]


@pytest.mark.parametrize("ours", NO_COMMAND)
def test_what_http_cannot_say_the_same_way_is_left_to_people(ours: dict[str, Any]) -> None:
    (reason,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=ours)).reasons)
    assert "only tls or tcp routes" in reason
    assert "kubectl" not in reason


def test_ports_that_do_not_say_that_they_are_http_are_not_taken_for_it() -> None:
    backend = a_backend() | {"spec": a_backend()["spec"] | {"ports": [{"name": "tcp-reviews", "port": 9080}]}}
    ours = streams(tcp=[{"route": TO_V1}])
    (reason,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=ours, service=backend)).reasons)
    assert "kubectl" not in reason


def test_testers_on_the_canary_are_nobodys_business() -> None:
    assert findings(route("testers", "v2"), Promote.UPGRADE) == ([], [])
