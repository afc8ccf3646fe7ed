"""Brings a database up to the newest schema, one numbered step at a time, each in a transaction of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources

SCHEMA = "appliance.store.schema"


class SchemaTooNew(Exception):
    """The database was written by a newer Merpati than this one."""


def steps() -> list[tuple[int, str]]:
    """(number, SQL) of every step, in order."""
    files = [f for f in resources.files(SCHEMA).iterdir() if f.name.endswith(".sql")]
    return sorted((int(f.name.split("_")[0]), f.read_text()) for f in files)


def migrate(connection: sqlite3.Connection, *, upto: int | None = None) -> None:
    """Several processes may come at once: one does it, the others find it done. upto: the last step to do; None: all.

    Durability: durable, if the connection is set so. Raises SchemaTooNew."""
    todo = steps()
    have = _version(connection)
    if have > todo[-1][0]:
        raise SchemaTooNew(
            f"the mail store has layout {have}, this version knows layouts up to {todo[-1][0]}: install a newer Merpati"
        )
    for number, sql in todo:
        if number > have and (upto is None or number <= upto):
            _step(connection, number, sql)


def _step(connection: sqlite3.Connection, number: int, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < number:  # looked at again, now that nobody else can change it
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(sql: str) -> Iterator[str]:
    """`executescript` would commit what is open, so the statements are run one by one."""
    statement = ""
    for line in sql.splitlines(True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
