"""What the events of a schedule do to a rig: things that break and heal, and what other people's hands do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.figures import Mood
from sandbox.kube.objects import Object
from sandbox.sides import place_of
from tests.torture.events import Noise
from tests.torture.rig import POD_SECONDS, Rig

Heal = Callable[[], None]

BAD_SHARE = 0.5
SNAPSHOTS = 4


class Hand:
    """Each public method begins something and answers with what ends it (None: nothing to end)."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._snapshots: list[dict[bytes, bytes]] = []

    # Systems

    def noise(self, noise: Noise) -> Heal:
        """Requests of a kind meet trouble."""
        self._rig.noises.append(noise)
        if noise.kinds == "" and noise.trouble.cut:
            self._rig.proxy.cut_all()
        return lambda: self._rig.noises.remove(noise)

    def mood(self, mood: Mood) -> Heal:
        """Prometheus has one."""
        self._rig.figures.mood = mood

        def well() -> None:
            if self._rig.figures.mood is mood:
                self._rig.figures.mood = Mood.WELL

        return well

    def counters_restart(self) -> None:
        """Both sides' counters begin at zero."""
        for name in (self._rig.ground.primary, self._rig.ground.canary):
            self._rig.traffic.restart(name)

    def wipe(self) -> None:
        """Redis is empty."""
        self._rig.redis.flushall()

    def failover(self, lost: int) -> None:
        """A replica takes over that had not heard of the last sweeps."""
        if len(self._snapshots) > lost:
            before = self._snapshots[-1 - lost]
            self._rig.redis.flushall()
            for key, value in before.items():
                self._rig.redis.restore(key, 0, value)
        self._rig.proxy.cut_all()

    def remember(self) -> None:
        """What a replica has by now."""
        redis = self._rig.redis
        kept: dict[bytes, bytes] = {key: redis.dump(key) for key in redis.scan_iter(count=1000)}  # type: ignore[misc]  # redis's
        self._snapshots = [*self._snapshots, kept][-SNAPSHOTS:]

    def restart_bot(self) -> None:
        """The bot's memory is gone."""
        self._rig.restart_bot()

    def bot_away(self) -> Heal:
        """No replica of the bot runs, until one is started again."""
        self._rig.stop_bots()
        return self._rig.start_bot

    def another_leads(self) -> Heal:
        """Another replica gets the lease, and the first has it again afterwards."""
        self._rig.lead_instead()
        return self._rig.lead_again

    # The cluster

    def canary_fails_requests(self) -> Heal:
        """The canary runs and answers with errors."""
        self._rig.traffic.now(bad={self._rig.ground.canary: BAD_SHARE})
        return lambda: self._rig.traffic.now(bad={})

    def canary_crashes(self) -> Heal:
        """No pod of the canary is ready."""
        return self._crash(self._rig.ground.canary)

    def primary_crashes(self) -> Heal:
        """No pod of the primary is ready."""
        return self._crash(self._rig.ground.primary)

    def canary_is_unready(self) -> Heal:
        """The canary's pods run, and none is ready."""
        return self._fail_probes(self._rig.ground.canary)

    def primary_is_unready(self) -> Heal:
        """The primary's pods run, and none is ready."""
        return self._fail_probes(self._rig.ground.primary)

    def upgrade_hangs(self) -> Heal:
        """New pods of the primary do not become ready."""
        return self._hang(self._rig.ground.primary)

    def _crash(self, name: str) -> Heal:
        deployments, namespace = self._rig.kube.deployments, self._rig.ground.namespace
        deployments.crash(namespace, name)
        return lambda: deployments.recover(namespace, name)

    def _fail_probes(self, name: str) -> Heal:
        deployments, namespace = self._rig.kube.deployments, self._rig.ground.namespace
        deployments.fail_probes(namespace, name)
        return lambda: deployments.pass_probes(namespace, name)

    def _hang(self, name: str) -> Heal:
        deployments, namespace = self._rig.kube.deployments, self._rig.ground.namespace
        self._keep_running(name)
        return lambda: deployments.start_seconds(namespace, name, POD_SECONDS)

    def _keep_running(self, name: str) -> None:
        self._rig.kube.deployments.start_seconds(self._rig.ground.namespace, name, None)

    # Other people's hands

    def edit(self, how: str, share: int) -> None:
        """Somebody edits the VirtualService."""
        ground = self._rig.ground
        vs = self._rig.kube.store.get("VirtualService", *ground.routes_at)
        if vs is None:
            return  # somebody was quicker, and deleted it
        if "canary-bot/rollout" not in (vs["metadata"].get("annotations") or {}):
            return  # nobody's rollout is disturbed, and one that has not begun would be refused for ever
        EDITS[how](vs, share)
        self._put(vs)

    def edit_image(self) -> None:
        """Somebody deploys another image to the primary."""
        ground = self._rig.ground
        deployment = self._rig.kube.store.get("Deployment", ground.namespace, ground.primary)
        if deployment is None:
            return  # somebody was quicker, and deleted it
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] += "-hotfix"
        self._put(deployment)

    def _put(self, obj: Object) -> None:
        with self._rig.quiet():
            self._rig.kube.replace_as("kubectl-edit", obj)


def _set_weights(vs: Object, share: int) -> None:
    for route in vs["spec"]["http"]:
        entries: list[dict[str, Any]] = route["route"]
        for entry in entries:
            canary = place_of(entry["destination"]) != place_of(entries[0]["destination"])
            entry["weight"] = share if canary else 100 - share


def _drop_mirror(vs: Object, _share: int) -> None:
    for route in vs["spec"]["http"]:
        route.pop("mirror", None)
        route.pop("mirrorPercentage", None)


def _set_timeout(vs: Object, _share: int) -> None:
    vs["spec"]["http"][-1]["timeout"] = "7s"


def _strip(vs: Object, _share: int) -> None:
    vs["metadata"]["annotations"] = {}


EDITS: dict[str, Callable[[Object, int], None]] = {
    "weights": _set_weights,
    "mirror": _drop_mirror,
    "timeout": _set_timeout,
    "annotations": _strip,
    "home": lambda vs, _share: _set_weights(vs, 0),
}
