"""Words that nobody here can read, out of the way of those to be delivered: a stream of its own beside the outbox.

A few stay where they are: a newer canary-bot wrote them, and may be back to deliver them. Many would hide all that is
behind them, since so many words of a service are looked at and no more. They come back to the end of the outbox when
another replica begins to lead, which may be one that can read them, and before unsigned ones are signed.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.adapters.redis_connection import RedisClient
from bot.adapters.serialization import Keys

KEPT = 10_000  # of a service; the oldest go first

# A word's fields, those that mean something: what else is in it would only be carried along.
_FIELDS = """
local function known(word)
  local fields = {}
  for i = 1, #word, 2 do
    local name = word[i]
    if name == 'rollout' or name == 'revision' or name == 'number' or name == 'entry' then
      fields[#fields + 1], fields[#fields + 2] = name, word[i + 1]
    end
    if #fields == 8 then break end
  end
  return fields
end
"""

# Written there before it is deleted here: an error in between leaves it where it was.
# KEYS: outbox, aside  ARGV: how many are kept, then the places of words
MOVE = f"""{_FIELDS}
local moved = 0
for i = 2, #ARGV do
  local found = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])
  if #found == 1 then
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[1], '*', unpack(known(found[1][2])))
    redis.call('XDEL', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
"""

# KEYS: outbox, aside
RECALL = f"""{_FIELDS}
local found = redis.call('XRANGE', KEYS[2], '-', '+')
for _, word in ipairs(found) do redis.call('XADD', KEYS[1], '*', unpack(known(word[2]))) end
redis.call('DEL', KEYS[2])
return #found
"""


def move(client: RedisClient, service: str, places: Sequence[str]) -> int:
    """Move words of a service aside; tells how many.

    Raises:
        Fault: Redis cannot be asked, or holds something else where they would go; they stay where they are.
    """
    keys = Keys(service=service)
    return int(str(client.eval(MOVE, 2, keys.outbox, keys.aside, KEPT, *places)))


def recall(client: RedisClient, service: str) -> int:
    """Put those of a service back to the end of its outbox; tells how many.

    Raises:
        Fault: Redis cannot be asked.
    """
    keys = Keys(service=service)
    if client.type(keys.aside) != "stream":
        return 0
    return int(str(client.eval(RECALL, 2, keys.outbox, keys.aside)))
