"""Releases whose teams want to be asked: by webhooks that say yes, no and not yet, and by git."""

from __future__ import annotations

import time

from sandbox.people import CHANNEL, OMAR, Approver, cards
from sandbox.recorder import Recorder
from sandbox.slack.model import Message
from sandbox.stories.checks import (
    check_mirror,
    check_no_errors,
    check_one_card,
    check_restored,
    check_shares,
    check_upgraded_before_users,
    deployment_writes,
    live_service,
    start,
    wait_for_words,
)
from sandbox.story import Timeline
from sandbox.webhooks import YES, Heard, status
from sandbox.world import WEBHOOK_SECRET, World

STAGES = ("mirror", "shift-50", "shift-100", "upgrade", "switchback-100", "bake")
ARGO_CD = "argocd-controller"
WITHOUT = "Go on without webhook acceptance?"


def webhooks(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """A load generator starts and stops, smoke tests fail once, acceptance tests refuse and a person goes on without
    them, and the upgrade waits until somebody opens its ticket.
    """
    before, ears = live_service(world), world.webhooks
    ears.answers |= {
        "/smoke": [status(503), YES],
        "/acceptance": [status(500)],
        "/ticket": [status(403)],
    }
    with Approver(world.slack, when=lambda card: WITHOUT not in card.text):
        start(world, timeline)
        _goes_on_without(world, timeline)
        wait_for_words(world, "Waiting for webhook ticket: 403 Forbidden.")
        patched = deployment_writes(world)
        timeline.check(f"while the ticket is closed nothing is upgraded: {len(patched)} patches", ok=not patched)
        timeline.say("people", "somebody opens the ticket")
        ears.answers["/ticket"] = [YES]
        wait_for_words(world, "is promoted")
    ears.wait_for("/load/stop", timeout=20)
    _check_calls(world, timeline, recorder)
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [50, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


def promote_git(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """The primary is kept in git: the bot asks for its image, and goes on when somebody's tool has written it."""
    before, ears = live_service(world), world.webhooks
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "into git now")
        (asked,) = ears.wait_for("/pull-request", timeout=20)
        since = time.monotonic()
        world.ledger.wait_for_more(120)
        served = set(world.ledger.by_version(since))
        timeline.check(f"while git is waited for users are on {sorted(served)} alone", ok=served == {"v2"})
        timeline.say("people", "the pull request is merged, and Argo CD syncs")
        _merge(world, asked)
        wait_for_words(world, "is promoted")
    managers = {one.manager for one in deployment_writes(world) if not one.subresource}
    timeline.check(f"the primary's image was written by {sorted(managers)} alone", ok=managers == {ARGO_CD})
    check_shares(timeline, recorder, [50, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


def _merge(world: World, asked: Heard) -> None:
    """What was asked for, written by whoever keeps the Deployment."""
    primary = world.kube.store.get("Deployment", "default", "reviews-v1") or {}
    for container in primary["spec"]["template"]["spec"]["containers"]:
        container["image"] = asked.body["promotes"].get(container["name"], container["image"])
    world.kube.replace_as(ARGO_CD, primary)


def _goes_on_without(world: World, timeline: Timeline) -> None:
    """Omar is asked, and until he has answered no user meets v2."""
    wait_for_words(world, WITHOUT)
    asked = time.monotonic()
    world.ledger.wait_for_more(120)
    served = set(world.ledger.by_version(asked))
    timeline.check(f"while people decide users are served by {sorted(served)} alone", ok=served == {"v1"})
    timeline.say("people", "Omar goes on without the acceptance tests")
    world.slack.click(OMAR, _card(world), "canary_approve")


def _card(world: World) -> Message:
    return world.slack.wait_for(
        lambda workspace: next((one for one in cards(workspace) if WITHOUT in one.text), None), timeout=20
    )


def _check_calls(world: World, timeline: Timeline, recorder: Recorder) -> None:
    ears = world.webhooks
    (begun, *more), mirrored = ears.calls("/load/start"), next(span for span in recorder.spans() if span.mirror)
    timeline.check("the load generator was started once, before the mirror", ok=not more and begun.at < mirrored.start)
    tries = [heard.key.split("/")[1] for heard in ears.calls("/smoke")]
    once = [*STAGES[:1], *STAGES]
    timeline.check(f"smoke tests failed once and ran in each stage: {tries}", ok=tries == once)
    acceptance = ears.calls("/acceptance")
    signed = all(heard.is_signed_with(WEBHOOK_SECRET) for heard in acceptance)
    timeline.check(f"acceptance tests were asked {len(acceptance)} times, signed", ok=signed and len(acceptance) == 2)  # noqa: PLR2004  # retries: 1
    (released,) = ears.calls("/released")
    images = list(released.body["promotes"].values())
    timeline.check(f"the promotion was told with its image: {images}", ok=all("reviews-v2" in one for one in images))
    ends = [heard.body["phase"] for heard in ears.calls("/load/stop")]
    timeline.check(f"the load generator was stopped once: {ends}", ok=ends == ["promoted"])
    shown = [one.text for one in world.slack.workspace.messages(CHANNEL) if "webhooks.sandbox" in one.text]
    timeline.check("no address was told to anybody", ok=not shown)
