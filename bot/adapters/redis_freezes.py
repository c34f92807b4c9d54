"""The port ``Freezes`` on Redis: a hash of what is frozen now, and a stream of who froze and unfroze what.

Both keys are in one slot, so one script writes a change as a whole. Names of keys and JSON are in ``serialization``.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.adapters import signatures
from bot.adapters.redis_connection import RedisClient, faults
from bot.adapters.serialization import (
    FREEZES,
    FREEZES_STORY,
    dump_freeze,
    dump_freeze_line,
    load_freeze,
    load_freeze_line,
)
from bot.model import freeze as rules
from bot.model.freeze import Freeze, FreezeAction, FreezeLine
from bot.model.rollout import UserId
from bot.model.signing import UNSIGNED, Signer
from bot.words.sentence import said

STORY_LINES = 1000  # the newest are kept

# KEYS: now, story  ARGV: scope, the freeze, the line
#
# The connection is tried twice. Finding exactly what it came to write, the script was here before and its answer lost.
FREEZE = """
local replaced = redis.call('HGET', KEYS[1], ARGV[1])
if replaced == ARGV[2] then return '' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', STORY_LINES, '*', 'line', ARGV[3])
return replaced or ''
""".replace("STORY_LINES", str(STORY_LINES))

# KEYS: now, story  ARGV: scope, the freeze as it is stored, the line ("": what is over goes without one)
#
# The same second try is known by its line, which is the last one then.
UNFREEZE = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return (last and last[2][2] == ARGV[3]) and 1 or 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[3] ~= '' then redis.call('XADD', KEYS[2], 'MAXLEN', STORY_LINES, '*', 'line', ARGV[3]) end
return 1
""".replace("STORY_LINES", str(STORY_LINES))


def about(scope: str) -> tuple[str, str]:
    """What a freeze's signature is about, beside its text."""
    return "freeze", scope


class RedisFreezes:
    """Freezes in Redis, signed by ``signer``; one that is not ours is a fault, so nothing starts while it is there."""

    def __init__(self, client: RedisClient, signer: Signer = UNSIGNED) -> None:
        self._client = client
        self._signer = signer

    def current(self, now: float) -> Sequence[Freeze]:
        """Every freeze that is not over at ``now``; those that are over are forgotten.

        Raises:
            Fault: Redis cannot be asked, or holds one that cannot be read.
        """
        with faults():
            stored = {text: self._load(scope, text) for scope, text in self._client.hgetall(FREEZES).items()}
            for text, freeze in stored.items():
                if freeze.is_over(now):  # compared as it was read: it may have been replaced since
                    self._client.eval(UNFREEZE, 2, FREEZES, FREEZES_STORY, freeze.scope, text, "")
        return rules.current(stored.values(), now)

    def freeze(self, freeze: Freeze) -> Freeze | None:
        """Store it, and a line of the story with it. Tells what it replaces, unless that is over.

        Raises:
            Fault: Redis cannot be asked.
        """
        line = FreezeLine(at=freeze.since, by=freeze.by, action=FreezeAction.FROZE, freeze=freeze)
        keys = (FREEZES, FREEZES_STORY)
        with faults():
            answer = self._client.eval(FREEZE, 2, *keys, freeze.scope, self._dump(freeze), dump_freeze_line(line))
        replaced = load_freeze(str(answer)) if answer else None
        return replaced if replaced is not None and not replaced.is_over(freeze.since) else None

    def unfreeze(self, freeze: Freeze, *, by: UserId, now: float) -> bool:
        """End exactly this one, with a line of the story; False where it is not there any more.

        Raises:
            Fault: Redis cannot be asked.
        """
        line = dump_freeze_line(FreezeLine(at=now, by=by, action=FreezeAction.UNFROZE, freeze=freeze))
        with faults():
            # As it is stored, which a newer version may spell with more fields than this one knows.
            stored = self._client.hgetall(FREEZES).get(freeze.scope)
            text = stored if stored is not None and load_freeze(stored) == freeze else self._dump(freeze)
            return bool(self._client.eval(UNFREEZE, 2, FREEZES, FREEZES_STORY, freeze.scope, text, line))

    def _load(self, scope: str, text: str) -> Freeze:
        return load_freeze(
            signatures.believed(said("adapters.a_freeze", scope=scope), text, self._signer, *about(scope))
        )

    def _dump(self, freeze: Freeze) -> str:
        return signatures.signed(dump_freeze(freeze), self._signer, *about(freeze.scope))

    def story(self) -> Sequence[FreezeLine]:
        """Who froze and unfroze what, oldest first.

        Raises:
            Fault: Redis cannot be asked.
        """
        with faults():
            return [load_freeze_line(fields["line"]) for _, fields in self._client.xrange(FREEZES_STORY)]
