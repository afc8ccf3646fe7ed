"""Messages: whatever is in them, they are taken apart, shown and searched without an exception."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.imap import render
from appliance.mime import addresses, charsets, content_fields, dates, encoded_words, headers, parts, preview
from appliance.mime.structure import StructureScanner
from web.webmail.safe_html import html_to_text

from .octets import in_pieces, nearly, tries

MESSAGES = [
    b"From: A <a@x.example>\r\nTo: b@y.example, c@z.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n\r\nHello\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+2AA-\r\n"
    b'--b\r\nContent-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8\'\'%C3'
    b";\r\n filename*1=x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n",
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/html\r\n\r\n<p>&#99999999999;</p>\r\n",
    b"Content-Type: multipart/digest; boundary=\"a b\"\r\n\r\n--a b\r\n\r\nSubject: 1\r\n\r\n1\r\n--a b--\r\n",
    b"Content-Type: text/plain; charset=iso-2022-kr\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=1B$)C=0E!!\r\n",
]  # fmt: skip
WORDS = [
    b"\r\n", b"\n", b"\r", b"--b\r\n", b"--b--", b"\r\n\r\n", b"Content-Type: ", b"multipart/mixed; boundary=b", b"message/rfc822",
    b"message/global", b"text/html", b"; charset=", b"utf-7", b"utf-16", b"hz", b"iso-2022-jp", b"base64", b"quoted-printable",
    b"=?", b"?=", b"?q?", b"?B?", b"*0*=", b"''", b"%", b"<", b">", b"(", b")", b'"', b"\\", b",", b";", b":", b"@", b"\0", b"\xff",
    b"From: ", b"Date: ", b"&#", b"9" * 5000, b"<!--", b"<script>", b"</", b"<a href=", b"+2AA-", b"=ED=A0=80", b"\xed\xa0\x80",
]  # fmt: skip
messages = nearly(MESSAGES, WORDS)


@tries(60)
@given(messages, st.data())
def test_structure(octets: bytes, data: st.DataObject) -> None:
    """Any octets have one structure, however they are cut; it is within the message, and can be kept, shown and told."""
    whole, pieces = StructureScanner(), StructureScanner()
    whole.feed(octets)
    structure = whole.finish()
    for piece in data.draw(in_pieces(octets)):
        pieces.feed(piece)
    assert pieces.finish() == structure
    assert parts.decode(parts.encode(structure)) == structure
    structure.preview.encode()
    waiting = [structure.root]
    while waiting:
        part = waiting.pop()
        assert 0 <= part.body_start <= part.body_start + part.size_octets <= len(octets)
        encoded_words.decode_parameters(part.params)
        waiting.extend(part.children)
    for extended in (False, True):
        assert b"\0" not in render.body_structure(structure.root, extended=extended)
    assert b"\0" not in render.envelope(structure.envelope)
    encoded_words.decode(structure.envelope.subject or b"").encode()


@tries(60)
@given(nearly([b'A <a@x>, g: b@y, <@r:c@z>;, "q\\"" <d>', b"=?utf-8?q?x?= <a@b> (c)"], WORDS))
def test_addresses(octets: bytes) -> None:
    """Any octets are a list of addresses, and each can be shown."""
    for each in addresses.parse_addresses(octets):
        for field in (each.name, each.mailbox, each.host):
            encoded_words.decode(field or b"").encode()


@tries(60)
@given(
    nearly(
        [b"Tue, 24 Nov 2026 12:00:00 +0000 (UTC)", b"24 Nov 26 1:02 EST", b"2026-11-24T12:00:00.5Z", b"Tue Nov 24 12:00:00 2026"],
        [b"9999", b"0000", b"-2359", b"+9999", b"Feb", b"31", b"(", b")", b" ", b":", b"60"],
    )
)  # fmt: skip
def test_dates(octets: bytes) -> None:
    """Any octets are a date that can be told and kept, or none."""
    found = dates.parse_date(octets)
    if found is not None:
        found.timestamp()
        assert dates.parse_date(dates.format_date(found).encode()) == found


@tries(60)
@given(nearly([b"=?utf-8?q?a=C3=BC?= =?utf-8?b?YQ==?= x", b"=?utf-7?q?+2AA-?=", b"=?utf-16*de?B?AA==?="], WORDS))
def test_encoded_words(octets: bytes) -> None:
    """Any octets are text without control characters, which can be sent on and comes back the same."""
    text = encoded_words.decode(octets)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    assert encoded_words.decode(encoded_words.encode(text).encode()) == text or text != text.strip()


@tries(60)
@given(nearly([b'text/plain; charset="utf-8"; format=flowed', b"attachment; filename*=utf-8''a%20b; size=1"], WORDS))
def test_content_fields(octets: bytes) -> None:
    """Any octets are a Content-Type, a Content-Disposition, an encoding, or none; the names in them are text."""
    for parsed in (content_fields.parse_content_type(octets), content_fields.parse_disposition(octets)):
        if parsed is not None:
            for text in encoded_words.decode_parameters(parsed[-1]).values():  # type: ignore[arg-type]
                text.encode()
    content_fields.parse_encoding(octets)
    content_fields.parse_languages(octets)


@tries(60)
@given(messages)
def test_headers(octets: bytes) -> None:
    """Any octets are fields, and a choice of them with its opposite holds no more than they do."""
    for name, value in headers.split_headers(octets):
        assert name in octets and value in octets
    chosen = headers.select_fields(octets, [b"From", b"Subject"])
    assert len(chosen) + len(headers.select_fields(octets, [b"From", b"Subject"], invert=True)) <= len(octets) + 6


@tries(60)
@given(nearly([b"Gr\xc3\xbc\xc3\x9fe", b"+2AA-", b"\x1b$B$3\x1b(B", b"~{VPND~}", b"\xff\xfe\0\xd8"], WORDS), st.data())
def test_charsets(octets: bytes, data: st.DataObject) -> None:
    """Any octets in any charset are text that can be kept."""
    charset = data.draw(st.sampled_from([*charsets._CODECS, "", "us-ascii", "nonsense"]))
    charsets.decode_text(octets, charset).encode()


@tries(60)
@given(messages, st.data())
def test_transfer_encodings(octets: bytes, data: st.DataObject) -> None:
    """Any octets come out of any encoding, the same in pieces as in one."""
    encoding = data.draw(st.sampled_from([b"base64", b"quoted-printable", b"7bit", b"x-uuencode"]))
    decoder = charsets.TransferDecoder(encoding)
    out = b"".join(decoder.feed(piece) for piece in data.draw(in_pieces(octets))) + decoder.finish()
    assert out == charsets.decode_transfer(octets, encoding)


HTML = [
    b"<p>Hello <b>you</b> <a href='http://x.example/'>here</a><br><img alt='x'></p>",
    b"<style>a</style><!-- -->&amp;&#65;",
]
HTML_WORDS = [
    b"<", b">", b"</", b"<a ", b"href=", b"'", b'"', b"<!--", b"-->", b"<script", b"</script>", b"<svg>", b"<td>", b"<li>", b"&#", b"&lt;",
    b"9" * 5000, b";", b"&", b"javascript:", b"http://", b"<img alt=", b"\0", b"\n",
]  # fmt: skip


@tries(60)
@given(nearly(HTML, HTML_WORDS))
def test_html(octets: bytes) -> None:
    """Any HTML is a text of about its own length, which can be encoded, and a preview of one line."""
    source = charsets.decode_text(octets)
    text = html_to_text(source)
    text.encode()
    assert len(text) <= 2 * len(source) + 2
    shown = preview.preview(octets, b"html", b"7bit", "")
    shown.encode()
    assert shown.isprintable()
