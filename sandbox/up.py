"""``make sandbox``: the whole world left running, with a page to type and click in, and faults on request."""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.recorder import routes_of
from sandbox.world import World

LOG_LINES = 12
DEAD_MAN_SECONDS = 20.0


class Panel:
    """The view of the mesh beside the messages, and its buttons."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._actions: dict[str, tuple[str, Callable[[], None]]] = {
            "errors": ("v2 fails 30 %", lambda: world.mesh.faults.set(version="v2", error_share=0.3)),
            "slow": ("v2 is slow", lambda: world.mesh.faults.set(version="v2", latency_ms=400)),
            "both": ("Both fail", lambda: world.mesh.faults.set(error_share=0.3)),
            "crash": ("Crash v2", lambda: world.kube.deployments.crash("default", "reviews-v2")),
            "edit": ("Hand edit 50/50", self._edit),
            "prometheus": ("Stop Prometheus", world.prometheus.stop),
            "kill": ("Kill the bot", world.bot.kill),
            "dead": ("Kill bot and Redis", self._kill_both),
            "heal": ("Heal everything", self._heal),
        }

    def state(self) -> dict[str, Any]:
        """What the page shows, asked every second."""
        snapshot = self._world.mesh.snapshot()
        thing = self._world.kube.store.get("VirtualService", "default", "reviews")
        canary, mirror = routes_of(thing, "v2") if thing else (0, False)
        rows = [
            {"label": "users on subset v1", "value": f"{100 - canary} %", "bar": 100 - canary},
            {"label": "users on subset v2", "value": f"{canary} %", "bar": canary},
            {"label": "mirror to v2", "value": "on" if mirror else "off", "bar": 100 if mirror else 0},
        ]
        total = sum(snapshot.live.values()) or 1.0
        rows += [
            {"label": f"answers from {version or 'nobody'}", "value": f"{rate:.0f}/s", "bar": round(100 * rate / total)}
            for version, rate in sorted(snapshot.live.items())
        ]
        for deployment in self._world.kube.store.list("Deployment", "default"):
            status = deployment.get("status", {})
            image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
            ready, wanted = status.get("readyReplicas", 0), deployment["spec"]["replicas"]
            runs = image.split("/")[-1].split("@")[0].removeprefix("examples-bookinfo-")
            name = f"{deployment['metadata']['name']}: {runs}"
            rows.append({"label": name, "value": f"{ready}/{wanted}", "bar": round(100 * ready / max(wanted, 1))})
        errors = sum(request.failed for request in self._world.ledger.between())
        log = [f"{len(self._world.ledger):,} requests, {errors:,} errors users saw", *reversed(self._log)]
        actions = [{"id": name, "label": label} for name, (label, _) in self._actions.items()]
        return {"title": "Live mesh", "rows": rows, "log": log, "actions": actions}

    def act(self, name: str) -> None:
        """One button was pressed."""
        label, do = self._actions[name]
        self._log.append(label)
        do()

    def _edit(self) -> None:
        """Somebody edits the VirtualService by hand, as kubectl would: half of the users on each."""
        thing = self._world.kube.store.get("VirtualService", "default", "reviews")
        if thing is None:
            return
        for destination in thing["spec"]["http"][-1]["route"]:
            destination["weight"] = 50
        self._world.kube.replace_as("kubectl-edit", thing)

    def _kill_both(self) -> None:
        self._world.bot.kill()
        self._world.redis.kill()

    def _heal(self) -> None:
        self._world.redis.start()
        self._world.mesh.faults.clear()
        self._world.kube.deployments.recover("default", "reviews-v2")
        self._world.prometheus.start()
        self._world.bot.start()


def up(port: int) -> int:
    """Run until interrupted."""
    with (
        tempfile.TemporaryDirectory(prefix="canary-bot-") as directory,
        World(Path(directory), slack_port=port, dead_man_seconds=DEAD_MAN_SECONDS) as world,
    ):
        panel = Panel(world)
        world.slack.side_panel(panel.state, panel.act)
        print(f"The workspace is at {world.slack.url}/  Try: /canary start reviews v2", flush=True)
        print("Maya starts a rollout, Omar (switch users at the top) approves it. Ctrl-C ends everything.", flush=True)
        threading.Event().wait()
    return 0
