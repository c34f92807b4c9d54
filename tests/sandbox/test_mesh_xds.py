"""How Istio's objects become Envoy's configuration: istiod's rules, one by one, without an Envoy."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.mesh.objects import Pod, Service, image_version, pod_of
from sandbox.mesh.xds import GATEWAY, SIDECAR, Endpoint, View, assignments, clusters, route_configurations

V1 = "outbound|9080|v1|reviews.default.svc.cluster.local"
V2 = "outbound|9080|v2|reviews.default.svc.cluster.local"


def to(subset: str, weight: int) -> dict[str, Any]:
    return {"destination": {"host": "reviews", "subset": subset}, "weight": weight}


def virtual_service(*http: dict[str, Any], name: str = "reviews", **spec: Any) -> dict[str, Any]:
    return {
        "kind": "VirtualService",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"hosts": ["*"], "gateways": ["istio-system/reviews-gateway"], "http": list(http)} | spec,
    }


def pod(version: str, name: str) -> Pod:
    return pod_of(
        {
            "metadata": {
                "namespace": "default",
                "name": f"reviews-{version}-5d4f-{name}",
                "labels": {"app": "reviews", "version": version, "pod-template-hash": "5d4f"},
            },
            "spec": {"containers": [{"name": "reviews", "image": f"example/reviews-{version}:1.20.3"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
    )


def view(*virtual_services: dict[str, Any], gateway_host: str = "*") -> View:
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
    return View(
        virtual_services=list(virtual_services),
        destination_rules=[
            {"metadata": {"namespace": "default", "name": "reviews"}, "spec": {"host": "reviews", "subsets": subsets}}
        ],
        gateways=[
            {
                "metadata": {"namespace": "istio-system", "name": "reviews-gateway"},
                "spec": {
                    "selector": {"istio": "ingressgateway"},
                    "servers": [{"hosts": [gateway_host], "port": {"number": 8080}}],
                },
            }
        ],
        services=(Service(namespace="default", name="reviews", selector={"app": "reviews"}, ports=(9080,)),),
        endpoints=(
            Endpoint(pod=pod("v1", "aaaaa"), port=7001),
            Endpoint(pod=pod("v1", "bbbbb"), port=7002),
        ),
    )


def routes(*virtual_services: dict[str, Any]) -> list[dict[str, Any]]:
    hosts = route_configurations(view(*virtual_services))[GATEWAY]["virtual_hosts"]
    return [route for host in hosts for route in host["routes"]]


def action(**http: Any) -> dict[str, Any]:
    [route] = routes(virtual_service(http))
    chosen: dict[str, Any] = route["route"]
    return chosen


def test_a_destination_of_weight_zero_is_left_out_when_there_are_others() -> None:
    assert action(route=[to("v1", 100), to("v2", 0)])["cluster"] == V1


def test_a_lone_destination_takes_everything_whatever_its_weight() -> None:
    assert action(route=[to("v2", 0)])["cluster"] == V2


def test_weights_are_passed_on_as_they_are() -> None:
    weighted = action(route=[to("v1", 80), to("v2", 20)])["weighted_clusters"]["clusters"]

    assert [(entry["name"], entry["weight"]) for entry in weighted] == [(V1, 80), (V2, 20)]


@pytest.mark.parametrize(
    ("mirror", "percent"),
    [
        pytest.param({}, 100, id="absent means everything"),
        pytest.param({"mirrorPercentage": {"value": 12.5}}, 12.5, id="percentage"),
        pytest.param({"mirrorPercentage": {"value": 0}}, None, id="zero is no mirror"),
        pytest.param({"mirrorPercent": 40}, 40, id="deprecated"),
        pytest.param({"mirrorPercent": 40, "mirrorPercentage": {"value": 7}}, 7, id="percentage wins"),
    ],
)
def test_the_mirrored_share_follows_istios_rules(mirror: dict[str, Any], percent: float | None) -> None:
    destination = {"host": "reviews", "subset": "v2"}
    policies = action(route=[to("v1", 100)], mirror=destination, **mirror).get("request_mirror_policies")

    if percent is None:
        assert policies is None
    else:
        assert policies == [
            {
                "cluster": V2,
                "runtime_fraction": {"default_value": {"numerator": percent * 10_000, "denominator": "MILLION"}},
                "disable_shadow_host_suffix_append": True,
            }
        ]


def test_retries_and_timeout_default_to_istios_and_not_to_envoys() -> None:
    default = action(route=[to("v1", 100)])
    chosen = action(route=[to("v1", 100)], timeout="2s", retries={"attempts": 5, "perTryTimeout": "1s"})

    assert (default["timeout"], default["retry_policy"]["num_retries"]) == ("0s", 2)
    assert (chosen["timeout"], chosen["retry_policy"]["num_retries"]) == ("2s", 5)
    assert "retry_policy" not in action(route=[to("v1", 100)], retries={"attempts": 0})


def test_matches_become_one_route_each_and_read_method_path_and_headers() -> None:
    http = {
        "name": "qa",
        "match": [
            {"uri": {"exact": "/reviews/0"}, "method": {"regex": "GET|HEAD"}},
            {"uri": {"prefix": "/reviews"}, "headers": {"end-user": {"exact": "jason"}, "x-qa": {}}},
        ],
        "rewrite": {"uri": "/"},
        "route": [to("v2", 100)],
    }
    first, second = routes(virtual_service(http))

    assert first["match"] == {
        "path": "/reviews/0",
        "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}],
    }
    assert second["match"] == {
        "prefix": "/reviews",
        "headers": [
            {"name": "end-user", "string_match": {"exact": "jason"}},
            {"name": "x-qa", "present_match": True},
        ],
    }
    assert first["route"]["prefix_rewrite"] == "/"


def test_catch_alls_of_several_virtual_services_with_one_host_go_last() -> None:
    everything = virtual_service({"name": "everything", "route": [to("v1", 100)]}, name="a")
    some = virtual_service({"name": "some", "match": [{"uri": {"prefix": "/x"}}], "route": [to("v2", 1)]}, name="b")

    assert [route["name"] for route in routes(everything, some)] == ["some", "everything"]


@pytest.mark.parametrize(
    ("gateway", "bound"),
    [
        ("istio-system/reviews-gateway", True),
        ("reviews-gateway.istio-system.svc.cluster.local", True),
        ("reviews-gateway", False),  # would be looked for beside the VirtualService
        ("mesh", False),
    ],
)
def test_gateway_names_are_resolved_as_istiod_does(gateway: str, *, bound: bool) -> None:
    assert bool(routes(virtual_service({"route": [to("v1", 100)]}, gateways=[gateway]))) is bound


def test_a_virtual_host_serves_what_both_gateway_and_virtual_service_name() -> None:
    service = virtual_service({"route": [to("v1", 100)]}, hosts=["reviews.example", "other.test"])
    hosts = route_configurations(view(service, gateway_host="*.example"))[GATEWAY]["virtual_hosts"]

    assert [host["domains"] for host in hosts] == [["reviews.example"]]


def test_a_subset_without_ready_pods_has_a_cluster_without_endpoints() -> None:
    names = {cluster["name"] for cluster in clusters(view(), lambda name: {"path": name})}
    endpoints = assignments(view())

    assert names == {"outbound|9080||reviews.default.svc.cluster.local", V1, V2}
    assert len(endpoints[V1]["endpoints"][0]["lb_endpoints"]) == 2
    assert endpoints[V2]["endpoints"] == []


def test_the_code_version_is_read_off_the_image() -> None:
    assert image_version("example.org:5000/bookinfo/reviews-v2:1.20.3") == "v2"
    assert image_version("example/reviews-v3@sha256:0123abcd") == "v3"
    assert image_version("example/reviews:v7") == "v7"


# The sidecar of a caller inside the mesh


def of_the_mesh(*virtual_services: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    hosts = route_configurations(view(*virtual_services))[SIDECAR]["virtual_hosts"]
    return {host["name"]: host["routes"] for host in hosts}


FULL = "reviews.default.svc.cluster.local"


def test_a_service_without_routes_is_called_at_whatever_it_selects() -> None:
    [route] = of_the_mesh(virtual_service({"route": [to("v1", 100)]}))[FULL]
    assert route["route"]["cluster"] == f"outbound|9080||{FULL}"


@pytest.mark.parametrize("gateways", [["mesh"], ["istio-system/reviews-gateway", "mesh"], None])
def test_routes_on_the_mesh_are_the_sidecars_too(gateways: list[str] | None) -> None:
    [route] = of_the_mesh(virtual_service({"route": [to("v1", 100)]}, hosts=["reviews"], gateways=gateways))[FULL]
    assert route["route"]["cluster"] == V1


@pytest.mark.parametrize(("version", "taken"), [("v1", 2), ("canary", 1)])
def test_a_route_for_callers_with_labels_is_theirs_alone(version: str, taken: int) -> None:
    only = {"match": [{"sourceLabels": {"version": version}}], "route": [to("v2", 100)]}
    routed = virtual_service(only, {"route": [to("v1", 100)]}, hosts=["reviews"], gateways=["mesh"])
    assert len(of_the_mesh(routed)[FULL]) == taken


# Delegation


def delegating(*http: dict[str, Any], **root: Any) -> list[dict[str, Any]]:
    """The gateway's routes where all of ``/team`` is left to another VirtualService, which has these."""
    left = {"match": [{"uri": {"prefix": "/team"}}], "delegate": {"name": "reviews", "namespace": "default"}} | root
    delegate = virtual_service(*http, hosts=[], gateways=[])
    return routes(virtual_service(left, name="root"), delegate)


def test_a_delegate_has_its_routes_under_the_roots_path() -> None:
    [route] = delegating({"route": [to("v1", 100)]})
    assert (route["match"], route["route"]["cluster"]) == ({"prefix": "/team"}, V1)


def test_what_a_delegate_does_not_say_is_the_roots() -> None:
    one, two = delegating(
        {"match": [{"uri": {"exact": "/team/a"}}], "route": [to("v1", 100)], "timeout": "2s"},
        {"route": [to("v1", 100)]},
        timeout="9s",
    )
    assert (one["match"], one["route"]["timeout"]) == ({"path": "/team/a"}, "2s")
    assert (two["match"], two["route"]["timeout"]) == ({"prefix": "/team"}, "9s")


def test_a_delegates_route_outside_of_the_roots_path_is_none() -> None:
    assert delegating({"match": [{"uri": {"prefix": "/other"}}], "route": [to("v1", 100)]}) == []
