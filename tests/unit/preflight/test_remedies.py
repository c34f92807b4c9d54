"""Every row of docs/preflight.md that stops a start, walked: refused, mended as the sentence says, and refused no more.

The rows are read from the page, so one without a walk fails. What moves routes is walked by the shapes
(``test_shapes``), where after each single write nobody may be on a version that was not released.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.model.errors import Cause, Refusal
from bot.model.freeze import Freeze
from bot.model.observation import Progress
from bot.model.rollout import ALL_CANARY, Phase, Rollout, Stage, Template, UserId
from bot.model.service import ServiceConfig
from bot.preflight import Callers, Permission, Snapshot, examine, freezes, ready_to_begin
from bot.preflight.permissions import needed
from bot.preflight.snapshot import Unread
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, a_side, a_target, routes
from tests.snapshots import a_backend, a_deployment, a_gateway, a_pod, a_rule, a_snapshot, a_virtual_service, texts
from tests.unit.preflight.test_hosts import BOTH, CANARY, STABLE, V1, V2, a_service_of, apart, to
from tests.unit.preflight.test_shapes import SHAPES, follow, in_front
from tests.unit.preflight.test_shapes_as_found import AS_FOUND, TAKEN
from tests.unit.test_docs import GAP, ROOT, text

Object = dict[str, Any]
BITS = "registry.example/reviews-v2@sha256:"

# Walked where their systems are: the rooms of Slack, and a policy of the API server.
ELSEWHERE = {
    "Nobody would be told of it. …": "tests/unit/controller/test_told.py",
    "To the policy … these hosts are no versions of one service. …": "tests/contract/test_admission_policy.py",
}


def _rows() -> dict[str, str]:
    """Each row that may stop a start, by its first quotation, with the whole line."""
    lines = [line for line in text("docs/preflight.md").splitlines() if re.match(r"\| .* \| blocks", line)]
    return {next(iter(re.findall(r"^\| `([^`]+)`", line)), line.split("|")[1].strip()): line for line in lines}


ROWS = _rows()


@dataclass
class World:
    """What preflight is given, to be spoilt and mended."""

    parts: dict[str, Any] = field(default_factory=dict)
    service: ServiceConfig = field(default_factory=a_service)
    version: str = "v2"
    callers: Callers = field(default_factory=Callers)
    before: Rollout | None = None
    frozen: list[Freeze] = field(default_factory=list)
    live: tuple[Any, ...] = ()
    base: Callable[..., Snapshot] = a_snapshot

    def reasons(self) -> list[str]:
        """Why a start would be refused."""
        if self.live:
            return [*texts(ready_to_begin(a_target(), self.live[0], "", *self.live[1:]))]
        frozen = [plain(one.text) for one in freezes.check(self.frozen, self.service.name, 0.0)]
        snapshot = self.base(**self.parts)
        try:
            found = examine(self.service, self.version, snapshot, self.callers, before=self.before)
        except Refusal as refused:
            return [*frozen, *(one for one in texts(refused.reasons) if not one.startswith("Warning"))]
        return [*frozen, *texts(found.reasons)]

    def says(self, **changes: Any) -> None:
        """What services.yaml says is changed."""
        self.service = replace(self.service, **changes)

    def canary(self, **changes: Any) -> None:
        """The canary's Deployment is written anew."""
        self.parts["deployments"] = (PRIMARY, a_deployment("reviews-v2", "v2", **changes))


PRIMARY = a_deployment("reviews-v1", "v1")


def of(change: Callable[[Object], object]) -> World:
    """A canary whose Deployment is changed so."""
    canary = a_deployment("reviews-v2", "v2")
    change(canary)
    return World({"deployments": (PRIMARY, canary)})


def hosts(**parts: Any) -> World:
    """Versions that are hosts."""
    made = apart(*parts.pop("entries", BOTH), **{"services": (STABLE, CANARY)} | parts)
    return World(
        {name: getattr(made, name) for name in ("virtual_service", "service", "services", "destination_rules")}
    )


def put(**parts: Any) -> Callable[[World], None]:
    return lambda world: world.parts.update(parts)


def say(**changes: Any) -> Callable[[World], None]:
    return lambda world: world.says(**changes)


def drop(*names: str) -> Callable[[World], None]:
    def dropped(world: World) -> None:
        for name in names:
            del world.parts[name]

    return dropped


def start(version: str) -> Callable[[World], None]:
    def started(world: World) -> None:
        world.version = version
        world.parts["deployments"] = tuple(a_deployment(f"reviews-{one}", one) for one in ("v1", "v2", "v3"))

    return started


def add_subsets_in_front(world: World) -> None:
    """And name that rule, which is the next thing that is said."""
    put(destination_rules=(a_rule(), in_front(".")))(world)
    world.says(destination_rule="front", destination_rule_namespace="istio-system")


def take_a_free_name(world: World) -> None:
    """And have what is missing created there, which is the next thing that is said."""
    created = a_rule()
    created["metadata"]["name"] = "free"
    put(destination_rules=(*world.parts["destination_rules"], created))(world)
    world.says(destination_rule="free")


def of_another_host() -> Object:
    made = a_rule()
    made["spec"]["host"] = "ratings"
    return made


def two_containers() -> World:
    def twofold(name: str, version: str) -> Object:
        made = a_deployment(name, version)
        spec = made["spec"]["template"]["spec"]
        spec["containers"].append(spec["containers"][0] | {"name": "side", "image": f"side:{version}"})
        return made

    return World({"deployments": (twofold("reviews-v1", "v1"), twofold("reviews-v2", "v2"))})


def with_bits(primary: str, *canary: str, image: str = "") -> World:
    deployments = a_deployment("reviews-v1", "v1", image=image), a_deployment("reviews-v2", "v2", image=image)
    pods = [a_pod(deployments[0], 1, image_id=BITS + primary)]
    pods += [a_pod(deployments[1], number, image_id=BITS + one) for number, one in enumerate(canary)]
    return World({"deployments": deployments, "pods": tuple(pods)})


def stray(base: World, deployments: tuple[Object, ...] = (PRIMARY, a_deployment("reviews-v2", "v2"))) -> World:
    pods = tuple(a_pod(one, number) for one in deployments for number in (1, 2))
    pods[0]["metadata"]["labels"] = pods[0]["metadata"]["labels"] | {"version": "v0"}
    base.parts |= {"deployments": deployments, "pods": pods}
    return base


def waiting() -> World:
    deployments = PRIMARY, a_deployment("reviews-v2", "v2")
    pods = tuple(a_pod(one, number) for one in deployments for number in (1, 2))
    status = pods[2]["status"]["containerStatuses"]
    status[0] |= {"ready": False, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    return World({"deployments": deployments, "pods": pods})


def without_sidecar(**annotations: str) -> World:
    deployments = PRIMARY, a_deployment("reviews-v2", "v2")
    pods = tuple(a_pod(one, number) for one in deployments for number in (1, 2))
    for pod in pods[2:]:
        pod["spec"]["containers"] = pod["spec"]["containers"][:1]
        pod["status"]["containerStatuses"].pop()
        pod["metadata"]["annotations"] = annotations
    return World({"deployments": deployments, "pods": pods})


def marked(**metadata: Any) -> Object:
    made = a_virtual_service()
    made["metadata"] |= metadata
    return made


def everybody_on_v2(*more: Object, before: Rollout | None = None) -> World:
    http = [{"route": [{"destination": {"host": "reviews", "subset": "v2"}}]}]
    deployments = *(a_deployment(f"reviews-{one}", one) for one in ("v1", "v2", "v3")), *more
    parts = {"virtual_service": a_virtual_service(http=http), "deployments": deployments}
    return World(parts, version="v3", before=before)


def hashed() -> World:
    rule = a_snapshot().destination_rules[0]
    deployments = tuple(a_deployment(f"reviews-{one}", one) for one in ("v1", "v2"))
    for subset, one in zip(rule["spec"]["subsets"], deployments, strict=False):
        subset["labels"] = {"pod-template-hash": subset["name"]}
        one["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = subset["name"]
    return World({"destination_rules": (rule,), "deployments": deployments})


def denied() -> World:
    asked = needed(a_service(), "v2")
    return World({"permissions": tuple(Permission(access=one, allowed=one.verb != "update") for one in asked)})


def wide(name: str) -> Object:
    return a_service_of(name, {"app": "reviews"})


ADOPTED = a_rollout(
    phase=Phase.PROMOTED, plan=(Stage(name="finish", phase=Phase.BAKING, routes=ALL_CANARY, release=True),), stage=0
)
HALF = [{"route": [{"destination": {"host": "reviews.default", "subset": "v1"}}]}]
WHOLE = [{"route": [{"destination": {"host": "reviews.default.svc.cluster.local", "subset": "v1"}}]}]
TO_BOTH = [{"route": BOTH}, {"match": [{"uri": {"prefix": "/a"}}], "route": [to("reviews")]}]
TO_OLD = [{"route": BOTH}, {"match": [{"uri": {"prefix": "/a"}}], "route": [to("reviews-old")]}]
SEVERAL_PORTS = (STABLE, a_service_of("reviews-canary", V2, 8080, 8081))
CALLERS = Callers(of_roots={"reviews": {"productpage-v1": 30.0}})
DRIVER = {
    "kind": "Canary",
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"targetRef": {"kind": "Deployment", "name": "reviews-v1"}},
}
BORN = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
STUCK = {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}


def entries(*given: Object) -> Callable[[World], None]:
    return put(virtual_service=a_virtual_service(http=[{"route": [*given]}]))


def forget(world: World) -> None:
    world.frozen.clear()


def be_well(world: World) -> None:
    world.live = (routes(0), a_side(), a_side())


def call_nobody(world: World) -> None:
    services = (STABLE, CANARY, a_service_of("reviews", V1))
    world.parts["services"] = services


TOLD_BY_ROLLOUT = (
    "… is the primary now: rollout … ended with all users on … (…), and services.yaml still calls … the primary."
)
SENT_TO_BOTH = (
    "VirtualService … sends users to Service …, which selects the pods of both versions. They meet … at any weight."
)
CALLED_BY_NAME = (
    "Service … selects the pods of both versions, and … called it by name in the last hour. They meet … at any weight."
)

UNREAD = Unread(kind="DestinationRule", cause=Cause.FORBIDDEN, sentence="Could not list DestinationRules: forbidden.")
HTTP_ROUTE = {
    "kind": "HTTPRoute",
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"parentRefs": [{"kind": "Service", "group": "", "name": "reviews", "port": 9080}]},
}

Walk = tuple[World, str, Callable[[World], None]]
# By the row: what is refused, the words of the remedy, and what is done as they say.
WALKS: dict[str, Callable[[], Walk]] = {
    "There is no Deployment … … (the primary).": lambda: (
        World(service=a_service(primary_deployment="shop")),
        "Correct `primary.deployment`",
        say(primary_deployment="reviews-v1"),
    ),
    "There is no Deployment … ….": lambda: (World({"deployments": (PRIMARY,)}), "Deploy v2 first", drop("deployments")),
    "… is a …, and canary-bot releases Deployments.": lambda: (
        World(
            {
                "deployments": (PRIMARY,),
                "other_workloads": ({"kind": "StatefulSet", "metadata": {"name": "reviews-v2"}},),
            }
        ),
        "Serve these users from a Deployment",
        drop("deployments", "other_workloads"),
    ),
    "There is no Service … in namespace ….": lambda: (
        World({"service": None}),
        "Name it under `host`",
        put(service=a_backend()),
    ),
    "Callers in namespace … obey …, which has no subset …: a route that names it gives them errors (503).": lambda: (
        World({"destination_rules": (a_rule(), in_front(".", subsets=()))}),
        "patch destinationrule front --type=json",
        add_subsets_in_front,
    ),
    "… is about …, and not about ….": lambda: (
        World({"destination_rules": (of_another_host(),)}),
        "or a free one: `canary-bot init reviews --apply`",
        take_a_free_name,
    ),
    "… carries version …, not ….": lambda: (
        World(
            {"deployments": (PRIMARY, a_deployment("reviews-canary", "v3"))},
            a_service(canary_deployment="reviews-canary"),
        ),
        "Start v3",
        lambda world: setattr(world, "version", "v3"),
    ),
    "… has the containers …, and services.yaml does not name one.": lambda: (
        two_containers(),
        "`primary: {container: NAME}`",
        say(containers=("reviews",)),
    ),
    "… has no container …; it has ….": lambda: (
        World(service=a_service(containers=("app",))),
        "Correct `primary.container`",
        say(containers=("reviews",)),
    ),
    "… runs the image of … already: ….": lambda: (
        World(
            {
                "deployments": (
                    a_deployment("reviews-v1", "v1", image="a:1"),
                    a_deployment("reviews-v2", "v2", image="a:1"),
                )
            }
        ),
        "look at which image the canary was deployed with",
        drop("deployments"),
    ),
    "The pods of the canary run different images under …: ….": lambda: (
        with_bits("a", "b", "c"),
        "`kubectl -n default rollout restart deployment/reviews-v2`",
        lambda world: world.parts.update(with_bits("a", "c", "c").parts),
    ),
    TOLD_BY_ROLLOUT: lambda: (
        everybody_on_v2(before=ADOPTED),
        "Write `primary: {deployment: reviews-v2}` for reviews",
        say(primary_deployment="reviews-v2"),
    ),
    "All users are on … (…), and services.yaml calls … the primary.": lambda: (
        everybody_on_v2(),
        "Write `primary: {deployment: reviews-v2}` for reviews",
        say(primary_deployment="reviews-v2"),
    ),
    "All users are on the … and none on …, which services.yaml calls the primary.": lambda: (
        everybody_on_v2(a_deployment("reviews-twin", "v2")),
        "`primary: {deployment: NAME}`",
        say(primary_deployment="reviews-v2"),
    ),
    "… and … run different bits under one name: ….": lambda: (
        with_bits("a", "b", "b", image="registry.example/reviews:live"),
        "Give each version a tag of its own",
        lambda world: world.parts.update(with_bits("a", "b", "b").parts),
    ),
    "Could not list or read (a kind that nothing works without)": lambda: (
        World({"destination_rules": (), "unread": (UNREAD,)}),
        "Add to its Role there: `- {apiGroups: [networking.istio.io], resources: [destinationrules]",
        drop("destination_rules", "unread"),
    ),
    "… frozen since … by …: ….": lambda: (
        World(frozen=[Freeze(scope="reviews", by=UserId("U1"), since=0.0, until=None, reason="sale")]),
        "unfreeze reviews` ends it",
        forget,
    ),
    "… writes the host …, which Istio does not complete, so nobody answers there.": lambda: (
        World({"virtual_service": a_virtual_service(http=HALF)}),
        "Write `reviews.default.svc.cluster.local` there",
        put(virtual_service=a_virtual_service(http=WHOLE)),
    ),
    "… and … are both in the subset …: no route can tell them apart.": lambda: (
        World({"deployments": (a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v1"))}),
        "by a label that only its pods carry",
        drop("deployments"),
    ),
    "… is what users have now.": lambda: (World(version="v1"), "Start another version", start("v2")),
    "The pods of … are in the subset … of … too.": lambda: (
        World({"deployments": (PRIMARY, a_deployment("reviews-v2", "v2"), a_deployment("reviews-old", "v1"))}),
        "`kubectl -n default scale deployment/reviews-old --replicas=0`",
        put(deployments=(PRIMARY, a_deployment("reviews-v2", "v2"), a_deployment("reviews-old", "v1", replicas=0))),
    ),
    "The subsets … and … differ in …, which another controller owns.": lambda: (
        hashed(),
        "by a label of your own, such as `version`",
        drop("destination_rules", "deployments"),
    ),
    "Pod … of … is not in the subset …: its labels are not its template's.": lambda: (
        stray(World()),
        "`kubectl -n default delete pod reviews-v1-1`",
        drop("pods"),
    ),
    "… has several Services of its own (…), and routes name none of them.": lambda: (
        hosts(entries=[to("reviews-stable", 100)], services=(STABLE, CANARY, a_service_of("reviews-new", V2))),
        "`canary: {host: NAME}`",
        say(canary_host="reviews-canary"),
    ),
    "… has no Service of its own. Routes share users out between Services, of which … is …'s.": lambda: (
        hosts(entries=[to("reviews-stable", 100)], services=(STABLE,)),
        "`canary-bot init reviews --apply` creates it",
        put(services=(STABLE, CANARY)),
    ),
    "Service … is …'s in the routes, and selects the pods of … too: its users meet both.": lambda: (
        hosts(services=(wide("reviews-stable"), CANARY)),
        """-p '{"spec":{"selector":{"version":"v1"}}}'`""",
        put(services=(STABLE, CANARY)),
    ),
    "The selector of Service … has …, which another controller owns.": lambda: (
        by_hash(),
        "by a label of your own",
        lambda world: (drop("deployments")(world), put(services=(STABLE, CANARY))(world))[0],
    ),
    "The pods of … belong to Service … too.": lambda: (
        third(),
        "`kubectl -n default scale deployment/reviews-old --replicas=0`",
        drop("deployments"),
    ),
    "Pod … of … does not belong to Service …: its labels are not its template's.": lambda: (
        stray(hosts()),
        "`kubectl -n default delete pod reviews-v1-1`",
        drop("pods"),
    ),
    "Routes have the primary at port …. Service … has no such port, and several others.": lambda: (
        hosts(entries=[to("reviews-stable", 100, 9080)], services=SEVERAL_PORTS),
        "{destination: {host: reviews-canary, port: {number: PORT}}, weight: 0}",
        entries(to("reviews-stable", 100, 9080), to("reviews-canary", 0, 8080)),
    ),
    "Routes name no port of the primary, and Service … has several.": lambda: (
        hosts(entries=[to("reviews-stable")], services=SEVERAL_PORTS),
        "{destination: {host: reviews-canary, port: {number: PORT}}, weight: 0}",
        entries(to("reviews-stable", 100), to("reviews-canary", 0, 8080)),
    ),
    SENT_TO_BOTH: lambda: (
        hosts(http=TO_BOTH, services=(STABLE, CANARY, wide("reviews"))),
        "Send them to the primary alone: `host: reviews-stable`",
        entries(*BOTH),
    ),
    CALLED_BY_NAME: lambda: (
        replace(hosts(services=(STABLE, CANARY, wide("reviews"))), callers=CALLERS),
        """patch service reviews -p '{"spec":{"selector":{"version":"v1"}}}'`""",
        call_nobody,
    ),
    "VirtualService … sends users to Service … as well, which does not move. They stay on ….": lambda: (
        hosts(http=TO_OLD, services=(STABLE, CANARY, a_service_of("reviews-old", V1))),
        "`host: reviews-stable`",
        entries(*BOTH),
    ),
    "… is paused, so no new template would ever roll out.": lambda: (
        of(lambda one: one["spec"].update(paused=True)),
        "`kubectl -n default rollout resume deployment/reviews-v2`",
        World.canary,
    ),
    "… was changed a moment ago, and Kubernetes has not acted on it yet.": lambda: (
        of(lambda one: one["metadata"].update(generation=4)),
        "Try again in some seconds",
        World.canary,
    ),
    "… is stuck: it made no progress within its ….": lambda: (
        of(lambda one: one["status"].update(conditions=[STUCK])),
        "and the events of its pods say why",
        World.canary,
    ),
    "… in … of … waits: …….": lambda: (waiting(), "kubectl -n default describe pod", drop("pods")),
    "… cannot have all of its pods: ….": lambda: (
        of(lambda one: one["status"].update(readyReplicas=1, conditions=[BORN])),
        "Make room",
        World.canary,
    ),
    "… has no replicas.": lambda: (
        World(live=(routes(0), a_side(), a_side(wanted=0))),
        "`kubectl -n default scale deployment/reviews-v2 --replicas=",
        be_well,
    ),
    "… is not ready: … of ….": lambda: (
        World(live=(routes(0), a_side(), a_side(progress=Progress.FAILED, ready=1))),
        "`kubectl -n default rollout status deployment/reviews-v2`",
        be_well,
    ),
    "… is changing right now; try again when that is over.": lambda: (
        World(live=(routes(0), a_side(Template.UPGRADED), a_side())),
        "try again when that is over",
        be_well,
    ),
    "The routes of … are …; a rollout begins with all users on the primary.": lambda: (
        World(live=(routes(20), a_side(), a_side())),
        "Set the weight of v1 to 100 and of v2 to 0",
        be_well,
    ),
    "VirtualService … has annotations of an older rollout (…) and no rollout.": lambda: (
        World({"virtual_service": marked(annotations={"canary-bot/restore": "{}"})}),
        "`kubectl -n default annotate virtualservice reviews canary-bot/restore-`",
        drop("virtual_service"),
    ),
    "There is no Gateway …, which VirtualService … names.": lambda: (
        World({"gateways": ()}),
        "Create it there, or correct `gateways`",
        drop("gateways"),
    ),
    "Gateway … lets no request for … in.": lambda: (
        World({"virtual_service": a_virtual_service(hosts=["shop.example"]), "gateways": (a_gateway("a.example"),)}),
        "Add the host to `servers[].hosts`",
        put(gateways=(a_gateway("a.example", "shop.example"),)),
    ),
    "HTTPRoute … routes the callers of Service ….": lambda: (
        World({"http_routes": (HTTP_ROUTE,)}),
        "Release it with a tool that knows the Gateway API",
        drop("http_routes"),
    ),
    "No pod of … has a sidecar (…), so its requests are counted nowhere.": lambda: (
        without_sidecar(),
        "turns injection on; then restart the Deployment",
        drop("pods"),
    ),
    "… is in the ambient mesh without a sidecar, so mirrored requests to it are counted nowhere.": lambda: (
        without_sidecar(**{"ambient.istio.io/redirection": "enabled"}),
        "Give it a sidecar",
        drop("pods"),
    ),
    "… belongs to … (…).": lambda: (
        World({"virtual_service": marked(ownerReferences=[{"kind": "Canary", "name": "reviews"}])}),
        "take it out of Flagger's hands first",
        drop("virtual_service"),
    ),
    "…'s … steers ….": lambda: (World({"drivers": (DRIVER,)}), "or delete that Canary first", drop("drivers")),
    "canary-bot may not … … in namespace ….": lambda: (
        denied(),
        "Add to its Role there: `- {apiGroups: [networking.istio.io], resources: [virtualservices], resourceNames:",
        drop("permissions"),
    ),
}


def by_hash() -> World:
    deployments = tuple(a_deployment(f"reviews-{one}", one) for one in ("v1", "v2"))
    for one in deployments:
        one["spec"]["template"]["metadata"]["labels"]["rollouts-pod-template-hash"] = "abc"
    world = hosts(services=(a_service_of("reviews-stable", V1 | {"rollouts-pod-template-hash": "abc"}), CANARY))
    world.parts["deployments"] = deployments
    return world


def third() -> World:
    world = hosts()
    world.parts["deployments"] = (PRIMARY, a_deployment("reviews-v2", "v2"), a_deployment("reviews-old", "v1"))
    return world


def is_said(row: str, reasons: list[str]) -> list[str]:
    """The reasons that are this row's."""
    words = "Could not list" if row.startswith("Could not list") else row
    return [reason for reason in reasons if stands_in(words, reason)]


def stands_in(quotation: str, reason: str) -> bool:
    """Whether its words are there in their order, with anything in its gaps."""
    at = 0
    for part in quotation.split(GAP):
        found = reason.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


@pytest.mark.parametrize("row", WALKS)
def test_what_a_refusal_says_to_do_ends_it(row: str) -> None:
    world, words, mend = WALKS[row]()
    refused = is_said(row, world.reasons())
    assert refused
    assert any(words in reason for reason in refused), refused
    mend(world)

    assert is_said(row, world.reasons()) == []


def walked_by_shapes() -> set[str]:
    """The rows whose sentence some shape is refused with, and that are gone once it is mended."""
    found = set[str]()
    for make in (*SHAPES.values(), *(AS_FOUND[name] for name in TAKEN)):
        shape = make()
        while reasons := shape.reasons():
            found |= {row for row in ROWS if is_said(row, reasons)}
            follow(shape, reasons[0])
    return found


def test_every_row_that_stops_a_start_is_walked() -> None:
    assert len(ROWS) > 60
    assert WALKS.keys() <= ROWS.keys()
    walked = {*WALKS, *ELSEWHERE, *walked_by_shapes()}
    assert [row for row in ROWS if row not in walked] == []


def test_what_is_walked_elsewhere_is_there() -> None:
    for row, page in ELSEWHERE.items():
        assert row in ROWS
        assert (ROOT / page).exists()
