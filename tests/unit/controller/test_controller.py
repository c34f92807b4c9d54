"""Commands and ticks over ports in memory: whole rollouts, and the world failing at every place it can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count

import pytest

from bot.controller.controller import Controller
from bot.controller.decisions import Abort, Accept, By, Event, Pause, Restore, Retry
from bot.controller.leadership import LeadersStore
from bot.controller.ports import Ports
from bot.controller.telemetry import Telemetry
from bot.model.errors import Cause, Contended, Fault, Refusal
from bot.model.figures import SideFigures
from bot.model.freeze import FreezeLine
from bot.model.judge_settings import STRICTNESS
from bot.model.observation import Denied
from bot.model.rollout import HOME, HoldCause, Phase, Rollout, RolloutId, Template, UserId
from bot.model.service import ApproveAt, GateLimits, ServiceConfig
from bot.model.story import Entry, EntryKind
from bot.preflight import Callers, Permission, Snapshot
from bot.preflight.permissions import needed
from bot.rollout.plans import Overrides
from bot.words.rendering import plain
from tests import snapshots
from tests.builders import MAYA, OMAR, a_service, a_side_of, routes
from tests.fakes.channels import FakeChannels
from tests.fakes.clock import FakeClock
from tests.fakes.freezes import InMemoryFreezes
from tests.fakes.lease import FakeLeases
from tests.fakes.mesh import InMemoryMesh
from tests.fakes.metrics import FakeMetrics
from tests.fakes.snapshots import FakeSnapshots
from tests.fakes.store import InMemoryStore
from tests.fakes.webhooks import FakeWebhooks
from tests.fakes.workloads import InMemoryWorkloads

OUTAGE = Fault("Kubernetes", "cannot be reached.")


def a_snapshot(mesh: InMemoryMesh) -> Snapshot:
    return snapshots.a_snapshot(
        virtual_service=mesh.virtual_service(),
        deployments=tuple(
            snapshots.a_deployment(f"reviews-{version}", version, image=f"reviews:{version[1:]}")
            for version in ("v1", "v2")
        ),
    )


class Rig:
    """A controller in a world in memory that does what it is told, at once."""

    def __init__(self, service: ServiceConfig | None = None) -> None:
        self.clock = FakeClock(1000.0)
        self.store = InMemoryStore()
        self.freezes = InMemoryFreezes()
        self.mesh = InMemoryMesh()
        self.workloads = InMemoryWorkloads()
        # A fifth of the requests is copied and a fifth of the users is moved: the traffic is the same throughout.
        sides = {"default/reviews-v1": a_side_of(4000), "default/reviews-v2": a_side_of(800)}
        self.metrics = FakeMetrics(sides, per=10.0)
        self.snapshots = FakeSnapshots(a_snapshot(self.mesh))
        self.channels = FakeChannels()
        self.webhooks = FakeWebhooks()
        self.hook_run: Callable[[Callable[[], None]], None] = lambda work: work()  # a webhook's call, at once
        self.faults: list[str] = []
        self.froze: Callable[[FreezeLine], None] = lambda _: None
        self.service = replace(service or a_service(), mirror_percent=20)
        self.ids = count(1)
        self.controller = self.restarted()

    def restarted(self, services: Mapping[str, ServiceConfig] | None = None) -> Controller:
        """A new process on the same world; with these services, or its own."""
        ports = Ports(
            store=self.store,
            freezes=self.freezes,
            mesh=self.mesh,
            workloads=self.workloads,
            snapshots=self.snapshots,
            metrics=self.metrics,
            clock=self.clock,
            channels=self.channels,
            webhooks=self.webhooks,
        )
        telemetry = Telemetry(failed=lambda _, fault: self.faults.append(plain(fault.sentence)), froze=self.froze)
        ids: Callable[[], RolloutId] = lambda: RolloutId(f"r-{next(self.ids)}")  # noqa: E731  # the port is a callable
        known = services or {"reviews": self.service}
        return Controller(
            services=known,
            ports=ports,
            new_id=ids,
            telemetry=telemetry,
            hook_run=lambda work: self.hook_run(work),  # noqa: PLW0108  # a test may set another
        )

    def start(self) -> Rollout:
        return self.controller.start("reviews", "v2", by=MAYA)

    def decide(self, event: Event, *, by: UserId = OMAR, service: str = "reviews") -> Rollout:
        """As somebody types it."""
        return self.controller.decide(service, event, By(id=by))

    def live(self) -> Rollout:
        rollout = self.controller.active("reviews")
        assert rollout is not None
        return rollout

    def newest(self) -> Rollout:
        """The last of the service's rollouts and refused starts."""
        past = (*self.controller.history("reviews"), *self.controller.refusals("reviews"))
        return max(past, key=lambda rollout: (rollout.spec.started_at, rollout.spec.id))

    def tick(self, seconds: float = 10.0) -> None:
        self.clock.advance(seconds)
        self.controller.sweep(self.store.live())

    def until(self, reached: Callable[[Rollout], bool], *, approve: bool = True, every: float = 10.0) -> Rollout:
        """Tick until the newest rollout is there; approve whatever is asked, and finish every Deployment."""
        for _ in range(400):
            rollout = self.newest()
            if reached(rollout):
                return rollout
            if approve and rollout.asked_at is not None:
                self.controller.approve("reviews", by=OMAR, evidence=self.controller.button_token(rollout))
            if rollout.phase in {Phase.UPGRADING, Phase.ABORTING}:
                self.workloads.finish("reviews-v1")
            self.tick(every)
        raise AssertionError(f"never there, but {self.newest().phase} {self.newest().hold}")

    def at(self, name: str) -> Rollout:
        """As a walk to where a test begins: with longer strides than what it looks at."""
        return self.until(lambda rollout: rollout.current.name == name and rollout.settled_at is not None, every=20.0)

    def said(self, kind: EntryKind) -> list[str]:
        return [plain(entry.text) for entry in self.controller.story(self.newest()) if entry.kind is kind]


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


def test_a_reconcile_between_two_rows_stores_nothing() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    revisions = {rig.live().revision}
    for _ in range(6):
        rig.tick(5.0)
        revisions.add(rig.live().revision)

    rows = 6 * 5.0 / rig.service.metrics.scrape_interval
    assert len(revisions) <= 2 + rows  # and the one that was open when it began


def client_errors(**codes: float) -> SideFigures:
    """800 requests and no error; ``_404=9``: nine of them were answered 404."""
    found = {name.removeprefix("_"): number for name, number in codes.items()}
    return a_side_of(800, client_errors={"4xx": sum(found.values()), **found})


def test_a_canary_that_answers_404_to_everything_is_not_promoted_without_a_person_who_says_so() -> None:
    rig = Rig()
    rig.metrics.sides["default/reviews-v2"] = client_errors(_404=800)
    rig.start()
    rig.until(lambda rollout: rollout.asked_at is not None)
    for _ in range(60):
        rig.tick()

    live = rig.live()
    assert live.phase is Phase.MIRRORING
    assert live.hold is not None
    assert "404 (not found) 100 %" in plain(live.hold.sentence)


def test_404s_that_a_crawler_gets_of_both_versions_are_nothing() -> None:
    rig = Rig()
    rig.metrics.sides["default/reviews-v1"] = client_errors(_404=500, _401=3)
    rig.metrics.sides["default/reviews-v2"] = client_errors(_404=500, _401=3)
    rig.start()

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert not any("refuses" in text for text in rig.said(EntryKind.HELD))


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
    assert list(rig.store.pending()) == []  # whoever asked is answered, and nobody else is told


def denied(sentence: str, cause: Cause = Cause.REFUSED) -> Denied:
    return Denied(cause=cause, sentence=sentence)


def test_what_the_api_server_would_refuse_later_is_refused_before_the_start() -> None:
    rig = Rig()
    rig.mesh.refusals = [denied("admission webhook denied the request.")]

    with pytest.raises(Refusal, match="denied the request"):
        rig.start()


def test_what_preflight_doubts_is_in_the_story_from_the_first_line() -> None:
    rig = Rig()
    rig.mesh.warnings = ['using legacy gatewayName format "reviews-gateway.istio-system"']
    rig.metrics.callers_seen = Callers(of_service={"productpage-v1": 12.0})

    rig.start()

    (started,) = rig.said(EntryKind.STARTED)
    assert "Callers inside the mesh do not follow VirtualService reviews: 12 from productpage-v1" in started
    assert "The API server accepts the routes and warns: using legacy gatewayName format" in started


def test_our_own_last_rollout_is_no_stranger_on_the_canary_and_whoever_came_since_is() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.decide(Abort(reason="Once more."))
    ended = rig.until(lambda rollout: rollout.ended)
    assert ended.ended_at is not None
    rig.clock.advance(60.0)
    rig.metrics.callers_seen = Callers(of_canary={"istio-ingressgateway": 900.0})

    rig.metrics.reached_at = ended.ended_at + 20.0  # counted with the scrape after our last routes
    again = rig.start()
    assert not any("answers real requests already" in text for text in map(plain, again.warnings))
    rig.decide(Abort(reason="And again."))
    rig.until(lambda rollout: rollout.ended)
    rig.clock.advance(60.0)
    rig.metrics.reached_at = None

    assert any("reviews-v2 answers real requests already" in text for text in map(plain, rig.start().warnings))


def test_everything_that_may_be_written_is_rehearsed_also_the_upgrade_and_beside_other_reasons() -> None:
    rig = Rig()
    rig.mesh.refusals = [denied("The webhook refuses these routes.")]
    rig.workloads.refusals = [denied("The image policy refuses reviews:2.")]
    rig.workloads.deployments["reviews-v2"].ready = 0
    rig.snapshots.found.deployments[1]["spec"]["template"]["spec"]["containers"][0].pop("readinessProbe")

    with pytest.raises(Refusal) as refused:
        rig.start()

    not_ready, webhook, policy, *warnings = map(plain, refused.value.reasons)
    assert not_ready.startswith("reviews-v2 is not ready: 0 of 2 pods.")
    assert (webhook, policy) == ("The webhook refuses these routes.", "The image policy refuses reviews:2.")
    assert any(one.startswith("Warning: reviews of reviews-v2 has no readiness probe") for one in warnings)


def test_what_a_missing_permission_forbids_is_told_once() -> None:
    rig = Rig()
    access = next(one for one in needed(rig.service, "v2") if one.verb == "update")
    rig.snapshots.found = replace(rig.snapshots.found, permissions=(Permission(access=access, allowed=False),))
    rig.mesh.refusals = [denied("However the server says it.", Cause.FORBIDDEN)]
    # A policy's own word is no missing permission, whichever words it has.
    rig.workloads.refusals = [denied("Could not patch Deployment default/reviews-v1: latest is forbidden here.")]

    with pytest.raises(Refusal) as refused:
        rig.start()

    reason, policy = map(plain, refused.value.reasons)
    assert reason.startswith("canary-bot may not update virtualservices reviews")
    assert policy == "Could not patch Deployment default/reviews-v1: latest is forbidden here."


def test_a_plan_that_cannot_be_written_says_everything_else_that_was_found() -> None:
    rig = Rig()
    rig.mesh.edit("maya", lambda vs: vs["metadata"].update(annotations={"canary-bot/restore": "{}"}))
    rig.snapshots.found = replace(rig.snapshots.found, virtual_service=rig.mesh.virtual_service())
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0].update(redirect={"uri": "/"}))
    rig.workloads.deployments["reviews-v2"].ready = 0

    with pytest.raises(Refusal, match="There is no plan for reviews v2") as refused:
        rig.controller.plan("reviews", "v2")

    annotations, cannot, not_ready = map(plain, refused.value.reasons)
    assert cannot == (
        "VirtualService default/reviews cannot be managed as it is. "
        "http route 1 has a `redirect`, which cannot be shared out."
    )
    assert annotations.startswith("VirtualService reviews has annotations of an older rollout (canary-bot/restore)")
    assert not_ready.startswith("reviews-v2 is not ready")


def test_a_stage_that_will_see_too_few_requests_is_told_before_the_start() -> None:
    rig = Rig()
    rig.metrics.past = {"default/reviews-v1": a_side_of(6)}  # in a scrape interval

    warning = next(
        one for one in map(plain, rig.controller.plan("reviews", "v2").findings) if "requests a second" in one
    )

    assert warning.startswith("Warning: At 0.4 requests a second a stage does not see the 100 requests of a verdict")


def test_a_prometheus_that_is_down_stops_no_start_and_is_told() -> None:
    rig = Rig()
    rig.metrics.outage = Fault("Prometheus", "cannot be reached.")

    rig.start()

    assert (
        "Nothing can be judged now: Prometheus cannot be reached. Every stage holds" in rig.said(EntryKind.STARTED)[0]
    )


def test_what_preflight_refuses_is_kept_and_told_once_and_is_no_rollout_of_the_history() -> None:
    rig = Rig()
    rig.snapshots.found.deployments[1]["spec"]["paused"] = True
    rig.workloads.deployments["reviews-v2"].ready = 0

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert [reason.split(",")[0] for reason in map(plain, refused.value.reasons)] == ["reviews-v2 is paused"]
    assert [one.phase for one in rig.controller.refusals("reviews")] == [Phase.REFUSED]
    assert list(rig.controller.history("reviews")) == []


def test_a_plan_shows_what_would_stop_a_start_and_what_it_would_warn_of() -> None:
    rig = Rig()
    rig.snapshots.found.deployments[1]["spec"] |= {"paused": True, "replicas": 1}

    findings = rig.controller.plan("reviews", "v2").findings

    assert [finding.partition(":")[0] for finding in map(plain, findings)] == ["Stops a start", "Warning"]


def test_weights_chosen_at_the_start_are_the_ones_the_canary_is_measured_against() -> None:
    rig = Rig(a_service(mirror_percent=50))
    rig.snapshots.found.deployments[1]["spec"]["replicas"] = 1

    plan = rig.controller.plan("reviews", "v2", overrides=Overrides(weights=(60, 100)))

    assert "it would need 2 for 60 % and 2 for 100 %" in plain(plan.findings[-1])


def test_a_second_rollout_of_the_same_service_is_refused() -> None:
    rig = Rig()
    rig.start()

    with pytest.raises(Refusal, match=r"v2 is already rolling out \(mirror\)"):
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
    assert rig.mesh.written[writes:] == [HOME, HOME]  # home, and the annotations off
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
    rig = Rig(a_service(gates=GateLimits(judge=replace(STRICTNESS, shield=False))))
    rig.start()
    rig.at("shift 40")

    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, 300)
    began = rig.clock.now()
    rig.until(lambda rollout: rollout.ended)

    assert rig.newest().phase is Phase.ABORTED
    assert rig.clock.now() - began <= 4 * rig.service.metrics.scrape_interval
    (said,) = rig.said(EntryKind.ABORTING)
    assert ", version 1 none of " in said
    assert "v2 is above the limit: errors " in said
    assert said.startswith("Aborted at 40 % of users. ")
    assert rig.mesh.written[-1] == HOME


def test_a_breach_while_waiting_for_an_approval_aborts() -> None:
    rig = Rig()
    rig.start()
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)

    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, 300)
    rig.until(lambda rollout: rollout.ended, approve=False)

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
    assert (len(rig.said(EntryKind.HELD)), len(rig.said(EntryKind.ALERT))) == (1, 1), "in the thread, then to all"
    assert rig.faults == ["cannot be reached."] * 60
    rig.metrics.outage = None
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)


def test_a_click_on_an_old_card_is_refused() -> None:
    rig = Rig()
    rig.start()
    asked = rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    old = rig.controller.button_token(asked)
    rig.metrics.outage = Fault("Prometheus", "cannot be reached.")
    rig.tick()
    rig.metrics.outage = None
    rig.tick()

    with pytest.raises(Refusal, match=r"Something has changed since you looked.*Shift 20 % of users to v2\?"):
        rig.controller.approve("reviews", by=OMAR, evidence=old)


def test_a_click_on_a_question_that_was_withdrawn_is_told_why() -> None:
    rig = Rig()
    rig.start()
    asked = rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    rig.metrics.outage = Fault("Prometheus", "cannot be reached.")
    rig.tick()

    with pytest.raises(Refusal, match=r"That question is withdrawn: .*Prometheus"):
        rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.button_token(asked))


def test_a_button_of_an_earlier_rollout_is_refused() -> None:
    rig = Rig()
    first = rig.start()
    rig.controller.abort("reviews", by=OMAR, reason="again")
    rig.start()

    with pytest.raises(Refusal, match="earlier rollout"):
        rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.button_token(first))


def test_a_write_that_fails_is_done_at_a_later_reconcile_by_whatever_process() -> None:
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
        rig.decide(Pause())
    rig.clock.advance(20.0)
    rig.controller.tick(rollout)

    assert rig.faults[-1] == "cannot be reached."
    rig.store.outage = None
    assert rig.live().paused_by is None


def test_a_reconcile_at_an_old_copy_looks_at_what_another_replica_stored_instead() -> None:
    rig = Rig()
    rig.start()
    old = rig.at("shift 20")
    rig.restarted().decide("reviews", Pause(), By(id=OMAR))
    rig.clock.advance(20.0)

    rig.controller.tick(old)

    assert (rig.live().paused_by, rig.faults) == (OMAR, [])
    assert rig.live().analysis_state.until == rig.clock.now() - rig.service.metrics.delay


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
    assert "Someone changed the traffic split of reviews (kubectl-edit): 80/20 → 50/50." in rig.said(EntryKind.ALERT)[0]
    rig.decide(Restore())
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
    assert rig.decide(Retry()).phase is Phase.UPGRADING
    rig.tick(1000.0)
    assert rig.live().phase is Phase.HALTED

    rig.decide(Accept())

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert rig.mesh.written[-1] == routes(100)


def test_a_canary_is_scaled_down_at_the_end_when_the_service_says_so() -> None:
    rig = Rig(a_service(approve=(ApproveAt.STEP,), scale_canary_down=True))
    rig.start()

    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)

    assert rig.workloads.deployments["reviews-v2"].wanted == 0


def test_a_plan_shows_every_object_and_writes_none() -> None:
    rig = Rig()

    plan = rig.controller.plan("reviews", "v2")

    assert [plain(called) for called, _ in plan.stages][:3] == ["mirror", "20 % of users", "40 % of users"]
    assert [stage.objects[0]["kind"] for stage in plan.planned if stage.name == "upgrade"] == ["Deployment"]
    assert (rig.mesh.written, rig.store.live()) == ([], [])
    assert (plan.reasons, plan.findings) == ((), ())


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


def test_a_contended_write_is_left_to_the_next_reconcile() -> None:
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
    rig.service = replace(rig.service, gates=GateLimits(early=True))
    rig.controller = rig.restarted()

    assert rig.live().spec.gates == started.spec.gates
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)


@pytest.mark.parametrize("stage", ["mirror", "shift 60", "upgrade", "switchback 50", "bake"])
def test_a_rollout_that_the_store_has_forgotten_is_aborted_from_its_annotations(stage: str) -> None:
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


def test_a_start_is_refused_while_forgotten_annotations_are_there_and_says_what_cleans_up() -> None:
    rig = Rig()
    rig.start()
    rig.at("mirror")
    rig.store = InMemoryStore()
    rig.controller = rig.restarted()

    with pytest.raises(
        Refusal, match=r"still carries annotations of rollout r-1\. `canary-bot abort reviews` cleans up"
    ):
        rig.start()


def test_an_abort_without_rollout_and_without_annotations_is_refused() -> None:
    with pytest.raises(Refusal, match="has no rollout"):
        Rig().controller.abort("reviews", by=OMAR, reason="because")


class InterruptedStore(InMemoryStore):
    """After the next save another replica gets a turn: ``then`` is what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], object] | None = None

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        saved = super().save(rollout, entries, fence=fence)
        then, self.then = self.then, None
        if then is not None:
            then()
        return saved


def test_an_abort_on_another_replica_is_not_undone_by_what_this_one_was_about_to_do() -> None:
    rig = Rig()
    rig.store = store = InterruptedStore()
    rig.controller = rig.restarted()
    other = rig.restarted()
    rig.start()
    rig.until(lambda rollout: rollout.asked_at is not None)
    rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.button_token(rig.live()))
    rig.at("shift 20")
    moved_to: list[str] = []

    def abort_once_it_moves() -> None:
        if rig.newest().current.name != "shift 40":
            store.then = abort_once_it_moves
            return
        moved_to.append(rig.newest().current.name)
        other.abort("reviews", by=OMAR, reason="I do not like it")

    store.then = abort_once_it_moves
    rig.until(lambda rollout: rollout.ended)

    assert moved_to == ["shift 40"]
    assert rig.newest().phase is Phase.ABORTED
    assert routes(40) not in rig.mesh.written


def test_the_leaders_own_work_goes_through_the_store_that_carries_its_lease() -> None:
    rig = Rig()
    leases = FakeLeases(rig.clock)
    lease = leases.lease("this one")
    leader = rig.controller.under(LeadersStore(rig.store, lease))
    started = rig.start()
    lease.keep()
    rig.clock.advance(5)
    leader.sweep(rig.store.live())
    button_token = rig.newest()
    assert button_token.revision > started.revision

    rig.clock.advance(20)
    leader.sweep(rig.store.live())

    assert rig.newest() == button_token
    assert "lease" in rig.faults[-1]
    assert rig.decide(Pause()).paused_by == OMAR


def test_a_plan_says_apart_what_stops_a_start_and_what_only_warns() -> None:
    rig = Rig()
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0]["route"][0].update(weight=90))
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=10))
    rig.snapshots.found = replace(rig.snapshots.found, virtual_service=rig.mesh.virtual_service())

    plan = rig.controller.plan("reviews", "v2")

    (reason,) = map(plain, plan.reasons)
    assert "http route 1 gives v2 10 % of users" in reason
    assert [plain(one).startswith("Stops a start:") for one in plan.findings] == [True]
