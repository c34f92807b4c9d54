"""When the Kubernetes client's credentials are looked at, and that whatever they are now is known to be secret."""

from __future__ import annotations

import time
from collections.abc import Callable

from kubernetes import client

from bot import redaction

REFRESH_SECONDS = 1.0  # between two looks at whether our credentials expire

Refresh = Callable[[client.Configuration], None]


def now_and_then(
    refresh: Refresh | None, every: float = REFRESH_SECONDS, now: Callable[[], float] = time.monotonic
) -> Refresh | None:
    """The client asks whether its credentials are still good before each request; this asks every so many seconds.

    A kubeconfig's answer sets everything again, proxies of the environment included, which is about a third of what a
    request costs. Tokens expire minutes ahead of their end (the client's own margin), so a second later is soon enough.
    """
    if refresh is None:
        return None
    asked_at = float("-inf")

    def sparing(settings: client.Configuration) -> None:
        nonlocal asked_at
        if now() - asked_at >= every:
            refresh(settings)
            learn(settings, renewed=True)
            settings.refresh_api_key_hook = sparing  # type: ignore[assignment]  # a kubeconfig's sets itself again
            asked_at = now()

    return sparing


def learn(settings: client.Configuration, *, renewed: bool = False) -> None:
    """Know what lets us in, with and without the word in front of it. A pod's token is another one every hour."""
    for header in settings.api_key.values():
        redaction.learn(str(header or "").rpartition(" ")[2], renewed=renewed)
    redaction.learn(str(settings.password or ""), renewed=renewed)
