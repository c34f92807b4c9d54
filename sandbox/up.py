"""``make sandbox``: the whole world left running, with a page to type and click in, and faults on request."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sandbox.history import standing
from sandbox.rehearsal import Rehearsal, Stage
from sandbox.sides import Ground
from sandbox.slack.scopes import MANIFEST
from sandbox.slack.server import Slack

HEAL, RESET = "heal", "reset"
ASKED_BEFORE_RESET = "Cluster, Redis, workspace and counters end and begin again. It takes about ten seconds."
TAKEN = "Port {port} is taken: end what listens there, or choose another with `make sandbox PORT={other}`."


class BusyPortError(Exception):
    """Somebody else listens where the page should be; the message says what to do."""


class Panel:
    """The view of the mesh beside the messages, and its switches."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal

    def state(self) -> dict[str, Any]:
        """What the page shows, asked every second."""
        stage = self._rehearsal.stage
        actions = [{"id": RESET, "label": "Reset", "confirm": ASKED_BEFORE_RESET}]
        if stage is None:
            words = self._rehearsal.trouble or "Setting up a fresh world…"
            return {"title": "Live mesh", "busy": words, "actions": actions if self._rehearsal.trouble else []}
        totals = stage.world.ledger.totals()
        failed = sum(count for (_, its_failed), count in totals.items() if its_failed)
        return {
            "title": "Live mesh",
            "errors": {"count": failed, "requests": totals.total()},
            "chart": stage.history.chart(),
            "marks": stage.history.moments(),
            "rows": [*_shares(stage), *_deployments(stage)],
            "switches": [switch.shown(name) for name, switch in stage.switches.items()],
            "actions": [{"id": HEAL, "label": "Heal everything"}, *actions],
        }

    def act(self, name: str) -> None:
        """One button was pressed."""
        stage = self._rehearsal.stage
        if name == RESET:
            self._rehearsal.start_over()
        elif stage and name == HEAL:
            for on in [one for one in stage.switches if stage.switches[one].is_on()]:
                _turn(stage, on, on=False)
        elif stage:
            _turn(stage, name, on=not stage.switches[name].is_on())


def _turn(stage: Stage, name: str, *, on: bool) -> None:
    switch = stage.switches[name]
    words = switch.words()
    if on:
        switch.start()
    else:
        switch.stop()
    stage.history.note("fault", words if on else f"Over: {words}")


def _shares(stage: Stage) -> list[dict[str, Any]]:
    """Where the routes send users and copies."""
    now = standing(stage.world.kube.store)
    canary = now.canary
    rows = [{"label": f"users on subset {Ground().primary_subset}", "percent": now.shares.of(Ground().primary_subset)}]
    if canary:
        rows.append({"label": f"users on subset {canary}", "percent": now.shares.of(canary)})
        rows.append({"label": f"copies to {canary}", "percent": 100 if now.shares.mirrored else 0})
    return [{"label": row["label"], "value": f"{row['percent']} %", "bar": row["percent"]} for row in rows]


def _deployments(stage: Stage) -> list[dict[str, Any]]:
    """Which image each runs, and how many of its pods are ready."""
    rows = []
    for deployment in stage.world.kube.store.list("Deployment", Ground().namespace):
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        runs = image.split("/")[-1].split("@")[0].removeprefix("examples-bookinfo-")
        ready, wanted = deployment.get("status", {}).get("readyReplicas", 0), deployment["spec"]["replicas"]
        name = f"{deployment['metadata']['name']}: {runs}"
        rows.append({"label": name, "value": f"{ready}/{wanted}", "bar": round(100 * ready / max(wanted, 1))})
    return rows


def up(port: int) -> int:
    """Run until interrupted.

    Raises:
        BusyPortError: somebody listens on ``port`` already.
    """
    with (
        tempfile.TemporaryDirectory(prefix="canary-bot-") as directory,
        _workspace_at(port) as slack,
        Rehearsal(slack, Path(directory), language := os.environ.get("LANGUAGE", "")) as rehearsal,
    ):
        slack.workspace.language = language
        panel = Panel(rehearsal)
        slack.side_panel(panel.state, panel.act)
        print(f"The workspace is at {slack.url}/  Try: /canary start reviews v2", flush=True)
        print("Maya starts a rollout, Omar (switch users on the left) approves it. Ctrl-C ends everything.", flush=True)
        threading.Event().wait()
    return 0


@contextmanager
def _workspace_at(port: int) -> Iterator[Slack]:
    with ExitStack() as opened:
        try:
            slack = opened.enter_context(Slack(port=port, scopes=MANIFEST))
        except OSError as refused:
            if refused.errno != errno.EADDRINUSE:
                raise
            raise BusyPortError(TAKEN.format(port=port, other=port + 1)) from refused
        yield slack
