"""Where the log goes: standard error. Under systemd each line bears its priority, as journald reads it.

Apart from `log_lines.py`, so that a process that logs little need not know every event.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO


class JournalFormatter(logging.Formatter):
    """Each line begins with its priority, `<3>` to `<7>`: sd-daemon(3). A traceback has many lines."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(f"<{priority(record.levelno)}>{line}" for line in super().format(record).splitlines())


def priority(level: int) -> int:
    """A logging level as syslog's number."""
    for least, number in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        if level >= least:
            return number
    return 7


def to_stderr(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Sets the root logger up. With systemd at the other end the journal stamps the time, else each line does."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    if _is_journal(stream):
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's; what it says we say ourselves


def _is_journal(stream: TextIO) -> bool:
    """systemd.exec(5): $JOURNAL_STREAM is device:inode of what it connected us to; we may have been redirected since."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(stream.fileno())
        return (int(device), int(inode)) == (status.st_dev, status.st_ino)
    except (ValueError, OSError):
        return False
