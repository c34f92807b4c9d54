"""What a scenario writes down: a live timeline while it plays, and checks with their figures at the end."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from sandbox.recorder import routes_of
from sandbox.slack.model import Message
from sandbox.world import World

WIDTH = 118


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that had to be true, with the figure it was judged by."""

    ok: bool
    what: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.what}"


class Timeline:
    """Prints what happens in the mesh, the cluster and the channel, with seconds since the start."""

    def __init__(self, world: World, *, quiet: bool = False) -> None:
        self._world = world
        self._quiet = quiet
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._routes: tuple[int, bool] | None = None
        self._image: dict[str, str] = {}
        self._checks: list[Check] = []
        world.kube.store.subscribe(self._cluster)
        world.slack.workspace.subscribe(self._channel)

    def say(self, who: str, text: str) -> None:
        """One line of the timeline."""
        if self._quiet:
            return
        line = f"{time.monotonic() - self._began:6.1f} s  {who:<8} {' '.join(text.split())}"
        with self._lock:
            print(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…", flush=True)

    def check(self, what: str, *, ok: bool) -> None:
        """Write down whether something was true."""
        self._checks.append(Check(ok=ok, what=what))

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check so far."""
        return tuple(self._checks)

    @property
    def passed(self) -> bool:
        """Whether there were checks and all of them hold."""
        return bool(self._checks) and all(check.ok for check in self._checks)

    def close(self) -> None:
        """The closing table: what users sent and got, and every check."""
        ledger = self._world.ledger
        requests = ledger.between()
        versions = ", ".join(f"{name or 'none'} {count:,}" for name, count in sorted(ledger.by_version().items()))
        received = self._world.mesh.received(version="v2")
        copies = max(0, received - ledger.by_version().get("v2", 0))
        rows = {
            "requests users sent": f"{len(requests):,}",
            "answers by version": versions,
            "mirrored copies to v2": f"{copies:,}",
            "errors users saw": f"{sum(request.failed for request in requests):,}",
            "seconds": f"{time.monotonic() - self._began:.1f}",
        }
        print()
        for name, value in rows.items():
            print(f"  {name:<24} {value}")
        print()
        for check in self._checks:
            print(f"  {check}", file=sys.stdout if check.ok else sys.stderr)
        print(flush=True)

    def _cluster(self, _event: str, thing: dict[str, Any]) -> None:
        name = thing["metadata"]["name"]
        if thing["kind"] == "VirtualService" and name == "reviews":
            routes = routes_of(thing, "v2")
            if routes != self._routes:
                self._routes = routes
                canary, mirror = routes
                copies = ", copies of every request to v2" if mirror else ""
                self.say("mesh", f"users: v1 subset {100 - canary} %, v2 subset {canary} %{copies}")
        if thing["kind"] == "Deployment" and name in {"reviews-v1", "reviews"}:
            image = str(thing["spec"]["template"]["spec"]["containers"][0]["image"]).split("/")[-1]
            if self._image.get(name, image) != image:
                self.say("cluster", f"{name} gets {image[:60]}")
            self._image[name] = image

    def _channel(self, event: dict[str, Any]) -> None:
        message = event.get("what")
        if event.get("type") == "message" and isinstance(message, Message) and message.text:
            where = "to one " if message.ephemeral_to else "thread " if message.is_reply else "slack "
            self.say(where.strip(), message.text)
