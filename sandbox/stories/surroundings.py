"""Nothing is wrong with anybody, and the world around a rollout moves on: releases follow each other, HPAs do their
job, and files are edited.
"""

from __future__ import annotations

import threading
import time

from sandbox.catalogue import reviews
from sandbox.kube.objects import Object
from sandbox.people import CHANNEL, OMAR, Approver, cards
from sandbox.recorder import Recorder, routes_of
from sandbox.slack.model import Message
from sandbox.stories.checks import (
    REACTION,
    check_mirror,
    check_no_errors,
    check_over,
    check_restored,
    check_shares,
    check_upgraded_before_users,
    last_on_canary,
    live_service,
    start,
    wait_for_words,
    wait_routes,
)
from sandbox.story import Timeline
from sandbox.world import World

RATINGS = reviews(
    virtual_service="ratings",
    destination_rule="ratings",
    primary={"deployment": "ratings-v1", "container": "ratings"},
    canary={"deployment": "ratings-{version}"},
)
WEIGHTS = [20, 40, 60, 80, 100]


def second_release(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v1 to v2, then the primary, which is v2 by now, to v3: what the first left behind is in nobody's way."""
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "v2 is promoted")
        check_mirror(timeline, recorder, world)
        check_shares(timeline, recorder, WEIGHTS)
        check_upgraded_before_users(timeline, recorder, world)
        before, between = live_service(world), time.monotonic()
        with Recorder(world, canary_subset="v3") as second:
            start(world, timeline, "v3")
            wait_for_words(world, "v3 is promoted")
            check_mirror(timeline, second, world, old="v2")
            check_shares(timeline, second, WEIGHTS, version="v3")
            check_upgraded_before_users(timeline, second, world, version="v3")
    check_restored(timeline, world, before)
    check_no_errors(timeline, world)
    count = len(cards(world.slack.workspace))
    timeline.check(f"{count} cards in the channel, one for each release", ok=count == 2)  # noqa: PLR2004  # releases
    elsewhere = world.ledger.by_workload(between).get("reviews-v2", 0)
    timeline.check(f"{elsewhere} users met the first release's canary in the second release", ok=elsewhere == 0)


def autoscaler(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """The primary's HPA scales it in while the upgrade waits for approval, the canary's in the bake: promoted."""
    before = live_service(world)
    shrunk = threading.Event()

    def may_approve(_card: Message) -> bool:
        """At 100 % only once the primary has shrunk: so long do people think about it."""
        if shrunk.is_set() or routes_of(live_service(world), "v2") != (100, False):
            return True
        if pods(world, "reviews-v1") == (1, 1):
            timeline.say("cluster", "the HPA has scaled reviews-v1 in to one pod while the question waits")
            shrunk.set()
        return shrunk.is_set()

    with Approver(world.slack, when=may_approve):
        start(world, timeline)
        wait_routes(world, 100)
        wait_for_words(world, "is promoted")
    most = pods_at_most(world, "reviews-v1")
    timeline.check(f"HPA scaled reviews-v1 in while the question waited, of {most} pods", ok=shrunk.is_set())
    left = pods(world, "reviews-v2")[0]
    timeline.check(f"HPA scaled reviews-v2 in to {left} pod in the bake", ok=left == 1)
    aborts = [m for m in world.slack.workspace.messages(CHANNEL) if "Aborted at" in m.text]
    timeline.check(f"{len(aborts)} aborts", ok=not aborts)
    check_no_errors(timeline, world)
    check_shares(timeline, recorder, [50, 100])
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)


def left_the_file(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """services.yaml loses the service at 40 % and the bot is started again: a command still ends the rollout."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        world.ledger.wait_for_more(40)
        timeline.say("fault", "somebody takes reviews out of services.yaml, and the bot is started again")
        world.write_services({"ratings": RATINGS})
        world.restart_bot()
        world.ledger.wait_for_more(160)
        timeline.check("no user was moved by that", ok=recorder.spans()[-1].canary > 0)
        asked = time.monotonic()
        delivery = world.slack.command(OMAR, CHANNEL, "abort reviews it is nobody's any more")
        timeline.check(f"abort was acknowledged in {delivery.seconds * 1000:.0f} ms", ok=delivery.acknowledged)
        abort = wait_for_words(world, " aborted at ")
        wait_for_words(world, "users are back on")
    world.ledger.wait_for_more(80)
    seconds = last_on_canary(world) - asked
    timeline.check(f"all users were home {seconds:.1f} s later (limit {REACTION:.0f} s)", ok=seconds <= REACTION)
    named = "it is nobody's any more" in abort.text
    timeline.check(f"the channel was told: {abort.text[:200]}", ok=named and abort.broadcast)
    check_over(timeline, world, recorder, before)


def pods(world: World, name: str) -> tuple[int, int]:
    """Pods that a Deployment asks for, and those that are ready."""
    found: Object = world.kube.store.get("Deployment", "default", name) or {"spec": {"replicas": 0}}
    return int(found["spec"]["replicas"]), int(found.get("status", {}).get("readyReplicas", 0))


def pods_at_most(world: World, name: str) -> int:
    """Pods that its HPA would let a Deployment have."""
    found = world.kube.store.get("HorizontalPodAutoscaler", "default", name)
    return int(found["spec"]["maxReplicas"]) if found else 0
