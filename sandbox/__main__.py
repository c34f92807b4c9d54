"""``python -m sandbox demo [SCENARIO]`` and ``python -m sandbox up``."""

from __future__ import annotations

import argparse
import sys

from sandbox.demo import demo
from sandbox.processes import MissingProgramError
from sandbox.up import BusyPortError, up


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="sandbox")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo").add_argument("scenario", nargs="?", default="happy")
    commands.add_parser("up").add_argument("--port", type=int, default=8765)
    arguments = parser.parse_args()
    try:
        return demo(arguments.scenario) if arguments.command == "demo" else up(arguments.port)
    except (MissingProgramError, BusyPortError) as sentence:
        print(sentence, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
