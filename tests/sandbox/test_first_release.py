"""An ordinary installation, whose route names no subset, is made ready by the command that the refusal names."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sandbox.kube import bookinfo
from sandbox.world import World


def ordinary() -> list[dict[str, Any]]:
    """Bookinfo as most people have it: one Service for the first version, and a route to it without more."""
    objects = deepcopy(list(bookinfo.objects()))
    for thing in objects:
        if thing["metadata"]["name"] != "reviews":
            continue
        if thing["kind"] == "VirtualService":
            thing["spec"]["http"] = [{"timeout": "9s", "route": [{"destination": {"host": "reviews"}}]}]
        elif thing["kind"] == "Service":
            thing["spec"]["selector"]["version"] = "v1"
    return [thing for thing in objects if thing["kind"] != "DestinationRule"]


def canary_bot(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "bot", *words],
        env=world.environment(),
        cwd=world.directory,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.sandbox
@pytest.mark.timeout(240)
def test_the_command_that_the_refusal_names_makes_it_ready_and_no_user_meets_another_version(tmp_path: Path) -> None:
    with World(tmp_path, objects=ordinary()) as world:
        world.users.ledger.wait_for_more(50)

        refused = canary_bot(world, "plan", "reviews", "v2")
        made = canary_bot(world, "init", "reviews", "--apply")
        planned = canary_bot(world, "plan", "reviews", "v2")
        world.users.ledger.wait_for_more(50)

        assert refused.returncode == 1
        assert "canary-bot init reviews" in refused.stderr
        assert made.returncode == 0, made.stderr
        assert "Requests arrive at reviews-v1, and at no other version." in made.stdout
        assert planned.returncode == 0, planned.stderr
        assert set(world.ledger.by_version()) == {"v1"}
        assert world.ledger.errors == []
        virtual_service = world.kube.store.get("VirtualService", "default", "reviews")
        assert virtual_service is not None
        (route,) = virtual_service["spec"]["http"]
        assert (route["timeout"], route["route"][0]["destination"]["subset"]) == ("9s", "v1")
