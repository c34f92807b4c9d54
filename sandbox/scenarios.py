"""The scenarios of ``make demo``. Each plays one story and checks its outcome from what users and Envoy saw."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.catalogue import reviews
from sandbox.kube import bookinfo
from sandbox.people import CHANNEL, MAYA, OMAR, Approver, cards, told
from sandbox.recorder import Recorder, Span, binomial_interval, failed, routes_of
from sandbox.slack.model import Message
from sandbox.story import Timeline
from sandbox.world import World

WHOLE_ROLLOUT = 150.0  # seconds a rollout at the demo's speeds may take at the most
REACTION = 20.0  # seconds from the first bad answer to the last user request on the canary


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story.

    Attributes:
        objects, services: what is in the cluster and in services.yaml at the beginning.
        post_share: share of users' requests that are POST.
    """

    name: str
    about: str
    play: Callable[[World, Timeline, Recorder], None]
    objects: Callable[[], Sequence[dict[str, Any]]] = bookinfo.objects
    services: dict[str, dict[str, Any]] = field(default_factory=lambda: {"reviews": reviews()})
    primary: str = "reviews-v1"
    version: str = "v2"
    post_share: float = 0.0


def start(world: World, timeline: Timeline, version: str = "v2") -> None:
    """Maya types the command; it is acknowledged at once and a card appears."""
    delivery = world.slack.command(MAYA, CHANNEL, f"start reviews {version}")
    timeline.check(f"the command was acknowledged in {delivery.seconds * 1000:.0f} ms", ok=delivery.acknowledged)
    world.slack.wait_for(lambda workspace: cards(workspace) or None, timeout=20)


def wait_told(world: World, words: str, timeout: float = WHOLE_ROLLOUT) -> Message:
    """Wait until the channel is told something that contains these words."""
    return world.slack.wait_for(lambda workspace: told(workspace, words), timeout)


def wait_routes(world: World, canary: int, timeout: float = WHOLE_ROLLOUT) -> None:
    """Wait until the cluster's routes give the canary this share."""

    def there() -> bool:
        return routes_of(world.kube.store.get("VirtualService", "default", "reviews") or {}, "v2") == (canary, False)

    if not world.kube.store.wait_until(there, timeout):
        raise TimeoutError(f"The routes never gave the canary {canary} %.")


# --- checks several stories share ------------------------------------------------------------------------------------


def check_mirror(timeline: Timeline, recorder: Recorder, world: World) -> None:
    """While copies were made users saw the old version alone, and the canary got the copies."""
    mirrors = [span for span in recorder.spans() if span.mirror]
    timeline.check(f"{len(mirrors)} time with a mirror", ok=len(mirrors) == 1)
    for span in mirrors:
        seen = dict(world.ledger.by_version(*span.steady))
        timeline.check(f"while mirroring users were served by v1 alone: {seen}", ok=set(seen) == {"v1"})
        copies, requests = recorder.copies_and_requests(span)
        share = copies / max(requests, 1)
        timeline.check(f"the canary got {share:.1%} of the copies ({copies} of {requests})", ok=share >= 0.95)  # noqa: PLR2004


def check_shares(timeline: Timeline, recorder: Recorder, wanted: Sequence[int]) -> None:
    """At each weight the share users saw lies in the 99.9 % interval of a fair split."""
    spans = [span for span in recorder.spans() if span.canary and not span.mirror and span.seconds > 0]
    rising: list[Span] = []
    for span in spans:
        if not rising or span.canary > rising[-1].canary:
            rising.append(span)
    timeline.check(
        f"the weights were {[span.canary for span in rising]}", ok=[s.canary for s in rising] == list(wanted)
    )
    for span in rising:
        on_canary, total = recorder.share(span)
        low, high = binomial_interval(total, span.canary / 100)
        timeline.check(
            f"at {span.canary} % users saw v2 in {on_canary} of {total} answers", ok=low <= on_canary <= high
        )


def check_no_errors(timeline: Timeline, world: World) -> None:
    """Users saw no error from start to end."""
    count = failed(world.ledger.between())
    timeline.check(f"users saw {count} errors", ok=count == 0)


def check_restored(timeline: Timeline, world: World, before: dict[str, Any]) -> None:
    """The VirtualService is, field for field, what it was."""
    after = world.kube.store.get("VirtualService", "default", "reviews")
    same = content(after or {}) == content(before)
    timeline.check("the VirtualService is field for field what it was before", ok=same)


def check_one_card(timeline: Timeline, world: World) -> None:
    """One living card, updated in place."""
    count = len(cards(world.slack.workspace))
    timeline.check(f"{count} card in the channel", ok=count == 1)


def content(thing: dict[str, Any]) -> dict[str, Any]:
    """What people wrote of an object: without what the API server fills in."""
    kept = copy.deepcopy(thing)
    served = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")
    kept["metadata"] = {key: value for key, value in kept["metadata"].items() if key not in served}
    kept.pop("apiVersion", None)
    return kept


def live_service(world: World) -> dict[str, Any]:
    """The VirtualService as it is now."""
    found = world.kube.store.get("VirtualService", "default", "reviews")
    if found is None:
        raise LookupError("The VirtualService reviews is gone.")
    return found


# --- the stories -----------------------------------------------------------------------------------------------------


def happy(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """From the mirror to promoted, with one approval each for the first users, the upgrade and the switchback."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_told(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


def check_upgraded_before_users(timeline: Timeline, recorder: Recorder, world: World) -> None:
    """Nobody was on the primary between the last weight and its complete upgrade, and afterwards it answered as v2."""
    everyone = next(span for span in recorder.spans() if span.canary == 100)  # noqa: PLR2004  # percent
    back = next((span for span in recorder.spans() if span.start > everyone.start and span.canary < 100), None)  # noqa: PLR2004
    done = recorder.primary_upgraded_at("reviews-v2")
    ready_first = done is not None and back is not None and done < back.start
    timeline.check("the primary was upgraded and ready before any user returned to it", ok=ready_first)
    if back is None:
        return
    early = world.ledger.by_workload(everyone.steady[0], back.start).get("reviews-v1", 0)
    timeline.check(f"{early} requests reached it meanwhile", ok=early == 0)
    returned = [r for r in world.ledger.between(back.start) if r.workload == "reviews-v1"]
    versions = {request.version for request in returned}
    timeline.check(f"{len(returned)} answers came from it afterwards, as {sorted(versions)}", ok=versions == {"v2"})


def bad_canary(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 starts failing at 40 %: aborted without a human."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_routes(world, 40)
        timeline.say("fault", "v2 answers 30 % of its requests with 500 from now on")
        world.mesh.faults.set(version="v2", error_share=0.3)
        abort = wait_told(world, "Aborted at")
        wait_told(world, "is aborted")
    world.ledger.wait_for_more(80)
    first, last = world.ledger.first_error(), world.ledger.last_request_to("reviews-v2")
    seconds = last.at - first.at if first and last else float("inf")
    what = f"{seconds:.1f} s from the first bad answer to the last user request on v2 (limit {REACTION:.0f} s)"
    timeline.check(what, ok=seconds <= REACTION)
    named = all(part in abort.text for part in ("Errors on reviews-v2", "allowed", " of "))
    timeline.check(f"the channel was told why: {abort.text[:200]}", ok=named and abort.broadcast)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)
    timeline.check("nobody was on v2 afterwards", ok=recorder.spans()[-1].canary == 0)


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
        wait_told(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    check_restored(timeline, world, before)
    check_one_card(timeline, world)
    patched = [record for record in world.kube.audit if record.kind == "Deployment"]
    timeline.check(f"the primary was patched {len(patched)} time", ok=len(patched) == 1)


def slow_canary(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 is slow from the beginning: aborted in the mirror, before any user met it."""
    world.mesh.faults.set(version="v2", latency_ms=400)
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        abort = wait_told(world, "Aborted at")
        wait_told(world, "is aborted")
    timeline.check(f"the channel was told why: {abort.text[:160]}", ok="Slower than" in abort.text)
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
        wait_told(world, "Holding at shift 20")
        held = time.monotonic()
        world.ledger.wait_for_more(400)
        still = recorder.spans()[-1]
        kept = still.canary == 20 and still.start < held  # noqa: PLR2004  # percent
        timeline.check("routes stayed at 80/20 while there were no metrics", ok=kept)
        timeline.say("fault", "Prometheus is started again")
        world.prometheus.start()
        wait_told(world, "is promoted")
    told_times = [m for m in world.slack.workspace.messages(CHANNEL) if "Holding at shift 20" in m.text]
    timeline.check(f"people were told {len(told_times)} time", ok=len(told_times) == 1)
    check_no_errors(timeline, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])


def primary_stuck(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """The upgraded primary never becomes ready: users stay on v2, a person aborts, the old image is restored first."""
    before = live_service(world)
    world.kube.deployments.start_seconds("default", "reviews-v1", None)
    with Approver(world.slack):
        start(world, timeline)
        wait_told(world, "could not be upgraded")
        world.ledger.wait_for_more(120)
        stuck = recorder.spans()[-1]
        timeline.check(f"users stayed on v2 ({stuck.canary} %)", ok=stuck.canary == 100)  # noqa: PLR2004
        world.kube.deployments.start_seconds("default", "reviews-v1", 0.5)
        world.slack.command(OMAR, CHANNEL, "abort reviews the new image does not start")
        wait_told(world, "is aborted")
    world.ledger.wait_for_more(80)
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    versions = set(world.ledger.by_version(recorder.spans()[-1].steady[0]))
    timeline.check(f"users are back on {sorted(versions)}", ok=versions == {"v1"})


def relabel(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """One Deployment whose selector leaves the version free: image and label move together, v2 is final."""
    with Approver(world.slack):
        start(world, timeline)
        wait_told(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    final = live_service(world)
    weights = {d["destination"]["subset"]: d["weight"] for d in final["spec"]["http"][0]["route"]}
    timeline.check(f"final routes {weights}", ok=weights == {"v1": 0, "v2": 100})
    timeline.check("no mirror and no mark is left", ok="mirror" not in final["spec"]["http"][0] and not marks(final))
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
        wait_told(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    patched = [record for record in world.kube.audit if record.kind == "Deployment"]
    timeline.check(f"{len(patched)} writes to Deployments", ok=not patched)
    timeline.check("all users are on v2", ok=recorder.spans()[-1].canary == 100)  # noqa: PLR2004
    timeline.check("no mark is left", ok=not marks(live_service(world)))


def get_only(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """A fifth of the requests are POST: only GET and HEAD are mirrored, by an inserted route that goes at the end."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_told(world, "is promoted")
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


def served_by(world: World, span: Span) -> set[str]:
    """Versions that answered users in the steady part of a span."""
    return set(world.ledger.by_version(*span.steady))


def marks(thing: dict[str, Any]) -> list[str]:
    """Annotations of the bot that are still there."""
    return [key for key in thing["metadata"].get("annotations") or {} if key.startswith("canary-bot/")]


def stuck_objects() -> Sequence[dict[str, Any]]:
    """Bookinfo whose primary gives up on a rollout after five seconds."""
    objects = bookinfo.objects()
    for thing in objects:
        if thing["kind"] == "Deployment" and thing["metadata"]["name"] == "reviews-v1":
            thing["spec"]["progressDeadlineSeconds"] = 5
    return objects


RELABEL = {"primary": {"deployment": "reviews", "container": "reviews"}, "canary": {"deployment": "reviews-canary"}}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="happy", about="mirror, five weights, upgrade, switchback, promoted", play=happy),
        Scenario(name="bad-canary", about="v2 starts failing at 40 %: aborted without a human", play=bad_canary),
        Scenario(name="bot-killed", about="the bot is killed at 40 % and started again: promoted", play=bot_killed),
        Scenario(name="slow-canary", about="v2 is slow: aborted before any user met it", play=slow_canary),
        Scenario(name="prometheus-down", about="no metrics for a while: held, then promoted", play=prometheus_down),
        Scenario(
            name="primary-stuck",
            about="the upgraded primary never becomes ready: users stay on v2",
            play=primary_stuck,
            objects=stuck_objects,
        ),
        Scenario(
            name="relabel",
            about="image and version label move together",
            play=relabel,
            objects=bookinfo.relabel_objects,
            services={"reviews": reviews(**RELABEL)},
            primary="reviews",
        ),
        Scenario(
            name="adopt",
            about="the canary becomes the primary",
            play=adopt,
            services={"reviews": reviews(promote="adopt")},
        ),
        Scenario(
            name="get-only",
            about="only GET and HEAD are mirrored",
            play=get_only,
            services={"reviews": reviews(mirror={"percent": 100, "methods": ["GET", "HEAD"], "for": "14s"})},
            post_share=0.2,
        ),
    )
}
