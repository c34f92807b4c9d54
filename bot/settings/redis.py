"""What the environment says of Redis: where it is, and what letting us in takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult

from bot.settings.environment import Values, split_address
from bot.settings.secret import Secret
from bot.words.sentence import Text, said

_SERVERS = ("redis", "rediss")
_SENTINELS = ("redis+sentinel", "rediss+sentinel")
_CLUSTERS = ("redis+cluster", "rediss+cluster")
SCHEMES = (*_SERVERS, "unix", *_SENTINELS, *_CLUSTERS, "embedded")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Where Redis is and how to be let in."""

    url: Secret  # may hold a password
    ca_file: Path | None = None
    sentinel_username: str | None = None
    sentinel_password: Secret | None = None


def read_redis(values: Values) -> RedisSettings:
    """The settings; mistakes are noted."""
    secret = values.secret("REDIS_URL") or Secret("")
    parts = split_address(secret.reveal())
    rule = _mistake(parts)
    if rule:
        values.wrong("REDIS_URL", rule)
    settings = RedisSettings(
        url=secret,
        ca_file=values.certificates("REDIS_CA_FILE"),
        sentinel_username=values.text("REDIS_SENTINEL_USERNAME") or None,
        sentinel_password=values.secret("REDIS_SENTINEL_PASSWORD"),
    )
    if parts is not None and not rule:
        _note_unused(settings, parts.scheme, values)
    return settings


def _mistake(parts: SplitResult | None) -> Text:
    """What the URL must be instead, never what it is; "" where it is fine."""
    if parts is None or parts.scheme not in SCHEMES:
        return said("settings.redis_schemes", schemes=tuple(f"{name}://" for name in SCHEMES))
    scheme, hosts = parts.scheme, parts.netloc.rpartition("@")[2]
    if scheme == "embedded":
        return "" if parts.netloc or parts.path else said("settings.redis_no_directory")
    if scheme == "unix":
        return "" if parts.path.strip("/") and not hosts else said("settings.redis_socket")
    if scheme in _SENTINELS and not (hosts and parts.path.strip("/")):
        return said("settings.redis_sentinels", address=f"{scheme}://HOST:PORT,HOST:PORT/NAME/DB")
    if scheme in _SERVERS and not _has_good_port(parts):
        return said("settings.redis_port", address=f"{scheme}://HOST:PORT/DB")
    return "" if hosts else said("settings.redis_no_host", address=f"{scheme}://HOST:PORT")


def _note_unused(settings: RedisSettings, scheme: str, values: Values) -> None:
    """What is set and could not be made use of: whoever set it believes that it protects them."""
    if settings.ca_file is not None and not scheme.startswith("rediss"):
        values.errors.append(said("settings.redis_no_tls", file="REDIS_CA_FILE", url="REDIS_URL", scheme=scheme))
    if settings.sentinel_username and not settings.sentinel_password:
        values.errors.append(said("settings.needs", one="REDIS_SENTINEL_USERNAME", other="REDIS_SENTINEL_PASSWORD"))
    if settings.sentinel_password and scheme not in _SENTINELS:
        values.errors.append(said("settings.no_sentinels", one="REDIS_SENTINEL_PASSWORD", url="REDIS_URL"))


def _has_good_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
