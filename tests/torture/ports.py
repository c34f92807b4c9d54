"""Both ports of a bot, as production opens them, and somebody who holds hundreds of connections to each of them."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from prometheus_client import CollectorRegistry

from bot.probes import Probes
from sandbox.ports import LOOPBACK
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_http_mode import Public

PATIENCE = 0.1  # seconds; the best of several tries, as the machine may have other things to do
TRIES = 20
SOON = 30.0
PARTS = (
    b"",
    b"G",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nx",
    b"POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n",
)


class Ports:
    """They are open until ``close``, and held by ``connections`` each."""

    def __init__(self, connections: int) -> None:
        self._open = ExitStack()
        self._probes = Probes(port=0, ready=dict, registry=CollectorRegistry(), host=LOOPBACK)
        self._probes.start()
        self._open.callback(self._probes.close)
        self._slack = Public(self._open.enter_context(FakeSlack()))
        self._slack.mode.start()
        self._open.callback(self._slack.mode.close)
        for port in (self._probes.port, self._slack.mode.port):
            for number in range(connections):
                held = self._open.enter_context(socket.create_connection((LOOPBACK, port), timeout=SOON))
                with suppress(OSError):  # one of many from one source may be hung up on
                    held.sendall(PARTS[number % len(PARTS)])

    def close(self) -> None:
        self._open.close()

    def violations(self) -> Iterator[str]:
        """What a kubelet and Slack would complain about."""
        quickest = min(self._seconds_of_a_probe() for _ in range(TRIES))
        if quickest > PATIENCE:
            yield f"/healthz took {quickest:.2f} s at best"
        body = self._slack.command()
        status, _ = self._slack.send(body, self._slack.signed(body))
        if status != http.client.OK:
            yield f"a command of Slack's was answered with {status}"

    def _seconds_of_a_probe(self) -> float:
        began = time.monotonic()
        asking = http.client.HTTPConnection(LOOPBACK, self._probes.port, timeout=SOON)
        try:
            asking.request("GET", "/healthz")
            return time.monotonic() - began if asking.getresponse().status == http.client.OK else SOON
        finally:
            asking.close()
