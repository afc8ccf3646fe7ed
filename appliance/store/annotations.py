"""What is noted on mailboxes and on the server. RFC 5464 3.

An entry under /private is its writer's alone, one under /shared everybody's who may see the mailbox.
"""

from __future__ import annotations

import sqlite3

SHARED = 0  # in place of an account
SERVER = 0  # in place of a mailbox

PRIVATE_PREFIX = "/private/"
SHARED_PREFIX = "/shared/"


def holder(entry: str, account_id: int) -> int:
    """Under whom an entry of this account's is kept."""
    return SHARED if entry.startswith(SHARED_PREFIX) else account_id


def annotations_of(connection: sqlite3.Connection, mailbox_id: int, account_id: int) -> dict[str, bytes]:
    """Everything that this account may read there, by entry."""
    rows = connection.execute(
        "SELECT entry, value FROM annotations WHERE mailbox_id = ? AND account_id IN (?, ?) ORDER BY entry",
        (mailbox_id, SHARED, account_id),
    )
    return dict(rows.fetchall())
