"""Shapes of mesh objects as people have them: taken as they are, or after the remedies that the refusal names.

Each remedy is followed to the letter, as a person would paste it, and after each single write nobody may be on a
version that was not released: the pods that the written routes lead to are looked up by subsets and selectors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.cluster.mesh_setup import Found, setup
from bot.cluster.objects import full_name, name_of, namespace_of, pod_labels, within
from bot.cluster.virtual_service import with_routes
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Routes
from bot.model.service import Promote, ServiceConfig
from bot.preflight import Examined, examine
from tests.builders import a_service
from tests.snapshots import a_backend, a_deployment, a_gateway, a_rule, a_snapshot, a_virtual_service, texts

Object = dict[str, Any]
FULL, AWAY = "reviews.default.svc.cluster.local", "reviews.staging.svc.cluster.local"
MOST_REMEDIES = 5


def to(subset: str = "", weight: int | None = None, host: str = "reviews", **more: Any) -> Object:
    destination = {"host": host, **({"subset": subset} if subset else {}), **more}
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def route(*entries: Object, path: str = "", **more: Any) -> Object:
    return ({"match": [{"uri": {"prefix": path}}]} if path else {}) | {"route": [*entries]} | more


@dataclass
class Shape:
    """One way of writing the same service; ``pods`` are how many the canary has."""

    virtual_services: list[Object]
    rules: list[Object] = field(default_factory=lambda: [a_rule()])
    backend: Object = field(default_factory=a_backend)
    gateways: list[Object] = field(default_factory=lambda: [a_gateway()])
    service: ServiceConfig = field(default_factory=a_service)
    pods: int = 2

    def deployments(self) -> list[Object]:
        text = json.dumps([*self.virtual_services, *self.rules])
        others = [a_deployment("reviews-v3", "v3")] if '"subset": "v3"' in text else []
        return [a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v2", replicas=self.pods), *others]

    def examined(self) -> Examined:
        """What a start would find.

        Raises:
            Refusal: it cannot be told what is where.
        """
        home = self.service.namespace
        ours = [
            one
            for place in self.service.virtual_service_keys
            for one in self.virtual_services
            if (namespace_of(one, home), name_of(one)) == place
        ]
        snapshot = a_snapshot(
            virtual_service=ours[0] if ours else None,
            siblings=tuple(ours[1:]),
            virtual_services=tuple(one for one in self.virtual_services if one not in ours),
            destination_rules=tuple(self.rules),
            service=self.backend,
            gateways=tuple(self.gateways),
            deployments=tuple(self.deployments()),
        )
        return examine(self.service, "v2", snapshot)

    def reasons(self) -> list[str]:
        """Why a start would be refused."""
        try:
            return [*texts(self.examined().reasons)]
        except Refusal as refused:
            return [one for one in texts(refused.reasons) if not one.startswith("Warning")]

    def met(self) -> set[str]:
        """The Deployments that users of any http or tcp route meet."""
        return {
            name
            for one in self.virtual_services
            for each in (*(one["spec"].get("http") or ()), *(one["spec"].get("tcp") or ()))
            for entry in each.get("route") or ()
            if entry.get("weight") or len(each["route"]) == 1
            for name in self._behind(entry["destination"], namespace_of(one, "default"))
        }

    def _behind(self, destination: Object, home: str) -> Iterator[str]:
        if full_name(destination["host"], home) != FULL:
            return
        named = [one for rule in self.rules for one in rule["spec"].get("subsets") or ()]
        labels: dict[str, str] = next((one["labels"] for one in named if one["name"] == destination.get("subset")), {})
        selector = self.backend["spec"]["selector"]
        for deployment in self.deployments():
            fits = within(selector, pod_labels(deployment)) and within(labels, pod_labels(deployment))
            if fits and (self.pods or name_of(deployment) == "reviews-v1"):
                yield name_of(deployment)

    def put(self, thing: Object) -> None:
        """Write it as the API server would."""
        if thing["kind"] == "Service":
            self.backend = thing
            return
        kinds = {"VirtualService": self.virtual_services, "DestinationRule": self.rules, "Gateway": self.gateways}
        place, there = (namespace_of(thing, "default"), name_of(thing)), kinds[thing["kind"]]
        there[:] = [one for one in there if (namespace_of(one, "default"), name_of(one)) != place] + [thing]


def initialize(shape: Shape, _: re.Match[str]) -> Iterator[None]:
    found = Found(
        backend=shape.backend,
        deployments=shape.deployments(),
        rules=shape.rules,
        virtual_services=shape.virtual_services,
        gateways=shape.gateways,
    )
    for write in setup(shape.service, found, "v1").writes:
        shape.put(deepcopy(write.thing))
        yield


def patch(shape: Shape, command: re.Match[str]) -> Iterator[None]:
    namespace, name, changes = command.groups()
    (thing,) = [one for one in shape.virtual_services if (namespace_of(one, ""), name_of(one)) == (namespace, name)]
    for change in json.loads(changes):
        *path, last = change["path"].strip("/").split("/")
        place: Any = thing
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if change["op"] == "remove":
            del place[int(last) if isinstance(place, list) else last]
        else:
            place[last] = change["value"]
    yield


def name_object(shape: Shape, key: re.Match[str]) -> Iterator[None]:
    kind, space, name = key[1], (key[2] or "").rstrip("/"), key[3]
    if kind == "virtual_service":
        shape.service = replace(shape.service, virtual_service=name, virtual_service_namespace=space)
    else:
        shape.service = replace(shape.service, destination_rule=name, destination_rule_namespace=space)
    yield


def scale(shape: Shape, command: re.Match[str]) -> Iterator[None]:
    shape.pods = int(command[1])
    yield


def name_several(shape: Shape, key: re.Match[str]) -> Iterator[None]:
    first, *others = (name if "/" in name else f"default/{name}" for name in key[1].split(", "))
    space, _, name = first.partition("/")
    shape.service = replace(
        shape.service, virtual_service=name, virtual_service_namespace=space, siblings=tuple(others)
    )
    yield


def name_primary(shape: Shape, key: re.Match[str]) -> Iterator[None]:
    shape.service = replace(shape.service, primary_deployment=key[1])
    yield


def adopt(shape: Shape, _: re.Match[str]) -> Iterator[None]:
    shape.service = replace(shape.service, promote=Promote.ADOPT)
    yield


def choose_steps(shape: Shape, keys: re.Match[str]) -> Iterator[None]:
    found = re.findall(r"`(weights|switchback): \[(.*?)\]`", keys[0])
    chosen: dict[str, Any] = {name: tuple(map(int, steps.split(", "))) for name, steps in found}
    shape.service = replace(shape.service, **chosen)
    yield


def write_routes(shape: Shape, line: re.Match[str]) -> Iterator[None]:
    shape.service = replace(shape.service, routes=tuple(line[1].split(", ")))
    yield


def take_routes_out(shape: Shape, _: re.Match[str]) -> Iterator[None]:
    shape.service = replace(shape.service, routes=())
    yield


def write_without_the_dot(shape: Shape, hosts: re.Match[str]) -> Iterator[None]:
    dotted, plain = json.dumps(hosts[1]), json.dumps(hosts[2])
    shape.virtual_services = json.loads(json.dumps(shape.virtual_services).replace(dotted, plain))
    yield


REMEDIES: list[tuple[str, Callable[[Shape, re.Match[str]], Iterator[None]]]] = [
    (r"`canary-bot init reviews --apply`", initialize),
    (r"`kubectl -n (\S+) patch virtualservice (\S+) --type=json -p '(.*)'`", patch),
    (r"`(virtual_service|destination_rule): ([a-z-]+/)?([a-z-]+)` for reviews in services.yaml", name_object),
    (r"`virtual_services: \[(.*)\]` for reviews in services.yaml", name_several),
    (r"`primary: \{deployment: (\S+?)[,}].*` for reviews in services.yaml", name_primary),
    (r"`promote: adopt` for reviews in services.yaml", adopt),
    (r"(`(?:weights|switchback): .*`) for reviews in services.yaml", choose_steps),
    (r"`routes: \[(.*)\]` for reviews in services.yaml", write_routes),
    (r"Take `routes` out of reviews in services.yaml", take_routes_out),
    (r"writes the host `(\S+)` with a dot at its end.* Write `(\S+)` there", write_without_the_dot),
    (r"`kubectl -n default scale deployment/reviews-v2 --replicas=(\d+)`", scale),
]


def follow(shape: Shape, reason: str) -> None:
    """Do what the refusal says; whoever was not on the new version before is not on it after any write."""
    pattern, remedy = next(one for one in REMEDIES if re.search(one[0], reason))
    command = re.search(pattern, reason)
    assert command is not None
    before = shape.met()
    for _ in remedy(shape, command):
        assert shape.met() <= before | {"reviews-v1"}


V1, V2 = {"version": "v1"}, {"version": "v2"}


def rule(*subsets: tuple[str, dict[str, str]]) -> Object:
    """A DestinationRule whose subsets have these names and labels."""
    return a_rule() | {
        "spec": {"host": "reviews", "subsets": [{"name": name, "labels": labels} for name, labels in subsets]}
    }


NARROW = a_backend() | {"spec": a_backend()["spec"] | {"selector": {"app": "reviews", "version": "v1"}}}
POLICIES = a_rule() | {"spec": {"host": "reviews", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 9}}}}}
LEGACY = ["reviews-gateway.istio-system.svc.cluster.local"]
ROOT = a_virtual_service(
    "root", "istio-system", hosts=["shop.example"], http=[{"delegate": {"name": "reviews", "namespace": "default"}}]
)


def one(*http: Object, name: str = "reviews", namespace: str = "default", **spec: Any) -> Object:
    return a_virtual_service(name, namespace, http=[*http], **spec)


def in_front(*exported: str, subsets: Sequence[Object] = a_rule()["spec"]["subsets"]) -> Object:
    """A rule for the service in the gateway's namespace, which is the mesh's root as well."""
    metadata = {"name": "front", "namespace": "istio-system"}
    return a_rule() | {"metadata": metadata, "spec": {"host": FULL, "exportTo": [*exported], "subsets": [*subsets]}}


def only_tcp(*tcp: Object) -> Object:
    found = one()
    found["spec"] = {key: value for key, value in found["spec"].items() if key != "http"} | {"tcp": [*tcp]}
    return found


def narrow(*http: Object, **changes: Any) -> Shape:
    """Without a subset anywhere, and a Service that selects the first version alone: the commonest shape of all."""
    return Shape([one(*http)], backend=deepcopy(NARROW), **changes)


SHAPES: dict[str, Callable[[], Shape]] = {
    "ready, a lone primary": lambda: Shape([one(route(to("v1")))]),
    "ready, three subsets at 100/0/0": lambda: Shape([one(route(to("v1", 100), to("v2", 0), to("v3", 0)))]),
    "ready, a third share": lambda: Shape([one(route(to("v1", 90), to("v3", 10)))]),
    "written in full with a dot": lambda: Shape([one(route(to("v1", host=f"{FULL}.")))]),
    "ready, two routes and the mesh": lambda: Shape(
        [
            one(
                route(to("v1"), path="/api", timeout="5s"),
                route(to("v1")),
                hosts=["reviews", "shop.example"],
                gateways=["mesh", "istio-system/reviews-gateway"],
            )
        ]
    ),
    "ready, a delegate": lambda: Shape([ROOT, one(route(to("v1")), hosts=[], gateways=[])]),
    "no subset": lambda: narrow(route(to())),
    "no subset, no label in the selector, one version": lambda: Shape([one(route(to()))], pods=0),
    "no subset, legacy gateway, port, full name": lambda: Shape(
        [one(route(to(host=FULL, port={"number": 9080}), path="/"), gateways=LEGACY)], backend=deepcopy(NARROW)
    ),
    "no subset, several routes with timeouts and a fault": lambda: narrow(
        route(to(), path="/v1/", timeout="300s", retries={"attempts": 3}),
        route(to(), path="/health", fault={"delay": {"fixedDelay": "1s", "percentage": {"value": 1}}}),
        route(to(), timeout="30s"),
    ),
    "no subset, rewrites in a delegate": lambda: Shape(
        [ROOT, one(route(to(), path="/a", rewrite={"uri": "/"}), hosts=[], gateways=[])], backend=deepcopy(NARROW)
    ),
    "no subset, the same destination twice": lambda: narrow(route(to(weight=50), to(weight=50))),
    "no subset in one route of three": lambda: Shape(
        [one(route(to("v1"), path="/1"), route(to("v2"), path="/2"), route(to()))]
    ),
    "no rule": lambda: narrow(route(to()), rules=[]),
    "a rule of policies alone": lambda: narrow(route(to()), rules=[deepcopy(POLICIES)]),
    "nothing at all": lambda: Shape([], rules=[], gateways=[], backend=deepcopy(NARROW)),
    "no routes on a gateway of one host": lambda: Shape(
        [], gateways=[a_gateway("shop.example")], backend=deepcopy(NARROW)
    ),
    "25/75": lambda: Shape([one(route(to("v1", 25), to("v2", 75)))]),
    "50/40/10 and a flag": lambda: Shape(
        [one(route(to("v3"), path="/beta"), route(to("v1", 50), to("v2", 40), to("v3", 10)))]
    ),
    "10/90 beside a route at home": lambda: Shape([one(route(to("v1"), path="/a"), route(to("v1", 10), to("v2", 90)))]),
    "a mirror to the canary": lambda: Shape(
        [one(route(to("v1", 100), to("v2"), mirror={"host": "reviews", "subset": "v2"}))]
    ),
    "routes in the gateway's namespace": lambda: Shape(
        [one(route(to("v1", host=FULL)), name="shop", namespace="istio-system", hosts=["shop.example"])]
    ),
    "routes in the gateway's namespace, no subset": lambda: Shape(
        [one(route(to(host=FULL)), name="shop", namespace="istio-system", hosts=["shop.example"])],
        backend=deepcopy(NARROW),
    ),
    "a rule that the gateway's namespace keeps": lambda: Shape([one(route(to("v1")))], rules=[a_rule(), in_front(".")]),
    "ready, a rule for the whole mesh": lambda: Shape([one(route(to("v1")))], rules=[a_rule(), in_front("*")]),
    "some routes named": lambda: Shape(
        [
            one(
                route(to("v1"), path="/a", name="rpc"),
                route(to("v1"), path="/b", name="web"),
                route(to("v1"), name="rest"),
            )
        ],
        service=a_service(routes=("rest",)),
    ),
    "a named route beside one without a name": lambda: Shape(
        [one(route(to("v1"), path="/a"), route(to("v1"), name="rest"))], service=a_service(routes=("rest",))
    ),
    "tcp alone, to a port that is HTTP": lambda: Shape([only_tcp({"route": [to("v1")]})]),
    "tcp alone, a port for each version": lambda: Shape(
        [only_tcp(*({"match": [{"port": port}], "route": [to(name)]} for port, name in ((31400, "v1"), (31401, "v2"))))]
    ),
    "the same service in two namespaces, 50/50": lambda: narrow(
        route(to(host=FULL, weight=50), to(host=AWAY, weight=50)), rules=[]
    ),
    "the same service in two namespaces, in one route of two": lambda: narrow(
        route(to(host=FULL, weight=70), to(host=AWAY, weight=30), path="/a"), route(to(), timeout="5s"), rules=[]
    ),
    "the same service in two namespaces, all at home": lambda: narrow(
        route(to(host=FULL, weight=100), to(host=AWAY, weight=0)), rules=[]
    ),
    "ready, the same service in two namespaces as a third share": lambda: Shape(
        [one(route(to("v1", weight=50), to(host=AWAY, weight=50)))]
    ),
    "ready, a subset of every version that nobody is sent to": lambda: Shape(
        [one(route(to("v1")))], rules=[rule(("all", {}), ("v1", V1), ("v2", V2))]
    ),
    "ready, a second name for one version": lambda: Shape(
        [one(route(to("stable")))], rules=[rule(("v1", V1), ("stable", V1), ("v2", V2))]
    ),
    "users of a subset of every version": lambda: Shape(
        [one(route(to("all"), name="all"))], rules=[rule(("all", {"app": "reviews"}), ("v1", V1), ("v2", V2))]
    ),
    "no subset for the canary": lambda: Shape([one(route(to("v1")))], rules=[rule(("v1", V1))]),
    "a version named twice": lambda: Shape([one(route(to("v1", 60), to("v1", 40, host=FULL), timeout="3s"))]),
    "weights in thirds": lambda: Shape([one(route(to("v1", 2), to("v3", 1)))]),
    "no weights": lambda: Shape([one(route(to("v1"), to("v2")))]),
    "33/33/34": lambda: Shape([one(route(to("v1", 33), to("v2", 33), to("v3", 34)))]),
    "85 beside a third": lambda: Shape([one(route(to("v1", 85), to("v3", 15)))]),
    "a mirror to somebody else": lambda: Shape(
        [one(route(to("v1"), mirror={"host": "recorder"}, mirrorPercentage={"value": 20}))]
    ),
    "a mirror to another version": lambda: Shape([one(route(to("v1"), mirror={"host": "reviews", "subset": "v3"}))]),
    "users on the two others": lambda: Shape([one(route(to("v2", 50), to("v3", 50)))]),
    "testers on the canary, and the rest on another": lambda: Shape(
        [one({"match": [{"headers": {"end-user": {"exact": "jason"}}}]} | route(to("v2")), route(to("v3")))]
    ),
    "the root that delegates is named": lambda: Shape(
        [one({"delegate": {"name": "inside"}}), one(route(to("v1")), name="inside", hosts=[], gateways=[])]
    ),
    "the root that delegates is named, no subset": lambda: Shape(
        [one({"delegate": {"name": "inside"}}), one(route(to()), name="inside", hosts=[], gateways=[])],
        backend=deepcopy(NARROW),
    ),
    "no subset in two objects, one of which is named": lambda: Shape(
        [one(route(to())), one(route(to()), name="inside", hosts=["reviews"], gateways=["mesh"])],
        backend=deepcopy(NARROW),
    ),
    "two objects, and neither is named": lambda: Shape(
        [
            one(route(to("v1")), name="edge"),
            one(route(to("v1")), name="inside", hosts=["reviews"], gateways=["mesh"]),
        ]
    ),
    "a tcp route without a subset": lambda: Shape(
        [one(route(to("v1"))) | {"spec": one(route(to("v1")))["spec"] | {"tcp": [{"route": [to()]}]}}],
    ),
    "a name that no route has": lambda: Shape(
        [one(route(to("v1"), path="/a", name="a"), route(to("v1"), name="b"))], service=a_service(routes=("c",))
    ),
    "a name that two routes have": lambda: Shape(
        [one(route(to("v1"), path="/a", name="a"), route(to("v1"), name="a"))], service=a_service(routes=("a",))
    ),
    "a mirroring route of an older rollout": lambda: Shape(
        [one(route(to("v1"), name="canarybot-mirror-0", mirror={"host": "reviews", "subset": "v2"}), route(to("v1")))]
    ),
    "a parked canary": lambda: Shape([one(route(to("v1")))], pods=0, rules=[]),
}
AS_THEY_ARE = {name for name in SHAPES if name.startswith("ready")}


def mended(shape: Shape) -> int:
    """Follow the first reason's remedy until there is none; how often."""
    for times in range(MOST_REMEDIES):
        reasons = shape.reasons()
        if not reasons:
            return times
        follow(shape, reasons[0])
    raise AssertionError(f"still refused: {shape.reasons()}")


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_taken_as_it_is_or_after_the_remedies_that_are_named(name: str) -> None:
    times = mended(SHAPES[name]())
    assert (times == 0) is (name in AS_THEY_ARE)


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_is_said_twice(name: str) -> None:
    reasons = SHAPES[name]().reasons()
    assert len(reasons) == len(set(reasons))


@pytest.mark.parametrize("name", [name for name in SHAPES if "two namespaces" in name and "share" not in name])
def test_nobody_is_asked_to_write_subsets_while_users_are_in_two_namespaces(name: str) -> None:
    reasons = SHAPES[name]().reasons()
    assert any("staging" in reason for reason in reasons) is all("init" not in reason for reason in reasons)


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_taken_is_left_as_it_was_found(name: str) -> None:
    shape = SHAPES[name]()
    mended(shape)
    target = shape.examined().target
    place = target.virtual_service_namespace, target.virtual_service
    (ours,) = [one for one in shape.virtual_services if (namespace_of(one, ""), name_of(one)) == place]
    begun = with_routes(ours, target, HOME)
    moved = ours
    for routes in (
        Routes(canary=0, mirror=True),
        Routes(canary=20, mirror=False),
        Routes(canary=100, mirror=False),
        HOME,
    ):
        if ("v3" in json.dumps(ours) or AWAY in json.dumps(ours)) and routes.canary == 20:
            continue  # another's share makes a fifth of what is left no whole number, which is told at the start
        moved = with_routes(moved, target, routes)
    assert in_force(moved) == in_force(begun)


def in_force(virtual_service: Object, canary: str = "v2") -> list[Object]:
    """The http routes without entries of the canary at 0, which change nothing for anybody."""
    http: list[Object] = deepcopy(virtual_service["spec"]["http"])
    for each in http:
        entries = each.get("route") or []
        each["route"] = [one for one in entries if one.get("weight", 0) or one["destination"].get("subset") != canary]
        if len(each["route"]) == 1:
            each["route"][0].pop("weight", None)
    return http


@pytest.mark.parametrize("weight", [float("inf"), float("nan"), 0.5, -5, 2**31])
@pytest.mark.parametrize("beside", [5, 0])
def test_weights_that_no_api_would_take_are_refused_without_a_command_of_ours(weight: float, beside: int) -> None:
    odd: Any = weight
    reasons = Shape([one(route(to("v1", beside), to("v3", odd)))]).reasons()
    assert not any("whole percents" in reason for reason in reasons)
