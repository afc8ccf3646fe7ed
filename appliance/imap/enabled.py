"""What a client has switched on for its connection: by ENABLE, or by a command that implies it.

RFC 5161 3.1; RFC 7162 3.1 (what implies CONDSTORE) and 3.2.3 (QRESYNC implies CONDSTORE); RFC 9051 6.3.1.
"""

from __future__ import annotations

from enum import StrEnum


class Extension(StrEnum):
    """The value is the name in ENABLE, in capitals."""

    CONDSTORE = "CONDSTORE"
    IMAP4REV2 = "IMAP4REV2"
    QRESYNC = "QRESYNC"
    UIDONLY = "UIDONLY"
    UTF8 = "UTF8=ACCEPT"


IMPLIED: dict[Extension, frozenset[Extension]] = {Extension.QRESYNC: frozenset((Extension.CONDSTORE,))}


def switched_on(names: tuple[str, ...]) -> dict[Extension, frozenset[Extension]]:
    """Names as ENABLE gave them, in capitals → what each switches on, itself included; what is none of ours is
    passed over (RFC 5161 3.1)."""
    found = {each: frozenset((each,)) | IMPLIED.get(each, frozenset()) for each in Extension}
    return {each: found[each] for each in sorted(found) if each.value in names}
