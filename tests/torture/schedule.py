"""What goes wrong, and what people do, drawn from a seed: the same seed is the same schedule."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.model.signing import UNSIGNED, Signer
from sandbox.catalogue import listed
from sandbox.figures import Mood
from sandbox.kube import bookinfo
from sandbox.sides import HOSTS, Ground
from sandbox.wire import Moment, System, Trouble
from tests.torture.callees import Callee, draw_callees
from tests.torture.events import SWEEPS, Event, Noise
from tests.torture.further_events import SHARES, SKEWS, draw_kinds, draw_leaving, draw_rare

REFUSALS = (409, 422, 429, 500, 503)

# Drawn more often than once where a fault is what the product is most likely to meet.
WEIGHTS = {"upgrade": 3, "adopt": 1}

SIGNING_KEY = "a key of the fault schedules and of no bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One seed, spelled out."""

    seed: int
    service: Mapping[str, Any]
    relabel: bool
    apart: bool = False  # each version has a Service of its own, and routes name those
    events: tuple[Event, ...]
    scalers: Mapping[str, Any] = field(default_factory=dict)  # what the HPAs of both sides say; empty: there are none
    skew: float = 0.0  # seconds by which Prometheus' clock is ahead of the bot's
    closed: bool = True  # its ranges are those of version 2
    leaving: int | None = None  # the sweep after which a person wants out, whatever is broken then
    neighbour: bool = False  # another service of the file shares the VirtualService
    signed: bool = False  # the bot and its watchdog have a key
    callees: tuple[Callee, ...] = ()  # its webhooks
    placed: bool = False  # the VirtualService is in the gateway's namespace
    several: bool = False  # callers inside the mesh come by one of their own, which is moved with it
    parked: bool = False  # the canary has no pods until a rollout gives it some
    two_containers: bool = False  # and the images of both are promoted

    @property
    def signer(self) -> Signer:
        """What signs, where anything does."""
        return Signer(keys=(SIGNING_KEY.encode(),)) if self.signed else UNSIGNED

    @property
    def ground(self) -> Ground:
        """Where it happens."""
        if self.apart:
            return HOSTS
        ground = Ground(primary="reviews", canary="reviews-canary") if self.relabel else Ground()
        ground = replace(ground, siblings=(bookinfo.INSIDE,)) if self.several else ground
        return replace(ground, routes_in="istio-system") if self.placed else ground

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The cluster before it."""
        shaped = bookinfo.hosts_objects if self.apart else bookinfo.objects
        objects = bookinfo.relabel_objects() if self.relabel else shaped()
        objects = bookinfo.with_callers_inside(objects) if self.several else objects
        objects = bookinfo.placed(objects) if self.placed else objects
        objects = bookinfo.parked(objects, self.ground.canary) if self.parked else objects
        objects = bookinfo.of_two_containers(objects) if self.two_containers else objects
        names = (self.ground.primary, self.ground.canary) if self.scalers else ()
        return [*objects, *(bookinfo.autoscaler(name, **self.scalers) for name in names)]

    def has(self, *what: str) -> bool:
        """Whether any of these events is in it."""
        return any(event.what in what for event in self.events)

    def __str__(self) -> str:
        notified = {
            "apart": self.apart,
            "placed": self.placed,
            "several": self.several,
            "parked": self.parked,
            "two_containers": self.two_containers,
            "scalers": self.scalers,
            "skew": self.skew,
            "closed": self.closed,
            "leaving": self.leaving,
        }
        several = [*map(str, self.callees), *map(str, self.events)]
        return "\n".join([f"seed {self.seed}: {dict(self.service)}", str(notified), *several])


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    dice = random.Random(seed)  # noqa: S311  # no secret: the same schedule for the same seed
    relabel = dice.random() < 0.25
    makers = dice.choices(list(MAKERS), weights=list(MAKERS.values()), k=dice.randint(1, 7))
    events = [make(dice) for make in makers]
    callees = random.Random(f"webhooks {seed}")  # noqa: S311  # as below
    more = random.Random(f"more {seed}")  # noqa: S311  # as above; dice of their own, so that the rest stays as it was
    neighbour = not relabel and more.random() < SHARES["neighbour"]
    apart = not relabel and not neighbour and random.Random(f"hosts {seed}").random() < SHARES["hosts"]  # noqa: S311
    whole = random.Random(f"whole {seed}")  # noqa: S311  # as above
    placed = not apart and not neighbour and whole.random() < SHARES["placed"]
    parked, two_containers = whole.random() < SHARES["parked"], whole.random() < SHARES["two_containers"]
    events += draw_kinds(more, neighbour=neighbour)
    scalers = _scalers(more) if more.random() < SHARES["autoscalers"] else {}
    rare = random.Random(f"rare {seed}")  # noqa: S311  # as above
    events += draw_rare(rare, neighbour=neighbour, scaled=bool(scalers))
    service = _service(dice, relabel=relabel)
    service |= {"virtual_service": "istio-system/reviews"} if placed else {}
    beside = random.Random(f"several {seed}").random()  # noqa: S311  # as above
    several = not apart and not neighbour and beside < SHARES["several"]
    service = listed(service) if several else service
    service["canary"] |= {"scale": True} if parked else {}
    shield = random.Random(f"shield {seed}").random() < SHARES["shield"]  # noqa: S311  # as above
    service["gates"] |= {"judge": {"shield": shield}}
    if two_containers:
        service["primary"] = {"deployment": service["primary"]["deployment"], "containers": ["reviews", "migrate"]}
    return Schedule(
        seed=seed,
        service=service,
        placed=placed,
        several=several,
        parked=parked,
        two_containers=two_containers,
        relabel=relabel,
        apart=apart,
        events=tuple(sorted(events, key=lambda event: event.at)),
        scalers=scalers,
        skew=more.choice(SKEWS) if more.random() < SHARES["skew"] else 0.0,
        closed=more.random() >= SHARES["since_three"],
        leaving=draw_leaving(more),
        neighbour=neighbour,
        callees=draw_callees(callees) if callees.random() < SHARES["webhooks"] else (),
    )


def _scalers(dice: random.Random) -> dict[str, Any]:
    return {"least": dice.choice((1, 2)), "most": dice.choice((2, 4)), "stable_seconds": dice.choice((15, 60, 300))}


def _service(dice: random.Random, *, relabel: bool) -> dict[str, Any]:
    promote = "upgrade" if relabel else dice.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
    done = dice.choice(("keep", "scale_down"))
    approve = dice.choice(([], ["mirror", "upgrade", "switchback"], "each"))
    canary = "reviews-canary" if relabel else "reviews-{version}"
    return {
        "namespace": "default",
        "virtual_service": "reviews",
        "destination_rule": "reviews",
        "primary": {"deployment": "reviews" if relabel else "reviews-v1", "container": "reviews"},
        "canary": {"deployment": canary, "when_done": done},
        "mirror": {"methods": dice.choice((["GET", "HEAD"], "all")), "for": "10s"},
        "weights": dice.choice(([100], [50, 100], [20, 60, 100])),
        "stage": {"for": "10s", "approve": approve},
        "switchback": dice.choice(([100], [50, 100])),
        "bake": dice.choice(("0s", "15s")),
        "promote": promote,
        "gates": {"errors": {"ceiling": "5%"}, "latency": False, "minimum_requests": 50, "warm_up": "5s"},
        "prometheus": {"scrape_interval": "5s"},
        "approvals": {"timeout": dice.choice(("60s", "30m")), "on_timeout": dice.choice(("hold", "abort"))},
        "upgrade_timeout": "60s",
        "hold_patience": "60s",
    }


# What may happen


def _at(dice: random.Random) -> int:
    """Early events meet every schedule, late ones only those that are still under way."""
    return min(dice.randint(0, SWEEPS - 1), dice.randint(0, SWEEPS - 1))


def _when(dice: random.Random, longest: int = 8) -> dict[str, Any]:
    return {"at": _at(dice), "sweeps": dice.randint(1, longest)}


def _kube_refuses(dice: random.Random) -> Event:
    verb = dice.choice(("update ", "patch ", "get ", ""))
    noise = Noise(
        system=System.KUBERNETES,
        kinds=verb,
        moment=Moment.BEFORE,
        trouble=Trouble(status=dice.choice(REFUSALS)),
        share=dice.choice((0.3, 0.7, 1.0)),
    )
    return Event(what="noise", **_when(dice), details={"noise": noise})


def _kube_loses_answers(dice: random.Random) -> Event:
    noise = Noise(
        system=System.KUBERNETES,
        kinds=dice.choice(("update ", "patch ", "")),
        moment=dice.choice(tuple(Moment)),
        trouble=dice.choice((Trouble(cut=True), Trouble(cut=True), Trouble(status=500))),
        share=dice.choice((0.3, 0.7, 1.0)),
    )
    return Event(what="noise", **_when(dice), details={"noise": noise})


def _kube_is_late(dice: random.Random) -> Event:
    """The writes of a sweep are answered after a moment, or nobody waits for their answers."""
    noise = Noise(
        system=System.KUBERNETES,
        kinds=dice.choice(("update ", "patch ")),
        moment=dice.choice(tuple(Moment)),
        trouble=dice.choice((Trouble(seconds=0.01), Trouble(given_up=True))),
        share=1.0,
    )
    return Event(what="noise", at=_at(dice), sweeps=1, details={"noise": noise})


def _redis_is_down(dice: random.Random) -> Event:
    noise = Noise(system=System.REDIS, kinds="", moment=Moment.BEFORE, trouble=Trouble(cut=True), share=1.0)
    return Event(what="noise", **_when(dice, 6), details={"noise": noise})


def _redis_loses_answers(dice: random.Random) -> Event:
    kinds, moment = dice.choice(("EVAL", "XDEL", "HSET", "")), dice.choice(tuple(Moment))
    share = dice.choice((0.2, 0.6))
    noise = Noise(system=System.REDIS, kinds=kinds, moment=moment, trouble=Trouble(cut=True), share=share)
    return Event(what="noise", **_when(dice), details={"noise": noise})


def _slack_fails(dice: random.Random) -> Event:
    trouble = dice.choice((Trouble(status=429), Trouble(status=500), Trouble(cut=True)))
    share = dice.choice((0.4, 1.0))
    noise = Noise(system=System.SLACK, kinds="chat.", moment=Moment.BEFORE, trouble=trouble, share=share)
    return Event(what="noise", **_when(dice, 12), details={"noise": noise})


def _slack_is_ambiguous(dice: random.Random) -> Event:
    noise = Noise(system=System.SLACK, kinds="chat.", moment=Moment.AFTER, trouble=Trouble(cut=True), share=0.5)
    return Event(what="noise", **_when(dice, 3), details={"noise": noise})


def _prometheus_is(dice: random.Random) -> Event:
    mood = dice.choice([mood for mood in Mood if mood not in {Mood.WELL, Mood.FORGED}])
    return Event(what="mood", **_when(dice, 12), details={"mood": mood})


def _lasting(what: str, longest: int = 10) -> Callable[[random.Random], Event]:
    return lambda dice: Event(what=what, **_when(dice, longest))


def _once(what: str) -> Callable[[random.Random], Event]:
    return lambda dice: Event(what=what, at=_at(dice))


def _edit(dice: random.Random) -> Event:
    how = dice.choice(("weights", "mirror", "timeout", "annotations", "home"))
    return Event(what="edit", at=_at(dice), details={"how": how, "share": dice.choice((0, 30, 100))})


def _failover(dice: random.Random) -> Event:
    return Event(what="failover", at=_at(dice), details={"lost": dice.randint(1, 2)})


MAKERS: Mapping[Callable[[random.Random], Event], int] = {
    _kube_refuses: 4,
    _kube_loses_answers: 4,
    _kube_is_late: 1,
    _redis_is_down: 2,
    _redis_loses_answers: 2,
    _once("wipe"): 1,
    _failover: 2,
    _slack_fails: 2,
    _slack_is_ambiguous: 2,
    _prometheus_is: 5,
    _once("counters_restart"): 1,
    _lasting("canary_fails_requests"): 3,
    _lasting("canary_crashes"): 5,
    _lasting("primary_crashes", 4): 3,
    _lasting("canary_is_unready"): 3,
    _lasting("primary_is_unready", 6): 2,
    _lasting("upgrade_hangs", 20): 4,
    _edit: 4,
    _once("edit_image"): 1,
    _once("restart_bot"): 3,
    _lasting("bot_away", 25): 3,
    _lasting("another_leads"): 2,
    _once("abort"): 3,
    _lasting("pause"): 1,
    _once("click_again"): 2,
    _once("click_late"): 2,
    _lasting("nobody_answers", 20): 2,
}
