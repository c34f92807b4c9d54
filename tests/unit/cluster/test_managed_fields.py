"""Who wrote a part of an object last."""

from __future__ import annotations

from typing import Any

from bot.cluster.managed_fields import ROUTES, TEMPLATE, Writer, annotation, writer_of


def entry(manager: str, time: str, *path: str, **more: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for step in reversed(path):
        tree = {step: tree}
    return {"manager": manager, "time": f"2025-06-15T15:06:{time}Z", "fieldsV1": tree, **more}


def thing(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}}


def test_the_owner_of_the_field_wrote_it_whoever_wrote_elsewhere_since() -> None:
    obj = thing(
        entry("kubectl-edit", "40", *ROUTES),
        entry("canary-bot", "50", "f:metadata", "f:annotations", "f:canary-bot/heartbeat"),
        entry("argocd-controller", "55", "f:metadata", "f:labels"),
    )
    assert writer_of(obj, ROUTES) == Writer(manager="kubectl-edit", at=1_750_000_000.0)
    assert writer_of(obj, annotation("canary-bot/heartbeat")).manager == "canary-bot"
    assert writer_of(obj).manager == "argocd-controller"


def test_of_two_in_one_second_the_one_is_named_that_is_not_us() -> None:
    obj = thing(entry("helm", "40", *TEMPLATE), entry("canary-bot", "40", *TEMPLATE))
    assert writer_of(obj, TEMPLATE, not_by="canary-bot").manager == "helm"


def test_a_subresource_is_nobodys_edit_and_what_the_server_does_not_say_stays_open() -> None:
    status = entry("kube-controller-manager", "59", *TEMPLATE, subresource="status")
    assert writer_of(thing(status), TEMPLATE) == Writer()
    assert writer_of({"metadata": {}}) == Writer()
    assert writer_of(thing({"manager": "m", "fieldsV1": {}})) == Writer(manager="m")
