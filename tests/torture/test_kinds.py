"""Each further kind of trouble does what its name says: to the cluster, to clocks and files, to what is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.model.errors import CanaryError, Cause, Fault
from bot.model.figures import AnalysisState
from bot.model.rollout import Phase
from sandbox.redis import Redis
from sandbox.wire import Moment, System, Trouble
from tests.builders import a_rollout, a_side_of, figures
from tests.torture.accounts import Accounts
from tests.torture.events import TICK, Event, Held, Noise
from tests.torture.hand import Hand
from tests.torture.people import MAYA, People
from tests.torture.play import Play
from tests.torture.rig import Rig
from tests.torture.schedule import Schedule, draw
from tests.torture.surroundings import Surroundings

pytestmark = pytest.mark.sandbox

DRAWN = next(schedule for schedule in map(draw, range(100)) if not (schedule.relabel or schedule.apart))
CALM = Schedule(
    seed=4,
    service={**DRAWN.service, "weights": [50, 100], "mirror": {"methods": "all", "for": "10m"}},
    relabel=False,
    events=(),
)
BRISK = replace(
    CALM, service={**CALM.service, "mirror": {"methods": "all", "for": "10s"}, "stage": {"for": "10s", "approve": []}}
)
AWAY = Event(what="bot_away", at=2, sweeps=26)


class Stage:
    """A rollout in its mirror, and what may happen around it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.wrong: list[str] = []
        self.people = People(rig, self._violated)
        self.hand = Surroundings(rig, self._violated)

    def _violated(self, what: str) -> None:
        self.wrong.append(what)

    def start(self) -> Stage:
        self.rig.pass_time(TICK)
        assert self.people.start()
        self.sweep(3)
        return self

    def sweep(self, times: int = 1) -> None:
        for _ in range(times):
            self.rig.pass_time(TICK)
            bot = self.rig.bot
            bot.controller.sweep(bot.adapters.ports.store.live())

    @property
    def annotations(self) -> dict[str, str]:
        vs = self.rig.kube.store.get("VirtualService", "default", "reviews")
        return dict((vs or {"metadata": {}})["metadata"].get("annotations") or {})

    def wanted(self, name: str) -> int:
        found = self.rig.kube.store.get("Deployment", "default", name)
        return int(found["spec"]["replicas"]) if found else -1


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis"), appendonly=False) as redis:
        yield redis


@pytest.fixture
def stage_of(redis: Redis, tmp_path: Path) -> Iterator[Callable[[Schedule], Stage]]:
    rigs: list[Rig] = []

    def open_(schedule: Schedule) -> Stage:
        rigs.append(Rig(tmp_path, redis.port, schedule))
        return Stage(rigs[-1].__enter__())

    yield open_
    for rig in rigs:
        rig.__exit__(None, None, None)


@pytest.fixture
def stage(stage_of: Callable[[Schedule], Stage]) -> Stage:
    return stage_of(CALM)


def with_(**changes: Any) -> Schedule:
    return Schedule(seed=4, service=CALM.service, relabel=False, events=(), **changes)


def test_hpas_follow_the_users(stage_of: Callable[[Schedule], Stage]) -> None:
    stage = stage_of(with_(scalers={"least": 1, "most": 4, "stable_seconds": 15}))
    heal = stage.hand.users_change(factor=2.0)
    stage.rig.pass_time(20)
    assert stage.wanted("reviews-v1") == 4

    heal()
    stage.hand.users_change(factor=0.3)
    for _ in range(10):
        stage.rig.pass_time(TICK)
    assert stage.wanted("reviews-v1") == 1


@pytest.mark.parametrize(
    ("thing", "kind", "name"),
    [("VirtualService", "VirtualService", "reviews"), ("canary", "Deployment", "reviews-v2")],
)
def test_what_is_deleted_is_gone_and_made_again_as_it_was(stage: Stage, thing: str, kind: str, name: str) -> None:
    stage.start()
    before = stage.rig.kube.store.get(kind, "default", name)
    heal = stage.hand.delete(thing=thing)
    assert stage.rig.kube.store.get(kind, "default", name) is None

    heal()
    after = stage.rig.kube.store.get(kind, "default", name)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert not any(mark.startswith("canary-bot/") for mark in after["metadata"].get("annotations") or {})


def test_withdrawn_rights_are_refused_with_403_and_given_back(stage: Stage) -> None:
    vs = ("default", "reviews")
    heal = stage.hand.withdraw(rights=(("get", "VirtualService", ""),))
    again = stage.hand.withdraw(rights=(("get", "VirtualService", ""),))
    with pytest.raises(Fault, match="forbid"):
        stage.rig.bot.adapters.kube.get("VirtualService", *vs)
    heal()
    with pytest.raises(Fault):
        stage.rig.bot.adapters.kube.get("VirtualService", *vs)

    again()
    assert stage.rig.bot.adapters.kube.get("VirtualService", *vs) is not None


def test_other_peoples_hands_have_rights_of_their_own(stage: Stage) -> None:
    stage.start().hand.withdraw(rights=(("update", "VirtualService", ""), ("update", "Deployment", "")))
    Hand(stage.rig).edit(how="timeout", share=0)
    Hand(stage.rig).edit_image()
    stage.hand.garble_annotations("rollout")

    vs = stage.rig.kube.store.get("VirtualService", "default", "reviews")
    assert vs is not None
    assert vs["spec"]["http"][-1]["timeout"] == "7s"
    with pytest.raises(Fault, match="forbid"):
        stage.rig.bot.adapters.kube.put(vs)


def test_a_write_that_hangs_lands_when_it_is_let_go(stage: Stage) -> None:
    stage.start()
    held = Held(system=System.KUBERNETES, kinds="update V", moment=Moment.BEFORE)
    heal = stage.hand.hold_write(held)
    assert stage.rig.holding
    stage.people.abort()  # its first write hangs, and is given up
    tried = len(stage.rig.kube.audit)
    heal()

    assert not stage.rig.holding
    assert len(stage.rig.kube.audit) > tried


def test_a_write_that_lands_after_the_pods_it_was_sent_for_have_crashed_is_nobodys_mistake(stage: Stage) -> None:
    stage.start()
    heal = stage.hand.hold_write(Held(system=System.KUBERNETES, kinds="update V", moment=Moment.BEFORE))
    Hand(stage.rig).edit(how="weights", share=100)
    stage.people.abort()  # its first write hangs
    Hand(stage.rig).primary_crashes()
    stage.rig.settle()
    heal()

    assert stage.rig.referee.shares_now().users == {"v1": 100, "v2": 0}
    assert stage.rig.referee.violations == []


@pytest.mark.parametrize("moment", Moment)
def test_a_write_that_nobody_waits_for_is_late_however_fast_the_machine_and_lands_with_the_next_sweep(
    stage: Stage, moment: Moment
) -> None:
    stage.start()
    kube, late = stage.rig.bot.adapters.kube, Trouble(given_up=True)
    vs = kube.get("VirtualService", "default", "reviews") or {}
    noise = Noise(system=System.KUBERNETES, kinds="update V", moment=moment, trouble=late, share=1.0)
    stage.rig.noises.append(noise)
    with pytest.raises(Fault) as given_up:
        kube.put({**vs, "metadata": {**vs["metadata"], "labels": {"team": "books"}}})
    stage.rig.noises.remove(noise)
    team = [vs["metadata"].get("labels") for vs in stage.rig.kube.store.list("VirtualService")]
    stage.rig.pass_time(TICK)

    assert given_up.value.cause is Cause.TIMED_OUT
    assert ("team" in str(team)) is (moment is Moment.AFTER)
    assert stage.rig.kube.store.list("VirtualService")[0]["metadata"]["labels"] == {"team": "books"}
    assert kube.get("VirtualService", "default", "reviews") is not None  # whoever asks next is answered


def test_a_write_that_nobody_makes_is_let_go_as_well(stage: Stage) -> None:
    heal = stage.hand.hold_write(Held(system=System.KUBERNETES, kinds="update V", moment=Moment.BEFORE))
    heal()

    assert stage.start().annotations


def test_scrapes_take_long_and_some_fail(stage: Stage) -> None:
    stage.start()
    scraped, now = stage.rig.figures.scraped, stage.rig.clock.now
    quick = scraped.served("reviews-v1", now())
    heal = stage.hand.scrape("primary", seconds=4.0, lost=1.0, late=False)
    stage.sweep(6)
    assert scraped.served("reviews-v1", now()) == quick

    heal()
    stage.sweep(2)
    assert scraped.served("reviews-v1", now()) > quick


def test_the_clock_on_the_wall_is_set_and_no_other(stage: Stage) -> None:
    before, wall = stage.rig.clock.now(), stage.rig.bot.adapters.ports.clock
    heal = stage.hand.set_clock(seconds=3600.0)
    assert (stage.rig.clock.now(), wall.now(), stage.rig.figures.now()) == (before, before + 3600, before)

    heal()
    assert wall.now() == before


def test_prometheus_may_have_a_clock_of_its_own(stage_of: Callable[[Schedule], Stage]) -> None:
    stage = stage_of(with_(skew=5.0))

    assert stage.rig.figures.now() == stage.rig.clock.now() + 5.0


@pytest.mark.parametrize(("how", "known"), [("left", ["ratings"]), ("renamed", ["shop-reviews"]), ("broken", [])])
def test_another_file_is_read_at_a_new_start(stage: Stage, how: str, known: list[str]) -> None:
    stage.start()
    heal = stage.hand.edit_file(how)
    assert [service.name for service in stage.rig.bot.controller.services()] == known

    heal()
    assert [service.name for service in stage.rig.bot.controller.services()] == ["reviews"]


@pytest.mark.parametrize("how", ["cut", "phase", "empty"])
def test_a_garbled_record_is_one_that_nobody_can_read(stage: Stage, how: str) -> None:
    stage.start()
    assert stage.rig.store_says() is not None
    stage.hand.garble_record(how)

    assert stage.rig.record()
    assert stage.rig.store_says() is None


@pytest.mark.parametrize("which", ["restore", "rollout", "heartbeat"])
def test_garbled_annotations_are_others_than_were_written(stage: Stage, which: str) -> None:
    before = stage.start().annotations
    stage.hand.garble_annotations(which)
    changed = {name for name in before if stage.annotations.get(name) != before[name]}

    assert changed == {f"canary-bot/{which}"} & set(before)


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("annotations", [True, False])
def test_nobody_knows_home_where_record_and_annotations_are_destroyed(
    stage: Stage, *, record: bool, annotations: bool
) -> None:
    stage.start()
    if record:
        stage.hand.garble_record("cut")
    if annotations:
        stage.hand.garble_annotations("restore")

    assert stage.rig.nobody_knows_home() is (record and annotations)


def test_a_newer_bot_writes_more_and_an_older_one_reads_the_same(stage: Stage) -> None:
    before = stage.start().rig.store_says()
    stage.hand.newer_bot_writes()

    record = stage.rig.redis.get(stage.rig.record())
    assert isinstance(record, bytes)
    assert "novelty" in json.loads(record)["rollout"]
    assert "novelty" in stage.annotations["canary-bot/restore"]
    assert stage.rig.store_says() == before


@pytest.mark.parametrize("writes", ["newer_bot_writes", "newer_bot_leads", "older_bot_writes"])
@pytest.mark.parametrize("how", ["cut", "empty"])
def test_a_record_that_nobody_can_read_is_written_by_no_other_bot(stage: Stage, how: str, writes: str) -> None:
    stage.start().hand.garble_annotations("all")
    stage.hand.garble_record(how)
    before = stage.rig.redis.get(stage.rig.record()), stage.annotations
    getattr(stage.hand, writes)()
    stage.hand.garble_record("phase")

    assert (stage.rig.redis.get(stage.rig.record()), stage.annotations) == before


def test_a_newer_bot_leaves_damaged_annotations_as_they_are(stage: Stage) -> None:
    stage.start().hand.garble_annotations("restore")
    before = stage.annotations
    stage.hand.newer_bot_writes()

    assert stage.annotations == before


@pytest.mark.parametrize("what", sorted({event.what for seed in range(1000) for event in draw(seed).events}))
def test_somebody_does_what_is_drawn(what: str) -> None:
    assert [actor for actor in (Hand, Surroundings, People) if hasattr(actor, what)]


@pytest.mark.parametrize("action", ["start", "abort"])
def test_a_neighbour_shares_the_virtual_service_and_touches_no_rollout_of_others(
    stage_of: Callable[[Schedule], Stage], action: str
) -> None:
    stage = stage_of(with_(neighbour=True)).start()
    stage.hand.neighbour_tries(action)

    assert stage.wrong == []
    live = stage.rig.store_says()
    assert live is not None
    assert live.phase is Phase.MIRRORING


def test_a_person_who_wants_out_gets_out(stage_of: Callable[[Schedule], Stage]) -> None:
    stage = stage_of(with_(leaving=4))

    assert Play(stage.rig).run() == []
    history = stage.rig.store.history("default/reviews", 1)
    assert history[0].phase is Phase.ABORTED


class Speechless(People):
    """They want out, and nothing that they say is heard."""

    def abort(self) -> None:
        """Nobody hears it."""

    def abandon(self) -> None:
        """Neither this."""


@pytest.mark.parametrize(
    ("leaving", "events", "wrong"),
    [(4, (), "no command ends it"), (None, (Event(what="pause", at=4, sweeps=1000),), "did not end after an abort")],
)
def test_a_rollout_that_no_command_ends_is_told(
    stage_of: Callable[[Schedule], Stage], leaving: int | None, events: tuple[Event, ...], wrong: str
) -> None:
    stage = stage_of(replace(CALM, leaving=leaving, events=events))

    assert any(wrong in violation for violation in Play(stage.rig, Speechless).run())


def test_what_a_play_reads_is_held_against_what_was_served(stage_of: Callable[[Schedule], Stage]) -> None:
    stage = stage_of(BRISK)

    assert Play(stage.rig).run() == []
    assert stage.rig.accounts.checked > 10


def test_people_try_again_where_abandoning_could_not_take_the_marks_off(stage_of: Callable[[Schedule], Stage]) -> None:
    """Nobody is sent to a primary whose upgrade hangs, so an abort of what is left names the same command."""
    hangs = Event(what="upgrade_hangs", at=4, sweeps=24)
    unwritten = Event(what="withdraw", at=14, sweeps=8, details={"rights": (("update", "VirtualService", ""),)})
    unseen = Event(
        what="withdraw", at=14, sweeps=8, details={"rights": (("get", "Deployment", ""), ("list", "Deployment", ""))}
    )
    schedule = replace(
        BRISK, service={**BRISK.service, "promote": "upgrade"}, events=(hangs, unwritten, unseen), leaving=15
    )
    stage = stage_of(schedule)

    assert Play(stage.rig).run() == []
    assert [past.phase for past in stage.rig.store.history("default/reviews", 1)] == [Phase.ABANDONED]


@pytest.mark.parametrize("which", ["rollout", "restore", "heartbeat", "all"])
def test_nobody_is_left_alone_by_a_tool_that_damages_annotations_while_no_bot_is_there(
    stage_of: Callable[[Schedule], Stage], which: str
) -> None:
    damage = Event(what="garble_annotations", at=10, details={"which": which})
    stage = stage_of(replace(BRISK, events=(AWAY, damage)))

    assert Play(stage.rig).run() == []
    assert stage.rig.referee.seen.failsafes == (0 if which == "all" else 1)
    assert stage.rig.referee.is_help_asked_for() is (which == "all")


def test_nobody_is_left_alone_by_a_primary_that_is_deleted_while_no_bot_is_there(
    stage_of: Callable[[Schedule], Stage],
) -> None:
    deleted = Event(what="delete", at=10, sweeps=10, details={"thing": "primary"})
    stage = stage_of(replace(BRISK, events=(AWAY, deleted)))

    assert Play(stage.rig).run() == []
    assert stage.rig.referee.seen.failsafes > 0


def test_a_fault_that_begins_late_in_a_young_stage_is_one_that_begins_late(
    stage_of: Callable[[Schedule], Stage],
) -> None:
    """A pause at 20 % drew the trial out, and the judge has bet on it all the while."""
    late = (
        Event(what="pause", at=8, sweeps=6),
        Event(what="canary_fails_requests", at=12, sweeps=12),
    )
    base = draw(2451)
    service = {**base.service, "stage": {"for": "10s", "approve": []}}
    play = Play(stage_of(replace(base, service=service, events=late)).rig)

    assert play.run() == []


def test_rows_that_do_not_add_up_are_told(stage_of: Callable[[Schedule], Stage]) -> None:
    stage, notified = stage_of(CALM).start(), list[str]()

    def audit() -> None:
        stage.sweep()
        notified.extend(stage.rig.accounts.audit(stage.rig.store_says()))

    for _ in range(5):
        audit()
    assert notified == []
    for one in stage.rig.accounts.sums():
        one.rows.append(one.rows[-1])  # counted twice
    audit()

    assert [words.split(" add up")[0] for words in notified] == ["rows of reviews-v1", "rows of reviews-v2"]


@pytest.mark.parametrize(("requests", "wrong"), [(100, False), (200, True)])
def test_a_row_after_an_unknown_one_holds_nothing_of_it(requests: int, *, wrong: bool) -> None:
    seen = Observed()
    books, rollout = Accounts(seen), a_rollout()  # type: ignore[arg-type]  # the part that is asked
    notified: list[str] = []
    for at, side in ((10.0, None), (20.0, a_side_of(requests))):
        row = figures(side, None, start=at - 10, end=at)
        books.readings.append((rollout.spec.id, row))
        notified += books.audit(replace(rollout, analysis_state=AnalysisState(until=at, recent=(row,))))
        seen.served_by |= {10.0: 100, 20.0: 200}  # what was scraped until then came late

    assert bool(notified) is wrong


class Observed:
    """What was scraped so far."""

    def __init__(self) -> None:
        self.served_by: dict[float, int] = {}

    def served(self, _workload: str, at: float) -> tuple[int, int]:
        return self.served_by.get(at, 0), 0


@pytest.mark.parametrize("seconds", [20.0, -20.0, 3600.0])
def test_rows_add_up_over_a_clock_that_is_set(stage_of: Callable[[Schedule], Stage], seconds: float) -> None:
    stage, notified = stage_of(CALM).start(), list[str]()

    def audit(times: int) -> None:
        for _ in range(times):
            stage.sweep()
            notified.extend(stage.rig.accounts.audit(stage.rig.store_says()))

    audit(3)
    heal = stage.hand.set_clock(seconds)
    audit(3)
    heal()
    audit(8)

    assert notified == []
    assert stage.rig.accounts.checked > 10


@pytest.mark.parametrize(("ahead", "behind"), [(20.0, False), (90.0, True)])
def test_a_clock_that_was_far_ahead_is_behind_what_was_read_for_a_while(
    stage: Stage, ahead: float, *, behind: bool
) -> None:
    heal = stage.start().hand.set_clock(ahead)
    stage.sweep(3)
    assert not stage.rig.is_behind()

    heal()  # of a clock that is less than half a minute ahead nothing was believed: rows end by Prometheus's own
    assert stage.rig.is_behind() == behind
    stage.sweep(5)
    assert not stage.rig.is_behind()


def test_pods_are_called_the_same_in_each_replay(stage_of: Callable[[Schedule], Stage]) -> None:
    def names(stage: Stage) -> list[str]:
        return sorted(pod["metadata"]["name"] for pod in stage.rig.kube.store.list("Pod", "default"))

    first, again = names(stage_of(CALM)), names(stage_of(CALM))

    assert first == again
    assert len(set(first)) == len(first) > 0


def test_an_event_shows_what_it_does() -> None:
    event = Event(what="set_clock", at=3, sweeps=2, details={"seconds": 60.0})

    assert str(event) == "sweep 3: set_clock(seconds=60.0) for 2 sweeps"


def test_an_unknown_service_is_refused_and_crashes_nothing(stage: Stage) -> None:
    stage.hand.edit_file("left")

    with pytest.raises(CanaryError):
        stage.rig.bot.controller.start("reviews", "v2", by=MAYA)
