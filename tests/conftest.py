"""What holds for all tests."""

from __future__ import annotations

import structlog
from hypothesis import settings

# How long an example takes says something about the machine; timings live in ``bench``.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# Tracebacks as the bot writes them: the pretty ones, which are structlog's default, take seconds to draw.
plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
