"""What every ``Workloads`` promises, asked of the fake and of the real adapter before a Kubernetes API over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.kube import Kube, Reads
from bot.adapters.kube_answers import Unanswered, shows_ready
from bot.adapters.kube_cache import CachedReads
from bot.adapters.snapshot import KubeSnapshots
from bot.adapters.workloads import KubeWorkloads
from bot.controller.ports import Rehearsal, Workloads
from bot.model.errors import Cause, Fault, Refusal
from bot.model.observation import DeploymentStatus, Progress
from bot.model.rollout import PodTemplate, Template
from bot.preflight import examine
from bot.words.rendering import plain
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_service, a_target
from tests.fakes.workloads import InMemoryWorkloads

EVERYWHERE = ""  # a list of all namespaces
V1, V2 = bookinfo.image("v1"), bookinfo.image("v2")
RECORDED = PodTemplate(images={"reviews": V1})
UPGRADED = PodTemplate(images={"reviews": V2})
CANARY = PodTemplate(images={"reviews": V2})
TARGET = a_target()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Workloads whose patched pods become ready when told to; ``settle`` waits until nothing rolls."""

    workloads: Workloads
    finish: Callable[[str], None]
    settle: Callable[[], object]

    def observe(
        self, recorded: PodTemplate = RECORDED, upgraded: PodTemplate = UPGRADED
    ) -> tuple[DeploymentStatus, DeploymentStatus]:
        return self.workloads.observe(TARGET, recorded, upgraded, CANARY)


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02) as api:
        api.load(bookinfo.objects())
        assert rolled(api)
        yield api


@pytest.fixture
def kube(api: KubeApi, tmp_path: Path) -> Kube:
    return Kube.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig")))


@pytest.fixture(params=["memory", "kubernetes", "cached"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        labelled = {"reviews-v1": replace(RECORDED, labels={"version": "v1"}), "reviews-v2": CANARY}
        memory = InMemoryWorkloads(labelled)
        yield World(workloads=memory, finish=memory.finish, settle=lambda: None)
        return
    api: KubeApi = request.getfixturevalue("api")
    api.deployments.start_seconds("default", "reviews-v1", None)  # new pods wait, for ever until told
    kube: Kube = request.getfixturevalue("kube")
    with closing(CachedReads(kube)) as reads:

        def settle(*names: str) -> None:
            assert rolled(api, *names)
            if request.param == "cached":  # what others do is seen as soon as the watches have told of it
                await_same(reads, kube)

        def finish(name: str) -> None:
            api.deployments.start_seconds("default", name, 0.02)
            settle()

        workloads = KubeWorkloads(kube, reads=reads if request.param == "cached" else None)
        yield World(workloads=workloads, finish=finish, settle=lambda: settle("reviews-v2"))


def await_same(reads: CachedReads, kube: Kube, seconds: float = 5.0) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while any(_versions(reads, kind) != _versions(kube, kind) for kind in ("Deployment", "ReplicaSet", "Pod")):
        assert time.monotonic() < deadline, "the watches never told of it all"
        pause.wait(0.005)


def _versions(reads: Reads, kind: str) -> dict[str, str]:
    found = reads.list(kind, "default")
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}


def rolled(api: KubeApi, *names: str) -> bool:
    """Whether these Deployments (default: both sides) came to rest with as many available pods as they want."""

    def at_rest() -> bool:
        found = [api.store.get("Deployment", "default", name) for name in names or ("reviews-v1", "reviews-v2")]
        return all(one and _counts(one) == (one["spec"]["replicas"],) * 3 for one in found)

    return api.store.wait_until(at_rest)


def _counts(deployment: dict[str, dict[str, int]]) -> tuple[int, ...]:
    status = deployment.get("status", {})
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return ()
    return tuple(status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas"))


def a_side(template: Template | None, image: str, **changes: object) -> DeploymentStatus:
    side = DeploymentStatus(template=template, progress=Progress.DONE, ready=2, wanted=2, images={"reviews": image})
    return replace(side, **changes)  # type: ignore[arg-type]  # checked by the dataclass


def test_before_anything_both_sides_are_ready_and_as_recorded(world: World) -> None:
    assert world.observe() == (a_side(Template.RECORDED, V1), a_side(Template.RECORDED, V2))


def test_an_upgrade_waits_for_pods_of_the_new_image_and_a_revert_for_the_old_ones(world: World) -> None:
    world.workloads.apply(TARGET, UPGRADED)
    primary, _ = world.observe()
    assert (primary.template, primary.progress, primary.ready) == (Template.UPGRADED, Progress.WAITING, 0)
    assert primary.images == {"reviews": V2}

    world.finish("reviews-v1")
    assert world.observe()[0] == a_side(Template.UPGRADED, V2)

    world.workloads.apply(TARGET, RECORDED)
    world.finish("reviews-v1")
    assert world.observe()[0] == a_side(Template.RECORDED, V1)


def test_a_template_that_is_there_already_is_not_applied_again(world: World) -> None:
    world.workloads.apply(TARGET, UPGRADED)
    world.finish("reviews-v1")
    world.workloads.apply(TARGET, UPGRADED)
    assert world.observe()[0] == a_side(Template.UPGRADED, V2)


def test_an_image_that_nobody_recorded_is_no_known_template(world: World) -> None:
    primary, _ = world.observe(recorded=PodTemplate(images={"reviews": "reviews:0"}))
    assert primary.template is None


def test_a_preview_is_the_patch_and_writes_nothing(world: World) -> None:
    relabelled = PodTemplate(images={"reviews": V2}, labels={"version": "v2"})
    assert world.workloads.preview(TARGET, relabelled) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "reviews-v1", "namespace": "default"},
        "spec": {
            "template": {
                "metadata": {"labels": {"version": "v2"}},
                "spec": {"containers": [{"name": "reviews", "image": V2}]},
            }
        },
    }
    assert world.observe()[0] == a_side(Template.RECORDED, V1)


def test_a_rehearsed_upgrade_writes_nothing(world: World) -> None:
    assert world.workloads.rehearse(TARGET, UPGRADED) == Rehearsal()
    assert world.observe()[0] == a_side(Template.RECORDED, V1)


def test_a_canary_is_scaled_to_zero_once_and_is_not_ready_then(world: World) -> None:
    world.workloads.scale_canary_down(TARGET)
    world.workloads.scale_canary_down(TARGET)
    world.settle()
    _, canary = world.observe()
    assert (canary.wanted, canary.ready, canary.progress) == (0, 0, Progress.WAITING)
    assert "scaled to zero" in plain(canary.reason)


def test_a_canary_without_pods_gets_some_and_one_that_has_some_keeps_them(world: World) -> None:
    world.workloads.scale_canary_up(TARGET, 3)
    assert world.observe()[1].wanted == 2
    world.workloads.scale_canary_down(TARGET)
    world.settle()
    world.workloads.scale_canary_up(TARGET, 3)
    assert world.observe()[1].wanted == 3
    world.workloads.scale_canary_up(TARGET, 1)
    assert world.observe()[1].wanted == 3
    world.workloads.scale_canary_up(replace(TARGET, canary_deployment="gone"), 3)


def test_a_primary_is_scaled_up_and_never_down(world: World) -> None:
    world.workloads.scale_primary_up(TARGET, 1)
    assert world.observe()[0].wanted == 2
    world.workloads.scale_primary_up(TARGET, 3)
    primary, _ = world.observe()
    assert (primary.wanted, primary.ready, primary.progress) == (3, 2, Progress.WAITING)
    world.finish("reviews-v1")
    world.workloads.scale_primary_up(TARGET, 3)
    assert world.observe()[0] == a_side(Template.RECORDED, V1, ready=3, wanted=3)


def test_what_does_not_exist_is_told_by_name(world: World) -> None:
    with pytest.raises(Fault, match="no container named reviewz"):
        world.workloads.apply(TARGET, PodTemplate(images={"reviewz": V2}))
    gone = replace(TARGET, primary_deployment="gone", canary_deployment="gone")
    with pytest.raises(Fault, match="gone does not exist") as missing:
        world.workloads.apply(gone, UPGRADED)
    assert missing.value.cause is Cause.MISSING
    world.workloads.scale_canary_down(gone)
    primary, _ = world.workloads.observe(gone, RECORDED, UPGRADED, CANARY)
    assert (primary.template, primary.progress) == (None, Progress.FAILED)


# The real adapter alone


def test_image_and_label_move_in_one_write_when_the_selector_leaves_the_label_free(tmp_path: Path) -> None:
    target = replace(TARGET, primary_deployment="reviews", canary_deployment="reviews-canary")
    upgraded = PodTemplate(images={"reviews": V2}, labels={"version": "v2"})
    with KubeApi(start_seconds=0.02) as api:
        assert rolled(api.load(bookinfo.relabel_objects()), "reviews", "reviews-canary")
        workloads = KubeWorkloads(Kube.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig"))))
        workloads.apply(target, upgraded)
        assert rolled(api, "reviews")
        primary, canary = workloads.observe(target, RECORDED, upgraded, CANARY)
        patches = [record for record in api.audit if (record.verb, record.kind) == ("patch", "Deployment")]
    assert len(patches) == 1
    assert primary == a_side(Template.UPGRADED, V2)
    assert canary == a_side(Template.RECORDED, V2)


def test_a_paused_deployment_has_failed_in_words(api: KubeApi, kube: Kube) -> None:
    paused = api.store.get("Deployment", "default", "reviews-v1")
    assert paused is not None
    paused["spec"]["paused"] = True
    api.store.put(paused)
    primary, _ = KubeWorkloads(kube).observe(TARGET, RECORDED, UPGRADED, CANARY)
    assert primary.progress is Progress.FAILED
    assert "kubectl rollout resume deployment/reviews-v1" in plain(primary.reason)


def test_a_crashing_canary_has_no_ready_pods(api: KubeApi, kube: Kube) -> None:
    api.deployments.crash("default", "reviews-v2")

    def crashed() -> bool:
        pods = api.store.list("Pod", "default", where=lambda pod: pod["metadata"]["labels"]["version"] == "v2")
        return not any(one["ready"] for pod in pods for one in pod["status"]["containerStatuses"][:1])

    assert api.store.wait_until(crashed)
    primary, canary = KubeWorkloads(kube).observe(TARGET, RECORDED, UPGRADED, CANARY)
    assert (primary.ready, canary.ready) == (2, 0)
    assert {(one.container, one.ended, one.waiting) for one in canary.troubles} == {
        ("reviews", "Error", "CrashLoopBackOff")
    }
    assert (primary.troubles, len(canary.troubles)) == ((), 2)


def test_a_size_that_an_autoscaler_chose_meanwhile_is_not_undone(api: KubeApi, kube: Kube, tmp_path: Path) -> None:
    class Racing(Kube):
        """Somebody scales to five between our read and our write, once."""

        def patch(self, *args: Any, **options: Any) -> Any:
            live = api.store.get("Deployment", "default", "reviews-v1")
            if live is not None and live["spec"]["replicas"] != 5:
                live["spec"]["replicas"] = 5
                api.store.put(live)
            return super().patch(*args, **options)

    racing = Racing.connect(str(api.write_kubeconfig(tmp_path / "racing")))
    KubeWorkloads(racing).scale_primary_up(TARGET, 3)
    assert KubeWorkloads(kube).observe(TARGET, RECORDED, UPGRADED, CANARY)[0].wanted == 5


def test_who_wrote_a_template_and_which_bits_its_pods_run_are_seen(api: KubeApi, kube: Kube) -> None:
    edited = api.store.get("Deployment", "default", "reviews-v1")
    assert edited is not None
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = V2
    api.replace_as("kubectl-set", edited)
    assert rolled(api)
    primary, canary = KubeWorkloads(kube).observe(TARGET, RECORDED, UPGRADED, CANARY)
    assert (primary.template, primary.writer, primary.written_at is not None) == (
        Template.UPGRADED,
        "kubectl-set",
        True,
    )
    assert primary.digests["reviews"] == canary.digests["reviews"]
    assert len(primary.digests["reviews"]) == 1
    assert (primary.uid, primary.stale) == (edited["metadata"]["uid"], 0)


def test_the_bots_own_last_write_is_not_blamed_for_what_somebody_else_changed_or_removed(
    api: KubeApi, kube: Kube
) -> None:
    recorded = PodTemplate(images=RECORDED.images, labels={"version": "v1"})
    workloads = KubeWorkloads(kube)
    workloads.apply(TARGET, UPGRADED)
    stripped = api.store.get("Deployment", "default", "reviews-v1")
    assert stripped is not None
    del stripped["spec"]["template"]["metadata"]["labels"]["version"]
    stripped["spec"]["selector"]["matchLabels"].pop("version")
    api.store.put(stripped)  # whoever removes a field leaves no entry

    assert workloads.observe(TARGET, recorded, replace(UPGRADED, labels={"version": "v1"}), CANARY)[0].writer == ""
    assert workloads.observe(TARGET, RECORDED, UPGRADED, CANARY)[0].writer == "canary-bot"


def test_a_rehearsal_tells_what_the_server_would_refuse_of_the_upgrade(api: KubeApi, kube: Kube) -> None:
    api.fail_next(verb="patch", kind="Deployment", status=503)
    with pytest.raises(Unanswered):
        KubeWorkloads(kube).rehearse(TARGET, UPGRADED)
    api.forbid(verb="patch", kind="Deployment")
    (refusal,) = KubeWorkloads(kube).rehearse(TARGET, UPGRADED).refusals
    assert "Could not patch Deployment default/reviews-v1" in plain(refusal.sentence)
    assert refusal.cause is Cause.FORBIDDEN


def test_a_snapshot_brings_all_that_preflight_reads(api: KubeApi, kube: Kube) -> None:
    snapshot = KubeSnapshots(kube).take(a_service(host="reviews.default.svc.cluster.local"), "v2")
    assert snapshot.virtual_service is not None
    assert snapshot.service is not None
    assert snapshot.virtual_services == ()
    assert [one["metadata"]["name"] for one in snapshot.destination_rules] == ["reviews"]
    assert [one["metadata"]["name"] for one in snapshot.gateways] == ["reviews-gateway"]
    assert {one["metadata"]["name"] for one in snapshot.deployments} == {"reviews-v1", "reviews-v2", "reviews-v3"}
    assert {pod["metadata"]["labels"]["version"] for pod in snapshot.pods} == {"v1", "v2"}
    assert [one["metadata"]["name"] for one in snapshot.gateway_pods] == ["istio-ingressgateway-0"]
    assert {obj["kind"] for obj in (*snapshot.deployments, *snapshot.pods)} == {"Deployment", "Pod"}
    assert snapshot.unread == ()
    assert all(permission.allowed for permission in snapshot.permissions)
    assert {record.kind for record in api.audit} == {"SelfSubjectAccessReview"}


ROUTED = {"kind": "HTTPRoute", "apiVersion": "gateway.networking.k8s.io/v1", "spec": {"parentRefs": []}}
ROOTS = [("rootNamespace: mesh-config", "mesh-config"), ("- a list", "istio-system"), ("a: [", "istio-system")]


@pytest.mark.parametrize(("mesh", "root"), ROOTS, ids=["named", "no mapping", "no YAML"])
def test_a_snapshot_brings_what_the_mesh_and_other_namespaces_say(
    api: KubeApi, kube: Kube, mesh: str, root: str
) -> None:
    settings = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"mesh": mesh}}
    api.load([settings | {"metadata": {"name": "istio", "namespace": "istio-system"}}])
    api.load([ROUTED | {"metadata": {"name": "shop", "namespace": space}} for space in ("default", "istio-system")])
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert snapshot.root_namespace == root
    assert [one["metadata"]["namespace"] for one in snapshot.http_routes] == ["default", "istio-system"]
    assert snapshot.namespace is not None
    assert snapshot.namespace["metadata"]["name"] == "default"


def test_where_the_mesh_may_not_be_read_istiods_namespace_is_taken_for_its_root(api: KubeApi, kube: Kube) -> None:
    api.forbid(verb="get", kind="ConfigMap", namespace="mesh")
    api.forbid(verb="list", kind="HTTPRoute", namespace=EVERYWHERE)
    snapshot = KubeSnapshots(kube, "mesh").take(a_service(), "v2")
    assert snapshot.root_namespace == "mesh"
    assert {one.kind for one in snapshot.unread} == {"Other namespaces' HTTPRoute"}


def test_the_versions_that_a_service_has_deployments_for_are_listed_without_its_primary(kube: Kube) -> None:
    listed = KubeSnapshots(kube).versions

    assert set(listed(a_service())) == {"v2", "v3"}
    assert listed(a_service(canary_deployment="reviews-v2")) == ()
    assert listed(a_service(canary_deployment="ratings-{version}")) == ()


def test_a_snapshot_tells_what_it_may_not_read_and_reads_the_rest(api: KubeApi, kube: Kube) -> None:
    api.forbid(verb="get", kind="Gateway", namespace="istio-system")
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    (unread,) = snapshot.unread
    assert (unread.kind, "forbidden" in plain(unread.sentence)) == ("Gateway", True)
    assert (snapshot.gateways, snapshot.gateway_pods) == ((), ())
    assert len(snapshot.pods) == 4


def test_a_snapshot_does_without_what_only_leaves_a_question_open(api: KubeApi, kube: Kube) -> None:
    for space in (EVERYWHERE, "istio-system", "istio-ingress"):
        api.forbid(verb="list", kind="Pod", namespace=space)
    api.fail_next(verb="list", kind="PodDisruptionBudget", status=503)
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert {one.kind for one in snapshot.unread} == {"Gateway pod", "PodDisruptionBudget"}
    assert snapshot.gateway_pods == ()
    api.fail_next(verb="list", kind="Deployment", status=503)
    with pytest.raises(Unanswered):
        KubeSnapshots(kube).take(a_service(), "v2")


def test_pods_of_a_gateway_are_looked_for_in_all_namespaces_or_where_they_may_be_listed(
    api: KubeApi, kube: Kube
) -> None:
    gateway = bookinfo.gateway()
    gateway["metadata"]["namespace"] = "default"
    routes = api.store.list("VirtualService")[0]
    routes["spec"]["gateways"] = ["reviews-gateway"]
    api.load([gateway, routes])

    found = KubeSnapshots(kube).take(a_service(), "v2")
    api.forbid(verb="list", kind="Pod", namespace=EVERYWHERE)
    api.forbid(verb="list", kind="Pod", namespace="istio-ingress")
    as_far_as_may_be = KubeSnapshots(kube).take(a_service(), "v2")

    names = ["istio-ingressgateway-0"]
    assert [one["metadata"]["name"] for one in found.gateway_pods] == names
    assert [one["metadata"]["name"] for one in as_far_as_may_be.gateway_pods] == names
    assert (found.gateway_pods_in, as_far_as_may_be.gateway_pods_in) == (None, ("default", "istio-system"))


def test_gateways_of_others_are_read_only_where_they_have_a_host_of_ours(api: KubeApi, kube: Kube) -> None:
    for name, hosts in (("front", ["shop.example"]), ("back", ["ads.example"])):
        gateway = bookinfo.gateway()
        gateway["metadata"]["name"] = name
        spec = {"hosts": hosts, "gateways": [f"istio-system/{name}"], "http": [{"route": []}]}
        metadata = {"name": name, "namespace": "other"}
        theirs = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}
        api.load([gateway, theirs])
    routes = api.store.get("VirtualService", "default", "reviews")
    assert routes is not None
    routes["spec"]["hosts"] = ["shop.example"]
    api.load([routes])

    snapshot = KubeSnapshots(kube).take(a_service(), "v2")

    assert [one["metadata"]["name"] for one in snapshot.other_gateways] == ["front"]


def test_a_snapshot_does_not_take_it_that_there_are_none_where_the_server_is_too_old_to_say(
    api: KubeApi, kube: Kube
) -> None:
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        api.fail_next(verb="list", kind=kind, status=404)
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert {one.kind: "too old" in plain(one.sentence) for one in snapshot.unread} == {
        "HorizontalPodAutoscaler": True,
        "PodDisruptionBudget": True,
    }


def test_an_address_where_nothing_answers_is_not_called_slow(tmp_path: Path) -> None:
    with KubeApi() as gone:
        kube = Kube.connect(str(gone.write_kubeconfig(tmp_path / "kubeconfig")))
    with pytest.raises(Unanswered, match="nothing answers at the API server's address"):
        kube.ping()


def test_a_server_without_etcd_is_told_though_it_tells_its_version(api: KubeApi, kube: Kube) -> None:
    kube.ping()
    api.not_ready("etcd", "etcd-readiness")
    with pytest.raises(Unanswered, match=r"says that it is not ready: etcd, etcd-readiness\."):
        kube.ping()
    assert kube.version().startswith("v1.")
    api.not_ready()
    kube.ping()


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, b'{"kind":"Status"}'), (404, b"404 page not found"), (200, b"<html>please log in</html>")],
)
def test_a_server_that_does_not_show_whether_it_is_ready_has_said_nothing(status: int, body: bytes) -> None:
    assert not shows_ready(status, body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>no upstream</html>", b"[-]" + b"x" * 1000 + b" failed", b"[-]\xff failed"]
)
def test_whatever_stands_in_front_of_a_server_that_is_away_is_told_by_its_status(body: bytes) -> None:
    with pytest.raises(Unanswered, match=r"not ready: HTTP 503\."):
        shows_ready(503, body)


def load_virtual_service(api: KubeApi, namespace: str, name: str) -> None:
    """One that takes every host of a Gateway that is not there."""
    spec = {"hosts": ["*"], "gateways": [name], "http": [{"route": [{"destination": {"host": name}}]}]}
    metadata = {"name": name, "namespace": namespace}
    api.load([{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}])


def test_a_snapshot_brings_the_virtual_services_of_every_namespace_each_once(api: KubeApi, kube: Kube) -> None:
    load_virtual_service(api, "default", "ratings")
    load_virtual_service(api, "shop", "reviews")  # called like ours
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    found = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in snapshot.virtual_services]
    assert found == [("default", "ratings"), ("shop", "reviews")]
    assert snapshot.virtual_service is not None
    assert snapshot.virtual_service["metadata"]["namespace"] == "default"
    assert {one["kind"] for one in snapshot.virtual_services} == {"VirtualService"}
    assert snapshot.unread == ()


def test_a_snapshot_does_without_the_virtual_services_of_other_namespaces(api: KubeApi, kube: Kube) -> None:
    load_virtual_service(api, "default", "ratings")
    load_virtual_service(api, "shop", "reviews")
    api.forbid(verb="list", kind="VirtualService", namespace="")
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert [one["metadata"]["name"] for one in snapshot.virtual_services] == ["ratings"]
    examined = examine(a_service(), "v2", snapshot)
    assert examined.reasons == ()
    (warning,) = map(plain, examined.warnings)
    assert warning.startswith(
        "Other namespaces' VirtualService objects could not be read, so nothing is known about them: Could not list "
        "VirtualServices of all namespaces: virtualservices.networking.istio.io is forbidden: User "
    )
    assert warning.endswith("at the cluster scope. `deploy/rbac.yaml` has the rule that lets canary-bot read them.")


def test_a_snapshot_cannot_do_without_the_virtual_services_of_its_own_namespace(api: KubeApi, kube: Kube) -> None:
    api.forbid(verb="list", kind="VirtualService", namespace="default")
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert [one.kind for one in snapshot.unread] == ["VirtualService"]
    with pytest.raises(Refusal, match=r"resources: \[virtualservices\], verbs: \[get, list\]"):
        examine(a_service(), "v2", snapshot)


def test_a_snapshot_reads_budgets(api: KubeApi, kube: Kube) -> None:
    metadata = {"name": "reviews", "namespace": "default"}
    spec = {"selector": {"matchLabels": {"app": "reviews"}}, "minAvailable": 1}
    api.load([{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}])
    (budget,) = KubeSnapshots(kube).take(a_service(), "v2").budgets
    assert (budget["kind"], budget["spec"]["selector"]) == ("PodDisruptionBudget", spec["selector"])


def test_a_snapshot_reads_autoscalers_and_does_without_kinds_that_the_cluster_does_not_know(
    api: KubeApi, kube: Kube
) -> None:
    scaled = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "reviews-v1"}, "maxReplicas": 4}
    metadata = {"name": "reviews", "namespace": "default"}
    api.load(
        [{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": scaled}]
    )
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert [one["metadata"]["name"] for one in snapshot.autoscalers] == ["reviews"]
    assert (snapshot.http_routes, snapshot.unread) == ((), ())


def test_a_snapshot_asks_for_every_permission_of_the_rollout(api: KubeApi, kube: Kube) -> None:
    api.forbid(verb="update", kind="VirtualService")
    api.forbid(verb="patch", kind="Deployment", subresource="scale")
    snapshot = KubeSnapshots(kube).take(a_service(scale_canary_down=True), "v2")
    denied = {one.access.verb + " " + one.access.name for one in snapshot.permissions if one.allowed is False}
    assert denied == {"update reviews", "patch reviews-v1", "patch reviews-v2"}
    assert sum(one.allowed is True for one in snapshot.permissions) == 16


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_cannot_say_what_we_may_do_leaves_it_open(api: KubeApi, kube: Kube, status: int) -> None:
    api.fail_next(verb="create", kind="SelfSubjectAccessReview", status=status, times=100)
    snapshot = KubeSnapshots(kube).take(a_service(), "v2")
    assert {one.allowed for one in snapshot.permissions} == {None}
    assert all(plain(one.why).startswith("Could not ask what we may do") for one in snapshot.permissions)


def test_preflight_has_nothing_against_the_rehearsals_own_services(kube: Kube) -> None:
    examined = examine(a_service(), "v2", KubeSnapshots(kube).take(a_service(), "v2"))
    assert examined.problems == ()


def test_the_images_that_a_primary_ever_had_are_known_and_no_others(world: World) -> None:
    world.workloads.apply(TARGET, UPGRADED)

    known = world.workloads.known_images(TARGET)

    assert known == {*RECORDED.images.values(), *UPGRADED.images.values()}
