"""What a peer says on an SMTP port: commands, parameters, contents, chunks, sign-ins, and anything else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.mail.envelope import Recipient
from appliance.mail.reply import Reply
from appliance.sasl import Challenge, Credentials, Fault, decode_response, mechanism
from appliance.smtp import Listener
from appliance.smtp.chunking import ChunkScanner, parse_bdat
from appliance.smtp.data_scanner import ContentFault, DataScanner
from appliance.smtp.line_rules import LineReader
from appliance.smtp.parameters import MailCommand, parse_mail, parse_rcpt
from tests.smtp.conftest import House

from .octets import in_pieces, nearly, tries

DIALOGUES = [
    b"EHLO a\r\nMAIL FROM:<a@far.example> SIZE=20\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nSubject: x\r\n\r\n..x\r\n.\r\nQUIT\r\n",
    b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\n",
    b"EHLO a\r\nMAIL FROM:<a@b.example> BODY=8BITMIME\r\nRCPT TO:<ana@example.org> NOTIFY=NEVER\r\nBDAT 3\r\nx\r\nBDAT 2 LAST\r\n\r\n",
    b"EHLO a\r\nAUTH PLAIN AGFuYUBleGFtcGxlLm9yZwB0cmVlcyBhbmQgcml2ZXJz\r\nMAIL FROM:<ana@example.org>\r\nRSET\r\n",
    b"EHLO a\r\nAUTH LOGIN\r\nYW5hQGV4YW1wbGUub3Jn\r\ndHJlZXMgYW5kIHJpdmVycw==\r\nVRFY x\r\nHELP\r\nNOOP x\r\nEXPN y\r\n",
]
WORDS = [
    b"\r\n", b"\n", b"\r", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"\r\n.", b"EHLO x\r\n", b"HELO x\r\n", b"RSET\r\n", b"DATA\r\n", b"BDAT 5\r\n",
    b"BDAT 0 LAST\r\n", b"BDAT 99999999999999999999\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<ana@example.org>\r\n", b"RCPT TO:<nobody@x.y>\r\n",
    b"AUTH PLAIN\r\n", b"*\r\n", b"=\r\n", b"STARTTLS\r\n", b"NOOP\r\n", b"QUIT\r\n", b"\0", b"\xff", b" ", b"<", b">", b'"', b"\\", b"@",
    b":", b" SIZE=1", b" SMTPUTF8", b" ENVID=+0D+0A", b" ORCPT=rfc822;a", b"A" * 3000,
]  # fmt: skip
REPLY = re.compile(rb"(?:[2-5][0-9][0-9]-[\t -~]*\r\n)*[2-5][0-9][0-9](?: [\t -~]*)?\r\n")


class Peer:
    """Says everything at once, on a new connection to a server that goes on, and hears all that is answered."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.houses = {listener: House() for listener in (Listener.SMTP, Listener.SUBMISSION)}
        for listener, house in self.houses.items():
            self.runner.run(house.start(listener, bad_commands_most=50, allow_plaintext_loopback=True))

    def say(self, listener: Listener, octets: list[bytes]) -> bytes:
        return self.runner.run(self._say(self.houses[listener].port, octets))

    async def _say(self, port: int, pieces: list[bytes]) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            writer.write_eof()
            async with asyncio.timeout(20):
                return await reader.read()
        finally:
            writer.close()

    def close(self) -> None:
        for house in self.houses.values():
            self.runner.run(house.server.stop())
            assert house.intake.open_spools == 0, "a spool was left open"
        self.runner.close()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@tries(40)
@given(octets=nearly(DIALOGUES, WORDS), data=st.data())
def test_dialogues(peer: Peer, octets: bytes, data: st.DataObject) -> None:
    """All that is heard are replies, none of them about a fault of ours; what was taken holds no bare line end and no NUL."""
    listener = data.draw(st.sampled_from(list(peer.houses)))
    try:
        said = peer.say(listener, data.draw(in_pieces(octets)))
    except ConnectionError:
        return  # hung up on while it was still talking
    assert not REPLY.sub(b"", said), said
    assert b"451 4.3.0" not in said
    for taken in peer.houses[listener].intake.taken:
        assert b"\0" not in taken.octets
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", taken.octets)
        assert listener is Listener.SMTP or taken.peer.account_id is not None
    peer.houses[listener].intake.taken.clear()


@tries(150)
@given(
    octets=nearly(
        [b"a\r\n..b\r\n.\r\nNOOP\r\n", b".\r\nQUIT", b"..\r\n.x\r\n\r\n.\r\n"], [b"\r\n", b".", b"\r", b"\n", b"\0"]
    ),
    data=st.data(),
)
@example(octets=b"a\n.\n\r\n.\r\n", data=None)  # type: ignore[arg-type]
def test_contents(octets: bytes, data: st.DataObject | None) -> None:
    """The end is the first CR LF . CR LF and nothing else; the content is what came before it, dots undone, whatever the
    pieces; a bare CR, a bare LF or a NUL in it is told."""
    scanner = DataScanner()
    content, rest = b"", b""
    for piece in data.draw(in_pieces(octets)) if data is not None else [octets]:
        if scanner.done:
            rest += piece
        else:
            content += scanner.feed(piece)
            rest = scanner.rest
    end = (b"\r\n" + octets).find(b"\r\n.\r\n")
    assert scanner.done == (end >= 0)
    if scanner.done:
        raw = (b"\r\n" + octets)[: end + 2]
        assert content == raw.replace(b"\r\n.", b"\r\n")[2:]
        assert rest == octets[end + 3 :]
        assert (ContentFault.BARE_LINE_END in scanner.fault) == bool(re.search(rb"\r(?!\n)|(?<!\r)\n", raw))
        assert (ContentFault.NUL in scanner.fault) == (b"\0" in raw)


@tries(100)
@given(
    nearly([b"5", b"5 LAST", b"00000000000000000005 last "], [b"LAST", b" ", b"9" * 30, b"-", b"\xd9\xa1"]),
    st.binary(max_size=40),
    st.data(),
)
def test_chunks(argument: bytes, octets: bytes, data: st.DataObject) -> None:
    """A chunk is exactly as many octets as were announced; what follows is untouched."""
    chunk = parse_bdat(argument.decode("utf-8", "surrogateescape"))
    if chunk is None:
        return
    scanner = ChunkScanner()
    scanner.open(chunk)
    content, rest = b"", b""
    for piece in data.draw(in_pieces(octets)):
        if scanner.done:
            rest += piece
        else:
            content += scanner.feed(piece)
            rest = scanner.rest
    if chunk.size_octets and scanner.done and chunk.last:
        assert content == octets[: chunk.size_octets]
    assert rest == octets[chunk.size_octets :]


@tries(100)
@given(
    nearly([b"NOOP\r\nQUIT\r\n", b"x" * 2100 + b"\r\nNOOP\r\n"], [b"\r\n", b"\r", b"\n", b"\0", b"a" * 1000]), st.data()
)
def test_lines(octets: bytes, data: st.DataObject) -> None:
    """The same lines however they were cut; none holds a CR, an LF or a NUL, and none is longer than allowed."""
    whole, pieces = LineReader(), LineReader()
    whole.feed(octets)
    expected = list(iter(whole.next, None))
    found = []
    for piece in data.draw(in_pieces(octets)):
        pieces.feed(piece)
        found += list(iter(pieces.next, None))
    assert found == expected
    for line in found:
        assert not isinstance(line, bytes) or not re.search(rb"[\r\n\0]", line)


ADDRESSES = [
    b"FROM:<a@b.example> SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>",
    b'TO:<"a b\\"c"@d.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+40b',
    b"FROM:<@r.example,@s.example:a@[IPv6:::1]>",
    "TO:<grüße@bücher.example> ORCPT=utf-8;grüße@b".encode(),
    b"TO:<postmaster>",
    b"FROM:<>",
]


@tries(150)
@given(nearly(ADDRESSES, WORDS), st.booleans(), st.booleans(), st.booleans())
def test_parameters(argument: bytes, extended: bool, dsn: bool, smtputf8: bool) -> None:
    """An argument is a value or a refusal; no address or parameter that was taken could end or begin a line."""
    text = argument.decode("utf-8", "surrogateescape").strip(" ")
    mail = parse_mail(text, extended=extended, dsn=dsn)
    rcpt = parse_rcpt(text, extended=extended, dsn=dsn, smtputf8=smtputf8, postmaster_domain="example.org")
    assert isinstance(mail, MailCommand | Reply) and isinstance(rcpt, Recipient | Reply)
    taken = []
    if isinstance(mail, MailCommand):
        taken += [str(mail.reverse_path or ""), mail.envid or ""]
        assert mail.smtputf8 or taken[0].isascii()
    if isinstance(rcpt, Recipient):
        taken += [str(rcpt.address), rcpt.orcpt or ""]
        assert smtputf8 or taken[-2].isascii()
    for each in taken:
        each.encode()
        assert not re.search(r"[\x00-\x1f\x7f]", each), each


@tries(100)
@given(
    st.sampled_from(["PLAIN", "LOGIN"]),
    st.lists(
        nearly([b"\0bob\0secret", b"bob", b"secret", b"a\0b\0c"], [b"\0", b"\xff", b"a" * 1025]), min_size=1, max_size=4
    ),
    st.booleans(),
)
def test_sign_ins(name: str, answers: list[bytes], initial: bool) -> None:
    """An exchange ends with credentials that are text without NUL, or with a fault; a password is in no repr."""
    machine = mechanism(name, {}, "nonce")
    assert machine is not None
    step = machine.start(answers[0] if initial else None)
    for answer in answers[1:] if initial else answers:
        if not isinstance(step, Challenge):
            break
        step = machine.step(answer)
    match step:
        case Credentials(username=username, password=password):
            assert username and password and "\0" not in username + password
            (username + password).encode()
            assert repr(step) == repr(Credentials(step.authzid, username, "another password"))
        case Challenge() | Fault():
            pass


@tries(100)
@given(nearly([b"AGJvYgBz", b"=", b"*", b"YQ=="], [b"=", b"*", b"\xff", b" ", b"A" * 12289]))
def test_base64(line: bytes) -> None:
    """A line of an exchange is octets or nothing."""
    decoded = decode_response(line)
    assert decoded is None or len(decoded) <= len(line)
