"""Which maildrops are open: one session for each account, over all ports that share one of these. RFC 1939 4."""

from __future__ import annotations


class MaildropLocks:
    """For the event loop's thread alone."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    def take(self, account_id: int) -> bool:
        """False: another session has it."""
        if account_id in self._held:
            return False
        self._held.add(account_id)
        return True

    def release(self, account_id: int) -> None:
        self._held.discard(account_id)
