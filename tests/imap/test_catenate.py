"""CATENATE, from RFC 4469: a message put together on the server, from new octets and from parts that are there."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.grammar.fetch import Section, SectionText
from appliance.imap.url import MessageUrl, UrlFault, parse
from tests.support.imap_client import ImapClient
from tests.support.stores import mailbox_of, new_account, put, read_message, uids_of

from .conftest import ADDRESS, PASSWORD, Post, closing

HEADER = b"Subject: all\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
PART_1 = b"Content-Type: text/plain\r\n\r\n"
PART_2 = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
WHOLE = HEADER + b"--b\r\n" + PART_1 + b"hello\r\n--b\r\n" + PART_2 + b"aGVsbG8=\r\n--b--\r\n"

URLS: dict[str, MessageUrl | None] = {
    "/INBOX;UIDVALIDITY=7/;UID=3": MessageUrl("INBOX", 7, 3, Section(peek=True)),
    "/INBOX/;UID=3": MessageUrl("INBOX", None, 3, Section(peek=True)),
    "/a/b%20c;uidvalidity=7/;uid=3/;section=1.2": MessageUrl("a/b c", 7, 3, Section((1, 2), peek=True)),
    "/INBOX/;UID=3/;SECTION=HEADER": MessageUrl("INBOX", None, 3, Section(text=SectionText.HEADER, peek=True)),
    "/INBOX/;UID=3/;SECTION=1.MIME": MessageUrl("INBOX", None, 3, Section((1,), SectionText.MIME, peek=True)),
    "/INBOX/;UID=3/;SECTION=HEADER.FIELDS%20(DATE%20FROM)": MessageUrl(
        "INBOX", None, 3, Section(text=SectionText.HEADER_FIELDS, fields=(b"DATE", b"FROM"), peek=True)
    ),
    "/INBOX/;UID=3/;SECTION=1/;PARTIAL=5.10": MessageUrl("INBOX", None, 3, Section((1,), partial=(5, 10), peek=True)),
    "/INBOX/;UID=3/;PARTIAL=5": MessageUrl("INBOX", None, 3, Section(partial=(5, 4294967295), peek=True)),
    "/%C3%84/;UID=3": MessageUrl("Ä", None, 3, Section(peek=True)),
    "/;UID=3": MessageUrl(None, None, 3, Section(peek=True)),
    ";UID=3/;SECTION=1": MessageUrl(None, None, 3, Section((1,), peek=True)),
    "imap://elsewhere.example/INBOX/;UID=3": None,
    "//elsewhere.example/INBOX/;UID=3": None,
    "http://x/": None,
    "/INBOX": None,
    "/INBOX/;UID=0": None,
    "/INBOX/;UID=4294967296": None,
    "/INBOX;UIDVALIDITY=0/;UID=1": None,
    "/;UIDVALIDITY=7/;UID=1": None,
    "/INBOX/;UID=x": None,
    "/INBOX/;UID=3/;SECTION=FROB": None,
    "/INBOX/;UID=3/;SECTION=1]<0.1>": None,
    "/INBOX/;UID=3/;PARTIAL=5.0": None,
    "/INBOX/;UID=3;URLAUTH=anonymous:INTERNAL:00": None,
    "/%FF/;UID=3": None,
    "/INBOX/;UID=3/;FROB=1": None,
    "": None,
    "x" * 9000: None,
}


@pytest.mark.parametrize(
    ("url", "meaning"), URLS.items(), ids=lambda value: value[:60] if isinstance(value, str) else ""
)
def test_a_url_means(url: str, meaning: MessageUrl | None) -> None:
    if meaning is None:
        with pytest.raises(UrlFault):
            parse(url)
    else:
        assert parse(url) == meaning


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(["/", ";UID=", ";", "1", "INBOX", ";SECTION=", ";PARTIAL=", "%", "%2F", "HEADER", ".", ";UIDVALIDITY="]))
    .map("".join)
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_url_or_a_fault(text: str) -> None:
    try:
        assert parse(text).uid > 0
    except UrlFault as fault:
        assert str(fault).isascii()


async def made_of(post: Post, said: str, *literals: bytes, non_sync: bool = False, selected: bool = True) -> bytes:
    """What the command put into Drafts."""
    client = await (post.selected() if selected else post.client())
    async with closing(client):
        answer = await client.command(said, *literals, non_sync=non_sync)
        assert answer.ok, answer
        uid = int((answer.code("APPENDUID") or "").split()[1])
        return read_message(post.store, post.mailbox_id("Drafts"), uid)


# What the client says after the mailbox, its literals, what comes of it. {v}: INBOX's UIDVALIDITY; UID 1 is WHOLE.
MADE: dict[str, tuple[str, list[bytes], bytes]] = {
    "a text": ("CATENATE (TEXT {})", [b"a: b\r\n\r\nx"], b"a: b\r\n\r\nx"),
    "texts": ("CATENATE (TEXT {} TEXT {} TEXT {})", [b"a: b\r\n", b"\r\n", b"x"], b"a: b\r\n\r\nx"),
    "a whole message": ('CATENATE (URL "/INBOX;UIDVALIDITY={v}/;UID=1")', [], WHOLE),
    "RFC 4469's example: a new part between old ones": (
        'CATENATE (URL "/INBOX;UIDVALIDITY={v}/;UID=1/;SECTION=HEADER" TEXT {} URL "/INBOX;UIDVALIDITY={v}/;UID=1/;SECTION=1.MIME"'
        ' URL "/INBOX;UIDVALIDITY={v}/;UID=1/;SECTION=1" TEXT {} URL "/INBOX/;UID=1/;SECTION=2.MIME" URL "/INBOX/;UID=1/;SECTION=2" TEXT {})',
        [b"--b\r\n", b"\r\n--b\r\n", b"\r\n--b--\r\n"],
        WHOLE.replace(b"aGVsbG8=\r\n--b--", b"aGVsbG8=\r\n--b--"),
    ),
    "urls only": ("CATENATE (URL /INBOX/;UID=1/;SECTION=HEADER URL /INBOX/;UID=1/;SECTION=1)", [], HEADER + b"hello"),
    "a url in a literal": ("CATENATE (TEXT {} URL {} TEXT {})", [b"a: b\r\n\r\n", b"/INBOX/;UID=1/;SECTION=1", b"!"], b"a: b\r\n\r\nhello!"),
    "a url in a literal first": ("CATENATE (URL {} TEXT {})", [b"/INBOX/;UID=1/;SECTION=1", b"!"], b"hello!"),
    "a piece of a part": ("CATENATE (URL /INBOX/;UID=1/;SECTION=1/;PARTIAL=1.3)", [], b"ell"),
    "a piece up to the end": ("CATENATE (URL /INBOX/;UID=1/;SECTION=1/;PARTIAL=3)", [], b"lo"),
    "a piece behind the end, and more": ("CATENATE (URL /INBOX/;UID=1/;SECTION=1/;PARTIAL=99.3 TEXT {})", [b"x"], b"x"),
    "chosen fields": ('CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)" TEXT {})', [b"x"], b"Subject: all\r\n\r\nx"),
    "relative to the selected mailbox": ("CATENATE (URL /;UID=1/;SECTION=1)", [], b"hello"),
    "an empty text among others": ("CATENATE (TEXT {} URL /INBOX/;UID=1/;SECTION=1)", [b""], b"hello"),
    "with NUL": ("CATENATE (TEXT ~{} URL /INBOX/;UID=1/;SECTION=1)", [b"a\0b"], b"a\0bhello"),
    "with UTF-8 (RFC 6855 4)": ("CATENATE (UTF8 (~{}) URL /INBOX/;UID=1/;SECTION=1)", [b"Subject: \xc3\xa4\r\n\r\n"], b"Subject: \xc3\xa4\r\n\r\nhello"),
    "with flags and a time": ('(\\Seen) " 1-Feb-2026 12:00:00 +0000" CATENATE (TEXT {})', [b"x"], b"x"),
}  # fmt: skip


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "literals", "made"), MADE.values(), ids=MADE)
async def test_it_is_put_together(post: Post, said: str, literals: list[bytes], made: bytes, non_sync: bool) -> None:
    post.put(WHOLE)
    validity = (await uidvalidity(post)).encode()
    said = said.replace("{v}", validity.decode())
    assert await made_of(post, f"APPEND Drafts {said}", *literals, non_sync=non_sync) == made


async def uidvalidity(post: Post) -> str:
    client = await post.client()
    async with closing(client):
        return str((await client.ok("STATUS INBOX (UIDVALIDITY)")).status_items["UIDVALIDITY"])


async def test_several_messages_each_put_together(post: Post) -> None:
    post.put(WHOLE)
    client = await post.client()
    async with closing(client):
        answer = await client.ok(
            "APPEND Drafts CATENATE (URL /INBOX/;UID=1/;SECTION=1) (a) CATENATE (TEXT {} URL /INBOX/;UID=1/;SECTION=2) {}",
            b"x",
            b"plain",
        )
        assert (answer.code("APPENDUID") or "").endswith("1:3")
        drafts = post.mailbox_id("Drafts")
        assert [read_message(post.store, drafts, uid) for uid in uids_of(post.store, drafts)] == [
            b"hello",
            b"xaGVsbG8=",
            b"plain",
        ]


# What the client says after the mailbox, its literals, the answer and what the code names.
REFUSED: dict[str, tuple[str, list[bytes], str, str | None, str | None]] = {
    "no such mailbox": ("CATENATE (URL /nothing/;UID=1)", [], "NO", "BADURL", "/nothing/;UID=1"),
    "no such message": ("CATENATE (URL /INBOX/;UID=99)", [], "NO", "BADURL", "/INBOX/;UID=99"),
    "no such part": ("CATENATE (URL /INBOX/;UID=1/;SECTION=7)", [], "NO", "BADURL", "/INBOX/;UID=1/;SECTION=7"),
    "another UIDVALIDITY": ("CATENATE (URL /INBOX;UIDVALIDITY=1/;UID=1)", [], "NO", "BADURL", "/INBOX;UIDVALIDITY=1/;UID=1"),
    "another server": ("CATENATE (URL imap://x/INBOX/;UID=1)", [], "NO", "BADURL", "imap://x/INBOX/;UID=1"),
    "no URL": ('CATENATE (URL "a b]c")', [], "NO", "BADURL", "a%20b%5Dc"),
    "an empty URL": ('CATENATE (TEXT {} URL "/INBOX")', [b"x"], "NO", "BADURL", "/INBOX"),
    "bad in the middle": ("CATENATE (TEXT {} URL /INBOX/;UID=99 TEXT {})", [b"a LOGOUT\r\n", b"b LOGOUT\r\n"], "NO", "BADURL", "/INBOX/;UID=99"),
    "bad at the end": ("CATENATE (TEXT {} URL /INBOX/;UID=99)", [b"x"], "NO", "BADURL", "/INBOX/;UID=99"),
    "bad in a literal": ("CATENATE (URL {} TEXT {})", [b"/some-url", b"foobar\r\n"], "NO", "BADURL", "/some-url"),
    "relative to nothing": ("CATENATE (URL /;UID=1)", [], "NO", "BADURL", "/;UID=1"),
    "too large together": ("CATENATE (TEXT {} URL /INBOX/;UID=1)", [b"x" * 990], "NO", "TOOBIG", None),
    "too large at once": ("CATENATE (URL /INBOX/;UID=1 TEXT {})", [b"x" * 990], "NO", "TOOBIG", None),
    "nothing at all": ("CATENATE (TEXT {})", [b""], "NO", "CANNOT", None),
    "nothing in it": ("CATENATE ()", [], "BAD", None, None),
    "not closed": ("CATENATE (TEXT {}", [b"x"], "BAD", None, None),
    "an unknown part": ("CATENATE (FILE {})", [b"x"], "BAD", None, None),
    "no space": ("CATENATE (TEXT {}TEXT {})", [b"x", b"y"], "BAD", None, None),
}  # fmt: skip


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "literals", "status", "code", "named"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_put_together(
    post: Post, said: str, literals: list[bytes], status: str, code: str | None, named: str | None, non_sync: bool
) -> None:
    post.put(WHOLE)
    client = await ImapClient.signed_in(await post.start(message_octets=1000), ADDRESS, PASSWORD)
    async with closing(client):
        answer = await client.command(f"APPEND Drafts {said}", *literals, non_sync=non_sync)
        assert (answer.done.status, answer.done.code) == (status, code)
        assert named is None or answer.done.argument == named
        assert (await client.ok("STATUS Drafts (MESSAGES)")).status_items == {"MESSAGES": 0}


async def test_messages_of_another_account_cannot_be_named(post: Post) -> None:
    other = new_account(post.store, "ann@example.org")
    put(post.store, mailbox_of(post.store, other.id).id, WHOLE)
    client = await post.client()
    async with closing(client):
        for url in ("/INBOX/;UID=1", "/../INBOX/;UID=1", "/ann@example.org/INBOX/;UID=1"):
            assert (await client.command(f"APPEND Drafts CATENATE (URL {url})")).done.code == "BADURL"


async def test_hundreds_of_parts(post: Post) -> None:
    post.put(WHOLE)
    client = await post.client()
    async with closing(client):
        await client.ok("APPEND Drafts CATENATE (" + " ".join(["URL /INBOX/;UID=1/;SECTION=1"] * 300) + ")")
        assert read_message(post.store, post.mailbox_id("Drafts"), 1) == b"hello" * 300
        many = " ".join(["URL /INBOX/;UID=1/;SECTION=1"] * 600)
        assert (await client.command(f"APPEND Drafts CATENATE ({many})")).done.status == "BAD"
        await client.ok("NOOP")


async def test_memory_does_not_grow_with_what_is_put_together(post: Post) -> None:
    large = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * (1024 * 1024 // 2)  # 8 MiB
    post.put(large)
    client = await post.client()
    async with closing(client):
        tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            await client.ok("APPEND Drafts CATENATE (URL /INBOX/;UID=1 URL /INBOX/;UID=1 URL /INBOX/;UID=1)")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak - before < 6_000_000
        assert (await client.ok("STATUS Drafts (MESSAGES)")).status_items == {"MESSAGES": 1}


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "CATENATE" in client.capabilities
