"""``make torture``: many schedules, one after the other; each that violates a promise is told with how to replay it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.torture.batch import Found, run
from tests.torture.schedule import draw

BATCH = 20
PROGRESS_SECONDS = 10.0


def main() -> int:
    """All seeds, over all cores."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay one schedule and show it")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        print(draw(arguments.seed))
        found = run([arguments.seed])
        _notify(found)
        return _say(found, 1)
    seeds = list(range(arguments.first, arguments.first + arguments.n))
    return _say(_all(seeds), len(seeds))


def _all(seeds: list[int]) -> list[Found]:
    batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
    found: list[Found] = []
    began = shown = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for done, violated in enumerate(pool.map(run, batches), start=1):
            found += violated
            _notify(violated)
            if time.monotonic() - shown > PROGRESS_SECONDS or done == len(batches):
                shown = time.monotonic()
                played = min(done * BATCH, len(seeds))
                rate = played / (shown - began)
                print(
                    f"{played} of {len(seeds)} schedules, {len(found)} with violations, {rate:.1f} a second", flush=True
                )
    return found


def _notify(found: list[Found]) -> None:
    """At once: ten thousand take an hour."""
    for one in found:
        print(f"seed {one.seed}: replay with `make torture SEED={one.seed}`")
        print("\n".join(f"  {violation}" for violation in one.violations), flush=True)


def _say(found: list[Found], played: int) -> int:
    seeds = f": seeds {', '.join(str(one.seed) for one in found)}" if found else ""
    print(f"{played} schedules, {len(found)} violated a promise{seeds}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
