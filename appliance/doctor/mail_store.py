"""The mail store: is it whole?"""

from __future__ import annotations

from ..store.check import check as check_store
from ..store.interface import Store
from .finding import Finding, Status

MEND = "Stop the server and run merpati doctor --repair: it saves what can still be read. Then replace the card."
SAID_MOST = 20  # a card that fails may bring thousands, and one step mends them all


def check(store: Store, *, contents: bool = True) -> list[Finding]:
    wrong = check_store(store, contents=contents)
    if not wrong:
        return [Finding("store", Status.GOOD, "The mail store is whole.")]
    said = [damaged(each) for each in wrong[:SAID_MOST]]
    if len(wrong) > SAID_MOST:
        said.append(damaged(f"and {len(wrong) - SAID_MOST} more of that kind"))
    return said


def damaged(what: object) -> Finding:
    what = f"The mail store is damaged: {what}."
    return Finding("store", Status.BROKEN, what, MEND)
