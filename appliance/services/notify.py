"""Telling systemd, or our own supervisor, how we are: sd_notify in a few lines. See sd_notify(3), systemd.service(5).

Silent when nobody asked ($NOTIFY_SOCKET is not set), and never an exception: a supervisor that went away is no reason
for mail to stop.
"""

from __future__ import annotations

import contextlib
import os
import socket


def notify(
    *,
    ready: bool = False,
    stopping: bool = False,
    reloading: bool = False,
    watchdog: bool = False,
    status: str = "",
    **more: str,
) -> bool:
    """Sends one message with what is given; `more` are further NAME=value lines, such as MERPATI_PORTS.

    Returns: whether somebody was there to be told.
    """
    lines = [f"{name}={value}" for name, value in more.items()]
    if status:
        lines.append(f"STATUS={status}")
    lines += [
        f"{name}=1"
        for name, said in (("READY", ready), ("STOPPING", stopping), ("RELOADING", reloading), ("WATCHDOG", watchdog))
        if said
    ]
    if any("\n" in line for line in lines):
        raise ValueError("a line of a notification holds no line feed")
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not lines or path[:1] not in ("/", "@"):
        return False
    address = "\0" + path[1:] if path.startswith("@") else path  # @: Linux's abstract sockets
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.settimeout(1.0)
        line.sendto("\n".join(lines).encode(), address)
        return True
    return False


def watchdog_every_s() -> float | None:
    """How often `notify(watchdog=True)` is due: half of what systemd waits. None when it does not wait for us."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        wait_us = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return wait_us / 2 / 1_000_000 if wait_us > 0 else None
