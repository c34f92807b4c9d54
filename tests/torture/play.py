"""Plays one schedule, heals everything, lets people finish it, and says what was violated."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

from bot.model.errors import CanaryError
from bot.model.rollout import JUDGED, Phase, Rollout, RolloutId
from bot.slack.thread import line
from bot.words.rendering import plain
from sandbox.figures import Mood
from sandbox.people import CHANNEL, cards
from sandbox.wire import System
from tests.torture import patience
from tests.torture.callees import skipped, untold
from tests.torture.events import DEAD_MAN, SWEEPS, TICK, Event
from tests.torture.hand import Hand
from tests.torture.people import People
from tests.torture.rig import KEY, Rig
from tests.torture.schedule import Schedule
from tests.torture.surroundings import Surroundings

HEALING = 30  # sweeps without another stage, after which it must hold for a reason that a person was told
ABORTING, ABANDONING = 8, 4  # sweeps in which an abort, or else abandoning it, ends a rollout whatever is broken
LEAVING = 30  # sweeps an abort may take once everything works
NO_DATA = frozenset({Mood.DOWN, Mood.FAILING, Mood.EMPTY, Mood.NAN})
EVERYONE = 100  # percent
STRANDED = 1  # sweeps after which users must have left where nobody answers: seen at the first, and left in it


def play(directory: Path, redis_port: int, schedule: Schedule) -> list[str]:
    """What was violated, in sentences; nothing, hopefully."""
    with Rig(directory, redis_port, schedule) as rig:
        return Play(rig).run()


class Play:
    """One schedule under way."""

    def __init__(self, rig: Rig, people: type[People] = People) -> None:
        self._rig = rig
        self._schedule = rig.schedule
        self._hand = Hand(rig)
        self._people = people(rig, self._violated)
        self._surroundings = Surroundings(rig, self._violated)
        self._heals: list[tuple[int, Callable[[], None]]] = []
        self._sweep = 0
        self._began = False
        self._hurt = self._stranded = 0
        self._seen: dict[RolloutId, float] = {}  # since when, by the clock that nobody sets
        self._alone = 0.0  # seconds without a bot, in which the watchdog could have heard one
        self._life: tuple[str | None, ...] = ()  # what it could have heard last
        self.violations = rig.referee.violations

    def run(self) -> list[str]:
        """The schedule, then the healing, then the verdict."""
        try:
            for self._sweep in range(SWEEPS):
                self._break_and_heal()
                self._step()
                if self._schedule.has("failover"):
                    self._hand.remember()
                if self._is_over():
                    break
                if self._schedule.leaving == self._sweep:
                    self._want_out()
                    break
            self._heal_everything()
            self._finish()
        except Exception:  # noqa: BLE001  # whatever it is, the bot must not raise it
            self._violated(f"crashed: {traceback.format_exc()}")
        return self.violations

    # A sweep

    def _step(self) -> None:
        self._rig.pass_time(TICK)
        before = self._stored()
        if not self._began:
            # An answer that was lost on its way says nothing: what is stored does.
            self._began = self._people.start() or self._stored() is not None
        self._people.answer_questions()
        if not self._rig.away:
            bot = self._rig.bot
            self._guarded(lambda: bot.controller.sweep(bot.adapters.ports.store.live()))
            self._guarded(bot.controller.call_owed_webhooks)
            self._guarded(bot.adoption.reconcile)
            self._guarded(bot.delivery.deliver)
        self._rig.watchdog.reconcile()
        if (live := self._stored()) is not None:
            self._seen.setdefault(live.spec.id, self._rig.clock.now())
        for wrong in self._rig.accounts.audit(live):
            self._violated(wrong)
        for wrong in skipped(live) if live is not None and not self._schedule.has("failover") else ():
            self._violated(wrong)
        self._judge_blind_advance(before)
        self._judge_harm()
        self._judge_safety()

    def _guarded(self, job: Callable[[], None]) -> None:
        """As the scheduler guards a job: a fault is logged, and the next run comes."""
        try:
            job()
        except CanaryError:
            return

    def _judge_blind_advance(self, before: Rollout | None) -> None:
        """Without data nobody is sent on to another stage."""
        after = self._stored()
        if before is None or after is None or before.spec.id != after.spec.id or self._rig.figures.mood not in NO_DATA:
            return
        judged = before.phase in JUDGED and not before.current.release
        if judged and after.phase is not Phase.ABORTING and not after.retreat and after.stage > before.stage:
            self._violated(f"went from {before.current.name} to {after.current.name} without data")

    def _judge_harm(self) -> None:
        """A canary that hurts users, with nothing else in the way, keeps them for a few sweeps and no longer."""
        ground, referee = self._rig.ground, self._rig.referee
        shares = referee.shares_now()
        can_go = referee.ready_now(ground.primary_subset) and not referee.seen.patches
        under_way = self._stored() is not None and not self._schedule.has("wipe", "failover", "edit_image")
        users_hurt = shares.of(ground.canary_subset) > 0 and self._is_failing() and can_go and under_way
        self._hurt = self._hurt + 1 if users_hurt and self._is_calm() else 0
        if self._hurt > self._patience():
            self._violated(f"users were left on a canary that hurts them ({shares.users})")
        self._stranded = self._stranded + 1 if under_way and self._is_calm() and self._is_stranded() else 0
        if self._stranded > STRANDED:
            self._violated(f"users were left where nobody answers ({shares.users})")

    def _patience(self) -> int:
        rollout, now = self._stored(), self._rig.clock.now()
        if rollout is None:
            return 0
        judged = now - self._seen.get(rollout.spec.id, now) - self._hurt * TICK
        return patience.sweeps(rollout.spec.gates.judge, entered=rollout.stage, seconds=max(judged, 0.0))

    def _is_stranded(self) -> bool:
        """Users are where no pod is ready, and the other side has some and is no stranger to them."""
        referee, ground = self._rig.referee, self._rig.ground
        shares = referee.shares_now()
        met = shares.of(ground.canary_subset) > 0 or bool(referee.seen.patches)
        sides = (ground.primary_subset, ground.canary_subset)
        # Where somebody's edit hides who has met the canary, a dead primary is no reason to send everyone there.
        asked = sides[1:] if self._schedule.has("edit") else sides
        left = any(shares.of(side) > 0 and not referee.ready_now(side) for side in asked)
        return left and met and any(referee.ready_now(side) for side in sides)

    def _judge_safety(self) -> None:
        """Nobody has looked after a rollout for longer than the limit: everyone is where it is safe."""
        referee, ground = self._rig.referee, self._rig.ground
        is_heard = not any(noise.system is System.KUBERNETES for noise in self._rig.noises) and not self._rig.withdrawn
        life, before = referee.sign_of_life(), self._life
        self._life = life
        # Whoever changes whose heartbeat it is, or the heartbeat, has given a sign of life: nobody can tell who it was.
        is_alone = self._rig.away and is_heard and referee.marked() and life == before
        self._alone = self._alone + TICK if is_alone else 0.0
        at_home, away = (referee.ready_now(subset) for subset in (ground.primary_subset, ground.canary_subset))
        if self._alone <= DEAD_MAN or not (at_home or away):
            return
        if not self._rig.is_home_marked() and referee.is_help_asked_for():
            return  # somebody destroyed what says what home is, and a person is told
        shares = referee.shares_now()
        untouched = not referee.seen.patches and not referee.seen.deployed_by_others
        subset = (
            ground.primary_subset
            if (untouched and at_home) or shares.of(ground.canary_subset) == 0
            else ground.canary_subset
        )
        if shares.mirrored or shares.of(subset) != EVERYONE or not referee.ready_now(subset):
            self._violated(f"nobody looks after it for {self._alone:g} s and users are left at {shares}")

    def _is_failing(self) -> bool:
        return self._rig.traffic.stretches[-1].bad.get(self._rig.ground.canary, 0.0) > 0

    def _is_calm(self) -> bool:
        """Nothing but the canary is out of order, and perhaps somebody who speaks in its name: that hides nothing."""
        rig = self._rig
        unwell = rig.noises or rig.withdrawn or rig.scraping or rig.wall.ahead or rig.garbled or rig.holding
        return not rig.away and rig.figures.mood in {Mood.WELL, Mood.FORGED} and not unwell and not rig.is_behind()

    # A way out

    def _want_out(self) -> None:
        """In the middle of it all a person wants the rollout to end, and some command does that.

        They wait until a bot and its Redis can hear them; whatever else is broken stays so.
        """
        self._rig.redis_is_well = True
        if self._rig.away:
            self._rig.start_bot()
        live = self._rig.record()
        for command, sweeps in ((self._people.abort, ABORTING), (self._people.abandon, ABANDONING)):
            for _ in range(sweeps):
                if not live or self._rig.record() != live:
                    self._rig.redis_is_well = False
                    return
                if command != self._people.abort or not self._is_aborting():
                    command()
                self._step()
        self._violated(f"no command ends it: {self._stored()}")
        self._rig.redis_is_well = False

    def _is_aborting(self) -> bool:
        rollout = self._stored()
        return rollout is not None and rollout.phase is Phase.ABORTING

    # What happens around it

    def _break_and_heal(self) -> None:
        due, self._heals = (
            [heal for at, heal in self._heals if at <= self._sweep],
            [(at, heal) for at, heal in self._heals if at > self._sweep],
        )
        for heal in due:
            heal()
        for event in self._schedule.events:
            if event.at == self._sweep:
                self._begin(event)

    def _begin(self, event: Event) -> None:
        actors = (self._hand, self._surroundings, self._people)
        begin = next(found for actor in actors if (found := getattr(actor, event.what, None)))
        heal = begin(**event.details)
        if heal is not None:
            self._heals.append((event.at + event.sweeps, heal))

    def _heal_everything(self) -> None:
        for _, heal in self._heals:
            heal()
        self._heals = []
        self._rig.late_ones_land()
        self._rig.receiver.answers = {}
        assert not self._rig.noises
        assert self._rig.figures.mood is Mood.WELL
        assert not self._rig.away

    # The end

    def _finish(self) -> None:
        self._wait_for_the_end()
        if not self._is_over():
            self._judge_waiting()
            self._leave()
        self._judge_end()
        self._judge_calls()
        self._judge_words()
        for wrong in (*self._rig.audience.wrong, *self._rig.reader.wrong):
            self._violated(wrong)

    def _wait_for_the_end(self) -> None:
        """As long as it moves from stage to stage."""
        quiet, at = 0, self._place()
        while quiet < HEALING + self._on_copies() and not self._is_over():
            self._step()
            quiet, at = (quiet + 1, at) if self._place() == at else (0, self._place())

    def _on_copies(self) -> int:
        """Sweeps for which it may be judged on copies without a word: then people are asked."""
        rollout = self._stored()
        return ceil(rollout.current.seconds / TICK) if rollout is not None and rollout.current.on_copies else 0

    def _place(self) -> tuple[Phase, int] | None:
        rollout = self._stored()
        return (rollout.phase, rollout.stage) if rollout else None

    def _judge_waiting(self) -> None:
        """It may wait only for what a person was told."""
        rollout = self._stored()
        if rollout is None:
            return  # the store has lost it; that an abort finds it is seen next
        asked = rollout.asked_at is not None or rollout.phase is Phase.HALTED or rollout.paused_by is not None
        notified = rollout.hold is not None and rollout.hold.notified
        if not asked and not notified:
            self._violated(f"waits at {rollout.current.name} ({rollout.hold}), and nobody was told")

    def _leave(self) -> None:
        """With everything healed, an abort brings everyone home from anywhere; or people abandon it.

        That is asked for only where somebody destroyed both that say what home is, the record and the annotations:
        nobody can know it then, and an abort that guessed might send users to the wrong side. And where it was
        abandoned before, and its annotations could not be taken off: people were told to try again.
        """
        for _ in range(LEAVING):
            if self._is_over():
                return
            if self._rig.nobody_knows_home() or self._is_abandoned():
                self._people.abandon()
            rollout = self._stored()
            if rollout is None or rollout.phase is not Phase.ABORTING:
                self._people.abort()
            self._step()
        self._violated(f"did not end after an abort: {self._stored()}")

    def _is_abandoned(self) -> bool:
        last = self._last()
        return last is not None and last.phase is Phase.ABANDONED and not self._rig.record()

    def _judge_end(self) -> None:
        rollout = self._last()
        ground = self._rig.ground
        if rollout is None:
            return
        if rollout.phase is Phase.ABANDONED or self._schedule.has("delete"):
            if self._rig.referee.marked():
                self._violated("the rollout has ended and left its marks behind")
            return  # routes and images are as somebody left them
        promoted = rollout.phase is Phase.PROMOTED
        adopted = rollout.reason == "accepted on the canary" or self._schedule.service["promote"] == "adopt"
        stays = promoted and (self._schedule.relabel or adopted)
        self._rig.referee.judge_end(
            promoted=promoted,
            final_subset=ground.canary_subset if stays else ground.primary_subset,
            upgraded=None if self._was_notified(rollout, "put the old one back by hand") else promoted and not adopted,
        )

    def _judge_calls(self) -> None:
        """Whoever is to be told of the end is, unless nothing remembers that there was one."""
        last = self._last()
        if last is None or not last.ended or self._schedule.has("wipe", "failover", "edit_file") or self._rig.garbled:
            return
        self._guarded(self._rig.bot.controller.call_owed_webhooks)
        for wrong in untold(last, self._rig.receiver):
            self._violated(wrong)

    def _was_notified(self, rollout: Rollout, words: str) -> bool:
        return any(words in plain(entry.text).lower() for entry in self._rig.store.story(rollout.key, rollout.spec.id))

    def _judge_words(self) -> None:
        """Nothing is said twice but what Slack left in doubt, and nothing is lost but what was doubtful twice."""
        if self._schedule.has("wipe", "failover", "neighbour_tries") or self._rig.garbled:
            return
        for _ in range(HEALING):
            self._rig.pass_time(TICK)
            self._guarded(self._rig.bot.delivery.deliver)
            if not self._rig.bot.adapters.outbox.pending(1):
                break
        else:
            self._violated("words are still waiting long after Slack came back")
        said = Counter(m.text for m in self._rig.slack.workspace.messages(CHANNEL) if m.is_reply)
        meant = Counter(self._lines(self._history()))
        # A refused start is told to whoever asked, and its lines are kept for whoever looks it up.
        owed = Counter(self._lines(self._rig.store.history(KEY, 100)))
        doubts = self._rig.ambiguous
        twice = sum((said - meant).values()) + max(0, len(cards(self._rig.slack.workspace)) - len(self._history()))
        lost = sum((owed - said).values())
        if twice > doubts + self._forgotten_posts():
            self._violated(f"{twice} posts came twice with {doubts} in doubt: {said - meant}")
        if lost > doubts // 2:
            self._violated(f"{lost} lines were lost with {doubts} in doubt: {owed - said}")

    def _forgotten_posts(self) -> int:
        """A post that the outbox could not tick off may come again where another memory takes over."""
        takes_over = {"restart_bot": 1, "bot_away": 1, "another_leads": 2, "edit_file": 2}
        times = sum(takes_over.get(event.what, 0) for event in self._schedule.events)
        return times if self._schedule.has("noise") else 0

    def _lines(self, rollouts: Sequence[Rollout]) -> Sequence[str]:
        store = self._rig.store
        found = [(r, line(r, entry)) for r in rollouts for entry in store.story(r.key, r.spec.id)]
        return [said.message.text for _, said in found if said]

    # Small words

    def _violated(self, what: str) -> None:
        self.violations.append(f"sweep {self._sweep}: {what}")

    def _history(self) -> Sequence[Rollout]:
        return [*self._rig.store.history(KEY, 100), *self._rig.store.refusals(KEY, 100)]

    def _last(self) -> Rollout | None:
        begun = [rollout for rollout in self._history() if rollout.phase is not Phase.REFUSED]
        return begun[0] if begun else None

    def _stored(self) -> Rollout | None:
        """The live rollout, seen past every fault; None also where its record cannot be read."""
        return self._rig.store_says()

    def _is_over(self) -> bool:
        """Nothing is live, and nothing of a rollout is left in the cluster."""
        return self._began and not self._rig.record() and not self._rig.referee.marked()
