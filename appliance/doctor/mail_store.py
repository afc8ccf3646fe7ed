"""The mail store: is it whole?"""

from __future__ import annotations

from ..store.check import check as check_store
from ..store.interface import Store
from .finding import Finding, Status


def check(store: Store, *, contents: bool = True) -> list[Finding]:
    wrong = check_store(store, contents=contents)
    if not wrong:
        return [Finding("store", Status.GOOD, "The mail store is whole.")]
    return [
        Finding(
            "store", Status.BROKEN, f"The mail store is damaged: {each}.", "Make a backup now and replace the card."
        )
        for each in wrong
    ]
