"""``webhooks`` in services.yaml: what is read, and what is refused, without ever showing an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.model.webhooks import HookMoment, OnFailure, Webhook
from bot.settings.errors import SettingsError
from bot.settings.services import catalogue_of
from sandbox.catalogue import DEFAULTS, reviews

FULL = {"name": "tests", "url": "https://tests.example.com:8443/run?suite=a", "when": "before_users"}


def read(*hooks: dict[str, Any]) -> tuple[Webhook, ...]:
    document = {"defaults": DEFAULTS, "services": {"reviews": reviews(webhooks=list(hooks))}}
    return catalogue_of(yaml.safe_dump(document).encode(), Path("services.yaml")).get("reviews").webhooks


def test_what_is_written_is_what_is_read() -> None:
    written = FULL | {"on_failure": "wait", "timeout": "30s", "retries": 0, "secret_env": "WEBHOOK_TESTS"}

    assert read(written) == (
        Webhook(
            name="tests",
            url="https://tests.example.com:8443/run?suite=a",
            when=HookMoment.BEFORE_USERS,
            on_failure=OnFailure.WAIT,
            timeout=30.0,
            retries=0,
            secret_env="WEBHOOK_TESTS",  # the name of a variable
        ),
    )


def test_what_is_left_out_has_the_defaults() -> None:
    (hook,) = read(FULL)

    assert (hook.on_failure, hook.timeout, hook.retries, hook.secret_env, hook.secret_file) == (
        OnFailure.HOLD,
        10.0,
        3,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "ftp://hidden.example.com/"}, "begins with http:// or https://"),
        ({"url": "hidden.example.com/run"}, "begins with http:// or https://"),
        ({"url": "https://"}, "names a host"),
        ({"url": "http://hidden..example.com/"}, "names a host"),
        ({"url": "http://[hidden/"}, "names a host"),
        ({"url": "http://hidden.example.com:99999/"}, "names a host"),
        ({"url": "https://maya:hidden@example.com/"}, "no user or password"),
        ({"url": "https://example.com/hidden#part"}, "no # in it"),
        ({"url": "https://example.com/hid den"}, "plain characters"),
        ({"url": "https://example.com/hidden\r\nX-Evil: 1"}, "plain characters"),
        ({"url": "https://example.com/hidden" + "a" * 3000}, "at most 2,000"),
        ({"name": "Load Test"}, "small letters, digits and dashes"),
        ({"when": "end", "on_failure": "wait"}, "nothing waits for a webhook at end"),
        ({"secret_env": "SLACK_BOT_TOKEN"}, "begins with WEBHOOK_"),
        ({"secret_env": "WEBHOOK_A", "secret_file": "/run/secrets/a"}, "keep one"),
        ({"secret_file": "relative"}, "whole path"),
        ({"timeout": "2m"}, "at most 1m"),
        ({"retries": 11}, "at most"),
        ({"when": "sometimes"}, "before_start"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_no_address_is_shown(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(FULL | changes)

    assert words in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match='two webhooks are called "tests"'):
        read(FULL, FULL | {"when": "end"})


def test_more_than_anybody_needs_are_refused() -> None:
    with pytest.raises(SettingsError, match="at most 20 webhooks"):
        read(*(FULL | {"name": f"h{number}"} for number in range(21)))
