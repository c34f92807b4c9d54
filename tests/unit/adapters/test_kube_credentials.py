"""Credentials are looked at now and then, and not for each request."""

from __future__ import annotations

import pytest
from kubernetes import client

from bot import redaction
from bot.adapters.kube_credentials import REFRESH_SECONDS, now_and_then


def test_a_thousand_requests_in_a_second_ask_once_whether_the_token_expires() -> None:
    asked = list[client.Configuration]()
    now = 0.0
    refresh = now_and_then(asked.append, now=lambda: now)
    settings = client.Configuration()

    assert refresh is not None
    for request in range(1000):
        now = request / 1001 * REFRESH_SECONDS
        refresh(settings)
    now = REFRESH_SECONDS
    refresh(settings)

    assert asked == [settings, settings]


def test_what_sets_itself_again_whenever_it_is_asked_is_still_asked_now_and_then() -> None:
    """As a kubeconfig's does, which sets all of the configuration anew."""
    asked = list[client.Configuration]()

    def refresh(settings: client.Configuration) -> None:
        asked.append(settings)
        settings.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the client has it None

    settings = client.Configuration()
    settings.refresh_api_key_hook = now_and_then(refresh, now=lambda: 5.0)  # type: ignore[assignment]  # likewise

    for _ in range(3):
        settings.get_api_key_with_prefix("BearerToken")

    assert asked == [settings]


def test_a_token_that_could_not_be_renewed_is_asked_for_again_at_once() -> None:
    tries = list[str]()

    def refresh(_settings: client.Configuration) -> None:
        tries.append("asked")
        raise ConnectionError

    sparing = now_and_then(refresh, now=lambda: 5.0)
    assert sparing is not None
    for _ in range(2):
        with pytest.raises(ConnectionError):
            sparing(client.Configuration())

    assert tries == ["asked", "asked"]


def test_credentials_that_never_expire_are_never_asked_about() -> None:
    assert now_and_then(None) is None


def test_tokens_of_years_push_out_no_secret_that_stays() -> None:
    redaction.forget()
    redaction.learn("hunter-zwei-drei")
    hours = iter(range(3 * redaction.MOST))

    def refresh(settings: client.Configuration) -> None:
        settings.api_key["authorization"] = f"Bearer opaque-{next(hours):06}"

    times = iter(range(6 * redaction.MOST))
    sparing = now_and_then(refresh, now=lambda: float(next(times)))
    settings = client.Configuration()
    assert sparing is not None
    for _ in range(3 * redaction.MOST):
        sparing(settings)

    newest = settings.api_key["authorization"].removeprefix("Bearer ")
    assert redaction.redact(f"hunter-zwei-drei and {newest}") == "… and …"


@pytest.mark.parametrize("header", ["Bearer ", "bearer ", ""])
def test_a_token_that_was_renewed_is_known_as_well(header: str) -> None:
    """As a cloud's login gives it, which looks like nothing that is hidden by its looks."""
    redaction.forget()
    tokens = iter(["ya29-opaque-one", "ya29-opaque-two"])

    def refresh(settings: client.Configuration) -> None:
        settings.api_key["authorization"] = f"{header}{next(tokens)}"

    times = iter([0.0, 0.0, 9.0, 9.0])
    sparing = now_and_then(refresh, now=lambda: next(times))
    settings = client.Configuration()
    assert sparing is not None
    for _ in range(2):
        sparing(settings)

    assert redaction.redact("ya29-opaque-one and ya29-opaque-two") == "… and …"
