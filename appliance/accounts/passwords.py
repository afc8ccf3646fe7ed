"""argon2id hashes. The cost is OWASP's second choice, 19 MiB and two passes: about half a second on a Zero 2 W."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHash, VerificationError

from ..mail.reason import Reason, because

SHORTEST = 8
LONGEST = 1024  # octets; a hash of more is only work for us

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Verified in place of an account's that does not exist, so that both take the same time: of 32 random octets that nobody
# kept. Written down, since making it took each process and each command half a second on a small machine.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$7KAE9M8dB/uiVWS2M2Sh/w$69uI8P8l6wkSHq7rYF30qnhjLngN6BRwqtfiIkAlP+U"


def hash_password(password: str) -> str:
    """Cost: CPU and 19 MiB; not on the event loop."""
    return _hasher.hash(octets(password))


def verify(password_hash: str, password: str) -> bool:
    """Cost: CPU and 19 MiB; not on the event loop."""
    try:
        return _hasher.verify(password_hash, octets(password))
    except (VerificationError, InvalidHash):
        return False


def octets(password: str) -> bytes:
    """The same for one password typed on any keyboard: NFC, UTF-8 (RFC 8265 4.2). Never raises."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def weakness(password: str) -> Reason | None:
    """Why a new password is not good enough, or None. Length beats rules about characters (NIST SP 800-63B)."""
    if len(password) < SHORTEST:
        return because("password-short", least=SHORTEST)
    if len(octets(password)) > LONGEST:
        return because("password-long", most=LONGEST)
    if "\0" in password or len(set(password)) < 4:
        return because("password-plain")
    return None
