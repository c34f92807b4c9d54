"""Stand-ins that end while somebody is knocking: nobody they let in is left with an open connection."""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest
from aiohttp import web

from sandbox.ports import LOOPBACK
from sandbox.redis_proxy import RedisProxy
from sandbox.serving import Serving

REQUESTERS = 40


def _serving() -> Serving:
    return Serving(web.Application())


def _redis_proxy() -> RedisProxy:
    return RedisProxy(port=1)  # nobody answers there


@pytest.mark.parametrize("stand_in", [_serving, _redis_proxy])
def test_whoever_comes_while_a_stand_in_ends_is_hung_up_on(
    stand_in: Callable[[], AbstractContextManager[Serving | RedisProxy]],
) -> None:
    with warnings.catch_warnings(record=True) as notified, ExitStack() as requesters:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(20):
            with stand_in() as listening:
                came = [
                    requesters.enter_context(socket.create_connection((LOOPBACK, listening.port), timeout=5))
                    for _ in range(REQUESTERS)
                ]
            assert [requester for requester in came if not _is_hung_up_on(requester)] == []
        gc.collect()

    assert [str(warning.message) for warning in notified] == []


def _is_hung_up_on(requester: socket.socket) -> bool:
    try:
        return requester.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
