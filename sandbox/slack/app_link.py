"""How payloads reach the app: over Socket Mode, or as signed HTTP requests. One try, three seconds, one answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.model import Delivery
from sandbox.slack.socket_mode import ACKNOWLEDGE_SECONDS, Sockets

OK = range(200, 300)
SERVER_ERROR = 500


class AppLink:
    """The one way to the app; ``request_url`` set means HTTP mode."""

    def __init__(self, sockets: Sockets, signing_secret: str) -> None:
        self.request_url: str | None = None
        self.patience_seconds = ACKNOWLEDGE_SECONDS  # for an acknowledgement over HTTP
        self._sockets = sockets
        self._secret = signing_secret.encode()
        self._retries: set[asyncio.Task[Delivery]] = set()

    async def command(self, payload: dict[str, Any]) -> Delivery:
        """A slash command: form fields."""
        return await self._send("slash_commands", payload, body=urlencode(payload))

    async def interaction(self, payload: dict[str, Any]) -> Delivery:
        """A click or a view: JSON in a form field."""
        return await self._send("interactive", payload, body=urlencode({"payload": json.dumps(payload)}))

    async def event(self, payload: dict[str, Any]) -> Delivery:
        """An event: JSON. One that is not acknowledged is sent once more, at once, as Slack's first retry."""
        delivery = await self._event(payload)
        if not delivery.acknowledged:
            retry = asyncio.create_task(self._event(payload, attempt=1, reason=delivery.error or "timeout"))
            self._retries.add(retry)
            retry.add_done_callback(self._retries.discard)
        return delivery

    async def verify_url(self) -> bool:
        """Slack's challenge when a request URL is entered: the app must answer with it."""
        challenge = {
            "type": "url_verification",
            "token": "sandbox",
            "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
        }
        delivery = await self._send(
            "events_api", challenge, body=json.dumps(challenge), content_type="application/json"
        )
        return delivery.acknowledged and challenge["challenge"] in json.dumps(delivery.payload)

    def signed_headers(self, body: str, timestamp: int) -> dict[str, str]:
        """The two headers by which an app recognises Slack."""
        base = f"v0:{timestamp}:{body}".encode()
        signature = hmac.new(self._secret, base, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": f"v0={signature}"}

    async def _event(self, payload: dict[str, Any], *, attempt: int = 0, reason: str = "") -> Delivery:
        headers = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        retry = {"retry_attempt": attempt, "retry_reason": reason}
        body = json.dumps(payload)
        return await self._send(
            "events_api", payload, body=body, content_type="application/json", headers=headers, retry=retry
        )

    async def _send(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        body: str,
        content_type: str = "application/x-www-form-urlencoded",
        headers: Mapping[str, str] | None = None,
        retry: Mapping[str, Any] | None = None,
    ) -> Delivery:
        started = time.monotonic()
        if self.request_url:
            more = {"Content-Type": content_type, **(headers or {})}
            delivery = await self._over_http(self.request_url, body, more)
        else:
            delivery = await self._over_socket(kind, payload, retry or {})
        return replace(delivery, seconds=time.monotonic() - started)

    async def _over_socket(self, kind: str, payload: dict[str, Any], retry: Mapping[str, Any]) -> Delivery:
        if not self._sockets.connections:
            return Delivery(acknowledged=False, seconds=0, error="dispatch_failed")
        answer = await self._sockets.send(kind, payload, takes_answer=kind != "events_api", **retry)
        if answer is None:
            return Delivery(acknowledged=False, seconds=0, error="operation_timeout")
        return Delivery(acknowledged=True, seconds=0, payload=answer)

    async def _over_http(self, url: str, body: str, headers: dict[str, str]) -> Delivery:
        signed = headers | self.signed_headers(body, int(time.time()))
        limit = aiohttp.ClientTimeout(total=self.patience_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(url, data=body.encode(), headers=signed) as response,
            ):
                text = await response.text()
        except TimeoutError:
            return Delivery(acknowledged=False, seconds=0, error="operation_timeout")
        except aiohttp.ClientError:
            return Delivery(acknowledged=False, seconds=0, error="dispatch_failed")
        if response.status not in OK:
            error = "http_service_error" if response.status >= SERVER_ERROR else "http_client_error"
            return Delivery(acknowledged=False, seconds=0, status=response.status, error=error)
        return Delivery(acknowledged=True, seconds=0, status=response.status, payload=_answer(text))


def _answer(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {"text": text}
    return parsed if isinstance(parsed, dict) else {"text": text}
