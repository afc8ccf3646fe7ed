"""BINARY, from RFC 3516 and RFC 9051 6.4.5: parts decoded by the server, their sizes, and messages that hold NUL."""

from __future__ import annotations

import base64
import quopri
import random
import tracemalloc
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import decoded as decoded_module
from appliance.imap.decoded import Decoded
from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.cursor import GrammarFault
from appliance.imap.grammar.fetch import Fetch, Form, Section
from appliance.mime.charsets import decode_transfer
from tests.support.contents import InMemory
from tests.support.stores import read_message

from .conftest import Post, closing

PICTURE = bytes(range(256)) * 20
WORDS = "Grüße aus Köln = schön\r\n".encode() * 10
MESSAGE = (
    b"Subject: all\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    + quopri.encodestring(WORDS.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    + b"\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(PICTURE).replace(b"\n", b"\r\n")
    + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
    b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n"
    b"--b--\r\n"
)
QP = decode_transfer(quopri.encodestring(WORDS.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"), b"quoted-printable")

READ: dict[bytes, Section] = {
    b"BINARY[1.2]": Section((1, 2), form=Form.BINARY),
    b"binary.peek[1]<0.10>": Section((1,), partial=(0, 10), peek=True, form=Form.BINARY),
    b"BINARY[]": Section(form=Form.BINARY),
    b"BINARY.SIZE[3]": Section((3,), peek=True, form=Form.SIZE),
}
NOT_READ = [b"BINARY", b"BINARY[HEADER]", b"BINARY[1.MIME]", b"BINARY.SIZE[1]<0.5>", b"BINARY.SIZE", b"BINARY[1]<0.0>", b"BINARY[x]"]  # fmt: skip


@pytest.mark.parametrize(("octets", "section"), READ.items(), ids=repr)
def test_a_section(octets: bytes, section: Section) -> None:
    command = parse_command(b"FETCH 1 " + octets)
    assert isinstance(command, Fetch) and command.items == (section,)


@pytest.mark.parametrize("octets", NOT_READ, ids=repr)
def test_no_section(octets: bytes) -> None:
    with pytest.raises(GrammarFault):
        parse_command(b"FETCH 1 " + octets)


# What is fetched, and what comes.
GIVEN: dict[str, tuple[str, str, object]] = {
    "base64": ("BINARY.PEEK[2]", "BINARY[2]", PICTURE),
    "quoted-printable": ("BINARY.PEEK[1]", "BINARY[1]", QP),
    "nothing to decode": ("BINARY.PEEK[3]", "BINARY[3]", b"plain"),
    "its size": ("BINARY.SIZE[2]", "BINARY.SIZE[2]", len(PICTURE)),
    "the size of text": ("BINARY.SIZE[1]", "BINARY.SIZE[1]", len(QP)),
    "the beginning": ("BINARY.PEEK[2]<0.100>", "BINARY[2]<0>", PICTURE[:100]),
    "the middle": ("BINARY.PEEK[2]<1001.57>", "BINARY[2]<1001>", PICTURE[1001:1058]),
    "over the end": ("BINARY.PEEK[2]<5000.4294967295>", "BINARY[2]<5000>", PICTURE[5000:]),
    "behind the end": ("BINARY.PEEK[2]<99999.5>", "BINARY[2]<99999>", b""),
    "a message in it, as it is": ("BINARY.PEEK[4]", "BINARY[4]", b"Subject: inner\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8="),
    "the part of a message in it": ("BINARY.PEEK[4.1]", "BINARY[4.1]", b"hello"),
    "the whole message, as it is": ("BINARY.PEEK[]", "BINARY[]", MESSAGE),
    "some of the whole message": ("BINARY.PEEK[]<5.20>", "BINARY[]<5>", MESSAGE[5:25]),
    "the size of the whole message": ("BINARY.SIZE[]", "BINARY.SIZE[]", len(MESSAGE)),
    "no such part": ("BINARY.PEEK[9]", "BINARY[9]", None),
    "the size of no such part": ("BINARY.SIZE[9]", "BINARY.SIZE[9]", 0),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "name", "given_"), GIVEN.values(), ids=GIVEN)
async def test_it_comes_decoded(post: Post, wanted: str, name: str, given_: object) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        for command in (f"FETCH 1 {wanted}", f"UID FETCH 1 ({wanted} FLAGS)"):
            answer = await client.ok(command)
            assert answer.item(name) == given_
        assert b"\\Seen" not in (await client.ok("FETCH 1 FLAGS")).item("FLAGS")  # type: ignore[operator]


async def test_reading_sets_seen_and_asking_for_the_size_does_not(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        assert "FLAGS" not in (await client.ok("FETCH 1 BINARY.SIZE[1]")).fetched[0].items
        assert b"\\Seen" in (await client.ok("FETCH 1 BINARY[3]")).item("FLAGS")  # type: ignore[operator]


async def test_what_cannot_be_decoded_is_refused_and_the_others_are_given(post: Post) -> None:
    post.put(MESSAGE)
    post.put(MESSAGE.replace(b"x-uuencode", b"8bit"))
    client = await post.selected()
    async with closing(client):
        for wanted in ("BINARY.PEEK[5]", "BINARY.SIZE[5]", "BINARY.PEEK[5]<0.10>"):
            answer = await client.command(f"FETCH 1:2 {wanted}")
            assert (answer.done.status, answer.done.code) == ("NO", "UNKNOWN-CTE")
            assert [each.number for each in answer.fetched] == [2]
        assert (await client.ok("FETCH 1 BODY.PEEK[5]")).item("BODY[5]") == b"begin 644 x"


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
async def test_a_message_with_nul_is_kept_octet_by_octet(post: Post, non_sync: bool) -> None:
    message = b"Subject: x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 400
    client = await post.selected()
    async with closing(client):
        await client.command("APPEND INBOX ~{}", message, non_sync=non_sync)
        assert read_message(post.store, post.mailbox_id(), 1) == message
        answer = await client.ok("FETCH 1 (RFC822.SIZE BINARY.PEEK[] BINARY.PEEK[1] BINARY.SIZE[1])")
        assert answer.item("BINARY[]") == message and answer.item("RFC822.SIZE") == len(message)
        assert answer.item("BINARY[1]") == bytes(range(256)) * 400 and answer.item("BINARY.SIZE[1]") == 102_400
        # RFC 3501 4.3.1: without BINARY, no NUL is sent; sizes stay true.
        assert (await client.ok("FETCH 1 BODY.PEEK[]")).item("BODY[]") == message.replace(b"\0", b"\x80")


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "BINARY" in client.capabilities


async def test_a_large_part_streams_and_is_not_decoded_anew_for_each_portion(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = random.Random(1).randbytes(12 * 1024 * 1024)
    post.put(
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(picture).replace(b"\n", b"\r\n")
    )
    made: list[Decoded] = []
    begin = Decoded.__init__

    def noted(self: Decoded, *args: object) -> None:
        begin(self, *args)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(Decoded, "__init__", noted)
    client = await post.selected()
    async with closing(client):
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await client.write(b"x FETCH 1 BINARY.PEEK[1]\r\n")
            head = await client._reader.readuntil(b"\r\n")
            assert head == b"* 1 FETCH (BINARY[1] ~{%d}\r\n" % len(picture)
            at = 0
            while at < len(picture):
                piece = await client._reader.read(min(65536, len(picture) - at))
                assert piece == picture[at : at + len(piece)]
                at += len(piece)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak - before < 6_000_000
        assert (await client.line(), (await client.line())[:4]) == (b")", b"x OK")
        whole = made[0].decoded_octets
        assert (await client.ok("FETCH 1 BINARY.SIZE[1]")).item("BINARY.SIZE[1]") == len(picture)
        for offset in range(0, len(picture), 1024 * 1024):
            answer = await client.ok(f"FETCH 1 BINARY.PEEK[1]<{offset}.1048576>")
            assert answer.item(f"BINARY[1]<{offset}>") == picture[offset : offset + 1048576]
        assert len(made) == 1 and made[0].decoded_octets - whole < 4 * whole


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([b"=", b"=3D", b"=\r\n", b"QUJD", b"\r\n", b"x", b"=\n"]), max_size=40).map(b"".join),
    st.sampled_from([b"base64", b"quoted-printable", b"8bit"]),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60)), max_size=4),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_octets_in_any_pieces(
    octets: bytes, encoding: bytes, at_once: int, portions: list[tuple[int, int]]
) -> None:
    """Whole or in portions, in any order: what the decoder makes of all of it at once; and the size is that."""
    marks = mock.patch.object(decoded_module, "_MARK_EVERY", at_once * 3)  # small, so that there are several
    whole = decode_transfer(octets, encoding)
    with marks:
        _check(octets, encoding, at_once, portions, whole)


def _check(octets: bytes, encoding: bytes, at_once: int, portions: list[tuple[int, int]], whole: bytes) -> None:
    decoded = Decoded(InMemory(b"<<" + octets + b">>", at_once), 2, 2 + len(octets), encoding)
    for offset, count in portions:
        assert decoded.reach(offset + count) == min(offset + count, len(whole))
        assert b"".join(decoded.pieces(offset, count)) == whole[offset : offset + count]
    assert decoded.size == len(whole)
    assert b"".join(decoded.pieces()) == whole
