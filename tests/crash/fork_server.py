"""Starts bots in a blink: everything is imported once, then each bot is a fork that runs ``python -m bot run``.

A program of its own: one JSON line in (``env``, ``log``, ``directory``), one line out (the process id). What is forked
is the unmodified program; only the second that importing takes is saved. It ends when its input does.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path

import bot.__main__  # so that every fork has it and all it needs

PR_SET_PDEATHSIG = 1


def serve() -> None:
    """Fork for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    gc.collect()
    gc.freeze()  # what is imported lives on: no fork looks through it again, and copies it by looking
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(json.loads(line))
        print(pid, flush=True)  # noqa: T201  # the answer


def become(order: dict[str, str]) -> None:
    """Be the bot, and never return."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(number, target)
        os.chdir(order["directory"])
        os.environ.clear()  # noqa: TID251  # the bot's environment is exactly the one it is given
        os.environ.update(json.loads(order["env"]))  # noqa: TID251  # as above
        sys.argv = [str(Path(bot.__file__).parent / "__main__.py"), "run"]
        runpy.run_module("bot", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001  # a fork of a server must never go on as the server
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
