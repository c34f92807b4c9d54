"""Plays one cell after the other on one Redis server, and says what was wrong with each."""

from __future__ import annotations

import queue
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from redis import Redis

from sandbox.ports import LOOPBACK
from tests.crash.bots import BotServer
from tests.crash.stories import Story
from tests.crash.upsets import RedisDatabase
from tests.crash.world import Trap, World, is_well

DATABASES = 16
MOST_CALLS = 2  # of one key: the first, and the one after a bot has died
WORDS_SECONDS = 60.0  # only what is truly wrong waits for so long


class Grid:
    """Safe to use from several threads: each cell has a database of its own."""

    def __init__(self, *, bots: BotServer, redis_port: int, directory: Path) -> None:
        self._bots = bots
        self._port = redis_port
        self._directory = directory
        self._free: queue.Queue[int] = queue.Queue()
        for database in range(DATABASES):
            self._free.put(database)

    def cell(self, story: Story, trap: Trap) -> list[str]:
        """What was wrong with this cell; nothing, hopefully."""
        return self._play(story, trap)[0]

    def undisturbed(self, story: Story) -> tuple[list[str], Mapping[tuple[str, str], int]]:
        """The story without a crash: what was wrong, and which requests each stage made."""
        return self._play(story, None)

    def _play(self, story: Story, trap: Trap | None) -> tuple[list[str], Mapping[tuple[str, str], int]]:
        database = self._free.get()
        try:
            with Redis(LOOPBACK, self._port, db=database) as redis:
                redis.flushdb()
            directory = Path(tempfile.mkdtemp(dir=self._directory))
            with World(directory, self._bots, RedisDatabase(port=self._port, database=database), story, trap) as world:
                end = world.play()
                return list(_wrong(world, str(end["phase"]))), dict(world.census)
        except (AssertionError, TimeoutError) as stuck:
            return [str(stuck)], {}
        finally:
            self._free.put(database)


def _wrong(world: World, phase: str) -> list[str]:
    story = world.story
    found: list[str] = []
    if world.trap is not None and world.kills != 1:
        found.append("the trap never closed")
    if phase != story.end:
        found.append(f"it ended {phase}")
    world.referee.judge_end(promoted=story.promoted, final_subset=story.final_subset, upgraded=story.upgraded)
    found += world.referee.violations
    patches = [str(images) for images in world.referee.seen.patches]
    if len(patches) != len(set(patches)):
        found.append(f"an image was patched twice: {patches}")
    found += [*world.audience.wrong, *world.reader.wrong]
    found += _ill_called(world)
    if (wrong := _ill_said(world)) is not None:
        found.append(f"posts that came twice, and lost ones: {wrong}")
    return found


def _ill_called(world: World) -> Iterator[str]:
    """A webhook is called once for each stage; where the bot died over it again, with the same key.

    What tells of the end follows it. One kill repeats one call: no other is under way before its answer is stored.
    """
    for path in world.story.paths:
        world.receiver.wait_for(path, timeout=WORDS_SECONDS)
    keys = Counter(one.key for one in world.receiver.heard)
    places = {(one.path, one.body["rollout"], one.body["stage"]) for one in world.receiver.heard}
    most = MOST_CALLS if world.kills else 1
    yield from (f"{key} was called {count} times" for key, count in keys.items() if count > most)
    yield from (f"{place} has several keys" for place in places if len(_keys(world, place)) > 1)
    again = sum(count > 1 for count in keys.values())
    if again > world.kills:
        yield f"more calls were repeated than bots have died: {keys}"


def _keys(world: World, place: tuple[str, str, str]) -> set[str]:
    return {one.key for one in world.receiver.heard if (one.path, one.body["rollout"], one.body["stage"]) == place}


def _ill_said(world: World) -> tuple[int, list[str]] | None:
    """What is wrong with the words, or None as soon as nothing is: one that is under way is said and waits to be."""
    deadline = time.monotonic() + WORDS_SECONDS
    while True:
        late, words = time.monotonic() > deadline, world.words()
        if is_well(words) or late:
            return None if is_well(words) else words
        time.sleep(0.02)
