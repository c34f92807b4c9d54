"""Commands and ticks over ports in memory: whole rollouts, and the world failing at every place it can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from bot.controller.controller import Controller, Watch
from bot.controller.ports import Ports
from bot.rollout.errors import Contended, Fault, Refusal
from bot.rollout.model import HOME, EntryKind, HoldCause, Phase, Rollout, RolloutId, Template
from bot.rollout.preflight import Survey
from bot.rollout.service import ApproveAt, GateLimits, Service
from tests.builders import MAYA, OMAR, a_service, a_side_of, routes
from tests.fakes.clock import FakeClock
from tests.fakes.mesh import InMemoryMesh
from tests.fakes.metrics import FakeMetrics
from tests.fakes.store import InMemoryStore
from tests.fakes.surveyor import FakeSurveyor
from tests.fakes.workloads import InMemoryWorkloads

OUTAGE = Fault("Kubernetes", "cannot be reached.")


def a_deployment(version: str) -> dict[str, Any]:
    labels = {"app": "reviews", "version": version}
    container = {"name": "reviews", "image": f"reviews:{version[1:]}"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "metadata": {"name": f"reviews-{version}"}, "spec": spec}


def a_survey(mesh: InMemoryMesh) -> Survey:
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    return Survey(
        virtual_service=mesh.virtual_service(),
        service={"metadata": {"name": "reviews"}, "spec": {"selector": {"app": "reviews"}}},
        destination_rules=({"metadata": {"name": "reviews"}, "spec": {"host": "reviews", "subsets": subsets}},),
        deployments=(a_deployment("v1"), a_deployment("v2")),
    )


class Rig:
    """A controller in a world in memory that does what it is told, at once."""

    def __init__(self, service: Service | None = None) -> None:
        self.clock = FakeClock(1000.0)
        self.store = InMemoryStore()
        self.mesh = InMemoryMesh()
        self.workloads = InMemoryWorkloads()
        self.metrics = FakeMetrics({"default/reviews-v1": a_side_of(4000), "default/reviews-v2": a_side_of(1000)})
        self.surveyor = FakeSurveyor(a_survey(self.mesh))
        self.faults: list[str] = []
        self.service = service or a_service(gates=GateLimits(warm_up=1.0))
        self.ids = count(1)
        self.controller = self.restarted()

    def restarted(self) -> Controller:
        """A new process on the same world."""
        ports = Ports(
            store=self.store,
            mesh=self.mesh,
            workloads=self.workloads,
            surveyor=self.surveyor,
            metrics=self.metrics,
            clock=self.clock,
        )
        watch = Watch(failed=lambda _, fault: self.faults.append(fault.sentence))
        ids: Callable[[], RolloutId] = lambda: RolloutId(f"r-{next(self.ids)}")  # noqa: E731  # the port is a callable
        return Controller(services={"reviews": self.service}, ports=ports, new_id=ids, watch=watch)

    def start(self) -> Rollout:
        return self.controller.start("reviews", "v2", by=MAYA)

    def live(self) -> Rollout:
        rollout = self.controller.active("reviews")
        assert rollout is not None
        return rollout

    def newest(self) -> Rollout:
        return self.controller.history("reviews")[0]

    def tick(self, seconds: float = 10.0) -> None:
        self.clock.advance(seconds)
        self.controller.sweep(self.store.live())

    def until(self, reached: Callable[[Rollout], bool], *, approve: bool = True) -> Rollout:
        """Tick until the newest rollout is there; approve whatever is asked, and finish every Deployment."""
        for _ in range(400):
            rollout = self.newest()
            if reached(rollout):
                return rollout
            if approve and rollout.asked_at is not None:
                self.controller.approve("reviews", by=OMAR, evidence=self.controller.evidence(rollout))
            if rollout.phase in {Phase.UPGRADING, Phase.ABORTING}:
                self.workloads.finish("reviews-v1")
            self.tick()
        raise AssertionError(f"never there, but {self.newest().phase} {self.newest().hold}")

    def at(self, name: str) -> Rollout:
        return self.until(lambda rollout: rollout.current.name == name and rollout.settled_at is not None)

    def said(self, kind: EntryKind) -> list[str]:
        return [entry.text for entry in self.controller.story(self.newest()) if entry.kind is kind]


def test_a_whole_rollout_moves_users_in_steps_and_leaves_the_mesh_as_it_was() -> None:
    rig = Rig()
    before = rig.mesh.virtual_service()
    rig.start()

    ended = rig.until(lambda rollout: rollout.ended)

    shares = [20, 40, 60, 80, 100, 50, 0]
    assert ended.phase is Phase.PROMOTED
    assert rig.mesh.written == [routes(0, mirror=True), *(routes(share) for share in shares), HOME]
    assert rig.mesh.virtual_service()["spec"] == before["spec"]
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]
    assert [template.images for template in rig.workloads.applied] == [{"reviews": "reviews:2"}]
    assert len(rig.said(EntryKind.SUMMARY)) == 9


def test_a_start_is_refused_with_every_reason_and_nothing_is_written() -> None:
    rig = Rig()
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0]["route"][0].update(weight=70))
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=30))
    rig.workloads.deployments["reviews-v2"].ready = 0

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert len(refused.value.reasons) == 2
    assert (rig.mesh.written, rig.controller.active("reviews")) == ([], None)
    assert rig.newest().phase is Phase.REFUSED


def test_what_the_api_server_would_refuse_later_is_refused_before_the_start() -> None:
    rig = Rig()
    rig.mesh.refusals = ["admission webhook denied the request."]

    with pytest.raises(Refusal, match="denied the request"):
        rig.start()


def test_a_second_rollout_of_the_same_service_is_refused() -> None:
    rig = Rig()
    rig.start()

    with pytest.raises(Refusal, match="already has a rollout"):
        rig.start()


def test_an_unknown_service_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Refusal, match=r"no service ratings .* Known: reviews"):
        Rig().controller.start("ratings", "v2", by=MAYA)


@pytest.mark.parametrize("stage", ["mirror", "shift 20", "shift 60", "shift 100"])
def test_an_abort_before_the_upgrade_is_one_write(stage: str) -> None:
    rig = Rig()
    rig.start()
    rig.at(stage)
    writes = len(rig.mesh.written)

    aborted = rig.controller.abort("reviews", by=OMAR, reason="wrong version")

    assert aborted.phase is Phase.ABORTED
    assert rig.mesh.written[writes:] == [HOME, HOME]  # home, and the marks off
    assert rig.workloads.applied == []


@pytest.mark.parametrize("stage", ["switchback 50", "bake"])
def test_an_abort_after_the_upgrade_restores_the_primary_before_any_user_returns_to_it(stage: str) -> None:
    rig = Rig()
    rig.start()
    rig.at(stage)

    aborting = rig.controller.abort("reviews", by=OMAR, reason="slow")

    assert (aborting.phase, rig.mesh.written[-1]) == (Phase.ABORTING, routes(100))
    assert rig.workloads.applied[-1].images == {"reviews": "reviews:1"}
    rig.tick()
    assert rig.mesh.written[-1] == routes(100)
    rig.workloads.finish("reviews-v1")
    rig.tick()
    assert (rig.newest().phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)


def test_bad_figures_send_everyone_home_without_a_human() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")

    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, 300)
    rig.tick()

    assert rig.newest().phase is Phase.ABORTED
    assert "Errors on reviews-v2: 30 % (300 of 1,000)" in rig.said(EntryKind.ABORTING)[0]
    assert rig.mesh.written[-1] == HOME


def test_a_breach_while_waiting_for_an_approval_aborts() -> None:
    rig = Rig()
    rig.start()
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)

    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, 300)
    rig.tick()

    assert rig.newest().phase is Phase.ABORTED


def test_without_prometheus_nobody_advances_and_nobody_is_aborted() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.metrics.outage = Fault("Prometheus", "cannot be reached.")
    for _ in range(60):
        rig.tick()

    held = rig.live()
    assert (held.current.name, held.hold and held.hold.cause) == ("shift 20", HoldCause.METRICS)
    assert (len(rig.said(EntryKind.HELD)), len(rig.said(EntryKind.ALERT))) == (1, 0)
    rig.metrics.outage = None
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)


def test_a_click_on_an_old_card_is_refused() -> None:
    rig = Rig()
    rig.start()
    asked = rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    old = rig.controller.evidence(asked)
    rig.metrics.sides.pop("default/reviews-v2")
    rig.tick()
    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000)
    rig.tick()

    with pytest.raises(Refusal, match="out of date"):
        rig.controller.approve("reviews", by=OMAR, evidence=old)


def test_a_button_of_an_earlier_rollout_is_refused() -> None:
    rig = Rig()
    first = rig.start()
    rig.controller.abort("reviews", by=OMAR, reason="again")
    rig.start()

    with pytest.raises(Refusal, match="earlier rollout"):
        rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.evidence(first))


def test_a_write_that_fails_is_done_at_a_later_look_by_whatever_process() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.mesh.outage = OUTAGE
    aborting = rig.controller.abort("reviews", by=OMAR, reason="now")

    assert (aborting.phase, rig.mesh.written[-1]) == (Phase.ABORTING, routes(20))
    rig.mesh.outage = None
    rig.controller = rig.restarted()
    rig.tick()
    assert (rig.newest().phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)


def test_a_store_that_is_down_changes_nothing_and_is_said() -> None:
    rig = Rig()
    rig.start()
    rollout = rig.at("shift 20")
    rig.store.outage = Fault("Redis", "cannot be reached.")

    with pytest.raises(Fault):
        rig.controller.pause("reviews", by=OMAR)
    rig.controller.tick(rollout)

    assert rig.faults[-1] == "cannot be reached."
    rig.store.outage = None
    assert rig.live().paused_by is None


def test_a_hand_edit_holds_until_somebody_restores() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0]["route"][0].update(weight=50))
    rig.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=50))
    writes = len(rig.mesh.written)
    for _ in range(30):
        rig.tick()

    assert (rig.live().current.name, rig.mesh.written[writes:]) == ("shift 20", [])
    assert "changed by kubectl-edit: 50/50 instead of 80/20" in rig.said(EntryKind.ALERT)[0]
    rig.controller.restore("reviews", by=OMAR)
    assert rig.mesh.written[writes:] == [routes(20)]


def test_a_primary_that_fails_to_upgrade_halts_and_is_restored_on_abort() -> None:
    rig = Rig()
    rig.start()
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    rig.workloads.fail("reviews-v1", "Its image cannot be pulled.")
    rig.tick()

    assert (rig.live().phase, rig.mesh.written[-1]) == (Phase.HALTED, routes(100))
    rig.controller.abort("reviews", by=OMAR, reason="bad image")
    rig.until(lambda rollout: rollout.phase is Phase.ABORTED)
    assert rig.workloads.applied[-1].images == {"reviews": "reviews:1"}


def test_a_halt_can_be_retried_or_accepted() -> None:
    rig = Rig()
    rig.start()
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    rig.workloads.fail("reviews-v1", "Its image cannot be pulled.")
    rig.tick()
    assert rig.controller.retry("reviews", by=OMAR).phase is Phase.UPGRADING
    rig.tick(1000.0)
    assert rig.live().phase is Phase.HALTED

    rig.controller.accept("reviews", by=OMAR)

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert rig.mesh.written[-1] == routes(100)


def test_a_canary_is_scaled_down_at_the_end_when_the_service_says_so() -> None:
    rig = Rig(a_service(gates=GateLimits(warm_up=1.0), approve=(ApproveAt.STEP,), scale_canary_down=True))
    rig.start()

    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)

    assert rig.workloads.deployments["reviews-v2"].wanted == 0


def test_a_plan_shows_every_object_and_writes_none() -> None:
    rig = Rig()

    plan = rig.controller.plan("reviews", "v2")

    assert [name for name, _ in plan.stages][:3] == ["mirror", "shift 20", "shift 40"]
    assert [stage.objects[0]["kind"] for stage in plan.planned if stage.name == "upgrade"] == ["Deployment"]
    assert (rig.mesh.written, rig.store.live()) == ([], [])
    assert plan.findings == ("Topology: per-version.",)


def test_two_processes_on_one_store_do_each_thing_once() -> None:
    rig = Rig()
    rig.start()
    other = rig.restarted()
    for _ in range(200):
        rollout = rig.newest()
        if rollout.ended:
            break
        if rollout.asked_at is not None:
            other.approve("reviews", by=OMAR)
        rig.workloads.finish("reviews-v1")
        rig.tick()
        other.sweep(rig.store.live())

    assert rig.newest().phase is Phase.PROMOTED
    assert len(rig.workloads.applied) == 1


def test_a_contended_write_is_left_to_the_next_look() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.mesh.outage = Contended("Kubernetes", "somebody else was first.")
    rig.tick(500.0)
    held = rig.live()

    assert (held.current.name, held.hold and held.hold.cause) == ("shift 20", HoldCause.CLUSTER)
    rig.mesh.outage = None
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)


def test_the_primarys_template_is_never_touched_while_it_has_users() -> None:
    rig = Rig()
    rig.start()
    applied: list[tuple[int, Template]] = []
    for _ in range(300):
        before = len(rig.workloads.applied)
        rig.until(lambda _: True)
        rollout = rig.newest()
        if rollout.ended:
            break
        if rollout.asked_at is not None:
            rig.controller.approve("reviews", by=OMAR)
        rig.workloads.finish("reviews-v1")
        rig.tick()
        if len(rig.workloads.applied) > before:
            applied.append((rig.mesh.written[-1].primary, rollout.current.template))

    assert {primary for primary, _ in applied} == {0}


def test_the_services_approval_rule_and_gates_of_the_start_hold_until_the_end() -> None:
    rig = Rig()
    started = rig.start()
    rig.service = replace(rig.service, gates=GateLimits(minimum_requests=10**9))
    rig.controller = rig.restarted()

    assert rig.live().gates == started.gates
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)


@pytest.mark.parametrize("stage", ["mirror", "shift 60", "upgrade", "switchback 50", "bake"])
def test_a_rollout_that_the_store_has_forgotten_is_aborted_from_its_marks(stage: str) -> None:
    rig = Rig()
    before = rig.mesh.virtual_service()
    rig.start()
    rig.at(stage)
    rig.store = InMemoryStore()
    rig.controller = rig.restarted()

    rig.controller.abort("reviews", by=OMAR, reason="redis was wiped")
    rig.until(lambda rollout: rollout.ended)

    assert rig.newest().phase is Phase.ABORTED
    assert rig.mesh.virtual_service()["spec"] == before["spec"]
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]
    assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}


def test_a_start_is_refused_while_forgotten_marks_are_there_and_says_what_cleans_up() -> None:
    rig = Rig()
    rig.start()
    rig.at("mirror")
    rig.store = InMemoryStore()
    rig.controller = rig.restarted()

    with pytest.raises(Refusal, match="still carries the marks of rollout r-1; `canary-bot abort reviews` cleans up"):
        rig.start()


def test_an_abort_without_rollout_and_without_marks_is_refused() -> None:
    with pytest.raises(Refusal, match="has no rollout"):
        Rig().controller.abort("reviews", by=OMAR, reason="because")
