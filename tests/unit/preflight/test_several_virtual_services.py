"""A service with several VirtualServices: each is looked at, and none is a stranger to the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bot.cluster.mesh_setup import Found, setup
from bot.model.errors import Refusal
from bot.preflight import Callers, Examined, examine
from bot.preflight.permissions import needed
from tests.builders import a_service
from tests.snapshots import a_backend, a_rule, a_snapshot, a_virtual_service, texts

SERVICE = a_service(siblings=("default/inside",))
NOBODY = Callers()


def inside(**spec: Any) -> dict[str, Any]:
    made = a_virtual_service("inside", hosts=["reviews"], **spec)
    del made["spec"]["gateways"]
    return made


def examined_of(*siblings: dict[str, Any], callers: Callers = NOBODY, **changes: Any) -> Examined:
    return examine(SERVICE, "v2", a_snapshot(siblings=siblings, **changes), callers)


def refused(*siblings: dict[str, Any], **changes: Any) -> tuple[str, ...]:
    try:
        return texts(examined_of(*siblings, **changes).reasons)
    except Refusal as refusal:
        return texts(refusal.reasons)


def test_both_are_moved_and_neither_is_a_rival_of_the_other() -> None:
    examined = examined_of(inside())

    assert examined.problems == ()
    assert [one.virtual_service_key for one in examined.target.each] == [("default", "reviews"), ("default", "inside")]


def test_callers_inside_the_mesh_are_governed_by_whichever_is_bound_to_it() -> None:
    callers = Callers(of_service={"productpage-v1": 12.0})

    assert examined_of(inside(), callers=callers).warnings == ()
    (astray,) = texts(examined_of(a_virtual_service("inside", hosts=["shop.example"]), callers=callers).warnings)
    assert astray.startswith("Callers inside the mesh do not follow VirtualService default/reviews, default/inside")


def to(subset: str | None, weight: int) -> dict[str, Any]:
    return {"destination": {"host": "reviews"} | ({"subset": subset} if subset else {}), "weight": weight}


@pytest.mark.parametrize(
    ("http", "named"),
    [
        ([{"route": [to("v1", 70), to("v2", 30)]}], "VirtualService inside"),
        ([{"route": [to(None, 100)]}], "VirtualService default/inside"),
    ],
)
def test_what_is_wrong_with_the_second_is_told_by_its_name(http: Sequence[dict[str, Any]], named: str) -> None:
    assert any(named in reason for reason in refused(inside(http=list(http))))


def test_marks_of_an_older_rollout_on_the_second_are_told_with_the_command_for_it() -> None:
    marked = inside()
    marked["metadata"]["annotations"] = {"canary-bot/restore": "{}"}

    (reason,) = refused(marked)

    assert "annotate virtualservice inside canary-bot/restore-" in reason


def test_one_that_does_not_exist_is_refused_by_its_name() -> None:
    (reason,) = refused()

    assert reason == (
        "There is no VirtualService inside in namespace default. Create it, or correct `virtual_services` in "
        "services.yaml: users are moved by all of them together."
    )


def test_what_is_asked_of_the_api_server_is_asked_of_each() -> None:
    asked = [(one.namespace, one.name) for one in needed(a_service(siblings=("ingress/edge",)), "v2")]

    for name in ("reviews", "canary-bot-reviews"):
        assert ("default", name) in asked
    for name in ("edge", "canary-bot-edge"):
        assert ("ingress", name) in asked


def found(*virtual_services: dict[str, Any]) -> Found:
    deployments = a_snapshot().deployments
    return Found(
        backend=a_backend(), deployments=deployments, rules=[a_rule()], virtual_services=virtual_services, gateways=[]
    )


def test_init_writes_the_subset_into_each_and_creates_none_of_several() -> None:
    loose = [{"route": [{"destination": {"host": "reviews"}}]}]
    made = setup(SERVICE, found(a_virtual_service(http=loose), inside(http=loose)), "v1")

    assert [write.thing["metadata"]["name"] for write in made.writes] == ["reviews", "inside"]
    assert all(write.thing["spec"]["http"][0]["route"][0]["destination"]["subset"] == "v1" for write in made.writes)
    with pytest.raises(Refusal, match="VirtualService default/inside does not exist"):
        setup(SERVICE, found(a_virtual_service(http=loose)), "v1")


def test_another_that_sends_users_to_the_primary_comes_with_the_line_that_moves_both() -> None:
    (warning,) = texts(examine(a_service(), "v2", a_snapshot(virtual_services=(inside(),))).warnings)

    assert warning.startswith("VirtualService inside sends requests to reviews (subset v1) as well. ")
    assert "Write `virtual_services: [reviews, inside]` for reviews in services.yaml, so that they move too" in warning
    assert examined_of(inside()).problems == ()


def test_of_another_that_has_no_http_route_nothing_is_to_be_listed() -> None:
    streams = inside() | {"spec": {"hosts": ["reviews"], "tcp": [{"route": [to("v1", 100)]}]}}

    (warning,) = texts(examine(a_service(), "v2", a_snapshot(virtual_services=(streams,))).warnings)

    assert "Move them to reviews, or accept it." in warning
