"""From octets to text, and out of a transfer encoding: tolerant, whole or in pieces.

Promises: never raises; what cannot be read becomes U+FFFD or is passed over; fed in any pieces, a TransferDecoder
yields the same octets in all. Charsets come from one table: Python's own look-up would import modules by a name that
a stranger chose, remember every wrong name for ever, and knows codecs that are slow on purpose-made input (`idna`).
RFC 2045 6.7 and 6.8, RFC 2046 4.1.2. Known limit: uuencode is left as it is.
"""

from __future__ import annotations

import binascii
import re

_LATIN = "cp1252"  # what is called iso-8859-1 or us-ascii in mail is often Windows text; browsers read it so too


def _table() -> dict[str, str]:
    """Name without punctuation, in lower case → Python's codec."""
    table = {
        "utf8": "utf-8", "unicode11utf8": "utf-8", "utf8mb4": "utf-8", "cp65001": "utf-8",
        "utf7": "utf-7", "unicode11utf7": "utf-7",
        "utf16": "utf-16", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf32": "utf-32",
        "utf32le": "utf-32-le", "utf32be": "utf-32-be", "ucs2": "utf-16", "unicode": "utf-16",
        "latin1": _LATIN, "iso88591": _LATIN, "cp819": _LATIN, "l1": _LATIN,
        "latin2": "iso8859-2", "latin3": "iso8859-3", "latin4": "iso8859-4", "latin5": "cp1254", "latin9": "iso8859-15",
        "iso88598i": "iso8859-8", "iso88598e": "iso8859-8", "iso88599": "cp1254", "iso885911": "cp874",
        "tis620": "cp874", "windows874": "cp874", "cp874": "cp874", "koi8r": "koi8-r", "koi8u": "koi8-u", "koi8": "koi8-r",
        "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "cp936": "gb18030", "windows936": "gb18030",
        "xgbk": "gb18030", "hzgb2312": "hz", "hz": "hz", "big5": "cp950", "cp950": "cp950", "big5hkscs": "big5hkscs",
        "eucjp": "euc_jp", "xeucjp": "euc_jp", "shiftjis": "cp932", "sjis": "cp932", "xsjis": "cp932", "windows31j": "cp932",
        "cp932": "cp932", "iso2022jp": "iso2022_jp_ext", "iso2022jp1": "iso2022_jp_ext", "iso2022jp2": "iso2022_jp_2",
        "iso2022jp3": "iso2022_jp_3", "iso2022jp2004": "iso2022_jp_2004", "cp50220": "iso2022_jp_ext",
        "euckr": "cp949", "ksc5601": "cp949", "ksc56011987": "cp949", "ksc56011989": "cp949", "cp949": "cp949",
        "windows949": "cp949", "iso2022kr": "iso2022_kr", "macintosh": "mac_roman", "macroman": "mac_roman",
        "xmaccyrillic": "mac_cyrillic", "viscii": "cp1258",
    }  # fmt: skip
    for number in (*range(2, 8), 10, 13, 14, 15, 16):
        table[f"iso8859{number}"] = f"iso8859-{number}"
    table["iso88598"] = "iso8859-8"
    for number in range(1250, 1259):
        table[f"windows{number}"] = table[f"cp{number}"] = f"cp{number}"
    for number in (437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869):
        table[f"ibm{number}"] = table[f"cp{number}"] = f"cp{number}"
    return table


_CODECS = _table()
_ASCII_NAMES = frozenset({"usascii", "ascii", "ansix341968", "iso646us", "us", ""})
_PUNCTUATION = str.maketrans("", "", "-_. :\"'()")


def codec_for(charset: str) -> str | None:
    """Python's name for a charset of mail, or None if we do not know it."""
    return _CODECS.get(charset[:40].lower().translate(_PUNCTUATION))


def decode_text(data: bytes, charset: str = "") -> str:
    """Text of `data`. Without a charset, or with US-ASCII, 8-bit octets are tried as UTF-8, then as Windows Latin."""
    codec = codec_for(charset)
    if codec is not None:
        try:
            text = data.decode(codec, "replace")
            # UTF-7 can spell half a surrogate pair, which is no text: nothing could store or send it.
            return text if codec != "utf-7" else text.encode("utf-8", "replace").decode("utf-8")
        except UnicodeError:  # some East Asian codecs raise in spite of "replace"
            return data.decode("ascii", "replace")
    if charset[:40].lower().translate(_PUNCTUATION) in _ASCII_NAMES:
        return decode_unlabelled(data)
    return data.decode("ascii", "replace")


def decode_unlabelled(data: bytes) -> str:
    """UTF-8 if it is that, else Latin."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def decode_transfer(data: bytes, encoding: bytes) -> bytes:
    """`data` out of its Content-Transfer-Encoding, all at once."""
    decoder = TransferDecoder(encoding)
    return decoder.feed(data) + decoder.finish()


class TransferDecoder:
    """`feed` pieces of a body, `finish` for the rest. Holds back less than 100 octets. An unknown encoding is identity."""

    def __init__(self, encoding: bytes) -> None:
        self._encoding = encoding.strip().lower()
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        if self._encoding == b"base64":
            return self._base64(piece)
        if self._encoding == b"quoted-printable":
            data = self._held + piece
            cut = _whole_escapes(data)
            self._held = data[cut:]
            return _quoted_printable(data[:cut])
        return piece

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return _quanta(held) if self._encoding == b"base64" else _quoted_printable(held)

    def _base64(self, piece: bytes) -> bytes:
        """Padding in the middle, as of several encodings one after the other, begins a new quantum."""
        data = self._held + piece.translate(None, _NOT_BASE64)
        if b"=" not in data:
            cut = len(data) & ~3
            self._held = data[cut:]
            return binascii.a2b_base64(data[:cut])
        *ended, rest = data.split(b"=")
        cut = len(rest) & ~3
        self._held = rest[cut:]
        return b"".join(map(_quanta, ended)) + binascii.a2b_base64(rest[:cut])


_NOT_BASE64 = bytes(
    octet for octet in range(256) if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)


def _quanta(characters: bytes) -> bytes:
    """Base64 without its padding; a single character left over says nothing and is dropped."""
    if len(characters) & 3 == 1:
        characters = characters[:-1]
    return binascii.a2b_base64(characters + b"=" * (-len(characters) & 3))


_HEX = {f"{octet:02X}".encode(): bytes([octet]) for octet in range(256)}
_HEX |= {digits.lower(): octet for digits, octet in _HEX.items()}
_HEX |= {digits[:1].lower() + digits[1:]: octet for digits, octet in _HEX.items()}
_HEX |= {digits[:1].upper() + digits[1:].lower(): octet for digits, octet in _HEX.items()}
_SOFT_BREAK = re.compile(rb"[ \t]{0,64}\r?\n")
_UNDECIDED = re.compile(rb"=(?:[0-9A-Fa-f]?|[ \t]{1,64}\r?|\r)\Z")


def _whole_escapes(data: bytes) -> int:
    """Where to cut so that no `=XX` and no soft line break is cut in two."""
    last = data.rfind(b"=", max(0, len(data) - 70))
    return last if last >= 0 and _UNDECIDED.match(data, last) else len(data)


def _quoted_printable(data: bytes) -> bytes:
    """Not binascii's: that one passes over the rest of a line after `=CR`, however the pieces were cut."""
    if b"=" not in data:
        return data
    first, *rest = data.split(b"=")
    out = [first]
    for piece in rest:
        octet = _HEX.get(piece[:2])
        if octet is not None:
            out.append(octet)
            out.append(piece[2:])
        elif soft := _SOFT_BREAK.match(piece):
            out.append(piece[soft.end() :])
        else:
            out.append(b"=")
            out.append(piece)
    return b"".join(out)
