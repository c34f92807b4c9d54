"""What the page's chart shows: answers a second by version, errors among them, and what happened when.

It is kept here and not in the page, so that a page opened late shows the past. Like the recorder it never asks the
bot: answers are the users', routes the cluster's, and deeds those of the people in the workspace.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from sandbox.kube.objects import Object
from sandbox.kube.store import Store
from sandbox.mesh.users import Ledger
from sandbox.sides import Ground, Shares, shares_of
from sandbox.slack.model import HumanAction
from sandbox.slack.server import Slack

SAMPLES = 180  # seconds of the past that are kept
MOMENTS = 60
OURS = "canary-bot/"  # how the bot's annotations begin
NOBODY = "no answer"
BY_ACTION = {"canary_approve": "approve", "canary_abort": "abort"}
BY_COMMAND = {"approve": "approve", "abort": "abort"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened.

    Attributes:
        at: seconds since the epoch.
        kind: start, approve, abort, weights, fault, end, or deed for what a person did otherwise.
        words: what, for the list beside the chart.
    """

    at: float
    kind: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the cluster says of a rollout: its routes, and whether the bot's annotations are on them."""

    shares: Shares
    marked: bool

    @property
    def canary(self) -> str:
        """The subset beside the primary's that gets users or copies; "" if there is none."""
        primary = Ground().primary_subset
        used = [subset for subset in {*self.shares.users, *self.shares.mirrored} if subset != primary]
        return next((subset for subset in sorted(used) if self.shares.uses(subset)), "")


def standing(store: Store) -> Standing:
    """How things stand now."""
    vs = store.get("VirtualService", Ground().namespace, Ground().virtual_service)
    annotations = (vs["metadata"].get("annotations") or {}) if vs else {}
    return Standing(shares=shares_of(vs), marked=any(name.startswith(OURS) for name in annotations))


def version_run_by(store: Store, deployment: str) -> str:
    """The version in a Deployment's image, such as ``v2``; "" if there is no such Deployment."""
    thing = store.get("Deployment", Ground().namespace, deployment)
    image = thing["spec"]["template"]["spec"]["containers"][0]["image"] if thing else ""
    found = re.search(r"reviews-(v\d+)", image)
    return found[1] if found else ""


class History:
    """Counts the users' answers once a second, and notes what happens, while the ``with`` block lasts."""

    def __init__(self, store: Store, ledger: Ledger, people: Slack) -> None:
        self._store, self._ledger, self._people = store, ledger, people
        self._lock = threading.Lock()
        self._samples: deque[Counter[str]] = deque(maxlen=SAMPLES)
        self._failed: deque[int] = deque(maxlen=SAMPLES)
        self._moments: deque[Mark] = deque(maxlen=MOMENTS)
        self._now = time.time()
        self._standing = standing(store)
        self._canary = ""  # whom the rollout is about that is under way
        self._ran = ""  # what the primary ran when it began
        self._stop = threading.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._sample, name="history", daemon=True)

    def __enter__(self) -> Self:
        self._store.subscribe(self._changed)
        self._unsubscribe = self._people.watch_people(self._did)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        self._stop.set()
        self._thread.join(5)

    def note(self, kind: str, words: str) -> None:
        """Write down that something happened just now."""
        with self._lock:
            self._moments.append(Mark(at=time.time(), kind=kind, words=words))

    def chart(self) -> dict[str, Any]:
        """The last minutes: for each version its answers in each second, oldest first, the last one ending ``now``."""
        with self._lock:
            samples, failed, now = list(self._samples), list(self._failed), self._now
        versions = sorted({version for sample in samples for version in sample}, key=lambda one: (one == NOBODY, one))
        answers = {version: [sample[version] for sample in samples] for version in versions}
        return {"now": now, "seconds": SAMPLES, "answers": answers, "failed": failed}

    def moments(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        with self._lock:
            return [asdict(mark) for mark in self._moments]

    def _sample(self) -> None:
        before = self._ledger.totals()
        due = time.monotonic() + 1
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1
            totals = self._ledger.totals()
            self._keep(totals - before)
            before = totals

    def _keep(self, answered: Counter[tuple[str, bool]]) -> None:
        sample: Counter[str] = Counter()
        for (version, _), count in answered.items():
            sample[version or NOBODY] += count
        with self._lock:
            self._samples.append(sample)
            self._failed.append(sum(count for (_, failed), count in answered.items() if failed))
            self._now = time.time()

    def _changed(self, _event: str, thing: Object) -> None:
        if thing["kind"] != "VirtualService" or thing["metadata"]["name"] != Ground().virtual_service:
            return
        before, self._standing = self._standing, standing(self._store)
        self._canary = self._standing.canary or self._canary
        if self._standing.marked and not before.marked:
            self._ran = version_run_by(self._store, Ground().primary)
            self.note("start", f"{self._canary or 'A rollout'} begins")
        if self._routes(before) != self._routes(self._standing):
            self.note("weights", self._routes(self._standing))
        if before.marked and not self._standing.marked:
            self._end()

    def _routes(self, now: Standing) -> str:
        canary = now.canary or self._canary
        copies = f", copies to {canary}" if now.shares.mirrored else ""
        return f"{canary} {now.shares.of(canary)} %{copies}" if canary else ""

    def _end(self) -> None:
        """A rollout's annotations are gone: it was aborted if the primary runs what it ran before."""
        runs = version_run_by(self._store, Ground().primary)
        if runs == self._ran:
            self.note("abort", f"{self._canary} is aborted")
        else:
            self.note("end", f"{runs} is promoted" if runs == self._canary else f"Rolled back to {runs}")
        self._canary = ""

    def _did(self, action: HumanAction) -> None:
        kinds = BY_COMMAND if action.kind == "command" else BY_ACTION
        key = action.words.split(" ")[0] if action.kind == "command" else action.action
        words = f"/canary {action.words}" if action.kind == "command" else action.words
        self.note(kinds.get(key, "deed"), f"{action.user.real_name.split(' ')[0]}: {words}")
