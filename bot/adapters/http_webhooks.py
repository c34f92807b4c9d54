"""Calling a team's webhooks: one POST, one answer, all within one time-out, whatever the other side does.

What comes back is believed in one thing: its status. No word of an answer is kept, shown or logged, no redirect is
followed, and no address is shown, because a path may be a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bot import files, redaction
from bot.adapters.calls import Called, counted, nobody
from bot.model.errors import Cause, Fault
from bot.model.webhooks import Webhook
from bot.words.sentence import Seconds, Sentence, said

SYSTEM = "Webhook"
LARGEST = 65_536  # bytes of an answer
LARGEST_SECRET = 100_000  # bytes of a file
TIMESTAMP, SIGNATURE = "X-Canary-Timestamp", "X-Canary-Signature"
_PORTS = {"http": 80, "https": 443}
_NO_ANSWER = (OSError, HTTPException, ValueError, UnicodeError)


class HttpWebhooks:
    """The port ``WebhookCaller`` over HTTP. Its methods may be called from any thread."""

    def __init__(
        self,
        environment: Callable[[], Mapping[str, str]],
        called: Called = nobody,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``environment`` is where secrets by name are, ``called`` is told how each call ended.

        ``tls`` says whom to trust; None: the system's authorities, or those of ``SSL_CERT_FILE``.
        """
        self._environment = environment
        self._called = called
        self._given = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when it is needed first: to read the system's authorities takes a fiftieth of a second."""
        return self._given or ssl.create_default_context()

    def call(self, webhook: Webhook, key: str, body: Mapping[str, Any], now: float) -> None:
        """Send it, and come back when it is accepted."""
        content = json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
        with counted(self._called):
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "canary-bot",
                "Connection": "close",
                "Idempotency-Key": key,
                **self._signed(webhook, content, now),
            }
            status = self._post(webhook, content, headers)
            if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                raise _refused(status)

    def connect(self, webhook: Webhook) -> None:
        """Connect, and say nothing."""
        self._secret(webhook)
        with _silence_is_a_fault(webhook), closing(self._connected(webhook, time.monotonic() + webhook.timeout)):
            pass

    def _post(self, webhook: Webhook, content: bytes, headers: Mapping[str, str]) -> int:
        deadline = time.monotonic() + webhook.timeout
        parts = urlsplit(webhook.url)
        with _silence_is_a_fault(webhook), closing(self._connected(webhook, deadline)) as sock:
            # A server that sends a byte now and then is never silent: what ends the call is its own time.
            timer = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, [sock])
            timer.daemon = True
            timer.start()
            try:
                connection = HTTPConnection(parts.hostname or "", parts.port or _PORTS[parts.scheme])
                connection.sock = sock
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, content, {"Host": _host(parts), **headers})
                with connection.getresponse() as response:
                    answer, status = response.read(LARGEST + 1), response.status
            finally:
                timer.cancel()
            if time.monotonic() >= deadline:
                raise TimeoutError
            if len(answer) > LARGEST:
                raise Fault(SYSTEM, said("adapters.webhook_too_large"), Cause.REFUSED)
            return status

    def _connected(self, webhook: Webhook, deadline: float) -> socket.socket:
        parts = urlsplit(webhook.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        sock = _first_that_answers(host, port, deadline)
        if parts.scheme != "https":
            return sock
        try:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            return self._tls.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def _signed(self, webhook: Webhook, content: bytes, now: float) -> dict[str, str]:
        """The time, and what only who knows the secret can say of it and the content."""
        stamp, secret = str(int(now)), self._secret(webhook)
        if not secret:
            return {TIMESTAMP: stamp}
        signature = hmac.new(secret.encode(), f"{stamp}.".encode() + content, hashlib.sha256).hexdigest()
        return {TIMESTAMP: stamp, SIGNATURE: f"sha256={signature}"}

    def _secret(self, webhook: Webhook) -> str:
        """What to sign with; "" where nothing is signed.

        Raises:
            Fault: there is to be one, and there is none.
        """
        if not webhook.secret_env and not webhook.secret_file:
            return ""
        found = self._environment().get(webhook.secret_env, "").strip() if webhook.secret_env else ""
        if webhook.secret_file:
            found = _content(Path(webhook.secret_file))
        if not found:
            where = webhook.secret_env or webhook.secret_file
            raise Fault(SYSTEM, said("adapters.webhook_no_secret", where=where), Cause.MISSING)
        redaction.learn(found)
        return found


def _content(file: Path) -> str:
    try:
        return files.content(file, LARGEST_SECRET).decode("utf-8-sig").strip()
    except (OSError, ValueError):
        return ""


def _first_that_answers(host: str, port: int, deadline: float) -> socket.socket:
    """The first address of the host that takes a connection, all within the time."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    trouble: OSError = OSError()
    for family, kind, protocol, _, address in found:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            trouble = error
        else:
            return sock
    raise trouble


def _hang_up(sock: socket.socket) -> None:
    """Whoever reads or writes there is done."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of the socket below, which TLS has no part in


@contextmanager
def _silence_is_a_fault(webhook: Webhook) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    except Fault:
        raise
    except _NO_ANSWER as error:
        if isinstance(error, TimeoutError) or time.monotonic() - began >= webhook.timeout:
            sentence = said("adapters.webhook_late", timeout=Seconds(webhook.timeout))
            raise Fault(SYSTEM, sentence, Cause.TIMED_OUT) from None
        raise Fault(SYSTEM, _trouble(error)) from None  # what it says itself may name the address


def _trouble(error: Exception) -> Sentence:
    if isinstance(error, socket.gaierror):
        return said("adapters.webhook_no_host")
    if isinstance(error, ssl.SSLError):
        return said("adapters.webhook_tls")
    if isinstance(error, ConnectionRefusedError):
        return said("adapters.webhook_closed")
    return said("adapters.webhook_no_answer")


def _host(parts: SplitResult) -> str:
    """As the header says it."""
    return parts.netloc.rpartition("@")[2]


def _refused(status: int) -> Fault:
    """What it answered, in the words of the standard."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    answer = f"{status} {phrase}".strip()
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Fault(SYSTEM, said("adapters.webhook_elsewhere", answer=answer), Cause.REFUSED)
    return Fault(SYSTEM, said("adapters.webhook_refused", answer=answer), Cause.REFUSED)
