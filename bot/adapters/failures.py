"""Whom an adapter tells of one thing that it cannot read or do, while it goes on with the others."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.controller.containment import Broken

# What it is about, as in "notification 1-0 of default/reviews", and what was raised.
Failed = Callable[[str, Exception], None]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def logged(about: str, error: Exception) -> None:
    """One line, for whoever looks once: the log of a process that looks again and again would hold little else."""
    log.warning("item_failed", about=about, reason=getattr(error, "sentence", Broken(error, "read it").sentence))
