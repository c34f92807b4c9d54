"""A lock for each key, there while somebody has it or waits for it, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Held:
    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0


class Locks:
    """Locks by key. One thread may take the same key again while it has it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: dict[str, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Nobody else is in here with the same key."""
        with self._guard:  # two that ask for a new key at once get the same lock
            held = self._held.setdefault(key, _Held())
            held.users += 1
        try:
            with held.lock:
                yield
        finally:
            with self._guard:
                held.users -= 1
                if not held.users:
                    del self._held[key]
