"""Signs what an unsigned Redis holds: once, when a key is set, and again only for somebody who asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import structlog

from bot.adapters import redis_freezes, redis_store, signatures, words_aside
from bot.adapters.failures import Failed, logged
from bot.adapters.redis_connection import RedisClient, faults
from bot.adapters.serialization import FREEZES, HISTORIES, SIGNED, Keys
from bot.model.errors import Cause, Fault, Refusal
from bot.model.rollout import RolloutId
from bot.model.signing import Signature, Signer
from bot.words.sentence import said

# KEYS: a key  ARGV: what it held, what it holds then
SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

# KEYS: a hash  ARGV: a field, what it held, what it holds then
SWAP_FIELD = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

# One delivers nothing twice: the unsigned word goes as its signed twin comes.
# KEYS: an outbox  ARGV: the place of a word, then its fields
REPLACE = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
return 1
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RedisSigning:
    """Signs in one Redis, with ``signer``."""

    def __init__(self, client: RedisClient, signer: Signer, *, failed: Failed = logged) -> None:
        self._client = client
        self._signer = signer
        self._failed = failed

    def sign_once(self) -> int:
        """Sign what a version without a key has left, unless Redis was signed before. Tells how many texts were signed.

        Whoever may write to Redis could take the mark off, but not while anything that is signed is there: then nothing
        is signed by itself any more, and ``sign`` is for a person to decide.

        Raises:
            Fault: Redis cannot be asked.
        """
        if not self._signer.signs:
            return 0
        with faults():
            if self._client.exists(SIGNED):
                return 0
            anything = any(one is not Signature.MISSING for one in _found(self._client, self._signer))
        if anything:
            log.error("redis_signed_before", sentence=f"The key {SIGNED} is gone; unsigned records are not believed.")
            return 0
        return self.sign()

    def unbelieved(self) -> Mapping[Signature, int]:
        """How many records, freezes and waiting notifications are not believed, by what is wrong with them.

        Raises:
            Fault: Redis cannot be asked.
        """
        with faults():
            found = Counter([*_found(self._client, self._signer), *_found_words(self._client, self._signer)])
        return {why: found[why] for why in (Signature.MISSING, Signature.WRONG) if found[why]}

    def others_sign(self) -> bool:
        """Whether what is here was signed by a replica with a key.

        Raises:
            Fault: Redis cannot be asked.
        """
        with faults():
            return self._client.exists(SIGNED) > 0

    def sign(self) -> int:
        """Sign every record, freeze and waiting notification that is not signed; what was changed stays refused.

        Raises:
            Refusal: there is no key to sign with.
            Fault: Redis cannot be asked.
        """
        if not self._signer.signs:
            raise Refusal(said("adapters.nothing_to_sign_with", setting="CANARY_SIGNING_KEY"))
        with faults():
            count = sum(self._sign_service(key) for key in _services(self._client))
            count += _sign_freezes(self._client, self._signer)
            self._client.set(SIGNED, "1")
        log.warning("redis_signed", texts=count)
        return count

    def _sign_service(self, key: str) -> int:
        """What somebody else has put under the keys of one service keeps no other's from being signed."""
        try:
            with faults():
                return _sign_service(self._client, self._signer, key)
        except Exception as error:
            if isinstance(error, Fault) and error.cause is not Cause.REFUSED:
                raise
            self._failed(f"signing what {key} has", error)
            return 0


def _services(client: RedisClient) -> Iterator[str]:
    for key in client.scan_iter(match=HISTORIES, count=1000):
        yield Keys.of_history(key)


def _records(client: RedisClient, service: str) -> Iterator[tuple[RolloutId, str, str]]:
    """Id, key and text of each."""
    keys = Keys(service=service)
    if client.type(keys.history) != "zset":
        return  # somebody else's; ``reindex`` and readers say so
    for found in client.zrevrange(keys.history, 0, -1):
        name = keys.rollout(RolloutId(found))
        if client.type(name) == "string" and (text := client.get(name)):
            yield RolloutId(found), name, text


def _found(client: RedisClient, signer: Signer) -> Iterator[Signature]:
    for service in _services(client):
        for rollout_id, _, text in _records(client, service):
            yield signatures.signature_of(text, signer, *redis_store.about(service, rollout_id))
    for scope, text in client.hgetall(FREEZES).items():
        yield signatures.signature_of(text, signer, *redis_freezes.about(scope))


def _found_words(client: RedisClient, signer: Signer) -> Iterator[Signature]:
    for service in _services(client):
        keys = Keys(service=service)
        for name in (keys.outbox, keys.aside):
            for _, word in client.xrange(name) if client.type(name) == "stream" else ():
                about = redis_store.about_entry(service, word.get("rollout", ""))
                yield signatures.signature_of(word.get("entry", ""), signer, *about)


def _sign_service(client: RedisClient, signer: Signer, service: str) -> int:
    count = 0
    for rollout_id, name, text in _records(client, service):
        about = redis_store.about(service, rollout_id)
        if signatures.signature_of(text, signer, *about) is Signature.MISSING:
            count += int(str(client.eval(SWAP, 1, name, text, signatures.signed(text, signer, *about))))
    outbox = Keys(service=service).outbox
    words_aside.recall(client, service)
    if client.type(outbox) == "stream":
        count += sum(_sign_word(client, signer, service, place, word) for place, word in client.xrange(outbox))
    return count


def _sign_word(client: RedisClient, signer: Signer, service: str, place: str, word: Mapping[str, str]) -> int:
    text, about = word.get("entry", ""), redis_store.about_entry(service, word.get("rollout", ""))
    if not text or signatures.signature_of(text, signer, *about) is not Signature.MISSING:
        return 0
    fields = {**word, "entry": signatures.signed(text, signer, *about)}
    flat = [part for pair in fields.items() for part in pair]
    return int(str(client.eval(REPLACE, 1, Keys(service=service).outbox, place, *flat)))


def _sign_freezes(client: RedisClient, signer: Signer) -> int:
    count = 0
    for scope, text in client.hgetall(FREEZES).items():
        about = redis_freezes.about(scope)
        if signatures.signature_of(text, signer, *about) is Signature.MISSING:
            count += int(str(client.eval(SWAP_FIELD, 1, FREEZES, scope, text, signatures.signed(text, signer, *about))))
    return count
