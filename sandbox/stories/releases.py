"""Rollouts that go well, in every shape there is."""

from __future__ import annotations

import copy
import json
import re
import time
from typing import Any

from sandbox.kube.bookinfo import INSIDE
from sandbox.mesh.users import Ask, Users
from sandbox.people import CHANNEL, OMAR, Approver
from sandbox.recorder import Recorder, Span, binomial_interval, routes_of
from sandbox.stories.checks import (
    annotations_on,
    check_brief,
    check_mirror,
    check_no_errors,
    check_one_card,
    check_proven,
    check_restored,
    check_shares,
    check_upgraded_before_users,
    content,
    deployment_writes,
    live_service,
    served_by,
    start,
    wait_for_line,
    wait_for_words,
)
from sandbox.story import Timeline
from sandbox.world import World

EARLY_STAGE = 300  # seconds
MOST_OF_A_DRILL = 5.0  # seconds from its decision to accepted routes


def primary_template(world: World) -> Any:
    """The pod template of reviews-v1."""
    return (world.kube.store.get("Deployment", "default", "reviews-v1") or {})["spec"]["template"]


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
    check_brief(timeline, world)
    check_proven(timeline, world, ["mirror", *(f"{weight} % of users" for weight in (20, 40, 60, 80))])


def rollback(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 is promoted, turns out to be wrong, and is rolled back by one command: no user meets an error by it."""
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "v2 is promoted")
    before = live_service(world)
    timeline.say("people", "Omar types /canary rollback reviews")
    world.slack.command(OMAR, CHANNEL, "rollback reviews")
    wait_for_words(world, "is back: all users are on it")
    between = time.monotonic()
    world.ledger.wait_for_more(80)
    images = [one["image"] for one in primary_template(world)["spec"]["containers"]]
    timeline.check(f"the primary has its old image: {images}", ok=all("reviews-v1" in image for image in images))
    served = world.ledger.by_version(between)
    timeline.check(f"afterwards users are served by v1 alone: {dict(served)}", ok=set(served) == {"v1"})
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    timeline.check(f"{len(recorder.spans())} spans of routes", ok=recorder.spans()[-1].canary == 0)


def drill(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """An abort is rehearsed: v2 gets copies, is taken to have failed, and the time to accepted routes is told."""
    before = live_service(world)
    timeline.say("people", "Omar types /canary drill reviews v2")
    world.slack.command(OMAR, CHANNEL, "drill reviews v2")
    end = wait_for_line(world, "accepted routes came").text
    timeline.check(f"the end says that it was a drill: {end[:120]}", ok="(drill)" in end and "This is a drill" in end)
    took = re.search(r"accepted routes came ([0-9.]+) second", end)
    timeline.check("it tells how long that took", ok=took is not None and float(took[1]) < MOST_OF_A_DRILL)
    shares = {span.canary for span in recorder.spans()}
    timeline.check(f"the canary's shares of users: {shares}", ok=shares == {0})
    timeline.check("v2 got copies", ok=any(span.mirror for span in recorder.spans()))
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)


def early_pass(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Stages of five minutes that end as soon as the canary is shown to be good."""
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    lines = [one.text for one in world.slack.workspace.messages(CHANNEL) if one.is_reply]
    # Where both sides are compared; afterwards all users are on one.
    proven = [
        stage
        for stage in ("mirror", "50 % of users", "return of 50 % of users")
        if any(re.search(rf": {re.escape(stage)} done\. [^.]* failed on [^.]*, [^.]* on ", line) for line in lines)
    ]
    timeline.check(f"{', '.join(proven)} ended on evidence of their own", ok=len(proven) == 3)  # noqa: PLR2004
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


def hosts(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """A Service for each version and no subsets: users and copies go to hosts, and the routes end as they began."""
    before = live_service(world)
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [20, 40, 60, 80, 100])
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    images = [one["image"] for one in primary_template(world)["spec"]["containers"]]
    timeline.check(f"the primary has v2's image: {images}", ok=all("reviews-v2" in image for image in images))
    labels = primary_template(world)["metadata"]["labels"]
    timeline.check(f"its labels are what they were: {labels}", ok=labels == {"app": "reviews", "version": "v1"})


def two_routes(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Three routes of one VirtualService send users to the primary: they move together, in one write each time."""
    before = live_service(world)
    written = [before]

    def note(_event: str, thing: dict[str, Any]) -> None:
        if thing["kind"] == "VirtualService":
            written.append(copy.deepcopy(thing))

    world.kube.store.subscribe(note)
    with Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [50, 100])
    for span in (one for one in recorder.spans() if one.seconds > 0):
        _check_each_ask(timeline, world, span)
    together = all(len(_moves(one)) == 1 for one in written)
    timeline.check(f"in each of {len(written)} versions all three routes say the same of users and copies", ok=together)
    kept = {json.dumps(_beside(one)) for one in written}
    timeline.check("beside destinations and mirrors nothing of any route ever changed", ok=len(kept) == 1)
    check_no_errors(timeline, world)
    check_restored(timeline, world, before)
    same = json.dumps(content(live_service(world))) == json.dumps(content(before))
    timeline.check("written out, it is byte for byte what it was", ok=same)


CALLER = Ask(headers=(("Host", "reviews"),))  # by the service's own name, from inside the mesh
CALLERS_PER_SECOND = 20.0


def two_objects(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """Users come by the gateway's VirtualService, callers inside by the mesh's: both are moved in one step."""
    names = ("reviews", INSIDE[1])
    before = {name: _virtual_service(world, name) for name in names}
    stages = {name: [routes_of(before[name], "v2")] for name in names}

    def note(_event: str, thing: dict[str, Any]) -> None:
        name = thing["metadata"]["name"]
        if thing["kind"] == "VirtualService" and stages[name][-1] != (routes := routes_of(thing, "v2")):
            stages[name].append(routes)

    world.kube.store.subscribe(note)
    callers = Users(world.mesh.sidecar_url, rate=CALLERS_PER_SECOND, asks=(CALLER,), ledger=world.ledger)
    with callers, Approver(world.slack):
        start(world, timeline)
        wait_for_words(world, "is promoted")
    check_mirror(timeline, recorder, world)
    check_shares(timeline, recorder, [50, 100])
    for span in (one for one in recorder.spans()[1:] if one.seconds > 0 and one.end <= callers_left(world)):
        _check_each_ask(timeline, world, span)
    said = [f"{canary} %{' and copies' if mirror else ''}" for canary, mirror in stages["reviews"]]
    timeline.check(f"both went {', '.join(said)}", ok=stages["reviews"] == stages[INSIDE[1]])
    check_no_errors(timeline, world)
    check_upgraded_before_users(timeline, recorder, world)
    for name in names:
        same = content(_virtual_service(world, name)) == content(before[name])
        timeline.check(f"VirtualService {name} is field for field what it was", ok=same)


def callers_left(world: World) -> float:
    """When the last request from inside the mesh left."""
    return max(one.at for one in world.ledger.between() if one.ask is CALLER)


def _virtual_service(world: World, name: str) -> dict[str, Any]:
    found = world.kube.store.get("VirtualService", "default", name)
    if found is None:
        raise LookupError(f"VirtualService {name} is gone.")
    return found


def _check_each_ask(timeline: Timeline, world: World, span: Span) -> None:
    """Users of each route were answered by the canary in the span's share."""
    requests = world.ledger.between(*span.steady)
    for ask in dict.fromkeys(one.ask for one in requests):
        theirs = [one.workload == "reviews-v2" for one in requests if one.ask is ask]
        low, high = binomial_interval(len(theirs), span.canary / 100)
        who = f"{ask.path} {dict(ask.headers) or ''}".strip()
        timeline.check(
            f"at {span.canary} % {sum(theirs)} of {len(theirs)} answers to {who} came from reviews-v2",
            ok=bool(theirs) and low <= sum(theirs) <= high,
        )


def _moves(virtual_service: dict[str, Any]) -> set[tuple[int, bool]]:
    """What its three routes of the primary say of the canary's share and of copies, each for itself."""
    routes = virtual_service["spec"]["http"][1:]
    return {routes_of({"spec": {"http": [one]}}, "v2") for one in routes} if len(routes) == 3 else set()  # noqa: PLR2004


def _beside(virtual_service: dict[str, Any]) -> list[dict[str, Any]]:
    """Its routes without what a rollout moves; of the primary's destination all but its weight stays."""
    moved = {"route", "mirror", "mirrorPercentage"}
    return [
        {key: value for key, value in route.items() if key not in moved}
        | {"primary": [_unweighted(one) for one in route.get("route", []) if one["destination"]["subset"] == "v1"]}
        for route in virtual_service["spec"]["http"]
    ]


def _unweighted(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "weight"}


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
