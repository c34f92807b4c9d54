"""A store in memory that is its own outbox, as one Redis is both: what it saves, it also posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.rollout.errors import Refusal, Stale
from bot.rollout.model import Entry, Rollout, RolloutId
from tests.fakes.outbox import InMemoryOutbox


class InMemoryStore(InMemoryOutbox):
    """The ports ``Store`` and ``Outbox``. While ``outage`` is set every call raises it and nothing changes."""

    def __init__(self) -> None:
        super().__init__()
        self._rollouts: dict[tuple[str, RolloutId], Rollout] = {}
        self._stories: dict[tuple[str, RolloutId], list[Entry]] = {}

    def create(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        other = self.active(rollout.key)
        if other is not None and not rollout.ended:
            raise Refusal(
                f"{rollout.service} already has a rollout ({other.version}, {other.phase.replace('_', ' ')}). "
                f"See `/canary status {rollout.service}`."
            )
        return self._write(rollout, 0, entries)

    def save(self, rollout: Rollout, entries: Sequence[Entry] = ()) -> Rollout:
        return self._write(rollout, rollout.revision, entries)

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        self._answer()
        return self._rollouts.get((key, rollout_id))

    def active(self, key: str) -> Rollout | None:
        self._answer()
        return next((r for r in self._rollouts.values() if r.key == key and not r.ended), None)

    def live(self) -> Sequence[Rollout]:
        self._answer()
        return sorted((r for r in self._rollouts.values() if not r.ended), key=lambda r: (r.started_at, r.id))

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        self._answer()
        return tuple(self._stories.get((key, rollout_id), ()))

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        self._answer()
        of_service = (r for r in self._rollouts.values() if r.key == key)
        return sorted(of_service, key=lambda r: (r.started_at, r.id), reverse=True)[:limit]

    def ping(self) -> None:
        self._answer()

    def _write(self, rollout: Rollout, expected: int, entries: Sequence[Entry]) -> Rollout:
        self._answer()
        place = (rollout.key, rollout.id)
        stored = self._rollouts.get(place)
        if (stored.revision if stored else 0) != expected:
            raise Stale("Redis", f"holds another revision of rollout {rollout.id} than {expected}.")
        self._rollouts[place] = written = replace(rollout, revision=expected + 1)
        self._stories.setdefault(place, []).extend(entries)
        self._post(written, entries)
        return written
