"""What else has a say about the same requests."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.virtual_service import with_routes
from bot.model.errors import Cause
from bot.model.rollout import Routes
from bot.preflight import Examined, Unread, examine
from bot.preflight.mesh import ELSEWHERE
from sandbox.mesh.delegates import resolved
from tests.builders import a_service, a_target
from tests.snapshots import a_backend, a_gateway, a_rule, a_snapshot, a_virtual_service, texts


def examined_of(**changes: Any) -> Examined:
    return examine(a_service(), "v2", a_snapshot(**changes))


def http_route(**spec: Any) -> dict[str, Any]:
    return {"kind": "HTTPRoute", "metadata": {"name": "shop", "namespace": "default"}, "spec": spec}


def test_another_virtual_service_with_the_same_host_and_gateway_is_told() -> None:
    rival = a_virtual_service("legacy", gateways=["reviews-gateway.istio-system.svc.cluster.local"])

    (warning,) = texts(examined_of(virtual_services=(rival,)).warnings)

    assert warning.startswith("VirtualService legacy has the same host * on Gateway istio-system/reviews-gateway.")


def to(host: str, **destination: Any) -> list[dict[str, Any]]:
    return [{"route": [{"destination": {"host": host, **destination}}]}]


def test_another_virtual_service_that_sends_users_to_our_pods_is_told() -> None:
    elsewhere = a_virtual_service("legacy", hosts=["shop.example"], gateways=["shop"], http=to("reviews"))
    narrower = a_virtual_service("beta", hosts=["beta.example"], http=to("reviews.default.svc", subset="v1"))

    (loose,) = texts(examined_of(virtual_services=(elsewhere,)).warnings)
    (taken,) = texts(examined_of(virtual_services=(narrower,)).warnings)

    assert loose.startswith(
        "VirtualService legacy sends requests to reviews as well. They follow none of the rollout's"
    )
    assert taken.startswith(
        "VirtualService beta takes the requests for beta.example on Gateway istio-system/reviews-gateway "
        "and sends them to reviews (subset v1)."
    )


def test_a_delegate_is_told_by_the_mirror_that_it_inherits_and_by_the_root_that_it_lacks() -> None:
    ours = a_virtual_service(hosts=[], gateways=[])
    root = a_virtual_service("root", http=[{"delegate": {"name": "reviews"}, "mirror": {"host": "reviews"}}])

    (lost,) = texts(examined_of(virtual_service=ours).warnings)
    (inherits,) = texts(examined_of(virtual_service=ours, virtual_services=(root,)).warnings)

    assert lost.startswith(
        "VirtualService reviews has no hosts, and no VirtualService of any namespace delegates to it."
    )
    assert inherits.startswith("VirtualService root mirrors what it delegates to reviews.")


def test_a_delegate_without_a_root_may_have_one_where_nobody_could_look() -> None:
    unread = (
        Unread(
            kind=ELSEWHERE,
            cause=Cause.FORBIDDEN,
            sentence="Could not list VirtualServices of all namespaces: forbidden.",
        ),
    )

    unknown, lost = texts(examined_of(virtual_service=a_virtual_service(hosts=[], gateways=[]), unread=unread).warnings)

    assert unknown.startswith(
        "Other namespaces' VirtualService objects could not be read, so nothing is known about them"
    )
    assert lost.startswith("VirtualService reviews has no hosts, and nothing in its namespace delegates to it. Unless")


# Of other namespaces


SHARED = "istio-system/reviews-gateway"
FULL = "reviews.default.svc.cluster.local"
SAME_HOST = "has the same host"
SENDS = "sends requests to reviews as well"
ON_THE_MESH: dict[str, Any] = {"gateways": ["mesh"], "hosts": ["reviews"]}


def findings_of(other: dict[str, Any], ours: dict[str, Any] | None = None, **changes: Any) -> str:
    """What is said of another namespace's VirtualService; "" for nothing."""
    examined = examined_of(virtual_service=ours or a_virtual_service(), virtual_services=(other,), **changes)
    assert texts(examined.reasons) == ()
    return "".join(texts(examined.warnings))


def test_a_virtual_service_of_another_namespace_is_called_by_both_its_names() -> None:
    rival = a_virtual_service("reviews", "shop", http=to("ratings"))
    narrower = a_virtual_service("beta", "shop", hosts=["beta.example"], http=to(FULL, subset="v1"))
    loose = a_virtual_service("loose", "shop", hosts=["shop.example"], gateways=["shop"], http=to(FULL))

    assert findings_of(rival).startswith(f"VirtualService shop/reviews has the same host * on Gateway {SHARED}. Which")
    assert findings_of(narrower).startswith(
        f"VirtualService shop/beta takes the requests for beta.example on Gateway {SHARED} and sends them to reviews "
        "(subset v1)."
    )
    assert findings_of(loose).startswith(
        "VirtualService shop/loose sends requests to reviews as well. They follow none"
    )


@pytest.mark.parametrize(
    ("namespace", "host", "said"),
    [
        ("default", "reviews", SENDS),
        ("default", FULL, SENDS),
        ("shop", "reviews", ""),
        ("shop", "reviews.default", SENDS),
        ("shop", "reviews.default.svc", SENDS),
        ("shop", FULL, SENDS),
        ("shop", "reviews.shop.svc.cluster.local", ""),
    ],
)
def test_a_short_destination_is_a_service_of_its_own_namespace(namespace: str, host: str, said: str) -> None:
    sender = a_virtual_service("sender", namespace, hosts=["shop.example"], gateways=["shop"], http=to(host))

    warning = findings_of(sender)

    assert said in warning
    assert bool(said) is bool(warning)


def test_a_short_name_counts_where_the_kubernetes_service_is() -> None:
    service = a_service(host="reviews.shop")
    backend, rule = a_backend(), a_rule()
    backend["metadata"]["namespace"] = "shop"
    rule["spec"]["host"] = "reviews.shop"
    ours = a_virtual_service(http=to("reviews.shop", subset="v1"))
    senders = [
        a_virtual_service("sender", namespace, hosts=["x.example"], gateways=["x"], http=to("reviews"))
        for namespace in ("shop", "default", "third")
    ]
    parts = {"service": backend, "destination_rules": (rule,), "virtual_service": ours}

    examined = examine(service, "v2", a_snapshot(virtual_services=tuple(senders), **parts))

    assert [one.split(" as well")[0] for one in texts(examined.warnings)] == [
        "VirtualService shop/sender sends requests to reviews"
    ]


@pytest.mark.parametrize(
    ("namespace", "host", "said"),
    [
        ("default", "reviews", "sender has the same host reviews on the mesh."),
        ("default", FULL, f"sender has the same host {FULL} on the mesh."),
        ("shop", FULL, f"shop/sender has the same host {FULL} on the mesh."),
        ("shop", "reviews", ""),
        ("shop", "reviews.shop.svc.cluster.local", ""),
    ],
)
def test_a_short_host_is_a_name_of_its_own_namespace(namespace: str, host: str, said: str) -> None:
    other = a_virtual_service("sender", namespace, gateways=[], hosts=[host], http=to("ratings"))

    warning = findings_of(other, a_virtual_service(**ON_THE_MESH))

    assert said in warning
    assert bool(said) is bool(warning)


def test_a_short_host_in_full_may_be_narrower_than_ours() -> None:
    ours = a_virtual_service(gateways=["mesh"], hosts=["*.default.svc.cluster.local"])
    inside = a_virtual_service("inside", gateways=["mesh"], hosts=["reviews"], http=to("reviews"))

    assert findings_of(inside, ours).startswith("VirtualService inside takes the requests for reviews on the mesh and")


@pytest.mark.parametrize(
    ("gateways", "said"),
    [
        ([SHARED], SAME_HOST),
        (["reviews-gateway.istio-system.svc.cluster.local"], SAME_HOST),
        (["reviews-gateway"], ""),
        (["./reviews-gateway"], ""),
        (["mesh"], ""),
    ],
)
def test_a_gateway_is_one_of_the_namespace_of_whoever_names_it(gateways: list[str], said: str) -> None:
    warning = findings_of(a_virtual_service("other", "shop", gateways=gateways, http=to("ratings")))

    assert said in warning
    assert bool(said) is bool(warning)


@pytest.mark.parametrize(
    ("lets_in", "said"),
    [("*", SAME_HOST), ("*/*", SAME_HOST), ("shop/*", SAME_HOST), ("default/*", ""), ("./*", "")],
)
def test_a_gateway_that_takes_no_hosts_from_there_has_none_of_its_routes(lets_in: str, said: str) -> None:
    gateway = a_gateway(lets_in, "default/*")

    warning = findings_of(a_virtual_service("other", "shop", http=to("ratings")), gateways=(gateway,))

    assert said in warning
    assert bool(said) is bool(warning)


def test_what_a_gateway_does_not_take_the_mesh_may_have() -> None:
    both: dict[str, Any] = {"gateways": [SHARED, "mesh"], "hosts": [FULL]}
    gateway = a_gateway("default/*")

    warning = findings_of(a_virtual_service("other", "shop", **both), a_virtual_service(**both), gateways=(gateway,))

    assert warning.startswith(f"VirtualService shop/other has the same host {FULL} on the mesh.")


def test_a_gateway_that_could_not_be_read_is_thought_to_take_every_host() -> None:
    unread = (
        Unread(
            kind="Gateway",
            cause=Cause.FORBIDDEN,
            sentence="Could not read Gateway istio-system/reviews-gateway: forbidden.",
        ),
    )

    warning = findings_of(a_virtual_service("other", "shop", http=to("ratings")), gateways=(), unread=unread)

    assert SAME_HOST in warning


@pytest.mark.parametrize(
    ("exported", "on_gateway", "on_mesh"),
    [
        (None, True, True),
        (["*"], True, True),
        (["istio-system"], True, True),
        (["istio-system", "."], True, True),
        (["."], False, True),  # callers in its own namespace obey it
        (["shop"], False, True),
        (["third"], False, True),
        (["~"], False, False),
    ],
)
@pytest.mark.parametrize("destination", ["ratings", FULL])
def test_what_is_exported_to_nobody_who_would_obey_it_is_not_told(
    exported: list[str] | None, destination: str, *, on_gateway: bool, on_mesh: bool
) -> None:
    spec = {"http": to(destination), **({"exportTo": exported} if exported else {})}
    at_gateway = findings_of(a_virtual_service("other", "shop", **spec))
    in_mesh = findings_of(
        a_virtual_service("other", "shop", gateways=["mesh"], hosts=[FULL], **spec), a_virtual_service(**ON_THE_MESH)
    )

    assert (bool(at_gateway), bool(in_mesh)) == (on_gateway, on_mesh)


def test_two_that_no_namespace_sees_together_have_no_host_in_common() -> None:
    theirs = a_virtual_service("other", "shop", gateways=["mesh"], hosts=[FULL], http=to("ratings"), exportTo=["."])

    assert findings_of(theirs, a_virtual_service(**ON_THE_MESH, exportTo=["default", "third"])) == ""
    assert SAME_HOST in findings_of(theirs, a_virtual_service(**ON_THE_MESH, exportTo=["default", "shop"]))


@pytest.mark.parametrize(
    ("root_namespace", "delegate", "found"),
    [
        ("default", {"name": "reviews"}, True),
        ("default", {"name": "reviews", "namespace": "default"}, True),
        ("default", {"name": "reviews", "namespace": "shop"}, False),
        ("default", {"name": "ratings"}, False),
        ("shop", {"name": "reviews"}, False),  # its own namespace's
        ("shop", {"name": "reviews", "namespace": "default"}, True),
        ("shop", {"name": "reviews", "namespace": "shop"}, False),
    ],
)
def test_a_root_means_its_own_namespace_unless_it_names_another(
    root_namespace: str, delegate: dict[str, str], *, found: bool
) -> None:
    root = a_virtual_service("root", root_namespace, http=[{"delegate": delegate}])

    warning = findings_of(root, a_virtual_service(hosts=[], gateways=[]))

    assert ("no VirtualService of any namespace delegates to it" in warning) is not found
    assert bool(warning) is not found


def test_a_root_of_another_namespace_is_told_by_its_mirror_and_by_what_it_does_not_see() -> None:
    delegate = {"name": "reviews", "namespace": "default"}
    root = a_virtual_service("root", "shop", http=[{"delegate": delegate, "mirror": {"host": FULL}}])
    hidden = a_virtual_service(hosts=[], gateways=[], exportTo=["."])

    inherits = findings_of(root, a_virtual_service(hosts=[], gateways=[]))
    unseen = findings_of(root, hidden)

    assert inherits.startswith("VirtualService shop/root mirrors what it delegates to reviews.")
    assert unseen.startswith(
        "VirtualService shop/root delegates to reviews, whose exportTo hides it there. Add shop to its `exportTo`"
    )


@pytest.mark.parametrize(
    ("conditions", "own", "fields"),
    [
        ([{"uri": {"prefix": "/team"}}], None, ""),
        ([{"uri": {"prefix": "/team"}, "method": {"exact": "GET"}}], None, "`method`"),
        ([{"method": {"exact": "GET"}}], [{"method": {"exact": "GET"}}], ""),
        ([{"uri": {"prefix": "/team"}, "ignoreUriCase": True}], None, "`ignoreUriCase`"),
        ([{"sourceNamespace": "shop", "ignoreUriCase": True}], None, "`ignoreUriCase` and `sourceNamespace`"),
        ([{"ignoreUriCase": True}], [{"uri": {"prefix": "/a"}, "ignoreUriCase": True}], ""),
    ],
)
def test_a_root_whose_conditions_leave_no_route_for_some_methods_is_told_and_the_mesh_has_none(
    conditions: list[dict[str, Any]], own: list[dict[str, Any]] | None, fields: str
) -> None:
    delegate = {"name": "reviews", "namespace": "default"}
    root = a_virtual_service("root", "shop", http=[{"match": conditions, "delegate": delegate}])
    [route] = to(FULL, subset="v1")
    ours = a_virtual_service(hosts=[], gateways=[], http=[route | ({"match": own} if own else {})])
    mirrored = with_routes(ours, a_target(mirror_methods=("GET", "HEAD")), Routes(canary=0, mirror=True))

    snapshot = a_snapshot(virtual_service=ours, virtual_services=(root,))
    warning = "".join(texts(examine(a_service(mirror_methods=("GET", "HEAD")), "v2", snapshot).warnings))
    assert warning.startswith(f"Under {fields} of VirtualService shop/root, Istio drops routes" if fields else "")
    assert bool(warning) is bool(fields)
    [joined] = resolved([root, mirrored])
    mirrors = [one["name"] for one in joined["spec"]["http"] if "mirror" in one]
    assert mirrors == ([] if fields else ["canarybot-mirror-0"])


def test_annotations_of_an_older_rollout_would_be_taken_for_what_was_there_before() -> None:
    ours = a_virtual_service(http=[{"name": "canarybot-mirror-0", **to("reviews", subset="v1")[0]}])
    ours["metadata"]["annotations"] = {"canary-bot/restore": "{}", "canary-bot/heartbeat": "1", "team": "shop"}

    annotations, route = texts(examined_of(virtual_service=ours).reasons)

    assert annotations.startswith(
        "VirtualService reviews has annotations of an older rollout (canary-bot/heartbeat and canary-bot/re"
    )
    assert (
        "`kubectl -n default annotate virtualservice reviews canary-bot/heartbeat- canary-bot/restore-`" in annotations
    )
    assert route.startswith("VirtualService reviews still has the route canarybot-mirror-0 of an older rollout.")


def test_annotations_of_a_rollout_that_is_under_way_are_told_elsewhere() -> None:
    ours = a_virtual_service()
    ours["metadata"]["annotations"] = {"canary-bot/rollout": "r-1", "canary-bot/restore": "{}"}

    assert examined_of(virtual_service=ours).problems == ()


@pytest.mark.parametrize(
    "other",
    [
        a_virtual_service("other", hosts=["shop.example"], http=to("ratings")),
        a_virtual_service("inside", gateways=["mesh"], http=to("ratings")),
        a_virtual_service("delegate", hosts=[], gateways=[], http=to("ratings")),
        a_virtual_service("narrower", hosts=["shop.example"], http=to("ratings")),
    ],
    ids=lambda other: other["metadata"]["name"],
)
def test_a_virtual_service_for_something_else_is_nothing_to_us(other: dict[str, Any]) -> None:
    assert examined_of(virtual_services=(other,)).problems == ()


def test_an_injected_fault_is_told_where_it_hits_our_users() -> None:
    snapshot = a_snapshot()
    assert snapshot.virtual_service is not None
    ours = snapshot.virtual_service["spec"]["http"][0]
    elsewhere = {"fault": {"abort": {}}, "route": [{"destination": {"host": "ratings"}}]}
    snapshot.virtual_service["spec"]["http"] = [ours | {"fault": {"delay": {}}}, elsewhere]

    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)

    assert warning.startswith("In VirtualService reviews, http route 1 injects faults (delay)")


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ({"name": "http-web", "port": 80}, ""),
        ({"name": "grpc", "port": 80}, ""),
        ({"name": "web", "port": 80, "appProtocol": "http"}, ""),
        ({"name": "web", "port": 80, "appProtocol": "kubernetes.io/h2c"}, ""),
        ({"port": 80}, "Port 80 of Service reviews has no name, which is no HTTP to Istio."),
        ({"name": "web", "port": 80}, "Port 80 of Service reviews is called web, which is no HTTP to Istio."),
        ({"name": "http", "port": 80, "appProtocol": "tcp"}, "Port 80 of Service reviews has the appProtocol tcp"),
        ({"name": "https-web", "port": 443}, "Port 443 of Service reviews is called https-web, which is no HTTP to"),
    ],
)
def test_a_port_must_say_that_it_is_http(port: dict[str, Any], said: str) -> None:
    warnings = texts(examined_of(service=a_backend(port)).warnings)

    assert [warning.startswith(said) for warning in warnings] == ([True] if said else [])


def test_a_port_that_says_it_is_something_else_is_believed_beside_one_for_requests() -> None:
    ports = {"name": "http", "port": 80}, {"name": "tcp-debug", "port": 9000}

    assert examined_of(service=a_backend(*ports)).problems == ()


def test_an_http_route_that_owns_the_callers_blocks_and_one_that_only_sends_requests_warns() -> None:
    owner = http_route(parentRefs=[{"kind": "Service", "name": "reviews"}])
    sender = http_route(
        parentRefs=[{"name": "shop-gateway"}], rules=[{"backendRefs": [{"name": "reviews", "port": 9080}]}]
    )
    other = http_route(rules=[{"backendRefs": [{"name": "ratings", "port": 9080}]}])

    assert (
        "HTTPRoute shop routes the callers of Service reviews." in texts(examined_of(http_routes=(owner,)).reasons)[0]
    )
    assert (
        "HTTPRoute shop sends requests to Service reviews"
        in texts(examined_of(http_routes=(sender, other)).warnings)[0]
    )
    assert examined_of(http_routes=(other,)).problems == ()
