"""What the object itself says about whether somebody looks after its rollout: two annotations.

The heartbeat beats beside the object (``bot.cluster.heartbeat_lease``); the annotation is where it began, and is
changed when the beat had stopped, or cannot be written there. A failsafe action writes routes, and says when and why
beside the annotations, which stay: whoever comes back needs them to end the rollout.
"""

from __future__ import annotations

import json
import math
from typing import Any

from bot.cluster.heartbeat_lease import Life
from bot.cluster.objects import annotations_of
from bot.cluster.virtual_service.annotations import HEARTBEAT, OWNER, SIGNATURE, WATCHDOG, about, owner_of
from bot.cluster.virtual_service.desired import with_routes
from bot.cluster.virtual_service.managed import VirtualService
from bot.model.observation import FailsafeAction, FailsafeRecord, Heartbeat
from bot.model.rollout import RolloutId, Routes, Target
from bot.model.signing import UNSIGNED, Signature, Signer


def heartbeat_of(
    vs: VirtualService, life: Life | None = None, *, foreign: bool = False, signer: Signer = UNSIGNED
) -> Heartbeat | None:
    """The heartbeat as it is, on the object and (``life``) beside it; None when no rollout holds the object."""
    annotations = annotations_of(vs)
    owner, beat = owner_of(vs), annotations.get(HEARTBEAT, "")
    if owner is None:
        return None
    if life is None:
        return Heartbeat(owner=owner, beat=beat, failsafe_record=failsafe_record_of(vs, signer))
    return Heartbeat(
        owner=owner,
        beat=f"{beat} {life.beat}",
        failsafe_record=failsafe_record_of(vs, signer),
        limit=life.limit,
        foreign=foreign,
        renewed_at=life.renewed_at,
    )


def beaten(vs: VirtualService, owner: RolloutId, now: float) -> VirtualService:
    """``vs`` with another heartbeat than it had; ``vs`` itself when it is not ``owner``'s."""
    if annotations_of(vs).get(OWNER) != owner:
        return vs
    beat = str(int(now))
    # Two in one second must differ, or the second would change nothing.
    return _annotated(vs, HEARTBEAT, f"{beat}+" if annotations_of(vs).get(HEARTBEAT) == beat else beat)


def with_failsafe_record(
    vs: VirtualService,
    target: Target,
    owner: RolloutId,
    routes: Routes,
    failsafe_record: FailsafeRecord,
    sentence: str,
    signer: Signer = UNSIGNED,
) -> VirtualService:
    """A copy of ``vs`` that says ``routes``, and why the watchdog made it so; ``sentence`` is for its readers.

    Raises:
        Refusal: the managed routes cannot be told, or somebody else mirrors on one of them.
    """
    record: dict[str, Any] = {
        "rollout": owner,
        "at": failsafe_record.at,
        "silence": round(failsafe_record.silence, 1),
        "deed": failsafe_record.action,
        "sentence": sentence,
    }
    if signer.signs:
        record[SIGNATURE] = signer.sign(*about(vs, WATCHDOG), json.dumps(record))
    return _annotated(with_routes(vs, target, routes), WATCHDOG, json.dumps(record))


def failsafe_record_of(vs: VirtualService, signer: Signer = UNSIGNED) -> FailsafeRecord | None:
    """What the watchdog did to the rollout that holds the object.

    None also where it speaks of another one, or where nobody with our key has written it: then the routes themselves
    say what was changed, and that is somebody's edit like any other.
    """
    annotations = annotations_of(vs)
    try:
        record = json.loads(annotations.get(WATCHDOG, "null"))
        if record is None or record["rollout"] != annotations.get(OWNER):
            return None
        signature = record.pop(SIGNATURE, "")
        if signer.judge(signature, *about(vs, WATCHDOG), json.dumps(record)) not in _BELIEVED:
            return None
        at, silence = float(record["at"]), float(record["silence"])
        if not (math.isfinite(at) and math.isfinite(silence) and silence >= 0):
            return None
        return FailsafeRecord(at=at, silence=silence, action=FailsafeAction(record["deed"]))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None


_BELIEVED = frozenset({Signature.VALID, Signature.UNCHECKED})


def _annotated(vs: VirtualService, name: str, value: str) -> VirtualService:
    """Without a deep copy: the rest may be shared, and nobody alters it."""
    return {**vs, "metadata": {**vs["metadata"], "annotations": {**annotations_of(vs), name: value}}}
