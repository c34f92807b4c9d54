"""Whatever text holds a secret, the line that leaves the process does not."""

from __future__ import annotations

import base64
import binascii
import io
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import logs, redaction
from bot.adapters.kube import Kube
from bot.settings.env import read_settings
from bot.settings.secret import Secret

ENCODINGS: list[Callable[[str], str]] = [json.dumps, repr, quote_plus, lambda one: quote(one, safe="")]
WORDS = st.text(max_size=30)
SECRETS = (
    st.text(min_size=redaction.LEAST, max_size=60)
    .filter(lambda text: len(text.strip()) >= redaction.LEAST and "://" not in text)
    .map(str.strip)
)


@dataclass(frozen=True)
class Odd:
    """Something with a repr of its own."""

    inside: object


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    redaction.forget()
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


# Where a secret is to be: the words around it, in lists, mappings, objects with a repr, and text of such.
AROUND = st.tuples(WORDS, WORDS)
NESTED = st.recursive(
    AROUND,
    lambda inner: st.tuples(st.sampled_from(["list", "set", "key", "value", "object", "text", "bytes"]), AROUND, inner),
    max_leaves=4,
)


def filled(place: Any, secret: str) -> Any:  # noqa: PLR0911  # a table
    """The place with the secret in it."""
    if len(place) == 2:
        return secret.join(place)
    kind, words, inner = place[0], secret.join(place[1]), filled(place[2], secret)
    match kind:
        case "list":
            return [words, inner, 1.5, None]
        case "set":
            return {words, repr(inner)}
        case "key":
            return {words: inner}
        case "value":
            return {"key": (inner, words)}
        case "object":
            return Odd(inner)
        case "bytes":
            return repr(inner).encode("utf-8", "surrogatepass")
    return repr(inner)


def chain(messages: list[str], *, grouped: bool) -> Exception:
    """Errors that were caused by each other, or that happened together."""
    errors = [ValueError(message) for message in messages]
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    errors[0].add_note(messages[-1])
    return ExceptionGroup(messages[0], errors) if grouped else errors[0]


def readings(line: str) -> Iterator[str]:
    """The line as it stands, and all that a reader of JSON finds in it."""
    yield line
    try:
        found = [json.loads(line)]
    except ValueError:
        return
    while found:
        value = found.pop()
        if isinstance(value, dict):
            found += [*value, *value.values()]
        elif isinstance(value, list):
            found += value
        else:
            yield str(value)


@settings(max_examples=100, deadline=None)
@given(
    secret=SECRETS,
    events=st.tuples(AROUND, AROUND),
    fields=st.dictionaries(st.sampled_from(["a", "b", "reason"]), NESTED, max_size=3),
    messages=st.lists(AROUND, min_size=1, max_size=3),
    log_format=st.sampled_from(["json", "console"]),
    grouped=st.booleans(),
)
def test_no_line_holds_a_known_secret_however_deep_it_was(  # all the places there are
    secret: str,
    events: tuple[tuple[str, str], tuple[str, str]],
    fields: dict[str, Any],
    messages: list[tuple[str, str]],
    log_format: str,
    *,
    grouped: bool,
) -> None:
    redaction.forget()
    redaction.learn(secret)
    out = io.StringIO()
    logs.configure(log_format, "info", out)
    given_fields = {name: filled(place, secret) for name, place in fields.items()}
    error = chain([secret.join(message) for message in messages], grouped=grouped)

    structlog.get_logger("bot").warning(secret.join(events[0]), **given_fields, exc_info=error)
    logging.getLogger("library").warning("%s and %r", secret.join(events[1]), given_fields)

    lines = [out.getvalue(), *out.getvalue().splitlines()]
    assert not [one for line in lines for one in readings(line) if secret in one]


@settings(max_examples=100, deadline=None)
@given(secret=SECRETS, levels=st.integers(0, 3), data=st.data())
def test_a_known_secret_is_found_in_every_quoted_and_encoded_form(
    secret: str, levels: int, data: st.DataObject
) -> None:
    redaction.forget()
    redaction.learn(secret)
    text = secret
    try:
        for _ in range(levels):
            text = data.draw(st.sampled_from(ENCODINGS))(text)
    except UnicodeEncodeError:
        return  # half a character cannot be percent-encoded
    longest = max(("".join(c if c.isascii() and c.isalnum() else " " for c in secret)).split(), key=len, default="")

    hidden = redaction.redact(f"<{text}>")

    assert text not in hidden
    if len(longest) >= redaction.LEAST:
        assert longest not in hidden


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "base64 for addresses": base64.urlsafe_b64encode,
    "hexadecimal digits": binascii.hexlify,
    "capital digits": lambda raw: binascii.hexlify(raw).upper(),
}
# An address is hidden by its passwords alone.
LONG_SECRETS = st.text(st.characters(codec="utf-8"), min_size=12, max_size=300).filter(lambda text: "://" not in text)
GRAPHIC_SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=200)


@pytest.mark.parametrize("encoder", ENCODERS)
@settings(max_examples=50, deadline=None)
@given(secret=LONG_SECRETS, before=st.binary(max_size=8), after=st.binary(max_size=8), quoted=st.booleans())
def test_a_known_secret_is_found_within_what_was_encoded_as_a_whole(
    encoder: str, secret: str, before: bytes, after: bytes, *, quoted: bool
) -> None:
    """As a Secret of Kubernetes', or a header, would have it."""
    redaction.forget()
    redaction.learn(f"secret {secret}")
    written = json.dumps(f"secret {secret}") if quoted else f"secret {secret}"
    text = ENCODERS[encoder](before + written.encode() + after).decode()

    hidden = redaction.redact(f"<{text}>")

    # Of what is at either end less than a few characters of the secret can be made out.
    pieces = {text[at : at + 12] for at in range(len(before) * 2, len(text) - len(after) * 2 - 24)}
    assert not [piece for piece in pieces if piece in hidden]


@settings(max_examples=50, deadline=None)
@given(secret=GRAPHIC_SECRETS.filter(lambda text: "://" not in text), width=st.integers(5, 80))
def test_a_known_secret_is_found_although_lines_end_within_it(secret: str, width: int) -> None:
    redaction.forget()
    redaction.learn(f"x{secret}")
    lines = [f"x{secret}"[at : at + width] for at in range(0, len(secret) + 1, width)]

    hidden = redaction.redact("<\n" + "\n  ".join(lines) + "\n>")

    assert not [line for line in lines if len(line) >= 5 and line in hidden]


@pytest.mark.parametrize("text", ["a&amp;b&lt;c&quot;d", "a&#38;b&#x3c;c&#34;d"])
def test_a_known_secret_is_found_in_a_page(text: str) -> None:
    redaction.forget()
    redaction.learn('a&b<c"d')

    assert redaction.redact(f"<p>{text}</p>") == "<p>…</p>"


@pytest.mark.parametrize(
    "text",
    [
        "\nxoxb-12-hunter2",
        "\txapp-1-hunter2",
        r"line\nxoxb-12-hunter2",
        r"line\\nxoxe.xoxb-12-hunter2",
        "xoxb-12345678\n9012-hunter2",
        r"xoxb-12345678\n9012-hunter2",
        "xoxb%2D12%2Dhunter2",
        "xapp%252D12%252Dhunter2",
        "https://hooks.slack.com/services/T1/B1/hunter2",
        "https://hooks.slack-gov.com/services/T1/B1/hunter2",
        "https%3A%2F%2Fhooks.slack-gov.com%2Fservices%2FT1%2Fhunter2",
        "https://hooks.slack.com:443/commands/hunter2",
        "Authorization: Bearer hunter2hunter2",
        "{'authorization': 'Bearer hunter2-token'}",
        r"\nbearer hunter2.hunter2",
        "Bearer%20hunter2hunter2",
        "Authorization: Basic dXNlcjpodW50ZXIy=hunter2",
        "token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.hunter2-signature",
        "redis://user:hunter2@redis:6379/0",
        "/x?access_token=hunter2&b=1",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----",
        "wss://x/?ticket=hunter2&a=1",
    ],
)
def test_what_looks_like_a_secret_is_hidden_although_nobody_has_told(text: str) -> None:
    assert "hunter2" not in redaction.redact(text)


# Beside them a long s, which is one where case does not matter.
PARTS = re.findall(
    r"\S+",
    """xoxb XAPP xapp - %2D Bearer + authorization basic = eyJ abcdef . ://a @ hooks.slack.com /T/ & ? ticket token
    password ://a:b@ ?ticket=1 xoxb-1234 eyJabcdef.abcdef hooks.slack.com/T -----BEGIN PRIVATE KEY-----
    1234 ?\u017fecret=1""",
)
WHOLE = [" ", "\n", ": ", "bearer abcdef", "Authorization: Basic abcd", "-----BEGIN PRIVATE KEY-----"]


@given(st.lists(st.sampled_from([*PARTS, *WHOLE]), max_size=8).map("".join))
def test_law_whatever_looks_like_a_secret_has_what_a_text_is_looked_through_for(text: str) -> None:
    is_like_one = any(pattern.search(text) for pattern, _ in redaction._PATTERNS)

    assert redaction._TELLTALE.search(text) or not is_like_one


@pytest.mark.parametrize(
    "text", ["basic authentication is used", "bearer of news", "redis://redis:6379/0", "see https://slack.com/api/"]
)
def test_ordinary_words_stay(text: str) -> None:
    assert redaction.redact(text) == text


def test_every_secret_of_the_settings_is_known_once_it_was_read() -> None:
    environ = {
        "SLACK_BOT_TOKEN": "xoxb-1-aaaaaa",
        "SLACK_SIGNING_SECRET": "signing-hunter-zwei",
        "REDIS_URL": "rediss://:p%40ss-hunter-drei@redis:6380/1?x=1",
        "PROMETHEUS_BEARER_TOKEN": "bearer-hunter-vier",
        "PROMETHEUS_HEADERS": "X-Key=header-hunter-fuenf,X-Other=other-hunter-sechs",
        "CANARY_SIGNING_KEY": f"{'n' * 32},{'o' * 32}",
    }
    read_settings(environ)

    assert redaction.redact("signing-hunter-zwei") == "…"
    assert redaction.redact("p@ss-hunter-drei or p%40ss-hunter-drei") == "… or …"
    assert redaction.redact("bearer-hunter-vier") == "…"
    assert redaction.redact("header-hunter-fuenf other-hunter-sechs") == "… …"
    assert redaction.redact(f"{'o' * 32} {'n' * 32}") == "… …"
    assert redaction.redact("rediss://redis:6380/1") == "rediss://redis:6380/1"


def test_the_header_of_a_login_is_known_with_its_password() -> None:
    redaction.learn_login("shop", "hunter-sieben")

    assert redaction.redact(base64.b64encode(b"shop:hunter-sieben").decode()).startswith("…")


def test_what_a_kubeconfig_lets_us_in_with_is_known(tmp_path: Path) -> None:
    user = {"name": "u", "user": {"token": "opaque-hunter-zehn"}}
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    written = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}
    file = tmp_path / "config"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | written), encoding="utf-8")
    Kube.connect(str(file))

    assert redaction.redact("opaque-hunter-zehn") == "…"


def test_a_line_that_cannot_be_made_does_not_show_what_was_to_be_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)

    logging.getLogger("library").warning("%d tries", "hunter-acht")

    assert "hunter-acht" not in out.getvalue() + capsys.readouterr().err
    assert "a line of library could not be written (TypeError)" in out.getvalue()


def test_a_character_that_the_stream_does_not_have_is_escaped() -> None:
    raw = io.BytesIO()
    logs.configure("json", "info", io.TextIOWrapper(raw, encoding="ascii", write_through=True))

    structlog.get_logger("bot").warning("half \ud83d and 发布")

    assert b"half" in raw.getvalue()


def test_what_nobody_caught_is_a_line_like_every_other_on_every_thread() -> None:
    program = (
        "import threading\n"
        "from bot import logs\n"
        "from bot.settings.secret import Secret\n"
        "Secret('hunter\\nneun-neun')\n"
        "logs.configure('json', 'info'); logs.log_uncaught()\n"
        "def fails(): raise ValueError('on a thread: hunter\\nneun-neun')\n"
        "one = threading.Thread(target=fails); one.start(); one.join()\n"
        "raise ValueError('in the end: hunter\\nneun-neun')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603  # our own program

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["uncaught", "uncaught"]
    assert "neun-neun" not in done.stdout + done.stderr


@pytest.mark.parametrize("odd", ["", "[", " \n"], ids=["plain", "brackets", "lines"])
def test_a_secret_as_long_as_a_file_is_learnt_in_no_time_and_hidden_in_every_form(odd: str) -> None:
    secret = odd.join(f"{number:x}" for number in range(20_000))
    began = time.process_time()
    redaction.learn(secret)

    texts = [secret, *(encode(secret) for encode in ENCODINGS), json.dumps(repr(secret))]
    hidden = [redaction.redact(f"before {text} after") for text in texts]

    assert [text for text in hidden if "4d2" in text or "4e1f" in text] == []
    assert all(text.startswith("before ") and text.endswith(" after") for text in hidden)
    assert time.process_time() - began < 5


def test_of_a_long_secret_that_was_cut_nothing_is_shown() -> None:
    secret = "".join(f"{number:x}" for number in range(2000))
    redaction.learn(secret)

    assert redaction.redact(f"{secret[:500]} and more") == f"{redaction.HIDDEN} and more"


def test_secrets_are_looked_for_fast_enough_for_every_line() -> None:
    for number in range(20):
        Secret(f"hunter-{number:04}-{'x' * 50}")
    text = "a line with nothing in it that anybody would hide, and a few words more " * 5

    started = time.thread_time()  # what it costs, however busy the machine is
    for _ in range(200):
        redaction.redact(text)

    assert time.thread_time() - started < 2
