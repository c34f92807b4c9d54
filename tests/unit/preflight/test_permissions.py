"""What a rollout may do, and the rule that is missing."""

from __future__ import annotations

import yaml

from bot.model.service import Promote
from bot.preflight import Permission, examine
from bot.preflight.permissions import needed
from tests.builders import a_service
from tests.snapshots import a_snapshot, texts

WRITES = {"update", "patch", "delete", "create"}


def test_only_what_this_service_will_use_is_asked_for() -> None:
    def writes(**changes: object) -> list[tuple[str, str, str]]:
        asked = needed(a_service(**changes), "v2")
        return [(one.verb, one.resource, one.name) for one in asked if one.verb in WRITES and one.resource != "leases"]

    routes, upgrade = ("update", "virtualservices", "reviews"), ("patch", "deployments", "reviews-v1")
    grow = ("patch", "deployments", "reviews-v1")  # its scale: a primary that shrank while it had no users
    assert writes() == [routes, upgrade, grow]
    assert writes(promote=Promote.ADOPT) == [routes, grow]
    assert writes(scale_canary_down=True) == [routes, upgrade, grow, ("patch", "deployments", "reviews-v2")]


def test_the_heartbeat_is_asked_for_by_its_name_but_for_its_creation() -> None:
    asked = [
        (one.verb, one.name) for one in needed(a_service(virtual_service="shop"), "v2") if one.resource == "leases"
    ]

    name = "canary-bot-shop"
    assert asked == [("get", name), ("update", name), ("delete", name), ("create", "")]


def test_what_is_denied_blocks_with_the_rule_to_add() -> None:
    service = a_service(scale_canary_down=True)
    permissions = tuple(
        Permission(access=access, allowed=access.verb not in WRITES) for access in needed(service, "v2")
    )

    reasons = texts(examine(service, "v2", a_snapshot(permissions=permissions)).reasons)

    assert reasons[0].startswith("canary-bot may not update virtualservices reviews in namespace default.")
    assert [yaml.safe_load(reason.split("`")[1])[0] for reason in reasons] == [
        {
            "apiGroups": ["networking.istio.io"],
            "resources": ["virtualservices"],
            "resourceNames": ["reviews"],
            "verbs": ["update"],
        },
        *(
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": ["canary-bot-reviews"],
                "verbs": [verb],
            }
            for verb in ("update", "delete")
        ),
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["reviews-v1"], "verbs": ["patch"]},
        *(
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": [name], "verbs": ["patch"]}
            for name in ("reviews-v1", "reviews-v2")
        ),
    ]


def test_what_is_looked_at_again_and_again_is_asked_for_as_a_list_and_a_watch() -> None:
    asked = {(one.resource, one.verb) for one in needed(a_service(), "v2") if not one.name and one.verb != "create"}

    kinds = ("virtualservices", "deployments", "replicasets", "pods")
    assert asked == {(kind, verb) for kind in kinds for verb in ("list", "watch")}


def test_without_a_watch_the_api_server_is_asked_each_time_and_nothing_is_stopped() -> None:
    permissions = tuple(
        Permission(access=access, allowed=access.verb != "watch") for access in needed(a_service(), "v2")
    )

    examined = examine(a_service(), "v2", a_snapshot(permissions=permissions))

    assert texts(examined.reasons) == ()
    assert texts(examined.warnings)[0].startswith(
        "canary-bot may not watch virtualservices in namespace default. Add to its Role"
    )


def test_what_the_server_cannot_say_is_one_warning() -> None:
    asked = needed(a_service(), "v2")
    permissions = tuple(Permission(access=access, allowed=None, why="It said 404.") for access in asked)

    examined = examine(a_service(), "v2", a_snapshot(permissions=permissions))

    assert texts(examined.reasons) == ()
    assert texts(examined.warnings)[0].endswith("is not known: It said 404. Compare its Role with `deploy/rbac.yaml`.")
