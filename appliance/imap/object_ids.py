"""EMAILID and THREADID: names of a message's content and of its conversation. RFC 8474 4 and 5.

Both are worked out from what is stored, so that there is nothing to keep in step: a copy has the ids of its original,
and a store that had to be mended gives every message the ids it had.

An EMAILID stands for all that cannot change of a message: its octets, the header lines of ours before them, and its
INTERNALDATE (RFC 8474 5.1). A THREADID stands for the message that began the conversation, as the message itself names it:
the first of References, else of In-Reply-To, else its own Message-ID. Known limit: an answer whose program writes
In-Reply-To without References is in the thread of what it answers, not of what that one answers.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b

from ..mime.parts import EnvelopeFields
from .message_ids import first_message_id, message_ids

_OCTETS = 15  # of the hash: 20 characters, all of which an objectid may hold, and no padding


def email_id(digest: bytes, prefix: bytes, internal_date: int) -> str:
    """digest: of the content; prefix: our own lines before it; internal_date: seconds since the epoch."""
    return "M" + _hashed(b"%d\0%b\0%b" % (internal_date, digest, prefix))


def thread_id(envelope: EnvelopeFields, references: bytes, email_id: str) -> str:
    """email_id: of the same message, which is a thread of its own when it names no other and has no name itself."""
    root = (
        next(message_ids(references), None)
        or first_message_id(envelope.in_reply_to)
        or first_message_id(envelope.message_id)
    )
    return "T" + _hashed(root if root is not None else email_id.encode("ascii"))


def _hashed(octets: bytes) -> str:
    return urlsafe_b64encode(blake2b(octets, digest_size=_OCTETS).digest()).decode("ascii")
