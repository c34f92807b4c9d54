"""One world after another in the same workspace: what ``make sandbox`` runs, and what *Reset* does."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.history import History
from sandbox.slack.server import Slack
from sandbox.switches import Switch, switches
from sandbox.world import World

DEAD_MAN_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A world that runs, with whoever watches it and what can be done to it."""

    world: World
    history: History
    switches: dict[str, Switch]


class Rehearsal:
    """A world that can be replaced by a fresh one, while the ``with`` block lasts; the workspace's page stays open."""

    def __init__(self, slack: Slack, directory: Path, language: str = "") -> None:
        """Nothing runs yet; ``language`` is what the bot speaks."""
        self._slack = slack
        self._directory = directory
        self._language = language
        self._worlds = 0
        self._lock = threading.Lock()
        self._running = ExitStack()
        self.stage: Stage | None = None  # None while a fresh one is being set up
        self.trouble = ""  # why there is none, once setting it up has failed

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._close()

    def start_over(self) -> None:
        """End everything, and begin again with nothing that was: returns when the fresh world is up."""
        with self._lock:
            self.trouble = ""
            self._close()
            self._slack.workspace.start_over()
            try:
                self._open()
            except Exception as failed:
                self.trouble = f"The fresh world did not start: {failed}"
                raise

    def _open(self) -> None:
        self._worlds += 1
        with ExitStack() as opening:
            folder = self._directory / f"world-{self._worlds}"
            opening.callback(shutil.rmtree, folder, ignore_errors=True)
            world = opening.enter_context(
                World(folder, slack=self._slack, dead_man_seconds=DEAD_MAN_SECONDS, language=self._language)
            )
            history = opening.enter_context(History(world.kube.store, world.ledger, self._slack))
            self.stage = Stage(world=world, history=history, switches=switches(world))
            self._running = opening.pop_all()

    def _close(self) -> None:
        self.stage = None
        self._running.close()
