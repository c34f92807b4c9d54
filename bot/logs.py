"""Log lines: events with keys, to stdout, coloured for people or JSON for machines. What is logged is the callers'.

Libraries' lines take the same way out, so that nothing reaches stdout without having been looked over for secrets.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import warnings
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot import redaction
from bot.words.rendering import plain
from bot.words.sentence import Sentence

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

DEEPEST = 20  # levels of a field that are looked into one by one; what is below is looked at as text


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
    handler = _Handler(out)
    handler.addFilter(_is_loud_enough)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact_fields,
                one_line,
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


log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes what the stream's encoding has, and escapes the rest; a line that cannot be made says only that."""

    def format(self, record: logging.LogRecord) -> str:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return super().format(record).encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """The standard library would show the record's arguments, and they may hold secrets."""
        error = sys.exc_info()[0]
        if error is not None and not issubclass(error, OSError | ValueError):
            self.stream.write(f"a line of {record.name} could not be written ({error.__name__}){self.terminator}")


def log_uncaught() -> None:
    """Let what nobody caught take the same way out as every other line, on whichever thread it was."""

    def on_thread(uncaught: threading.ExceptHookArgs) -> None:
        if uncaught.exc_value is not None and not isinstance(uncaught.exc_value, SystemExit):
            log.critical("uncaught", exc_info=uncaught.exc_value)

    sys.excepthook = lambda _kind, error, _traceback: log.critical("uncaught", exc_info=error)
    threading.excepthook = on_thread


def redact_fields(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Hide secrets in the fields while they are as they were given: rendering quotes them."""
    return {redaction.redact(str(key)): _redacted(value, DEEPEST) for key, value in fields.items()}


def _redacted(value: object, depth: int) -> object:
    match value:
        case str():
            return redaction.redact(value)
        case Sentence():  # whoever reads the log reads English
            return redaction.redact(plain(value))
        case bool() | int() | float() | None:
            return value
        case dict() if depth:
            return {redaction.redact(str(key)): _redacted(inner, depth - 1) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset() if depth:
            return [_redacted(inner, depth - 1) for inner in value]
    shown = repr(value)
    hidden = redaction.redact(shown)
    return value if hidden == shown else hidden


def one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What others write ends no line and moves no cursor. Tracebacks have lines of their own, and are ours."""
    return {key: value if key in _OF_LINES else _visible(value) for key, value in event.items()}


def _visible(value: object) -> object:
    return _CONTROL.sub(_escaped, value) if isinstance(value, str) else value


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


_OF_LINES = frozenset({"exception", "stack"})
# Control characters of ASCII and Latin-1, and what else ends a line or turns the direction of text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def redact(_: WrappedLogger, __: str, line: EventDict | str) -> str:
    """Hide secrets in the finished line. The last step: nothing can come in after it."""
    return redaction.redact(str(line))


def _renderer(log_format: str, *, colours: bool) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # Tracebacks are text by then: the pretty ones show local variables, and those hold secrets.
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
