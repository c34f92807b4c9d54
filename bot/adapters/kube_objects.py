"""The objects of one kind and namespace as a watch has told of them. Memory only: no thread, no clock, no request.

Our own writes come in from the side, ahead of the watch. What the watch then says from before such a write is
ignored, so that nobody is told the past after having changed it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from bot.cluster.objects import Object, labels_of
from bot.cluster.selectors import LabelSelector

LONGEST_VERSION = 20  # digits of 64 bits


class Objects:
    """By name, with an index by label: a namespace may hold thousands of pods, and each reconcile wants two of them."""

    def __init__(self) -> None:
        self._by_name: dict[str, Object] = {}
        self._by_label: defaultdict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self._written: dict[str, int] = {}
        self._doubted: set[str] = set()

    def get(self, name: str) -> Object | None:
        """The object of that name."""
        return self._by_name.get(name)

    def select(self, selector: LabelSelector) -> list[Object]:
        """The objects whose labels match, by name."""
        sets = [self._by_label.get(pair, {}) for pair in selector.pairs]
        fewest = min(sets, key=len, default=self._by_name)
        return [obj for _, obj in sorted(fewest.items()) if selector.matches(labels_of(obj))]

    def doubted(self, name: str = "") -> bool:
        """Whether this object (without a name: any) may differ from what is known; only a new look can say."""
        return name in self._doubted if name else bool(self._doubted)

    # From the watch

    def reset(self, items: Iterable[Object], version: str) -> None:
        """Hold exactly these, and what we have written since the cluster looked like that."""
        newest = number(version)
        self._written = {name: written for name, written in self._written.items() if written > newest}
        ours = [self._by_name[name] for name in self._written if name in self._by_name]
        self._by_name.clear()
        self._by_label.clear()
        for obj in [*items, *ours]:
            self._put(obj)

    def apply(self, what: str, obj: Object) -> None:
        """One ADDED, MODIFIED or DELETED."""
        name = obj["metadata"]["name"]
        if version_of(obj) < self._written.get(name, 0):
            return
        self._written.pop(name, None)
        self._remove(name)
        if what != "DELETED":
            self._put(obj)

    def forget_writes(self) -> None:
        """The watch is lost and the next list is asked for after all of them: it knows better than we do."""
        self._written.clear()

    # From ourselves

    def wrote(self, name: str, obj: Object | None) -> None:
        """The object as a write or a read of our own found it just now; None when there is none of that name."""
        self._doubted.discard(name)
        if obj is None:
            self._remove(name)
        elif version_of(obj) >= version_of(self._by_name.get(name)):
            self._written[name] = version_of(obj)
            self._put(obj)

    def doubt(self, name: str) -> None:
        """We wrote, and have not seen what came of it."""
        self._doubted.add(name)

    def _put(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        self._remove(name)
        self._by_name[name] = obj
        for pair in labels_of(obj).items():
            self._by_label[pair][name] = obj

    def _remove(self, name: str) -> None:
        before = self._by_name.pop(name, None)
        for pair in labels_of(before or {}).items():
            held = self._by_label[pair]
            held.pop(name, None)
            if not held:
                del self._by_label[pair]


def version_of(obj: Object | None) -> int:
    """The object's resourceVersion as the number it is; 0 for no object."""
    return number(str((obj or {}).get("metadata", {}).get("resourceVersion", "")))


def number(version: str) -> int:
    """A resourceVersion to compare by. Every conformant server counts; one that does not is believed as it speaks."""
    return int(version) if version.isdecimal() and len(version) <= LONGEST_VERSION else 0
