"""Users are taken home at low evidence, and the canary is judged on copies: what becomes of them and of it."""

from __future__ import annotations

import threading
from typing import Any, Self

from sandbox.people import CHANNEL, OMAR, cards
from sandbox.recorder import Recorder, routes_of
from sandbox.stories.checks import (
    REACTION,
    WHOLE_ROLLOUT,
    check_one_card,
    check_restored,
    live_service,
    start,
    wait_for_line,
    wait_for_words,
    wait_routes,
)
from sandbox.story import Timeline
from sandbox.world import World

FAILING = 0.3  # share of v2's answers
BLIP = 3  # scrapes
HOME = "All users go back to v1"


def bad_canary(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 starts failing at 40 %: users are home within a look after the second bad scrape, v2 is aborted on copies."""
    before = live_service(world)
    start(world, timeline)
    wait_routes(world, 40)
    timeline.say("fault", "v2 answers 30 % of its requests with 500 from now on")
    world.mesh.faults.set(version="v2", error_share=FAILING)
    home = wait_for_line(world, HOME)
    abort = wait_for_words(world, "Aborted at step back")
    wait_for_words(world, "users are back on")
    world.ledger.wait_for_more(80)
    _check_reaction(world, timeline)
    timeline.check(f"the channel was told why: {home.text[:200]}", ok="v2 fails requests: errors " in home.text)
    timeline.check("everybody in the channel was told that", ok=home.broadcast)
    timeline.check(f"and of the abort: {abort.text[:200]}", ok=abort.broadcast)
    spans = recorder.spans()
    copied = [place for place, span in enumerate(spans) if span.mirror and any(one.canary for one in spans[:place])]
    timeline.check("v2 got copies after its users were gone", ok=bool(copied))
    timeline.check("nobody was on v2 afterwards", ok=all(one.canary == 0 for one in spans[copied[0] :] if copied))
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


def blip(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 fails for three scrapes at 40 %: users go home, return by themselves, and it is promoted."""
    before = live_service(world)
    start(world, timeline)
    wait_routes(world, 40)
    timeline.say("fault", f"v2 answers 30 % of its requests with 500, until users are home and {BLIP} scrapes are bad")
    world.mesh.faults.set(version="v2", error_share=FAILING)
    home = wait_for_line(world, HOME)
    timeline.say("fault", "v2 answers as before again")
    world.mesh.faults.set(version="v2", error_share=0.0)
    back = wait_for_line(world, "of users go to v2 again; it was 40 %")
    wait_for_words(world, "is promoted", timeout=2 * WHOLE_ROLLOUT)
    _check_reaction(world, timeline)
    timeline.check(f"users were taken home: {home.text[:160]}", ok=home.broadcast)
    timeline.check(f"and returned with nobody being asked: {back.text[:160]}", ok="20 %" in back.text)
    aborts = [one for one in world.slack.workspace.messages(CHANNEL) if "Aborted at" in one.text]
    timeline.check(f"{len(aborts)} aborts", ok=not aborts)
    shares = [span.canary for span in recorder.spans()]
    again = shares[shares.index(40) :]
    timeline.check(f"users went 40, 0, 20, 40 ... ({again})", ok=again[:4] == [40, 0, 20, 40])
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


class ForUsersAlone:
    """A fault that copies do not show: v2 fails while users are on it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._on = threading.Event()

    def __enter__(self) -> Self:
        self._on.set()
        self._world.kube.store.subscribe(self._changed)
        self._apply()
        return self

    def __exit__(self, *_: object) -> None:
        self._on.clear()
        self._world.mesh.faults.set(version="v2", error_share=0.0)

    def _changed(self, _event: str, thing: dict[str, Any]) -> None:
        if thing["kind"] == "VirtualService" and self._on.is_set():
            self._apply()

    def _apply(self) -> None:
        canary, _ = routes_of(live_service(self._world), "v2")
        self._world.mesh.faults.set(version="v2", error_share=FAILING if canary else 0.0)


def users_only_fault(world: World, timeline: Timeline, recorder: Recorder) -> None:
    """v2 fails users and no copies: they return once by themselves; the second time people are asked, and abort."""
    before = live_service(world)
    start(world, timeline)
    wait_routes(world, 40)
    timeline.say("fault", "v2 answers 30 % of users' requests with 500 from now on, and copies as before")
    with ForUsersAlone(world):
        wait_for_line(world, HOME)
        wait_for_line(world, "of users go to v2 again; it was 40 %")
        asked = wait_for_line(world, "Users were taken home 2 times.", timeout=2 * WHOLE_ROLLOUT)
        timeline.check(f"people were asked: {asked.text[:200]}", ok="20 % of users to v2?" in asked.text)
        card = cards(world.slack.workspace)[-1]
        timeline.check("the card asks whether users go to v2 again", ok="20 % of users" in card.text)
        world.ledger.wait_for_more(400)
        timeline.check("nobody was on v2 meanwhile", ok=recorder.spans()[-1].canary == 0)
        world.slack.command(OMAR, CHANNEL, "abort reviews copies do not show it")
        wait_for_words(world, "users are back on")
    times = [one for one in world.slack.workspace.messages(CHANNEL) if one.is_reply and HOME in one.text]
    timeline.check(f"users were taken home {len(times)} times", ok=len(times) == 2)  # noqa: PLR2004
    check_restored(timeline, world, before)
    check_one_card(timeline, world)


def _check_reaction(world: World, timeline: Timeline) -> None:
    """From the first bad answer until users were gone; those that follow a return are another matter."""
    first = world.ledger.first_error()
    failed = sum(one.failed for one in world.ledger.between())
    timeline.check(f"{failed} of users' requests failed, and some did", ok=first is not None)
    if first is None:
        return
    later = [one.at for one in world.ledger.between() if one.failed]
    seconds = max(later) - first.at
    what = f"{seconds:.1f} s from the first bad answer to the last that a user met (limit {REACTION:.0f} s)"
    timeline.check(what, ok=seconds <= REACTION)
