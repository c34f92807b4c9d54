"""The port ``Store`` on Redis: rollouts, their stories, and the letters that go with every change.

All keys of a service are in one slot, so one script writes a change as a whole: the rollout if its revision is still
the expected one, the pointer to the live rollout, the story's lines and the outbox's letters. Delivering letters is
``outbox``'s business; names of keys and JSON are in ``stored``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot.adapters.redis_link import Link, faults
from bot.adapters.stored import HISTORIES, SERVICES, Keys, dump_entry, dump_rollout, load_entry, load_rollout
from bot.rollout.errors import Fault, Refusal, Stale
from bot.rollout.model import Entry, Rollout, RolloutId

# Sent whole each time: changes are rare, and a script cache is one more thing a failover loses.
#
# KEYS: rollout, active, history, story, outbox
# ARGV: expected revision (0: none is stored), the rollout, its id, when it was started, 1 if it is live,
#       its new revision, the entries
#
# The connection is tried twice. Finding exactly what it came to write, the script was here before and its answer lost.
WRITE = """
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[2] then return 'written' end
local revision = stored and cjson.decode(stored).rollout.revision or 0
if revision ~= tonumber(ARGV[1]) then return 'stale' end

local active = redis.call('GET', KEYS[2])
if ARGV[5] == '1' then
  if active and active ~= ARGV[3] then return 'taken' end
  redis.call('SET', KEYS[2], ARGV[3])
elseif active == ARGV[3] then
  redis.call('DEL', KEYS[2])
end

redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
for i = 7, #ARGV do
  redis.call('XADD', KEYS[4], '*', 'entry', ARGV[i])
  redis.call('XADD', KEYS[5], '*', 'rollout', ARGV[3], 'revision', ARGV[6], 'entry', ARGV[i])
end
redis.call('XADD', KEYS[5], '*', 'rollout', ARGV[3], 'revision', ARGV[6])
return 'written'
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RedisStore:
    """Rollouts in Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def create(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        """Store a new rollout at revision 1 with its first entries, in one transaction."""
        created = replace(rollout, revision=1)
        match self._write(created, 0, entries):
            case "taken":
                raise self._taken(rollout)
            case "stale":
                raise Stale("Redis", f"already holds a rollout {rollout.id} of {rollout.service}.")
        return created

    def save(self, rollout: Rollout, entries: Sequence[Entry] = ()) -> Rollout:
        """Replace the stored rollout if its revision is still ``rollout.revision``; entries and letters with it."""
        saved = replace(rollout, revision=rollout.revision + 1)
        if self._write(saved, rollout.revision, entries) != "written":
            raise Stale(
                "Redis",
                f"holds another revision of {rollout.service}'s rollout {rollout.id} than {rollout.revision}: "
                "somebody else changed it first.",
            )
        return saved

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        """One rollout of the service ``key``, live or ended."""
        with faults():
            text = self._link.get(Keys(service=key).rollout(rollout_id))
        return None if text is None else load_rollout(text)

    def active(self, key: str) -> Rollout | None:
        """The live rollout of the service ``key``, at most one."""
        with faults():
            rollout_id = self._link.get(Keys(service=key).active)
        rollout = self.load(key, RolloutId(rollout_id)) if rollout_id else None
        # It may have ended between the two answers.
        return rollout if rollout is not None and not rollout.ended else None

    def live(self) -> Sequence[Rollout]:
        """Every live rollout, oldest first.

        One that cannot be read is logged and left out: the others must be looked after all the same.
        """
        with faults():
            services = [Keys(service=key) for key in sorted(self._link.smembers(SERVICES))]
            ids = self._get([keys.active for keys in services])
            documents = self._get(
                [keys.rollout(RolloutId(found)) for keys, found in zip(services, ids, strict=True) if found]
            )
        rollouts = filter(None, (_readable(document) for document in documents if document))
        return sorted((r for r in rollouts if not r.ended), key=lambda rollout: (rollout.started_at, rollout.id))

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        """Every entry of a rollout, oldest first."""
        with faults():
            lines = self._link.xrange(Keys(service=key).story(rollout_id))
        return [load_entry(fields["entry"]) for _, fields in lines]

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's rollouts, newest first."""
        keys = Keys(service=key)
        with faults():
            ids = self._link.zrevrange(keys.history, 0, limit - 1) if limit > 0 else []
            documents = self._get([keys.rollout(RolloutId(found)) for found in ids])
        return [load_rollout(document) for document in documents if document]

    def ping(self) -> None:
        """Raise ``Fault`` when the store cannot be reached."""
        with faults():
            self._link.ping()

    def reindex(self) -> None:
        """Rebuild the index from the services' own keys; for after a loss, and harmless at any time."""
        with faults():
            for key in self._link.scan_iter(match=HISTORIES, count=1000):
                self._link.sadd(SERVICES, Keys.of_history(key))

    def _write(self, rollout: Rollout, expected: int, entries: Sequence[Entry]) -> str:
        keys = Keys(service=rollout.key)
        with faults():
            if expected == 0:
                self._link.sadd(SERVICES, rollout.key)
            outcome = self._link.eval(
                WRITE,
                5,
                *(keys.rollout(rollout.id), keys.active, keys.history, keys.story(rollout.id), keys.outbox),
                *(expected, dump_rollout(rollout), rollout.id, rollout.started_at),
                *(0 if rollout.ended else 1, rollout.revision),
                *map(dump_entry, entries),
            )
        return str(outcome)

    def _taken(self, rollout: Rollout) -> Refusal:
        other = self.active(rollout.key)
        if other is None:
            return Refusal(f"{rollout.service} had a rollout until a moment ago. Try again.")
        return Refusal(
            f"{rollout.service} already has a rollout ({other.version}, {other.phase.replace('_', ' ')}). "
            f"See `/canary status {rollout.service}`."
        )

    def _get(self, names: Sequence[str]) -> list[str | None]:
        """Many keys of any slots in one round trip."""
        if not names:
            return []
        pipeline = self._link.pipeline(transaction=False)
        for name in names:
            pipeline.get(name)
        return list(pipeline.execute())


def _readable(document: str) -> Rollout | None:
    try:
        return load_rollout(document)
    except Fault as fault:
        log.error("rollout_unreadable", reason=fault.sentence)  # noqa: TRY400  # the sentence says it all
        return None
