"""At least 200 messages such as a server meets: the tidy, the large, the odd and the broken. Deterministic.

Every line ends in CRLF except where a case is about the last one, since SMTP has no other way to end a line.
"""

from __future__ import annotations

import base64
import quopri
import random
from dataclasses import dataclass

WORDS = [
    "pigeon",
    "loft",
    "carrier",
    "letter",
    "ring",
    "feather",
    "flight",
    "home",
    "message",
    "storm",
    "harbour",
    "clock",
    "window",
    "garden",
    "summer",
    "market",
    "train",
    "ticket",
    "invoice",
    "meeting",
    "dinner",
    "photograph",
    "holiday",
    "mountain",
    "river",
    "bridge",
    "school",
    "paper",
    "pencil",
    "lantern",
]
UNICODE = "Grüße aus Köln – naïve café, 日本語のテキスト, Привет мир, שלום, 🕊️ merpati"


@dataclass(slots=True, frozen=True)
class Sample:
    """name: what is special about it; message: the octets between DATA and the final dot, not dot-stuffed."""

    name: str
    message: bytes


def corpus() -> list[Sample]:
    rng = random.Random(20261124)
    samples = [*_odd(rng), *_sizes(rng)]
    return samples + [Sample(f"household {number}", _household(rng, number)) for number in range(210 - len(samples))]


def _lines(*lines: str | bytes) -> bytes:
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n" for line in lines)


def _header(rng: random.Random, subject: str | bytes, *more: str | bytes) -> bytes:
    number = rng.randrange(10**9)
    return _lines(
        f"From: Ann {number} <ann{number}@far.example>",
        "To: Bob <bob@near.example>",
        b"Subject: " + (subject if isinstance(subject, bytes) else subject.encode()),
        "Date: Tue, 24 Nov 2026 12:54:00 +0700",
        f"Message-ID: <{number}@far.example>",
        *more,
    )


def _text(rng: random.Random, octets: int) -> bytes:
    out = bytearray()
    while len(out) < octets:
        out += " ".join(rng.choices(WORDS, k=rng.randint(4, 13))).encode() + b"\r\n"
    return bytes(out)


def _base64(rng: random.Random, octets: int) -> bytes:
    return base64.encodebytes(rng.randbytes(octets)).replace(b"\n", b"\r\n")


def _multipart(
    rng: random.Random, boundary: str, parts: list[bytes], kind: str = "mixed", subject: str = "parts"
) -> bytes:
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    head = _header(rng, subject, "MIME-Version: 1.0", f'Content-Type: multipart/{kind}; boundary="{boundary}"')
    return head + b"\r\nThis is the preamble.\r\n" + body + b"--" + boundary.encode() + b"--\r\nand the epilogue\r\n"


def _part(kind: str, body: bytes, *more: str) -> bytes:
    return _lines(f"Content-Type: {kind}", *more) + b"\r\n" + body


def _household(rng: random.Random, number: int) -> bytes:
    """Plain, alternative with HTML, or with a small attachment, in the mix that a family gets."""
    subject = " ".join(rng.choices(WORDS, k=4))
    size = rng.choice((200, 900, 3000, 9000, 20000))
    match number % 4:
        case 0:
            return _header(rng, subject) + b"\r\n" + _text(rng, size)
        case 1:
            text = _text(rng, size)
            html = b"<html><body><p>" + text.replace(b"\r\n", b"<br>\r\n") + b"</p></body></html>\r\n"
            parts = [_part("text/plain; charset=utf-8", text), _part("text/html; charset=utf-8", html)]
            return _multipart(rng, f"alt-{number}", parts, "alternative", subject)
        case 2:
            picture = _part(
                f'image/jpeg; name="holiday{number}.jpg"',
                _base64(rng, size * 3),
                "Content-Transfer-Encoding: base64",
                f'Content-Disposition: attachment; filename="holiday{number}.jpg"',
            )
            return _multipart(rng, f"=_mix{number}", [_part("text/plain", _text(rng, 300)), picture], subject=subject)
        case _:
            body = quopri.encodestring((UNICODE + "\n").encode() * (1 + size // 200)).replace(b"\n", b"\r\n")
            head = _header(
                rng,
                f"=?utf-8?B?{base64.b64encode(UNICODE.encode()[:30]).decode()}?=",
                "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Transfer-Encoding: quoted-printable",
            )
            return head + b"\r\n" + body


def _sizes(rng: random.Random) -> list[Sample]:
    sizes = (60_000, 140_000, 270_000, 600_000, 1_500_000, 4_000_000, 7_400_000)
    return [
        Sample(
            f"attachment of {octets} octets",
            _multipart(
                rng,
                "large",
                [
                    _part("text/plain", _text(rng, 500)),
                    _part(
                        "application/octet-stream",
                        _base64(rng, octets),
                        "Content-Transfer-Encoding: base64",
                        "Content-Disposition: attachment; filename=large.bin",
                    ),
                ],
            ),
        )
        for octets in sizes
    ]


def _odd(rng: random.Random) -> list[Sample]:
    nested = _header(rng, "inner message", "MIME-Version: 1.0", "Content-Type: text/plain") + b"\r\ninside\r\n"
    deep = _part("text/plain", b"the innermost\r\n")
    for level in range(12):
        deep = (
            _lines(f'Content-Type: multipart/mixed; boundary="level{level}"')
            + b"\r\n"
            + b"--level%d\r\n" % level
            + deep
            + b"\r\n--level%d--\r\n" % level
        )
    cases: list[tuple[str, bytes]] = [
        ("empty body", _header(rng, "empty body") + b"\r\n"),
        ("no body and no blank line", _header(rng, "no blank line")),
        ("header of one line", b"Subject: only\r\n"),
        ("no header at all", b"\r\njust a body\r\n"),
        ("body that looks like a header", _header(rng, "fake") + b"\r\nFrom: not@header.example\r\n\r\nmore\r\n"),
        ("line that is a dot", _header(rng, "dots") + b"\r\n.\r\n..\r\n...\r\n.a\r\n..b\r\n"),
        ("starts with a dot", b".Subject: dot\r\n\r\nx\r\n"),
        ("blank lines at the end", _header(rng, "blank") + b"\r\ntext\r\n\r\n\r\n\r\n"),
        ("blank lines alone", b"\r\n" * 9),
        ("line of 998 octets", _header(rng, "998") + b"\r\n" + b"x" * 998 + b"\r\n"),
        ("line of 100000 octets", _header(rng, "long") + b"\r\n" + b"y" * 100_000 + b"\r\nend\r\n"),
        ("header line of 20000 octets", _header(rng, "s" * 20_000) + b"\r\nx\r\n"),
        ("folded subject", _header(rng, "one\r\n two\r\n\tthree") + b"\r\nx\r\n"),
        (
            "2000 recipients in To",
            _header(rng, "many", "Cc: " + ",\r\n ".join(f"u{i}@x.example" for i in range(2000))) + b"\r\nx\r\n",
        ),
        (
            "8-bit body in UTF-8",
            _header(rng, "8bit", "Content-Transfer-Encoding: 8bit") + b"\r\n" + UNICODE.encode() + b"\r\n",
        ),
        ("8-bit body in Latin-1", _header(rng, "latin1") + b"\r\n" + "Grüße".encode("latin-1") + b"\r\n"),
        ("8-bit subject in UTF-8", _header(rng, UNICODE) + b"\r\nx\r\n"),
        ("8-bit subject in Latin-1", _header(rng, "Grüße".encode("latin-1")) + b"\r\nx\r\n"),
        (
            "every octet but NUL, CR and LF",
            _header(rng, "octets") + b"\r\n" + bytes(set(range(1, 256)) - {10, 13}) + b"\r\n",
        ),
        ("encoded words", _header(rng, "=?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?B?w7xiZXI=?=") + b"\r\nx\r\n"),
        ("broken encoded words", _header(rng, "=?utf-8?B?w7xi!!?= =?nonsense?X?y?= =?utf-8?Q?open") + b"\r\nx\r\n"),
        ("quotes and backslashes in Subject", _header(rng, 'say "hello" \\ {5} %s') + b"\r\nx\r\n"),
        ("tabs and trailing spaces", _header(rng, "\t tab ") + b"\r\n \t \r\ntrailing   \r\n"),
        ("header without a colon", b"this is no header\r\n" + _header(rng, "colon") + b"\r\nx\r\n"),
        ("continuation first", b" folded from nothing\r\n" + _header(rng, "continuation") + b"\r\nx\r\n"),
        ("header with a space before its colon", b"Subject : spaced\r\n" + _header(rng, "space") + b"\r\nx\r\n"),
        ("two Subjects, two Froms", _header(rng, "first") + _header(rng, "second") + b"\r\nx\r\n"),
        ("no From, no Date, no Message-ID", b"Subject: bare\r\n\r\nx\r\n"),
        ("impossible Date", b"Date: Frybruary 99\r\nFrom: a@b.example\r\n\r\nx\r\n"),
        (
            "address groups",
            _header(rng, "groups", "Cc: Friends: a@x.example, B <b@x.example>;, Nobody:;") + b"\r\nx\r\n",
        ),
        (
            "addresses with comments",
            _header(rng, "c", "Cc: (a (nested) comment) Carl <c@x.example> (more)") + b"\r\nx\r\n",
        ),
        ("null reverse-path in header", _header(rng, "n", "Return-Path: <>") + b"\r\nx\r\n"),
        ("mbox From line in the body", _header(rng, "mbox") + b"\r\nFrom me to you\r\n>From quoted\r\n"),
        (
            "message/rfc822",
            _multipart(rng, "rfc822", [_part("text/plain", b"see below\r\n"), _part("message/rfc822", nested)]),
        ),
        (
            "message/rfc822 alone",
            _header(rng, "fwd", "MIME-Version: 1.0", "Content-Type: message/rfc822") + b"\r\n" + nested,
        ),
        ("digest", _multipart(rng, "digest", [b"\r\n" + nested, b"\r\n" + nested], "digest")),
        ("twelve levels deep", _header(rng, "deep", "MIME-Version: 1.0").rstrip(b"\r\n") + b"\r\n" + deep),
        (
            "boundary that is never closed",
            _header(rng, "open", "Content-Type: multipart/mixed; boundary=b") + b"\r\n--b\r\n\r\nx\r\n",
        ),
        (
            "boundary that never comes",
            _header(rng, "none", "Content-Type: multipart/mixed; boundary=zzz") + b"\r\nno parts\r\n",
        ),
        (
            "multipart without a boundary",
            _header(rng, "lacks", "Content-Type: multipart/mixed") + b"\r\n--\r\nx\r\n----\r\n",
        ),
        (
            "empty boundary",
            _header(rng, "empty", 'Content-Type: multipart/mixed; boundary=""') + b"\r\n--\r\n\r\nx\r\n----\r\n",
        ),
        ("boundary that is the start of another", _prefix_boundaries(rng)),
        ("one hundred parts", _multipart(rng, "hundred", [_part("text/plain", b"part\r\n")] * 100)),
        ("unknown encoding", _header(rng, "enc", "Content-Transfer-Encoding: rot13") + b"\r\nuryyb\r\n"),
        ("base64 with rubbish", _header(rng, "b64", "Content-Transfer-Encoding: base64") + b"\r\n!!!not=base64===\r\n"),
        ("Content-Type that is nonsense", _header(rng, "ct", "Content-Type: ;;;=/=; charset") + b"\r\nx\r\n"),
        (
            "RFC 2231 parameters",
            _header(rng, "2231", "Content-Type: text/plain; name*0*=utf-8''Gr%C3%BC; name*1=sse.txt") + b"\r\nx\r\n",
        ),
        ("unusual charset", _header(rng, "cs", "Content-Type: text/plain; charset=x-unknown-9") + b"\r\nx\r\n"),
        (
            "HTML only",
            _header(rng, "html", "Content-Type: text/html") + b"\r\n<script>alert(1)</script><b>hello</b>\r\n",
        ),
        (
            "list mail",
            _header(rng, "list", "List-Id: <list.example>", "Precedence: bulk", "List-Unsubscribe: <mailto:u@x>")
            + b"\r\nx\r\n",
        ),
        ("signed", _header(rng, "signed", "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; b=AAAA") + b"\r\nx\r\n"),
        ("text that compresses to nothing", _header(rng, "zeros") + b"\r\n" + (b"0" * 76 + b"\r\n") * 20_000),
        ("no final newline", _header(rng, "final newline") + b"\r\nthe last line has none"),
        ("no final newline in the header", b"Subject: cut"),
    ]
    return [Sample(name, message) for name, message in cases]


def _prefix_boundaries(rng: random.Random) -> bytes:
    inner = b"Content-Type: multipart/alternative; boundary=abcd\r\n\r\n--abcd\r\n\r\ninner one\r\n--abcd\r\n\r\ninner two\r\n--abcd--"
    return (
        _header(rng, "prefix", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=abc")
        + b"\r\n--abc\r\n"
        + inner
        + b"\r\n--abc\r\n\r\nouter\r\n--abc--\r\n"
    )
