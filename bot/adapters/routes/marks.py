"""Whose the VirtualService is and what was there before: three annotations, from the first edit to the last.

Together with ``writing`` they make the two edits the rest of the program asks for: ``take`` and ``leave``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

from bot.adapters.routes.managed import (
    HttpRoute,
    Sides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    title,
)
from bot.adapters.routes.meaning import read_routes
from bot.adapters.routes.writing import canary_destination, mirrors_canary, write_routes
from bot.controller.ports import Marks
from bot.rollout.errors import Fault, Refusal
from bot.rollout.model import HOME, PodTemplate, RolloutId, Routes, Target, Topology

OWNER = "canary-bot/rollout"
RESTORE = "canary-bot/restore"
HEARTBEAT = "canary-bot/heartbeat"
WATCHDOG = "canary-bot/watchdog"  # written by the watchdog alone, see ``pulse``

_RECORDED_FIELDS = ("route", "mirror", "mirrorPercentage")  # of a managed route: all that we may change


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What ``canary-bot/restore`` remembers: enough to abort with no other state.

    Attributes:
        routes: the managed routes' own fields as they were before the rollout, by route name ("" for an unnamed one).
        recorded: the primary's template as it was.
    """

    target: Target
    routes: Mapping[str, dict[str, Any]]
    recorded: PodTemplate


def take(  # all of it is written
    vs: VirtualService,
    target: Target,
    routes: Routes,
    *,
    owner: RolloutId,
    recorded: PodTemplate,
    now: float,
    over: RolloutId | None = None,
    again: bool = False,
) -> VirtualService:
    """A copy of ``vs`` that says ``routes`` and belongs to ``owner``; the first time, what was there is recorded.

    Args:
        vs: the live object.
        target: where in it.
        routes: what it will say.
        owner: the rollout it belongs to then.
        recorded: the primary's template as it was.
        now: for the heartbeat.
        over: another rollout whose mark may be overwritten.
        again: this rollout held it before, so that copies it sends to the canary are its own, whatever became of marks.

    Raises:
        Refusal: ambiguous, another rollout's, or the canary already gets copies that we did not begin to send.
    """
    if owner_of(vs) != over:
        refuse_other_owner(vs, owner)
    new = write_routes(vs, target, routes)
    annotations = new["metadata"].setdefault("annotations", {})
    annotations |= {OWNER: owner, HEARTBEAT: str(int(now))}
    if not is_whole(vs):
        # A rollout's first write mirrors. Later, copies without marks are our own, and somebody took the marks.
        if routes.mirror and not again:
            _refuse_copies(vs, target)
        annotations[RESTORE] = _restore_text(_at_home(vs, target), target, recorded)
    return new


def leave(vs: VirtualService, target: Target, routes: Routes) -> VirtualService:
    """A copy of ``vs`` without any trace of us that says ``routes`` for good.

    Where the recorded original says the same, it comes back field for field (a weight that was not written, a canary
    entry that was not there); where it does not, as after a promotion by relabelling, only the weights are set.
    """
    original = _unmarked(_restored(vs, target))
    return original if read_routes(original, target) == routes else _unmarked(write_routes(vs, target, routes))


def unmark(vs: VirtualService, owner: RolloutId) -> VirtualService:
    """A copy of ``vs`` without our annotations; ``vs`` itself when they are not ``owner``'s. Routes are not read."""
    return _unmarked(vs) if owner_of(vs) == owner else vs


def refuse_other_owner(vs: VirtualService, owner: RolloutId) -> None:
    """Refuse an object that another rollout holds."""
    if owner_of(vs) not in {None, owner}:
        raise Refusal(f"{title(vs)} belongs to rollout {owner_of(vs)}. Finish or abort that one first.")


def owner_of(vs: VirtualService) -> RolloutId | None:
    """The rollout that holds the object."""
    owner = _annotations(vs).get(OWNER)
    return RolloutId(owner) if owner else None


def is_whole(vs: VirtualService) -> bool:
    """Whether what was recorded before the first edit is there and can be read."""
    try:
        return read_restore(vs) is not None
    except Refusal:
        return False


def read_restore(vs: VirtualService) -> Restore | None:
    """What was recorded before the first edit; None when nothing was.

    Raises:
        Refusal: the annotation is not one that we wrote.
    """
    text = _annotations(vs).get(RESTORE)
    if text is None:
        return None
    try:
        saved = json.loads(text)
        recorded = PodTemplate(images=saved["primary"]["images"], labels=saved["primary"]["labels"])
        return Restore(target=_target(saved["target"]), routes=saved["routes"], recorded=recorded)
    except (ValueError, TypeError, KeyError) as error:
        raise Refusal(f"The annotation {RESTORE} of {title(vs)} is damaged: put the routes right by hand.") from error


def marks_of(vs: VirtualService) -> Marks | None:
    """Who holds the object and what is needed to bring users home; None when nobody does.

    Raises:
        Fault: the marks are damaged.
    """
    owner = owner_of(vs)
    try:
        restore = read_restore(vs)
    except Refusal as damaged:
        raise Fault("Kubernetes", damaged.sentence) from damaged
    if owner is None or restore is None:
        return None
    return Marks(owner=owner, target=restore.target, recorded=restore.recorded)


def managed_part(vs: VirtualService, target: Target) -> object:
    """All that we would overwrite, to tell a rival's edit from an unrelated one. Compare with ``==``."""
    own = [{field: route.get(field) for field in _RECORDED_FIELDS} for route in managed_routes(vs, target)]
    inserted = [route for route in vs["spec"]["http"] if is_inserted(route)]
    return own, inserted, owner_of(vs)


def _refuse_copies(vs: VirtualService, target: Target) -> None:
    sides = Sides.of(vs, target)
    if any(mirrors_canary(route, sides) for route in managed_routes(vs, target)):
        raise Refusal(f"{title(vs)} already mirrors to {sides.canary}. Remove that mirror first.")


def _at_home(vs: VirtualService, target: Target) -> VirtualService:
    """The object as it was before a rollout: a rollout begins at home, so anything else is its own doing."""
    return vs if read_routes(vs, target) == HOME else write_routes(vs, target, HOME)


def _restore_text(vs: VirtualService, target: Target, recorded: PodTemplate) -> str:
    own = {
        route.get("name", ""): {field: route[field] for field in _RECORDED_FIELDS if field in route}
        for route in managed_routes(vs, target)
    }
    primary = {"images": dict(recorded.images), "labels": dict(recorded.labels)}
    return json.dumps({"target": asdict(target), "routes": own, "primary": primary}, separators=(",", ":"))


def _target(saved: Mapping[str, Any]) -> Target:
    methods = saved["mirror_methods"]
    exact = {
        "topology": Topology(saved["topology"]),
        "route_names": tuple(saved["route_names"]),
        "mirror_methods": None if methods is None else tuple(methods),
    }
    return Target(**{**saved, **exact})


def _restored(vs: VirtualService, target: Target) -> VirtualService:
    """``vs`` without our inserted routes, and with the recorded fields where nobody edited them meanwhile."""
    new = deepcopy(vs)
    sides = Sides.of(new, target)
    new["spec"]["http"] = foreign_http(new)
    restore = read_restore(vs)
    for route in managed_routes(new, target):
        original = restore.routes.get(route.get("name", "")) if restore else None
        if original is not None and _same_but_weights(route["route"], original["route"], sides):
            _put_back(route, original)
    return new


def _put_back(route: HttpRoute, original: Mapping[str, Any]) -> None:
    for field in _RECORDED_FIELDS:
        if field in original:
            route[field] = deepcopy(original[field])
        else:
            route.pop(field, None)


def _same_but_weights(live: list[dict[str, Any]], recorded: list[dict[str, Any]], sides: Sides) -> bool:
    """Whether the destinations are the recorded ones, but for weights and a canary entry that we added ourselves."""
    before = _without_weights(recorded)
    primary = sides.entry({"route": recorded}, sides.primary)
    after = [*before, {"destination": canary_destination(primary, sides)}] if primary else before
    return _without_weights(live) in (before, after)


def _without_weights(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "weight"} for entry in entries]


def _unmarked(vs: VirtualService) -> VirtualService:
    new = deepcopy(vs)
    annotations = _annotations(new)
    for name in (OWNER, RESTORE, HEARTBEAT, WATCHDOG):
        annotations.pop(name, None)
    if not annotations:
        new["metadata"].pop("annotations", None)
    return new


def _annotations(vs: VirtualService) -> dict[str, str]:
    return vs["metadata"].get("annotations") or {}
