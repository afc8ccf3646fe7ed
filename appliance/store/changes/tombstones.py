"""Forgetting what was expunged long ago, so that a mailbox that much mail passes through does not grow for ever.

The newest KEPT tombstones of a mailbox stay, which is years of a household's mail; a client that was away for longer is
told of every UID that is missing instead (`imap/vanished.py`). Whole MODSEQs are forgotten, from the oldest on, so that
the lowest that is left says how far back memory goes. RFC 7162 5.
"""

from __future__ import annotations

from ..transaction import Tx

KEPT = 20_000
EVERY = 256  # MODSEQs; looking costs a millisecond where there are KEPT


def forget_tombstones(tx: Tx, mailbox_id: int, modseq: int) -> None:
    """To be called by what makes some, at its MODSEQ: the first in each EVERY of them looks. (Not the one at a multiple of it:
    where messages come and go one by one, expunging may have the odd MODSEQs for ever.)"""
    (before,) = tx.connection.execute(
        "SELECT max(modseq) FROM expunged WHERE mailbox_id = ? AND modseq < ?", (mailbox_id, modseq)
    ).fetchone()
    if before is None or before // EVERY == modseq // EVERY:
        return
    oldest_kept = tx.connection.execute(
        "SELECT modseq FROM expunged WHERE mailbox_id = ? ORDER BY modseq DESC, uid DESC LIMIT 1 OFFSET ?",
        (mailbox_id, KEPT),
    ).fetchone()
    if oldest_kept is not None:
        tx.connection.execute("DELETE FROM expunged WHERE mailbox_id = ? AND modseq < ?", (mailbox_id, oldest_kept[0]))
