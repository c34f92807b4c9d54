"""Rollouts that go well, in every shape there is."""

from __future__ import annotations

from sandbox.people import CHANNEL, Approver
from sandbox.recorder import Recorder
from sandbox.stories.checks import (
    annotations_on,
    check_mirror,
    check_no_errors,
    check_one_card,
    check_proven,
    check_restored,
    check_shares,
    check_upgraded_before_users,
    deployment_writes,
    live_service,
    served_by,
    start,
    wait_for_words,
)
from sandbox.story import Timeline
from sandbox.world import World

EARLY_STAGE = 300  # seconds


def happy(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """From the mirror to promoted, with one approval each for the first users, the upgrade and the switchback."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)
    check_proven(timeline, world, ["mirror", *(f"{weight} % of users" for weight in (20, 40, 60, 80))])


def early_pass(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Stages of five minutes that end as soon as the canary is shown to be good."""
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    proven = [m.text for m in world.slack.workspace.messages(CHANNEL) if " done. Passed: " in m.text]
    timeline.check(f"{len(proven)} stages ended on evidence", ok=len(proven) == 3)  # noqa: PLR2004  # mirror, 50 %, and 50 % on the way back
    compared = [span for span in recorder.spans() if span.mirror or span.canary == 50]  # noqa: PLR2004  # percent
    longest = max(span.seconds for span in compared)
    timeline.check(f"the longest of them took {longest:.0f} s instead of {EARLY_STAGE} s", ok=longest < EARLY_STAGE / 2)
    check_no_errors(timeline, world)


def relabel(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """One Deployment whose selector leaves the version free: image and label move together, v2 is final."""
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    final = live_service(world)
    weights = {d["destination"]["subset"]: d["weight"] for d in final["spec"]["http"][0]["route"]}
    timeline.check(f"final routes {weights}", ok=weights == {"v1": 0, "v2": 100})
    timeline.check(
        "no mirror and no mark is left", ok="mirror" not in final["spec"]["http"][0] and not annotations_on(final)
    )
    primary = world.kube.store.get("Deployment", "default", "reviews") or {}
    template = primary["spec"]["template"]
    moved = (
        "reviews-v2" in template["spec"]["containers"][0]["image"] and template["metadata"]["labels"]["version"] == "v2"
    )
    timeline.check("the primary has v2's image and label", ok=moved)


def adopt(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """The canary becomes the primary: nothing is upgraded, all users end on v2."""
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    patched = deployment_writes(world)
    timeline.check(f"{len(patched)} writes to Deployments", ok=not patched)
    timeline.check("all users are on v2", ok=recorder.spans()[-1].canary == 100)  # noqa: PLR2004
    timeline.check("no mark is left", ok=not annotations_on(live_service(world)))


def get_only(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """A fifth of the requests are POST: only GET and HEAD are mirrored, by an inserted route that goes at the end."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    span = next(span for span in recorder.spans() if span.mirror)
    copies, requests = recorder.copies_and_requests(span)
    sent = world.ledger.between(*span.steady)
    reads = sum(request.method == "GET" for request in sent)
    share = copies / max(requests, 1)
    expected = reads / max(len(sent), 1)
    close = abs(share - expected) < 0.05  # noqa: PLR2004
    timeline.check(f"{share:.0%} of the requests were copied, {expected:.0%} were GET", ok=close and expected < 0.95)  # noqa: PLR2004
    timeline.check("users were served by v1 alone while mirroring", ok=served_by(world, span) == {"v1"})
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
