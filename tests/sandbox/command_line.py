"""The command line in a blink: everything is imported once, and each command is a fork that runs ``python -m bot``.

What is forked is the unmodified program with an environment of its own; only the second that importing takes is saved.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 150.0  # `init --apply` waits for proxies, and for figures

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["bot.__main__"])


def run(words: Sequence[str], env: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What ``canary-bot WORDS`` answers in that folder, with this environment and no other."""
    answers = [folder / f"{name}.txt" for name in ("out", "err")]
    process = _context.Process(target=_become, args=(list(words), dict(env), folder, answers))
    process.start()
    process.join(PATIENCE_SECONDS)
    if process.exitcode is None:
        process.kill()
        raise subprocess.TimeoutExpired(list(words), PATIENCE_SECONDS)
    out, err = (answer.read_text(encoding="utf-8") for answer in answers)
    return subprocess.CompletedProcess(list(words), process.exitcode, out, err)


def _become(words: list[str], env: dict[str, str], folder: Path, answers: Sequence[Path]) -> None:
    for number, answer in enumerate(answers, 1):
        os.dup2(os.open(answer, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.clear()  # noqa: TID251  # the program's environment is exactly the one it is given
    os.environ.update(env)  # noqa: TID251  # as above
    sys.argv = ["canary-bot", *words]
    del sys.modules["bot.__main__"]  # or Python warns, in what is read, that it is run although it was imported
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
