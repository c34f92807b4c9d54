"""What the bot and its watchdog write while everything goes wrong around them passes the admission policy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.kube.api import Written
from sandbox.kube.scale import scale_of
from sandbox.redis import Redis
from sandbox.referee import OURS
from tests.torture.play import Play
from tests.torture.rig import Rig
from tests.torture.schedule import draw
from tests.unit.admission.rules import Object, refusals

SEEDS = range(3)
KINDS = {"VirtualService", "Deployment", "Lease"}

Write = tuple[str, Object | None, Object]


def written_in(directory: Path, port: int, seed: int) -> list[Write]:
    """Everything that our two field managers wrote in a schedule, each kind of write once."""
    writes: dict[str, Write] = {}

    def hear(written: Written) -> None:
        if written.manager in OURS and written.after is not None and written.target.kind.kind in KINDS:
            shown = scale_of if written.target.subresource == "scale" else written.target.shown
            before = None if written.before is None else shown(written.before)
            write = (f"system:serviceaccount:canary-bot:{written.manager}", before, shown(written.after))
            writes[alike(*write)] = write

    # Without webhooks, which write nothing, and may end it before there is anything to write.
    with Rig(directory, port, replace(draw(seed), callees=())) as rig:
        rig.kube.witness(hear)
        Play(rig).run()
    return list(writes.values())


def alike(user: str, before: Object | None, after: Object) -> str:
    """To the rules: numbers of versions are nothing to them, nor what our annotations and Leases say."""
    names = [sorted((one or {"metadata": {}})["metadata"].get("annotations") or {}) for one in (before, after)]
    lease = after["kind"] == "Lease"
    return json.dumps([user, after["kind"], names, None if lease else [(before or {}).get("spec"), after["spec"]]])


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_write_of_a_schedule_of_faults_is_refused(tmp_path: Path, seed: int) -> None:
    with Redis(tmp_path / "redis", appendonly=False) as redis:
        writes = written_in(tmp_path, redis.port, seed)

    assert [(write, found) for write in writes if (found := refusals(*write[1:], user=write[0]))] == []
    assert {after["kind"] for _, _, after in writes} >= {"VirtualService", "Lease"}
