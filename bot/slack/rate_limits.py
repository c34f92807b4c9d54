"""What Slack lets us send, and when: token buckets, and silences it asked for. Pure: the time is an argument.

Times are seconds of a clock that never jumps. The figures are Slack's own advice: a post a second for each channel with
short bursts, an edit of one message every three seconds, and fifty edits a minute over all of them. What somebody
decided is on the card at once all the same: people do not click every second. Figures alone may wait, so that twenty
live cards are never half a minute behind.
"""

from __future__ import annotations

from dataclasses import dataclass

POST, UPDATE = "chat.postMessage", "chat.update"

# Seconds after the last edit of one card: of one that shows figures and nothing else, of one that shows what has
# happened ("no more than about once every three seconds"), and of one that shows what a person decided or must know.
FIGURES_AFTER, HAPPENED_AFTER, DECIDED_AFTER = 15.0, 3.0, 0.5
# Over all cards: 45 a minute and five at once, which is never more than 50 in a minute.
CARDS_RATE, CARDS_BURST = 0.75, 5
URGENT = 3  # of these, kept for cards on which something was decided
POSTS_RATE, POSTS_BURST = 1.0, 4  # for each channel


@dataclass(slots=True, kw_only=True)
class Bucket:
    """``burst`` at once, then ``rate`` a second."""

    rate: float
    burst: float
    left: float
    at: float

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> Bucket:
        """One that nothing was taken from."""
        return cls(rate=rate, burst=burst, left=burst, at=now)

    def has(self, now: float, spare: float = 0) -> bool:
        """Whether one could be taken now and leave ``spare``."""
        self.left = min(self.burst, self.left + max(0.0, now - self.at) * self.rate)
        self.at = max(self.at, now)
        return self.left >= 1 + spare

    def take(self, now: float, spare: float = 0) -> bool:
        """Take one if ``has``."""
        taken = self.has(now, spare)
        self.left -= int(taken)
        return taken


class Limits:
    """All of them, for one workspace. Channels go by whatever name they are posted to."""

    def __init__(self, now: float) -> None:
        self._cards = Bucket.full(CARDS_RATE, CARDS_BURST, now)
        self._posts: dict[str, Bucket] = {}
        self._silent_until: dict[tuple[str, str], float] = {}  # by method and channel; "" is every one

    def may_update(self, now: float, *, urgent: bool = False) -> bool:
        """Whether some card could be edited now."""
        return not self.silent(UPDATE, "", now) and self._cards.has(now, 0 if urgent else URGENT)

    def take_update(self, now: float, *, urgent: bool = False) -> bool:
        """Count one edit if it is allowed now."""
        return not self.silent(UPDATE, "", now) and self._cards.take(now, 0 if urgent else URGENT)

    def take_post(self, channel: str, now: float) -> bool:
        """Count one post to a channel if it is allowed now."""
        bucket = self._posts.setdefault(channel, Bucket.full(POSTS_RATE, POSTS_BURST, now))
        return not self.silent(POST, channel, now) and bucket.take(now)

    def silence(self, method: str, channel: str, seconds: float, now: float) -> None:
        """Slack asked for silence on a method (429).

        Posts are counted for each channel, so others go on; when Slack says it of a second channel as well it means
        all of them.
        """
        scope = channel if method == POST else ""
        others = any(m == method and c != scope and until > now for (m, c), until in self._silent_until.items())
        self._silent_until = {key: until for key, until in self._silent_until.items() if until > now}
        self._silent_until[method, "" if others else scope] = now + seconds

    def silent(self, method: str, channel: str, now: float) -> bool:
        """Whether Slack has asked for silence here, and it is not over."""
        return any(now < self._silent_until.get((method, scope), 0.0) for scope in ("", channel))
