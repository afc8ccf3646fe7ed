"""A strict IMAP client: it knows what the RFC forbids a server to send, and fails on it.

It keeps its own idea of the selected mailbox and holds the server to it: sequence numbers exist, EXISTS never shrinks, a
message keeps its UID, UIDs grow, EXPUNGE comes only where it may (RFC 3501 7.4.1), a flag is one that FLAGS named, every
command is answered, and nothing comes between commands but what RFC 3501 7 lets come at any time. What a client has
switched on it insists on: UID and MODSEQ in each FETCH, and MODSEQs that never go back (RFC 7162 3.1); VANISHED and never
EXPUNGE (RFC 7162 3.2.10); no message numbers (RFC 9586); no \\Recent (RFC 9051).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import zlib
from dataclasses import dataclass, field

from . import imap_responses as grammar
from .imap_responses import SYSTEM_FLAGS, Fetched, Reader, Status, Text, Violation

PATIENCE_S = 20.0


@dataclass
class Answer:
    """The tagged response and what came before it."""

    done: Status
    statuses: list[Status] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    fetched: list[Fetched] = field(default_factory=list)
    expunged: list[int] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)
    earlier: str | None = None  # the set of VANISHED (EARLIER)
    exists: list[int] = field(default_factory=list)
    searched: list[int] | None = None
    sorted: list[int] | None = None
    threads: list[grammar.Thread] | None = None
    modseq: int | None = None  # of a SEARCH or SORT response
    esearch: dict[str, object] | None = None
    listed: list[tuple[frozenset[bytes], bytes]] = field(default_factory=list)
    status_items: dict[str, int] = field(default_factory=dict)  # of the last mailbox told of
    status_of: dict[bytes, dict[str, object]] = field(default_factory=dict)
    child_info: dict[bytes, list[bytes]] = field(default_factory=dict)
    old_names: dict[bytes, bytes] = field(default_factory=dict)
    rights: dict[bytes, bytes] = field(default_factory=dict)
    words: list[bytes] = field(default_factory=list)  # of ACL, LISTRIGHTS, QUOTAROOT
    metadata: dict[bytes, dict[bytes, bytes | None]] = field(default_factory=dict)  # mailbox → entry → value
    quotas: dict[bytes, dict[bytes, tuple[int, int]]] = field(default_factory=dict)  # root → resource → (use, limit)

    @property
    def ok(self) -> bool:
        return self.done.status == "OK"

    def code(self, name: str) -> str | None:
        """The argument of a response code, tagged or not."""
        for each in (self.done, *self.statuses):
            if each.code == name:
                return each.argument or ""
        return None

    def item(self, name: str, number: int | None = None) -> object:
        """The only such item fetched, or that of one message."""
        found = [each.items[name] for each in self.fetched if name in each.items and number in (None, each.number)]
        assert len(found) == 1, (name, self.fetched)
        return found[0]


@dataclass
class Mailbox:
    """uids: by place, None where not known yet; known_flags, modseqs: by UID, as they were told last."""

    uids: list[int | None] = field(default_factory=list)
    known_flags: dict[int, frozenset[bytes]] = field(default_factory=dict)
    modseqs: dict[int, int] = field(default_factory=dict)
    flags: frozenset[bytes] = frozenset()
    known: bool = False  # EXISTS has come


class ImapClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._tags = 0
        self._running: bytes | None = None  # the verb of the command in progress
        self._by_uid = self._of_another = False
        self.mailbox: Mailbox | None = None
        self.greeting: Status
        self.capabilities: tuple[str, ...] = ()
        self.condstore = self.qresync = self.uid_only = self.rev2 = False  # what is switched on
        self._implies_condstore = self._asks_earlier = False  # the command in progress does
        self._closed: Mailbox | None = None  # what CLOSED said is so
        self.between: list[bytes] = []  # lines that came while no command ran
        self.utf8 = False  # strings may be UTF-8
        self.notified = False  # NOTIFY is on: LIST and STATUS may come at any time (RFC 5465 5)
        self.expunged_any_time = False  # and EXPUNGE, with SELECTED
        self.told: list[tuple[int, frozenset[bytes] | None, int | None]] = []  # what FETCH said: UID, FLAGS, MODSEQ

    @classmethod
    async def connect(cls, port: int, *, tls: ssl.SSLContext | None = None) -> ImapClient:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None, limit=2**27
        )
        client = cls(reader, writer)
        line = await client._response()
        if not line.startswith(b"* "):
            raise Violation(f"no greeting: {line!r}")
        client.greeting = grammar.status(Reader(line[2:]))
        client._note_code(client.greeting)
        return client

    @classmethod
    async def signed_in(cls, port: int, username: str, password: str) -> ImapClient:
        client = await cls.connect(port)
        answer = await client.command(f'LOGIN "{username}" "{password}"')
        assert answer.ok, answer
        return client

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()

    # commands

    async def command(self, text: str | bytes, *literals: bytes, non_sync: bool = False) -> Answer:
        """`text` has `{}` where the literals go. With non_sync they are sent unasked."""
        tag = await self.send(text, *literals, non_sync=non_sync)
        return await self.answer(tag)

    async def ok(self, text: str | bytes, *literals: bytes) -> Answer:
        answer = await self.command(text, *literals)
        assert answer.ok, (text, answer)
        return answer

    async def send(self, text: str | bytes, *literals: bytes, non_sync: bool = False) -> bytes:
        """Returns the tag. What the server says to a synchronizing literal has to be `+`, or ends the command."""
        self._tags += 1
        tag = b"t%d" % self._tags
        octets = text.encode() if isinstance(text, str) else text
        words = octets.upper().split(b" ")
        self._by_uid = words[0] == b"UID"
        self._of_another = b"SHARED/" in octets.upper()  # may be for reading only (RFC 4314 5.2)
        self._running = words[1] if self._by_uid else words[0]
        self._implies_condstore = re.search(rb"MODSEQ|CHANGEDSINCE|\((CONDSTORE|QRESYNC)", octets.upper()) is not None
        self._asks_earlier = b"VANISHED" in octets.upper() or b"(QRESYNC" in octets.upper()
        pieces = octets.split(b"{}")
        assert len(pieces) == len(literals) + 1
        self._writer.write(tag + b" " + pieces[0])
        for literal, piece in zip(literals, pieces[1:], strict=True):
            self._writer.write(b"{%d%s}\r\n" % (len(literal), b"+" if non_sync else b""))
            if not non_sync:
                await self._writer.drain()
                line = await self._continuation()
                if line.startswith(tag):
                    self._pending = line
                    return tag
                if not line.startswith(b"+ "):
                    raise Violation(f"a continuation expected: {line!r}")
            self._writer.write(literal + piece)
        self._writer.write(b"\r\n")
        await self._writer.drain()
        return tag

    _pending: bytes | None = None

    async def write(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def answer(self, tag: bytes) -> Answer:
        answer = Answer(Status("", None, None, ""))
        while True:
            line = self._pending if self._pending is not None else await self._response()
            self._pending = None
            if line.startswith(tag + b" "):
                answer.done = grammar.status(Reader(line[len(tag) + 1 :]))
                self._note_code(answer.done)
                self._after(answer.done)
                self._running = None
                return answer
            if line.startswith(b"+ "):
                raise Violation(f"a continuation that nobody waits for: {line!r}")
            self._untagged(line, answer)

    async def idle(self) -> bytes:
        """Begins to idle; returns the tag for `done`."""
        tag = await self.send("IDLE")
        line = await self._continuation()
        if not line.startswith(b"+ "):
            raise Violation(f"a continuation expected: {line!r}")
        return tag

    async def _continuation(self) -> bytes:
        """What answers a synchronizing literal or IDLE; before it may stand what NOTIFY lets come at any time."""
        running, self._running = self._running, None
        while (line := await self._response()).startswith(b"* ") and self.notified:
            self._untagged(line, Answer(Status("", None, None, "")))
        self._running = running
        return line

    async def news(self) -> Answer:
        """The next untagged response, while idle."""
        answer = Answer(Status("", None, None, ""))
        self._untagged(await self._response(), answer)
        return answer

    async def done(self, tag: bytes) -> Answer:
        await self.write(b"DONE\r\n")
        return await self.answer(tag)

    async def start_tls(self, context: ssl.SSLContext) -> Answer:
        answer = await self.command("STARTTLS")
        if answer.ok:
            await self._writer.start_tls(context, server_hostname="localhost")
        return answer

    async def compress(self) -> Answer:
        """From the answer on, both ways (RFC 4978)."""
        answer = await self.command("COMPRESS DEFLATE")
        if answer.ok:
            self._reader, self._writer = compressed(self._reader, self._writer)
        return answer

    async def ended(self) -> bytes:
        """What still comes until the server hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read()

    # what comes

    async def line(self) -> bytes:
        return await self._response()

    async def _response(self) -> bytes:
        """One response with its literals, without the final CRLF."""
        octets = b""
        while True:
            async with asyncio.timeout(PATIENCE_S):
                line = await self._reader.readuntil(b"\r\n")
            if b"\n" in line[:-2] or b"\0" in line:
                raise Violation(f"a bare LF or a NUL in a line: {line!r}")
            octets += line
            literal = re.search(rb"\{(\d+)\}\r\n\Z", line)
            if literal is None:
                return octets[:-2]
            async with asyncio.timeout(PATIENCE_S):
                octets += await self._reader.readexactly(int(literal.group(1)))

    def _untagged(self, line: bytes, answer: Answer) -> None:
        if not line.startswith(b"* "):
            raise Violation(f"a response that is neither tagged nor untagged: {line!r}")
        answer.lines.append(line)
        if line.startswith(b"* ENABLED"):
            self.utf8 |= b"UTF8=ACCEPT" in line.upper() or b"IMAP4REV2" in line.upper()
        reader = Reader(line[2:], utf8=self.utf8)
        numbered = re.match(rb"(\d+) ([A-Z]+)", reader.octets)
        if numbered is not None:
            reader.at = numbered.end()
            self._numbered(int(numbered.group(1)), numbered.group(2), reader, answer)
            return
        word = re.match(rb"[A-Z]+", reader.octets)
        if word is None:
            raise reader.fail("a response expected")
        name = word.group()
        if name in (b"OK", b"NO", b"BAD", b"BYE"):
            status = grammar.status(reader)
            self._note_code(status)
            answer.statuses.append(status)
            if status.code == "CLOSED":  # what came so far was of the mailbox before
                for each in (answer.fetched, answer.vanished, answer.expunged, answer.exists, self.told):
                    each.clear()
            return
        reader.at = word.end()
        match name:
            case b"CAPABILITY":
                self._set_capabilities(reader.octets[reader.at :].decode())
            case b"FLAGS":
                reader.need(b" ")
                flags = reader.flags()
                if not flags >= SYSTEM_FLAGS or b"\\Recent" in flags:
                    raise reader.fail("FLAGS names the system flags, and not \\Recent")
                self._mailbox_for_select().flags = flags
                reader.end()
            case b"LIST" | b"LSUB":
                self._listed(name, reader, answer)
            case b"STATUS":
                self._status(reader, answer)
            case b"MYRIGHTS":
                self._rights(reader, answer)
            case b"ACL" | b"LISTRIGHTS":
                self._need_running(b"GETACL" if name == b"ACL" else name, reader)
                answer.words = grammar.words(reader)
            case b"METADATA":
                if self._running not in (b"GETMETADATA", b"LIST"):
                    raise reader.fail("METADATA unasked")
                answer.metadata |= grammar.metadata(reader)
            case b"QUOTA" | b"QUOTAROOT":
                if self._running not in (b"GETQUOTA", b"GETQUOTAROOT"):
                    raise reader.fail("a quota unasked")
                if name == b"QUOTA":
                    root, resources = grammar.quota(reader)
                    answer.quotas[root] = resources
                else:
                    answer.words = grammar.words(reader)
            case b"SEARCH" | b"SORT":
                self._need_running(name, reader)
                if answer.searched is not None or answer.sorted is not None:
                    raise reader.fail("a second answer")
                numbers, answer.modseq = grammar.numbers_found(reader)
                if name == b"SEARCH":
                    answer.searched = numbers
                else:
                    answer.sorted = numbers
            case b"THREAD":
                self._need_running(name, reader)
                answer.threads = grammar.threads(reader)
            case b"ESEARCH":
                self._esearch(reader, answer)
            case b"VANISHED":
                self._vanished(reader, answer)
            case b"ENABLED" | b"ID" | b"NAMESPACE":
                self._need_running(b"ENABLE" if name == b"ENABLED" else name, reader)
                if name == b"ENABLED":
                    on = line.split()[2:]
                    self.qresync |= b"QRESYNC" in on
                    self.condstore |= self.qresync or b"CONDSTORE" in on
                    self.uid_only |= b"UIDONLY" in on
                    self.rev2 |= b"IMAP4REV2" in on
            case _:
                raise reader.fail("there is no such response")

    def _need_running(self, verb: bytes, reader: Reader) -> None:
        if self._running != verb:
            raise reader.fail(f"that answers {verb!r}, which is not running")

    def _numbered(self, number: int, word: bytes, reader: Reader, answer: Answer) -> None:
        mailbox = self._mailbox_for_select()
        match word:
            case b"EXISTS":
                reader.end()
                if number < len(mailbox.uids):
                    raise reader.fail("EXISTS shrinks without EXPUNGE")
                mailbox.uids += [None] * (number - len(mailbox.uids))
                mailbox.known = True
                answer.exists.append(number)
            case b"RECENT":
                reader.end()
                if self.rev2:
                    raise reader.fail("RECENT is no more in IMAP4rev2")
                if number > len(mailbox.uids):
                    raise reader.fail("more are recent than there are")
            case b"EXPUNGE":
                reader.end()
                if self.qresync or self.uid_only:
                    raise reader.fail("EXPUNGE, where VANISHED is asked for")
                if self._running is None and not self.expunged_any_time:
                    raise reader.fail("EXPUNGE while no command is in progress")
                if self._running in (b"FETCH", b"STORE", b"SEARCH", b"SORT", b"THREAD") and not self._by_uid:
                    raise reader.fail("EXPUNGE in answer to FETCH, STORE, SEARCH, SORT or THREAD")
                self._check_number(number, reader)
                self._forget(number - 1)
                answer.expunged.append(number)
            case b"UIDFETCH":
                if not self.uid_only:
                    raise reader.fail("UIDFETCH unasked")
                reader.need(b" ")
                fetched = grammar.fetched(self._place(number, reader) + 1, reader)
                fetched.items.setdefault("UID", number)
                self._check_fetched(fetched, reader)
                answer.fetched.append(fetched)
            case b"FETCH":
                if self.uid_only:
                    raise reader.fail("FETCH, where UIDFETCH is asked for")
                self._check_number(number, reader)
                reader.need(b" ")
                fetched = grammar.fetched(number, reader)
                self._check_fetched(fetched, reader)
                answer.fetched.append(fetched)
            case _:
                raise reader.fail("there is no such response")

    def _forget(self, place: int) -> None:
        assert self.mailbox is not None
        uid = self.mailbox.uids.pop(place)
        if uid is not None:
            self.mailbox.known_flags.pop(uid, None)
            self.mailbox.modseqs.pop(uid, None)

    def _place(self, uid: int, reader: Reader) -> int:
        """Where the message of that UID is; of one whose UID is not known yet, a place where it may be."""
        assert self.mailbox is not None
        uids = self.mailbox.uids
        if uid in uids:
            return uids.index(uid)
        if self.uid_only and None in uids:  # where it stands is nobody's business: the known ones first
            uids.remove(None)
            known_uids = sorted([uid, *(each for each in uids if each is not None)])
            uids[:] = [*known_uids, *[None] * (len(uids) + 1 - len(known_uids))]
            return uids.index(uid)
        for place, known in enumerate(uids):
            if known is not None and known > uid:
                break
            after = next((each for each in uids[place + 1 :] if each is not None), None)
            if known is None and (after is None or after > uid):
                return place
        raise reader.fail(f"there is no message of UID {uid}")

    def _vanished(self, reader: Reader, answer: Answer) -> None:
        earlier = reader.take(b" (EARLIER)")
        reader.need(b" ")
        text = reader.octets[reader.at :]
        mailbox = self._mailbox_for_select()
        if earlier:
            if not self._asks_earlier or answer.earlier is not None:
                raise reader.fail("VANISHED (EARLIER) unasked, or twice")
            if answer.fetched and self._running in (b"SELECT", b"EXAMINE"):
                raise reader.fail("VANISHED (EARLIER) after FETCH")
            answer.earlier = text.decode()
            known = sorted(uid for uid in mailbox.uids if uid is not None)
            if any(grammar.in_set(text, uid) for uid in known):
                raise reader.fail("a message that is there has vanished EARLIER")
            return
        if not (self.qresync or self.uid_only):
            raise reader.fail("VANISHED unasked")
        unasked = self._running is None and not self.expunged_any_time
        if unasked or (self._running in (b"FETCH", b"STORE", b"SEARCH") and not self._by_uid):
            raise reader.fail("VANISHED where EXPUNGE could not be")
        for uid in grammar.number_set(text):
            self._forget(self._place(uid, reader))
            answer.vanished.append(uid)

    def _mailbox_for_select(self) -> Mailbox:
        if self._running in (b"SELECT", b"EXAMINE"):
            if self.mailbox is None or self._selecting is not self.mailbox:
                if self.mailbox is not None and self._closed is not self.mailbox:
                    if self.notified:  # it was on its way when SELECT was
                        return self.mailbox
                    raise Violation("CLOSED has to come between two mailboxes (RFC 7162 3.2.11)")
                self.mailbox = self._selecting = Mailbox()
            return self.mailbox
        if self.mailbox is None:
            raise Violation("a response about a mailbox while none is selected")
        return self.mailbox

    _selecting: Mailbox | None = None

    def _after(self, done: Status) -> None:
        verb = self._running
        if self._implies_condstore and done.status == "OK":
            self.condstore = True
        if verb in (b"SELECT", b"EXAMINE"):
            if done.status == "OK":
                if self.mailbox is None or self._selecting is not self.mailbox or not self.mailbox.known:
                    raise Violation("a mailbox was selected without EXISTS")
                read_only = done.code == "READ-ONLY"
                if read_only != (verb == b"EXAMINE") and not (read_only and self._of_another):
                    raise Violation(f"{verb!r} ends with {done.code}")
            elif done.status == "NO":
                self.mailbox = None
            self._selecting = None
        elif verb in (b"CLOSE", b"UNSELECT") and done.status == "OK":
            self.mailbox = None

    def _check_number(self, number: int, reader: Reader) -> None:
        if self.mailbox is None or not 1 <= number <= len(self.mailbox.uids):
            raise reader.fail("there is no message of that number")

    def _check_fetched(self, fetched: Fetched, reader: Reader) -> None:
        assert self.mailbox is not None
        uid = fetched.items.get("UID")
        if self.condstore and not {"UID", "MODSEQ"} <= fetched.items.keys():
            raise reader.fail("UID or MODSEQ is missing (RFC 7162 3.1)")
        if "MODSEQ" in fetched.items and not (self.condstore or self._implies_condstore):
            raise reader.fail("MODSEQ unasked")
        if self._by_uid and self._running in (b"FETCH", b"STORE") and uid is None:
            raise reader.fail("UID is missing (RFC 3501 6.4.8)")
        if isinstance(uid, int):
            place = fetched.number - 1
            known = self.mailbox.uids[place]
            if known not in (None, uid):
                raise reader.fail(f"message {fetched.number} had UID {known}")
            before = [each for each in self.mailbox.uids[:place] if each is not None]
            after = [each for each in self.mailbox.uids[place + 1 :] if each is not None]
            if (before and before[-1] >= uid) or (after and after[0] <= uid):
                raise reader.fail("UIDs do not grow")
            self.mailbox.uids[place] = uid
        flags = fetched.items.get("FLAGS")
        uid = self.mailbox.uids[fetched.number - 1]
        modseq = fetched.items.get("MODSEQ")
        if isinstance(modseq, int) and uid is not None:
            if modseq < self.mailbox.modseqs.get(uid, 0):
                raise reader.fail("a MODSEQ that goes back")
            self.mailbox.modseqs[uid] = modseq
        if isinstance(flags, frozenset) and uid is not None:
            self.mailbox.known_flags[uid] = flags
        if uid is not None:
            told_flags = flags if isinstance(flags, frozenset) else None
            self.told.append((uid, told_flags, modseq if isinstance(modseq, int) else None))
        if isinstance(flags, frozenset) and self.rev2 and b"\\Recent" in flags:
            raise reader.fail("\\Recent is no more in IMAP4rev2")
        if isinstance(flags, frozenset) and not flags <= self.mailbox.flags | {b"\\Recent"}:
            raise reader.fail("a flag that FLAGS did not name")

    def _listed(self, name: bytes, reader: Reader, answer: Answer) -> None:
        # RFC 9051 6.3.4: LIST with OLDNAME after a command that names a mailbox
        may = (name, b"CREATE", b"RENAME", b"SELECT", b"EXAMINE", b"SUBSCRIBE")
        if self._running not in may and not (self.notified and name == b"LIST"):
            raise reader.fail("a mailbox listed unasked")
        reader.need(b" ")
        attributes = reader.flags()
        if {b"\\HasChildren", b"\\HasNoChildren"} <= attributes:
            raise reader.fail("both with and without children")
        reader.need(b' "/" ')
        mailbox = reader.astring()
        answer.listed.append((attributes, mailbox))
        if reader.take(b" ("):
            if name == b"LSUB":
                raise reader.fail("LSUB has no extended data")
            if reader.take(b'"CHILDINFO" ('):
                options = answer.child_info.setdefault(mailbox, [])
                while not reader.take(b")"):
                    if options:
                        reader.need(b" ")
                    options.append(bytes(reader.string()))
            else:
                reader.need(b'"OLDNAME" (')
                answer.old_names[mailbox] = reader.astring()
                reader.need(b")")
            reader.need(b")")
        reader.end()

    def _status(self, reader: Reader, answer: Answer) -> None:
        if self._running not in (b"STATUS", b"LIST") and not self.notified:
            raise reader.fail("STATUS unasked")
        reader.need(b" ")
        mailbox = reader.astring()
        reader.need(b" (")
        items: dict[str, object] = {}
        while not reader.take(b")"):
            if items:
                reader.need(b" ")
            name = reader.match(re.compile(rb"[A-Z-]+"), "a status item").group().decode()
            reader.need(b" ")
            if name in items:
                raise reader.fail("an item twice")
            items[name] = reader.value() if name == "MAILBOXID" else reader.number()
        reader.end()
        answer.status_of[mailbox] = items
        answer.status_items = {name: value for name, value in items.items() if isinstance(value, int)}

    def _rights(self, reader: Reader, answer: Answer) -> None:
        """RFC 4314 3.5, RFC 8440."""
        if self._running not in (b"MYRIGHTS", b"LIST"):
            raise reader.fail("MYRIGHTS unasked")
        reader.need(b" ")
        mailbox = reader.astring()
        reader.need(b" ")
        answer.rights[mailbox] = reader.astring()
        reader.end()

    def _esearch(self, reader: Reader, answer: Answer) -> None:
        if self._running not in (b"SEARCH", b"SORT"):
            raise reader.fail("ESEARCH unasked")
        if answer.esearch is not None:
            raise reader.fail("a second ESEARCH")
        reader.need(b" (TAG ")
        if reader.string() != b"t%d" % self._tags:
            raise reader.fail("the tag of another command")
        reader.need(b")")
        if reader.take(b" UID") != self._by_uid:
            raise reader.fail("UID or not UID")
        answer.esearch = {}
        while reader.at < len(reader.octets):
            reader.need(b" ")
            name = reader.atom().decode()
            reader.need(b" ")
            if name in answer.esearch:
                raise reader.fail(f"{name} stands twice")
            if name == "PARTIAL":
                answer.esearch[name] = grammar.partial_results(reader)
                continue
            value = reader.match(re.compile(rb"[0-9:,]+"), "numbers").group()
            answer.esearch[name] = grammar.number_set(value) if name == "ALL" else int(value)

    def _note_code(self, status: Status) -> None:
        if status.code == "CLOSED":
            self._closed = self.mailbox
        if status.code == "CAPABILITY" and status.argument:
            self._set_capabilities(status.argument)

    def _set_capabilities(self, text: str) -> None:
        self.capabilities = tuple(text.split())
        if "IMAP4rev1" not in self.capabilities:
            raise Violation("IMAP4rev1 is missing")
        if len(set(self.capabilities)) != len(self.capabilities):
            raise Violation("a capability stands twice")


class _Deflating:
    """As much of a StreamWriter as is used here."""

    def __init__(self, writer: asyncio.StreamWriter, inflating: asyncio.Task[None]) -> None:
        self.writer, self.inflating = writer, inflating
        self._deflate = zlib.compressobj(wbits=-15)

    def write(self, octets: bytes) -> None:
        self.writer.write(self._deflate.compress(octets) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    async def drain(self) -> None:
        await self.writer.drain()

    def close(self) -> None:
        self.inflating.cancel()
        self.writer.close()

    async def wait_closed(self) -> None:
        await self.writer.wait_closed()


def compressed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    inflated = asyncio.StreamReader(limit=2**27)

    async def inflate() -> None:
        inflater = zlib.decompressobj(-15)
        while octets := await reader.read(2**16):
            inflated.feed_data(inflater.decompress(octets))
        inflated.feed_eof()

    return inflated, _Deflating(writer, asyncio.get_running_loop().create_task(inflate()))  # type: ignore[return-value]


__all__ = ["Answer", "ImapClient", "Text", "Violation"]
