"""One mail process for one home, one supervisor for one runtime folder: whoever comes second is told so.

Two mail processes on one store would send queued mail twice. The lock is the kernel's (flock on an empty file), so that
it goes with its process however that ends, and a file left lying about means nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

AGAIN_AFTER_S = 0.05


class NotAlone(Exception):
    """str() is one sentence for the owner."""


def alone(lock: Path, home: Path, wait_s: float = 0.0) -> int:
    """Returns the descriptor that holds the lock, until it is closed. wait_s: for one that is ending just now.

    Raises NotAlone.
    """
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError as fault:
            if fault.errno != errno.EWOULDBLOCK or time.monotonic() >= deadline:
                os.close(fd)
                if fault.errno != errno.EWOULDBLOCK:
                    raise
                raise NotAlone(f"a Merpati server is running on {home} already") from None
        time.sleep(AGAIN_AFTER_S)
