"""What people decide, and what that rests on: a release that is taken up again, and a question that changed."""

from __future__ import annotations

import copy
import time

from sandbox.people import CHANNEL, MAYA, OMAR, Approver, button, cards
from sandbox.recorder import Recorder
from sandbox.slack.model import Message
from sandbox.slack.workspace import Workspace
from sandbox.stories.checks import (
    check_mirror,
    check_restored,
    live_service,
    start,
    wait_for_line,
    wait_for_words,
    wait_routes,
)
from sandbox.story import Timeline
from sandbox.world import World

EDITOR = "kubectl-edit"


def retry(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 fails at 40 % because of something else, and is aborted; well again, it is taken up there and promoted."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        timeline.say("fault", "v2 answers 30 % of its requests with 500")
        world.mesh.faults.set(version="v2", error_share=0.3)
        wait_for_words(world, "users are back on")
        world.mesh.faults.set(version="v2", error_share=0.0)
        over = time.monotonic()
        timeline.say("people", "Maya types /canary retry reviews --from-stage")
        world.slack.command(MAYA, CHANNEL, "retry reviews --from-stage --because the database is well again")
        taken_up = wait_for_line(world, "retries v2 from", 30).text
        timeline.check(f"the thread says where it is taken up: {taken_up[:110]}", ok="40 % of users" in taken_up)
        wait_for_words(world, "v2 is promoted")
    again = [span for span in recorder.spans() if span.start > over and span.seconds > 0]
    shares = [span.canary for span in again if span.canary]
    timeline.check(f"copies came first, then at once 40 %: {shares}", ok=again[0].mirror and shares[:1] == [40])
    hurt = sum(request.failed for request in world.ledger.between(over))
    timeline.check(f"users saw {hurt} errors once it was taken up again", ok=hurt == 0)
    named = [card for card in cards(world.slack.workspace) if "the database is well again" in str(card.blocks)]
    timeline.check("its card says why it was taken up", ok=len(named) == 1)
    check_restored(timeline, world, before)


def bound_approval(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Somebody edits the VirtualService behind a question: a click on the old one is refused and says what changed."""
    before = copy.deepcopy(live_service(world))
    start(world, timeline)
    asked = world.slack.wait_for(_asking, 60)
    old = str((button(asked, "canary_approve") or {})["value"])
    timeline.say("fault", "somebody gives the route a timeout of 3 s with kubectl edit")
    thing = live_service(world)
    thing["spec"]["http"][0]["timeout"] = "3s"
    world.kube.replace_as(EDITOR, thing)
    before["spec"]["http"][0]["timeout"] = "3s"
    asked_anew = wait_for_line(world, f"{EDITOR} has changed VirtualService reviews", 20)
    timeline.check(f"the thread says who changed what: {asked_anew.text[:110]}", ok=True)
    world.slack.click(OMAR, asked, "canary_approve", value=old)
    refused = world.slack.wait_for(lambda workspace: _answer(workspace, EDITOR), 10)
    timeline.check(f"the old question's click is refused: {refused.text[:110]}", ok="look at the card" in refused.text)
    timeline.check("no user was moved by it", ok={span.canary for span in recorder.spans()} == {0})
    fresh = world.slack.wait_for(lambda workspace: _asking(workspace, other_than=old), 20)
    timeline.say("people", "Omar looks at the card again, and approves")
    world.slack.click(OMAR, fresh, "canary_approve")
    wait_routes(world, 20, 30)
    kept = live_service(world)["spec"]["http"][0].get("timeout")
    timeline.check(f"what was edited stays while users are moved: timeout {kept}", ok=kept == "3s")
    world.slack.command(MAYA, CHANNEL, "abort reviews that will do")
    wait_for_words(world, "users are back on")
    check_mirror(timeline, recorder, world)
    check_restored(timeline, world, before)


def _asking(workspace: Workspace, *, other_than: str = "") -> Message | None:
    """The card while it asks, by another question than that one."""
    for card in cards(workspace):
        found = button(card, "canary_approve")
        if found is not None and found["value"] != other_than:
            return card
    return None


def _answer(workspace: Workspace, words: str) -> Message | None:
    """What Omar alone was answered with these words."""
    return next((one for one in workspace.ephemerals(OMAR) if words in one.text), None)
