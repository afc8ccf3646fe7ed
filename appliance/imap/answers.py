"""How a command ends: Done, or a Refusal on the way; and which response code a refusal of the store has.

RFC 3501 7.1, RFC 5530. Texts for the peer come from `mail/reason.py` where the store or the accounts refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..store import refusals


@dataclass(slots=True, frozen=True)
class Done:
    """The tagged response. code: without brackets; highest_modseq: it is told to who has asked for MODSEQs, once what
    others did is told too (RFC 7162 3.2.7, RFC 6851 4.4)."""

    words: str
    code: str | None = None
    status: str = "OK"
    highest_modseq: bool = False


class Refusal(Exception):
    """The command was not carried out, or not wholly; the session goes on."""

    def __init__(self, words: str, code: str | None = None, *, status: str = "NO") -> None:
        super().__init__(words)
        self.done = Done(words, code, status)


class HangUp(Exception):
    """The connection has to end. words: said after BYE; None when nothing can be said any more."""

    def __init__(self, words: str | None) -> None:
        super().__init__(words)
        self.words = words


_CODES: tuple[tuple[type[refusals.StoreRefusal], str], ...] = (
    (refusals.NoSuchMailbox, "NONEXISTENT"),
    (refusals.MailboxExists, "ALREADYEXISTS"),
    (refusals.MailboxFixed, "CANNOT"),
    (refusals.OverQuota, "OVERQUOTA"),
    (refusals.TooManyAnnotations, "METADATA TOOMANY"),
    (refusals.OwnersRights, "CANNOT"),
    (refusals.NoSuchMessage, "EXPUNGEISSUED"),
    (refusals.Damaged, "CORRUPTION"),
    (refusals.StoreDamaged, "CORRUPTION"),
    (refusals.NoSuchAccount, "UNAVAILABLE"),
    (refusals.StorageLow, "UNAVAILABLE"),
    (refusals.StorageFailed, "UNAVAILABLE"),
)


def refused_by_store(refusal: refusals.StoreRefusal) -> Done:
    code = next((code for kind, code in _CODES if isinstance(refusal, kind)), None)
    return Done(refusal.reason.for_peer, code, "NO")
