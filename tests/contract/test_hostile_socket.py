"""Law: what comes over Slack's WebSocket without an end is let go of, and another connection is opened.

A message is as large as people's forms make it. What is larger is nobody's, whichever way it is cut into frames.
"""

from __future__ import annotations

import json
import queue
import socket
import struct
import time
from collections.abc import Mapping

import pytest

from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.client import web_client
from bot.slack.connection import LARGEST_MESSAGE, SocketMode
from tests.contract.hostile import Wait, listening, upgrade, with_body
from tests.fakes.controller_port import FakeController

pytestmark = pytest.mark.timeout(120)

POURED = 4 * LARGEST_MESSAGE  # bytes: somebody who takes them all would take any number
LONG = 60.0  # seconds between two pings: whoever is let go of is not let go of for its silence

TEXT, CONTINUED, PING, PONG, LAST = 0x01, 0x00, 0x09, 0x0A, 0x80


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack("!BBQ", kind, 127, len(data)) + data


PIECE = b" " * 65536
# How it begins, and what follows again and again.
MANNERS: Mapping[str, tuple[bytes, bytes]] = {
    "one frame": (struct.pack("!BBQ", LAST | TEXT, 127, 1 << 40), PIECE),
    "frames of one message": (frame(TEXT, b"{"), frame(CONTINUED, PIECE)),
    "frames with pongs between them": (frame(TEXT, b"{"), frame(CONTINUED, PIECE) + bytes([LAST | PONG, 0])),
    "pings that are too long": (b"", frame(LAST | PING, PIECE)),
    "an answer to our ping": (b"", frame(LAST | PONG, PIECE)),
}


@pytest.mark.parametrize("manner", MANNERS)
def test_a_message_without_an_end_is_let_go_of_and_another_connection_is_opened(manner: str) -> None:
    begins, goes_on = MANNERS[manner]
    taken: queue.Queue[int] = queue.Queue()

    def pours(connection: socket.socket, over: Wait) -> None:
        sent = 0
        try:
            connection.sendall(begins)
            while sent < POURED and not over(0.0):
                connection.sendall(goes_on)
                sent += len(goes_on)
        except OSError:
            pass
        taken.put(sent)
        over(LONG)

    with listening(pours, upgrade) as port:
        opened = json.dumps({"ok": True, "url": f"ws://127.0.0.1:{port}/"}).encode()
        with listening(with_body(opened)) as api:
            client = web_client("xoxb-1", f"http://127.0.0.1:{api}/api/")
            controller = FakeController()
            app = build_app(
                controller=controller,
                client=client,
                approvers=Approvers(client, time.monotonic),
                clock=controller.clock,
            )
            connection = SocketMode(app, "xapp-1", ping_every=LONG)
            connection.start()
            try:
                assert taken.get(timeout=LONG) < POURED
                assert taken.get(timeout=LONG) < POURED  # the next connection
            finally:
                connection.close()
