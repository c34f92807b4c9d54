"""Something around the rollout fails, or somebody interferes: the bot, Redis, the primary, other hands."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from sandbox.people import CHANNEL, MAYA, OMAR, Approver, button, buttons, cards
from sandbox.recorder import Recorder
from sandbox.referee import ANNOTATIONS, ENDED
from sandbox.replicas import Replicas
from sandbox.slack.model import Message
from sandbox.slack.workspace import Workspace
from sandbox.stories.checks import (
    REACTION,
    annotations_on,
    check_event,
    check_mirror,
    check_no_errors,
    check_one_card,
    check_over,
    check_restored,
    check_shares,
    check_upgraded_before_users,
    deployment_writes,
    last_on_canary,
    live_service,
    start,
    wait_for_line,
    wait_for_words,
    wait_routes,
)
from sandbox.story import Timeline
from sandbox.world import World

TAKEOVER = 15.0  # seconds from the death of the leader to the next: a lease, and a look at it each second
HANDOVER = 4.0  # the same when it could give the lease up


def bot_killed(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """The bot is killed (kill -9) at 40 % and started again: nothing is lost, nothing is done twice."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        timeline.say("fault", "the bot is killed with kill -9")
        world.bot.kill()
        world.ledger.wait_for_more(160)
        alone = recorder.spans()[-1]
        timeline.check("routes stayed at 60/40 while there was no bot", ok=alone.canary == 40)  # noqa: PLR2004  # percent
        timeline.say("fault", "the bot is started again")
        world.bot.start()
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)
    patched = deployment_writes(world)
    timeline.check(f"the primary was patched {len(patched)} time", ok=len(patched) == 1)


def two_bots(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Two replicas; the one that leads is killed at 40 %: the other takes over, and anybody's click goes to either."""
    before = live_service(world)
    with Replicas(world) as replicas, Approver(world.slack):
        leader, _ = replicas.wait_for_leader()
        timeline.check(f"{leader} leads, and it alone", ok=replicas.leaders() == [leader])
        world.slack.faults.duplicate()  # the command reaches both of them
        start(world, timeline)
        asked = [world.slack.command(MAYA, CHANNEL, "status reviews") for _ in range(4)]
        timeline.check("both answered commands", ok=all(one.acknowledged for one in asked) and both_were_asked(world))
        served = [m.text for m in world.slack.workspace.ephemerals(MAYA) if "Started" in m.text or "already" in m.text]
        timeline.check(f"the command reached both and was served once: {served}", ok=len(served) == 1)
        wait_routes(world, 40)
        timeline.say("fault", f"{leader} is killed with kill -9")
        replicas.bot(leader).kill()
        heir, seconds = replicas.wait_for_leader(other_than=leader)
        timeline.check(f"{heir} led {seconds:.1f} s later (limit {TAKEOVER:.0f} s)", ok=seconds <= TAKEOVER)
        wait_for_words(world, "is promoted")
        timeline.say("fault", f"{leader} is started again, and {heir} is asked to end, as in a rolling update")
        replicas.bot(leader).start()
        world.slack.wait_for_connections(2, timeout=20)
        with ThreadPoolExecutor(1) as ending:
            ending.submit(replicas.bot(heir).stop)
            _, seconds = replicas.wait_for_leader(other_than=heir)
        timeline.check(f"{leader} led {seconds:.1f} s after {heir} was asked to end", ok=seconds <= HANDOVER)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)
    lines = [message.text for message in world.slack.workspace.messages(CHANNEL) if message.is_reply]
    repeated = len(lines) - len(set(lines))
    timeline.check(f"{repeated} of {len(lines)} messages were repeated (one may be)", ok=repeated <= 1)
    patched = deployment_writes(world)
    timeline.check(f"the primary was patched {len(patched)} time", ok=len(patched) == 1)


def both_were_asked(world: World) -> bool:
    """Whether each of two sockets was given something."""
    given = world.slack.envelopes_by_connection
    return len(given) == 2 and min(given) > 0  # noqa: PLR2004  # bots


def dead_man(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Bot and Redis are killed (kill -9) at 60 %: the watchdog brings everyone home; back, the bot tells and tidies up.

    Redis keeps its data here; ``redis-lost`` is about an empty one.
    """
    before, limit = live_service(world), world.dead_man_seconds or 0.0
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 60)
        world.ledger.wait_for_more(40)
        timeline.say("fault", "the bot and Redis are killed with kill -9")
        killed = time.monotonic()
        world.bot.kill()
        world.redis.kill()
        wait_routes(world, 0, limit + 20)
        world.ledger.wait_for_more(80)
        seconds = last_on_canary(world) - killed
        what = f"all users were home {seconds:.1f} s after nobody lived any more (limit {limit:.0f} s + 5 s)"
        timeline.check(what, ok=1 < seconds <= limit + 5)
        check_event(timeline, world, "BroughtHome")
        kept = annotations_on(live_service(world))
        timeline.check(f"its annotations stayed: {kept}", ok={*kept, ENDED} == set(ANNOTATIONS))
        timeline.say("fault", "Redis, with its data, and the bot are started again")
        world.redis.start()
        world.bot.start()
        abort = wait_for_line(world, "so the watchdog sent everyone back to v1")
        wait_for_words(world, "users are back on")
    timeline.check(f"the channel was told: {abort.text[:200]}", ok=abort.broadcast)
    check_over(timeline, world, recorder, before)


def redis_lost(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Redis loses everything at 40 % while the bot lives: the rollout is taken up from its annotations, and aborted."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        world.ledger.wait_for_more(40)
        timeline.say("fault", "Redis crashes and comes back empty")
        lost = time.monotonic()
        world.redis.lose_everything()
        abort = wait_for_words(world, "Aborted. Redis had lost this rollout")
        wait_for_words(world, "users are back on")
    world.ledger.wait_for_more(80)
    seconds = last_on_canary(world) - lost
    timeline.check(f"all users were home {seconds:.1f} s later (limit {REACTION:.0f} s)", ok=seconds <= REACTION)
    timeline.check(f"the channel was told: {abort.text[:200]}", ok=abort.broadcast)
    check_over(timeline, world, recorder, before)


def primary_stuck(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """The upgraded primary never becomes ready: users stay on v2, a person aborts, the old image is restored first."""
    before = live_service(world)
    world.kube.deployments.start_seconds("default", "reviews-v1", None)
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "could not be upgraded")
        world.ledger.wait_for_more(120)
        stuck = recorder.spans()[-1]
        timeline.check(f"users stayed on v2 ({stuck.canary} %)", ok=stuck.canary == 100)  # noqa: PLR2004
        world.kube.deployments.start_seconds("default", "reviews-v1", 0.5)
        world.slack.command(OMAR, CHANNEL, "abort reviews the new image does not start")
        wait_for_words(world, "users are back on")
    world.ledger.wait_for_more(80)
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    versions = set(world.ledger.by_version(recorder.spans()[-1].steady[0]))
    timeline.check(f"users are back on {sorted(versions)}", ok=versions == {"v1"})


def drift(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Somebody edits the routes by hand at 40 %: who and what is told with a choice; restored, it goes on."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        wait_settled(world, 40)
        timeline.say("fault", "somebody moves all users to v1 with kubectl edit")
        edited = time.monotonic()
        edit_routes(world, "kubectl-edit", canary=0)
        card = world.slack.wait_for(lambda workspace: card_with(workspace, "canary_restore"), timeout=20)
        seconds = time.monotonic() - edited
        alert = world.slack.wait_for(
            lambda workspace: next(
                iter(replies(workspace, "Someone changed the traffic split of reviews (kubectl-edit")), None
            ),
            20,
        )
        diff = "60/40 → 100/0" in alert.text
        timeline.check(f"the channel was told who and what: {alert.text[:110]}", ok=diff and alert.broadcast)
        timeline.check(f"the card asked {seconds:.1f} s after the edit (limit 5 s)", ok=seconds <= 5)  # noqa: PLR2004
        shown = [f"{element['text']['text']}" for element in buttons(card)]
        timeline.check(f"its buttons: {', '.join(shown)}", ok=shown[:3] == ["Restore", "Hold", "Abort"])
        timeline.check("theirs stayed until somebody chose", ok=recorder.spans()[-1].canary == 0)
        world.slack.click(OMAR, card, "canary_restore")
        wait_routes(world, 40, timeout=20)
        wait_for_words(world, "is promoted")
    times_said = len(replies(world.slack.workspace, "Someone changed the traffic split"))
    timeline.check(f"people were told {times_said} time", ok=times_said == 1)
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


def replies(workspace: Workspace, words: str) -> list[Message]:
    """Lines of a thread that contain these words."""
    return [message for message in workspace.messages(CHANNEL) if message.is_reply and words in message.text]


def card_with(workspace: Workspace, action: str) -> Message | None:
    """A card that shows this button."""
    return next((card for card in cards(workspace) if button(card, action)), None)


def wait_settled(world: World, canary: int) -> None:
    """Wait until the bot has seen these routes in force: its card says so, and it judges."""
    world.slack.wait_for(lambda workspace: any(f"{canary} % of users" in c.text for c in cards(workspace)), timeout=20)
    world.ledger.wait_for_more(80)


def edit_routes(world: World, manager: str, *, canary: int) -> None:
    """What ``kubectl edit`` does: read, change the weights, and replace through the API under a field manager."""
    thing = live_service(world)
    for entry in thing["spec"]["http"][0]["route"]:
        entry["weight"] = canary if entry["destination"]["subset"] == "v2" else 100 - canary
    world.kube.replace_as(manager, thing)
