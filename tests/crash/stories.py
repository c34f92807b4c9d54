"""The rollouts that are killed: what is configured, what goes wrong, and what the people do, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.catalogue import reviews
from sandbox.kube import bookinfo
from sandbox.sides import Ground

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
        relabel: the other topology: the primary's new pods join the canary's subset.
    """

    name: str
    promoted: bool = True
    aborts_at: str = ""
    stuck: bool = False
    on_halt: str = ""
    relabel: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ground(self) -> Ground:
        """Where it is played."""
        return Ground(primary="reviews", canary="reviews-canary") if self.relabel else Ground()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The cluster before it."""
        return bookinfo.relabel_objects() if self.relabel else bookinfo.objects()

    @property
    def final_subset(self) -> str:
        """Where everyone is in the end."""
        stays = self.relabel or self.changes.get("promote") == "adopt"
        return "v2" if self.promoted and stays else "v1"

    @property
    def upgraded(self) -> bool:
        """Whether the primary ends on the new image."""
        return self.promoted and self.changes.get("promote") != "adopt"

    @property
    def service(self) -> dict[str, Any]:
        """The entry in ``services.yaml``."""
        return reviews(**{**FAST, **self.changes})


STUCK = {"upgrade_timeout": "700ms"}
PROMOTED = {"canary": {"deployment": "reviews-{version}", "when_done": "scale_down", "drain": "0s"}}
RELABEL = {
    "primary": {"deployment": "reviews", "container": "reviews"},
    "canary": {"deployment": "reviews-canary", "when_done": "scale_down", "drain": "0s"},
}

STORIES: Mapping[str, Story] = {
    story.name: story
    for story in (
        Story(name="promote", changes=PROMOTED),
        Story(name="relabel", relabel=True, changes=RELABEL),
        Story(name="abort-relabel", promoted=False, relabel=True, aborts_at="switchback 100", changes=RELABEL),
        Story(name="adopt", changes={"promote": "adopt"}),
        Story(name="abort-mirror", promoted=False, aborts_at="mirror"),
        Story(name="abort-weights", promoted=False, aborts_at="shift 50"),
        Story(name="abort-touched", promoted=False, aborts_at="switchback 50"),
        Story(name="halt-retry", stuck=True, on_halt="retry", changes=STUCK),
        Story(name="halt-abort", promoted=False, stuck=True, on_halt="abort", changes=STUCK),
    )
}
