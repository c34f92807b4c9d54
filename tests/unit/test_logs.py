"""Log lines as they leave the process."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from bot import logs
from bot.words.rendering import plain
from bot.words.sentence import said


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_json_lines_are_events_with_keys_from_us_and_from_libraries_alike() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)

    structlog.get_logger("bot.controller").info("stage.entered", rollout="r1", weight=20)
    logging.getLogger("library").warning("took %s s", 3, extra={"attempt": 2})
    logging.getLogger("library").debug("not shown")

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    times = [line.pop("timestamp") for line in lines]
    assert all(time.endswith("Z") for time in times)
    assert lines == [
        {"event": "stage.entered", "level": "info", "logger": "bot.controller", "rollout": "r1", "weight": 20},
        {"event": "took 3 s", "level": "warning", "logger": "library", "attempt": 2},
    ]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_sentence_of_the_catalogue_is_a_sentence_in_the_log_wherever_it_stands(log_format: str) -> None:
    out = io.StringIO()
    logs.configure(log_format, "info", out)

    sentence = said("controller.not_started", service="reviews", version="v2")
    structlog.get_logger().warning("refused", sentence=sentence, reasons=(sentence,))

    assert out.getvalue().count(plain(sentence)) == 2
    assert "Sentence(" not in out.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_nothing_that_looks_like_a_secret_is_written_not_even_in_a_traceback(log_format: str) -> None:
    out = io.StringIO()
    logs.configure(log_format, "info", out)
    log = structlog.get_logger()

    log.info("slack.connected", token="xoxb-12-hunter2", nested={"app": "xapp-1-hunter2"})
    logging.getLogger("urllib3").warning("GET redis://user:hunter2@redis:6379/0 with Bearer hunter2.hunter2")
    log.info("reply", url="https://hooks.slack.com/commands/T1/hunter2", socket="wss://x/?ticket=hunter2&a=1")
    try:
        int("rediss://:hunter2@redis")
    except ValueError:
        log.exception("redis.unreachable")

    assert "hunter2" not in out.getvalue()
    assert "redis://user:…@redis:6379/0" in out.getvalue()
    assert "redis.unreachable" in out.getvalue()
    assert "Traceback" in out.getvalue()


def test_slacks_debug_lines_are_never_shown_because_they_hold_payloads() -> None:
    out = io.StringIO()
    logs.configure("console", "debug", out)

    logging.getLogger("slack_sdk.web.base_client").debug("payload")
    logging.getLogger("slack_bolt.App").debug("payload")
    logging.getLogger("kubernetes.client.rest").debug("payload")
    logging.getLogger("bot").debug("ours")

    assert "ours" in out.getvalue()
    assert "payload" not in out.getvalue()


def test_a_certificate_that_nobody_verifies_is_warned_of_once() -> None:
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("json", "info", out)
        for _ in range(2):
            warnings.warn("Unverified HTTPS request is being made to host 'kube.example'.", UserWarning, stacklevel=1)

    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_where_the_answer_says_what_failed_libraries_are_heard_at_debug_alone(level: str, shown: bool) -> None:  # noqa: FBT001
    out = io.StringIO()
    logs.configure("json", level, out, libraries_least=logging.CRITICAL)

    logging.getLogger("slack_sdk.web.base_client").error("Failed to send a request to Slack API server")
    logging.getLogger("bot").info("ours")

    assert ("Failed to send" in out.getvalue()) is shown
    assert "ours" in out.getvalue()
