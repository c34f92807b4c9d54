"""What stories have in common: how they begin, what they wait for, and what is checked of what users and Envoy saw."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from sandbox.kube.api import AuditRecord
from sandbox.people import CHANNEL, MAYA, cards, message_with
from sandbox.recorder import Recorder, Span, binomial_interval, failed, routes_of
from sandbox.slack.model import Message
from sandbox.slack.workspace import Workspace
from sandbox.story import Timeline
from sandbox.world import World

WHOLE_ROLLOUT = 150.0  # seconds a rollout at the demo's speeds may take at the most
# Answered before anybody starts anything, in seconds: the judge learns from the primary's past, and only from what
# Prometheus has counted by then.
PAST_SECONDS = 12.0
MOST_LINES, MOST_CALLS = 15, 3  # in the thread of a release that goes well: lines, and calls of the group
LINES_OF_A_HOLD = 3
ENDS_OF_ALARMS = ("is as before again, after", "The incident is over after", "Figures are back after")
REACTION = 20.0  # seconds from the first bad answer to the last user request on the canary


def start(world: World, timeline: Timeline, version: str = "v2") -> None:
    """Maya types the command, once the service has a past; it is acknowledged at once and a card appears."""
    world.ledger.wait_for_more(round(PAST_SECONDS * world.users_per_second))
    delivery = world.slack.command(MAYA, CHANNEL, f"start reviews {version}")
    timeline.check(f"the command was acknowledged in {delivery.seconds * 1000:.0f} ms", ok=delivery.acknowledged)
    world.slack.wait_for(lambda workspace: cards(workspace) or None, timeout=20)


def wait_for_words(world: World, words: str, timeout: float = WHOLE_ROLLOUT) -> Message:
    """Wait until the channel is told something that contains these words."""
    return world.slack.wait_for(lambda workspace: message_with(workspace, words), timeout)


def wait_for_line(world: World, words: str, timeout: float = WHOLE_ROLLOUT) -> Message:
    """Wait until a line of a thread contains these words, whatever the card says."""

    def line(workspace: Workspace) -> Message | None:
        return next((one for one in workspace.messages(CHANNEL) if one.is_reply and words in one.text), None)

    return world.slack.wait_for(line, timeout)


def wait_routes(world: World, canary: int, timeout: float = WHOLE_ROLLOUT) -> None:
    """Wait until the cluster's routes give the canary this share."""

    def there() -> bool:
        return routes_of(live_service(world), "v2") == (canary, False)

    if not world.kube.store.wait_until(there, timeout):
        raise TimeoutError(f"The routes never gave the canary {canary} %.")


def check_mirror(timeline: Timeline, recorder: Recorder, world: World, *, old: str = "v1") -> None:
    """While copies were made users saw the old version alone, and the canary got the copies."""
    mirrors = [span for span in recorder.spans() if span.mirror]
    timeline.check(f"{len(mirrors)} time with a mirror", ok=len(mirrors) == 1)
    for span in mirrors:
        seen = dict(world.ledger.by_version(*span.steady))
        timeline.check(f"while mirroring users were served by {old} alone: {seen}", ok=set(seen) == {old})
        copies, requests = recorder.copies_and_requests(span)
        share = copies / max(requests, 1)
        timeline.check(f"the canary got {share:.1%} of the copies ({copies} of {requests})", ok=share >= 0.95)  # noqa: PLR2004


def check_shares(timeline: Timeline, recorder: Recorder, wanted: Sequence[int], *, version: str = "v2") -> None:
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
            f"at {span.canary} % users saw {version} in {on_canary} of {total} answers", ok=low <= on_canary <= high
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


def check_brief(timeline: Timeline, world: World) -> None:
    """A thread that people can follow: a line for each stage, three calls for a decision, and one word to all."""
    lines = [message for message in world.slack.workspace.messages(CHANNEL) if message.is_reply]
    # Where a busy machine makes figures late, a hold is told, a question may stand again, and its end is told.
    most = MOST_LINES + LINES_OF_A_HOLD * sum("Hold over after " in line.text for line in lines)
    # An incident of production, which a busy machine looks like, is told to all when it is there and when it is over.
    over = sum(any(words in line.text for words in ENDS_OF_ALARMS) for line in lines)
    asked = [line for line in lines if "'usergroup'" in str(line.blocks)]
    broadcasts = [line for line in lines if line.broadcast]
    listed = "".join(f"\n    {line.text[:120]}" for line in lines)
    ok = len(lines) <= most + 2 * over and len(asked) <= MOST_CALLS + over and len(broadcasts) == 1 + 2 * over
    counts = f"{len(lines)} lines in the thread, {len(asked)} calls for a decision, {len(broadcasts)} to all"
    timeline.check(counts if ok else counts + listed, ok=ok)


def check_proven(timeline: Timeline, world: World, stages: Sequence[str]) -> None:
    """These stages were passed on evidence, and did not end because their time was up."""
    texts = [message.text for message in world.slack.workspace.messages(CHANNEL)]
    # One that was not shown to be good is told otherwise: "done: no problem seen on little traffic".
    passed = [stage for stage in stages if any(f"{stage} done. " in text for text in texts)]
    timeline.check(f"passed on evidence: {', '.join(passed)}", ok=passed == list(stages))


def check_upgraded_before_users(timeline: Timeline, recorder: Recorder, world: World, *, version: str = "v2") -> None:
    """Nobody was on the primary between the last weight and its complete upgrade; then it answered as the new one."""
    everyone = next(span for span in recorder.spans() if span.canary == 100)  # noqa: PLR2004  # percent
    back = next((span for span in recorder.spans() if span.start > everyone.start and span.canary < 100), None)  # noqa: PLR2004
    done = recorder.primary_upgraded_at(f"reviews-{version}")
    ready_first = done is not None and back is not None and done < back.start
    timeline.check("the primary was upgraded and ready before any user returned to it", ok=ready_first)
    if back is None:
        return
    early = world.ledger.by_workload(everyone.steady[0], back.start).get("reviews-v1", 0)
    timeline.check(f"{early} requests reached it meanwhile", ok=early == 0)
    returned = [r for r in world.ledger.between(back.start) if r.workload == "reviews-v1"]
    versions = {request.version for request in returned}
    timeline.check(f"{len(returned)} answers came from it afterwards, as {sorted(versions)}", ok=versions == {version})


def check_over(timeline: Timeline, world: World, recorder: Recorder, before: dict[str, Any]) -> None:
    """Everyone is on the old version and nothing is left behind."""
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    timeline.check("no mark is left", ok=not annotations_on(live_service(world)))
    timeline.check("nobody was on v2 afterwards", ok=recorder.spans()[-1].canary == 0)
    patched = deployment_writes(world)
    timeline.check(f"{len(patched)} writes to Deployments", ok=not patched)


def check_event(timeline: Timeline, world: World, reason: str) -> None:
    """One Event on the VirtualService says what the watchdog did."""
    events = [event for event in world.kube.store.list("Event", "default") if event["reason"] == reason]
    said = events[0]["message"] if events else "nothing"
    timeline.check(f"kubectl describe shows: {said}", ok=len(events) == 1)


def last_on_canary(world: World) -> float:
    """When a user's request was last answered by v2."""
    last = world.ledger.last_request_to("reviews-v2")
    return last.at if last else float("-inf")


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


def served_by(world: World, span: Span) -> set[str]:
    """Versions that answered users in the steady part of a span."""
    return set(world.ledger.by_version(*span.steady))


def annotations_on(thing: dict[str, Any]) -> list[str]:
    """Annotations of the bot that are still there."""
    return [key for key in thing["metadata"].get("annotations") or {} if key.startswith("canary-bot/")]


def deployment_writes(world: World) -> list[AuditRecord]:
    """What was written to Deployments, without what was only rehearsed."""
    return [record for record in world.kube.audit if record.kind == "Deployment" and not record.dry_run]
