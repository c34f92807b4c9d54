"""What preflight finds out, and what it refuses: Bookinfo's objects with one thing changed at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from bot.model.errors import Cause, Refusal
from bot.model.rollout import Topology
from bot.preflight import Snapshot, Unread, examine
from bot.words.rendering import plain
from tests.builders import a_service
from tests.snapshots import a_deployment, a_pod, a_snapshot, a_virtual_service, texts

DIGEST = "sha256:" + "a" * 64


def test_a_version_in_the_immutable_selector_means_traffic_returns_to_the_primarys_subset() -> None:
    examined = examine(a_service(), "v2", a_snapshot())

    assert (examined.target.topology, examined.target.primary_subset, examined.target.canary_subset) == (
        Topology.PER_VERSION,
        "v1",
        "v2",
    )
    assert examined.upgraded.images == {"reviews": "registry.example/reviews-v2:1.20.3"}
    assert examined.upgraded.labels == {}


def test_a_healthy_service_has_no_problems() -> None:
    assert examine(a_service(), "v2", a_snapshot()).problems == ()


def test_a_free_version_label_moves_together_with_the_image() -> None:
    deployments = (
        a_deployment("reviews", "v1", app="reviews", track="primary"),
        a_deployment("reviews-canary", "v2", app="reviews", track="canary"),
    )
    service = a_service(primary_deployment="reviews", canary_deployment="reviews-canary")

    examined = examine(service, "v2", a_snapshot(deployments=deployments))

    assert examined.target.topology is Topology.RELABEL
    assert (examined.recorded.labels, examined.upgraded.labels) == ({"version": "v1"}, {"version": "v2"})


def two_rules(snapshot: dict[str, Any]) -> None:
    rule, other = snapshot["destination_rules"][0], deepcopy(snapshot["destination_rules"][0])
    other["metadata"]["name"] = "older"
    snapshot["destination_rules"] = (rule, other)


def no_canary(snapshot: dict[str, Any]) -> None:
    snapshot["deployments"] = snapshot["deployments"][:1]


def no_virtual_service(snapshot: dict[str, Any]) -> None:
    snapshot["virtual_service"] = None


def same_subset(snapshot: dict[str, Any]) -> None:
    snapshot["deployments"] = (a_deployment("reviews-v1", "v2"), a_deployment("reviews-v2", "v2"))


def a_stranger(snapshot: dict[str, Any]) -> None:
    snapshot["deployments"] += (a_deployment("reviews-hotfix", "v2"),)


def hashed_subsets(snapshot: dict[str, Any]) -> None:
    for subset, deployment in zip(
        snapshot["destination_rules"][0]["spec"]["subsets"], snapshot["deployments"], strict=False
    ):
        subset["labels"] = {"pod-template-hash": subset["name"]}
        deployment["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = subset["name"]


def narrow_selector(snapshot: dict[str, Any]) -> None:
    snapshot["service"]["spec"]["selector"]["version"] = "v1"


def same_image(snapshot: dict[str, Any]) -> None:
    image = {"containers": [{"name": "reviews", "image": "registry.example/reviews:1"}]}
    for deployment in snapshot["deployments"]:
        deployment["spec"]["template"]["spec"] = image


def two_containers(snapshot: dict[str, Any]) -> None:
    snapshot["deployments"][0]["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})


def two_digests(snapshot: dict[str, Any]) -> None:
    canary = snapshot["deployments"][1]
    image = "registry.example/reviews-v2"
    snapshot["pods"] = (a_pod(canary, image_id=f"{image}@{DIGEST}"), a_pod(canary, image_id=f"{image}@sha256:b"))


def unreadable_rules(snapshot: dict[str, Any]) -> None:
    snapshot["destination_rules"] = ()
    snapshot["unread"] = (
        Unread(kind="DestinationRule", cause=Cause.FORBIDDEN, sentence="Could not list DestinationRules: forbidden."),
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (two_rules, "Exactly one DestinationRule with subsets is needed for reviews, found 2"),
        (no_canary, "There is no Deployment reviews-v2 in namespace default. Deploy v2 first"),
        (no_virtual_service, "There is no VirtualService reviews .* `canary-bot init reviews --apply` creates it"),
        (same_subset, "both in the subset v2: no route can tell them apart"),
        (a_stranger, "The pods of reviews-hotfix are in the subset v2 of reviews too"),
        (hashed_subsets, "differ in pod-template-hash, which another controller owns"),
        (narrow_selector, "The Service reviews does not select the pods of reviews-v2"),
        (same_image, "reviews-v1 runs the image of v2 already"),
        (two_containers, "services.yaml does not name one"),
        (two_digests, "run different images"),
        (unreadable_rules, r"resources: \[destinationrules\], verbs: \[get, list\]"),
    ],
)
def test_what_is_missing_or_ambiguous_is_refused_in_words(
    change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    snapshot = a_snapshot()
    parts = {name: getattr(snapshot, name) for name in Snapshot.__slots__}
    change(parts)

    with pytest.raises(Refusal, match=sentence):
        examine(a_service(), "v2", Snapshot(**parts))


def test_every_reason_is_given_at_once_also_those_of_other_checks() -> None:
    primary = a_deployment("reviews-v1", "v1")
    primary["spec"]["paused"] = True

    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", a_snapshot(virtual_service=None, service=None, deployments=(primary,)))

    assert [reason.split(" in namespace")[0].split(",")[0] for reason in map(plain, texts(refused.value.reasons))] == [
        "There is no Deployment reviews-v2",
        "There is no Service reviews",
        "There is no VirtualService reviews",
        "reviews-v1 is paused",
    ]


def test_a_kind_that_may_not_be_read_is_not_said_to_be_missing() -> None:
    unread = (
        Unread(
            kind="VirtualService",
            cause=Cause.FORBIDDEN,
            sentence="Could not list VirtualServices of default: forbidden.",
        ),
    )

    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", a_snapshot(virtual_service=None, unread=unread))

    (reason,) = texts(refused.value.reasons)
    assert "Add to its Role there" in str(reason)


def test_a_kind_that_only_leaves_a_question_open_is_a_warning() -> None:
    unread = (
        Unread(kind="HorizontalPodAutoscaler", cause=Cause.FORBIDDEN, sentence="Could not list them: forbidden."),
    )

    examined = examine(a_service(), "v2", a_snapshot(unread=unread))

    assert (texts(examined.reasons), len(texts(examined.warnings))) == ((), 1)


def test_the_bits_that_were_tested_are_the_bits_that_are_promoted() -> None:
    canary = a_deployment("reviews-v2", "v2")
    pods = (
        a_pod(canary, image_id=f"registry.example/reviews-v2@{DIGEST}"),
        a_pod(canary, image_id="registry.example/reviews-v2@sha256:0", ready=False),
    )

    examined = examine(a_service(), "v2", a_snapshot(pods=pods))

    assert examined.upgraded.images == {"reviews": f"registry.example/reviews-v2:1.20.3@{DIGEST}"}


def test_the_service_may_be_named_by_any_form_of_its_name() -> None:
    examined = examine(a_service(host="reviews.default.svc.cluster.local"), "v2", a_snapshot())

    assert examined.target.host == "reviews.default.svc.cluster.local"


def test_subsets_with_different_traffic_policies_cannot_be_compared() -> None:
    snapshot = a_snapshot()
    snapshot.destination_rules[0]["spec"]["subsets"][1]["trafficPolicy"] = {"outlierDetection": {}}

    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)

    assert warning.startswith("The subsets v1 and v2 of reviews have different trafficPolicy (outlierDetection).")


def with_bits(*digests: str, image: str = "") -> Snapshot:
    """Both sides' pods in order, each with what its node says it runs."""
    deployments = a_deployment("reviews-v1", "v1", image=image), a_deployment("reviews-v2", "v2", image=image)
    pods = [a_pod(side, number) for side in deployments for number in (1, 2)]
    for pod, shown in zip(pods, digests, strict=True):
        app = pod["spec"]["containers"][0]["image"].rpartition(":")[0]
        pod["status"]["containerStatuses"][0]["imageID"] = f"{app}@sha256:{shown}"
    return a_snapshot(deployments=deployments, pods=tuple(pods))


def test_the_same_bits_under_two_names_are_nothing_to_promote() -> None:
    with pytest.raises(Refusal, match="reviews-v1 runs the image of v2 already"):
        examine(a_service(), "v2", with_bits("a", "a", "a", "a"))

    assert examine(a_service(), "v2", with_bits("a", "a", "b", "b")).problems == ()


def test_two_bits_under_one_name_leave_no_way_back() -> None:
    live = "registry.example/reviews:live"

    with pytest.raises(Refusal, match=f"reviews-v1 and reviews-v2 run different bits under one name: {live}"):
        examine(a_service(), "v2", with_bits("a", "a", "b", "b", image=live))


def test_a_primary_that_runs_a_mix_is_told() -> None:
    (warning,) = texts(examine(a_service(), "v2", with_bits("a", "c", "b", "b")).warnings)

    assert warning.startswith("The pods of reviews-v1 run different images under registry.example/reviews-v1:1.20.3.")


def test_a_pod_that_was_relabelled_by_hand_is_named() -> None:
    snapshot = a_snapshot()
    snapshot.pods[0]["metadata"]["labels"]["version"] = "v2"

    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", snapshot)

    assert str(texts(refused.value.reasons)[0]).startswith(
        "Pod reviews-v1-1 of reviews-v1 is not in the subset v1: its labels are not its template's."
        " `kubectl -n default delete pod"
    )


@pytest.mark.parametrize(
    ("balancer", "said"),
    [
        ({"localityLbSetting": {"enabled": True}}, "reviews balances by locality"),
        ({"consistentHash": {"httpHeaderName": "x-user"}}, "reviews keeps sessions together"),
        ({"simple": "LEAST_REQUEST"}, ""),
    ],
)
def test_balancing_by_more_than_weights_is_told(balancer: dict[str, Any], said: str) -> None:
    snapshot = a_snapshot()
    snapshot.destination_rules[0]["spec"]["trafficPolicy"] = {"loadBalancer": balancer}

    assert [one.startswith(said) for one in texts(examine(a_service(), "v2", snapshot).warnings)] == [True] * bool(said)


def test_a_refusal_also_says_what_it_would_only_have_warned_of() -> None:
    snapshot = a_snapshot(virtual_service=None)
    del snapshot.deployments[0]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]

    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", snapshot)

    assert [reason.split(" has ")[0].split(" in ")[0] for reason in map(plain, texts(refused.value.reasons))][:2] == [
        "There is no VirtualService reviews",
        "Warning: reviews of reviews-v1",
    ]


def test_a_cluster_without_nodes_behind_it_is_only_warned_about() -> None:
    snapshot = a_snapshot(pods=())
    for deployment in snapshot.deployments:
        del deployment["status"]

    examined = examine(a_service(), "v2", snapshot)

    assert texts(examined.reasons) == ()
    assert [warning.split(" can be seen")[0] for warning in texts(examined.warnings)] == [
        "No ready pod of reviews-v1",
        "No ready pod of reviews-v2",
    ]


def test_a_host_written_in_full_is_the_same_service_wherever_it_stands() -> None:
    host = "reviews.default.svc.cluster.local"
    route = [{"destination": {"host": host, "subset": "v1"}}]
    snapshot = a_snapshot(virtual_service=a_virtual_service(http=[{"route": route}], hosts=[host]))
    snapshot.destination_rules[0]["spec"]["host"] = host
    found = examine(a_service(host=host), "v2", snapshot)
    assert found.problems == ()
    assert found.target.host == "reviews.default.svc.cluster.local"


@pytest.mark.parametrize("host", ["reviews.default.svc.cluster.local.", "reviews.default.svc.", "reviews."])
@pytest.mark.parametrize("place", ["hosts", "destination", "mirror", "rule"])
def test_a_dot_at_the_end_of_a_host_is_said_to_be_what_nobody_answers(host: str, place: str) -> None:
    plain = "reviews.default.svc.cluster.local"
    written = {name: host if name == place else plain for name in ("hosts", "destination", "mirror", "rule")}
    route = {
        "route": [{"destination": {"host": written["destination"], "subset": "v1"}}],
        "mirror": {"host": written["mirror"], "subset": "v1"},
    }
    snapshot = a_snapshot(virtual_service=a_virtual_service(http=[route], hosts=[written["hosts"]]))
    snapshot.destination_rules[0]["spec"]["host"] = written["rule"]

    try:
        found = examine(a_service(), "v2", snapshot).reasons
    except Refusal as refused:  # with the rule away there are no sides
        found = refused.reasons

    (reason,) = [one for one in texts(found) if "with a dot at its end" in one]
    assert f"`{host}`" in reason
    assert reason.endswith(f"Write `{host.removesuffix('.')}` there.")
