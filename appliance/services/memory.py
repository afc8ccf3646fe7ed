"""Giving memory back: glibc keeps what was freed unless it is told not to, and on 512 MB that counts."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
LARGE_OCTETS = 1024 * 1024


def give_back() -> None:
    """Blocks of 1 MiB and more – argon2's 19 MiB above all – go back to the kernel when they are freed, whatever was
    freed before them; and threads share two heaps in place of one each. Does nothing where libc is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_OCTETS)
        mallopt(_M_ARENA_MAX, 2)
