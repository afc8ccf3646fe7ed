"""The claim code: who can read it is standing beside the appliance, and may set it up.

Promises: one winner, also when two browsers send the right code at once (the file can be moved away only once); the code
is gone afterwards; every wrong try makes its address wait longer for the next one, and five wrong tries from anywhere
change the code, but nobody is ever locked out. A winner who stays away for a quarter of an hour gives way to a new code.

`CLAIM.TXT` in the runtime folder holds the code while it is open, `claimed` the hash of the winner's token afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("merpati.claim")

# Crockford's base 32: no I, L, O or U to misread. Eight of them are 40 bits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
CODE_FILE = "CLAIM.TXT"
HOLDER_FILE = "claimed"

TRIES_PER_CODE = 5
LONGEST_WAIT_S = 60.0
FORGET_AFTER_S = 900.0
HOLDER_GIVES_WAY_AFTER_S = 900.0
REMEMBER_MOST = 1000  # addresses

_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})


@dataclass(slots=True, frozen=True)
class Won:
    """token: what the winner's browser shows from now on."""

    token: str


@dataclass(slots=True, frozen=True)
class Wrong:
    """wait_s: before the next try; changed: the code is a new one now."""

    wait_s: float
    changed: bool


@dataclass(slots=True, frozen=True)
class Wait:
    wait_s: float


@dataclass(slots=True, frozen=True)
class Taken:
    """Somebody else is setting the appliance up."""


@dataclass(slots=True)
class _Tries:
    count: int
    last_at: float


class ClaimCode:
    def __init__(self, runtime: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._code_path = runtime / CODE_FILE
        self._holder_path = runtime / HOLDER_FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._wrong = 0
        self._holder_seen_at = clock()

    def ensure(self) -> str:
        """The code to show beside the appliance, for when it starts; made and logged if there is none."""
        with self._lock:
            return self._read() or self._make()

    def claim(self, typed: str, ip: str) -> Won | Wrong | Wait | Taken:
        with self._lock:
            now = self._clock()
            wait_s = self._wait_s(ip, now)
            if wait_s > 0:
                return Wait(wait_s)
            code = self._open_code(now)
            if code is None:
                return Taken()
            if not hmac.compare_digest(_digest(normalised(typed)), _digest(normalised(code))):
                return self._was_wrong(ip, now)
            try:
                # At no moment is there neither a code nor a holder: another process would make a new code then.
                os.replace(self._code_path, self._holder_path)
            except FileNotFoundError:
                return Taken()
            token = secrets.token_urlsafe(32)
            _write(self._holder_path, _digest(token).hex())
            self._holder_seen_at = now
            self._wrong = 0
            self._tries.pop(ip, None)
            return Won(token)

    def is_open(self) -> bool:
        """Whether a code would be taken now; a winner who stayed away too long is given up here."""
        with self._lock:
            return self._open_code(self._clock()) is not None

    def holds(self, token: str | None) -> bool:
        """Whether this token is the winner's; being asked counts as a sign of life."""
        if not token:
            return False
        with self._lock:
            try:
                holder = self._holder_path.read_text()
            except FileNotFoundError:
                return False
            if not hmac.compare_digest(holder.encode(), _digest(token).hex().encode()):
                return False
            self._holder_seen_at = self._clock()
            return True

    def close(self) -> None:
        """The appliance has been set up: no code, no holder."""
        with self._lock:
            for path in (self._code_path, self._holder_path):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

    def _open_code(self, now: float) -> str | None:
        code = self._read()
        if code is not None:
            return code
        if self._holder_path.exists() and now - self._holder_seen_at < HOLDER_GIVES_WAY_AFTER_S:
            return None
        return self._make()

    def _was_wrong(self, ip: str, now: float) -> Wrong:
        tries = self._tries.get(ip)
        if tries is None or now - tries.last_at > FORGET_AFTER_S:
            tries = self._tries[ip] = _Tries(0, now)
        tries.count += 1
        tries.last_at = now
        self._tries.move_to_end(ip)
        while len(self._tries) > REMEMBER_MOST:
            self._tries.popitem(last=False)
        self._wrong += 1
        changed = self._wrong >= TRIES_PER_CODE
        if changed:
            self._wrong = 0
            self._make()
        return Wrong(self._wait_s(ip, now), changed)

    def _wait_s(self, ip: str, now: float) -> float:
        tries = self._tries.get(ip)
        if tries is None or now - tries.last_at > FORGET_AFTER_S:
            return 0.0
        wait_s: float = min(LONGEST_WAIT_S, 2.0 ** (tries.count - 1))
        return max(0.0, tries.last_at + wait_s - now)

    def _read(self) -> str | None:
        try:
            code = self._code_path.read_text().strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return code if len(normalised(code)) == LENGTH else None

    def _make(self) -> str:
        letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        code = f"{letters[:4]}-{letters[4:]}"
        _write(self._code_path, code + "\n")
        log.warning("To set up this server, open its page in a browser and type the claim code %s", code)
        return code


def normalised(typed: str) -> str:
    """What was typed, without dashes and spaces and with the letters that look like digits as digits."""
    return typed.strip().upper().translate(_MISREAD)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _write(path: Path, text: str) -> None:
    """For our user's eyes only; the old file or the new one, never half of one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(new, path)
