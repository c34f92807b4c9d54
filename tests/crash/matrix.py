"""Which requests the bot makes in which stage of which story: each is a place to die, before it and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sandbox.wire import Moment
from tests.crash.world import BEAT, FIRST_BEAT, LAST_BEAT, LEASE_BEAT, ROUTE, Trap

SAVE = "EVAL"  # a script of the store's: the rollout, its story and its notifications, at once
FILE = "SADD"  # what the index needs before a save: whose rollouts and whose notifications there are
LOAD = "GET"
OBSERVE = "get VirtualService"  # the read that a write of routes is built on
READ, PATCH = "get Deployment", "patch Deployment"
SCALE = "patch Deployment/scale"
JUDGE = "query"
RIGHTS = "create SelfSubjectAccessReview"  # asked before a start, and of all services once a minute
SAY, SHOW = "chat.postMessage", "chat.update"
IN_STAGE = "POST /stage"  # a webhook that is called in each of them
TICK_OFF, NOTE_TRY, NOTE_CARD = "XDEL", "HSET tries", "HSET"

ROUTED = (SAVE, FILE, LOAD, OBSERVE, ROUTE)
JUDGED = (*ROUTED, JUDGE)
NOTIFIED = (SAY, SHOW, TICK_OFF)
RELEASED = (SAVE, FILE, LAST_BEAT, OBSERVE, ROUTE)

Stages = Mapping[str, tuple[str, ...]]

# A quick abort may be over before its first card is posted: there is no update of it then.
HOME: Stages = {
    "return": (SAVE, FILE, OBSERVE, ROUTE, SAY, TICK_OFF),
    "finish (aborting)": (SAVE, LAST_BEAT, OBSERVE, ROUTE),
}
RESTORED: Stages = {"restore": (SAVE, FILE, LOAD, READ, PATCH, *NOTIFIED), **HOME}

# Something else goes wrong as well: of each kind one short story, from where it began to the end.
HALF = "shift 50"
WENT_HOME: Stages = {"return": (SAVE, OBSERVE, ROUTE), "finish (aborting)": (SAVE, ROUTE)}
UPSET: Stages = {HALF: (LOAD,), **WENT_HOME}
LIVED_ON: Stages = {HALF: (LOAD, JUDGE), "shift 100": (SAVE, ROUTE), "finish": (SAVE, ROUTE)}

MATRIX: Mapping[str, Stages] = {
    "promote": {
        "preflight": ("list Deployment", "list Pod", RIGHTS, JUDGE, FILE),
        "mirror": (*JUDGED, BEAT, FIRST_BEAT, LEASE_BEAT, NOTE_TRY, NOTE_CARD, *NOTIFIED),
        "shift 50": (*JUDGED, *NOTIFIED),
        "shift 100": (*JUDGED, *NOTIFIED),
        "upgrade": (SAVE, FILE, LOAD, READ, PATCH, *NOTIFIED),
        "switchback 50": (*JUDGED, *NOTIFIED),
        "switchback 100": (*JUDGED, *NOTIFIED),
        "bake": (SAVE, FILE, LOAD, JUDGE, *NOTIFIED),
        "finish": (*RELEASED, READ, SCALE, *NOTIFIED),
    },
    "adopt": {"bake": (SAVE, JUDGE), "finish": (*RELEASED, *NOTIFIED)},
    "relabel": {
        "upgrade": (SAVE, READ, PATCH, SAY),
        "switchback 100": (SAVE, JUDGE, SAY),
        "bake": (SAVE, JUDGE),
        "finish": (*RELEASED, READ, SCALE, SAY),
    },
    "hosts": {
        "mirror": (SAVE, OBSERVE, ROUTE),
        "shift 100": (SAVE, OBSERVE, ROUTE),
        "upgrade": (SAVE, READ, PATCH),
        "switchback 100": (SAVE, OBSERVE, ROUTE),
        "finish": (SAVE, OBSERVE, ROUTE),
    },
    "abort-hosts": {"restore": (SAVE, PATCH), **WENT_HOME},
    # Two objects are written in each of these: whoever dies after a write dies between them.
    "several": {
        "mirror": (SAVE, OBSERVE, ROUTE, FIRST_BEAT),
        "shift 100": (SAVE, OBSERVE, ROUTE),
        "upgrade": (SAVE, READ, PATCH),
        "switchback 100": (SAVE, OBSERVE, ROUTE),
        "finish": (SAVE, LAST_BEAT, OBSERVE, ROUTE),
    },
    "abort-several": {
        "return": (SAVE, OBSERVE, ROUTE),
        "finish (aborting)": (SAVE, LAST_BEAT, OBSERVE, ROUTE),
    },
    "webhooks": {
        "mirror": ("POST /before-start", IN_STAGE, "POST /before-users"),
        "shift 100": (IN_STAGE, "POST /before-upgrade"),
        "upgrade": (IN_STAGE,),
        "switchback 100": (IN_STAGE,),
        "bake": (IN_STAGE,),
        "finish": ("POST /promoted", "POST /end"),
    },
    "abort-webhooks": {"finish (aborting)": ("POST /abort", "POST /end")},
    "whole": {
        "mirror": (SAVE, READ, SCALE, OBSERVE, ROUTE),
        "upgrade": (SAVE, READ, PATCH),
        "switchback 100": (SAVE, OBSERVE, ROUTE),
        "finish": (*RELEASED, READ, SCALE),
    },
    "abort-whole": {
        "restore": (SAVE, PATCH),
        "return": (SAVE, OBSERVE, ROUTE),
        "finish (aborting)": (SAVE, LAST_BEAT, OBSERVE, ROUTE, READ, SCALE),
    },
    "abort-mirror": HOME,
    "abort-weights": HOME,
    "abort-touched": {**RESTORED, "restore": (SAVE, LOAD, OBSERVE, ROUTE, READ, PATCH, *NOTIFIED)},
    "abort-relabel": RESTORED,
    "halt-retry": {"halted": (SAVE, FILE, LOAD, *NOTIFIED), "upgrade again": (SAVE, FILE, LOAD, *NOTIFIED)},
    "halt-abort": RESTORED,
    "rollback": {
        "preflight": (FILE,),
        "shift 100": (SAVE, OBSERVE, ROUTE),
        "upgrade": (SAVE, LOAD, READ, PATCH),
        "switchback 100": (SAVE, OBSERVE, ROUTE),
        "bake": (SAVE,),
        "finish": (SAVE, OBSERVE, ROUTE),
    },
    "taken-home": {"copies 50": (SAVE, FILE, LOAD, OBSERVE, ROUTE, JUDGE), **WENT_HOME},
    "returned": {
        "copies 50": (SAVE, LOAD, OBSERVE, ROUTE, JUDGE),
        "shift 50 again": (SAVE, LOAD, OBSERVE, ROUTE, JUDGE),
        "shift 100 again": (SAVE, OBSERVE, ROUTE),
        "finish": (SAVE, ROUTE),
    },
    "autoscaler": LIVED_ON,
    "deleted": {HALF: (LOAD,), "abandoned": (SAVE, LAST_BEAT, SAY)},
    "made-again": UPSET,
    "no-rule": UPSET,
    "no-canary": WENT_HOME,  # the bot goes home at the next reconcile, which may read nothing first
    "left-the-file": UPSET,
    "forbidden": UPSET,
    "garbled": UPSET,
    "newer-bot": UPSET,
    "older-bot": LIVED_ON,
    "skewed": LIVED_ON,
    "slow-scrapes": LIVED_ON,
    "neighbour": {HALF: (LOAD, RIGHTS), **WENT_HOME},  # theirs, before it is refused
    "late-write": WENT_HOME,
}


def traps(story: str, stage: str) -> Iterator[Trap]:
    """Every place to die in this stage."""
    for kind in MATRIX[story][stage]:
        for moment in Moment:
            yield Trap(stage=stage, kind=kind, moment=moment)


def cells() -> int:
    """How many there are."""
    return sum(len(list(traps(story, stage))) for story, stages in MATRIX.items() for stage in stages)
