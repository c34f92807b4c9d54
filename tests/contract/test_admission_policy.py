"""The shipped policies before a Kubernetes API over HTTP: what a bot hears whose write is refused, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.adapters.workloads import KubeWorkloads
from bot.cluster.admission_policy import hosts_to_name
from bot.cluster.virtual_service import OWNER
from bot.model.copies import replace
from bot.model.errors import Cause, Fault
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes, Topology
from bot.words.rendering import plain
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_target
from tests.unit.admission.rules import DOCUMENTS, Object, naming_hosts

ME = RolloutId("r-1")
WITH_HOSTS = replace(
    a_target(),
    topology=Topology.HOSTS,
    host="reviews-v1.default.svc.cluster.local",
    canary_host="reviews-v2.default.svc.cluster.local",
    primary_subset="",
    canary_subset="",
)
RECORDED = PodTemplate(images={"reviews": "reviews:1"})


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02).enforce(DOCUMENTS) as api:
        yield api.load(bookinfo.objects())


@pytest.fixture
def kube(api: KubeApi, tmp_path: Path) -> Kube:
    return Kube.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig")))


def live(api: KubeApi) -> Object:
    found = api.store.get("VirtualService", "default", "reviews")
    assert found is not None
    return found


def test_a_rollout_passes_with_its_heartbeat_its_upgrade_and_its_end(api: KubeApi, kube: Kube) -> None:
    target = a_target(mirror_methods=("GET",))
    mesh, workloads = IstioMesh(kube, lambda: 0.0), KubeWorkloads(kube)
    before = live(api)["spec"]

    for routes in (Routes(canary=0, mirror=True), Routes(canary=20), Routes(canary=100)):
        mesh.route(target, routes, ME, RECORDED)
        mesh.beat(target, ME, 120.0)
    workloads.apply(target, PodTemplate(images={"reviews": "reviews:2"}))
    workloads.scale_primary_up(target, 3)
    mesh.route(target, HOME, ME, RECORDED)
    mesh.release(target, HOME, ME)
    workloads.scale_canary_down(target)

    assert live(api)["spec"] == before
    assert "annotations" not in live(api)["metadata"]


def test_what_a_stolen_token_writes_is_refused_in_a_sentence(kube: Kube) -> None:
    stolen = kube.get("VirtualService", "default", "reviews")
    assert stolen is not None
    stolen["spec"]["http"][0]["rewrite"] = {"authority": "evil.example"}

    with pytest.raises(Fault) as refused:
        kube.put(stolen)
    assert refused.value.cause is Cause.REFUSED
    assert "may change nothing of an http route but its destinations' weights and its mirror" in plain(
        refused.value.sentence
    )
    for patch in ({"spec": {"template": {"spec": {"hostNetwork": True}}}}, {"spec": {"replicas": 0}}):
        with pytest.raises(Fault, match="canary-bot may change nothing of a"):
            kube.patch("Deployment", "default", "reviews-v1", patch)
    with pytest.raises(Fault, match="only up, or to 0"):
        kube.patch("Deployment", "default", "reviews-v1", {"spec": {"replicas": 1}}, subresource="scale")


def test_a_policy_that_does_not_fit_is_found_by_the_rehearsal(api: KubeApi, kube: Kube) -> None:
    target = a_target()
    api.enforce([{**one, "spec": one["spec"] | _no_weights(one["spec"])} for one in DOCUMENTS])
    mesh = IstioMesh(kube, lambda: 0.0)
    preview = mesh.preview(target, Routes(canary=20), ME, RECORDED)

    [refusal] = mesh.rehearse(target, [preview]).refusals
    assert "No weights here." in plain(refusal.sentence)


def test_hosts_that_the_policy_does_not_know_are_named_with_what_to_write(api: KubeApi, kube: Kube) -> None:
    virtual_service = live(api)
    hosts = [("reviews-v1", 100), ("reviews-v2.default.svc.cluster.local", 0)]
    virtual_service["spec"]["http"] = [{"route": [{"destination": {"host": one}, "weight": n} for one, n in hosts]}]
    api.store.put(virtual_service)
    mesh = IstioMesh(kube, lambda: 0.0)
    preview = mesh.preview(WITH_HOSTS, Routes(canary=0, mirror=True), ME, RECORDED)

    *_, remedy = mesh.rehearse(WITH_HOSTS, [preview]).refusals

    pattern = "^(reviews-v1|reviews-v2[.]default[.]svc[.]cluster[.]local)$"
    assert f"Put `'{pattern}'` into its variable `hosts`" in plain(remedy.sentence)
    api.enforce(naming_hosts(pattern))
    assert mesh.rehearse(WITH_HOSTS, [preview]).refusals == ()


@pytest.mark.parametrize(
    ("answer", "is_about_hosts"),
    [
        ("Validation failed for ValidatingAdmissionPolicy 'canary-bot-virtualservices' with binding 'b': no", True),
        ("ValidatingAdmissionPolicy 'canary-bot-leases' with binding 'b' denied request: no", False),
        ("admission webhook of somebody else", False),
    ],
)
def test_only_what_the_policy_of_routes_says_is_about_hosts(api: KubeApi, answer: str, *, is_about_hosts: bool) -> None:
    assert (hosts_to_name(WITH_HOSTS, [live(api)], [answer]) is not None) is is_about_hosts
    assert hosts_to_name(a_target(), [live(api)], [answer]) is None


def _no_weights(spec: Object) -> Object:
    return {"validations": [{"message": "No weights here.", "expression": "false"}]} if "validations" in spec else {}


def test_maya_cannot_forge_an_annotation_and_can_take_them_off(api: KubeApi, kube: Kube) -> None:
    target = a_target()
    before = live(api)
    IstioMesh(kube, lambda: 0.0).route(target, Routes(canary=20), ME, RECORDED)
    held = live(api)
    annotations = held["metadata"]["annotations"]

    with pytest.raises(HTTPError) as refused:
        api.replace_as("kubectl-edit", _annotated(held, annotations | {OWNER: "r-2"}))
    assert refused.value.code == 422
    assert "you may take them off, all of them at once" in refused.value.read().decode()
    api.replace_as("kubectl-edit", _annotated(held, {}) | {"spec": before["spec"]})
    assert OWNER not in live(api)["metadata"].get("annotations", {})


def _annotated(vs: Object, annotations: dict[str, str]) -> Object:
    return vs | {"metadata": vs["metadata"] | {"annotations": annotations}}
