"""The crash matrix: the bot is killed at every request of every stage, before it and after it, and started again.

Each cell is a whole rollout of the production process with one ``kill -9``; in some stories something else goes wrong
around it as well, and a person's command ends it all the same. Afterwards the rollout must have ended as
its story says, nothing may have been written that the referee forbids, no image twice, and at most one post twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.redis import Redis
from tests.crash.bots import BotServer
from tests.crash.grid import Grid
from tests.crash.matrix import FILE, JUDGE, MATRIX, NOTE_CARD, NOTE_TRY, NOTIFIED, RIGHTS, SAVE, cells, traps
from tests.crash.stories import STORIES
from tests.crash.world import BEAT, FIRST_BEAT, LEASE_BEAT, ROUTE, Trap

pytestmark = pytest.mark.sandbox

AT_ONCE = 4  # cells; each waits more than it works
ANY_TIME = {
    JUDGE,
    RIGHTS,
    NOTE_TRY,
    NOTE_CARD,
    FILE,
    BEAT,
    FIRST_BEAT,
    LEASE_BEAT,
    "EVAL lease",
    *NOTIFIED,
}  # requests whose stage depends on the clock, or on how busy the machine is
# Typed once more because its answer was late, the command takes off the annotations of an object that was made again.
REPEATED = {("abandoned", ROUTE)}
# What a promotion still stores when it has ended is part of the story of a promotion, and not of the rollback after it.
BEFORE_A_ROLLBACK = {("preflight", SAVE)}
WRITES = ("update ", "patch ", "create ", "delete ", "EVAL", "SADD", "POST ", *ANY_TIME)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    """A Redis and a fork server for many cells."""
    directory = tmp_path_factory.mktemp("crash")
    with BotServer() as bots, Redis(directory / "redis", appendonly=False) as redis:
        yield Grid(bots=bots, redis_port=redis.port, directory=directory)


@pytest.mark.timeout(1800)  # a bound for what hangs; how long a group takes says how busy the machine is
@pytest.mark.parametrize(("story", "stage"), [(story, stage) for story, stages in MATRIX.items() for stage in stages])
def test_a_killed_bot_goes_on_where_it_was(grid: Grid, story: str, stage: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = pool.map(lambda trap: (trap, grid.cell(STORIES[story], trap)), list(traps(story, stage)))

    assert {_name(trap): found for trap, found in wrong if found} == {}


@pytest.mark.parametrize("story", MATRIX)
def test_every_write_of_a_story_has_its_place_in_the_matrix(grid: Grid, story: str) -> None:
    found, census = grid.undisturbed(STORIES[story])

    written = {(stage, kind) for stage, kind in census if kind.startswith(WRITES) and kind not in ANY_TIME}
    somewhere = {(stage, kind) for stages in MATRIX.values() for stage in stages for kind in stages[stage]}
    assert found == []
    assert written - REPEATED - (BEFORE_A_ROLLBACK if STORIES[story].rolled_back else set()) <= somewhere


def test_the_matrix_is_as_large_as_the_safety_page_says_and_has_every_story() -> None:
    page = Path(__file__).parents[2].joinpath("docs/safety.md").read_text(encoding="utf-8")

    assert f"{cells()} cells" in page
    assert set(MATRIX) == set(STORIES)


def _name(trap: Trap) -> str:
    return f"{trap.stage}: {trap.moment} {trap.kind}"
