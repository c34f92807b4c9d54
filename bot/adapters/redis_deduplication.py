"""Which payloads of Slack's any replica has served before: Slack delivers one again when no answer reached it in time,
and not necessarily to the same replica.
"""

from __future__ import annotations

from bot.adapters.redis_connection import RedisClient, faults

REMEMBERED_FOR = 3600  # seconds; Slack tries for five minutes, or hourly where an app asks for delayed events


class RedisDeduplication:
    """One key for each payload, which forgets itself."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def is_new(self, key: str) -> bool:
        """Whether this is the first time, for all replicas together.

        Raises:
            Fault: Redis cannot be asked.
        """
        with faults():
            return bool(self._client.set(f"canary:served:{key}", "", nx=True, ex=REMEMBERED_FOR))
