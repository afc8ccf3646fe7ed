"""Accounts, aliases and administrators as values, and the questions about them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Account:
    """address: its key (NFC, case folded, A-label domain); password_hash: argon2id, not shown."""

    id: int
    address: str
    display_name: str
    created_at: int
    password_hash: str = field(repr=False)


@dataclass(slots=True, frozen=True)
class ScramRow:
    """What SCRAM goes by (RFC 5802 3). iterations: of PBKDF2; the two keys are not shown."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class Alias:
    """address: its key, or `@domain` for everything in a domain that is nothing else; targets: here or elsewhere."""

    address: str
    targets: tuple[str, ...]


_ACCOUNT = "id, address, display_name, created_at, password_hash"


def list_accounts(connection: sqlite3.Connection) -> list[Account]:
    return [Account(*row) for row in connection.execute(f"SELECT {_ACCOUNT} FROM accounts ORDER BY address")]


def find_account(connection: sqlite3.Connection, key: str) -> Account | None:
    row = connection.execute(f"SELECT {_ACCOUNT} FROM accounts WHERE address = ?", (key,)).fetchone()
    return Account(*row) if row else None


def get_account(connection: sqlite3.Connection, account_id: int) -> Account | None:
    row = connection.execute(f"SELECT {_ACCOUNT} FROM accounts WHERE id = ?", (account_id,)).fetchone()
    return Account(*row) if row else None


def find_scram(connection: sqlite3.Connection, account_id: int) -> ScramRow | None:
    """None also when the password is another one by now."""
    row = connection.execute(
        "SELECT salt, iterations, stored_key, server_key FROM scram_keys k JOIN accounts a ON a.id = account_id"
        " WHERE account_id = ? AND a.password_hash = k.password_hash",
        (account_id,),
    ).fetchone()
    return ScramRow(*row) if row else None


def list_aliases(connection: sqlite3.Connection) -> list[Alias]:
    rows = connection.execute("SELECT address, targets FROM aliases ORDER BY address")
    return [Alias(address, tuple(json.loads(targets))) for address, targets in rows]


def find_alias(connection: sqlite3.Connection, key: str) -> Alias | None:
    row = connection.execute("SELECT address, targets FROM aliases WHERE address = ?", (key,)).fetchone()
    return Alias(row[0], tuple(json.loads(row[1]))) if row else None


def administrator_hash(connection: sqlite3.Connection, name: str = "admin") -> str | None:
    row = connection.execute("SELECT password_hash FROM administrators WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def setting(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None
