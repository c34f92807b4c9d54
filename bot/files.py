"""What operators' files hold, read without waiting for anybody."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def content(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of the file.

    A pipe or a terminal is none: its reader would wait for a writer, and whoever reads settings again while rollouts
    are live must not wait.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: its name is none.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(path))
        return file.read(most)
