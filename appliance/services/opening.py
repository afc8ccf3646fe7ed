"""Opening the store at start, where it may turn out that it cannot be: then the process says so instead of ending."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..store.interface import Store
from ..store.migrate import SchemaTooNew
from ..store.refusals import StoreRefusal

UNUSABLE = (sqlite3.DatabaseError, SchemaTooNew, StoreRefusal)  # besides what the card itself says, OSError
TRY_AGAIN_S = 60.0


def can_be_opened(home: Path, scratch: Path) -> bool:
    try:
        Store(home, scratch=scratch).close()
    except (*UNUSABLE, OSError):
        return False
    return True
