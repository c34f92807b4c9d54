"""The faults of ``make sandbox``: each is a switch that knows whether it is on, and is undone by pressing it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.history import standing, version_run_by
from sandbox.kube.objects import Object
from sandbox.kube.store import Store
from sandbox.sides import Ground
from sandbox.world import World

GROUND = Ground()
FAILING = 0.3  # share of the requests
SLOWER_MS = 400.0
VERSIONS = ("v2", "v3")


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault.

    Attributes:
        words: what it does, or is doing.
        is_on: whether it does so now.
        start, stop: turn it on and off; they return once that is so.
    """

    words: Callable[[], str]
    is_on: Callable[[], bool]
    start: Callable[[], object]
    stop: Callable[[], object]

    def shown(self, name: str) -> dict[str, Any]:
        """What the page needs of it."""
        return {"id": name, "label": self.words(), "on": self.is_on()}


def newcomer(store: Store) -> str:
    """The version a rollout is about; while there is none, the next one that could be started."""
    if canary := standing(store).canary:
        return canary
    current = version_run_by(store, GROUND.primary)
    return next((version for version in VERSIONS if version > current), VERSIONS[-1])


class Misbehaviour:
    """Faults of pods. Each hits the version that was new when it was turned on, until it is turned off."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hit: dict[str, str | None] = {}  # by fault: which version; None: all of them

    def switch(self, name: str, does: str, *, everyone: bool = False) -> Switch:
        """The switch of one fault; ``does`` says what the version does then."""

        def words() -> str:
            version = self._hit.get(name) or newcomer(self._world.kube.store)
            return f"{'All versions' if everyone else version} {does}"

        def start() -> None:
            self._hit[name] = None if everyone else newcomer(self._world.kube.store)
            self._apply()

        def stop() -> None:
            self._hit.pop(name, None)
            self._apply()

        return Switch(words, lambda: name in self._hit, start, stop)

    def _apply(self) -> None:
        faults = self._world.mesh.faults
        faults.clear()
        for version in set(self._hit.values()):
            names = {name for name, hit in self._hit.items() if hit == version}
            failing = FAILING if names & {"errors", "both"} else 0.0
            faults.set(version=version, error_share=failing, latency_ms=SLOWER_MS if "slow" in names else 0.0)


class Crashes:
    """The pods of the new version crash."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._version = ""

    def switch(self) -> Switch:
        """Its switch."""

        def words() -> str:
            return f"{self._version or newcomer(self._world.kube.store)}'s pods crash"

        return Switch(words, lambda: bool(self._version), self._start, self._stop)

    def _start(self) -> None:
        self._version = newcomer(self._world.kube.store)
        self._world.kube.deployments.crash(GROUND.namespace, f"reviews-{self._version}")

    def _stop(self) -> None:
        self._world.kube.deployments.recover(GROUND.namespace, f"reviews-{self._version}")
        self._version = ""


class HandEdit:
    """Somebody changes the weights by hand, as kubectl would; turned off, they put back what was there before.

    It is off as well once somebody else, such as the bot, has put other routes there.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._theirs: list[Object] | None = None
        self._before: list[Object] | None = None

    def switch(self) -> Switch:
        """Its switch."""
        return Switch(lambda: "Routes edited by hand", self._is_on, self._start, self._stop)

    def _is_on(self) -> bool:
        live = self._live()
        return bool(live and self._theirs is not None and live["spec"]["http"] == self._theirs)

    def _start(self) -> None:
        live = self._live()
        if live is None:
            return
        self._before = live["spec"]["http"]
        halves = _halves(self._before[-1], newcomer(self._world.kube.store))
        self._theirs = self._put(live, [*self._before[:-1], halves])

    def _stop(self) -> None:
        live = self._live()
        if live is not None and self._before is not None:
            self._put(live, self._before)
        self._theirs = None

    def _put(self, live: Object, routes: list[Object]) -> list[Object] | None:
        """What stands there afterwards, as the cluster keeps it."""
        live["spec"]["http"] = routes
        self._world.kube.replace_as("kubectl-edit", live)
        after = self._live()
        return after["spec"]["http"] if after else None

    def _live(self) -> Object | None:
        return self._world.kube.store.get("VirtualService", GROUND.namespace, GROUND.virtual_service)


def _halves(route: Object, canary: str) -> Object:
    subsets = (GROUND.primary_subset, canary)
    host = route["route"][0]["destination"]["host"]
    destinations = [{"destination": {"host": host, "subset": subset}, "weight": 50} for subset in subsets]
    return {**route, "route": destinations}


def switches(world: World) -> dict[str, Switch]:
    """Every fault of the panel, by its id, in the order shown."""
    pods = Misbehaviour(world)
    return {
        "errors": pods.switch("errors", "fails 30 %"),
        "slow": pods.switch("slow", "is 400 ms slower"),
        "both": pods.switch("both", "fail 30 %", everyone=True),
        "crash": Crashes(world).switch(),
        "edit": HandEdit(world).switch(),
        "prometheus": Switch(
            lambda: "Prometheus stopped",
            lambda: not world.prometheus.program.running,
            world.prometheus.stop,
            world.prometheus.start,
        ),
        "bot": Switch(
            lambda: "Bot killed",
            lambda: not world.bot.running,
            world.bot.kill,
            world.bot.start,
        ),
        "redis": Switch(
            lambda: "Redis killed",
            lambda: not world.redis.program.running,
            world.redis.kill,
            world.redis.start,
        ),
    }
