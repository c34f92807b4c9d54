"""What signatures add to a sweep: one bot with a key and one without, sweeping in turns over rollouts of their own."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.sweeps import Job, Sweeping, a_place

KEY = "k" * 32

_sweeping: list[Sweeping] = []  # in the measured process: the one there is


def signatures(rollouts: int, pairs: int, directory: Path) -> dict[str, float]:
    """Processor time of a sweep with a key over one without, the median of ``pairs`` taken one after the other."""
    with ExitStack() as stack:
        pools = [
            stack.enter_context(_process(stack.enter_context(a_place(rollouts, 0.0, directory, key))))
            for key in (KEY, "")
        ]
        for pool in pools:
            pool.submit(_sweep).result()
        ratios = []
        for number in range(pairs):
            order = pools if number % 2 else pools[::-1]
            cpu = {pool: pool.submit(_sweep).result() for pool in order}
            ratios.append(cpu[pools[0]] / cpu[pools[1]])
        for pool in pools:
            pool.submit(_close).result()
    return {f"{rollouts} live rollouts: CPU per sweep, signed over unsigned": statistics.median(ratios)}


def _process(job: Job) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(job,)
    )


def _prepare(job: Job) -> None:
    _sweeping.append(Sweeping(job))


def _sweep() -> float:
    began = time.process_time()
    _sweeping[0].sweep()
    return time.process_time() - began


def _close() -> None:
    _sweeping[0].close()
