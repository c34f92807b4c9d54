"""Webhooks are called beside everything else: no lock is held, and no reconcile, abort or heartbeat waits for one.

A reconcile says what is due; each call gets a thread of its own, and its answer is noted like a command. One that is
under way is not begun again; whatever this process forgets by ending is called again by the next one, with the same
key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from bot.controller.containment import contained
from bot.controller.ports import Clock, WebhookCaller
from bot.model.errors import Fault
from bot.model.rollout import Rollout
from bot.rollout.hooks import Call, body, due
from bot.words.sentence import Text, said

MOST_AT_ONCE = 32  # calls
MOST_OF_ONE = 4  # calls of one rollout: webhooks that hang keep no other team's waiting

REMEMBERED = 10.0  # seconds in which a rollout as it was read before an answer was stored may still come by

Note = Callable[[Rollout, Call, Text], bool]
Run = Callable[[Callable[[], None]], None]


def in_a_thread(work: Callable[[], None]) -> None:
    """Whoever ends the process does not wait for it."""
    threading.Thread(target=work, name="webhook", daemon=True).start()


class Webhooks:
    """The calls of one process. Its methods may be called from any thread."""

    def __init__(self, caller: WebhookCaller, clock: Clock, run: Run = in_a_thread) -> None:
        self._caller = caller
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._under_way: dict[str, str] = {}  # whose, by key
        self._stored: dict[str, tuple[int, float]] = {}  # how many of its calls were, and when, by key

    def call_due(self, rollout: Rollout, note: Note) -> None:
        """Begin what is due for this rollout; ``note`` hears of each answer, and says whether it is stored."""
        now = self._clock.now()
        for call in due(rollout, now):
            if self._reserve(rollout, call, now):
                self._run(lambda call=call: self._finish(rollout, call, note))  # type: ignore[misc]

    def _reserve(self, rollout: Rollout, call: Call, now: float) -> bool:
        key, whose = call.key(rollout), rollout.spec.id
        with self._lock:
            self._stored = {one: noted for one, noted in self._stored.items() if 0 <= now - noted[1] <= REMEMBERED}
            if call.tries(rollout) < self._stored.get(key, (0, now))[0]:
                return False  # it is read anew in a moment
            busy = list(self._under_way.values())
            if key in self._under_way or len(busy) >= MOST_AT_ONCE or busy.count(whose) >= MOST_OF_ONE:
                return False
            self._under_way[key] = whose
            return True

    def _finish(self, rollout: Rollout, call: Call, note: Note) -> None:
        key, stored = call.key(rollout), False
        try:
            stored = note(rollout, call, self._failure(rollout, call))
        finally:
            with self._lock:
                self._under_way.pop(key, None)
                if stored:
                    self._stored[key] = (call.tries(rollout) + 1, self._clock.now())

    def _failure(self, rollout: Rollout, call: Call) -> Text:
        """Why it did not say yes; "" where it did."""
        now = self._clock.now()
        try:
            with contained(said("controller.doing_webhook", name=call.hook.name)):
                self._caller.call(call.hook, call.key(rollout), body(rollout, call, now), now)
        except Fault as fault:
            return fault.sentence
        return ""
