"""Connections to Redis by URL, and Redis' errors in our words. What is stored there is the store's business.

``redis://``, ``rediss://`` and ``unix://`` are one server; ``redis+sentinel://host:port,host2:port/service/db`` asks
the sentinels who the master is; ``redis+cluster://host:port,host2:port`` is a cluster; ``embedded://PATH`` starts a
server of our own, see ``redis_embedded``. With ``rediss`` for ``redis`` everything that is spoken to speaks TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast, overload
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from redis import Redis, RedisCluster, Sentinel
from redis import exceptions as redis_errors
from redis.backoff import ConstantBackoff, NoBackoff
from redis.client import Pipeline
from redis.cluster import ClusterNode, ClusterPipeline
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

from bot import bounded
from bot.adapters import redis_embedded
from bot.adapters.calls import Called, counted, nobody
from bot.adapters.lazy import Lazy
from bot.model.errors import Cause, Fault, Refusal
from bot.words.sentence import Code, Sentence, said

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
# A firewall may have forgotten an idle connection without telling anyone.
IDLE_SECONDS = 30
SENTINEL_PORT = 26379
REDIS_PORT = 6379
# While a cluster fails over its nodes answer MOVED, or not at all.
CLUSTER_TRIES = 3
CLUSTER_PAUSE_SECONDS = 0.2
ENCODING_ERRORS = "surrogateescape"

EXPECTED = said(
    "adapters.redis_url",
    url="REDIS_URL",
    forms=(
        *("redis://host:6379/0", "unix:///path/redis.sock?db=0", "redis+sentinel://host:26379,host2:26379/service/0"),
        *("redis+cluster://host:6379", "embedded://PATH"),
    ),
)

_LATE, _UNREACHED = said("adapters.redis_late"), said("adapters.redis_unreached")
_IN_WORDS: tuple[tuple[type[Exception], Sentence, Cause], ...] = (
    (redis_errors.TimeoutError, _LATE, Cause.TIMED_OUT),
    (redis_errors.AuthenticationError, said("adapters.redis_login"), Cause.FORBIDDEN),
    (redis_errors.NoPermissionError, said("adapters.redis_rights"), Cause.FORBIDDEN),
    (redis_errors.BusyLoadingError, said("adapters.redis_loading"), Cause.UNREACHABLE),
    (redis_errors.ConnectionError, _UNREACHED, Cause.UNREACHABLE),
    (TimeoutError, _LATE, Cause.TIMED_OUT),
    (OSError, _UNREACHED, Cause.UNREACHABLE),
    (redis_errors.ClusterDownError, said("adapters.redis_cluster_down"), Cause.UNREACHABLE),
    (
        redis_errors.RedisClusterException,
        said("adapters.redis_no_node"),
        Cause.UNREACHABLE,
    ),
    (redis_errors.ReadOnlyError, said("adapters.redis_replica"), Cause.REFUSED),
    (redis_errors.OutOfMemoryError, said("adapters.redis_full"), Cause.REFUSED),
)

# What the library trips over where something else than a Redis answers.
_NO_REDIS = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)

_WRONG_KIND = said("adapters.redis_wrong_kind", keys=Code("canary:…"), command=Code("TYPE"))


# A script's own commands are refused in words of the script's; the code that redis-py looks for stands after them.
_NOT_ALLOWED = ("NOPERM", "can't run this command or subcommand", "can't access at least one of the keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What letting us in takes beside the URL.

    Attributes:
        ca_file: certificates (PEM) to trust instead of the system's, where TLS is spoken.
        sentinel_username: the sentinels' own user; the one in the URL is the servers'.
        sentinel_password: and its password; a password without a user is that of the sentinels' default user.
    """

    ca_file: Path | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)


OPEN = Access()


# ruff: noqa: D102 - methods named as Redis' commands, documented there


class Batch(Protocol):
    """Commands on their way in one round trip; not a transaction."""

    def get(self, name: str) -> object: ...
    def hgetall(self, name: str) -> object: ...
    def xrange(self, name: str, *, count: int) -> object: ...
    def xlen(self, name: str) -> object: ...
    def hlen(self, name: str) -> object: ...
    def zcard(self, name: str) -> object: ...
    def execute(self, *, raise_on_error: bool) -> list[Any]:
        """The answers, in order; without ``raise_on_error`` errors stand in their places."""


class WrongKind:
    """Stands in the place of an answer about a key that holds another kind of thing than ours."""


def answers(batch: Batch) -> list[Any]:
    """The answers, in order; ``WrongKind`` for a key that somebody else wrote over, which spoils no other's.

    Raises:
        Fault: anything else went wrong.
    """
    found = []
    for answer in batch.execute(raise_on_error=False):
        if isinstance(answer, Exception):
            if not _is_wrong_kind(answer):
                with faults():
                    raise answer
            found.append(WrongKind())
        else:
            found.append(answer)
    return found


class RedisClient(Protocol):
    """The commands we use, on a server or a cluster, answering in ``str``: redis' own types cover bytes as well."""

    def ping(self) -> bool: ...
    def type(self, name: str) -> str: ...
    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str, *, nx: bool = False, ex: int | None = None) -> bool | None: ...
    def exists(self, *names: str) -> int: ...
    def pttl(self, name: str) -> int: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: str | float) -> object: ...
    def sadd(self, name: str, *values: str) -> int: ...
    def srem(self, name: str, *values: str) -> int: ...
    def smembers(self, name: str) -> AbstractSet[str]: ...
    @overload
    def zrange(self, name: str, start: int, end: int) -> list[str]: ...
    @overload
    def zrange(self, name: str, start: int, end: int, *, withscores: Literal[True]) -> list[tuple[str, float]]: ...
    def zadd(self, name: str, mapping: dict[str, float]) -> int: ...
    def zrem(self, name: str, *values: str) -> int: ...
    def zrevrange(self, name: str, start: int, end: int) -> list[str]: ...
    def hset(self, name: str, *, mapping: Mapping[str, str]) -> int: ...
    def hgetall(self, name: str) -> dict[str, str]: ...
    def hdel(self, name: str, *keys: str) -> int: ...
    def hget(self, name: str, key: str) -> str | None: ...
    def hlen(self, name: str) -> int: ...
    def xlen(self, name: str) -> int: ...
    def xrange(self, name: str) -> list[tuple[str, dict[str, str]]]: ...
    def xdel(self, name: str, *ids: str) -> int: ...
    def scan_iter(self, match: str, count: int) -> Iterator[str]: ...
    def pipeline(self, *, transaction: bool) -> Batch: ...
    def servers(self) -> Iterator[Redis]: ...
    def close(self) -> None: ...


def connect(url: str, called: Called = nobody, access: Access = OPEN) -> RedisClient:
    """A client for the Redis at ``url``. Only an embedded server is spoken to at once, and started.

    ``called`` is told how each question ended; several commands in one round trip are one question.

    Raises:
        Refusal: the URL is not one of ours, names a server that cannot be started, or there is no certificate in
            ``access.ca_file``.
        Fault: the embedded server did not start.
    """
    _refuse_no_certificates(access.ca_file)
    try:
        # ``decode_responses`` is what makes it one, and no type says so.
        return cast("RedisClient", Counting(_client(url, access), called))
    except (ValueError, TypeError):  # the latter for what is written after the question mark
        # Not chained: the library's words may hold the URL, and with it the password.
        raise Refusal(EXPECTED) from None


class Counting:
    """A client, or a batch of one, that tells how each question to Redis ended."""

    def __init__(self, asked: Any, called: Called) -> None:
        self._asked = asked
        self._called = called

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._asked, name)
        match name:
            case "pipeline":
                return lambda *arguments, **named: Counting(value(*arguments, **named), self._called)
            case "close":
                return value
            case _ if not callable(value):
                return value
            case "scan_iter":
                return self._counted_all(value)
            case _ if isinstance(self._asked, Pipeline | ClusterPipeline) and name != "execute":
                return value  # only put down: it is sent with the rest
            case _:
                return self._counted(value)

    def servers(self) -> Iterator[Redis]:
        """Each server that takes our writes: of a cluster all masters, otherwise the one.

        Raises:
            Fault: it cannot be asked.
        """
        with faults():
            if isinstance(self._asked, Lazy):
                cluster: RedisCluster = self._asked.reached()
                masters = cluster.get_primaries()  # type: ignore[no-untyped-call]  # redis has types, but not here
                yield from map(cluster.get_redis_connection, masters)
            else:
                yield self._asked

    def _counted(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*arguments: Any, **named: Any) -> Any:
            with counted(self._called), faults():
                return ask(*arguments, **named)

        return asked

    def _counted_all(self, ask: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        def asked(*arguments: Any, **named: Any) -> Iterator[Any]:
            with counted(self._called), faults():
                yield from ask(*arguments, **named)

        return asked


@contextmanager
def faults() -> Iterator[None]:
    """Redis' errors as ``Fault``: in our words, because theirs may hold addresses."""
    try:
        yield
    except (redis_errors.RedisError, redis_errors.RedisClusterException, OSError, *_NO_REDIS) as error:
        sentence, cause = _in_words(error)
        raise Fault("Redis", sentence, cause) from error


def _in_words(error: Exception) -> tuple[Sentence, Cause]:
    if _is_wrong_kind(error):
        return _WRONG_KIND, Cause.REFUSED
    if isinstance(error, redis_errors.ResponseError) and any(words in str(error) for words in _NOT_ALLOWED):
        error = redis_errors.NoPermissionError()
    if (tls := _tls(error)) is not None:
        return tls
    if isinstance(error, MasterNotFoundError):
        return _of_sentinels(str(error))
    other = said("adapters.redis_error", kind=type(error).__name__), Cause.REFUSED
    return next(((words, cause) for kind, words, cause in _IN_WORDS if isinstance(error, kind)), other)


def _of_sentinels(error: str) -> tuple[Sentence, Cause]:
    """What each sentinel answered is in the library's words only."""
    if "AuthenticationError" in error or "NoPermissionError" in error:
        return said("adapters.sentinel_login", setting=Code("REDIS_SENTINEL_PASSWORD")), Cause.FORBIDDEN
    return said("adapters.no_master", setting=Code("REDIS_CA_FILE")), Cause.UNREACHABLE


def _tls(error: BaseException) -> tuple[Sentence, Cause] | None:
    """The words where it was the handshake that went wrong: the library wraps that in an error of the connection."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__ or found.__context__
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        why = found.verify_message.rstrip(".") or type(found).__name__
        return said("adapters.redis_distrusted", why=why, setting=Code("REDIS_CA_FILE")), Cause.FORBIDDEN
    return said("adapters.redis_no_tls", scheme=Code("rediss://")), Cause.UNREACHABLE


def _is_wrong_kind(error: Exception) -> bool:
    # In a script's words the code stands after the place where it stopped.
    return isinstance(error, redis_errors.ResponseError) and "WRONGTYPE" in str(error)


def _refuse_no_certificates(ca_file: Path | None) -> None:
    if ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # of TLS's as well
        raise Refusal(said("adapters.no_certificates", setting="REDIS_CA_FILE", file=str(ca_file))) from error


def asks_for_no_password(url: str, access: Access = OPEN) -> bool | None:
    """Whether the Redis at ``url`` lets in who comes without a user and a password; None where that cannot be known.

    A server of our own is asked nothing: nobody else may open its socket.
    """
    parts = urlsplit(url)
    if parts.scheme == "embedded":
        return False
    try:
        stranger = connect(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), access=access)
        try:
            return stranger.ping()
        finally:
            stranger.close()
    except Fault as fault:
        return False if fault.cause is Cause.FORBIDDEN else None


class Packer:
    """Commands as they are sent, each in one piece.

    The library sends whatever is longer than 6,000 bytes in a piece of its own, with one before and one after it: three
    system calls for each record that is stored, which cost more than copying it.
    """

    @staticmethod
    def pack(*arguments: Any) -> list[bytes]:
        """The command: its name, which may be two words, and what it is about.

        Raises:
            DataError: something in it is neither text nor a number.
        """
        name, *others = arguments
        words = [*_bytes(name).split(), *map(_bytes, others)]
        pieces = [b"*%d\r\n" % len(words)]
        for word in words:
            pieces += (b"$%d\r\n" % len(word), word, b"\r\n")
        return [b"".join(pieces)]


PACKER = Packer()


def _bytes(word: Any) -> bytes:
    if isinstance(word, str):
        return word.encode("utf-8", ENCODING_ERRORS)
    if isinstance(word, bytes):
        return word
    if isinstance(word, bool) or not isinstance(word, int | float):
        raise redis_errors.DataError("neither text nor a number")
    return repr(word).encode()


def _client(url: str, access: Access) -> Redis | Lazy[RedisCluster]:
    parts = urlsplit(url)
    scheme, plus, rest = parts.scheme.partition("+")
    tls = _tls_options(access) if scheme == "rediss" else {}
    match scheme.replace("rediss", "redis") + plus + rest:
        case "redis" | "unix":
            return _single(url, tls)
        case "redis+sentinel":
            return _by_sentinel(parts, access, tls)
        case "redis+cluster":
            return _cluster(parts, tls)
        case "embedded":
            return redis_embedded.connect(Path(unquote(parts.netloc + parts.path)), _options())
        case _:
            raise Refusal(EXPECTED)


def _tls_options(access: Access) -> dict[str, Any]:
    options: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return options | ({"ssl_ca_certs": str(access.ca_file)} if access.ca_file else {})


def _single(url: str, tls: Mapping[str, Any]) -> Redis:
    client = Redis.from_url(
        url, **_options(), command_packer=PACKER, **{name: value for name, value in tls.items() if name != "ssl"}
    )
    # An option that does not exist is told here, and not by the first question.
    client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    return client


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        # Whatever somebody has put there is read as it is, and compared and written as it is: what it says is nobody's
        # before its reader has understood it, and one value that is no text breaks no other's answer.
        "encoding_errors": ENCODING_ERRORS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "redis_connect_func": _bounded,
        "health_check_interval": IDLE_SECONDS,
        # A pooled connection may be long dead: once more on a fresh one. A silent server is not asked twice.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis_errors.ConnectionError,)),
    }


def _bounded(connection: Any) -> None:
    """A connection that has just been opened: its answers end, from the first greeting on."""
    connection._sock = bounded.BoundedSocket(connection._sock)  # noqa: SLF001  # there is no other way to it
    connection.on_connect_check_health(check_health=False)  # a connection that is new is well


class _Cluster(RedisCluster):
    """It greets connections itself, and lets nobody in before."""

    def on_connect(self, connection: Any) -> None:
        connection._sock = bounded.BoundedSocket(connection._sock)  # noqa: SLF001  # as above
        super().on_connect(connection)  # type: ignore[no-untyped-call]  # redis has types, but not here


def _by_sentinel(parts: SplitResult, access: Access, tls: dict[str, Any]) -> Redis:
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise Refusal(EXPECTED)
    own = {"username": access.sentinel_username, "password": access.sentinel_password}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis has types, but not here
        _hosts(parts, SENTINEL_PORT),
        # Each once: the next sentinel is the retry.
        sentinel_kwargs={
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": CONNECT_SECONDS,
            "redis_connect_func": _bounded,
            "retry": Retry(NoBackoff(), 0),
            **{name: value for name, value in own.items() if value},
            **tls,
        },
        **_options() | _credentials(parts) | tls | {"command_packer": PACKER},
    )
    master: Redis = sentinels.master_for(  # type: ignore[no-untyped-call]  # redis has types, but not here
        service, db=int(db or 0)
    )
    return master


def _cluster(parts: SplitResult, tls: dict[str, Any]) -> Lazy[RedisCluster]:
    """The library asks for the slots as it makes the client: a cluster that is down then is asked again later."""
    hosts = _hosts(parts, REDIS_PORT)

    def make() -> RedisCluster:
        with faults():
            nodes = [
                ClusterNode(host, port)  # type: ignore[no-untyped-call]  # redis has types, but not here
                for host, port in hosts
            ]
            retry = Retry(ConstantBackoff(CLUSTER_PAUSE_SECONDS), CLUSTER_TRIES)
            options = {name: value for name, value in _options().items() if name != "redis_connect_func"}
            return _Cluster(startup_nodes=nodes, **options | _credentials(parts) | tls | {"retry": retry})

    return Lazy(make)


def _credentials(parts: SplitResult) -> dict[str, str]:
    given = {"username": parts.username, "password": parts.password}
    return {name: unquote(value) for name, value in given.items() if value}


def _hosts(parts: SplitResult, default: int) -> list[tuple[str, int]]:
    hosts = []
    for address in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{address}")
        if not one.hostname:
            raise Refusal(EXPECTED)
        hosts.append((one.hostname, one.port or default))
    return hosts
