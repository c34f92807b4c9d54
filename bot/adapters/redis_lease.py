"""The port ``Lease`` on Redis: which of several replicas looks after rollouts by itself, and since when.

The lease is one key with a time to live. Whoever takes it gets a fencing number larger than every earlier one, also
after Redis has lost its data or a replica of it without the newest writes took over: the number is Redis' clock in
milliseconds, or one more than the last, whichever is larger.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.adapters.clock import stopwatch
from bot.adapters.redis_connection import RedisClient, faults
from bot.adapters.serialization import FENCE_AHEAD, SIGNED
from bot.model.signing import UNSIGNED, Signature, Signer

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

RENEWED_AFTER = 1 / 3  # of its length: two renewals may fail before it is lost
# Redis' clock and ours may run at slightly different speeds; the lease ends for us before it can end for others.
CERTAIN = 0.9
MILLISECONDS = 1000  # in a second
LONGEST = 300.0  # seconds that any replica's lease lasts, whatever it is set to (LEASE_SECONDS)

# Two keys of one slot, which is nobody else's.
LEASE = "canary:{leader}:lease"
FENCE = "canary:{leader}:fence"

# What stands at a key; nothing where something of another kind does, which no replica has put there, and goes.
_TEXT = """
local function text(key)
  if redis.call('TYPE', key).ok == 'string' then return redis.call('GET', key) end
  redis.call('DEL', key)
  return false
end
"""

# Keeps or takes the lease; the answer is its number, or nothing when somebody else has it. A number is Redis' clock:
# one of later (see FENCE_AHEAD), or none at all ("nan"), is nobody's.
# KEYS: the lease, the last number  ARGV: who asks, milliseconds
KEEP = (
    _TEXT
    + """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function is_ours(number) return number and number >= 0 and number <= now + FENCE_AHEAD * 1000 end
local held = text(KEYS[1])
if held then
  local fence, owner = string.match(held, '^(%d+) (.*)$')
  if owner ~= ARGV[1] then return '' end
  if is_ours(tonumber(fence)) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return fence
  end
end
local last = tonumber(text(KEYS[2]) or '')
if not is_ours(last) then last = 0 end
local fence = string.format('%.0f', math.max(last + 1, now))
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], fence .. ' ' .. ARGV[1], 'PX', ARGV[2])
return fence
""".replace("FENCE_AHEAD", str(FENCE_AHEAD))
)

# What no replica can have written is taken for nothing.
# KEYS: the lease  ARGV: what it says
DROP = (
    _TEXT
    + """
if text(KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
)

RELEASE = (
    _TEXT
    + """
local held = text(KEYS[1])
if held and string.match(held, '^%d+ (.*)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'released'
"""
)


class RedisLease:
    """One replica's side of the lease. ``keep`` is called about every second, the rest from anywhere."""

    def __init__(
        self,
        client: RedisClient,
        owner: str,
        *,
        seconds: float = 10.0,
        signer: Signer = UNSIGNED,
        monotonic: Callable[[], float] = stopwatch,
    ) -> None:
        """Nothing is held before ``keep``.

        Args:
            client: the Redis that all replicas share.
            owner: this process and no other, also after a restart.
            seconds: how long the lease lasts without being renewed.
            signer: signs who we are, so that nobody else can be taken for a replica.
            monotonic: seconds that no clock setting changes and that go on while the machine is suspended: Redis does
                not wait for it.
        """
        self._client = client
        self._signer = signer
        self._owner = f"{owner} {signer.sign(LEASE, owner)}" if signer.signs else owner
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
            answer = self._ask_for_it()
            if not answer and self._drop_what_is_nobodys():
                answer = self._ask_for_it()
        self._held = (int(answer), asked_at + self._seconds * CERTAIN) if answer else None
        self._renew_at = asked_at + self._seconds * RENEWED_AFTER

    def _ask_for_it(self) -> str:
        return str(self._client.eval(KEEP, 2, LEASE, FENCE, self._owner, round(self._seconds * MILLISECONDS)))

    def _drop_what_is_nobodys(self) -> bool:
        """Whether the lease was in hands that cannot be a replica's: without an end, or without our signature.

        A replica that is gone has signed its own as well, and somebody may put that back for a
        year. A replica of before, without a key, is still one as long as nothing in Redis was signed.
        """
        held = self._client.get(LEASE)
        if held is None:
            return True
        owner, _, signature = held.partition(" ")[2].rpartition(" ")
        signed = self._signer.judge(signature, LEASE, owner)
        forged = signed in {Signature.WRONG, Signature.MISSING} and self._client.exists(SIGNED) > 0
        if not forged and 0 <= self._client.pttl(LEASE) <= LONGEST * MILLISECONDS:
            return False
        log.error("lease_forged", signature=str(signed))
        return bool(self._client.eval(DROP, 1, LEASE, held))

    def release(self) -> None:
        """Let others have it at once. Harmless when it is not ours."""
        self._held = None  # first of all: what runs beside us must stop
        with faults():
            self._client.eval(RELEASE, 1, LEASE, self._owner)
