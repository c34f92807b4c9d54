"""``python -m tests.fuzz --seconds 600``: every target in turn, each in a process of its own, and a table at the end.

``--target NAME --seconds 60`` is one of them, and ``--play FILE`` gives it one input. What breaks the law is kept in
``var/fuzz/NAME``: an input for every place where it was broken, and beside it what happened.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOUND = Path("var/fuzz")
GUIDED = importlib.util.find_spec("atheris") is not None
_SHOWN = re.compile(r"^(?:inputs|stat::number_of_executed_units): +(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one target."""

    name: str
    inputs: int
    seconds: float
    found: int
    ended: bool

    def row(self) -> str:
        """A line of the table."""
        rate = self.inputs / self.seconds
        end = "" if self.ended else "  stopped: see its log"
        return f"{self.name:<16}{self.inputs:>10}{rate:>10.0f}/s{self.found:>7}{end}"


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 where anything broke the law."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--target", action="append", help="only this one; may be given several times")
    parser.add_argument("--play", type=Path, help="one input")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.here:
        from tests.fuzz.searching import search  # noqa: PLC0415  # instruments what it imports

        search(asked.target[0], asked.seconds, FOUND / asked.target[0])
        return 0
    from tests.fuzz import law, targets  # noqa: PLC0415  # not in the process that is instrumented

    names = asked.target or list(targets.TARGETS)
    if asked.play:
        law.obey(targets.TARGETS[names[0]], asked.play.read_bytes())
        return 0
    return _all(names, asked.seconds / len(names))


def _all(names: Sequence[str], seconds: float) -> int:
    print(f"{seconds:.1f} s for each target, {'guided by coverage' if GUIDED else 'at random: atheris is not here'}")
    outcomes = []
    for name in names:
        outcomes.append(_one(name, seconds))
        print(outcomes[-1].row(), flush=True)
    inputs, found = sum(one.inputs for one in outcomes), sum(one.found for one in outcomes)
    print(f"{'all':<16}{inputs:>10}{inputs / sum(one.seconds for one in outcomes):>10.0f}/s{found:>7}")
    return 0 if not found and all(one.ended for one in outcomes) else 1


def _one(name: str, seconds: float) -> Outcome:
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    before = _kept(folder)
    command = [sys.executable, "-m", "tests.fuzz", "--here", "--target", name, "--seconds", str(seconds)]
    began = time.monotonic()
    with (folder / "log").open("w", encoding="utf-8") as log:
        ended = subprocess.run(command, stdout=log, stderr=log, check=False)  # noqa: S603  # ourselves
    shown = _SHOWN.findall((folder / "log").read_text(encoding="utf-8", errors="replace"))
    return Outcome(
        name=name,
        inputs=int(shown[-1]) if shown else 0,
        seconds=time.monotonic() - began,
        found=len(_kept(folder) - before),
        ended=ended.returncode == 0 and bool(shown),
    )


def _kept(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.why")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
