"""What clients may take of a port, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.http_server import Limits, Request, Response, Server, text

SOON = 10.0  # seconds that a test waits for what comes at once
LARGE = 50_000_000  # bytes, more than the kernel keeps for a client
QUICK = Limits(body=1000, seconds=0.5, connections=8, per_source=5)
PATIENT = Limits(body=1000, seconds=60, connections=8, per_source=5)


class Echo:
    """Says what it was asked; ``/held`` waits for ``release``."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.release = threading.Event()

    def check_head(self, request: Request) -> Response | None:
        return text(HTTPStatus.FORBIDDEN) if request.path == "/forbidden" else None

    async def answer(self, request: Request) -> Response:
        if request.path == "/broken":
            raise ValueError(request.body.decode())
        self.asked.append(request)
        if request.path == "/large":
            return Response(HTTPStatus.OK, b"x" * LARGE)
        if request.path == "/held":
            await asyncio.to_thread(self.release.wait, SOON)
        return Response(HTTPStatus.OK, request.body or b"nothing")


@contextmanager
def serving(limits: Limits, host: str = "127.0.0.1") -> Iterator[tuple[Server, Echo]]:
    echo = Echo()
    server = Server(echo, name="echo", port=0, host=host, limits=limits)
    server.start()
    try:
        yield server, echo
    finally:
        echo.release.set()
        server.close()


@contextmanager
def client(server: Server, sent: bytes = b"", host: str = "127.0.0.1", source: str = "") -> Iterator[socket.socket]:
    """A connection that has sent this."""
    mine = (source, 0) if source else None
    with socket.create_connection((host, server.port), timeout=SOON, source_address=mine) as connection:
        with suppress(OSError):  # hung up on before all was sent
            connection.sendall(sent)
        yield connection


def read(connection: socket.socket) -> bytes:
    """Everything until the other end hangs up."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    return received


def status(received: bytes) -> int:
    """0 without a response."""
    return int(received.split(b" ", 2)[1]) if received else 0


def asked(server: Server, sent: bytes) -> int:
    with client(server, sent) as connection:
        return status(read(connection))


def test_a_request_is_answered_and_its_connection_ends() -> None:
    with serving(QUICK) as (server, echo):
        with client(server, b"POST /a?b=c HTTP/1.1\r\nContent-Length: 5\r\nX-Who: me\r\n\r\nhello") as connection:
            received = read(connection)

        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close" in received
        assert received.endswith(b"\r\n\r\nhello")
        (request,) = echo.asked
        assert (request.method, request.path, request.headers["x-who"]) == ("POST", "/a", "me")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_both_families_are_listened_to_on_one_port(host: str) -> None:
    with serving(QUICK, host="") as (server, _), client(server, b"GET / HTTP/1.1\r\n\r\n", host) as connection:
        assert status(read(connection)) == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xd9\xa3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc", 411),
        (b"GET / HTTP/1.1\r\nX-Odd: \xff\xfe\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX-Odd: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 3000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX-Endless: " + b"a" * 200_000, 0),
    ],
)
def test_odd_and_large_requests_are_refused_and_nobody_is_asked(
    sent: bytes, expected: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(QUICK) as (server, echo):
        assert asked(server, sent) == expected
        assert asked(server, b"GET / HTTP/1.1\r\n\r\n") == 200

    assert [request.path for request in echo.asked] == ["/"]
    assert [record for record in caplog.records if record.levelname != "INFO"] == []
    assert capsys.readouterr() == ("", "")


def test_a_refused_requests_body_is_read_so_that_the_refusal_arrives() -> None:
    with serving(QUICK) as (server, echo):
        assert asked(server, b"POST /forbidden HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"a" * 1000) == 403

    assert echo.asked == []


def test_a_client_of_one_byte_a_moment_is_cut_however_busy_it_looks() -> None:
    request = b"POST / HTTP/1.1\r\nContent-Length: 900\r\nX-Long: " + b"a" * 900 + b"\r\n\r\n" + b"b" * 900
    sent, received = 0, b""
    with serving(QUICK) as (server, echo), client(server) as connection:
        connection.settimeout(0.01)  # between two bytes
        while not received and sent < len(request):
            with suppress(OSError):
                connection.sendall(request[sent : sent + 1])
                sent += 1
                received = connection.recv(100)

    assert status(received) == 408
    assert sent < len(request)
    assert echo.asked == []


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_a_head() -> None:
    with serving(QUICK) as (server, _):
        assert asked(server, b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell") == 408
        assert asked(server, b"POST / HTTP/1.1\r\nContent-Le") == 408
        assert asked(server, b"") == 408


def test_a_client_that_takes_no_answer_is_cut() -> None:
    limits = Limits(seconds=0.5, connections=1)
    with serving(limits) as (server, echo), client(server, b"GET /large HTTP/1.1\r\n\r\n") as rude:
        until(lambda: bool(echo.asked))

        until(lambda: asked(server, b"GET / HTTP/1.1\r\n\r\n") == 200)  # its place is free

        assert len(read(rude)) < LARGE


def test_of_one_source_too_many_slow_connections_push_out_each_other() -> None:
    with serving(PATIENT) as (server, _), ExitStack() as stack:
        slow = [stack.enter_context(client(server, b"GET / HT")) for _ in range(PATIENT.per_source + 3)]

        assert [status(read(one)) for one in slow[:3]] == [503, 503, 503]
        assert asked(server, b"GET / HTTP/1.1\r\n\r\n") == 200
        assert is_open(slow[-1])


def test_a_burst_of_connections_does_not_push_out_a_request_on_its_way() -> None:
    limits = Limits(seconds=60, connections=8, per_source=5, grace=60)
    with serving(limits) as (server, _), ExitStack() as stack:
        on_its_way = stack.enter_context(client(server, b"GET / HT"))
        for _ in range(20):
            stack.enter_context(client(server, b"GET / HT"))

        on_its_way.sendall(b"TP/1.1\r\n\r\n")

        assert status(read(on_its_way)) == 200


def test_many_sources_leave_room_for_one_more() -> None:
    with serving(PATIENT) as (server, _), ExitStack() as stack:
        few = stack.enter_context(client(server, b"GET / HT", source="127.0.0.9"))
        for source in ("127.0.0.2", "127.0.0.3"):
            for _ in range(PATIENT.per_source):
                stack.enter_context(client(server, b"GET / HT", source=source))

        assert asked(server, b"GET / HTTP/1.1\r\n\r\n") == 200
        assert is_open(few)  # though it is the oldest: the others have more


def test_while_all_places_are_at_work_the_next_one_is_told_so() -> None:
    with serving(PATIENT) as (server, echo), ExitStack() as stack:
        held = b"GET /held HTTP/1.1\r\n\r\n"
        for _ in range(PATIENT.per_source):
            stack.enter_context(client(server, held))
        until(lambda: len(echo.asked) == PATIENT.per_source)

        assert asked(server, b"GET / HTTP/1.1\r\n\r\n") == 503


def test_bodies_that_do_not_end_are_bounded_all_together_and_the_largest_goes() -> None:
    limits = Limits(body=1000, seconds=60, unfinished=1500)
    head = b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"
    with serving(limits) as (server, _), client(server, head + b"a" * 10) as small:
        with client(server, head + b"a" * 900) as large, client(server, head + b"a" * 700):
            assert status(read(large)) == 503
        small.sendall(b"a" * 990)
        assert status(read(small)) == 200
        assert asked(server, head + b"a" * 1000) == 200  # what was counted is forgotten


def test_an_error_of_ours_is_a_500_and_the_log_has_no_word_of_the_client(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(QUICK) as (server, _):
        assert asked(server, b"POST /broken HTTP/1.1\r\nContent-Length: 6\r\n\r\nsecret") == 500

    out = capsys.readouterr().out
    assert "ValueError" in out
    assert "test_http_server.py" in out
    assert "secret" not in out


def test_an_end_lets_requests_that_have_arrived_be_answered_and_waits_for_no_other() -> None:
    echo = Echo()
    server = Server(echo, name="echo", port=0, host="127.0.0.1", limits=PATIENT)
    server.start()
    with client(server, b"GET / HT") as half, client(server, b"GET /held HTTP/1.1\r\n\r\n") as whole:
        until(lambda: bool(echo.asked))
        with ThreadPoolExecutor(1) as closing:
            closed = closing.submit(server.close)
            assert status(read(half)) == 503
            echo.release.set()
            assert status(read(whole)) == 200
            closed.result(SOON)

    assert "echo" not in [thread.name for thread in threading.enumerate()]
    assert not server.serves
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=SOON)


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


def until(condition: Callable[[], bool]) -> None:
    """For what happens on the server's thread."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(SOON / 1000)
    raise AssertionError("It has not come to pass.")


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with serving(QUICK) as (server, _):
        yield server


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(garbage=st.lists(st.binary(max_size=30), max_size=8).map(b"\r\n".join))
def test_no_bytes_are_an_error_of_ours(shared: Server, garbage: bytes) -> None:
    with client(shared, garbage + b"\r\n\r\n") as connection:
        connection.shutdown(socket.SHUT_WR)

        assert status(read(connection)) in {0, 200, 400, 403, 411, 413, 431}
