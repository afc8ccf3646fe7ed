"""What a row of each table looks like, so that rows can be told from rubbish, and whose rows a lost page held.

Types come from the schema itself; what numbers mean comes on top. A row that does not fit is left out: better that one
is missed than that the new database holds what no reader expects.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .sharing import in_order
from .spool import DIGEST_OCTETS
from .sqlite_pages import Value

_UNSIGNED_32 = 1 << 32
_ID_MOST = 1 << 40  # no store ever counts so far
_TYPES: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (float, int), "TEXT": (str,), "BLOB": (bytes,)}


@dataclass(slots=True, frozen=True)
class Column:
    name: str
    types: tuple[type, ...]
    optional: bool  # may be NULL
    defaulted: bool  # may be left out by an older layout


@dataclass(slots=True, frozen=True)
class Table:
    """columns: in the order in which a row is stored; rowid: which of them is the row's id, kept beside the record."""

    name: str
    columns: tuple[Column, ...]
    rowid: int | None
    clustered: bool  # WITHOUT ROWID: an index that holds everything

    def row(self, rowid: int | None, values: Sequence[Value]) -> tuple[Value, ...] | None:
        """What goes into the columns, as many as there are; None: this is no row of this table."""
        if not 0 < len(values) <= len(self.columns) or (rowid is None) != self.clustered:
            return None
        if not all(column.defaulted for column in self.columns[len(values) :]):
            return None
        if self.rowid is not None:
            if rowid is None or not 0 < rowid < _ID_MOST or values[self.rowid] is not None:
                return None
            values = [rowid if at == self.rowid else value for at, value in enumerate(values)]
        for column, value in zip(self.columns, values, strict=False):
            if not (column.optional if value is None else isinstance(value, column.types)):
                return None
        row = tuple(values)
        makes_sense = _SENSE.get(self.name)
        return row if makes_sense is None or makes_sense(*row[: _SENSE_COLUMNS[self.name]]) else None


def tables(connection: sqlite3.Connection) -> dict[str, Table]:
    """Those of a database that is sound."""
    found = {}
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall():
        if name.startswith("sqlite_"):
            continue
        clustered = "WITHOUT ROWID" in sql.upper()
        infos = connection.execute(f"PRAGMA table_info({name})").fetchall()
        if clustered:  # the primary key comes first
            infos.sort(key=lambda info: info[5] or len(infos) + info[0])
        columns = tuple(
            Column(
                info[1],
                _TYPES[info[2]],
                optional=not info[3] and not info[5],
                defaulted=(info[4] is not None or not info[3]) and not info[5],
            )
            for info in infos
        )
        alias = next((at for at, info in enumerate(infos) if info[5] and info[2] == "INTEGER"), None)
        found[name] = Table(name, columns, None if clustered else alias, clustered)
    return found


def _setting(key: str, _: str) -> bool:
    return "@" not in key


def _account(_: int, address: str, *rest: Value) -> bool:
    return "@" in address and address.isprintable()


def _alias(address: str, targets: str) -> bool:
    try:
        listed = json.loads(targets)
    except ValueError:
        return False
    return "@" in address and isinstance(listed, list) and all(isinstance(each, str) for each in listed)


def _mailbox(_: int, account_id: int, name: str, uidvalidity: int, uidnext: int, modseq: int, recent: int) -> bool:
    return (
        0 < account_id < _ID_MOST
        and 0 < len(name) <= 1000
        and name.isprintable()
        and 0 < uidvalidity < _UNSIGNED_32
        and 0 < uidnext <= _UNSIGNED_32
        and modseq > 0
        and 0 < recent <= _UNSIGNED_32
    )


def _message(mailbox_id: int, uid: int, blob_id: int, flags: int, keywords: str, modseq: int, *rest: int) -> bool:
    return (
        0 < mailbox_id < _ID_MOST
        and 0 < uid < _UNSIGNED_32
        and blob_id > 0
        and 0 <= flags < 64
        and modseq > 0
        and min(rest) >= 0
    )


def _expunged(mailbox_id: int, modseq: int, uid: int) -> bool:
    return mailbox_id > 0 and modseq > 0 and 0 < uid < _UNSIGNED_32


def _scram(account_id: int, password_hash: str, salt: bytes, iterations: int, stored: bytes, server: bytes) -> bool:
    return (
        account_id > 0 and password_hash != "" and salt != b"" and iterations > 0 and len(stored) == len(server) == 32
    )


def _epoch(mailbox_id: int, below_uid: int, uidvalidity: int) -> bool:
    return mailbox_id > 0 and 0 < below_uid <= _UNSIGNED_32 and 0 < uidvalidity < _UNSIGNED_32


def _blob(_: int, refs: int, size_octets: int, digest: bytes) -> bool:
    return refs >= 0 and size_octets >= 0 and len(digest) == DIGEST_OCTETS


def _recipient(_: int, message_id: int, address: str, domain: str, orcpt: str | None, notify: str, state: str) -> bool:
    return message_id > 0 and "@" in address and state in ("waiting", "held")


def _quota(account_id: int, octets: int | None, messages: int | None) -> bool:
    return account_id > 0 and min(octets or 0, messages or 0) >= 0


def _annotation(mailbox_id: int, account_id: int, entry: str) -> bool:
    return mailbox_id >= 0 and account_id >= 0 and entry.startswith(("/private/", "/shared/"))


def _rights(account_id: int, mailbox_id: int, rights: str) -> bool:
    return account_id >= 0 and mailbox_id > 0 and rights != "" and rights == in_order(rights)


def _positive(*values: int) -> bool:
    return min(values) >= 0


_SENSE: dict[str, Callable[..., bool]] = {
    "settings": _setting,
    "accounts": _account,
    "aliases": _alias,
    "mailboxes": _mailbox,
    "messages": _message,
    "expunged": _expunged,
    "blobs": _blob,
    "segments": _positive,
    "freed": _positive,
    "queue_recipients": _recipient,
    "scram_keys": _scram,
    "unique_id_epochs": _epoch,
    "quotas": _quota,
    "annotations": _annotation,
    "mailbox_rights": _rights,
}
_SENSE_COLUMNS = {
    "settings": 2,
    "accounts": 6,
    "aliases": 2,
    "mailboxes": 7,
    "messages": 9,
    "expunged": 3,
    "blobs": 4,
    "segments": 3,
    "freed": 4,
    "queue_recipients": 7,
    "scram_keys": 6,
    "unique_id_epochs": 3,
    "quotas": 3,
    "annotations": 3,
    "mailbox_rights": 3,
}
