"""Mail that can be recognised: each letter follows from its name alone, so that nobody has to keep it.

Most are small, some have an attachment, a few are large enough for a spool file and a place of their own on the card.
"""

from __future__ import annotations

import base64
import random
import re

_NAME = re.compile(rb"^Subject: (?:Not delivered: )?([a-z]+-\d+-\d+)\r$", re.MULTILINE)
_WORDS = ("the", "power", "came", "back", "before", "anybody", "had", "found", "a", "candle", "so", "we", "read", "on")


def letter(name: str) -> bytes:
    """Every line ends in CRLF."""
    rng = random.Random(name)
    header = (
        f"From: Ana <ana@far.example>\r\nTo: bob@near.example\r\nSubject: {name}\r\n"
        f"Message-ID: <{name}@far.example>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    )
    text = "".join(
        f"{rng.choice(('', '', '.', '> '))}{' '.join(rng.choices(_WORDS, k=rng.randrange(12)))}\r\n"
        for _ in range(rng.randrange(2, 60))
    )
    kind = rng.random()
    if kind < 0.85:
        return f"{header}Content-Type: text/plain\r\n\r\n{text}".encode()
    octets = rng.randrange(5_000, 120_000) if kind < 0.98 else rng.randrange(300_000, 1_200_000)
    attachment = base64.encodebytes(rng.randbytes(octets)).decode().replace("\n", "\r\n")
    return (
        f'{header}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\n'
        f"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{attachment}--b--\r\n"
    ).encode()


def name_of(message: bytes) -> str | None:
    """Of a letter as it was found, or of one that is reported as not delivered; None: it is neither."""
    found = _NAME.search(message[:8192])
    return found[1].decode() if found else None


def is_report(message: bytes) -> bool:
    return b"\r\nSubject: Not delivered: " in message[:8192]


def is_whole(message: bytes, name: str) -> bool:
    """What the server put before it is its own affair."""
    return message.endswith(letter(name))
