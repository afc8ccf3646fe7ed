"""The keys that SCRAM goes by: made of a password, looked up in the store, and made up for names that have none.

Promises: whoever asks cannot tell a name that exists from one that does not: salt and iterations of both look alike, stay
the same for as long as the store lives, and the password to made-up keys is known to nobody. RFC 5802 3 and 5.1.
Known limits: an account that has not signed in with its password since SCRAM is offered has no keys yet, and answers like
one that does not exist; one whose keys were made with another number of iterations than today's can be told.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3

from ..sasl.scram import ITERATIONS, SALT_OCTETS, ScramKeys, derive
from ..store.accounts import ScramRow, find_account, find_scram

SECRET = "scram-secret"  # a key of the store's settings


def row(password: str) -> ScramRow:
    """With a new salt. Cost: CPU, a tenth of a second or several; not on the event loop."""
    keys = derive(password, secrets.token_bytes(SALT_OCTETS))
    return ScramRow(keys.salt, keys.iterations, keys.stored_key, keys.server_key)


def keys_of(connection: sqlite3.Connection, key: str) -> ScramKeys | None:
    """Those of the account of that key."""
    account = find_account(connection, key)
    # 0 is nobody's id. Asked all the same, so that both take the same time.
    found = find_scram(connection, account.id if account else 0)
    return ScramKeys(found.salt, found.iterations, found.stored_key, found.server_key) if found else None


class MadeUp:
    """secret: kept with the store."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def keys(self, key: str) -> ScramKeys:
        return ScramKeys(
            self._made("salt", key)[:SALT_OCTETS], ITERATIONS, self._made("stored", key), self._made("server", key)
        )

    def _made(self, what: str, key: str) -> bytes:
        return hmac.digest(self._secret, f"{what} {key}".encode("utf-8", "surrogatepass"), "sha256")
