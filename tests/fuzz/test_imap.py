"""What a client says on an IMAP port."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.imap.enabled import Extension
from appliance.imap.grammar import session as session_commands
from appliance.imap.grammar.command import READERS
from appliance.imap.machine import (
    AFTER_SIGN_IN,
    AppendEnded,
    AppendMore,
    AppendOctets,
    AppendReady,
    CommandReady,
    Event,
    Fatal,
    Fault,
    ImapMachine,
    Line,
    NeedContinuation,
    State,
)
from appliance.imap.server import ImapServer, ImapSettings
from appliance.imap.values import MailboxNameFault, decode_mailbox, encode_mailbox
from appliance.store.interface import Store
from tests.imap.conftest import ADDRESS, PASSWORD, Gate
from tests.support.stores import mailbox_of, new_account, open_store, put

from .octets import in_pieces, nearly, tries

COMMANDS = [
    b'a SEARCH RETURN (MIN COUNT) CHARSET UTF-8 OR (FROM "x" NOT TEXT {1+}\r\ny) UID 1:* SENTSINCE 1-Jan-2020\r\n',
    b"a FETCH 1:*,2 (FLAGS UID ENVELOPE BODYSTRUCTURE BODY.PEEK[1.HEADER.FIELDS (From \"X\")]<0.10> RFC822.SIZE)\r\n",
    b'a UID STORE 1:2 -FLAGS.SILENT (\\Seen key)\r\nb EXPUNGE\r\nc UID EXPUNGE 1:*\r\nd CLOSE\r\n',
    b'a APPEND "INBOX" (\\Seen) "24-Nov-2026 12:00:00 +0000" {5+}\r\nhello\r\nb APPEND x {3}\r\nabc\r\n',
    b'a APPEND x (a) {2+}\r\nyo CATENATE (URL /INBOX;UIDVALIDITY=1/;UID=1/;SECTION=1.MIME TEXT ~{3+}\r\na\0b URL {2+}\r\n/x)\r\n',
    b"a APPEND x UTF8 (~{2+}\r\nyo) {3}\r\nabc\r\nb UID REPLACE 1 {5+}\r\nINBOX () {1+}\r\nx\r\nc REPLACE * x CATENATE (TEXT {1}\r\ny)\r\n",
    b"a ENABLE UTF8=ACCEPT\r\nb FETCH 1:* (BINARY.PEEK[1]<0.10> BINARY.SIZE[1] BINARY[] ENVELOPE BODYSTRUCTURE)\r\nc SEARCH CHARSET UTF-8 ALL\r\n",
    b"a CREATE new/sub\r\nb RENAME new old\r\nc DELETE old\r\nd SUBSCRIBE INBOX\r\ne LSUB \"\" *\r\nf UNSUBSCRIBE INBOX\r\n",
    b'a LIST (SUBSCRIBED) "" (INBOX "%/*") RETURN (STATUS (MESSAGES) CHILDREN)\r\nb STATUS INBOX (MESSAGES UIDNEXT)\r\n',
    b"a NOTIFY SET STATUS (SELECTED (MessageNew (UID BODY.PEEK[1]) MessageExpunge FlagChange)) (MAILBOXES (a INBOX) NONE)"
    b" (PERSONAL (MailboxName))\r\nb CREATE x (USE (\\Sent))\r\nc NOTIFY SET (SUBTREE INBOX (SubscriptionChange))\r\n",
    b'a LIST (SPECIAL-USE RECURSIVEMATCH) "" % RETURN (METADATA (/shared/a) MYRIGHTS)\r\nb NOTIFY NONE\r\n',
    b"a SETACL INBOX anyone +lrd\r\nb GETACL INBOX\r\nc LISTRIGHTS INBOX a@b\r\nd MYRIGHTS Shared/a@b/c\r\ne DELETEACL INBOX anyone\r\n",
    b"a SETMETADATA INBOX (/private/a ~{2+}\r\n\0x /shared/b NIL)\r\nb GETMETADATA (MAXSIZE 1 DEPTH infinity) INBOX (/private)\r\n",
    b'a GETQUOTAROOT INBOX\r\nb GETQUOTA ""\r\nc CREATE Shared/a@b/c/d\r\nd RENAME Shared/a@b/c x\r\n',
    b"a SELECT INBOX\r\nb COPY 1 INBOX\r\nc MOVE 1 Trash\r\nd EXAMINE &AMQ-\r\ne UNSELECT\r\nf CHECK\r\n",
    b'a ID ("name" NIL)\r\nb ENABLE CONDSTORE\r\nc NAMESPACE\r\nd CAPABILITY\r\ne IDLE\r\nDONE\r\nf LOGOUT\r\n',
    b'a UID SEARCH RETURN (SAVE MIN PARTIAL -1:-9) $ MODSEQ "/flags/x" all 5 OLDER 9 SAVEDON 1-Jan-2020 EMAILID M1 THREADID T1\r\nb FETCH $ (EMAILID THREADID SAVEDATE)\r\n',
    b'a SORT (REVERSE SUBJECT DISPLAYFROM DATE) UTF-8 ALL\r\nb UID SORT RETURN (ALL COUNT) (TO CC SIZE) UTF-8 NOT $\r\n',
    b'a THREAD REFERENCES UTF-8 1:*\r\nb UID THREAD ORDEREDSUBJECT UTF-8 OR $ YOUNGER 9\r\n',
    b"a SORT (REVERSE DATE SUBJECT DISPLAYFROM) UTF-8 ALL\r\nb UID SORT RETURN (PARTIAL -1:-100 MIN) (SIZE) US-ASCII OR NEW SEEN\r\n"
    b"c THREAD REFERENCES UTF-8 SUBJECT {1+}\r\nx\r\nd UID THREAD ORDEREDSUBJECT US-ASCII UID 1:*\r\n",
    b"a ENABLE QRESYNC\r\nb SELECT INBOX (QRESYNC (1 1 1:3 (1,2 1,2)) CONDSTORE)\r\nc UID FETCH 1:* (FLAGS MODSEQ) (CHANGEDSINCE 1 VANISHED)\r\n"
    b"d STORE 1:* (UNCHANGEDSINCE 0) +FLAGS (x)\r\ne SEARCH MODSEQ \"/flags/\\\\Seen\" all 1\r\nf STATUS INBOX (HIGHESTMODSEQ MAILBOXID)\r\n",
    b"a SEARCH RETURN (SAVE PARTIAL 1:2 COUNT ALL) OLDER 1 SAVEDSINCE 1-Jan-2020 EMAILID M1 THREADID T1\r\nb FETCH $ (EMAILID THREADID SAVEDATE PREVIEW (LAZY))\r\n"
    b"c UID SEARCH RETURN () UID $ NOT $\r\nd UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)\r\n",
    b"a ENABLE UIDONLY IMAP4REV2\r\nb FETCH 1 FLAGS\r\nc UID FETCH 1:* (FLAGS BINARY.SIZE[1])\r\nd UID MOVE 1 Trash\r\ne UID EXPUNGE 1:*\r\n",
    b'a LOGIN bob "x y"\r\nb AUTHENTICATE PLAIN AGEAYg==\r\nc AUTHENTICATE LOGIN\r\n*\r\nd STARTTLS\r\n',
]  # fmt: skip
WORDS = [
    *(b"a " + name for name in READERS), b"\r\n", b"\n", b"\r", b" ", b"(", b")", b'"', b"\\", b"{3}\r\n", b"{3+}\r\n", b"{0+}\r\n", b"{99999}\r\n",
    b"{4294967295}\r\n", b"{9999999999+}\r\n", b"~{3}\r\n", b"~{3+}\r\n", b"CATENATE (", b"URL ", b"TEXT ", b"UTF8 (", b"/INBOX;UID=1", b"*", b"%", b"1:*", b"4294967295", b"4294967296", b"0", b"NIL", b"BODY[", b"]", b"<0.1>",
    b"HEADER.FIELDS (", b"1.2.MIME", b"INBOX", b"&AAAA-", b"&AAo-", b"&", b"../", b"/", b"\0", b"\xff", b"\xc3\xa4", b"\\Seen", b"\\*", b"NOT ",
    b"OR ", b"$", b"RETURN (SAVE) ", b"PARTIAL 1:2", b"MODSEQ 1 ", b"UTF-8 ALL", b"REVERSE ", b"UID ", b"CHARSET UTF-7 ", b"(" * 60, b"9" * 25, b"A" * 2000, b"31-Feb-2026", b"RETURN (", b"PARTIAL 1:1", b"SAVE",
    b"$", b"(CHANGEDSINCE 1)", b"(QRESYNC (1 1", b"MODSEQ 1", b"REVERSE ", b"SUBJECT", b"ENABLE ", b"QRESYNC", b"UIDONLY", b"UTF8=ACCEPT",
    b'"31-Dec-9999 23:59:59 -2359"',
]  # fmt: skip
streams = nearly(COMMANDS, WORDS)


def told(state: State, enabled: frozenset[Extension], pieces: list[bytes]) -> list[Event]:
    """All events, neighbouring AppendOctets joined; who asks is answered as a server might."""
    machine = ImapMachine(state=state)
    machine.enabled |= enabled
    found: list[Event] = []
    for piece in pieces:
        machine.receive(piece)
        while (event := machine.next_event()) is not None:
            if isinstance(event, AppendOctets) and found and isinstance(found[-1], AppendOctets):
                event = AppendOctets(found.pop().octets + event.octets)  # type: ignore[union-attr]
            found.append(event)
            match event:
                case AppendReady(tag):
                    machine.accept_append() if len(tag) % 2 else machine.refuse_append()
                case AppendMore(items):
                    machine.accept_append() if len(items) % 2 else machine.refuse_append()
                case CommandReady(_, session_commands.Idle() | session_commands.Authenticate()):
                    machine.expect_line()
                case CommandReady(_, session_commands.Logout()):
                    machine.logged_out()
        assert machine.holds <= AFTER_SIGN_IN.command_octets + AFTER_SIGN_IN.literal_octets + len(piece)
    return found


@tries(200)
@given(st.sampled_from(list(State)), st.frozensets(st.sampled_from(Extension)), streams, st.data())
def test_machine(state: State, enabled: frozenset[Extension], octets: bytes, data: st.DataObject) -> None:
    """Any octets in any state are a list of events, the same however they were cut; nothing comes after Fatal, and no
    password is in a repr."""
    events = told(state, enabled, [octets])
    pieces = told(state, enabled, data.draw(in_pieces(octets)))
    assert [event for event in pieces if not isinstance(event, AppendEnded)] == [
        event for event in events if not isinstance(event, AppendEnded)
    ]
    for place, event in enumerate(events):
        match event:
            case Fatal():
                assert place == len(events) - 1
            case Fault(text=text):
                assert "\r" not in text and "\n" not in text
            case CommandReady(_, session_commands.Login(password=password)):
                assert len(password) < 6 or repr(password) not in repr(event)
            case (
                CommandReady()
                | NeedContinuation()
                | AppendReady()
                | AppendOctets()
                | AppendMore()
                | AppendEnded()
                | Line()
            ):
                pass


@tries(200)
@given(
    nearly(
        [b"INBOX", b"&AMQ-x&-", b"&2D3eAA-", b"a/b/../c"], [b"&", b"-", b"&AAA-", b"&2D0-", b"\xff", b"\xc3\xa4", b","]
    )
)
def test_mailbox_names(octets: bytes) -> None:
    """Any octets are a name that comes back the same, or none."""
    try:
        name = decode_mailbox(octets)
    except MailboxNameFault:
        return
    name.encode()
    assert decode_mailbox(encode_mailbox(name)) == name


MESSAGES = [
    b"From: a@x.example\r\nSubject: =?utf-7?q?+2AA-?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
    b"",
]


class Server:
    """A real one over a real store; each conversation is signed in and has INBOX selected."""

    def __init__(self, store: Store) -> None:
        self.runner = asyncio.Runner()
        account = new_account(store, ADDRESS)
        for message in MESSAGES:
            put(store, mailbox_of(store, account.id).id, message)
        self.server = ImapServer(ImapSettings("mx.example.org"), store, Gate(account.id), tls=None)  # type: ignore[arg-type]
        self.runner.run(self._attach(store))
        self.port = self.runner.run(self.server.start("127.0.0.1", 0))

    async def _attach(self, store: Store) -> None:
        store.bus.attach(asyncio.get_running_loop())

    def say(self, octets: bytes) -> bytes:
        return self.runner.run(self._say(octets))

    async def _say(self, octets: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f'x LOGIN {ADDRESS} "{PASSWORD}"\r\ny SELECT INBOX\r\n'.encode() + octets)
            writer.write_eof()
            async with asyncio.timeout(20):
                return await reader.read()
        finally:
            writer.close()

    def close(self) -> None:
        self.runner.run(self.server.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with open_store(Path(tmp_path_factory.mktemp("imap")) / "home") as store:
        server = Server(store)
        yield server
        server.close()


@tries(60)
@given(octets=st.lists(streams, min_size=1, max_size=3).map(b"".join))
def test_conversations(server: Server, octets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is asked, nothing is a fault of ours, and what is answered is IMAP: lines, and literals as announced."""
    caplog.clear()
    try:
        said = server.say(octets)
    except ConnectionError:
        return  # hung up on while it was still talking
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert b"SERVERBUG" not in said
    place = 0
    while place < len(said):
        end = said.index(b"\r\n", place)
        line = said[place:end]
        assert not re.search(rb"[\r\n\0]", line), line
        announced = re.search(rb"\{(\d+)\}\Z", line)
        place = end + 2 + (int(announced[1]) if announced else 0)
    assert place == len(said)
