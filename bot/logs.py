"""Log lines: events with keys, to stdout, coloured for people or JSON for machines. What is logged is the callers'.

Libraries' lines take the same way out, so that nothing reaches stdout without having been looked over for secrets.
"""

from __future__ import annotations

import logging
import re
import sys
import warnings
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# What the libraries say below these levels holds payloads, or says nothing but that time passes.
_LEAST = {
    "slack_sdk": logging.INFO,
    "slack_bolt": logging.INFO,
    "kubernetes": logging.INFO,
    "urllib3": logging.INFO,
    "websocket": logging.INFO,
    "apscheduler": logging.WARNING,
    "tornado": logging.WARNING,
}

_HIDDEN = (
    (re.compile(r"\b(xox[a-z]|xapp)-[\w.%-]+"), r"\1-…"),
    (re.compile(r"(?i)\b(bearer) +[\w.~+/=-]{6,}"), r"\1 …"),
    (re.compile(r"(://[^\s/:@\"']*):[^\s/@\"']+@"), r"\1:…@"),
    (re.compile(r"(hooks\.slack\.com/)[^\s\"'\\]+"), r"\1…"),  # whoever has a response_url may post with it
    (re.compile(r"([?&](?:ticket|token|secret)=)[^\s&\"'\\]+"), r"\1…"),  # Socket Mode's own address
)


def configure(
    log_format: str, level: str, stream: TextIO | None = None, *, libraries_least: int = logging.NOTSET
) -> None:
    """Send every log line of the process to ``stream`` (stdout) as ``console`` or ``json``.

    Args:
        log_format: ``console`` or ``json``.
        level: the least level shown: ``debug``, ``info``, ``warning`` or ``error``.
        stream: somewhere else than stdout.
        libraries_least: the least level shown of what the libraries say, unless ``level`` is ``debug``.
    """
    out = stream or sys.stdout
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(_is_loud_enough)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(log_format, colours=out.isatty()),
                redact,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    libraries = least if least <= logging.DEBUG else max(least, libraries_least)
    for name, floor in _LEAST.items():
        logging.getLogger(name).setLevel(max(libraries, floor))
    logging.captureWarnings(capture=True)
    # Somebody chose not to verify a certificate: to be told with every request would bury everything else.
    warnings.filterwarnings("once", message="Unverified HTTPS request")


def _is_loud_enough(record: logging.LogRecord) -> bool:
    """Whether a library's line may be shown: its loggers may have levels of their own, and then no parent's counts."""
    return record.levelno >= _LEAST.get(record.name.partition(".")[0], logging.NOTSET)


def redact(_: WrappedLogger, __: str, line: EventDict | str) -> str:
    """Hide what looks like a token or a password. The last step, on the finished line: nothing can come in after it."""
    text = str(line)
    for pattern, replacement in _HIDDEN:
        text = pattern.sub(replacement, text)
    return text


def _renderer(log_format: str, *, colours: bool) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # Tracebacks are text by then: the pretty ones show local variables, and those hold secrets.
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
