"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS. RFC 4314 7."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from ..rights import RightsFault, parse
from .cursor import Cursor, GrammarFault

LONGEST_IDENTIFIER = 500  # octets; an address has 320


@dataclass(slots=True, frozen=True)
class SetAcl:
    """mode: `=`, `+` or `-`."""

    mailbox: str
    identifier: str
    mode: str
    rights: str


@dataclass(slots=True, frozen=True)
class DeleteAcl:
    mailbox: str
    identifier: str


@dataclass(slots=True, frozen=True)
class GetAcl:
    mailbox: str


@dataclass(slots=True, frozen=True)
class ListRights:
    """as_sent: the identifier is to come back as it came (RFC 4314 3.4)."""

    mailbox: str
    identifier: str
    as_sent: bytes


@dataclass(slots=True, frozen=True)
class MyRights:
    mailbox: str


def set_acl(cursor: Cursor) -> SetAcl:
    """setacl = "SETACL" SP mailbox SP identifier SP mod-rights"""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    identifier = _identifier(cursor.astring())
    cursor.space()
    try:
        mode, rights = parse(cursor.astring().decode("ascii"))
    except UnicodeDecodeError:
        raise GrammarFault("rights are small letters") from None
    except RightsFault as fault:
        raise GrammarFault(str(fault)) from None
    return SetAcl(mailbox, identifier, mode, rights)


def delete_acl(cursor: Cursor) -> DeleteAcl:
    """deleteacl = "DELETEACL" SP mailbox SP identifier"""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    return DeleteAcl(mailbox, _identifier(cursor.astring()))


def get_acl(cursor: Cursor) -> GetAcl:
    cursor.space()
    return GetAcl(cursor.mailbox())


def list_rights(cursor: Cursor) -> ListRights:
    """listrights = "LISTRIGHTS" SP mailbox SP identifier"""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    as_sent = cursor.astring()
    return ListRights(mailbox, _identifier(as_sent), as_sent)


def my_rights(cursor: Cursor) -> MyRights:
    cursor.space()
    return MyRights(cursor.mailbox())


def _identifier(octets: bytes) -> str:
    """RFC 4314 3: prepared first, and BAD where that fails. Composed as in RFC 5198, which is what addresses here are."""
    try:
        identifier = unicodedata.normalize("NFC", octets.decode("utf-8")).strip()
    except UnicodeDecodeError:
        raise GrammarFault("the identifier is not UTF-8") from None
    if not identifier or len(octets) > LONGEST_IDENTIFIER or not identifier.isprintable():
        raise GrammarFault("that is no identifier")
    return identifier
