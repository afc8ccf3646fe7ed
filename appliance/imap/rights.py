"""The letters of RFC 4314: which there are, how they are written, and what each lets somebody do. Pure.

`c` and `d` are of RFC 2086 and stand for `kx` and `te` (RFC 4314 2.1.1): understood when they come, and shown beside any of
those that they stand for, so that old clients are not misled. They are never kept.
"""

from __future__ import annotations

import re

ALL = "lrswipkxtea"  # RFC 4314 2.1, in its order
NEW = "texk"  # those that RIGHTS= announces (RFC 4314 2.2)
ANY_OF_MYRIGHTS = "lrikxa"  # RFC 4314 4
ANY_OF_METADATA = "rswip"  # RFC 5464 3.3, beside `l`

_VIRTUAL = {"c": "kx", "d": "te"}
_MODIFICATION = re.compile(r"([+-]?)([a-z]*)", re.ASCII)

_SEEN, _DELETED, _OTHERS = 1, 8, 2 | 4 | 16  # the bits of store/flags.py


class RightsFault(ValueError):
    """`str()` of it says what is wrong with the letters."""


def parse(text: str) -> tuple[str, str]:
    """mod-rights = astring ; +rights to add, -rights to remove, rights to replace

    Returns (`+`, `-` or `=`, letters in order). Raises RightsFault for what is no right: RFC 4314 3.1 wants BAD."""
    found = _MODIFICATION.fullmatch(text)
    if found is None:
        raise RightsFault("rights are small letters")
    letters = set(found.group(2))
    for virtual, members in _VIRTUAL.items():
        if virtual in letters:
            letters = (letters - {virtual}) | set(members)
    unknown = letters - set(ALL)
    if unknown:
        raise RightsFault(f"the {min(unknown)} right is not supported")
    return found.group(1) or "=", in_order(letters)


def in_order(letters: set[str]) -> str:
    return "".join(letter for letter in ALL if letter in letters)


def shown(rights: str) -> str:
    """As it is told: with the virtual rights (RFC 4314 2.1.1)."""
    return rights + "".join(
        virtual for virtual, members in _VIRTUAL.items() if any(letter in rights for letter in members)
    )


def grantable() -> tuple[str, ...]:
    """What LISTRIGHTS says of anybody but the owner: no right is tied to another."""
    return (*ALL, *_VIRTUAL)


def settable_flags(rights: str) -> int:
    """Bits of the flags that may be changed; keywords are with the others (RFC 4314 4)."""
    return (_SEEN if "s" in rights else 0) | (_DELETED if "t" in rights else 0) | (_OTHERS if "w" in rights else 0)


def may_see_notes(rights: str) -> bool:
    """RFC 5464 3.3: and may change them, beside `l`."""
    return any(letter in rights for letter in ANY_OF_METADATA)


def reads_only(rights: str) -> bool:
    """RFC 4314 5.2: whether SELECT says READ-ONLY. All flags are shared here."""
    return not any(letter in rights for letter in "ieswt")
