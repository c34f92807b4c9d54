"""What a start says when an earlier release has left all users on another Deployment than services.yaml names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, Phase, Stage, Template
from bot.preflight import Examined, examine
from bot.preflight.moved import left_on_canary
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, changed
from tests.snapshots import a_deployment, a_snapshot, a_virtual_service, texts

V3 = a_deployment("reviews-v3", "v3")
ALL_THREE = (a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v2"), V3)
WRITE = "Write `primary: {deployment: reviews-v2}` for reviews in services.yaml, then start the next"


def weights(**shares: int | None) -> dict[str, Any]:
    """One route of reviews with these destinations; None is a weight that is not written."""
    entries = [{"destination": {"host": "reviews", "subset": one}} for one in shares]
    for entry, share in zip(entries, shares.values(), strict=True):
        if share is not None:
            entry["weight"] = share  # type: ignore[assignment]  # raw JSON
    return {"route": entries}


def an_adopted() -> Any:
    """Rollout r-1 of v2, which was adopted."""
    finish = Stage(name="finish", phase=Phase.BAKING, routes=ALL_CANARY, release=True)
    return a_rollout(phase=Phase.PROMOTED, plan=(finish,), stage=0)


def examined(*http: dict[str, Any], version: str = "v3", **service: Any) -> Examined:
    snapshot = a_snapshot(virtual_service=a_virtual_service(http=[*http]), deployments=ALL_THREE)
    return examine(a_service(**service), version, snapshot)


@pytest.mark.parametrize(
    "route",
    [
        weights(v1=0, v2=100),
        weights(v2=100, v1=0),
        weights(v2=None),
        weights(v1=None, v2=100, v3=0),
        weights(v2=7, v1=0),
    ],
)
def test_everybody_elsewhere_is_explained_with_the_keys_to_write(route: dict[str, Any]) -> None:
    (reason,) = texts(examined(route).reasons)

    assert reason.startswith("All users are on reviews-v2 (subset v2), and services.yaml calls reviews-v1 the primary.")
    assert WRITE in reason
    assert "If that is not meant, give all the weight to reviews-v1 in reviews first." in reason


@pytest.mark.parametrize(
    "route",
    [weights(v1=100, v2=0), weights(v1=None), weights(v1=60, v2=40), weights(v1=1, v2=99), weights(v1=100, v2=0, v3=0)],
)
def test_while_the_primary_has_users_nothing_is_said_of_it(route: dict[str, Any]) -> None:
    assert not any(reason.startswith("All users") for reason in texts(examined(route).reasons))


def test_a_rollout_that_is_known_to_have_ended_there_is_named_and_nobody_is_sent_back() -> None:
    snapshot = a_snapshot(virtual_service=a_virtual_service(http=[weights(v1=0, v2=100)]), deployments=ALL_THREE)

    (reason,) = texts(examine(a_service(), "v3", snapshot, before=an_adopted()).reasons)

    assert reason.startswith("v2 is the primary now: rollout r-1 ended with all users on reviews-v2 (subset v2)")
    assert WRITE in reason
    assert "weight" not in reason


def test_the_old_primary_may_be_gone_by_then() -> None:
    snapshot = a_snapshot(virtual_service=a_virtual_service(http=[weights(v1=0, v2=100)]), deployments=ALL_THREE[1:])

    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v3", snapshot, before=an_adopted())

    assert any(WRITE in reason for reason in map(plain, texts(refused.value.reasons)))


def test_a_container_that_is_named_stays_named_and_a_fixed_canary_changes_places() -> None:
    snapshot = a_snapshot(virtual_service=a_virtual_service(http=[weights(v1=0, v2=100)]), deployments=ALL_THREE)
    service = a_service(containers=("reviews",), canary_deployment="reviews-v2")

    (reason,) = texts(examine(service, "v2", snapshot).reasons)

    assert "`primary: {deployment: reviews-v2, container: reviews}` and `canary: {deployment: reviews-v1}`" in reason


def test_several_deployments_in_that_subset_are_a_persons_choice() -> None:
    twin = a_deployment("reviews-twin", "v2")
    snapshot = a_snapshot(
        virtual_service=a_virtual_service(http=[weights(v1=0, v2=100)]), deployments=(*ALL_THREE, twin)
    )

    reasons = texts(examine(a_service(), "v3", snapshot).reasons)

    assert any("Name the Deployment that has them as `primary: {deployment: NAME}`" in reason for reason in reasons)


def test_testers_on_another_version_are_not_everybody() -> None:
    testers = {"match": [{"headers": {"qa": {"exact": "1"}}}], **weights(v2=None)}

    assert texts(examined(testers, weights(v1=100, v2=0)).reasons) == ()


def test_a_rollout_that_is_still_marked_explains_itself() -> None:
    ours = a_virtual_service(http=[weights(v1=0, v2=100)])
    ours["metadata"]["annotations"] = {"canary-bot/rollout": "r-9"}

    assert texts(examine(a_service(), "v3", a_snapshot(virtual_service=ours, deployments=ALL_THREE)).reasons) == ()


def test_with_the_file_corrected_the_next_release_begins_from_there() -> None:
    corrected = examined(weights(v1=0, v2=100), primary_deployment="reviews-v2")

    assert texts(corrected.reasons) == ()
    assert (corrected.target.primary_subset, corrected.target.canary_subset) == ("v2", "v3")


def test_only_a_canary_that_kept_the_users_was_left_there() -> None:
    adopted = an_adopted()
    assert left_on_canary(adopted)
    relabelled = changed(adopted, plan=(replace(adopted.spec.plan[0], template=Template.UPGRADED),))
    assert not left_on_canary(relabelled)
    assert not left_on_canary(replace(adopted, phase=Phase.ABORTED))


def test_a_virtual_service_without_spec_is_looked_at_like_an_empty_one() -> None:
    empty = {"kind": "VirtualService", "metadata": {"name": "reviews", "namespace": "default"}}

    (reason,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=empty)).reasons)

    assert reason.endswith("Add an http route with `{destination: {host: reviews, subset: v1}}`.")
