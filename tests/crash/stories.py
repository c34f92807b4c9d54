"""The rollouts that are killed: what is configured, what goes wrong, and what the people do, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.catalogue import WEBHOOKS, listed, reviews
from sandbox.kube import bookinfo
from sandbox.sides import HOSTS, Ground
from sandbox.wire import Moment, System
from tests.crash.upsets import Upset, beside
from tests.torture.events import Held
from tests.torture.further_events import RIGHTS

# Demo speeds, but shorter. A stage lasts long enough that the harness can act in it.
FAST: dict[str, Any] = {
    "mirror": {"percent": 100, "methods": "all", "for": "150ms"},
    "weights": [50, 100],
    "stage": {"for": "150ms", "approve": "each"},
    "switchback": [50, 100],
    "bake": "150ms",
    "gates": {"errors": {"ceiling": "5%"}, "latency": False, "minimum_requests": 5, "warm_up": "20ms"},
    "upgrade_timeout": "20s",
    "hold_patience": "5m",
    "prometheus": {"scrape_interval": "100ms", "read_delay": "0s"},  # the stand-in's scrapes take no time
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One way a rollout may go.

    Attributes:
        aborts_at: where a person aborts.
        stuck: the upgraded primary's pods never become ready, until somebody acts on the halt.
        on_halt: what a person says then.
        promoted: how it must end.
        apart: each version has a Service of its own, and routes name those.
        placed: the VirtualService is in the gateway's namespace.
        several: callers inside the mesh come by a VirtualService of their own, which is moved with the other.
        parked: the canary has no pods until the rollout gives it some.
        two_containers: and the images of both are promoted.
        relabel: the other topology: the primary's new pods join the canary's subset.
        upset: what goes wrong around it besides.
        shared: another service of the file has the same VirtualService.
        abandoned: it ends that way, and neither promoted nor aborted.
        scalers: what the HPAs of both sides say; empty: there are none.
        rolled_back: it is promoted first, and the story is how it is rolled back.
    """

    name: str
    promoted: bool = True
    upset: Upset | None = None
    shared: bool = False
    abandoned: bool = False
    scalers: Mapping[str, Any] = field(default_factory=dict)
    rolled_back: bool = False
    aborts_at: str = ""
    stuck: bool = False
    on_halt: str = ""
    relabel: bool = False
    apart: bool = False
    placed: bool = False
    several: bool = False
    parked: bool = False
    two_containers: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ground(self) -> Ground:
        """Where it is played."""
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
        objects = beside(objects) if self.shared else objects
        objects = bookinfo.with_callers_inside(objects) if self.several else objects
        objects = bookinfo.placed(objects) if self.placed else objects
        objects = bookinfo.parked(objects, self.ground.canary) if self.parked else objects
        objects = bookinfo.of_two_containers(objects) if self.two_containers else objects
        names = (self.ground.primary, self.ground.canary) if self.scalers else ()
        return [*objects, *(bookinfo.autoscaler(name, **self.scalers) for name in names)]

    @property
    def speaks_in(self) -> str:
        """The stage in which a person ends it."""
        return (self.upset.says_in or self.upset.at) if self.upset and self.upset.says else self.aborts_at

    @property
    def says(self) -> str:
        """What that person says."""
        return self.upset.says if self.upset else "abort reviews bad"

    @property
    def end(self) -> str:
        """The phase in which it must end."""
        return "abandoned" if self.abandoned else "promoted" if self.promoted else "aborted"

    @property
    def final_subset(self) -> str:
        """Where everyone is in the end."""
        stays = self.relabel or self.changes.get("promote") == "adopt"
        return self.ground.canary_subset if self.promoted and stays else self.ground.primary_subset

    @property
    def upgraded(self) -> bool:
        """Whether the primary ends on the new image."""
        return self.promoted and not self.rolled_back and self.changes.get("promote") != "adopt"

    @property
    def paths(self) -> list[str]:
        """Where its webhooks end up."""
        return [one["url"].removeprefix(WEBHOOKS) for one in self.changes.get("webhooks", ())]

    @property
    def service(self) -> dict[str, Any]:
        """The entry in ``services.yaml``."""
        return listed(reviews(**{**FAST, **self.changes})) if self.several else reviews(**{**FAST, **self.changes})


STUCK = {"upgrade_timeout": "700ms"}
PROMOTED = {"canary": {"deployment": "reviews-{version}", "when_done": "scale_down", "drain": "0s"}}
RELABEL = {
    "primary": {"deployment": "reviews", "container": "reviews"},
    "canary": {"deployment": "reviews-canary", "when_done": "scale_down", "drain": "0s"},
}


def called(*moments: str) -> list[dict[str, Any]]:
    """A webhook for each of these moments."""
    names = ((moment.replace("_", "-"), moment) for moment in moments)
    return [{"name": name, "url": f"{WEBHOOKS}/{name}", "when": moment, "timeout": "20s"} for name, moment in names]


CALLED = {
    "weights": [100],
    "switchback": [100],
    "webhooks": called("before_start", "before_users", "stage", "before_upgrade", "promoted", "end"),
}
WHOLE = {
    "virtual_service": "istio-system/reviews",
    "primary": {"deployment": "reviews-v1", "containers": ["reviews", "migrate"]},
    "canary": {"deployment": "reviews-{version}", "scale": True, "drain": "0s"},
    "weights": [100],
    "switchback": [100],
}
CALLED_HOME = {"promote": "adopt", "webhooks": called("abort", "end")}

SHORT_HOSTS: dict[str, Any] = {"weights": [100], "switchback": [100]}
PLACED = {**SHORT_HOSTS, "virtual_service": "istio-system/reviews"}

STORIES: dict[str, Story] = {
    story.name: story
    for story in (
        Story(name="promote", changes=PROMOTED),
        Story(name="relabel", relabel=True, changes=RELABEL),
        Story(name="abort-relabel", promoted=False, relabel=True, aborts_at="switchback 100", changes=RELABEL),
        Story(name="hosts", apart=True, changes=SHORT_HOSTS),
        Story(name="abort-hosts", promoted=False, apart=True, aborts_at="switchback 100", changes=SHORT_HOSTS),
        Story(name="several", several=True, changes=SHORT_HOSTS),
        Story(name="abort-several", promoted=False, several=True, placed=True, aborts_at="shift 100", changes=PLACED),
        Story(name="webhooks", changes=CALLED),
        Story(name="whole", placed=True, parked=True, two_containers=True, changes=WHOLE),
        Story(
            name="abort-whole",
            promoted=False,
            placed=True,
            parked=True,
            two_containers=True,
            aborts_at="switchback 100",
            changes=WHOLE,
        ),
        Story(name="abort-webhooks", promoted=False, aborts_at="shift 50", changes=CALLED_HOME),
        Story(name="adopt", changes={"promote": "adopt"}),
        Story(name="abort-mirror", promoted=False, aborts_at="mirror"),
        Story(name="abort-weights", promoted=False, aborts_at="shift 50"),
        Story(name="abort-touched", promoted=False, aborts_at="switchback 50"),
        Story(name="halt-retry", stuck=True, on_halt="retry", changes=STUCK),
        Story(name="rollback", rolled_back=True, changes={"weights": [100], "switchback": [100]}),
        Story(name="halt-abort", promoted=False, stuck=True, on_halt="abort", changes=STUCK),
    )
}

# Short: the canary is adopted, or a person ends it before.
SHORT: dict[str, Any] = {"promote": "adopt"}
HALF = "shift 50"
ABORT = "abort reviews bad"
LATE = Held(system=System.KUBERNETES, kinds="update V", moment=Moment.BEFORE)
SCALERS = {"least": 1, "most": 4, "stable_seconds": 0}
SLOW = {"side": "both", "seconds": 0.08, "lost": 0.3, "late": True}
REFUSED = {"command": "start reviews-b v2", "answer": "annotations of rollout"}
DELAYED = {"prometheus": {"scrape_interval": "100ms", "read_delay": "300ms"}}  # as scrapes that take time need it


def _upset(name: str, what: str, *, promoted: bool = False, **more: Any) -> Story:
    notified = {key: more.pop(key) for key in ("details", "says", "says_in", "heals_in") if key in more}
    changes = SHORT | more.pop("changes", {})
    upset = Upset(what=what, at=more.pop("at", HALF), **notified)
    return Story(name=name, upset=upset, promoted=promoted, changes=changes, **more)


UPSET: Mapping[str, Story] = {
    story.name: story
    for story in (
        _upset("autoscaler", "fewer_users", promoted=True, heals_in="shift 100", scalers=SCALERS),
        _upset("taken-home", "canary_fails", details={"share": 0.3}),
        _upset(
            "returned",
            "canary_fails",
            details={"share": 0.3},
            promoted=True,
            heals_in="copies 50",
        ),
        _upset("deleted", "delete", details={"thing": "VirtualService"}, says="abandon reviews", abandoned=True),
        _upset("made-again", "delete_for_a_moment", details={"thing": "VirtualService"}, says=ABORT),
        _upset("no-rule", "delete", details={"thing": "DestinationRule"}, says=ABORT),
        _upset("no-canary", "delete", details={"thing": "canary"}),
        _upset("left-the-file", "edit_file", details={"how": "left"}, says=ABORT),
        _upset("forbidden", "withdraw", details={"rights": RIGHTS[0]}, says=ABORT, heals_in="return"),
        _upset("garbled", "garble_record", details={"how": "cut"}, says=ABORT),
        _upset("newer-bot", "newer_bot_leads", says=ABORT),
        _upset("older-bot", "older_bot_writes", promoted=True),
        _upset("skewed", "set_prometheus_clock", details={"seconds": 0.2}, promoted=True, changes=DELAYED),
        _upset("slow-scrapes", "scrape", details=SLOW, promoted=True, changes=DELAYED),
        _upset("neighbour", "try_in_vain", details=REFUSED, says=ABORT, shared=True),
        _upset("late-write", "hold_write", at="mirror", details={"held": LATE}, says=ABORT, says_in=HALF),
    )
}
STORIES |= UPSET
