"""Targets: what Redis holds, and what is logged."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import structlog

from bot import logs
from bot.adapters import serialization, signatures
from bot.model.errors import CanaryError
from bot.model.rollout import Rollout
from bot.model.signing import Signer
from bot.slack import cards, thread
from tests.fuzz.law import demand, demand_nothing_alive, demand_one_line

SIGNER = Signer(keys=(b"a key that only tests know, of 32",))


def documents(data: bytes) -> None:
    """A rollout, a line of its story, a freeze or a line about one: read, shown, and stored again as it was."""
    text = data.decode(errors="surrogateescape")
    loads: tuple[tuple[Callable[[str], Any], Callable[[Any], str]], ...] = (
        (serialization.load_rollout, serialization.dump_rollout),
        (serialization.load_entry, serialization.dump_entry),
        (serialization.load_freeze, serialization.dump_freeze),
        (serialization.load_freeze_line, serialization.dump_freeze_line),
    )
    for load, dump in loads:
        try:
            found = load(text)
        except CanaryError:
            continue
        demand(load(dump(found)) == found or "nan" in repr(found), "stored otherwise", found)
        if isinstance(found, Rollout):
            _shown(found)


def signed(data: bytes) -> None:
    """A text that says that we have signed it."""
    text = data.decode(errors="surrogateescape")
    try:
        signatures.believed("a rollout", text, SIGNER, "canary:{default/reviews}", "r-1")
    except CanaryError:
        return
    demand(held=False, key="believed", what=text)


def log_lines(data: bytes) -> None:
    """What others write, in an event's fields."""
    given = data.decode(errors="replace")
    for form in ("console", "json"):
        line = _logged(form, given)
        demand_one_line(line)
        if form == "json":
            demand(json.loads(line)["reason"] is not None, "no field", line)


def _shown(rollout: Rollout) -> None:
    card = cards.card(rollout, (), 0.0)
    demand_nothing_alive(card.blocks)
    demand_nothing_alive(card.plain)
    demand_nothing_alive({"type": "mrkdwn", "text": card.text})


def _logged(form: str, text: str) -> str:
    out = io.StringIO()
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logs.configure(form, "info", out)
        structlog.get_logger("fuzz").warning("slack.refused", reason=text, user=text[:20])
        logging.getLogger("library").warning("%s", text)
    finally:
        structlog.configure(**before)
        root.handlers, root.level = handlers, level
        logging.captureWarnings(capture=False)
    ours, _, library = out.getvalue().partition("\n")
    demand_one_line(library)
    return f"{ours}\n"


__all__ = ["documents", "log_lines", "signed", "thread"]
