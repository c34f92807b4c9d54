"""A pod that ends, restarts or is new is a workload's own; one that never was among its pods decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.controller import observe
from bot.controller.own_pods import KEPT_FOR, OwnPods
from bot.controller.ports import Window
from bot.model.errors import Fault
from bot.model.figures import Figures, Judgement, ScrapeTarget, Verdict
from bot.model.observation import BLIND, UNKNOWN
from bot.model.rollout import Phase, Rollout, RolloutId
from bot.words.rendering import plain
from tests.builders import a_rollout, a_side_of
from tests.fakes.metrics import FakeMetrics


def seen(*pods: str) -> Any:
    return replace(BLIND, canary=replace(UNKNOWN, pods=frozenset(pods)))


def test_a_pod_that_ended_is_known_for_as_long_as_prometheus_may_show_it() -> None:
    pods, rollout = OwnPods(), a_rollout()

    assert pods.after(rollout, seen("old"), 0.0)["reviews-v2"] == {"old"}
    assert pods.after(rollout, seen("new"), 60.0)["reviews-v2"] == {"old", "new"}
    assert pods.after(rollout, seen("new"), KEPT_FOR + 1.0)["reviews-v2"] == {"new"}


def test_what_cannot_be_seen_now_is_what_was_seen() -> None:
    pods, rollout = OwnPods(), a_rollout()
    pods.after(rollout, seen("old"), 0.0)

    assert pods.after(rollout, BLIND, 5.0)["reviews-v2"] == {"old"}


def test_each_rollout_has_its_own_and_an_ended_one_none() -> None:
    pods, rollout = OwnPods(), a_rollout()
    other = replace(rollout, spec=replace(rollout.spec, id=RolloutId("r-2")))
    pods.after(rollout, seen("old"), 0.0)

    assert pods.after(other, BLIND, 1.0)["reviews-v2"] == frozenset()
    pods.after(replace(rollout, phase=Phase.ABORTED), BLIND, 2.0)
    assert pods.after(rollout, BLIND, 3.0)["reviews-v2"] == frozenset()


@dataclass
class Shown(FakeMetrics):
    """Figures with the pods that show them."""

    pods: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        targets = {
            name: frozenset(ScrapeTarget(namespace="default", pod=pod) for pod in pods)
            for name, pods in self.pods.items()
        }
        return {
            name: found if isinstance(found, Fault) else replace(found, targets=targets)
            for name, found in super().read(windows).items()
        }


def test_figures_of_a_pod_that_appears_in_mid_run_abort_nothing() -> None:
    rollout = replace(a_rollout(phase=Phase.SHIFTING, settled_at=900.0), stage=1)
    own = {"reviews-v1": ["reviews-v1-a"], "reviews-v2": ["reviews-v2-b"]}
    sides = {"default/reviews-v1": a_side_of(1000), "default/reviews-v2": a_side_of(1000, errors=900)}
    honest, forged, aside = (
        Shown(sides=sides, pods=own | more)
        for more in (
            {},
            {"reviews-v2": ["reviews-v2-b", "reviews-v2-forger"]},
            {"reviews-v2": ["reviews-v2-b", "forger"]},
        )
    )

    assert Verdict.FAIL in {judgement.verdict for judgement in judged(rollout, honest, own)}
    held = judged(rollout, forged, own)
    assert {judgement.verdict for judgement in held} == {Verdict.ERROR}
    assert all("default/reviews-v2-forger" in plain(judgement.sentence) and judgement.hold for judgement in held)
    # Whoever cannot be one of its pods blinds nobody: what its own pods answer badly is judged, as without them.
    assert Verdict.FAIL in {judgement.verdict for judgement in judged(rollout, aside, own)}


def judged(rollout: Rollout, metrics: Shown, own: Mapping[str, Sequence[str]]) -> list[Judgement]:
    """Each of ten scrape intervals."""
    found = []
    for number in range(1, 11):
        now = 1000.0 + 15.0 * number
        reading = observe.read([rollout], metrics, now)[rollout.spec.id]
        judgement, state = observe.judge(rollout, reading, now, own, own)
        rollout = replace(rollout, analysis_state=state, judgement=judgement)
        found.append(judgement)
    return found
