"""Whether somebody looks after the object's rollout, and what the watchdog did when nobody did: two annotations.

Renewing the heartbeat touches that annotation and nothing else. A rescue writes routes, and says when and why beside
the marks, which stay: whoever comes back needs them to end the rollout.
"""

from __future__ import annotations

import json
from typing import Any

from bot.adapters.routes.managed import VirtualService
from bot.adapters.routes.marks import HEARTBEAT, OWNER, WATCHDOG
from bot.adapters.routes.writing import write_routes
from bot.controller.ports import Pulse
from bot.rollout.deadman import told
from bot.rollout.model import RolloutId, Routes, Target
from bot.rollout.sights import Deed, Rescue


def pulse_of(vs: VirtualService) -> Pulse | None:
    """The heartbeat as it is; None when no rollout holds the object."""
    annotations = _annotations(vs)
    owner = annotations.get(OWNER)
    if not owner:
        return None
    return Pulse(owner=RolloutId(owner), beat=annotations.get(HEARTBEAT, ""), rescue=rescue_of(vs))


def beaten(vs: VirtualService, owner: RolloutId, now: float) -> VirtualService:
    """``vs`` with a new heartbeat; ``vs`` itself when it is not ``owner``'s."""
    if _annotations(vs).get(OWNER) != owner:
        return vs
    return _annotated(vs, HEARTBEAT, str(int(now)))


def rescued(vs: VirtualService, target: Target, owner: RolloutId, routes: Routes, rescue: Rescue) -> VirtualService:
    """A copy of ``vs`` that says ``routes``, and why the watchdog made it so.

    Raises:
        Refusal: the managed routes cannot be told, or somebody else mirrors on one of them.
    """
    said = {
        "rollout": owner,
        "at": rescue.at,
        "silence": round(rescue.silence, 1),
        "deed": rescue.deed,
        "sentence": told(rescue, target),  # for whoever reads the object
    }
    return _annotated(write_routes(vs, target, routes), WATCHDOG, json.dumps(said))


def rescue_of(vs: VirtualService) -> Rescue | None:
    """What the watchdog did to the rollout that holds the object; None also where it speaks of another one."""
    annotations = _annotations(vs)
    try:
        said = json.loads(annotations.get(WATCHDOG, "null"))
        if said is None or said["rollout"] != annotations.get(OWNER):
            return None
        return Rescue(at=float(said["at"]), silence=float(said["silence"]), deed=Deed(said["deed"]))
    except (ValueError, TypeError, KeyError):
        return None  # not the watchdog's hand: the routes themselves say what was changed


def _annotated(vs: VirtualService, name: str, value: str) -> VirtualService:
    """Without a deep copy: the rest may be shared, and nobody alters it."""
    return {**vs, "metadata": {**vs["metadata"], "annotations": {**_annotations(vs), name: value}}}


def _annotations(vs: VirtualService) -> dict[str, Any]:
    return vs["metadata"].get("annotations") or {}
