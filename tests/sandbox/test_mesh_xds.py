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
    assert shares(action(route=[to("v1", 100), to("v2", 0)])) == [(V1, 100)]


def shares(routed: dict[str, Any]) -> list[tuple[str, int]]:
    return [(entry["name"], entry["weight"]) for entry in routed["weighted_clusters"]["clusters"]]


def test_a_destination_keeps_its_headers_also_while_the_other_has_nobody() -> None:
    headers = {"request": {"set": {"x-version": "1", "Host": "v1.example"}}}
    [entry] = action(route=[to("v1", 100) | {"headers": headers}, to("v2", 0)])["weighted_clusters"]["clusters"]
    assert entry["host_rewrite_literal"] == "v1.example"
    assert [one["header"]["key"] for one in entry["request_headers_to_add"]] == ["x-version"]


def test_a_lone_destination_takes_everything_whatever_its_weight() -> None:
    assert action(route=[to("v2", 0)])["cluster"] == V2


def test_weights_are_passed_on_as_they_are() -> None:
    assert shares(action(route=[to("v1", 80), to("v2", 20)])) == [(V1, 80), (V2, 20)]


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
    assert "retry_policy" not in action(route=[to("v1", 100)], retries={"perTryTimeout": "1s"})


def test_status_codes_among_the_conditions_of_a_retry_are_codes() -> None:
    policy = action(route=[to("v1", 100)], retries={"attempts": 1, "retryOn": "503, reset"})["retry_policy"]
    assert (policy["retry_on"], policy["retriable_status_codes"]) == ("reset,retriable-status-codes", [503])


def test_a_request_without_a_header_has_not_the_value_that_is_excluded() -> None:
    http = {"match": [{"withoutHeaders": {"x-a": {"exact": "1"}, "x-b": {}}}], "route": [to("v1", 100)]}
    [route] = routes(virtual_service(http))
    assert route["match"]["headers"] == [
        {"name": "x-a", "string_match": {"exact": "1"}, "invert_match": True, "treat_missing_header_as_empty": True},
        {"name": "x-b", "present_match": True, "invert_match": True},
    ]


@pytest.mark.parametrize(
    ("gateways", "at"),
    [(["mesh"], {SIDECAR}), (["istio-system/reviews-gateway"], {GATEWAY}), (None, {GATEWAY, SIDECAR})],
)
def test_a_condition_on_gateways_is_for_those_alone(gateways: list[str] | None, at: set[str]) -> None:
    match = {"uri": {"prefix": "/qa"}} | ({"gateways": gateways, "sourceLabels": {"app": "no"}} if gateways else {})
    both = ["mesh", "istio-system/reviews-gateway"]
    http = [{"match": [match], "route": [to("v2", 1)]}, {"route": [to("v1", 1)]}]
    made = route_configurations(view(virtual_service(*http, hosts=["reviews"], gateways=both)))
    found = {
        proxy
        for proxy, configuration in made.items()
        for host in configuration["virtual_hosts"]
        if [one["match"]["prefix"] for one in host["routes"]] == ["/qa", "/"]
    }
    assert found == at


@pytest.mark.parametrize("last", [{}, {"match": [{"uri": {"regex": ".*"}, "ignoreUriCase": True}]}])
def test_nothing_comes_after_a_route_that_takes_everything(last: dict[str, Any]) -> None:
    behind = {"match": [{"uri": {"prefix": "/x"}}], "route": [to("v2", 1)]}
    assert len(routes(virtual_service(last | {"route": [to("v1", 1)]}, behind))) == 1


def test_redirects_and_faults_are_read_as_istio_reads_them() -> None:
    moved = {"redirect": {"redirectCode": 308, "derivePort": "FROM_REQUEST_PORT", "prefixRewrite": "/new"}}
    fault = {"delay": {"fixedDelay": "1s"}, "abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 50}}}
    [first, second] = routes(
        virtual_service({"match": [{"uri": {"prefix": "/old"}}]} | moved, {"route": [to("v1", 1)], "fault": fault})
    )
    assert first["redirect"] == {
        "response_code": "PERMANENT_REDIRECT",
        "prefix_rewrite": "/new",
        "port_redirect": 8080,
    }
    wanted = second["typed_per_filter_config"]["envoy.filters.http.fault"]
    assert wanted["abort"] == {"grpc_status": 14, "percentage": {"numerator": 500_000, "denominator": "MILLION"}}
    assert wanted["delay"]["percentage"]["numerator"] == 0


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

    at_the_gateway = {"outbound|9080||reviews.default.svc.cluster.local", V1, V2}
    assert names == at_the_gateway | {f"sidecar|{name}" for name in at_the_gateway}
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
    assert route["route"]["cluster"] == f"sidecar|outbound|9080||{FULL}"


@pytest.mark.parametrize("gateways", [["mesh"], ["istio-system/reviews-gateway", "mesh"], None])
def test_routes_on_the_mesh_are_the_sidecars_too(gateways: list[str] | None) -> None:
    [route] = of_the_mesh(virtual_service({"route": [to("v1", 100)]}, hosts=["reviews"], gateways=gateways))[FULL]
    assert route["route"]["cluster"] == f"sidecar|{V1}"


@pytest.mark.parametrize(("exported", "first"), [(["*"], "b"), (["."], "a")])
def test_of_two_on_one_host_the_older_counts_unless_the_other_is_for_its_own_namespace_alone(
    exported: list[str], first: str
) -> None:
    older = virtual_service({"name": "b", "route": [to("v1", 1)]}, name="b", hosts=["reviews"], gateways=["mesh"])
    newer = virtual_service(
        {"name": "a", "route": [to("v1", 1)]}, name="a", hosts=["reviews"], gateways=["mesh"], exportTo=exported
    )
    older["metadata"]["creationTimestamp"], newer["metadata"]["creationTimestamp"] = "2026-01-01", "2026-01-02"
    [route] = of_the_mesh(older, newer)[FULL]
    assert route["name"] == first


def test_what_is_not_shown_to_the_gateways_namespace_is_not_there() -> None:
    assert routes(virtual_service({"route": [to("v1", 1)]}, exportTo=["."])) == []
    assert len(routes(virtual_service({"route": [to("v1", 1)]}, exportTo=[".", "istio-system"]))) == 1


@pytest.mark.parametrize(("host", "bound"), [("default/*", True), ("other/*", False), ("./*", False), ("*/*", True)])
def test_a_gateways_host_may_be_for_a_namespace(host: str, *, bound: bool) -> None:
    hosts = route_configurations(view(virtual_service({"route": [to("v1", 1)]}), gateway_host=host))[GATEWAY]
    assert bool(hosts["virtual_hosts"]) is bound


@pytest.mark.parametrize(("version", "taken"), [("v1", V2), ("canary", V1)])
def test_a_route_for_callers_with_labels_is_theirs_alone(version: str, taken: str) -> None:
    only = {"match": [{"sourceLabels": {"version": version}}], "route": [to("v2", 100)]}
    routed = virtual_service(only, {"route": [to("v1", 100)]}, hosts=["reviews"], gateways=["mesh"])
    [route] = of_the_mesh(routed)[FULL]  # to the others' proxies the first is everything that there is
    assert route["route"]["cluster"] == f"sidecar|{taken}"


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


def test_a_delegates_route_of_which_one_part_is_outside_is_none_at_all() -> None:
    narrower, other = {"uri": {"prefix": "/team/a"}}, {"uri": {"prefix": "/other"}}
    assert delegating({"match": [narrower, other], "route": [to("v1", 100)]}) == []


@pytest.mark.parametrize(
    "roots",
    [
        {"ignoreUriCase": True},
        {"sourceNamespace": "default"},
        {"method": {"exact": "GET"}},
        {"headers": {"x": {"regex": "a|b"}}},
    ],
)
def test_a_condition_beside_one_of_the_roots_that_it_does_not_narrow_is_none(roots: dict[str, Any]) -> None:
    match = [{"uri": {"prefix": "/team"}} | roots]
    narrowed = {"match": [{"method": {"regex": "GET|HEAD"}, "headers": {"x": {"exact": "a"}}}], "route": [to("v1", 1)]}
    assert delegating(narrowed, match=match) == []


def test_a_delegate_that_is_not_shown_to_the_root_is_none() -> None:
    root = virtual_service({"delegate": {"name": "reviews", "namespace": "default"}}, name="root")
    root["metadata"]["namespace"] = "istio-system"
    hidden = virtual_service({"route": [to("v1", 100)]}, hosts=[], gateways=[], exportTo=["."])
    assert routes(root, hidden) == []
