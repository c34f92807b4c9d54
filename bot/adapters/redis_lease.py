"""The port ``Lease`` on Redis: which of several replicas looks after rollouts by itself, and since when.

The lease is one key with a time to live. Whoever takes it gets a fencing number larger than every earlier one, also
after Redis has lost its data or a replica of it without the newest writes took over: the number is Redis' clock in
milliseconds, or one more than the last, whichever is larger.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.adapters.clock import stopwatch
from bot.adapters.redis_connection import RedisClient, faults

RENEWED_AFTER = 1 / 3  # of its length: two renewals may fail before it is lost
# Redis' clock and ours may run at slightly different speeds; the lease ends for us before it can end for others.
CERTAIN = 0.9

# Two keys of one slot, which is nobody else's.
LEASE = "canary:{leader}:lease"
FENCE = "canary:{leader}:fence"

# Keeps or takes the lease; the answer is its number, or nothing when somebody else has it.
# KEYS: the lease, the last number  ARGV: who asks, milliseconds
KEEP = """
local held = redis.call('GET', KEYS[1])
if held then
  local fence, owner = string.match(held, '^(%d+) (.*)$')
  if owner ~= ARGV[1] then return '' end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return fence
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[2])) or 0
local fence = string.format('%.0f', math.max(last + 1, now))
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], fence .. ' ' .. ARGV[1], 'NX', 'PX', ARGV[2])
return fence
"""

RELEASE = """
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ (.*)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'released'
"""


class RedisLease:
    """One replica's side of the lease. ``keep`` is called about every second, the rest from anywhere."""

    def __init__(
        self,
        client: RedisClient,
        owner: str,
        *,
        seconds: float = 10.0,
        monotonic: Callable[[], float] = stopwatch,
    ) -> None:
        """Nothing is held before ``keep``.

        Args:
            client: the Redis that all replicas share.
            owner: this process and no other, also after a restart.
            seconds: how long the lease lasts without being renewed.
            monotonic: seconds that no clock setting changes and that go on while the machine is suspended: Redis does
                not wait for it.
        """
        self._client = client
        self._owner = owner
        self._seconds = seconds
        self._monotonic = monotonic
        self._held: tuple[int, float] | None = None  # the number, and until when it is surely ours
        self._renew_at = 0.0

    @property
    def fence(self) -> int | None:
        """The lease's number while it is surely ours, else None."""
        held = self._held
        return held[0] if held is not None and self._monotonic() < held[1] else None

    def keep(self) -> None:
        """Take the lease if nobody has it; renew it once a third of it is over.

        Raises:
            Fault: Redis cannot be asked. What is held stays ours for the rest of its time.
        """
        # Before the question is sent: the time to live begins when Redis hears it, which is later.
        asked_at = self._monotonic()
        if self.fence is not None and asked_at < self._renew_at:
            return
        with faults():
            answer = str(self._client.eval(KEEP, 2, LEASE, FENCE, self._owner, round(self._seconds * 1000)))
        self._held = (int(answer), asked_at + self._seconds * CERTAIN) if answer else None
        self._renew_at = asked_at + self._seconds * RENEWED_AFTER

    def release(self) -> None:
        """Let others have it at once. Harmless when it is not ours."""
        self._held = None  # first of all: what runs beside us must stop
        with faults():
            self._client.eval(RELEASE, 1, LEASE, self._owner)
