"""Law: whatever goes wrong with one rollout, the others are looked at and beat; it is told, counted, and ends there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import generate_latest
from pydantic import TypeAdapter, ValidationError

from bot.controller.adoption import Adoption
from bot.controller.containment import Broken, contained, kind
from bot.controller.controller import Controller
from bot.controller.heartbeat import Heartbeats
from bot.controller.observe import MOST_READS, read_each
from bot.controller.ports import Ports
from bot.controller.telemetry import Telemetry
from bot.controller.watchdog import Watchdog, Witness
from bot.model.errors import Contended, Fault, Refusal
from bot.model.rollout import Phase, PodTemplate, Rollout, RolloutId, Routes
from bot.model.story import EntryKind
from bot.probes import OwnMetrics
from bot.probes.telemetry_metrics import TelemetryMetrics
from bot.words.rendering import plain
from tests.builders import OLD, a_rollout, a_service, a_side_of, a_target, changed
from tests.fakes.clock import FakeClock
from tests.fakes.freezes import InMemoryFreezes
from tests.fakes.mesh import InMemoryMesh, reviews
from tests.fakes.metrics import FakeMetrics
from tests.fakes.snapshots import FakeSnapshots
from tests.fakes.store import InMemoryStore
from tests.fakes.workloads import InMemoryWorkloads
from tests.snapshots import a_snapshot

NAMES = ("poisoned", "ratings", "details")


def invalid() -> ValidationError:
    try:
        TypeAdapter(int).validate_python("none")
    except ValidationError as error:
        return error
    raise AssertionError


ERRORS: list[Exception] = [
    KeyError("spec"),
    TypeError("'NoneType' object is not subscriptable"),
    AttributeError("'str' object has no attribute 'get'"),
    ValueError("could not convert string to float"),
    RecursionError("maximum recursion depth exceeded"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"),
    ZeroDivisionError(),
    invalid(),
    Refusal("It cannot be managed as it is."),
    Fault("Kubernetes", "cannot be reached."),
]


class Trap:
    """A port that breaks on whatever concerns the rollout ``poisoned``, in the methods that are named."""

    def __init__(self, port: object, methods: tuple[str, ...], error: Exception) -> None:
        self._port = port
        self._methods = methods
        self._error = error

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in self._methods:
            return method

        def trapped(*arguments: Any, **named: Any) -> Any:
            if "poisoned" in repr((arguments, named)):
                raise self._error
            return method(*arguments, **named)

        return trapped


@dataclass(frozen=True)
class Edge:
    """Where it breaks: a port, and what of it."""

    port: str
    methods: tuple[str, ...]


EDGES = [
    Edge("mesh", ("observe",)),
    Edge("mesh", ("beat",)),
    Edge("mesh", ("route",)),
    Edge("workloads", ("observe",)),
    Edge("metrics", ("read",)),
    Edge("store", ("save",)),
    Edge("store", ("load",)),
    Edge("store", ("save", "load")),
]


class Three:
    """Three services in mid-rollout, the first of which is poison, and a controller that looks after all of them."""

    def __init__(self, edge: Edge, error: Exception, *, notifying: bool = False) -> None:
        self.clock = FakeClock(1000.0)
        self.own = OwnMetrics()
        self.beats: list[str] = []
        self.store = InMemoryStore()
        self.mesh = InMemoryMesh([json.loads(json.dumps(reviews()).replace("reviews", one)) for one in NAMES])
        sides = {f"default/{one}-{version}": a_side_of(1000) for one in NAMES for version in ("v1", "v2")}
        images = {"v1": PodTemplate(images={"reviews": OLD}), "v2": PodTemplate(images={"reviews": "reviews:2"})}
        ports = {
            "store": self.store,
            "freezes": InMemoryFreezes(),
            "mesh": self.mesh,
            "workloads": InMemoryWorkloads({f"{one}-{name}": image for one in NAMES for name, image in images.items()}),
            "snapshots": FakeSnapshots(a_snapshot()),
            "metrics": FakeMetrics(sides),
            "clock": self.clock,
        }
        for number, name in enumerate(NAMES):
            self.store.create(self._rollout(name, number), ())
        ports[edge.port] = Trap(ports[edge.port], edge.methods, error)
        self.notified: list[tuple[str, Fault]] = []
        telemetry = Telemetry(failed=lambda rollout, fault: self.notified.append((rollout.spec.service, fault)))
        if notifying:
            telemetry = TelemetryMetrics(self.own, self.clock).telemetry()
        everything: dict[str, Any] = ports
        self.controller = Controller(
            services={},
            ports=Ports(**everything),
            new_id=lambda: RolloutId("r-9"),
            telemetry=telemetry,
            heart=Heartbeats(Beats(everything["mesh"], self.beats), self.clock, failed=telemetry.failed),
        )

    def _rollout(self, name: str, number: int) -> Rollout:
        service = a_service(name=name, virtual_service=name, primary_deployment=f"{name}-v1")
        target = a_target(
            host=f"{name}.default.svc.cluster.local",
            virtual_service=name,
            destination_rule=name,
            primary_deployment=f"{name}-v1",
            canary_deployment=f"{name}-v2",
        )
        phase: dict[str, Any] = {"phase": Phase.MIRRORING, "since": 1000.0}
        return a_rollout(service, id=RolloutId(f"r-{name}"), started_at=number, target=target, **phase)

    def sweep(self, times: int = 3) -> None:
        for _ in range(times):
            self.clock.advance(60.0)
            self.controller.sweep(self.store.live())

    def shown(self) -> str:
        return generate_latest(self.own.registry).decode()


class Beats(InMemoryMesh):
    """Notes whose heart beats, whatever comes of it."""

    def __init__(self, mesh: Any, beats: list[str]) -> None:
        super().__init__()
        self._mesh = mesh
        self._noted = beats

    def beat(self, target: Any, owner: RolloutId, limit: float = 0.0) -> None:
        self._mesh.beat(target, owner, limit)
        self._noted.append(owner)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.port}-{'-'.join(edge.methods)}")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_one_rollouts_failure_is_its_own(edge: Edge, error: Exception) -> None:
    three = Three(edge, error)

    three.sweep()

    # The mesh is at home, so each of the others got its routes, and then its heart beat at every reconcile.
    assert three.beats.count("r-ratings") >= 2
    assert three.beats.count("r-details") >= 2
    for name in ("ratings", "details"):
        routes = three.mesh.observe(a_target(virtual_service=name, host=f"{name}.default.svc.cluster.local"))
        assert routes.routes == Routes(canary=0, mirror=True)
    assert {name for name, _ in three.notified} == {"poisoned"}
    assert all(plain(fault.sentence).endswith(".") for _, fault in three.notified)


@pytest.mark.parametrize("edge", EDGES[:2] + EDGES[3:5], ids=lambda edge: f"{edge.port}-{'-'.join(edge.methods)}")
def test_a_failure_of_ours_is_counted_by_its_kind(edge: Edge) -> None:
    three = Three(edge, KeyError("spec"), notifying=True)

    three.sweep()

    assert 'canary_bot_looks_failed_total{cause="KeyError"}' in three.shown() or edge.port == "metrics"


def test_people_are_told_once_of_a_rollout_that_nobody_can_look_after() -> None:
    three = Three(Edge("clock", ()), KeyError(), notifying=True)
    poisoned = next(one for one in three.store.live() if one.spec.service == "poisoned")
    three.store.save(changed(poisoned, plan=()))  # nothing that any rule could read

    three.sweep(5)

    alerts = [one for one in three.store.story("default/poisoned", poisoned.spec.id) if one.kind is EntryKind.ALERT]
    notified = (
        "canary-bot cannot watch this rollout: Could not bring poisoned on: an internal error (IndexError). Users stay "
        "where they are. `/canary abort poisoned` sends them to the healthy side. The bot's log has more."
    )
    assert [plain(one.text) for one in alerts] == [notified]
    assert 'canary_bot_looks_failed_total{cause="IndexError"}' in three.shown()
    assert "r-poisoned" not in three.beats  # and the watchdog will see to it


def test_of_a_thousand_readings_the_broken_one_alone_is_missing() -> None:
    rollouts = [a_rollout(id=RolloutId(f"r-{n}"), phase=Phase.MIRRORING, settled_at=900.0) for n in range(1000)]
    metrics = FakeMetrics({"default/reviews-v1": a_side_of(10), "default/reviews-v2": a_side_of(10)})
    poison: Any = PoisonedReads(metrics, "'r-617'")

    readings = read_each(rollouts, poison, 1000.0)

    assert [one for one, reading in readings.items() if isinstance(reading, Fault)] == ["r-617"]
    assert len(readings) == 1000
    assert poison.tries <= 25


def test_a_reader_that_breaks_on_everything_is_not_asked_for_ever() -> None:
    rollouts = [a_rollout(id=RolloutId(f"r-{n}"), phase=Phase.MIRRORING, settled_at=900.0) for n in range(1000)]
    poison: Any = PoisonedReads(FakeMetrics(), "r-")

    readings = read_each(rollouts, poison, 1000.0)

    assert all(isinstance(reading, Broken) for reading in readings.values())
    assert len(readings) == 1000
    assert poison.tries <= 2 * MOST_READS


class PoisonedReads:
    def __init__(self, metrics: FakeMetrics, word: str) -> None:
        self._metrics = metrics
        self._word = word
        self.tries = 0

    def clock(self, now: float) -> float:
        return self._metrics.clock(now)

    def read(self, windows: Any) -> Any:
        self.tries += 1
        if any(self._word in repr(window.rollout.spec.id) for window in windows):
            raise TypeError
        return self._metrics.read(windows)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_adoption_looks_at_the_other_services_whatever_one_of_them_holds(error: Exception) -> None:
    reconciled, failed = list[str](), list[tuple[str, Fault]]()
    mesh: Any = Trap(InMemoryMesh([]), ("owner",), error)
    controller = Three(EDGES[0], error).controller
    adoption = Adoption(
        services=[a_service(name=name, virtual_service=name) for name in NAMES],
        store=InMemoryStore(),
        mesh=Reconciled(mesh, reconciled),
        reclaim=controller.reclaim,
        cared_for=controller.cared_for,
        patience=60.0,
        pause=5.0,
        stopwatch=FakeClock().now,
        failed=lambda service, fault: failed.append((service.name, fault)),
    )

    adoption.reconcile()
    adoption.reconcile()

    assert [name for name in reconciled if name != "poisoned"] == ["ratings", "details"] * 2
    assert [name for name, _ in failed] == ["poisoned"] * 2
    assert all(plain(fault.sentence).endswith(".") for _, fault in failed)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_watchdog_looks_at_the_other_places_whatever_one_of_them_holds(error: Exception) -> None:
    reconciled, failed = list[str](), list[tuple[str, str]]()
    mesh: Any = Trap(InMemoryMesh([]), ("heartbeat",), error)
    dog = Watchdog(
        services=[a_service(name=name, virtual_service=name) for name in NAMES],
        mesh=Reconciled(mesh, reconciled),
        workloads=InMemoryWorkloads(),
        failsafe=InMemoryMesh(),
        limit=120.0,
        now=FakeClock().now,
        stopwatch=FakeClock().now,
        witness=Witness(failed=lambda place, _fault: failed.append(place)),
    )

    dog.reconcile()
    dog.reconcile()

    assert [name for name in reconciled if name != "poisoned"] == ["ratings", "details"] * 2
    assert failed == [("default", "poisoned")] * 2
    assert plain(dog.trouble).endswith(".")


class Reconciled(InMemoryMesh):
    def __init__(self, mesh: Any, reconciled: list[str]) -> None:
        super().__init__()
        self._mesh = mesh
        self._reconciled = reconciled

    def owner(self, namespace: str, virtual_service: str) -> Any:  # adoption's first question
        self._reconciled.append(virtual_service)
        return self._mesh.owner(namespace, virtual_service)

    def heartbeat(self, namespace: str, virtual_service: str) -> Any:  # the watchdog's
        self._reconciled.append(virtual_service)
        return self._mesh.heartbeat(namespace, virtual_service)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_leaves_an_edge_is_a_fault_with_a_sentence_and_no_text_of_the_error(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(Fault) as caught, contained("look after reviews"):
        fail()

    assert plain(caught.value.sentence).endswith(".")
    if not isinstance(error, Fault | Refusal):
        assert str(error) not in plain(caught.value.sentence) or not str(error)
        assert kind(caught.value) == type(error).__name__
        assert caught.value.__cause__ is error


def test_what_is_a_fault_already_stays_what_it_is() -> None:
    contended = Contended("Kubernetes", "somebody else wrote it.")
    fail: Callable[[], None] = lambda: (_ for _ in ()).throw(contended)  # noqa: E731  # a lambda cannot raise

    with pytest.raises(Contended) as caught, contained("write"):
        fail()

    assert caught.value is contended
    assert kind(contended) == "kubernetes"
