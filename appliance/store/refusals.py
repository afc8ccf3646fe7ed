"""What the store says no to. Each carries a Reason; the rooms above choose the code of their protocol."""

from __future__ import annotations

from ..mail.reason import Reason, because


class StoreRefusal(Exception):
    """The change was not made, and nothing else of it was."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.for_owner)
        self.reason = reason


class NoSuchMailbox(StoreRefusal):
    def __init__(self, name: str) -> None:
        super().__init__(because("no-such-mailbox", mailbox=name))


class MailboxExists(StoreRefusal):
    def __init__(self, name: str) -> None:
        super().__init__(because("mailbox-exists", mailbox=name))


class MailboxFixed(StoreRefusal):
    """INBOX cannot be deleted, a mailbox cannot be moved into itself."""

    def __init__(self, name: str) -> None:
        super().__init__(because("mailbox-fixed", mailbox=name))


class BadMailboxName(StoreRefusal):
    """Empty, too long, with an empty level, or with characters that no listing can show."""

    def __init__(self, name: str) -> None:
        super().__init__(because("bad-mailbox-name", mailbox=name))


class NoSuchAccount(StoreRefusal):
    def __init__(self, address: str) -> None:
        super().__init__(because("no-such-account", address=address))


class AddressTaken(StoreRefusal):
    def __init__(self, address: str) -> None:
        super().__init__(because("address-taken", address=address))


class OverQuota(StoreRefusal):
    """The account may not keep so much. never: not even if it kept nothing else."""

    def __init__(self, address: str, *, never: bool = False) -> None:
        super().__init__(because("larger-than-quota" if never else "over-quota", address=address))
        self.never = never


class TooManyAnnotations(StoreRefusal):
    def __init__(self, most: int) -> None:
        super().__init__(because("too-many-annotations", most=most))


class OwnersRights(StoreRefusal):
    """Nobody takes rights from the owner of a mailbox, or needs to give any."""

    def __init__(self, mailbox: str) -> None:
        super().__init__(because("owners-rights", mailbox=mailbox))


class NoSuchMessage(StoreRefusal):
    def __init__(self, what: str) -> None:
        super().__init__(because("no-such-message", what=what))


class StorageLow(StoreRefusal):
    def __init__(self) -> None:
        super().__init__(because("storage-low"))


class StorageFailed(StoreRefusal):
    """The card or the database failed: nothing can be promised until the server has been started again."""

    def __init__(self, what: str) -> None:
        super().__init__(because("storage-failed", what=what))


class StoreDamaged(StoreRefusal):
    """A part of the database cannot be read, or all of it. Other parts may be as they should."""

    def __init__(self, what: str) -> None:
        super().__init__(because("store-damaged", what=what))
        self.what = what


class Damaged(StoreRefusal):
    """A stored content does not read back as what was stored."""

    def __init__(self, blob_id: int) -> None:
        super().__init__(because("content-damaged", blob=blob_id))
        self.blob_id = blob_id
