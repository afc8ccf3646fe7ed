"""The arguments of MAIL and RCPT: text to values, by the grammar of RFC 5321 4.1.2 and of the extensions.

Promises: values keep their case (an ENVID or ORCPT is the peer's own text); a parameter that was not announced is
refused with 555, one given twice or malformed with 501; an address that is not ASCII needs SMTPUTF8. Leaves the
question whether an address is wanted here to intake/.

Lenient, on purpose:
- blanks after `FROM:` and `TO:`, as many printers and cameras send them;
- a source route is checked and dropped (RFC 5321 4.1.1.3 and appendix C ask for it);
- `AUTH=` is read and not believed: it is `<>` for everyone we do not trust, and we trust nobody (RFC 4954 5).
A path without angle brackets is refused: where it ends would be a guess.

RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 (RET, ENVID, NOTIFY, ORCPT), RFC 4954 (AUTH).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..mail.address import Address, AddressFault, parse_domain
from ..mail.envelope import Notify, Recipient
from ..mail.reason import because
from ..mail.reply import Reply
from .replies import SMTPUTF8_NEEDED, syntax

MAIL_SYNTAX = "MAIL FROM:<address> [parameters]"
RCPT_SYNTAX = "RCPT TO:<address> [parameters]"

MAX_ENVID_OCTETS = 100  # RFC 3461 4.4
MAX_ORCPT_OCTETS = 500  # RFC 3461 4.2

# Quoted strings may hold `>` and blanks, so the path is read up to the first `>` outside of them.
_PATH = re.compile(r'<((?:[^<>"\\\s]|"(?:[^"\\]|\\.)*")*)>(?: +(.*))?', re.DOTALL)
# esmtp-param = esmtp-keyword ["=" esmtp-value] (RFC 5321 4.1.2, the value with the UTF-8 of RFC 6531 3.3)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\U0010ffff]+))?")
# xtext = *( xchar / hexchar ); xchar is "!" to "~" but "+" and "=" (RFC 3461 4)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_ADDR_TYPE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*)")


@dataclass(slots=True, frozen=True)
class MailCommand:
    """MAIL FROM as it was meant. reverse_path None is `<>`; size_octets None where the peer did not say."""

    reverse_path: Address | None
    size_octets: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


class _Refused(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def parse_mail(argument: str, *, extended: bool, dsn: bool) -> MailCommand | Reply:
    """argument: what follows `MAIL `, octets that are not UTF-8 as surrogates; extended: the peer said EHLO; dsn: DSN was announced."""
    try:
        path, parameters = _split(argument, "FROM:", MAIL_SYNTAX, extended)
        smtputf8 = _flag(parameters, "SMTPUTF8")
        command = MailCommand(
            reverse_path=_address(path, "1.7", smtputf8) if path else None,
            size_octets=_size(parameters),
            eight_bit=_word(parameters, "BODY", ("7BIT", "8BITMIME")) == "8BITMIME",
            smtputf8=smtputf8,
            ret=_word(parameters, "RET", ("FULL", "HDRS")) if dsn else None,
            envid=_envid(parameters) if dsn else None,
        )
        _check_auth(parameters)
        _nothing_left(parameters)
    except _Refused as refused:
        return refused.reply
    return command


def parse_rcpt(
    argument: str, *, extended: bool, dsn: bool, smtputf8: bool, postmaster_domain: str
) -> Recipient | Reply:
    """argument: what follows `RCPT `; smtputf8: MAIL had that parameter; postmaster_domain: ours, for `<postmaster>`,
    which is accepted without a domain (RFC 5321 4.5.1)."""
    try:
        path, parameters = _split(argument, "TO:", RCPT_SYNTAX, extended)
        if path.lower() == "postmaster":
            path = f"{path}@{postmaster_domain}"
        recipient = Recipient(
            address=_address(path, "1.3", smtputf8),
            notify=_notify(parameters) if dsn else frozenset(),
            orcpt=_orcpt(parameters) if dsn else None,
        )
        _nothing_left(parameters)
    except _Refused as refused:
        return refused.reply
    return recipient


def _split(argument: str, keyword: str, usage: str, extended: bool) -> tuple[str, dict[str, str | None]]:
    """The path without its brackets, and the parameters by their upper-case names."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise _Refused(Reply(501, "5.2", because("address-malformed", why="it is not UTF-8"))) from None
    if argument[: len(keyword)].upper() != keyword:
        raise _Refused(syntax(usage))
    found = _PATH.fullmatch(argument[len(keyword) :].strip(" "))
    if found is None:
        raise _Refused(syntax(usage))
    parameters: dict[str, str | None] = {}
    for word in filter(None, (found[2] or "").split(" ")):
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None or not extended:
            raise _Refused(syntax(usage))
        name = parameter[1].upper()
        if name in parameters:
            raise _wrong(name)
        parameters[name] = parameter[2]
    return found[1], parameters


def _address(path: str, detail: str, smtputf8: bool) -> Address:
    if path.startswith("@"):  # A-d-l ":" Mailbox, RFC 5321 4.1.2
        route, colon, path = path.partition(":")
        try:
            if not colon:
                raise AddressFault("a source route ends with a colon")
            for hop in route.split(","):
                if not hop.startswith("@"):
                    raise AddressFault("each host of a source route starts with an @")
                parse_domain(hop[1:])
        except AddressFault as fault:
            raise _Refused(Reply(501, detail, because("address-malformed", why=fault))) from None
    if not path.isascii() and not smtputf8:
        raise _Refused(SMTPUTF8_NEEDED)
    try:
        return Address.parse(path)
    except AddressFault as fault:
        raise _Refused(Reply(501, detail, because("address-malformed", why=fault))) from None


def _flag(parameters: dict[str, str | None], name: str) -> bool:
    if name not in parameters:
        return False
    if parameters.pop(name) is not None:
        raise _wrong(name)
    return True


def _value(parameters: dict[str, str | None], name: str) -> str | None:
    """None when the parameter is not there; it is refused when it has no value."""
    if name not in parameters:
        return None
    value = parameters.pop(name)
    if value is None:
        raise _wrong(name)
    return value


def _word(parameters: dict[str, str | None], name: str, allowed: tuple[str, ...]) -> str | None:
    value = _value(parameters, name)
    if value is not None and value.upper() not in allowed:
        raise _wrong(name)
    return value.upper() if value is not None else None


def _size(parameters: dict[str, str | None]) -> int | None:
    value = _value(parameters, "SIZE")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 20):  # RFC 1870 5
        raise _wrong("SIZE")
    return int(value)


def _envid(parameters: dict[str, str | None]) -> str | None:
    value = _value(parameters, "ENVID")
    if value is None:
        return None
    if len(value) > MAX_ENVID_OCTETS:
        raise _wrong("ENVID")
    return _xtext(value, "ENVID")


def _notify(parameters: dict[str, str | None]) -> frozenset[Notify]:
    value = _value(parameters, "NOTIFY")
    if value is None:
        return frozenset()
    words = value.upper().split(",")
    if len(set(words)) != len(words) or not all(word in Notify.__members__ for word in words):
        raise _wrong("NOTIFY")
    if "NEVER" in words and len(words) > 1:
        raise _wrong("NOTIFY")
    return frozenset(Notify(word) for word in words)


def _orcpt(parameters: dict[str, str | None]) -> str | None:
    value = _value(parameters, "ORCPT")
    if value is None:
        return None
    kind, semicolon, address = value.partition(";")
    if len(value) > MAX_ORCPT_OCTETS or not semicolon or not address or not _ADDR_TYPE.fullmatch(kind):
        raise _wrong("ORCPT")
    if kind.lower() == "utf-8" and not address.isascii():  # utf-8-addr-unitext, RFC 6533 3
        return f"{kind};{address}"
    return f"{kind};{_xtext(address, 'ORCPT')}"


def _check_auth(parameters: dict[str, str | None]) -> None:
    value = _value(parameters, "AUTH")
    if value is not None and value != "<>":
        _xtext(value, "AUTH")


def _xtext(value: str, name: str) -> str:
    if not _XTEXT.fullmatch(value):
        raise _wrong(name)
    decoded = re.sub(r"\+([0-9A-F]{2})", lambda hexchar: chr(int(hexchar[1], 16)), value)
    if not decoded.isascii() or not decoded.isprintable():  # RFC 3461 4.4 and 4.2: printable US-ASCII
        raise _wrong(name)
    return decoded


def _nothing_left(parameters: Mapping[str, object]) -> None:
    for name in parameters:
        raise _Refused(Reply(555, "5.4", because("parameter-unknown", parameter=name)))


def _wrong(name: str) -> _Refused:
    return _Refused(Reply(501, "5.4", because("parameter-wrong", parameter=name)))
