"""How one client is told of messages: which of the forms of FETCH, EXPUNGE and EXISTS it has asked for.

RFC 7162 3.1 (MODSEQ) and 3.2.10 (VANISHED), RFC 9586 3 (no message numbers), RFC 9051 appendix E (no \\Recent).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from .enabled import Extension


@dataclass(slots=True, frozen=True)
class Manner:
    """modseq: in every FETCH; vanished: VANISHED for EXPUNGE; uid_only: UIDFETCH for FETCH; recent: \\Recent is spoken of."""

    modseq: bool = False
    vanished: bool = False
    uid_only: bool = False
    recent: bool = True


PLAIN = Manner()


def manner_of(enabled: AbstractSet[Extension]) -> Manner:
    uid_only = Extension.UIDONLY in enabled
    return Manner(
        modseq=Extension.CONDSTORE in enabled,
        vanished=uid_only or Extension.QRESYNC in enabled,
        uid_only=uid_only,
        recent=Extension.IMAP4REV2 not in enabled,
    )
