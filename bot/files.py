"""What operators' files hold, read without waiting for anybody."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def content(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of the file.

    A pipe is none: its reader would wait for a writer, and whoever reads settings again while rollouts are live must
    not wait. A device without end is read no further than this.

    Raises:
        OSError: it cannot be read, or is a pipe.
        ValueError: its name is none.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if stat.S_ISFIFO(os.fstat(number).st_mode):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(path))
        return file.read(most) or b""  # a terminal at which nobody has typed anything has nothing
