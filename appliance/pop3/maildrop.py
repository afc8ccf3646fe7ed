"""The INBOX as it stood at sign-in, and what this session has marked as deleted. Pure.

Promises: a message keeps its number for the whole session, whatever comes or goes meanwhile (RFC 1939 4); unique-ids are
the same in every session (RFC 1939 7, UIDL). A mark is forgotten with the session unless QUIT hands it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .grammar import MessageNumber


@dataclass(slots=True, frozen=True)
class Inbox:
    """uids and sizes_octets: of the same messages in the same order. Sizes are those of the stored messages. epochs: (below
    which UID, the UIDVALIDITY that it had then), where the mailbox got a new one in a repair."""

    mailbox_id: int
    uidvalidity: int
    uids: tuple[int, ...]
    sizes_octets: tuple[int, ...]
    epochs: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Maildrop:
    inbox: Inbox
    _marked: set[MessageNumber] = field(default_factory=set)
    _size_octets: int = 0  # of what is not marked

    def __post_init__(self) -> None:
        self.unmark_all()

    @property
    def count(self) -> int:
        return len(self.inbox.uids) - len(self._marked)

    @property
    def size_octets(self) -> int:
        return self._size_octets

    @property
    def marked_uids(self) -> tuple[int, ...]:
        return tuple(self.uid(number) for number in sorted(self._marked))

    def has(self, number: MessageNumber) -> bool:
        """There is such a message, and it is not marked."""
        return 0 < number <= len(self.inbox.uids) and number not in self._marked

    def numbers(self) -> Iterator[MessageNumber]:
        for number in map(MessageNumber, range(1, len(self.inbox.uids) + 1)):
            if number not in self._marked:
                yield number

    def uid(self, number: MessageNumber) -> int:
        return self.inbox.uids[number - 1]

    def size_of(self, number: MessageNumber) -> int:
        return self.inbox.sizes_octets[number - 1]

    def unique_id(self, number: MessageNumber) -> str:
        """At most 21 of the 70 characters that RFC 1939 7 allows."""
        uid = self.uid(number)
        of = next((old for below, old in self.inbox.epochs if uid < below), self.inbox.uidvalidity)
        return f"{of}.{uid}"

    def mark(self, number: MessageNumber) -> None:
        if number not in self._marked:
            self._marked.add(number)
            self._size_octets -= self.size_of(number)

    def unmark_all(self) -> None:
        self._marked.clear()
        self._size_octets = sum(self.inbox.sizes_octets)
