"""What figures lead to: aborts, holds, and waiting for them."""

from __future__ import annotations

import time

from sandbox.mesh.scrapes import Scrape
from sandbox.people import CHANNEL, Approver
from sandbox.recorder import Recorder
from sandbox.stories.checks import (
    REACTION,
    WHOLE_ROLLOUT,
    check_no_errors,
    check_one_card,
    check_restored,
    check_shares,
    live_service,
    start,
    wait_for_line,
    wait_for_words,
    wait_routes,
)
from sandbox.story import Timeline
from sandbox.world import World


def unshielded_canary(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 starts failing at 40 %: aborted without a human."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        timeline.say("fault", "v2 answers 30 % of its requests with 500 from now on")
        world.mesh.faults.set(version="v2", error_share=0.3)
        abort = wait_for_words(world, "Aborted at")
        wait_for_words(world, "users are back on")
    world.ledger.wait_for_more(80)
    first, last = world.ledger.first_error(), world.ledger.last_request_to("reviews-v2")
    seconds = last.at - first.at if first and last else float("inf")
    what = f"{seconds:.1f} s from the first bad answer to the last user request on v2 (limit {REACTION:.0f} s)"
    timeline.check(what, ok=seconds <= REACTION)
    named = all(part in abort.text for part in ("v2 is worse: errors ", " of ", ", v1 "))
    timeline.check(f"the channel was told why: {abort.text[:200]}", ok=named and abort.broadcast)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)
    timeline.check("nobody was on v2 afterwards", ok=recorder.spans()[-1].canary == 0)


def shared_incident(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Both versions fail at 40 %, as when a database is down: held and said so, nobody aborted, then promoted."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        timeline.say("fault", "v1 and v2 both answer 20 % of their requests with 500 from now on")
        for version in ("v1", "v2"):
            world.mesh.faults.set(version=version, error_share=0.2)
        incident_told = wait_for_line(world, "Going back would not help.")  # v1 may be seen to fail first
        world.ledger.wait_for_more(400)
        incident = recorder.spans()[-1]
        timeline.check(f"users stayed where they were ({incident.canary} % on v2)", ok=incident.canary == 40)  # noqa: PLR2004
        timeline.say("fault", "both answer as before again")
        for version in ("v1", "v2"):
            world.mesh.faults.set(version=version, error_share=0.0)
        # A minute of good figures has to pass first, and the rollout has half of its way before it.
        wait_for_words(world, "is promoted", timeout=2 * WHOLE_ROLLOUT)
    text = incident_told.text[:200]
    timeline.check(f"the channel was told that going back does not help: {text}", ok=incident_told.broadcast)
    aborts = [m for m in world.slack.workspace.messages(CHANNEL) if "Aborted at" in m.text]
    timeline.check(f"{len(aborts)} aborts", ok=not aborts)
    check_shares(timeline, recorder, [40, 100])
    check_restored(timeline, world, before)


def slow_canary(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 is slow from the beginning: aborted in the mirror, before any user met it."""
    world.mesh.faults.set(version="v2", latency_ms=400)
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        abort = wait_for_words(world, "Aborted at")
        wait_for_words(world, "users are back on")
    timeline.check(f"the channel was told why: {abort.text[:160]}", ok="answers over " in abort.text)
    on_canary = world.ledger.by_version().get("v2", 0)
    timeline.check(f"{on_canary} users met v2", ok=on_canary == 0)
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    timeline.check("no user was ever routed to v2", ok=all(span.canary == 0 for span in recorder.spans()))


def prometheus_down(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Prometheus goes away at 20 % and comes back: held, told once, resumed, promoted; nobody aborted."""
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 20)
        timeline.say("fault", "Prometheus is stopped")
        world.prometheus.stop()
        wait_for_words(world, "Staying at 20 % of users")
        held = time.monotonic()
        world.ledger.wait_for_more(400)
        still = recorder.spans()[-1]
        kept = still.canary == 20 and still.start < held  # noqa: PLR2004  # percent
        timeline.check("routes stayed at 80/20 while there were no metrics", ok=kept)
        timeline.say("fault", "Prometheus is started again")
        world.prometheus.start()
        wait_for_words(world, "is promoted")
    times_said = [m for m in world.slack.workspace.messages(CHANNEL) if "Staying at 20 % of users" in m.text]
    timeline.check(f"people were told {len(times_said)} time", ok=len(times_said) == 1)
    check_no_errors(timeline, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])


def slow_scrape(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Scrapes take a second and some fail; v2 starts failing at 40 %: aborted, as if every scrape went well."""
    scrape_badly(world, timeline)
    unshielded_canary(world, timeline, recorder)
    check_scraped_badly(world, timeline)


def slow_scrape_healthy(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Scrapes take a second and some fail, and v2 is healthy: promoted, as if every scrape went well."""
    before = live_service(world)
    scrape_badly(world, timeline)
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_scraped_badly(world, timeline)
    aborts = [m for m in world.slack.workspace.messages(CHANNEL) if "Aborted at" in m.text]
    timeline.check(f"{len(aborts)} aborts", ok=not aborts)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)


def scrape_badly(world: World, timeline: Timeline) -> None:
    """From now on a scrape of v2 takes a second and each fourth fails, and of v1 each fifth."""
    timeline.say("fault", "scrapes of v2 take a second and each fourth fails; of v1 each fifth does")
    world.mesh.scrapes.set("reviews-v2", Scrape(seconds=1.0, fails_every=4))
    world.mesh.scrapes.set("reviews-v1", Scrape(fails_every=5, cut=True))


def check_scraped_badly(world: World, timeline: Timeline) -> None:
    """Scrapes of pods did fail."""
    failed, asked = sum(world.mesh.scrapes.failed.values()), sum(world.mesh.scrapes.asked.values())
    timeline.check(f"{failed} of {asked} scrapes failed", ok=failed > 0)
