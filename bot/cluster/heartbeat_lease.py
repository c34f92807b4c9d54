"""Signs of life: a Lease of its own for each VirtualService that a rollout holds, in the same namespace. Pure.

A beat that changed the VirtualService would make istiod push it to every proxy wherever one of the object's labels or
annotations has ``istio.io`` in its name. A Lease means nothing to istiod.

Inside is whose rollout it is, which bot beats for it, and how many seconds of silence that bot may be given. Only
whether a beat changes anything is compared, never a clock. The watchdog takes the Lease over before it writes routes,
which changes no beat: so a second watchdog goes on counting the same silence.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.cluster.objects import Object, annotations_of
from bot.model.rollout import RolloutId

API_VERSION = "coordination.k8s.io/v1"
OWNER = "canary-bot/rollout"
STORE = "canary-bot/store"  # which bot: those with the same store are one
BEATS = "canary-bot/beats"
BOT, WATCHDOG = "canary-bot", "canary-bot-watchdog"
# Where the watchdogs of a namespace say that they watch. No VirtualService has a Lease of that name: theirs has a dash.
WATCHING = "canary-bot.watchdog"

LONGEST_NAME = 253
LONGEST_LEASE = 2**31 - 1  # seconds
MOST_TRANSITIONS = 2**31 - 1  # an int32: what is greater the API server cannot read
_COUNT = re.compile(r"[0-9]{1,18}")
_MANAGED = {"app.kubernetes.io/managed-by": "canary-bot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What a Lease says.

    Attributes:
        beat: changes with every beat; only whether it does means anything.
        holder: who has it: the bot, or a watchdog that is about to write routes.
        store: the store that the bot works with, as a name that means nothing else.
        limit: seconds of silence the bot may be given; 0.0 where it does not say.
        renewed_at: when it beat last, by its own clock; None where it does not say.
    """

    owner: RolloutId
    beat: str
    holder: str
    store: str
    limit: float
    renewed_at: float | None


def name_for(virtual_service: str) -> str:
    """The Lease of a VirtualService. A name of 253 characters is cut, and told from others that begin so."""
    name = f"canary-bot-{virtual_service}"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9].rstrip('-.')}-{zlib.crc32(name.encode()):08x}"


def read(lease: Object | None, owner: RolloutId) -> Life | None:
    """What the Lease says about ``owner``'s rollout; None where it is another's, or there is none."""
    if lease is None or annotations_of(lease).get(OWNER) != owner:
        return None
    spec = lease.get("spec") or {}
    renewed = str(spec.get("renewTime", ""))
    return Life(
        owner=owner,
        beat=f"{annotations_of(lease).get(BEATS, '')}@{renewed}",
        holder=str(spec.get("holderIdentity", "")),
        store=annotations_of(lease).get(STORE, ""),
        limit=_limit(spec),
        renewed_at=_seconds(renewed),
    )


def beaten(  # all of it is inside
    lease: Object | None, vs: Object, owner: RolloutId, store: str, limit: float, now: float
) -> Object:
    """The Lease after one more beat; with ``lease`` None the first."""
    before = lease or _new(vs)
    count = int(number) if _COUNT.fullmatch(number := annotations_of(before).get(BEATS, "")) else 0
    annotations = {**annotations_of(before), OWNER: owner, STORE: store, BEATS: str(count + 1)}
    metadata = {**before["metadata"], "annotations": annotations, "labels": _MANAGED, **_owned_by(vs)}
    spec = _held(before, BOT, now) | {"renewTime": _time(now)} | _lasting(limit)
    return {**before, "metadata": metadata, "spec": spec}


def is_held(lease: Object | None, owner: RolloutId, store: str) -> bool:
    """Whether the Lease is in the hands of ``owner``'s bot, and nobody has taken it from them."""
    life = read(lease, owner)
    return life is not None and (life.holder, life.store) == (BOT, store)


def taken(lease: Object, now: float) -> Object:
    """The Lease in the watchdog's hands. Its beat stays as it was, and yet it is another object."""
    spec = _held(lease, WATCHDOG, now)
    spec["leaseTransitions"] = _transitions(lease.get("spec") or {}, more=1)
    return {**lease, "spec": spec}


def watching(lease: Object | None, namespace: str, limit: float, now: float) -> Object:
    """The Lease by which the watchdogs of a namespace say that they watch, and what their limit is."""
    metadata = {"name": WATCHING, "namespace": namespace, "labels": _MANAGED}
    before = lease or {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata}
    return {**before, "spec": _held(before, WATCHDOG, now) | {"renewTime": _time(now)} | _lasting(limit)}


def watched(lease: Object) -> tuple[float, float | None]:
    """The watchdogs' limit in seconds, and when one said so last, by its own clock."""
    spec = lease.get("spec") or {}
    return _limit(spec), _seconds(str(spec.get("renewTime", "")))


def _new(vs: Object) -> Object:
    metadata = {"name": name_for(vs["metadata"]["name"]), "namespace": vs["metadata"]["namespace"]}
    return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata}


def _owned_by(vs: Object) -> Object:
    """Deleted with its VirtualService, by the cluster itself."""
    uid = vs["metadata"].get("uid")
    if not uid:
        return {}
    owner = {"apiVersion": vs["apiVersion"], "kind": vs["kind"], "name": vs["metadata"]["name"], "uid": uid}
    return {"ownerReferences": [owner]}


def _held(lease: Object, holder: str, now: float) -> Object:
    spec: Object = dict(lease.get("spec") or {})
    if spec.get("holderIdentity") == holder:
        return spec
    changes = _transitions(spec, more=1 if "holderIdentity" in spec else 0)
    return spec | {"holderIdentity": holder, "acquireTime": _time(now), "leaseTransitions": changes}


def _transitions(spec: Object, *, more: int) -> int:
    """After the greatest number comes 0 again: each taking over has to change the Lease."""
    return (int(spec.get("leaseTransitions") or 0) + more) % (MOST_TRANSITIONS + 1)


def _lasting(limit: float) -> Object:
    return {"leaseDurationSeconds": math.ceil(limit)} if limit > 0 else {}


def _time(at: float) -> str:
    """As the field's own type has it: with microseconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(time: str) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _limit(spec: Object) -> float:
    """Seconds of ``leaseDurationSeconds``, an int32; 0 where it does not say."""
    return float(min(spec.get("leaseDurationSeconds") or 0, LONGEST_LEASE))
