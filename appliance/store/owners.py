"""Whose a message is, when nothing says in which mailbox it was: by the header lines that we put before it, else by who
wrote it and to whom. Only accounts of ours that the message itself names; never a guess.
"""

from __future__ import annotations

import json
import re
import sqlite3

import msgspec

from ..mail.address import Address, AddressFault
from ..mime.addresses import MailboxOrGroup
from ..mime.encoded_words import decode as decode_words
from ..mime.parts import EnvelopeFields, Structure, decode

_FOR = re.compile(rb"\tfor <([^>\r\n]{3,400})>")


class Owners:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._accounts = {address: id for id, address in connection.execute("SELECT id, address FROM accounts")}
        self._aliases: dict[str, list[str]] = {}
        for address, targets in connection.execute("SELECT address, targets FROM aliases"):
            self._aliases[address] = json.loads(targets)

    def of(self, prefix: bytes, structure: Structure | None) -> set[int]:
        """Empty: not known."""
        addressed = _FOR.search(prefix)
        if addressed is not None:
            found = self._of_address(addressed.group(1).decode("utf-8", "replace"))
            if found:
                return found
        if structure is None:
            return set()
        envelope = structure.envelope
        written_by = self._of_all(envelope.from_)
        if written_by and not prefix:  # kept by a mail program: a draft, what was sent
            return written_by
        return self._of_all((*envelope.to, *envelope.cc)) or written_by

    def _of_all(self, addresses: tuple[MailboxOrGroup, ...]) -> set[int]:
        return set().union(*(self._of_address(_text(each)) for each in addresses))

    def _of_address(self, text: str, *, follow: bool = True) -> set[int]:
        try:
            address = Address.parse(text)
        except AddressFault:
            return set()
        for key in (address.key, f"{address.key.partition('+')[0]}@{address.domain}"):
            if key in self._accounts:
                return {self._accounts[key]}
            if follow and key in self._aliases:
                return set().union(*(self._of_address(target, follow=False) for target in self._aliases[key]))
        return set()


def addressed_to(prefix: bytes) -> str | None:
    """The recipient that our own header lines name."""
    found = _FOR.search(prefix)
    try:
        return Address.parse(found.group(1).decode()).key if found is not None else None
    except (AddressFault, UnicodeDecodeError):
        return None


def structure_of(encoded: bytes) -> Structure | None:
    try:
        return decode(encoded)
    except (ValueError, msgspec.DecodeError):
        return None


def named(structure: Structure | None) -> tuple[str, str]:
    """(subject, who wrote it), for people; '' where it is not known."""
    envelope = structure.envelope if structure is not None else EnvelopeFields()
    return decode_words(envelope.subject or b""), ", ".join(_text(each) for each in envelope.from_)


def _text(address: MailboxOrGroup) -> str:
    return b"@".join(filter(None, (address.mailbox, address.host))).decode("utf-8", "replace")
