"""A mail address as the envelope knows it: a local-part and a domain.

Promises: `Address.parse(str(a)) == a`; the domain is lower case and in A-label form, so that two spellings of one
domain compare equal; the local-part is kept as it was written, without its quotes. Leaves the `<…>` of MAIL and RCPT
to `smtp/parameters.py` and header addresses to `mime/addresses.py`. RFC 5321 4.1.2, RFC 6531 3.3, RFC 5890.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2
MAX_PATH_OCTETS = 254  # RFC 5321 4.5.3.1.3, less the angle brackets

# atext (RFC 5322 3.2.3) and UTF8-non-ascii (RFC 6531 3.3); dots only between atoms (RFC 5321 4.1.2, Dot-string).
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*)"')
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


class AddressFault(ValueError):
    """The text is no address; `str()` of it is a sentence that says why."""


@dataclass(slots=True, frozen=True)
class Address:
    """local_part: unquoted, as written; domain: lower-case A-labels, or an address literal such as `[192.0.2.1]`."""

    local_part: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises AddressFault unless `text` is a Mailbox of RFC 5321 4.1.2 (no comments, no source route)."""
        if text.startswith('"'):
            quoted = _QUOTED.match(text)
            if quoted is None or text[quoted.end() : quoted.end() + 1] != "@":
                raise AddressFault("the quoted part before the @ does not end where it should")
            local_part = re.sub(r"\\(.)", r"\1", quoted.group(1))
            domain = text[quoted.end() + 1 :]
        else:
            local_part, at, domain = text.rpartition("@")
            if not at:
                raise AddressFault("there is no @ in the address")
            if not _DOT_STRING.fullmatch(local_part):
                raise AddressFault("the part before the @ holds characters or dots that are not allowed there")
        if not local_part and not text.startswith('"'):
            raise AddressFault("there is nothing before the @")
        if len(local_part.encode("utf-8", "replace")) > MAX_LOCAL_OCTETS:
            raise AddressFault("the part before the @ is longer than 64 octets")
        try:
            local_part.encode()
        except UnicodeEncodeError:
            raise AddressFault("the part before the @ is not valid UTF-8") from None
        return cls(local_part, parse_domain(domain))

    @property
    def quoted_local_part(self) -> str:
        """The local-part as it stands on the wire: quoted only where RFC 5321 asks for it."""
        if _DOT_STRING.fullmatch(self.local_part):
            return self.local_part
        return '"' + re.sub(r'(["\\])', r"\\\1", self.local_part) + '"'

    @property
    def needs_smtputf8(self) -> bool:
        return not self.local_part.isascii()

    @property
    def key(self) -> str:
        """What two spellings of one local address share: NFC, case folded. For our own domains only."""
        return unicodedata.normalize("NFC", self.local_part).casefold() + "@" + self.domain

    def __str__(self) -> str:
        return f"{self.quoted_local_part}@{self.domain}"


@lru_cache(1024)
def parse_domain(text: str) -> str:
    """A domain name in lower-case A-labels, or an address literal. Raises AddressFault."""
    if not text:
        raise AddressFault("there is nothing after the @")
    if text.startswith("["):
        return _parse_literal(text)
    domain = text.lower()
    if not domain.isascii():
        try:
            domain = idna.encode(text, uts46=True).decode("ascii").lower()
        except (idna.IDNAError, UnicodeError):
            raise AddressFault("the part after the @ is not a valid international domain name") from None
    if len(domain) > MAX_DOMAIN_OCTETS:
        raise AddressFault("the part after the @ is longer than 255 octets")
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise AddressFault("the part after the @ is not a domain name")
    return domain


def _parse_literal(text: str) -> str:
    """RFC 5321 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`."""
    inner = text[1:-1]
    if text.endswith("]"):
        try:
            if inner[:5].lower() == "ipv6:":
                return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
            return f"[{ipaddress.IPv4Address(inner)}]"
        except ipaddress.AddressValueError:
            pass
    raise AddressFault("the address literal after the @ is not an IP address")
