"""What else goes wrong around a rollout: the world it lives in, the clocks, the files, other bots and their records.

Drawn by dice of their own, so that what ``schedule`` draws stays what it was. ``SHARES`` and ``KINDS`` are the
switches: how many schedules have something, and how often a kind is drawn among the others; 0 turns it off.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.wire import Moment, System
from tests.torture.events import SWEEPS, Event, Held

SHARES: Mapping[str, float] = {
    "kinds": 0.6,  # of schedules have some of what is below
    "autoscalers": 0.25,
    "skew": 0.3,  # Prometheus' clock is not the bot's
    "since_three": 0.5,  # its ranges are those of version 3
    "leaving": 0.3,  # a person wants out at a random moment, whatever is broken then
    "neighbour": 0.15,  # another service of the file shares the VirtualService
    "shield": 0.5,  # users are taken home at low evidence, and the canary is judged on copies
    "webhooks": 0.25,  # the service calls webhooks, which fail, hang and lie
    "several": 0.15,  # two VirtualServices of the service
    "placed": 0.15,  # the VirtualService is in the gateway's namespace
    "parked": 0.15,  # the canary has no pods before
    "two_containers": 0.15,  # both images of a pod are promoted
    "tries": 0.7,  # of those with a neighbour: it is started or aborted
    "crowds": 0.4,  # of those with HPAs: users come or go
    "versions": 0.1,  # a bot of another version writes, or leads
    "clocks": 0.05,  # the wall clock is set, beside those among the kinds
    "broken_file": 0.06,  # services.yaml cannot be read
    "hosts": 0.2,  # each version has a Service of its own, of those that are neither relabelled nor shared
}
SKEWS = (-5.0, -2.0, 2.0, 5.0)
JUMPS = (-3600.0, -60.0, -20.0, 20.0, 90.0, 3600.0)
RIGHTS: Sequence[Sequence[tuple[str, str, str]]] = (
    (("update", "VirtualService", ""),),
    (("get", "VirtualService", ""), ("list", "VirtualService", ""), ("update", "VirtualService", "")),
    (("patch", "Deployment", ""),),
    (("patch", "Deployment", "scale"),),
    (("get", "Deployment", ""), ("list", "Deployment", "")),
    (("list", "Pod", ""),),
    (("list", "ReplicaSet", ""),),
)
SIDES = ("canary", "primary", "both")
OBJECTS = ("VirtualService", "DestinationRule", "canary", "primary", "namespace")

Maker = Callable[[random.Random], Sequence[Event]]


def draw_kinds(dice: random.Random, *, neighbour: bool) -> Sequence[Event]:
    """One to three of them, or none."""
    if dice.random() >= SHARES["kinds"]:
        return ()
    weights = {maker: weight for maker, weight in KINDS.items() if neighbour or maker is not _neighbour}
    makers = dice.choices(list(weights), weights=list(weights.values()), k=dice.randint(1, 3))
    return [event for maker in makers for event in maker(dice)]


def draw_rare(dice: random.Random, *, neighbour: bool, scaled: bool) -> Sequence[Event]:
    """What ``draw_kinds`` draws too seldom, or for nothing: whoever plays a few hundred schedules is to meet it."""
    drawn = {
        "tries": _neighbour if neighbour else None,
        "crowds": _crowds if scaled else None,
        "versions": _versions,
        "clocks": _clocks,
        "broken_file": _broken_file,
    }
    makers = [maker for name, maker in drawn.items() if dice.random() < SHARES[name] and maker is not None]
    return [event for maker in makers for event in maker(dice)]


def draw_leaving(dice: random.Random) -> int | None:
    """The sweep after which a person wants out; None: nobody does."""
    return _at(dice) + 1 if dice.random() < SHARES["leaving"] else None


def _at(dice: random.Random) -> int:
    return min(dice.randint(0, SWEEPS - 1), dice.randint(0, SWEEPS - 1))


def _lasting(what: str, longest: int, **details: Sequence[Any]) -> Maker:
    def make(dice: random.Random) -> Sequence[Event]:
        drawn = {name: dice.choice(values) for name, values in details.items()}
        return [Event(what=what, at=_at(dice), sweeps=dice.randint(1, longest), details=drawn)]

    return make


def _once(what: str, **details: Sequence[Any]) -> Maker:
    def make(dice: random.Random) -> Sequence[Event]:
        drawn = {name: dice.choice(values) for name, values in details.items()}
        return [Event(what=what, at=_at(dice), details=drawn)]

    return make


def _late_write(dice: random.Random) -> Sequence[Event]:
    """A write of the leader hangs, another replica takes over, and then the write lands."""
    at, sweeps = _at(dice), dice.randint(2, 8)
    held = Held(system=System.KUBERNETES, kinds=dice.choice(("update V", "patch D")), moment=Moment.BEFORE)
    hangs = Event(what="hold_write", at=at, sweeps=sweeps, details={"held": held})
    if dice.random() < 0.5:  # half of them without another leader: its own later writes are met as well
        return [hangs]
    return [hangs, Event(what="another_leads", at=at + 1, sweeps=sweeps + dice.randint(0, 3))]


def _versions(dice: random.Random) -> Sequence[Event]:
    """A bot of a newer or an older version beside this one."""
    what = dice.choice(("newer_bot_writes", "older_bot_writes", "newer_bot_leads"))
    return [Event(what=what, at=_at(dice))]


_neighbour = _once("neighbour_tries", action=("start", "abort"))
_crowds = _lasting("users_change", 12, factor=(0.3, 0.5, 2.0, 3.0))
_clocks = _lasting("set_clock", 8, seconds=JUMPS)
_broken_file = _lasting("edit_file", 10, how=("broken",))

KINDS: Mapping[Maker, int] = {
    _crowds: 3,
    _lasting("delete", 6, thing=OBJECTS): 4,
    _lasting("edit_file", 10, how=("left", "renamed")): 3,
    _lasting("withdraw", 10, rights=RIGHTS): 4,
    _once("garble_record", how=("cut", "phase", "empty")): 2,
    _once("garble_annotations", which=("restore", "rollout", "heartbeat", "all")): 2,
    _clocks: 3,
    _lasting(
        "scrape", 15, side=("canary", "primary", "both"), seconds=(0.5, 2.0, 4.0), lost=(0.0, 0.3), late=(False, True)
    ): 5,
    _late_write: 3,
    _once("newer_bot_writes"): 2,
    _neighbour: 2,
}
