"""``make pictures``: takes every picture of README and docs again, in both languages at a time."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from bot.words.language import Language
from sandbox.processes import MissingProgramError
from tests.pictures.album import drawn


def main() -> int:
    """Write them; 1 where no browser is."""
    with ProcessPoolExecutor(len(Language), mp_context=multiprocessing.get_context("spawn")) as players:
        try:
            print("\n".join(players.map(drawn, Language)))
        except MissingProgramError as missing:
            print(missing, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
