"""A connection that tells what the store's writer runs on it, and fails where a test wants it to."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from appliance.store import database, writer

IO_ERROR = sqlite3.SQLITE_IOERR | (4 << 8)  # SQLITE_IOERR_FSYNC


class Watched:
    """Stands in for the writer's sqlite3.Connection. executed: the statements, in order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.executed: list[str] = []
        self.fail: dict[str, int] = {}  # statement → the SQLite error code to fail it with, once

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self.executed.append(sql)
        code = self.fail.pop(sql, None)
        if code is not None:
            fault = sqlite3.OperationalError("disk I/O error" if code == IO_ERROR else f"fault {code}")
            fault.sqlite_errorcode = code
            raise fault
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def count(self, sql: str) -> int:
        return self.executed.count(sql)


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """The connections of the writers that are made from now on."""
    made: list[Watched] = []

    def connect(path: Path) -> Watched:
        made.append(Watched(database.connect_writer(path)))
        return made[-1]

    monkeypatch.setattr(writer, "connect_writer", connect)
    return made
