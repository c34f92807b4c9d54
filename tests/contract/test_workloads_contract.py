"""What every ``Workloads`` promises, asked of the fake and of the real adapter before a Kubernetes API over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.adapters.kube import Kube
from bot.adapters.survey import KubeSurveyor
from bot.adapters.workloads import KubeWorkloads
from bot.controller.ports import Workloads
from bot.rollout.errors import Fault
from bot.rollout.model import PodTemplate, Progress, SideSight, Template
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_service, a_target
from tests.fakes.workloads import InMemoryWorkloads

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

    def look(self, recorded: PodTemplate = RECORDED, upgraded: PodTemplate = UPGRADED) -> tuple[SideSight, SideSight]:
        return self.workloads.look(TARGET, recorded, upgraded, CANARY)


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02) as api:
        api.load(bookinfo.objects())
        assert rolled(api)
        yield api


@pytest.fixture
def kube(api: KubeApi, tmp_path: Path) -> Kube:
    return Kube.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig")))


@pytest.fixture(params=["memory", "kubernetes"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        labelled = {"reviews-v1": replace(RECORDED, labels={"version": "v1"}), "reviews-v2": CANARY}
        memory = InMemoryWorkloads(labelled)
        return World(workloads=memory, finish=memory.finish, settle=lambda: None)
    api: KubeApi = request.getfixturevalue("api")
    api.deployments.start_seconds("default", "reviews-v1", None)  # new pods wait, for ever until told

    def finish(name: str) -> None:
        api.deployments.start_seconds("default", name, 0.02)
        assert rolled(api)

    kube: Kube = request.getfixturevalue("kube")
    return World(workloads=KubeWorkloads(kube), finish=finish, settle=lambda: rolled(api, "reviews-v2"))


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


def a_side(template: Template | None, image: str, **changes: object) -> SideSight:
    side = SideSight(template=template, progress=Progress.DONE, ready=2, wanted=2, images={"reviews": image})
    return replace(side, **changes)  # type: ignore[arg-type]  # checked by the dataclass


def test_before_anything_both_sides_are_ready_and_as_recorded(world: World) -> None:
    assert world.look() == (a_side(Template.RECORDED, V1), a_side(Template.RECORDED, V2))


def test_an_upgrade_waits_for_pods_of_the_new_image_and_a_revert_for_the_old_ones(world: World) -> None:
    world.workloads.apply(TARGET, UPGRADED)
    primary, _ = world.look()
    assert (primary.template, primary.progress, primary.ready) == (Template.UPGRADED, Progress.WAITING, 0)
    assert primary.images == {"reviews": V2}

    world.finish("reviews-v1")
    assert world.look()[0] == a_side(Template.UPGRADED, V2)

    world.workloads.apply(TARGET, RECORDED)
    world.finish("reviews-v1")
    assert world.look()[0] == a_side(Template.RECORDED, V1)


def test_a_template_that_is_there_already_is_not_applied_again(world: World) -> None:
    world.workloads.apply(TARGET, UPGRADED)
    world.finish("reviews-v1")
    world.workloads.apply(TARGET, UPGRADED)
    assert world.look()[0] == a_side(Template.UPGRADED, V2)


def test_an_image_that_nobody_recorded_is_no_known_template(world: World) -> None:
    primary, _ = world.look(recorded=PodTemplate(images={"reviews": "reviews:0"}))
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
    assert world.look()[0] == a_side(Template.RECORDED, V1)


def test_a_canary_is_scaled_to_zero_once_and_is_not_ready_then(world: World) -> None:
    world.workloads.scale_canary_down(TARGET)
    world.workloads.scale_canary_down(TARGET)
    world.settle()
    _, canary = world.look()
    assert (canary.wanted, canary.ready, canary.progress) == (0, 0, Progress.WAITING)
    assert "scaled to zero" in canary.reason


def test_what_does_not_exist_is_told_by_name(world: World) -> None:
    with pytest.raises(Fault, match="no container named reviewz"):
        world.workloads.apply(TARGET, PodTemplate(images={"reviewz": V2}))
    gone = replace(TARGET, primary_deployment="gone", canary_deployment="gone")
    with pytest.raises(Fault, match="gone does not exist"):
        world.workloads.apply(gone, UPGRADED)
    world.workloads.scale_canary_down(gone)
    primary, _ = world.workloads.look(gone, RECORDED, UPGRADED, CANARY)
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
        primary, canary = workloads.look(target, RECORDED, upgraded, CANARY)
        patches = [record for record in api.audit if (record.verb, record.kind) == ("patch", "Deployment")]
    assert len(patches) == 1
    assert primary == a_side(Template.UPGRADED, V2)
    assert canary == a_side(Template.RECORDED, V2)


def test_a_paused_deployment_has_failed_in_words(api: KubeApi, kube: Kube) -> None:
    paused = api.store.get("Deployment", "default", "reviews-v1")
    assert paused is not None
    paused["spec"]["paused"] = True
    api.store.put(paused)
    primary, _ = KubeWorkloads(kube).look(TARGET, RECORDED, UPGRADED, CANARY)
    assert primary.progress is Progress.FAILED
    assert "kubectl rollout resume deployment/reviews-v1" in primary.reason


def test_a_crashing_canary_has_no_ready_pods(api: KubeApi, kube: Kube) -> None:
    api.deployments.crash("default", "reviews-v2")

    def crashed() -> bool:
        pods = api.store.list("Pod", "default", where=lambda pod: pod["metadata"]["labels"]["version"] == "v2")
        return not any(one["ready"] for pod in pods for one in pod["status"]["containerStatuses"][:1])

    assert api.store.wait_until(crashed)
    primary, canary = KubeWorkloads(kube).look(TARGET, RECORDED, UPGRADED, CANARY)
    assert (primary.ready, canary.ready) == (2, 0)


def test_a_survey_brings_all_that_preflight_reads(api: KubeApi, kube: Kube) -> None:
    survey = KubeSurveyor(kube).survey(a_service(host="reviews.default.svc.cluster.local"), "v2")
    assert survey.virtual_service is not None
    assert survey.service is not None
    assert survey.virtual_services == ()
    assert [one["metadata"]["name"] for one in survey.destination_rules] == ["reviews"]
    assert [one["metadata"]["name"] for one in survey.gateways] == ["reviews-gateway"]
    assert {one["metadata"]["name"] for one in survey.deployments} == {"reviews-v1", "reviews-v2", "reviews-v3"}
    assert {pod["metadata"]["labels"]["version"] for pod in survey.pods} == {"v1", "v2"}
    assert {obj["kind"] for obj in (*survey.deployments, *survey.pods)} == {"Deployment", "Pod"}
    assert survey.failures == ()
    assert api.audit == []


def test_a_survey_tells_what_it_may_not_read_and_reads_the_rest(api: KubeApi, kube: Kube) -> None:
    api.forbid(verb="get", kind="Gateway", namespace="istio-system")
    survey = KubeSurveyor(kube).survey(a_service(), "v2")
    (failure,) = survey.failures
    assert "forbidden" in failure
    assert survey.gateways == ()
    assert len(survey.pods) == 4
