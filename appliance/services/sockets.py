"""The listening sockets that systemd opened for us, by name. See sd_listen_fds(3).

They let a process without any capability serve port 25, and be restarted without a connection refused. The names are
those of the units' FileDescriptorName=: smtp, submission, submissions, imap, imaps, pop3, pop3s, web.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping

FIRST = 3  # SD_LISTEN_FDS_START
NAMELESS = "unknown"  # what systemd calls a socket without a name


def inherited(environment: MutableMapping[str, str] | None = None) -> dict[str, socket.socket]:
    """Name → listening socket, not blocking; empty when we were not started with sockets. The variables are taken out of
    the environment, so that no child and no second call believes them meant for itself.

    Raises: ValueError when two sockets bear the same name or one is no listening stream socket: units that are not ours.
    """
    environment = os.environ if environment is None else environment
    wanted = _told(environment)
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    sockets: dict[str, socket.socket] = {}
    for number, name in wanted:
        os.set_inheritable(number, False)
        given = socket.socket(fileno=number)
        if given.type != socket.SOCK_STREAM or not given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ValueError(f"the socket {name!r} from systemd does not listen")
        if name in sockets:
            raise ValueError(f"two sockets from systemd are called {name!r}")
        given.setblocking(False)
        sockets[name] = given
    return sockets


def _told(environment: Mapping[str, str]) -> list[tuple[int, str]]:
    """(file descriptor, name); empty when the variables are meant for another process, or make no sense."""
    try:
        if int(environment.get("LISTEN_PID", "")) != os.getpid():
            return []
        count = int(environment.get("LISTEN_FDS", ""))
    except ValueError:
        return []
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    names += [NAMELESS] * count
    return [(FIRST + i, names[i] or NAMELESS) for i in range(count)]
