"""Signs of life for the watchdog: the heartbeat of every rollout that is truly being looked after.

Renewed after a reconcile that reached the store and saw the cluster, whatever the rollout waits for: paused, held,
waiting for approval, upgrading, halted. A bot that looks without seeing is as good as none.

Each rollout has at most one write under way. A slow API server makes beats late, and never a queue of them.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

from bot.controller.containment import Broken
from bot.controller.ports import Clock, Mesh
from bot.model.errors import Contended, Fault
from bot.model.observation import Observation
from bot.model.rollout import Rollout, RolloutId
from bot.words.sentence import said

DEAD_MAN_SECONDS = 120.0
BEATS = 3  # within the limit, so that one lost beat is nobody's death

Task = Callable[[], None]


def at_once(task: Task) -> None:
    """Do it here and now."""
    task()


class Heartbeats:
    """Renews heartbeats often enough. What it remembers is only when it did so last, and what is under way.

    ``clock`` counts seconds that no setting of the time changes. ``run`` is given each write to do; a pool of threads
    keeps a slow API server from making reconciles wait.
    """

    def __init__(
        self,
        mesh: Mesh,
        clock: Clock,
        limit: float = DEAD_MAN_SECONDS,
        *,
        run: Callable[[Task], object] = at_once,
        failed: Callable[[Rollout, Fault], None] = lambda _rollout, _fault: None,
    ) -> None:
        self._mesh = mesh
        self._clock = clock
        self._limit = limit
        self._every = limit / BEATS
        self._run = run
        self._failed = failed
        self._beaten: dict[RolloutId, float] = {}
        self._under_way: set[RolloutId] = set()
        self._ended: set[RolloutId] = set()  # while a beat of theirs was under way
        self._lock = threading.Lock()

    def knows(self, rollout_id: RolloutId) -> bool:
        """Whether this process looked after the rollout last, as far as it knows."""
        return rollout_id in self._beaten

    def after_reconcile(self, rollout: Rollout, observed: Observation | None) -> None:
        """Renew the heartbeat if it is time."""
        if rollout.ended:
            self._end(rollout)
            return
        now, last = self._clock.now(), self._beaten.get(rollout.spec.id)
        # A clock that was set back must not keep the heartbeat waiting.
        if observed is None or (last is not None and 0 <= now - last < self._every):
            return
        if rollout.spec.id in self._under_way:
            return
        # The second beat of each comes at a time of its own: a thousand at once would be felt.
        self._beaten[rollout.spec.id] = now if last is not None else now - self._every * _share(rollout.spec.id)
        with self._lock:
            self._under_way.add(rollout.spec.id)
        self._run(lambda: self._beat_and_be_done(rollout))

    def _end(self, rollout: Rollout) -> None:
        """Forget it, and leave no Lease behind: also not by a beat that is under way now."""
        if self._beaten.pop(rollout.spec.id, None) is None:
            return
        with self._lock:
            is_beating = rollout.spec.id in self._under_way
            if is_beating:
                self._ended.add(rollout.spec.id)
        if not is_beating:
            self._run(lambda: self._quiet(rollout))

    def _beat_and_be_done(self, rollout: Rollout) -> None:
        try:
            self._beat(rollout)
        finally:
            with self._lock:
                self._under_way.discard(rollout.spec.id)
                has_ended = rollout.spec.id in self._ended
                self._ended.discard(rollout.spec.id)
        if has_ended:
            self._quiet(rollout)

    def _beat(self, rollout: Rollout) -> None:
        """A beat that is lost is due again at the next reconcile."""
        try:
            self._mesh.beat(rollout.spec.target, rollout.spec.id, self._limit)
        except Contended:
            self._beat_again(rollout)
        except Fault as fault:
            self._beat_again(rollout)
            self._failed(rollout, fault)
        except Exception as error:  # noqa: BLE001  # a pool's thread would keep it to itself
            self._beat_again(rollout)
            self._failed(rollout, Broken(error, said("controller.doing_beat", service=rollout.spec.service)))

    def _beat_again(self, rollout: Rollout) -> None:
        if rollout.spec.id in self._beaten:  # and not where it has ended meanwhile
            self._beaten[rollout.spec.id] = float("-inf")

    def _quiet(self, rollout: Rollout) -> None:
        """A beat may have come between the end's own deleting of the Lease and the end."""
        try:
            self._mesh.quiet(rollout.spec.target, rollout.spec.id)
        except Fault as fault:
            self._failed(rollout, fault)
        except Exception as error:  # noqa: BLE001  # a pool's thread would keep it to itself
            self._failed(rollout, Broken(error, said("controller.doing_quiet", service=rollout.spec.service)))


def _share(rollout_id: RolloutId) -> float:
    """Between 0 and 1, always the same for one rollout and spread evenly over many."""
    return zlib.crc32(rollout_id.encode()) / 2**32
