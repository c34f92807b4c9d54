"""What every ``WebhookCaller`` promises, asked of the fake and of the real one, with servers that do what they can."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot import redaction
from bot.adapters.http_webhooks import HttpWebhooks
from bot.controller.ports import WebhookCaller
from bot.model.errors import Cause, Fault
from bot.model.webhooks import HookMoment, Webhook
from bot.words.rendering import plain
from sandbox.ports import free_port
from sandbox.webhooks import WRONG, YES, Receiver, status
from tests.contract.tls import Authority, TlsFront
from tests.fakes.webhooks import FakeWebhooks

NOW = 1_750_000_000.5
SECRET = "a-secret-of-the-team"
REFUSED = Fault("Webhook", "503 Service Unavailable.", Cause.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A caller, one webhook, and how to make it say no."""

    caller: WebhookCaller
    webhook: Webhook
    receiver: Receiver
    fake: FakeWebhooks | None

    def refuse_once(self) -> None:
        if self.fake is not None:
            self.fake.failures[self.webhook.name] = [REFUSED]
        self.receiver.answers["/run"] = [status(503), YES]

    @property
    def keys(self) -> list[str]:
        """What arrived."""
        if self.fake is not None:
            return self.fake.called(self.webhook.name)
        return [heard.key for heard in self.receiver.calls("/run")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture(params=["fake", "http"])
def rig(request: pytest.FixtureRequest, receiver: Receiver) -> Rig:
    fake = FakeWebhooks() if request.param == "fake" else None
    return Rig(caller=fake or HttpWebhooks(dict), webhook=a_hook(receiver.url("/run")), receiver=receiver, fake=fake)


def a_hook(url: str, **changes: object) -> Webhook:
    hook = Webhook(name="tests", url=url, when=HookMoment.BEFORE_USERS, timeout=5.0)
    return replace(hook, **changes)  # type: ignore[arg-type]


def test_a_yes_is_silence_and_what_was_told_arrives_with_its_key(rig: Rig) -> None:
    rig.caller.call(rig.webhook, "r-1/mirror/tests", {"service": "reviews"}, NOW)

    assert rig.keys == ["r-1/mirror/tests"]


def test_a_no_is_a_fault_and_the_next_call_may_be_a_yes(rig: Rig) -> None:
    rig.refuse_once()

    with pytest.raises(Fault, match="503 Service Unavailable") as caught:
        rig.caller.call(rig.webhook, "r-1/mirror/tests", {}, NOW)
    rig.caller.call(rig.webhook, "r-1/mirror/tests", {}, NOW)

    assert caught.value.cause is Cause.REFUSED
    assert rig.keys == ["r-1/mirror/tests"] * 2


def test_who_listens_can_be_reached_and_hears_nothing(rig: Rig) -> None:
    rig.caller.connect(rig.webhook)

    assert rig.keys == []


# The real one alone


def test_the_body_is_json_and_signed_with_its_time(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    for hook in (
        a_hook(receiver.url("/run"), secret_env="WEBHOOK_A"),
        a_hook(receiver.url("/run"), secret_file=str(file)),
    ):
        HttpWebhooks(lambda: {"WEBHOOK_A": SECRET}).call(hook, "k", {"reason": "schlecht, 不好"}, NOW)

    for heard in receiver.calls("/run"):
        assert heard.body == {"reason": "schlecht, 不好"}
        assert heard.headers["x-canary-timestamp"] == "1750000000"
        assert heard.is_signed_with(SECRET)
        assert not heard.is_signed_with("another")


def test_what_has_no_secret_is_not_signed(receiver: Receiver) -> None:
    HttpWebhooks(dict).call(a_hook(receiver.url("/run")), "k", {}, NOW)

    assert "x-canary-signature" not in receiver.calls("/run")[0].headers


@pytest.mark.parametrize("where", [{"secret_env": "WEBHOOK_GONE"}, {"secret_file": "/nowhere/secret"}])
def test_what_is_to_be_signed_and_cannot_be_is_not_sent(receiver: Receiver, where: dict[str, str]) -> None:
    hook = a_hook(receiver.url("/run"), **where)

    with pytest.raises(Fault, match="no secret to sign with"):
        HttpWebhooks(dict).call(hook, "k", {}, NOW)
    with pytest.raises(Fault, match="no secret to sign with"):
        HttpWebhooks(dict).connect(hook)
    assert receiver.heard == []


@pytest.mark.parametrize("kind", WRONG)
def test_whatever_a_server_does_is_one_sentence_within_the_time(receiver: Receiver, kind: str) -> None:
    hook = a_hook(receiver.url("/run/in-secret?token=abcdef"), timeout=0.5)
    receiver.answers["/run/in-secret?token=abcdef"] = [WRONG[kind]]
    began = time.monotonic()

    with pytest.raises(Fault) as caught:
        HttpWebhooks(dict).call(hook, "k", {}, NOW)

    assert time.monotonic() - began < 3.0  # on a busy machine
    sentence = plain(caught.value.sentence)
    assert sentence.endswith(".")
    assert not any(word in f"{sentence} {caught.value}" for word in ("in-secret", "abcdef", "127.0.0.1", "surely"))
    assert caught.value.cause is (Cause.TIMED_OUT if kind in {"hang", "drip"} else caught.value.cause)


def test_a_redirect_is_followed_nowhere(receiver: Receiver) -> None:
    receiver.answers["/run"] = [WRONG["302"]]

    with pytest.raises(Fault, match="302 Found, and redirects are not followed"):
        HttpWebhooks(dict).call(a_hook(receiver.url("/run")), "k", {}, NOW)
    assert receiver.calls("/elsewhere") == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{free}/", "nothing listens there"),
        ("http://no-such-host.invalid/", "cannot be resolved"),
    ],
)
def test_who_cannot_be_reached_is_told_by_its_cause(url: str, words: str) -> None:
    hook = a_hook(url.format(free=free_port()), timeout=5.0)

    with pytest.raises(Fault, match=words):
        HttpWebhooks(dict).call(hook, "k", {}, NOW)


def test_a_certificate_of_nobody_is_refused_and_one_of_a_known_authority_taken(
    receiver: Receiver, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with TlsFront(receiver.port, authority.server_side()) as front:
        hook = a_hook(f"https://127.0.0.1:{front.port}/run")
        with pytest.raises(Fault, match="certificate"):
            HttpWebhooks(dict).call(hook, "k", {}, NOW)
        knowing = ssl.create_default_context(cafile=str(authority.file))
        HttpWebhooks(dict, tls=knowing).call(hook, "k", {}, NOW)

    assert len(receiver.calls("/run")) == 1


def test_a_secret_is_known_to_whoever_hides_secrets(receiver: Receiver) -> None:
    HttpWebhooks(lambda: {"WEBHOOK_A": "horse-battery-staple"}).call(
        a_hook(receiver.url("/run"), secret_env="WEBHOOK_A"), "k", {}, NOW
    )

    assert "battery" not in redaction.redact("it was horse-battery-staple")


def test_each_call_is_counted_by_how_it_ended(receiver: Receiver) -> None:
    counted: list[str] = []
    caller = HttpWebhooks(dict, counted.append)
    receiver.answers["/run"] = [status(500), YES]
    with pytest.raises(Fault):
        caller.call(a_hook(receiver.url("/run")), "k", {}, NOW)
    caller.call(a_hook(receiver.url("/run")), "k", {}, NOW)

    assert counted == ["refused", "ok"]
