"""From answers to octets.

Promises: what is written here our own `grammar/` and any RFC 3501 client can read back; no line holds a CR, LF or NUL
that is not part of the protocol, whatever a message or a mailbox is called. Text for people is plain ASCII, as RFC 3501
9 (TEXT-CHAR) has it. RFC 3501 7, RFC 4731 3.1, RFC 4315 3.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ..mime.addresses import MailboxOrGroup
from ..mime.content_fields import Parameters
from ..mime.parts import EnvelopeFields, Part
from .grammar.cursor import MONTHS
from .grammar.fetch import Section, SectionText
from .manner import PLAIN, Manner
from .values import encode_mailbox, sequence_set
from .view import RECENT, Exists, Expunged, FlagsNow, KeywordsNow, ModseqNow, RecentCount, Untagged

SYSTEM_FLAGS = ((2, "\\Answered"), (4, "\\Flagged"), (8, "\\Deleted"), (1, "\\Seen"), (16, "\\Draft"))
EVERY_FLAG = sum(bit for bit, _ in SYSTEM_FLAGS)
WITH_KEYWORDS = 2 | 4 | 16  # who may change these may change keywords (RFC 4314 4)

LONGEST_QUOTED = 1024  # what is longer goes as a literal; some clients have small buffers for quoted strings

_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]*")
_QUOTABLE_ESCAPED = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_SPECIAL = re.compile(rb'(["\\])')
_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]+")
_NOT_TEXT = re.compile(r"[^ -~]")


# strings


def string(octets: bytes) -> bytes:
    """A quoted string, or a literal where that cannot hold it. NUL fits into neither and is left out."""
    if len(octets) <= LONGEST_QUOTED:
        if _QUOTABLE.fullmatch(octets):
            return b'"' + octets + b'"'
        if _QUOTABLE_ESCAPED.fullmatch(octets):
            return b'"' + _SPECIAL.sub(rb"\\\1", octets) + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    octets = octets.replace(b"\0", b"")
    return b"{%d}\r\n%b" % (len(octets), octets)


def nstring(octets: bytes | None) -> bytes:
    return b"NIL" if octets is None else string(octets)


def astring(octets: bytes) -> bytes:
    return octets if _ATOM.fullmatch(octets) and octets.upper() != b"NIL" else string(octets)


def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """utf8: as it is, quoted (RFC 6855 3, RFC 9051 5.1), else in modified UTF-7."""
    if utf8 and not name.isascii():
        octets = name.encode("utf-8", "replace")
        return b'"%b"' % _SPECIAL.sub(rb"\\\1", octets) if len(octets) <= LONGEST_QUOTED else literal(octets)
    return astring(name.encode("ascii") if utf8 else encode_mailbox(name))


def text(words: str) -> bytes:
    """Words for people. RFC 3501 9: resp-text."""
    return _NOT_TEXT.sub("?", words).encode("ascii") or b"-"


# lines


def tagged(tag: str, status: str, words: str, code: str | None = None) -> bytes:
    return b"%b %b\r\n" % (tag.encode("ascii"), _status(status, words, code))


def untagged(status: str, words: str, code: str | None = None) -> bytes:
    return b"* %b\r\n" % _status(status, words, code)


def _status(status: str, words: str, code: str | None) -> bytes:
    bracketed = b"" if code is None else b"[%b] " % text(code)
    return b"%b %b%b" % (status.encode("ascii"), bracketed, text(words))


def continuation(words: str) -> bytes:
    return b"+ %b\r\n" % text(words)


def capability(names: Iterable[str]) -> bytes:
    return b"* CAPABILITY %b\r\n" % " ".join(names).encode("ascii")


def changes(told: Iterable[Untagged], manner: Manner = PLAIN) -> bytes:
    """What `MailboxView.apply` found."""
    told = list(told)
    gone = sorted(change.uid for change in told if isinstance(change, Expunged)) if manner.vanished else []
    lines = []
    for change in told:
        if not (manner.vanished and isinstance(change, Expunged)):
            lines.append(_change(change, manner))
        elif gone:  # one response for all of them, where the first would stand: EXISTS counts without them
            lines.append(vanished(sequence_set(gone)))
            gone = []
    return b"".join(lines)


def _change(change: Untagged, manner: Manner) -> bytes:
    match change:
        case Expunged(number, _):
            return b"* %d EXPUNGE\r\n" % number
        case Exists(count):
            return b"* %d EXISTS\r\n" % count
        case RecentCount(count):
            return b"* %d RECENT\r\n" % count if manner.recent else b""
        case FlagsNow(number, uid, bits, keywords, modseq):
            return fetch_head(number, uid, manner) + flags_and_modseq(uid, bits, keywords, modseq, manner) + b")\r\n"
        case ModseqNow(number, uid, modseq):
            if not manner.modseq:
                return b""
            known = b"" if manner.uid_only else b"UID %d " % uid
            return b"%b%bMODSEQ (%d))\r\n" % (fetch_head(number, uid, manner), known, modseq)
        case KeywordsNow(keywords):
            return flags_in_use(keywords)


def fetch_head(number: int, uid: int, manner: Manner) -> bytes:
    """RFC 9586 3.3: UIDFETCH has the UID in place of the number."""
    return b"* %d UIDFETCH (" % uid if manner.uid_only else b"* %d FETCH (" % number


def flags_and_modseq(uid: int, bits: int, keywords: str, modseq: int, manner: Manner) -> bytes:
    """`UID 7 FLAGS (\\Seen) MODSEQ (12)`, as an untagged FETCH has them that the client did not ask for."""
    said = b"FLAGS " + flags(bits if manner.recent else bits & ~RECENT, keywords)
    if not manner.uid_only:
        said = b"UID %d %b" % (uid, said)
    return b"%b MODSEQ (%d)" % (said, modseq) if manner.modseq else said


def highest_modseq(modseq: int) -> bytes:
    return untagged("OK", "The highest MODSEQ", f"HIGHESTMODSEQ {modseq}")


def vanished(uids: str, *, earlier: bool = False) -> bytes:
    """RFC 7162 3.2.10: EARLIER means that the client need not count them off."""
    return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if earlier else b"", uids.encode("ascii"))


# flags


@lru_cache(maxsize=4096)
def flags(bits: int, keywords: str) -> bytes:
    """`(\\Seen $Forwarded)`, with `\\Recent` where its bit is set."""
    names = [name for bit, name in SYSTEM_FLAGS if bits & bit]
    if bits & RECENT:
        names.append("\\Recent")
    if keywords:
        names.append(keywords)
    return f"({' '.join(names)})".encode("ascii", "replace")


def flags_in_use(keywords: Sequence[str]) -> bytes:
    return f"* FLAGS ({' '.join([name for _, name in SYSTEM_FLAGS] + list(keywords))})\r\n".encode("ascii", "replace")


def permanent_flags(keywords: Sequence[str], *, read_only: bool, settable: int = EVERY_FLAG) -> bytes:
    """settable: bits of the flags that this client may change (RFC 4314 5.1.1). `\\*`: it may make keywords of its own.
    RFC 3501 7.1."""
    names = [name for bit, name in SYSTEM_FLAGS if bit & settable and not read_only]
    if settable & WITH_KEYWORDS and not read_only:
        names += [*keywords, "\\*"]
    return f"* OK [PERMANENTFLAGS ({' '.join(names)})] Flags that are kept\r\n".encode("ascii", "replace")


# mailboxes


def listed(
    verb: str, attributes: Iterable[str], name: bytes, *, child_info: Sequence[str] = (), old_name: bytes | None = None
) -> bytes:
    """verb: LIST or LSUB; names as `mailbox` gives them; old_name: what the client knew it by (RFC 9051 6.3.9.7)."""
    more = b""
    if child_info:  # RFC 5258 3.5
        more = b' ("CHILDINFO" (%b))' % " ".join(f'"{option}"' for option in child_info).encode("ascii")
    elif old_name is not None:
        more = b' ("OLDNAME" (%b))' % old_name
    return b'* %b (%b) "/" %b%b\r\n' % (verb.encode("ascii"), " ".join(attributes).encode("ascii"), name, more)


def status(name: bytes, items: Iterable[tuple[str, int | str]]) -> bytes:
    """name: as `mailbox` gives it."""
    pairs = " ".join(f"{item} {value}" for item, value in items)
    return b"* STATUS %b (%b)\r\n" % (name, pairs.encode("ascii"))


# what FETCH gives


def internal_date(epoch_s: int) -> bytes:
    """In UTC, which needs no table of time zones to be right. RFC 3501 9: date-time."""
    t = time.gmtime(epoch_s)
    return b'"%2d-%b-%04d %02d:%02d:%02d +0000"' % (
        t.tm_mday,
        MONTHS[t.tm_mon - 1].encode("ascii"),
        t.tm_year,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
    )


def section(wanted: Section) -> bytes:
    """The name of a section in the answer: `BODY[1.HEADER.FIELDS (From)]<0>`. RFC 3501 7.4.2: never `.PEEK`."""
    words = [b".".join(b"%d" % number for number in wanted.part)] if wanted.part else []
    if wanted.text is not SectionText.WHOLE:
        words.append(wanted.text.encode("ascii"))
    name = b".".join(words)
    if wanted.fields:
        name += b" (%b)" % b" ".join(map(astring, wanted.fields))
    origin = b"" if wanted.partial is None else b"<%d>" % wanted.partial[0]
    return b"%b[%b]%b" % (wanted.form.encode("ascii"), name, origin)


def envelope(fields: EnvelopeFields) -> bytes:
    """envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP
    env-in-reply-to SP env-message-id ")" """
    from_ = _addresses(fields.from_)
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(fields.date),
        nstring(fields.subject),
        from_,
        from_ if fields.sender == fields.from_ else _addresses(fields.sender),
        from_ if fields.reply_to == fields.from_ else _addresses(fields.reply_to),
        _addresses(fields.to),
        _addresses(fields.cc),
        _addresses(fields.bcc),
        nstring(fields.in_reply_to),
        nstring(fields.message_id),
    )


def _addresses(items: Sequence[MailboxOrGroup]) -> bytes:
    """address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" """
    if not items:
        return b"NIL"
    return b"(%b)" % b"".join(
        b"(%b %b %b %b)" % (nstring(item.name), nstring(item.adl), nstring(item.mailbox), nstring(item.host))
        for item in items
    )


def body_structure(part: Part, *, extended: bool, utf8: bool = False) -> bytes:
    """extended: BODYSTRUCTURE, else BODY; utf8: the client has asked for it. RFC 3501 7.4.2 and 9 (body)."""
    if part.is_multipart:
        children = b"".join(body_structure(child, extended=extended, utf8=utf8) for child in part.children)
        more = b" %b %b" % (_parameters(part.params), _disposition_and_on(part)) if extended else b""
        return b"(%b %b%b)" % (children, string(part.subtype), more)
    fields = [
        string(part.type),
        string(part.subtype),
        _parameters(part.params),
        nstring(part.id),
        nstring(part.description),
        string(part.encoding or b"7bit"),
        b"%d" % part.size_octets,
    ]
    # RFC 3501 knows this form for MESSAGE/RFC822 alone; message/global is a basic part to its clients. RFC 9051 9
    # (media-message) has both.
    if part.is_message and (part.subtype == b"rfc822" or utf8):
        inner = part.children[0]
        fields.append(envelope(inner.envelope or EnvelopeFields()))
        fields.append(body_structure(inner, extended=extended, utf8=utf8))
        fields.append(b"%d" % part.lines)
    elif part.type == b"text":
        fields.append(b"%d" % part.lines)
    if extended:
        fields.append(nstring(part.md5))
        fields.append(_disposition_and_on(part))
    return b"(%b)" % b" ".join(fields)


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(%b)" % b" ".join(b"%b %b" % (string(name), string(value)) for name, value in parameters)


def _disposition_and_on(part: Part) -> bytes:
    """body-fld-dsp SP body-fld-lang SP body-fld-loc"""
    disposition = b"NIL"
    if part.disposition is not None:
        word, parameters = part.disposition
        disposition = b"(%b %b)" % (string(word), _parameters(parameters))
    language = b"NIL"
    if part.language:
        language = b"(%b)" % b" ".join(map(string, part.language))
    return b"%b %b %b" % (disposition, language, nstring(part.location))
