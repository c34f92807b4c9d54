"""Which forms of messages the workspace does not take, for every replica and across a restart.

Slack rolls out its newer blocks workspace by workspace; to find that out anew costs a call that is refused.
"""

from __future__ import annotations

from bot.adapters.redis_connection import RedisClient, faults


class RedisRefusedForms:
    """One key for each form, which forgets itself."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def seconds_left(self, form: str) -> float:
        """How long the form is not to be tried, 0 where it may be.

        Raises:
            Fault: Redis cannot be asked.
        """
        with faults():
            return max(0.0, float(self._client.pttl(_key(form))) / 1000)

    def remember(self, form: str, seconds: float) -> None:
        """The form was refused, and is not to be tried for so long.

        Raises:
            Fault: Redis cannot be asked.
        """
        with faults():
            self._client.set(_key(form), "", ex=max(1, round(seconds)))


def _key(form: str) -> str:
    return f"canary:refused:{form}"
