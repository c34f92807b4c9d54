"""How calls to other systems ended, as words from a short list. Who counts them is somebody else's business."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.model.errors import Cause, Contended, Fault

Called = Callable[[str], None]  # told how a call ended, once for each call

OK = "ok"
CONFLICT = "conflict"
FAILED = "failed"  # no answer, or one that makes no sense

_BY_CAUSE = {
    Cause.UNREACHABLE: FAILED,
    Cause.TIMED_OUT: "timed_out",
    Cause.MISSING: "missing",
    Cause.FORBIDDEN: "forbidden",
    Cause.REFUSED: "refused",
}


def nobody(_outcome: str) -> None:
    """Where nobody counts."""


def outcome(fault: Fault) -> str:
    """The word for a fault."""
    return CONFLICT if isinstance(fault, Contended) else _BY_CAUSE[fault.cause]


@contextmanager
def counted(called: Called) -> Iterator[None]:
    """One call: told as ``ok`` unless it raises."""
    try:
        yield
    except Fault as fault:
        called(outcome(fault))
        raise
    except Exception:
        called(FAILED)
        raise
    called(OK)
