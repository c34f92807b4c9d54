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
from bot.model.signing import Signature, Signer
from bot.words.sentence import Code, Sentence, said

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
    sentence: Sentence


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
        yield _doubt(said("adapters.redis_open_unknown"))
    elif open_to_all:
        yield _doubt(said("adapters.redis_open"))


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
        yield _wrong(said("adapters.redis_unsigned", n=missing, command=Code("canary-bot sign")))
    if changed := unbelieved.get(Signature.WRONG, 0):
        yield _wrong(said("adapters.redis_signed_otherwise", n=changed, key="CANARY_SIGNING_KEY"))


def _keyless(*, others_sign: bool) -> Finding:
    key, command = "CANARY_SIGNING_KEY", Code("openssl rand -hex 32")
    if others_sign:
        return _wrong(said("adapters.redis_others_sign", key=key, command=command))
    return _doubt(said("adapters.redis_nobody_signs", key=key, command=command))


def _examine(server: Redis) -> Iterator[Finding]:
    info = _asked(server.info) or {}
    policy = str(info.get("maxmemory_policy", ""))
    yield from _role(_asked(server.role), info)
    yield from _scripts(server)
    yield from _persistence(info.get("aof_enabled"), _asked(lambda: server.config_get("save")))
    yield from _eviction(policy, info.get("maxmemory"))
    user = _asked(server.acl_whoami)
    if user is not None:
        yield Finding(grade=Grade.FINE, sentence=said("adapters.redis_user", user=str(user)))


def _role(role: Any, info: dict[str, Any]) -> Iterator[Finding]:
    """The first word of ROLE, or what INFO says."""
    word = str(role[0] if role else info.get("role", ""))
    if not word:
        yield _unknown(said("adapters.whether_writes"), "ROLE", "+role")
    elif word not in {"master", "b'master'"}:
        yield _wrong(said("adapters.redis_is_replica", url="REDIS_URL"))


def _scripts(server: Redis) -> Iterator[Finding]:
    try:
        server.eval(_SCRIPT, 1, _KEY)
    except (NoPermissionError, ResponseError):
        yield _wrong(said("adapters.redis_no_scripts", right=Code("+eval")))


def _persistence(aof: Any, save: Any) -> Iterator[Finding]:
    if aof:
        return
    if save is None:
        yield _unknown(said("adapters.whether_snapshots"), "CONFIG GET", "+config|get")
    elif not save.get("save"):
        yield _doubt(said("adapters.redis_forgets", setting=Code("appendonly yes"), other=Code("save 60 1")))


def _eviction(policy: str, limit: Any) -> Iterator[Finding]:
    if not policy:
        yield _unknown(said("adapters.whether_evicts"), "INFO", "+info")
    elif policy != "noeviction" and limit:
        what = said("adapters.the_lease") if policy.startswith("volatile-") else said("adapters.live_rollouts")
        yield _wrong(said("adapters.redis_evicts", what=what, setting=f"maxmemory-policy {policy}"))


def _unknown(what: Sentence, question: str, right: str) -> Finding:
    sentence = said("adapters.redis_may_not_ask", what=what, question=question, right=Code(right))
    return Finding(grade=Grade.FINE, sentence=sentence)


def _doubt(sentence: Sentence) -> Finding:
    return Finding(grade=Grade.DOUBT, sentence=sentence)


def _wrong(sentence: Sentence) -> Finding:
    return Finding(grade=Grade.WRONG, sentence=sentence)


def _asked(ask: Callable[[], Any]) -> Any:
    """The answer; None where we may not ask, or the command was taken away."""
    try:
        return ask()
    except (NoPermissionError, ResponseError):
        return None
