"""What Linux offers for files on a card and Python does not: writing out without a flush, giving blocks back; and reading beside damage."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def push(fd: int, start: int, octets: int, *, wait: bool) -> None:
    """Hands written octets to the card, and with `wait` comes back when it has taken them. No flush and no promise: only
    less is left for the sync. Raises OSError when the card fails."""
    with contextlib.suppress(AttributeError):  # a C library without the call: then the sync does it all
        call = _libc.sync_file_range
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        if call(fd, start, octets, _WAIT_BEFORE | _WRITE | _WAIT_AFTER if wait else _WRITE):
            code = ctypes.get_errno()
            if code in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
                raise OSError(code, os.strerror(code))


def punch_hole(fd: int, start: int, octets: int) -> None:
    """A file system that cannot do it keeps the blocks."""
    _libc.fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, start, octets)


def read_beside_damage(fd: int, octets: int, position: int) -> bytes:
    """As `os.pread`, but a block that cannot be read does not take its neighbours with it: Linux reads ahead into pieces of
    up to 128 KiB and more, and since 6.16 refuses all of a piece that it could not fill. Raises OSError."""
    try:
        return os.pread(fd, octets, position)
    except OSError as fault:
        if fault.errno != errno.EIO:
            raise
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # page by page from here on
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # the piece is not let go for a part of it
    return os.pread(fd, octets, position)
