"""The edits we make to a VirtualService, as pure functions from raw object to raw object; nothing here knows a cluster.

The raw JSON is edited, never a typed model, so that every field we have never heard of survives. What we touch, and
nothing besides:

- ``weight``, ``mirror`` and ``mirrorPercentage`` of the *managed* routes, which send users to the primary's subset, and
  one entry of their ``mirrors`` where somebody else mirrors there too;
- routes of our own, named ``canarybot-mirror-N``, while only some methods are mirrored;
- annotations ``canary-bot/*``, from which an abort works when all other state is lost. They go when the rollout ends.

An object in which the managed routes cannot be told for sure is refused (``Refusal``) before anything is edited.

Read in this order: ``managed`` (which routes are ours), ``reading`` (what they say), ``desired`` (making them say
something else), ``annotations`` (whose the object is, and what was there before), ``heartbeat_annotation`` (whether
anybody looks after it).
"""

from bot.cluster.virtual_service.annotations import (
    HEARTBEAT,
    OWNER,
    RESTORE,
    WATCHDOG,
    Restore,
    annotate_ended,
    claim,
    is_claimed,
    is_signed,
    is_whole,
    managed_part,
    owner_of,
    read_restore,
    refuse_other_owner,
    release,
    remove_annotations,
    remove_ended,
    rollout_annotations_of,
)
from bot.cluster.virtual_service.desired import copied_percent, fingerprint, is_about_copies, with_routes
from bot.cluster.virtual_service.heartbeat_annotation import (
    beaten,
    failsafe_record_of,
    heartbeat_of,
    with_failsafe_record,
)
from bot.cluster.virtual_service.managed import (
    INSERTED,
    STREAMS,
    HttpRoute,
    LeftOut,
    RouteSides,
    VirtualService,
    is_inserted,
    label_of,
    left_out,
    managed_routes,
    reached,
    reaches_primary,
    title,
    without_subset,
)
from bot.cluster.virtual_service.reading import in_words, read_routes

__all__ = [
    "HEARTBEAT",
    "INSERTED",
    "OWNER",
    "RESTORE",
    "STREAMS",
    "WATCHDOG",
    "HttpRoute",
    "LeftOut",
    "Restore",
    "RouteSides",
    "VirtualService",
    "annotate_ended",
    "beaten",
    "claim",
    "copied_percent",
    "failsafe_record_of",
    "fingerprint",
    "heartbeat_of",
    "in_words",
    "is_about_copies",
    "is_claimed",
    "is_inserted",
    "is_signed",
    "is_whole",
    "label_of",
    "left_out",
    "managed_part",
    "managed_routes",
    "owner_of",
    "reached",
    "reaches_primary",
    "read_restore",
    "read_routes",
    "refuse_other_owner",
    "release",
    "remove_annotations",
    "remove_ended",
    "rollout_annotations_of",
    "title",
    "with_failsafe_record",
    "with_routes",
    "without_subset",
]
