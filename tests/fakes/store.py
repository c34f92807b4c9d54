"""A store in memory that is its own outbox, as one Redis is both: what it saves, it also posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.model.errors import Refusal, Remains, Stale, Unreadable
from bot.model.rollout import Phase, Rollout, RolloutId
from bot.model.story import Entry
from bot.rollout.phrases import status_text
from bot.words.sentence import Text, TypedIn, said
from tests.fakes.outbox import InMemoryOutbox


class InMemoryStore(InMemoryOutbox):
    """The ports ``Store`` and ``Outbox``. While ``outage`` is set every call raises it and nothing changes."""

    def __init__(self) -> None:
        super().__init__()
        self._rollouts: dict[tuple[str, RolloutId], Rollout] = {}
        self._stories: dict[tuple[str, RolloutId], list[Entry]] = {}
        self._fences: dict[str, int] = {}
        self._aside: set[tuple[str, RolloutId]] = set()
        self.garbled: dict[RolloutId, str] = {}  # records that cannot be read, and why

    def lose_everything(self) -> None:
        """As when Redis comes back empty."""
        self._rollouts.clear()
        self._stories.clear()
        self.done(self.pending())

    def create(self, rollout: Rollout, entries: Sequence[Entry], *, fence: int | None = None) -> Rollout:
        self._answer()
        other = self._live(rollout.key)
        if other is not None and not rollout.ended:
            command = TypedIn(f"status {rollout.spec.service}")
            where = status_text(other)
            raise Refusal(
                said("controller.already_rolling_out", version=other.spec.version, where=where, command=command)
            )
        return self._write(rollout, 0, entries, fence)

    def file(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        return self._write(rollout, 0, entries, None, notify=False)

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        return self._write(rollout, rollout.revision, entries, fence)

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        self._answer()
        found = self._rollouts.get((key, rollout_id))
        return self._read(found) if found is not None else None

    def active(self, key: str) -> Rollout | None:
        self._answer()
        found = self._live(key)
        return self._read(found) if found is not None else None

    def busy(self) -> Mapping[str, RolloutId]:
        self._answer()
        return {r.key: r.spec.id for r in self._all_live()}

    def live(self, of: Mapping[str, RolloutId] | None = None) -> Sequence[Rollout]:
        self._answer()
        wanted = [
            r for r in self._all_live() if r.spec.id not in self.garbled and (of is None or of.get(r.key) == r.spec.id)
        ]
        return sorted(wanted, key=lambda r: (r.spec.started_at, r.spec.id))

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        self._answer()
        return tuple(self._stories.get((key, rollout_id), ()))

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        self._answer()
        return [r for r in self._newest(key, limit) if r.spec.id not in self.garbled]

    def refusals(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        self._answer()
        refused = [r for r in self._of(key) if r.phase is Phase.REFUSED and r.spec.id not in self.garbled]
        return refused[:limit]

    def unreadable(self, key: str, limit: int = 10) -> Mapping[RolloutId, Text]:
        self._answer()
        return {r.spec.id: self.garbled[r.spec.id] for r in self._newest(key, limit) if r.spec.id in self.garbled}

    def set_aside(self, key: str, rollout_id: RolloutId) -> bool:
        self._answer()
        live = self._live(key)
        if live is None or live.spec.id != rollout_id:
            return False
        self._aside.add((key, rollout_id))
        return True

    def ping(self) -> None:
        self._answer()

    def _newest(self, key: str, limit: int) -> list[Rollout]:
        return [r for r in self._of(key) if r.phase is not Phase.REFUSED or r.spec.id in self.garbled][:limit]

    def _of(self, key: str) -> list[Rollout]:
        of_service = (r for r in self._rollouts.values() if r.key == key)
        return sorted(of_service, key=lambda r: (r.spec.started_at, r.spec.id), reverse=True)

    def _all_live(self) -> list[Rollout]:
        return [r for place, r in self._rollouts.items() if not r.ended and place not in self._aside]

    def _live(self, key: str) -> Rollout | None:
        return next((r for r in self._all_live() if r.key == key), None)

    def _read(self, found: Rollout) -> Rollout:
        if found.spec.id in self.garbled:
            remains = Remains(
                virtual_service=found.spec.target.virtual_service,
                channel=found.spec.channel,
                approvers=found.spec.approvals_rule.approvers,
            )
            raise Unreadable("Redis", self.garbled[found.spec.id], remains)
        return found

    def _write(
        self, rollout: Rollout, expected: int, entries: Sequence[Entry], fence: int | None, *, notify: bool = True
    ) -> Rollout:
        self._answer()
        newest = self._fences.get(rollout.key, 0)
        if fence is not None and fence < newest:
            raise Stale("Redis", f"lets nobody change {rollout.spec.service} with an old lease.")
        place = (rollout.key, rollout.spec.id)
        stored = self._rollouts.get(place)
        if (stored.revision if stored else 0) != expected:
            raise Stale("Redis", f"holds another revision of rollout {rollout.spec.id} than {expected}.")
        self._fences[rollout.key] = max(newest, fence or 0)
        self._rollouts[place] = written = replace(rollout, revision=expected + 1)
        self._stories.setdefault(place, []).extend(entries)
        if notify:
            self._post(written, entries)
        return written
