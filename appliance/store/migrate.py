"""Brings a database up to the newest schema, one numbered step at a time, each in a transaction of its own."""

from __future__ import annotations

import sqlite3
from importlib import resources

SCHEMA = "appliance.store.schema"


class SchemaTooNew(Exception):
    """The database was written by a newer Merpati than this one."""


def steps() -> list[tuple[int, str]]:
    """(number, SQL) of every step, in order."""
    files = [f for f in resources.files(SCHEMA).iterdir() if f.name.endswith(".sql")]
    return sorted((int(f.name.split("_")[0]), f.read_text()) for f in files)


def migrate(connection: sqlite3.Connection) -> None:
    """Durability: durable, if the connection is set so. Raises SchemaTooNew."""
    have = connection.execute("PRAGMA user_version").fetchone()[0]
    todo = steps()
    if have > todo[-1][0]:
        raise SchemaTooNew(
            f"the mail store has layout {have}, this version knows layouts up to {todo[-1][0]}: install a newer Merpati"
        )
    for number, sql in todo:
        if number > have:
            connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
