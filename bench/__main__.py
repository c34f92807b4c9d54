"""``make bench``: what the bot costs and how fast it is. Prints a table; ``--out FILE`` writes the same as JSON.

Everything is measured on this machine in this run, against real Redis and stand-ins for Slack, Kubernetes and
Prometheus that run beside it. At the end it is held against the limits that are promised. Takes about three minutes;
``--quick`` less than one, without the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.acknowledge import acknowledgements, acknowledgements_over_http
from bench.limits import verdicts
from bench.process import acknowledging, reaction, start_up
from bench.rules import rules
from bench.signatures import signatures
from bench.sweeps import sweeps

Results = dict[str, float]


def main() -> int:
    """Measure and print; 1 when a limit was not kept."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--out", type=Path, help="write the results there, as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer rollouts and samples; less than a minute")
    arguments = parser.parse_args()
    results: Results = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for measure in parts(Path(directory), quick=arguments.quick):
            measured = measure()
            show(measured)
            results |= measured
    print(f"\n{machine()}; {time.monotonic() - began:.0f} seconds.")
    if arguments.out:
        write(arguments.out, results)
    held = list(verdicts(results))
    for _, line in held:
        print(line)
    return 0 if all(kept for kept, _ in held) else 1


def parts(directory: Path, *, quick: bool) -> Iterator[Callable[[], Results]]:
    """Each part, in the order in which it is measured."""
    yield rules
    yield partial(acknowledgements, 100 if quick else 400)
    yield partial(acknowledgements_over_http, 100 if quick else 400)
    yield partial(acknowledging, 10, 40, directory)
    for count in (1, 100) if quick else (1, 10, 100, 1000):
        yield partial(sweeps, count, 1.0 if quick else 5.0, directory)
    yield partial(signatures, 20 if quick else 100, 11 if quick else 31, directory)
    yield partial(start_up, 1 if quick else 3, directory)
    yield partial(reaction, 20 if quick else 100, 5 if quick else 20, directory)


def show(results: Results) -> None:
    """One line for each figure."""
    for name, value in results.items():
        print(f"{name:<64} {value:12.3f}", flush=True)
    print()


def write(path: Path, results: Results) -> None:
    """The results with the machine they are of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n", encoding="utf-8")


def machine() -> str:
    """What it ran on."""
    return f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
