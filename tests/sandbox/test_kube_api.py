"""The Kubernetes stand-in, met as the bot meets it: through the official client and over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from kubernetes import client, config

from bot.adapters.kube_answers import warnings_in
from sandbox.kube import KubeApi
from sandbox.kube.bookinfo import objects, relabel_objects, service_objects

VS = ("networking.istio.io", "v1", "default", "virtualservices", "reviews")
VS_PATH = "/apis/networking.istio.io/v1/namespaces/default/virtualservices/reviews"
DEPLOYMENT_PATH = "/apis/apps/v1/namespaces/default/deployments/reviews-v1"
WHO = {"Authorization": "Bearer sandbox-token"}


@pytest.fixture
def kube() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02) as running:
        yield running.load(objects())


@pytest.fixture
def api(kube: KubeApi, tmp_path: Path) -> Iterator[Any]:
    path = str(kube.write_kubeconfig(tmp_path / "config"))
    made = config.new_client_from_config(path)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    yield made
    made.close()


@pytest.fixture
def custom(api: Any) -> Any:
    return client.CustomObjectsApi(api)


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Status code, reason and message of a call that must be refused."""
    with pytest.raises(client.ApiException) as caught:
        call()
    status = json.loads(caught.value.body or "{}")
    return caught.value.status, status["reason"], status["message"]


def test_a_write_based_on_an_older_object_is_a_conflict(custom: Any) -> None:
    mine = custom.get_namespaced_custom_object(*VS)
    theirs = custom.get_namespaced_custom_object(*VS)
    theirs["spec"]["http"][0]["timeout"] = "3s"
    custom.replace_namespaced_custom_object(*VS, theirs)

    assert refusal(lambda: custom.replace_namespaced_custom_object(*VS, mine)) == (
        409,
        "Conflict",
        (
            'Operation cannot be fulfilled on virtualservices.networking.istio.io "reviews": '
            "the object has been modified; please apply your changes to the latest version and try again"
        ),
    )


def test_a_put_must_say_which_version_it_replaces(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    del found["metadata"]["resourceVersion"]

    code, reason, message = refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))

    assert (code, reason) == (422, "Invalid")
    assert message.endswith("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update")


def test_strict_validation_names_the_unknown_field(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["spec"]["http"][0]["mirror_percentage"] = {"value": 20}

    assert refusal(lambda: custom.replace_namespaced_custom_object(*VS, found, field_validation="Strict")) == (
        400,
        "BadRequest",
        (
            'VirtualService in version "v1" cannot be handled as a VirtualService: strict decoding error: '
            'unknown field "spec.http[0].mirror_percentage"'
        ),
    )


def test_lenient_validation_prunes_the_unknown_field_and_warns(kube: KubeApi) -> None:
    found = requests.get(kube.url + VS_PATH, headers=WHO, timeout=5).json()
    found["spec"]["http"][0]["mirror_percentage"] = {"value": 20}

    answer = requests.put(kube.url + VS_PATH, headers=WHO, json=found, timeout=5)

    assert "mirror_percentage" not in answer.json()["spec"]["http"][0]
    assert 'unknown field \\"spec.http[0].mirror_percentage\\"' in answer.headers["Warning"]
    assert 'prefer the <namespace>/<name> format: \\"istio-system/reviews-gateway\\"' in answer.headers["Warning"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"mirror": {"host": "reviews"}, "mirrors": [{"destination": {"host": "reviews"}}]}, "both mirror and mirrors"),
        ({"mirrorPercentage": {"value": 101}}, "mirror_percentage must have a max value of 100"),
        ({"redirect": {"uri": "/"}}, "cannot contain both route and redirect"),
        ({"delegate": {"name": "other"}}, "must not specify route"),
        ({"route": [{"destination": {"host": "*"}}]}, "invalid destination host *"),
        ({"directResponse": {"status": 200}, "rewrite": {"uri": "/"}}, "both route and direct_response"),
        ({"route": [{"destination": {"host": "reviews", "subset": "V 1"}}]}, "subset name is invalid: V 1"),
        ({"route": [{"destination": {"host": "reviews"}, "weight": -1}]}, "weight -1 < 0"),
        ({"route": [{"destination": {"host": "reviews"}}] * 2}, "total destination weight = 0"),
    ],
)
def test_istios_webhook_refuses_what_cannot_work(custom: Any, change: dict[str, Any], complaint: str) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["spec"]["http"][0] |= change

    code, _, message = refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))

    assert code == 400
    assert message.startswith('admission webhook "validation.istio.io" denied the request: configuration is invalid: ')
    assert complaint in message


@pytest.mark.parametrize(
    ("matches", "warnings"),
    [
        ([[{"port": 1}], [{"port": 2}], []], []),
        ([[], []], ["rule #1 not used (only the last rule can have no matches)"]),
        ([[], [{"port": 1}]], ["rule #1 not used (route without matches defined before)"]),
        (
            [[{"port": 1, "name": "a"}, {"port": 2}], [{"port": 1}], [{"port": 2}, {"port": 3}]],
            [
                "rule #1 match #0 is not used (duplicate/overlapping match in rule #0)",
                "rule #1 not used (all matches used by prior rules)",
                "rule #2 match #0 is not used (duplicate/overlapping match in rule #0)",
            ],
        ),
    ],
)
def test_istios_webhook_tells_of_rules_that_get_nothing(
    kube: KubeApi, matches: list[list[dict[str, Any]]], warnings: list[str]
) -> None:
    found = requests.get(kube.url + VS_PATH, headers=WHO, timeout=5).json()
    (route,) = found["spec"]["http"]
    found["spec"] |= {"gateways": ["istio-system/reviews-gateway"]}
    found["spec"]["http"] = [route | ({"match": one} if one else {}) for one in matches]

    answer = requests.put(kube.url + VS_PATH, headers=WHO, json=found, timeout=5)

    found_out = warnings_in(answer.raw.headers.getlist("Warning"))
    assert found_out == [f"virtualService {text}" for text in warnings]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"hosts": ["*.shop", "a.shop"]}, "duplicate hosts in virtual service: *.shop & a.shop"),
        ({"hosts": []}, "delegate virtual service must have no gateways specified"),
        ({"http": []}, "http, tcp or tls must be provided in virtual service"),
    ],
)
def test_istios_webhook_refuses_what_means_nothing(custom: Any, spec: dict[str, Any], complaint: str) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["spec"] |= spec

    _, _, message = refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))

    assert complaint in message


def test_a_wildcard_host_must_not_reach_the_mesh(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["spec"]["gateways"].append("mesh")

    _, _, message = refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))

    assert "wildcard host * is not allowed for virtual services bound to the mesh gateway" in message


def test_a_weight_must_be_a_number(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["spec"]["http"][0]["route"][0]["weight"] = "100"

    code, _, message = refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))

    assert code == 422
    assert "spec.http[0].route[0].weight in body must be of type integer" in message


def test_a_dry_run_answers_the_result_and_stores_nothing(kube: KubeApi, custom: Any) -> None:
    before = kube.store.get("VirtualService", "default", "reviews")
    changed = custom.get_namespaced_custom_object(*VS)
    changed["spec"]["http"][0]["route"][0]["weight"] = 80

    answer = custom.replace_namespaced_custom_object(*VS, changed, dry_run="All")

    assert answer["spec"] == changed["spec"]
    assert answer["metadata"]["generation"] == 2
    assert kube.store.get("VirtualService", "default", "reviews") == before


def test_a_write_that_changes_nothing_makes_no_new_version(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)

    assert custom.replace_namespaced_custom_object(*VS, found)["metadata"] == found["metadata"]


def test_only_the_spec_counts_generations(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["metadata"]["annotations"] = {"canary-bot/rollout": "1"}
    annotated = custom.replace_namespaced_custom_object(*VS, found)
    annotated["spec"]["http"][0]["timeout"] = "1s"
    changed = custom.replace_namespaced_custom_object(*VS, annotated)

    assert (annotated["metadata"]["generation"], changed["metadata"]["generation"]) == (1, 2)


def test_managed_fields_tell_who_wrote_the_routes_last(custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    found["metadata"]["annotations"] = {"canary-bot/rollout": "1"}
    found["spec"]["http"][0]["route"][0]["weight"] = 90
    found = custom.replace_namespaced_custom_object(*VS, found, field_manager="canary-bot")
    found["spec"]["http"][0]["route"][0]["weight"] = 50
    found = custom.replace_namespaced_custom_object(*VS, found, field_manager="kubectl-edit")

    assert {entry["manager"]: entry["fieldsV1"] for entry in found["metadata"]["managedFields"]} == {
        "canary-bot": {"f:metadata": {"f:annotations": {"f:canary-bot/rollout": {}}}},
        "kubectl-edit": {"f:spec": {"f:http": {}}},
    }


def patch(kube: KubeApi, path: str, kind: str, body: Any) -> requests.Response:
    headers = WHO | {"Content-Type": f"application/{kind}+json"}
    return requests.patch(kube.url + path, headers=headers, data=json.dumps(body), timeout=5)


def test_a_strategic_merge_patch_changes_one_container_by_name(kube: KubeApi) -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "reviews", "image": "new:1"}]}}}}

    answer = patch(kube, DEPLOYMENT_PATH, "strategic-merge-patch", body).json()

    (container,) = answer["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("new:1", 9080)
    assert answer["metadata"]["generation"] == 2


def test_custom_resources_take_no_strategic_merge_patch(kube: KubeApi) -> None:
    answer = patch(kube, VS_PATH, "strategic-merge-patch", {})

    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")


def test_a_resource_version_in_a_merge_patch_is_a_precondition(kube: KubeApi) -> None:
    body = {"metadata": {"resourceVersion": "1"}, "spec": {"hosts": ["reviews.example"]}}

    assert patch(kube, VS_PATH, "merge-patch", body).status_code == 409
    del body["metadata"]
    assert patch(kube, VS_PATH, "merge-patch", body).json()["spec"]["hosts"] == ["reviews.example"]


def test_a_json_patch_whose_test_fails_changes_nothing(kube: KubeApi) -> None:
    change = {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 7}
    wrong = {"op": "test", "path": "/spec/http/0/route/0/weight", "value": 1}

    refused = patch(kube, VS_PATH, "json-patch", [wrong, change])
    accepted = patch(kube, VS_PATH, "json-patch", [wrong | {"value": 100}, change])

    assert (refused.status_code, refused.json()["reason"]) == (422, "Invalid")
    assert accepted.json()["spec"]["http"][0]["route"][0]["weight"] == 7
    assert accepted.json()["metadata"]["generation"] == 2


def test_the_selector_of_a_deployment_is_immutable(api: Any) -> None:
    apps: Any = client.AppsV1Api(api)
    changed = apps.read_namespaced_deployment("reviews-v1", "default")
    del changed.spec.selector.match_labels["version"]

    code, _, message = refusal(lambda: apps.replace_namespaced_deployment("reviews-v1", "default", changed))

    assert code == 422
    assert message == (
        'Deployment.apps "reviews-v1" is invalid: spec.selector: Invalid value: '
        '{"matchLabels":{"app":"reviews"}}: field is immutable'
    )


def test_an_older_istio_serves_only_older_versions() -> None:
    with KubeApi(istio_versions=("v1beta1", "v1alpha3")) as old:
        old.load(objects())
        group = requests.get(f"{old.url}/apis/networking.istio.io", headers=WHO, timeout=5).json()
        answers = {
            version: requests.get(old.url + VS_PATH.replace("/v1/", f"/{version}/"), headers=WHO, timeout=5)
            for version in ("v1", "v1beta1", "v1alpha3")
        }

    assert [entry["version"] for entry in group["versions"]] == ["v1beta1", "v1alpha3"]
    assert group["preferredVersion"]["version"] == "v1beta1"
    assert answers["v1"].status_code == 404
    assert answers["v1beta1"].json()["apiVersion"] == "networking.istio.io/v1beta1"
    assert answers["v1alpha3"].json()["apiVersion"] == "networking.istio.io/v1alpha3"


def test_events_leases_and_scales_work_through_the_official_client(kube: KubeApi, api: Any) -> None:
    event = client.CoreV1Event(
        metadata=client.V1ObjectMeta(generate_name="reviews."),
        involved_object=client.V1ObjectReference(kind="VirtualService", name="reviews", namespace="default"),
        reason="WeightSet",
        message="v2 at 20 %",
    )
    core: Any = client.CoreV1Api(api)
    leases: Any = client.CoordinationV1Api(api)
    apps: Any = client.AppsV1Api(api)
    gateways: Any = client.CustomObjectsApi(api)
    made = core.create_namespaced_event("default", event)
    assert made.metadata.name.startswith("reviews.")
    found = core.list_namespaced_event("default", field_selector="involvedObject.name=reviews").items
    assert [item.message for item in found] == ["v2 at 20 %"]

    lease = client.V1Lease(
        metadata=client.V1ObjectMeta(name="canary-bot"), spec=client.V1LeaseSpec(holder_identity="a")
    )
    assert leases.create_namespaced_lease("default", lease).spec.holder_identity == "a"

    scale = apps.patch_namespaced_deployment_scale("reviews-v3", "default", {"spec": {"replicas": 3}})
    assert (scale.spec.replicas, scale.status.selector) == (3, "app=reviews,version=v3")
    assert kube.audit[-1].subresource == "scale"
    everywhere = gateways.list_cluster_custom_object("networking.istio.io", "v1", "gateways")
    assert [item["metadata"]["namespace"] for item in everywhere["items"]] == ["istio-system"]


LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/default/leases/canary-bot-reviews"


def a_lease(**metadata: str) -> dict[str, Any]:
    names = {"name": "canary-bot-reviews", "namespace": "default"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": names | metadata, "spec": {}}


def test_a_lease_that_went_is_a_conflict_to_whoever_replaces_it(kube: KubeApi) -> None:
    answer = requests.put(kube.url + LEASE_PATH, headers=WHO, json=a_lease(uid="u-1", resourceVersion="7"), timeout=5)

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert answer.json()["message"].endswith("Precondition failed: UID in precondition: u-1, UID in object meta: ")
    assert kube.store.get("Lease", "default", "canary-bot-reviews") is None


@pytest.mark.parametrize(
    ("spec", "status", "complaint"),
    [
        ({"leaseDurationSeconds": 0}, 422, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
        ({"leaseTransitions": -1}, 422, "Invalid value: -1: must be greater than or equal to 0"),
        ({"leaseTransitions": 2**31}, 400, "into Go struct field LeaseSpec.spec.leaseTransitions of type int32"),
        ({"renewTime": "2026-11-30T12:00:00Z"}, 400, 'as "2006-01-02T15:04:05.000000Z07:00": cannot parse'),
        ({"renewTime": "2026-11-30T12:00:00.000000Z", "leaseTransitions": 2**31 - 1}, 201, ""),
    ],
)
def test_leases_hold_what_their_types_hold(kube: KubeApi, spec: dict[str, Any], status: int, complaint: str) -> None:
    answer = requests.put(kube.url + LEASE_PATH, headers=WHO, json=a_lease() | {"spec": spec}, timeout=5)

    assert answer.status_code == status
    assert complaint in answer.json().get("message", "")


def test_a_lease_may_be_made_by_put(kube: KubeApi) -> None:
    first, second = (requests.put(kube.url + LEASE_PATH, headers=WHO, json=a_lease(), timeout=5) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 422)  # the second must say which version it replaces


def test_what_must_be_there_is_not_made_by_put(kube: KubeApi, custom: Any) -> None:
    found = custom.get_namespaced_custom_object(*VS)
    kube.store.delete("VirtualService", "default", "reviews")

    assert refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))[:2] == (404, "NotFound")


CONFIGS = "/api/v1/namespaces/many/configmaps"


def many(kube: KubeApi, *names: str) -> KubeApi:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    return kube.load([{**kind, "metadata": {"name": one, "namespace": "many", "labels": {"of": one}}} for one in names])


def listed(kube: KubeApi, **query: str) -> tuple[int, list[str], dict[str, Any]]:
    """Status code, names and metadata of a list."""
    answer = requests.get(kube.url + CONFIGS, params=query, headers=WHO, timeout=5)
    read = answer.json()
    return answer.status_code, [one["metadata"]["name"] for one in read.get("items", ())], read["metadata"]


def test_a_list_in_pages_shows_the_version_of_its_first(kube: KubeApi) -> None:
    many(kube, "a", "b", "c", "d", "e")
    _, first, head = listed(kube, limit="2")
    kube.store.delete("ConfigMap", "many", "d")
    many(kube, "c2")
    _, second, later = listed(kube, limit="2", **{"continue": head["continue"]})
    _, third, last = listed(kube, limit="2", **{"continue": later["continue"]})

    assert (first, second, third) == (["a", "b"], ["c", "d"], ["e"])
    assert [head["remainingItemCount"], later["remainingItemCount"]] == [3, 1]
    assert "continue" not in last
    assert head["resourceVersion"] == later["resourceVersion"] == last["resourceVersion"]
    assert listed(kube)[1] == ["a", "b", "c", "c2", "e"]


def test_a_page_is_filled_with_what_a_selector_asks_for(kube: KubeApi) -> None:
    many(kube, "a", "b", "c", "d")
    _, first, head = listed(kube, limit="1", labelSelector="of in (b, c)")
    _, second, later = listed(kube, limit="1", labelSelector="of in (b, c)", **{"continue": head["continue"]})
    _, third, last = listed(kube, limit="1", labelSelector="of in (b, c)", **{"continue": later["continue"]})

    assert (first, second, third) == (["b"], ["c"], [])
    assert "remainingItemCount" not in head
    assert "continue" not in last


def test_the_rest_of_a_list_that_was_forgotten_is_gone_or_told_as_it_is_now(kube: KubeApi) -> None:
    many(kube, "a", "b", "c")
    _, _, head = listed(kube, limit="1")
    kube.store.delete("ConfigMap", "many", "b")
    kube.forget_history()

    code, _, instead = listed(kube, limit="1", **{"continue": head["continue"]})

    assert code == 410
    assert listed(kube, **{"continue": instead["continue"]})[:2] == (200, ["c"])
    assert listed(kube, **{"continue": "%%"})[0] == 400
    assert listed(kube, limit="x")[0] == 400
    assert listed(kube, resourceVersion="5", **{"continue": head["continue"]})[0] == 400


def test_a_server_under_too_much_load_answers_in_plain_words(kube: KubeApi) -> None:
    kube.fail_next(verb="get", kind="VirtualService", status=429)

    answer = requests.get(kube.url + VS_PATH, headers=WHO, timeout=5)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.text == "Too many requests, please try again later.\n"


def test_a_wrong_token_is_unauthorized(kube: KubeApi) -> None:
    answer = requests.get(kube.url + VS_PATH, headers={"Authorization": "Bearer other"}, timeout=5)

    assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


def test_what_is_forbidden_is_refused_and_reviews_say_so(kube: KubeApi, api: Any, custom: Any) -> None:
    kube.forbid(verb="update", kind="VirtualService", namespace="default")
    found = custom.get_namespaced_custom_object(*VS)
    asked = client.V1ResourceAttributes(
        verb="update", group="networking.istio.io", resource="virtualservices", namespace="default"
    )
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=asked))

    code, reason, message = refusal(lambda: custom.replace_namespaced_custom_object(*VS, found))

    assert (code, reason) == (403, "Forbidden")
    assert 'cannot update resource "virtualservices" in API group "networking.istio.io"' in message
    reviews: Any = client.AuthorizationV1Api(api)
    answer = reviews.create_self_subject_access_review(review)
    assert answer.status.allowed is False


def test_injected_trouble_comes_once_and_the_audit_keeps_both_tries(kube: KubeApi, custom: Any) -> None:
    kube.fail_next(verb="update", kind="VirtualService", status=503)
    found = custom.get_namespaced_custom_object(*VS)
    found["spec"]["http"][0]["timeout"] = "1s"

    assert refusal(lambda: custom.replace_namespaced_custom_object(*VS, found, field_manager="me"))[0] == 503
    custom.replace_namespaced_custom_object(*VS, found, field_manager="me", dry_run="All")

    tries = [(entry.verb, entry.name, entry.manager, entry.dry_run, entry.code) for entry in kube.audit]
    assert tries == [("update", "reviews", "me", False, 503), ("update", "reviews", "me", True, 200)]


def test_a_connection_can_break_before_or_after_the_write(kube: KubeApi) -> None:
    found = requests.get(kube.url + VS_PATH, headers=WHO, timeout=5).json()
    found["spec"]["http"][0]["timeout"] = "1s"
    for after_write, timeout in ((False, None), (True, "1s")):
        kube.drop_next(verb="update", kind="VirtualService", after_write=after_write)
        with pytest.raises(requests.ConnectionError):
            requests.put(kube.url + VS_PATH, headers=WHO, json=found, timeout=5)
        now = requests.get(kube.url + VS_PATH, headers=WHO, timeout=5).json()
        assert now["spec"]["http"][0].get("timeout") == timeout


def test_every_ready_made_object_passes_its_own_admission(kube: KubeApi) -> None:
    made = [*objects("shop"), *relabel_objects("other"), *service_objects("ratings", "third")]
    plurals = {"Service": "services", "Deployment": "deployments", "Gateway": "gateways", "Pod": "pods"}
    plurals |= {"DestinationRule": "destinationrules", "VirtualService": "virtualservices"}
    for namespace in ("shop", "other", "third"):
        kube.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for obj in made:
        prefix = "api" if "/" not in obj["apiVersion"] else "apis"
        path = f"/{prefix}/{obj['apiVersion']}/namespaces/{obj['metadata']['namespace']}/{plurals[obj['kind']]}"
        answer = requests.post(f"{kube.url}{path}?fieldValidation=Strict", headers=WHO, json=obj, timeout=5)
        already_there = obj["kind"] in {"Gateway", "Pod"} and answer.status_code == 409
        assert answer.status_code == 201 or already_there, answer.text
