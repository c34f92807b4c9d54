"""Whose the VirtualService is and what was there before: three annotations, from the first edit to the last.

Together with ``writing`` they make the two edits the rest of the program asks for: ``claim`` and ``release``.

Whoever may edit the object may write any of this, so what was recorded is signed (``bot.model.signing``), for this very
object. It is believed as far as its signature goes, and nothing in it becomes a part of an address unchecked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from typing import Any

from bot.cluster.virtual_service.desired import canary_destination, mirrors_canary, with_routes, without_copies
from bot.cluster.virtual_service.managed import (
    HttpRoute,
    RouteSides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    title,
)
from bot.cluster.virtual_service.reading import read_routes
from bot.model.errors import Refusal, Unreadable
from bot.model.observation import RolloutAnnotations
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes, Target, Topology
from bot.model.signing import UNSIGNED, Signature, Signer
from bot.words.sentence import Code, Sentence, said

OWNER = "canary-bot/rollout"
RESTORE = "canary-bot/restore"
NOBODY = RolloutId("?")  # people read ids in our sentences: nobody else's words are said there
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
HEARTBEAT = "canary-bot/heartbeat"
WATCHDOG = "canary-bot/watchdog"  # written by the watchdog alone, see ``heartbeat_annotation``
ENDED = "canary-bot/ended"  # for the moment between two writes, see ``annotate_ended``
SIGNATURE = "signature"  # a key within what is signed; versions before ignore it

# Of what ``restore`` holds. Readers ignore keys they do not know, so a newer version may add some and be rolled back;
# one that must change what is there raises this, and readers that cannot make sense of it say so.
VERSION = 2
_WITH_SUBSETS = 1  # what every version reads; a target whose versions are hosts needs 2

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
        routes: the managed routes' own fields as they were before the rollout, by ``_names`` of them ("" for an unnamed
            one that an older version recorded).
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
    taking_from: RolloutId | None = None,
    held_before: bool = False,
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
        taking_from: another rollout whose annotation may be overwritten.
        held_before: this rollout held it before, so that copies it sends to the canary are its own, whatever became of
            annotations.
        signer: signs what is recorded.

    Raises:
        Refusal: ambiguous, another rollout's, or the canary already gets copies that we did not begin to send.
    """
    if owner_of(vs) != taking_from:
        refuse_other_owner(vs, owner)
    new = with_routes(vs, target, routes)
    annotations = new["metadata"].setdefault("annotations", {})
    annotations |= {OWNER: owner, HEARTBEAT: str(int(now))}
    if is_whole(vs, owner, signer):
        annotations[RESTORE] = _signed(new, json.loads(annotations[RESTORE]), signer)
    else:
        # A rollout's first write mirrors. Later, copies without annotations are our own, and somebody took the
        # annotations.
        if routes.mirror and not held_before:
            _refuse_copies(vs, target)
        annotations[RESTORE] = _signed(new, _to_restore(_at_home(vs, target), target, recorded, owner), signer)
    return new


def release(vs: VirtualService, target: Target, routes: Routes, signer: Signer = UNSIGNED) -> VirtualService:
    """A copy of ``vs`` without any trace of us that says ``routes`` for good.

    Each route comes back as it was recorded, field for field (a weight that was not written, a canary entry that was
    not there). Where that does not say ``routes``, as after a promotion by relabelling or in a route that somebody
    added, the weights are set on top.
    """
    original = _unmarked(_restored(vs, target, signer))
    return original if read_routes(original, target) == routes else with_routes(original, target, routes)


def remove_annotations(vs: VirtualService, owner: RolloutId) -> VirtualService:
    """A copy of ``vs`` without our annotations; ``vs`` itself when they are not ``owner``'s. Routes are not read."""
    return _unmarked(vs) if owner_of(vs) == owner else vs


def annotate_ended(vs: VirtualService, owner: RolloutId) -> VirtualService:
    """A copy of ``vs`` that is another object to whoever read it before; see ``remove_ended``."""
    return {**vs, "metadata": {**vs["metadata"], "annotations": {**_annotations(vs), ENDED: owner}}}


def remove_ended(vs: VirtualService) -> VirtualService:
    """``annotate_ended`` undone; ``vs`` itself where it is undone already."""
    annotations = {key: value for key, value in _annotations(vs).items() if key != ENDED}
    if annotations == _annotations(vs):
        return vs
    metadata = {key: value for key, value in vs["metadata"].items() if key != "annotations"}
    return {**vs, "metadata": metadata | ({"annotations": annotations} if annotations else {})}


def refuse_other_owner(vs: VirtualService, owner: RolloutId) -> None:
    """Refuse an object that another rollout holds."""
    if owner_of(vs) not in {None, owner}:
        raise Refusal(said("cluster.held_by_another", name=title(vs), owner=str(owner_of(vs))))


def owner_of(vs: VirtualService) -> RolloutId | None:
    """The rollout that holds the object; ``NOBODY`` where what stands there is no rollout's id."""
    owner = _annotations(vs).get(OWNER)
    if not owner:
        return None
    return RolloutId(owner) if _ID.fullmatch(owner) else NOBODY


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


def is_claimed(vs: VirtualService, target: Target, routes: Routes, owner: RolloutId, signer: Signer = UNSIGNED) -> bool:
    """Whether ``claim`` has nothing to write: the object is this rollout's, whole and signed, and says these routes."""
    return (
        owner_of(vs) == owner
        and is_whole(vs, signer=signer)
        and is_signed(vs, signer)
        and read_routes(vs, target) == routes
    )


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


def _unreadable(vs: VirtualService, text: str) -> Sentence:
    try:
        version = int(json.loads(text)["version"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        version = 0
    if version > VERSION:
        return said(
            "cluster.newer_annotation", annotation=Code(RESTORE), name=title(vs), theirs=str(version), ours=VERSION
        )
    return said("cluster.damaged_annotation", annotation=Code(RESTORE), name=title(vs))


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
        why = said(
            "cluster.unsigned_annotation" if missing else "cluster.missigned_annotation",
            annotation=Code(RESTORE),
            name=title(vs),
        )
        raise Unreadable("Kubernetes", why)
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
        raise Refusal(said("cluster.mirrored_already", name=title(vs), subset=str(sides.canary)))


def _at_home(vs: VirtualService, target: Target) -> VirtualService:
    """The object as it was before a rollout: a rollout begins at home, so anything else is its own doing."""
    return vs if read_routes(vs, target) == HOME else with_routes(vs, target, HOME)


def _to_restore(vs: VirtualService, target: Target, recorded: PodTemplate, owner: RolloutId) -> dict[str, Any]:
    managed = managed_routes(vs, target)
    own = {
        name: {field: route[field] for field in _RECORDED_FIELDS if field in route}
        for name, route in zip(_names(managed), managed, strict=True)
    }
    primary = {"images": dict(recorded.images), "labels": dict(recorded.labels)}
    version = VERSION if target.topology is Topology.HOSTS else _WITH_SUBSETS
    return {"version": version, "rollout": owner, "target": asdict(target), "routes": own, "primary": primary}


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
        "siblings": tuple(map(_object_name, saved.get("siblings", ()))),
    }
    for names, shape in (((*_OBJECTS, *_DEPLOYMENTS), _OBJECT_NAME), _sides_of(exact["topology"])):
        exact |= {name: _shaped(saved[name], shape) for name in names}
    exact |= {name: _whole_number(saved[name]) for name in _NUMBERS if name in saved}
    exact |= {name: _text(saved[name]) for name in ("primary_uid", "canary_uid") if name in saved}
    exact["mirror_percent"] = _percent(saved["mirror_percent"])
    known = {one.name for one in fields(Target)}
    exact = {"primary_subset": "", "canary_subset": "", **exact}
    return Target(**{key: value for key, value in exact.items() if key in known})


_NUMBERS = ("primary_replicas", "canary_replicas", "primary_minimum", "canary_port")


def _sides_of(topology: Topology) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """What tells the canary from the primary, and what it looks like."""
    return (
        (("canary_host",), _OBJECT_NAME)
        if topology is Topology.HOSTS
        else (("primary_subset", "canary_subset"), _SUBSET)
    )


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


def _object_name(value: object) -> str:
    space, slash, name = _text(value).partition("/")
    return f"{_shaped(space, _OBJECT_NAME)}{slash}{_shaped(name, _OBJECT_NAME)}"


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
    managed = managed_routes(new, target)
    recorded = restore.routes if restore else {}
    for name, route in zip(_names(managed), managed, strict=True):
        without_copies(route, sides)
        original = recorded.get(name, recorded.get("") if len(managed) == 1 else None)
        if original is not None and _same_but_weights(route["route"], original["route"], sides):
            _put_back(route, original)
    return new


def _names(routes: Sequence[HttpRoute]) -> list[str]:
    """A name for each route that holds while others are inserted or moved: its own, or what it matches.

    What stands the same in several gets a number: of two routes with one match Istio only ever uses the first.
    """
    names = [str(route.get("name") or f"match {_compact(route.get('match') or [])}") for route in routes]
    before = [names[:index].count(name) for index, name in enumerate(names)]
    return [f"{name} #{earlier + 1}" if earlier else name for name, earlier in zip(names, before, strict=True)]


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
