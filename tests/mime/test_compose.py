"""Messages of ours are well-formed, and say what they were given to say."""

from __future__ import annotations

import email.message
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.addresses import parse_addresses
from appliance.mime.charsets import decode_text, decode_transfer
from appliance.mime.compose import (
    Attachment,
    Body,
    Header,
    MessagePart,
    Multipart,
    TextPart,
    compose,
    field,
    mailbox,
)
from appliance.mime.encoded_words import decode, decode_parameters
from appliance.mime.headers import split_headers, unfold
from appliance.mime.structure import Part, Structure, StructureScanner


def scan(message: bytes) -> Structure:
    scanner = StructureScanner()
    scanner.feed(message)
    return scanner.finish()


def decoded(message: bytes, part: Part) -> bytes:
    return decode_transfer(message[part.body_start : part.end], part.encoding)


def stdlib(message: bytes) -> email.message.EmailMessage:
    """The same message as Python's own library reads it, which we use nowhere else."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, email.message.EmailMessage)
    return parsed


def check_lines(message: bytes) -> None:
    assert message.count(b"\n") == message.count(b"\r") == message.count(b"\r\n")
    assert max(map(len, message.split(b"\r\n"))) <= 998


HEADERS: list[Header] = [
    ("From", mailbox("Merpati", "postmaster@example.org")),
    ("To", mailbox("Jürgen Müller", "j@example.org")),
    ("Subject", "Grüße aus München, mit einem ziemlich langen Betreff, der gefaltet werden muss"),
    ("Date", "Fri, 21 Nov 1997 09:55:06 -0600"),
    ("Message-ID", "<1@example.org>"),
]


def test_a_plain_message() -> None:
    assert compose([("From", "a@b"), ("Subject", "Hello")], TextPart("One\nTwo\n")) == (
        b"From: a@b\r\nSubject: Hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n\r\nOne\r\nTwo\r\n"
    )


def test_a_report_is_read_alike_by_us_and_by_others() -> None:
    text = "Ihre Nachricht kam nicht an.\n"
    status = b"Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; x@y"
    original = b"Subject: x\r\n\r\n"
    message = compose(
        HEADERS,
        Multipart(
            (
                TextPart(text),
                MessagePart(status, "message/delivery-status"),
                MessagePart(original, "text/rfc822-headers"),
            ),
            "report",
            (("report-type", "delivery-status"),),
        ),
    )
    check_lines(message)
    assert message.isascii()
    structure = scan(message)
    root = structure.root
    assert (root.type, root.subtype, root.params[0]) == (b"multipart", b"report", (b"report-type", b"delivery-status"))
    assert decode(structure.envelope.subject or b"") == HEADERS[2][1]
    assert decode(structure.envelope.to[0].name or b"") == "Jürgen Müller"
    assert [part.subtype for part in root.children] == [b"plain", b"delivery-status", b"rfc822-headers"]
    assert decoded(message, root.children[0]) == text.replace("\n", "\r\n").encode()
    assert decoded(message, root.children[1]) == status.replace(b"\n", b"\r\n") + b"\r\n"
    assert decoded(message, root.children[2]) == original
    other = stdlib(message)
    assert other["Subject"] == HEADERS[2][1]
    assert other["To"].addresses[0].display_name == "Jürgen Müller"
    assert other.get_content_type() == "multipart/report"
    assert [part.get_content_type() for part in other.iter_parts()] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    assert not any(part.defects for part in other.walk())


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param("Hello\n", b"7bit", id="ASCII"),
        pytest.param("", b"7bit", id="nothing"),
        pytest.param("Grüße aus München\nund mehr von dort ", b"quoted-printable", id="some other letters"),
        pytest.param("Привет, мир\n", b"base64", id="only other letters"),
        pytest.param("x" * 999, b"quoted-printable", id="a long line"),
        pytest.param("a\0b", b"quoted-printable", id="NUL"),
        pytest.param("ü\n.\nFrom x \n", b"quoted-printable", id="a dot, and space at the end of a line"),
        pytest.param("one\rtwo\r\nthree\nfour", b"7bit", id="line ends of all kinds"),
    ],
)
def test_text_comes_back(text: str, encoding: bytes) -> None:
    message = compose(HEADERS, TextPart(text))
    check_lines(message)
    root = scan(message).root
    assert root.encoding == encoding
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    assert decode_text(decoded(message, root), root.charset) == lines


def test_an_attachment_comes_back() -> None:
    data = bytes(range(256)) * 10
    message = compose(HEADERS, Multipart((TextPart("See below."), Attachment(data, "image/png", 'Übung "1".png'))))
    check_lines(message)
    part = scan(message).root.children[1]
    assert decoded(message, part) == data
    assert (part.type, part.subtype) == (b"image", b"png")
    assert part.disposition is not None
    assert part.disposition[0] == b"attachment"
    assert decode_parameters(part.disposition[1]) == {"filename": 'Übung "1".png'}
    [other] = stdlib(message).iter_attachments()
    assert other.get_filename() == 'Übung "1".png'


def test_a_multipart_in_a_multipart() -> None:
    inner = Multipart((TextPart("plain"), TextPart("<p>html</p>", "html")), "alternative")
    message = compose(HEADERS, Multipart((inner, Attachment(b"x"))))
    root = scan(message).root
    assert [part.subtype for part in root.children] == [b"alternative", b"octet-stream"]
    assert [decoded(message, part) for part in root.children[0].children] == [b"plain", b"<p>html</p>"]


def test_8_bit_octets_of_a_message_are_announced() -> None:
    message = compose(HEADERS, Multipart((TextPart("x"), Multipart((MessagePart("Subject: ü\n\nü".encode()),)))))
    root = scan(message).root
    assert [root.encoding, root.children[1].encoding, root.children[1].children[0].encoding] == [b"8bit"] * 3
    assert not any(part.defects for part in stdlib(message).walk())


def test_the_same_arguments_give_the_same_octets_and_boundaries_do_not_clash() -> None:
    body = Multipart((TextPart("x"),))
    once = compose(HEADERS, body)
    assert compose(HEADERS, body) == once
    inside = compose([], Multipart((MessagePart(once),)))
    root = scan(inside).root
    assert len(root.children) == 1
    [embedded] = root.children[0].children
    assert inside[embedded.header_start : embedded.end] == once


def test_a_boundary_is_not_in_what_it_parts() -> None:
    described = compose([], Multipart((TextPart("x"),))).split(b'boundary="')[1].split(b'"')[0]
    message = compose([], Multipart((TextPart("x"), TextPart(f"--{described.decode()}\n"))))
    assert len(scan(message).root.children) == 2


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("Subject", "Hello", b"Subject: Hello\r\n"),
        ("Subject", "a\r\nBcc: b@c", b"Subject: a  Bcc: b@c\r\n"),
        ("To", "a@b\r\n\r\nbody", b"To: a@b    body\r\n"),
        ("Subject", "", b"Subject: \r\n"),
        ("References", " ".join(["<0123456789@example.org>"] * 4),
         b"References: <0123456789@example.org> <0123456789@example.org>\r\n <0123456789@example.org> <0123456789@example.org>\r\n"),
        ("To", "ü@example.org", "To: ü@example.org\r\n".encode()),
    ],
)  # fmt: skip
def test_field(name: str, value: str, written: bytes) -> None:
    assert field(name, value) == written


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ü", "x" * 100])
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header field"):
        field(name, "x")


def test_an_empty_multipart_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a part"):
        compose([], Multipart(()))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "a@b"),
        ("John Doe", "John Doe <a@b>"),
        ("Joe Q. Public", '"Joe Q. Public" <a@b>'),
        ('Big "Box"', '"Big \\"Box\\"" <a@b>'),
        ("Jürgen", "=?utf-8?q?J=C3=BCrgen?= <a@b>"),
        ("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@b>"),
        ("a\r\nBcc: c@d", '"a Bcc: c@d" <a@b>'),
    ],
)
def test_mailbox(name: str, written: str) -> None:
    assert mailbox(name, "a@b") == written


_line = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=150)


@given(_line)
@settings(max_examples=200, deadline=None)
def test_any_name_comes_back(name: str) -> None:
    [item] = parse_addresses(field("To", mailbox(name, "a@b"))[4:].rstrip(b"\r\n"))
    assert (item.mailbox, item.host) == (b"a", b"b")
    assert decode(item.name or b"") == " ".join(name.split())


@given(_line)
@settings(max_examples=200, deadline=None)
def test_any_subject_comes_back_on_short_lines(subject: str) -> None:
    written = field("Subject", subject)
    assert written.isascii()
    assert all(len(line) <= 220 and (not line or line.strip()) for line in written.split(b"\r\n"))
    [(_, value)] = split_headers(written)
    assert decode(unfold(value)) == subject.strip()


_bodies: st.SearchStrategy[Body] = st.recursive(
    st.builds(TextPart, st.text(max_size=60))
    | st.builds(Attachment, st.binary(max_size=60), st.just("image/png"), st.text(max_size=40)),
    lambda inner: st.builds(Multipart, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=6,
)


def same(message: bytes, part: Part, body: Body) -> bool:
    match body:
        case Multipart(parts):
            return len(parts) == len(part.children) and all(map(same, [message] * len(parts), part.children, parts))
        case Attachment(data, filename=filename):
            assert part.disposition is not None
            named = decode_parameters(part.disposition[1]).get("filename", "")
            clean = "".join(" " if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in filename)
            return decoded(message, part) == data and named == clean.encode("utf-8", "replace").decode()
        case TextPart(text):
            lines = (
                text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
            )
            return decoded(message, part) == lines
        case _:
            return False


@given(_bodies)
@settings(max_examples=200, deadline=None)
def test_any_body_comes_back(body: Body) -> None:
    message = compose(HEADERS, body)
    check_lines(message)
    assert message.isascii()
    assert same(message, scan(message).root, body)
