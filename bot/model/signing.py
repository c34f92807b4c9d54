"""What we wrote is known again: HMAC-SHA-256 over what is signed and what it is about.

Whoever may write where the bot keeps its memory (one annotation, one key in Redis) must not be believed for that alone.
The key is ``CANARY_SIGNING_KEY``, the same for all replicas and the watchdog. Several keys sign with the first and know
all of them, so that a key can be replaced.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum


class Signature(StrEnum):
    """What a signature says of who wrote a text."""

    VALID = "valid"
    UNCHECKED = "unchecked"  # we have no key: nothing is signed, and nothing refused
    MISSING = "missing"  # written without a key: by a version before, or by somebody else
    WRONG = "wrong"  # signed with a key that is none of ours, or changed since, or about something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs texts, and judges signatures. Without keys it does neither."""

    keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def signs(self) -> bool:
        """Whether there is a key."""
        return bool(self.keys)

    def sign(self, *parts: str) -> str:
        """The signature of these parts in this order, 64 hexadecimal digits; "" without a key."""
        return _digest(self.keys[0], parts) if self.keys else ""

    def judge(self, signature: object, *parts: str) -> Signature:
        """What ``signature`` says of these parts. It comes from outside, and may be anything."""
        if not self.keys:
            return Signature.UNCHECKED
        if not signature:
            return Signature.MISSING
        given = str(signature).encode(errors="replace")
        known = [hmac.compare_digest(given, _digest(key, parts).encode()) for key in self.keys]
        return Signature.VALID if any(known) else Signature.WRONG


UNSIGNED = Signer()


def _digest(key: bytes, parts: tuple[str, ...]) -> str:
    # With the length of each, so that no two lists of parts are the same text.
    whole = b"".join(b"%d:%b" % (len(one), one) for one in (part.encode(errors="surrogatepass") for part in parts))
    return hmac.new(key, whole, hashlib.sha256).hexdigest()
