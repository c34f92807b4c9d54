"""Whose heartbeat it is, is known by the store's name: moving a store to TLS makes it no other store."""

from __future__ import annotations

import hashlib

import pytest

from bot.adapters.lease_heartbeats import LeaseHeartbeats
from bot.bootstrap import store_names
from bot.cluster import heartbeat_lease
from bot.model.rollout import RolloutId
from tests.unit.cluster.test_heartbeat_lease import Connection, Play

ME = RolloutId("r-000001")

WITHOUT_TLS = [
    "redis://cache:6379/0",
    "redis+sentinel://one:26379,two:26379/main/0",
    "redis+cluster://one:6379",
]


def as_it_was(url: str) -> str:
    """The name by versions that told a scheme with TLS from one without."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return hashlib.sha256(f"{scheme} {host.rpartition('@')[2]} {slash}{path}".encode()).hexdigest()[:12]


def with_tls(url: str) -> str:
    return url.replace("redis", "rediss", 1)


@pytest.mark.parametrize("url", WITHOUT_TLS)
def test_a_store_is_the_same_with_tls_and_without(url: str) -> None:
    assert store_names(with_tls(url)) == store_names(url)


@pytest.mark.parametrize("url", [*WITHOUT_TLS, "unix:///run/redis.sock", "embedded:///var/lib/canary"])
def test_a_store_without_tls_is_called_what_it_always_was(url: str) -> None:
    assert store_names(url)[0] == as_it_was(url)


@pytest.mark.parametrize("url", WITHOUT_TLS)
def test_what_an_older_bot_beat_over_tls_is_our_own(url: str) -> None:
    assert as_it_was(with_tls(url)) in store_names(url)


def test_another_address_is_another_store_and_a_password_is_none() -> None:
    assert not set(store_names("redis://cache:6379/0")) & set(store_names("redis://cache:6379/1"))
    assert store_names("rediss://me:secret@cache:6379/0") == store_names("redis://cache:6379/0")


@pytest.mark.parametrize("before", ["redis://cache:6379/0", "rediss://cache:6379/0"])
def test_a_heartbeat_from_before_the_move_to_tls_is_not_foreign(before: str) -> None:
    play = Play("none yet")
    lease = heartbeat_lease.beaten(None, play.vs(), ME, as_it_was(before), 60.0, 0.0)
    heard = heartbeat_lease.read(lease, ME)
    heart = LeaseHeartbeats(Connection(play.server, "bot"), play.now, store_names("rediss://cache:6379/0"))  # type: ignore[arg-type]  # what it needs of one

    assert heard is not None
    assert not heart.is_foreign(heard)
