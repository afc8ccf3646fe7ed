"""SASLprep: one form for names and passwords that look the same, whatever keyboard they were typed on. RFC 4013, RFC 3454.

Pure. Characters that Unicode 3.2 does not know are let through, as RFC 4013 2.5 wants it for what is asked and not
stored: a client prepares its password so, and both sides have to come to the same octets.
"""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable

_normalize = unicodedata.ucd_3_2_0.normalize  # RFC 4013 2.2 names that version

# RFC 4013 2.3; C.1.2 is here too, though it was mapped to a space: normalizing may bring no new one, and costs nothing.
_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str | None:
    """The prepared text, which may be empty; None for what RFC 4013 2.3 and 2.4 do not allow."""
    if text.isascii():
        return text if text.isprintable() else None
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    prepared = _normalize("NFKC", mapped)
    if any(prohibits(c) for c in prepared for prohibits in _PROHIBITED):
        return None
    return prepared if _reads_one_way(prepared) else None


def _reads_one_way(text: str) -> bool:
    """RFC 3454 6: a text with letters that run from right to left begins and ends with one, and has no others."""
    leftward = [stringprep.in_table_d1(c) for c in text]
    if not any(leftward):
        return True
    return leftward[0] and leftward[-1] and not any(map(stringprep.in_table_d2, text))
