"""Is this Redis one to rely on? Asked once, by ``canary-bot check``, of each server that takes our writes.

Managed Redis forbids some of the questions. What may not be asked is told as that and is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from bot.adapters.redis_connection import RedisClient, faults
from bot.adapters.redis_signing import RedisSigning
from bot.adapters.signatures import REMEDY
from bot.model.signing import Signature, Signer

_SCRIPT = "return 1"
_KEY = "canary:check"  # named to the script, which touches nothing: a server goes by it


class Grade(StrEnum):
    """How much it matters."""

    FINE = "fine"
    DOUBT = "doubt"  # works, and a person should know
    WRONG = "wrong"  # the bot cannot do its work with it, or loses it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about this Redis, with what to do."""

    grade: Grade
    sentence: str


def examine_servers(client: RedisClient) -> Iterator[Finding]:
    """What the servers say of themselves; what several say is told once.

    Raises:
        Fault: one cannot be reached.
    """
    with faults():
        found = [finding for server in client.servers() for finding in _examine(server)]
    yield from dict.fromkeys(found)


def examine_login(*, open_to_all: bool | None) -> Iterator[Finding]:
    """Whether strangers are let in, as ``redis_connection.asks_for_no_password`` has found out."""
    if open_to_all is None:
        yield _doubt("whether it lets in who comes without a password could not be found out.")
    elif open_to_all:
        yield _doubt(
            "asks for no password: whoever reaches it may change rollouts. Give the bot a user of its own, and the "
            "default user a password (docs/redis.md)."
        )


def examine_signatures(signing: RedisSigning, signer: Signer) -> Iterator[Finding]:
    """Whether what is stored says who wrote it.

    Raises:
        Fault: Redis cannot be asked.
    """
    if not signer.signs:
        yield _keyless(others_sign=signing.others_sign())
        return
    unbelieved = signing.unbelieved()
    if missing := unbelieved.get(Signature.MISSING, 0):
        yield _wrong(
            f"holds unsigned texts ({missing}), which are not believed. The bot signs them once, as it starts "
            f"with a key for the first time; later {REMEDY}"
        )
    if changed := unbelieved.get(Signature.WRONG, 0):
        yield _wrong(
            f"holds texts ({changed}) that were not signed with CANARY_SIGNING_KEY or changed since; they are "
            "not believed. After a change of keys set NEW,OLD. Otherwise find out who else may write there."
        )


def _keyless(*, others_sign: bool) -> Finding:
    set_it = "set CANARY_SIGNING_KEY (`openssl rand -hex 32`) for the bot and its watchdog"
    if others_sign:
        return _wrong(f"was signed by a canary-bot with a key, and this one has none: {set_it}, the same everywhere.")
    return _doubt(f"holds nothing that says who wrote it: whoever may write there is believed. To end that, {set_it}.")


def _examine(server: Redis) -> Iterator[Finding]:
    info = _asked(server.info) or {}
    policy = str(info.get("maxmemory_policy", ""))
    yield from _role(_asked(server.role), info)
    yield from _scripts(server)
    yield from _persistence(info.get("aof_enabled"), _asked(lambda: server.config_get("save")))
    yield from _eviction(policy, info.get("maxmemory"))
    user = _asked(server.acl_whoami)
    if user is not None:
        yield Finding(grade=Grade.FINE, sentence=f"we are its user {user}")


def _role(role: Any, info: dict[str, Any]) -> Iterator[Finding]:
    """The first word of ROLE, or what INFO says."""
    said = str(role[0] if role else info.get("role", ""))
    if not said:
        yield _unknown("whether it takes writes", "ROLE", "+role")
    elif said not in {"master", "b'master'"}:
        yield _wrong("is a replica, which takes no writes: name the master in REDIS_URL, or the sentinels.")


def _scripts(server: Redis) -> Iterator[Finding]:
    try:
        server.eval(_SCRIPT, 1, _KEY)
    except (NoPermissionError, ResponseError):
        yield _wrong("lets us run no scripts, and every write is one: grant `+eval` (docs/redis.md).")


def _persistence(aof: Any, save: Any) -> Iterator[Finding]:
    if aof:
        return
    if save is None:
        yield _unknown("whether it writes snapshots", "CONFIG GET", "+config|get")
    elif not save.get("save"):
        yield _doubt(
            "keeps nothing on disk: after its restart rollouts are only known by the marks on their VirtualServices. "
            "Set `appendonly yes`, or at least `save 60 1`."
        )


def _eviction(policy: str, limit: Any) -> Iterator[Finding]:
    if not policy:
        yield _unknown("whether it evicts keys when its memory is full", "INFO", "+info")
    elif policy != "noeviction" and limit:
        what = "the lease" if policy.startswith("volatile-") else "live rollouts"
        yield _wrong(f"may evict {what} when its memory is full (maxmemory-policy {policy}): set it to noeviction.")


def _unknown(what: str, question: str, right: str) -> Finding:
    sentence = f"{what} is not known: our user may not ask it ({question}). Look yourself, or grant `{right}`."
    return Finding(grade=Grade.FINE, sentence=sentence)


def _doubt(sentence: str) -> Finding:
    return Finding(grade=Grade.DOUBT, sentence=sentence)


def _wrong(sentence: str) -> Finding:
    return Finding(grade=Grade.WRONG, sentence=sentence)


def _asked(ask: Callable[[], Any]) -> Any:
    """The answer; None where we may not ask, or the command was taken away."""
    try:
        return ask()
    except (NoPermissionError, ResponseError):
        return None
