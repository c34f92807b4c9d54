"""Whose the VirtualService is and what was there before: three annotations, from the first edit to the last.

Together with ``writing`` they make the two edits the rest of the program asks for: ``claim`` and ``release``.

Whoever may edit the object may write any of this, so what was recorded is signed (``bot.model.signing``), for this very
object. It is believed as far as its signature goes, and nothing in it becomes a part of an address unchecked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from typing import Any

from bot.cluster.routes.managed import (
    HttpRoute,
    RouteSides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    title,
)
from bot.cluster.routes.reading import read_routes
from bot.cluster.routes.writing import canary_destination, mirrors_canary, with_routes
from bot.model.errors import Refusal, Unreadable
from bot.model.observation import RolloutAnnotations
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes, Target, Topology
from bot.model.signing import UNSIGNED, Signature, Signer

OWNER = "canary-bot/rollout"
RESTORE = "canary-bot/restore"
HEARTBEAT = "canary-bot/heartbeat"
WATCHDOG = "canary-bot/watchdog"  # written by the watchdog alone, see ``heartbeat``
ENDED = "canary-bot/ended"  # for the moment between two writes, see ``closed``
SIGNATURE = "signature"  # a key within what is signed; versions before ignore it

# Of what ``restore`` holds. Readers ignore keys they do not know, so a newer version may add some and be rolled back;
# one that must change what is there raises this, and readers that cannot make sense of it say so.
VERSION = 1

_RECORDED_FIELDS = ("route", "mirror", "mirrorPercentage")  # of a managed route: all that we may change

# Names of objects become a part of an API path, and subsets of a query; RFC 1123 has neither slashes nor double dots.
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_SUBSET = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_OBJECTS = ("namespace", "host", "virtual_service", "virtual_service_namespace", "destination_rule")
_DEPLOYMENTS = ("primary_deployment", "canary_deployment")
LONGEST_NAME = 253
EVERYTHING = 100  # percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What ``canary-bot/restore`` remembers: enough to abort with no other state.

    Attributes:
        routes: the managed routes' own fields as they were before the rollout, by route name ("" for an unnamed one).
        recorded: the primary's template as it was.
        owner: the rollout that recorded it; "" where an older version did.
    """

    target: Target
    routes: Mapping[str, dict[str, Any]]
    recorded: PodTemplate
    owner: str = ""


def claim(  # all of it is written
    vs: VirtualService,
    target: Target,
    routes: Routes,
    *,
    owner: RolloutId,
    recorded: PodTemplate,
    now: float,
    over: RolloutId | None = None,
    again: bool = False,
    signer: Signer = UNSIGNED,
) -> VirtualService:
    """A copy of ``vs`` that says ``routes`` and belongs to ``owner``; the first time, what was there is recorded.

    Args:
        vs: the live object.
        target: where in it.
        routes: what it will say.
        owner: the rollout it belongs to then.
        recorded: the primary's template as it was.
        now: for the heartbeat.
        over: another rollout whose annotation may be overwritten.
        again: this rollout held it before, so that copies it sends to the canary are its own, whatever became of
            annotations.
        signer: signs what is recorded.

    Raises:
        Refusal: ambiguous, another rollout's, or the canary already gets copies that we did not begin to send.
    """
    if owner_of(vs) != over:
        refuse_other_owner(vs, owner)
    new = with_routes(vs, target, routes)
    annotations = new["metadata"].setdefault("annotations", {})
    annotations |= {OWNER: owner, HEARTBEAT: str(int(now))}
    if is_whole(vs, owner, signer):
        annotations[RESTORE] = _signed(new, json.loads(annotations[RESTORE]), signer)
    else:
        # A rollout's first write mirrors. Later, copies without annotations are our own, and somebody took the
        # annotations.
        if routes.mirror and not again:
            _refuse_copies(vs, target)
        annotations[RESTORE] = _signed(new, _to_restore(_at_home(vs, target), target, recorded, owner), signer)
    return new


def release(vs: VirtualService, target: Target, routes: Routes, signer: Signer = UNSIGNED) -> VirtualService:
    """A copy of ``vs`` without any trace of us that says ``routes`` for good.

    Where the recorded original says the same, it comes back field for field (a weight that was not written, a canary
    entry that was not there); where it does not, as after a promotion by relabelling, only the weights are set.
    """
    original = _unmarked(_restored(vs, target, signer))
    return original if read_routes(original, target) == routes else _unmarked(with_routes(vs, target, routes))


def unmark(vs: VirtualService, owner: RolloutId) -> VirtualService:
    """A copy of ``vs`` without our annotations; ``vs`` itself when they are not ``owner``'s. Routes are not read."""
    return _unmarked(vs) if owner_of(vs) == owner else vs


def closed(vs: VirtualService, owner: RolloutId) -> VirtualService:
    """A copy of ``vs`` that is another object to whoever read it before; see ``unclosed``."""
    return {**vs, "metadata": {**vs["metadata"], "annotations": {**_annotations(vs), ENDED: owner}}}


def unclosed(vs: VirtualService) -> VirtualService:
    """``closed`` undone; ``vs`` itself where it is undone already."""
    annotations = {key: value for key, value in _annotations(vs).items() if key != ENDED}
    if annotations == _annotations(vs):
        return vs
    metadata = {key: value for key, value in vs["metadata"].items() if key != "annotations"}
    return {**vs, "metadata": metadata | ({"annotations": annotations} if annotations else {})}


def refuse_other_owner(vs: VirtualService, owner: RolloutId) -> None:
    """Refuse an object that another rollout holds."""
    if owner_of(vs) not in {None, owner}:
        raise Refusal(f"{title(vs)} belongs to rollout {owner_of(vs)}. Finish or abort that one first.")


def owner_of(vs: VirtualService) -> RolloutId | None:
    """The rollout that holds the object."""
    owner = _annotations(vs).get(OWNER)
    return RolloutId(owner) if owner else None


def is_whole(vs: VirtualService, owner: RolloutId | None = None, signer: Signer = UNSIGNED) -> bool:
    """Whether what was recorded before the first edit is there, can be read, and is not signed by somebody else.

    On an object that nobody holds, only what ``owner`` itself recorded counts: anything else is left from another time.
    What is not signed at all counts for a rollout whose record we have: a version without a key may have written it.
    """
    restore = _readable(vs, signer)
    return restore is not None and (owner_of(vs) is not None or restore.owner in {"", owner})


def is_signed(vs: VirtualService, signer: Signer) -> bool:
    """Whether nothing is left to sign: we did, or have no key."""
    return signature_of(vs, signer) in {Signature.VALID, Signature.UNCHECKED}


def signature_of(vs: VirtualService, signer: Signer) -> Signature:
    """Who recorded what was there before, as far as a signature tells."""
    saved = _json_object(_annotations(vs).get(RESTORE, ""))
    return signer.judge(saved.pop(SIGNATURE, ""), *about(vs, RESTORE), _compact(saved))


def _readable(vs: VirtualService, signer: Signer = UNSIGNED) -> Restore | None:
    try:
        return None if signature_of(vs, signer) is Signature.WRONG else read_restore(vs)
    except Refusal:
        return None


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
        recorded = PodTemplate(images=_texts(saved["primary"]["images"]), labels=_texts(saved["primary"]["labels"]))
        owner = str(saved.get("rollout", ""))
        return Restore(target=_target(saved["target"]), routes=_fields_of(saved), recorded=recorded, owner=owner)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refusal(_unreadable(vs, text)) from error


def _unreadable(vs: VirtualService, text: str) -> str:
    try:
        version = int(json.loads(text)["version"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        version = 0
    if version > VERSION:
        return (
            f"The annotation {RESTORE} of {title(vs)} was written by a newer canary-bot (version {version}; this one "
            f"reads {VERSION}): run the newer one again, or put the routes right by hand."
        )
    return f"The annotation {RESTORE} of {title(vs)} is damaged: put the routes right by hand."


def _fields_of(saved: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    """The managed routes as they were, each with at least its destinations."""
    routes: Mapping[str, dict[str, Any]] = saved["routes"]
    if any(not isinstance(fields["route"], list) for fields in routes.values()):
        raise TypeError("a route without destinations was never one of ours")
    return routes


def rollout_annotations_of(vs: VirtualService, signer: Signer = UNSIGNED) -> RolloutAnnotations | None:
    """Who holds the object and what is needed to bring users home; None when nobody does.

    Raises:
        Unreadable: the annotations are damaged, a newer version's, or not signed with a key of ours.
    """
    owner = owner_of(vs)
    if owner is not None and RESTORE in _annotations(vs) and not is_signed(vs, signer):
        missing = signature_of(vs, signer) is Signature.MISSING
        how = "is not signed" if missing else "is not what this bot has signed"
        raise Unreadable(
            "Kubernetes",
            f"The annotation {RESTORE} of {title(vs)} {how}, so it is not believed: somebody else wrote it, or the "
            "CANARY_SIGNING_KEY is another one than it was then.",
        )
    try:
        restore = read_restore(vs)
    except Refusal as damaged:
        raise Unreadable("Kubernetes", damaged.sentence) from damaged
    if owner is None or restore is None:
        return None
    return RolloutAnnotations(owner=owner, target=restore.target, recorded=restore.recorded, recorded_by=restore.owner)


def managed_part(vs: VirtualService, target: Target) -> object:
    """All that we would overwrite, to tell a rival's edit from an unrelated one. Compare with ``==``."""
    own = [{field: route.get(field) for field in _RECORDED_FIELDS} for route in managed_routes(vs, target)]
    inserted = [route for route in vs["spec"]["http"] if is_inserted(route)]
    return own, inserted, owner_of(vs)


def _refuse_copies(vs: VirtualService, target: Target) -> None:
    sides = RouteSides.of(vs, target)
    if any(mirrors_canary(route, sides) for route in managed_routes(vs, target)):
        raise Refusal(f"{title(vs)} already mirrors to {sides.canary}. Remove that mirror first.")


def _at_home(vs: VirtualService, target: Target) -> VirtualService:
    """The object as it was before a rollout: a rollout begins at home, so anything else is its own doing."""
    return vs if read_routes(vs, target) == HOME else with_routes(vs, target, HOME)


def _to_restore(vs: VirtualService, target: Target, recorded: PodTemplate, owner: RolloutId) -> dict[str, Any]:
    own = {
        route.get("name", ""): {field: route[field] for field in _RECORDED_FIELDS if field in route}
        for route in managed_routes(vs, target)
    }
    primary = {"images": dict(recorded.images), "labels": dict(recorded.labels)}
    return {"version": VERSION, "rollout": owner, "target": asdict(target), "routes": own, "primary": primary}


def _signed(vs: VirtualService, saved: dict[str, Any], signer: Signer) -> str:
    """What is recorded as the annotation's text, signed for this very object."""
    unsigned = {key: value for key, value in saved.items() if key != SIGNATURE}
    signature = signer.sign(*about(vs, RESTORE), _compact(unsigned))
    return _compact(unsigned | ({SIGNATURE: signature} if signature else {}))


def about(vs: VirtualService, annotation: str) -> tuple[str, ...]:
    """What a signature of an annotation is about: it is worth nothing on another object, or on one made again."""
    metadata = vs["metadata"]
    where = (str(metadata.get(key, "")) for key in ("namespace", "name", "uid"))
    return (annotation, *where, str(owner_of(vs) or ""))


def _compact(saved: object) -> str:
    return json.dumps(saved, separators=(",", ":"))


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _target(saved: dict[str, Any]) -> Target:
    """Keys that a newer version has added are none of ours.

    Raises:
        ValueError, TypeError: something in it is not what its API would take.
    """
    methods = saved["mirror_methods"]
    exact: dict[str, Any] = {
        "topology": Topology(saved["topology"]),
        "route_names": tuple(map(_text, saved["route_names"])),
        "mirror_methods": None if methods is None else tuple(map(_text, methods)),
    }
    for names, shape in (((*_OBJECTS, *_DEPLOYMENTS), _OBJECT_NAME), (("primary_subset", "canary_subset"), _SUBSET)):
        exact |= {name: _shaped(saved[name], shape) for name in names}
    exact |= {name: _whole_number(saved[name]) for name in _NUMBERS if name in saved}
    exact |= {name: _text(saved[name]) for name in ("primary_uid", "canary_uid") if name in saved}
    exact["mirror_percent"] = _percent(saved["mirror_percent"])
    known = {one.name for one in fields(Target)}
    return Target(**{key: value for key, value in exact.items() if key in known})


_NUMBERS = ("primary_replicas", "canary_replicas", "primary_minimum")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return {_text(name): _text(one) for name, one in value.items()}


def _shaped(value: object, shape: re.Pattern[str]) -> str:
    text = _text(value)
    if len(text) > LONGEST_NAME or not shape.fullmatch(text):
        raise ValueError("not a name")
    return text


def _whole_number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a number of pods")
    return value


def _percent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= EVERYTHING:
        raise ValueError("not a share")
    return float(value)


def _restored(vs: VirtualService, target: Target, signer: Signer) -> VirtualService:
    """``vs`` without our inserted routes, and with the recorded fields where nobody edited them meanwhile."""
    new = deepcopy(vs)
    sides = RouteSides.of(new, target)
    new["spec"]["http"] = foreign_http(new)
    restore = _readable(vs, signer)  # where it is damaged, only the weights are known
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


def _same_but_weights(live: list[dict[str, Any]], recorded: list[dict[str, Any]], sides: RouteSides) -> bool:
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
    for name in (OWNER, RESTORE, HEARTBEAT, WATCHDOG, ENDED):
        annotations.pop(name, None)
    if not annotations:
        new["metadata"].pop("annotations", None)
    return new


def _annotations(vs: VirtualService) -> dict[str, str]:
    return vs["metadata"].get("annotations") or {}
