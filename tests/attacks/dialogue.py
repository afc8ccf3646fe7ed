"""SMTP word for word, as somebody with bad intentions speaks it."""

from __future__ import annotations

import socket


def dialogue(port: int, *lines: bytes) -> list[bytes]:
    """Sends each line, and returns the last line of each reply, the greeting's first."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        file = line.makefile("rb")

        def reply() -> bytes:
            while (got := file.readline()) and got[3:4] == b"-":
                pass
            return got

        replies = [reply()]
        for each in lines:
            line.sendall(each + b"\r\n")
            replies.append(reply())
        return replies
