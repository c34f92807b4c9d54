"""A client that is made when it is first asked for, and again where that failed: its making asks the network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from bot.model.errors import Fault


class _Closeable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closeable)


class Lazy(Generic[T]):
    """Stands in the client's place; every method of the client is one of its own. Safe to share between threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        """``make`` raises ``Fault`` where it cannot be made yet."""
        self._make = make
        self._lock = threading.Lock()
        self._made: T | None = None
        self._tries = 0
        self._fault: Fault | None = None  # of the newest attempt

    def reached(self) -> T:
        """The client itself.

        Raises:
            Fault: it cannot be made now. Whoever waited for another thread's attempt is told how that one ended.
        """
        if self._made is not None:
            return self._made
        seen = self._tries
        with self._lock:
            if self._made is None:
                self._try_after(seen)
            assert self._made is not None  # noqa: S101  # else it was raised
            return self._made

    def close(self) -> None:
        """Close what was made."""
        if self._made is not None:
            self._made.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*arguments: Any, **named: Any) -> Any:
            return getattr(self.reached(), name)(*arguments, **named)

        return ask

    def _try_after(self, seen: int) -> None:
        if self._fault is not None and self._tries != seen:
            raise Fault(self._fault.system, self._fault.sentence, self._fault.cause) from self._fault
        try:
            self._made = self._make()
        except Fault as fault:
            self._fault = fault
            raise
        finally:
            self._tries += 1
