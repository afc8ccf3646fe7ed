"""What the server says it can do, in each situation. RFC 3501 6.1.1; each name's own RFC stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

from .rights import NEW

_ALWAYS = (
    "IMAP4rev2",  # RFC 9051; clients that do not ENABLE it are spoken to as RFC 3501 has it
    "IMAP4rev1",
    "LITERAL+",  # RFC 7888 5: not LITERAL- as well, which IMAP4rev2 asks for and which is a part of it
    "SASL-IR",  # RFC 4959
    "ID",  # RFC 2971
    "ENABLE",  # RFC 5161
    "IDLE",  # RFC 2177
)
_SIGNED_IN = (
    "ACL",  # RFC 4314
    f"RIGHTS={NEW}",
    "METADATA",  # RFC 5464
    "QUOTA",  # RFC 9208; QUOTASET is not offered: limits are the owner's, at the command line
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "NAMESPACE",  # RFC 2342
    "CHILDREN",  # RFC 3348
    "CONDSTORE",  # RFC 7162
    "PARTIAL",  # RFC 9394
    "PREVIEW",  # RFC 8970
    "QRESYNC",  # RFC 7162
    "SPECIAL-USE",  # RFC 6154
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",  # RFC 5258
    "LIST-STATUS",  # RFC 5819
    "LIST-MYRIGHTS",  # RFC 8440
    "LIST-METADATA",  # RFC 9590
    "STATUS=SIZE",  # RFC 8438
    "OBJECTID",  # RFC 8474
    "NOTIFY",  # RFC 5465
    "UIDPLUS",  # RFC 4315
    "MOVE",  # RFC 6851
    "UIDONLY",  # RFC 9586
    "UNSELECT",  # RFC 3691
    "ESEARCH",  # RFC 4731
    "SEARCHRES",  # RFC 5182
    "WITHIN",  # RFC 5032
    "SAVEDATE",  # RFC 8514
    "SORT",  # RFC 5256
    "SORT=DISPLAY",  # RFC 5957
    "ESORT",  # RFC 5267
    "THREAD=ORDEREDSUBJECT",  # RFC 5256
    "THREAD=REFERENCES",
    "INPROGRESS",  # RFC 9585
    "MULTIAPPEND",  # RFC 3502
    "BINARY",  # RFC 3516
    "CATENATE",  # RFC 4469
    "COMPRESS=DEFLATE",  # RFC 4978
    "REPLACE",  # RFC 8508
    "UTF8=ACCEPT",  # RFC 6855
)


@dataclass(slots=True, frozen=True)
class Situation:
    """may_sign_in: a password may be sent over this connection; append_limit: octets (RFC 7889); mechanisms: of SASL."""

    signed_in: bool
    tls: bool
    tls_possible: bool
    may_sign_in: bool
    append_limit: int
    mechanisms: tuple[str, ...] = ()


def capabilities(situation: Situation) -> tuple[str, ...]:
    if situation.signed_in:
        return (*_ALWAYS, *_SIGNED_IN, f"APPENDLIMIT={situation.append_limit}")
    names = list(_ALWAYS)
    if situation.tls_possible and not situation.tls:
        names.append("STARTTLS")
    # RFC 3501 6.2.3: LOGINDISABLED where LOGIN would be refused.
    may = [f"AUTH={each}" for each in situation.mechanisms]
    names += may if situation.may_sign_in else ("LOGINDISABLED",)
    return tuple(names)
