"""Whole conversations over sockets, with the real store and real accounts behind them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import poplib
import random
import shutil
import socket
import sqlite3
import ssl
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store.changes.messages import remove
from appliance.store.refusals import Damaged, StorageFailed
from appliance.store.transaction import Change
from appliance.wire.listener import ConnectionLimits
from tests.support.ca import client_context, make_certificate
from tests.support.stores import mailbox_of, put

from .conftest import NAME, PASSWORD, PATIENCE_S, House

HELLO = b"Subject: hello\r\nFrom: ann@example.net\r\n\r\nHello, Bob.\r\n.\r\n..two dots\r\n"
NO_END = b"Subject: no end\r\n\r\nno line end here"
EIGHT_BIT = b"Subject: \xfcber\r\n\r\n" + bytes(range(128, 256)) * 100 + b"\r\n"


async def test_a_conversation(house: House) -> None:
    first, second, third = house.put(HELLO, NO_END, EIGHT_BIT)
    client = await (await house.client()).sign_in()
    total = len(HELLO) + len(NO_END) + len(EIGHT_BIT)
    assert await client.ask("STAT") == f"+OK 3 {total}"
    assert await client.ask_many("LIST") == [f"1 {len(HELLO)}", f"2 {len(NO_END)}", f"3 {len(EIGHT_BIT)}"]
    uidvalidity = (await client.ask("UIDL 1")).split()[2].split(".")[0]
    assert await client.ask_many("UIDL") == [
        f"{n} {uidvalidity}.{uid}" for n, uid in enumerate((first, second, third), 1)
    ]

    assert await client.ask("RETR 1") == f"+OK {len(HELLO)} octets"
    assert await client.whole() == HELLO
    assert (await client.ask("RETR 2")).startswith("+OK")
    assert await client.whole() == NO_END + b"\r\n"
    assert (await client.ask("RETR 3")).startswith("+OK")
    assert await client.whole() == EIGHT_BIT
    assert (await client.ask("TOP 1 1")).startswith("+OK")
    assert await client.whole() == HELLO[: HELLO.index(b".\r\n.") + 3]

    assert (await client.ask("DELE 2")).startswith("+OK")
    assert await client.ask("STAT") == f"+OK 2 {total - len(NO_END)}"
    assert await client.ask("QUIT") == "+OK Goodbye"
    assert await client.end() == b""
    assert house.uids == [first, third]

    client = await (await house.connect(await house.start())).sign_in()
    assert await client.ask_many("UIDL") == [f"1 {uidvalidity}.{first}", f"2 {uidvalidity}.{third}"]


async def test_everything_in_one_packet(house: House) -> None:
    """RFC 2449 6.6: answers in order, also over the change of state and around whole messages."""
    house.put(HELLO, NO_END)
    client = await house.client()
    client.send(
        f"CAPA\r\nUSER {NAME}\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 1\r\nXXXX\r\nTOP 2 0\r\nDELE 1\r\nLIST\r\nQUIT\r\n".encode()
    )
    assert await client.line() == "+OK Capabilities"
    assert "PIPELINING" in await client.many()
    assert await client.line() == "+OK Now the password"
    assert (await client.line()).startswith("+OK 2 messages")
    assert await client.line() == f"+OK 2 {len(HELLO) + len(NO_END)}"
    assert await client.line() == f"+OK {len(HELLO)} octets"
    assert await client.whole() == HELLO
    assert await client.line() == "-ERR Unknown command"
    assert await client.line() == "+OK The top of it"
    assert await client.whole() == b"Subject: no end\r\n\r\n"
    assert await client.line() == "+OK Gone after QUIT"
    assert (await client.line()).startswith("+OK 1 message ")
    assert await client.many() == [f"2 {len(NO_END)}"]
    assert await client.line() == "+OK Goodbye"
    assert await client.end() == b""
    assert len(house.uids) == 1


async def test_byte_by_byte(house: House) -> None:
    house.put(HELLO)
    client = await house.client()
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in f"USER {NAME}\r\nPASS {PASSWORD}\r\nSTAT\r\n".encode():
        client.send(bytes((octet,)))
        await client.writer.drain()
    assert [(await client.line())[:3] for _ in range(3)] == ["+OK"] * 3


async def test_what_comes_after_sign_in_is_for_the_next_session(house: House) -> None:
    house.put(HELLO)
    client = await (await house.client()).sign_in()
    house.put(NO_END)
    assert await client.ask("STAT") == f"+OK 1 {len(HELLO)}"
    await client.ask("QUIT")
    client = await (await house.connect(await house.start())).sign_in()
    assert await client.ask("STAT") == f"+OK 2 {len(HELLO) + len(NO_END)}"


async def test_a_message_that_somebody_else_removed(house: House) -> None:
    gone, left = house.put(HELLO, NO_END)
    client = await (await house.client()).sign_in()
    house.store.write_now(remove(house.mailbox_id, [gone]))
    assert await client.ask("RETR 1") == "-ERR That message is gone"
    assert (await client.ask("RETR 2")).startswith("+OK")
    await client.whole()
    await client.ask("DELE 1")
    assert await client.ask("QUIT") == "+OK Goodbye"
    assert house.uids == [left]


class TestDeleting:
    @pytest.mark.parametrize("end", ["hangs up", "vanishes", "is idle", "server stops"])
    async def test_a_session_without_quit_deletes_nothing(self, house: House, end: str) -> None:
        uids = house.put(HELLO, NO_END)
        client = await (await house.client(idle_timeout_s=0.2 if end == "is idle" else 600)).sign_in()
        assert (await client.ask("DELE 1")).startswith("+OK")
        match end:
            case "hangs up":
                client.writer.write_eof()
            case "vanishes":
                client.vanish()
            case "server stops":
                await house.servers[0].stop()
        await house.locks.released()
        if end != "vanishes":
            assert await client.end() == b"", "RFC 1939 3: not a word"
        assert house.uids == uids

    async def test_half_a_quit_is_none(self, house: House) -> None:
        uids = house.put(HELLO)
        client = await (await house.client()).sign_in()
        await client.ask("DELE 1")
        client.send(b"QUIT")
        client.writer.write_eof()
        assert await client.end() == b""
        assert house.uids == uids

    async def test_ok_comes_after_the_durable_change(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        house.put(HELLO, NO_END)
        client = await (await house.client()).sign_in()
        write, go_on, asked = house.store.write, asyncio.Event(), asyncio.Event()
        durable: list[bool] = []

        async def late(change: Change[list[int]], **how: bool) -> list[int]:
            durable.append(how.get("durable", True))
            asked.set()
            await go_on.wait()
            return await write(change, **how)

        monkeypatch.setattr(house.store, "write", late)
        assert await client.ask("DELE 1") == await client.ask("DELE 2") == "+OK Gone after QUIT"
        client.send(b"QUIT\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await asked.wait()
        goodbye = asyncio.create_task(client.line())
        done, _ = await asyncio.wait((goodbye,), timeout=0.05)
        assert not done
        assert len(house.uids) == 2
        go_on.set()
        assert await goodbye == "+OK Goodbye"
        assert house.uids == []
        assert durable == [True], "one change for all of them"

    async def test_a_change_that_fails_is_told_without_details(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uids = house.put(HELLO)
        client = await (await house.client()).sign_in()

        async def failing(*_: object, **__: object) -> None:
            raise StorageFailed("/dev/mmcblk0: input/output error")

        monkeypatch.setattr(house.store, "write", failing)
        await client.ask("DELE 1")
        assert await client.ask("QUIT") == "-ERR [SYS/TEMP] Some messages were not removed, try again later"
        assert await client.end() == b""
        assert house.uids == uids


class TestLock:
    async def test_one_session_for_each_account_over_both_ports(self, house: House) -> None:
        first = await (await house.client()).sign_in()
        second = await house.connect(await house.start(implicit_tls=True), tls=True)
        for _ in range(4):  # more often than a wrong password may be tried
            await second.ask(f"USER {NAME}")
            assert (await second.ask(f"PASS {PASSWORD}")).startswith("-ERR [IN-USE] ")
        assert house.slept_s == []
        assert await first.ask("QUIT") == "+OK Goodbye"
        await second.sign_in()

    async def test_another_account_is_not_locked(self, house: House) -> None:
        house.accounts.add("ann@example.org", PASSWORD)
        await (await house.client()).sign_in()
        other = await house.connect(await house.start())
        await other.ask("USER ann@example.org")
        assert await other.ask(f"PASS {PASSWORD}") == "+OK 0 messages (0 octets)"

    async def test_free_again_when_a_client_vanished(self, house: House) -> None:
        port = await house.start()
        (await (await house.connect(port)).sign_in()).vanish()
        await house.locks.released()
        await (await house.connect(port)).sign_in()

    async def test_free_again_when_the_inbox_could_not_be_read(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = await house.client()
        with monkeypatch.context() as patch:

            def failing(*_: object) -> None:
                raise sqlite3.DatabaseError("database disk image is malformed")

            patch.setattr("appliance.pop3.inbox.look", failing)
            await client.ask(f"USER {NAME}")
            answer = await client.ask(f"PASS {PASSWORD}")
        assert answer == "-ERR [SYS/TEMP] Something went wrong here, try again later"
        assert "malformed" in caplog.text
        await client.sign_in()


class TestSigningIn:
    async def test_wrong_passwords_are_slow_and_few(self, house: House) -> None:
        client = await house.client(failed_sign_in_delay_s=3.0)
        for _ in range(3):
            await client.ask(f"USER {NAME}")
            assert await client.ask("PASS wrong") == "-ERR [AUTH] The name or the password is wrong"
        assert await client.end() == b""
        assert house.slept_s == [3.0] * 3

    async def test_who_guesses_has_to_wait(self, house: House) -> None:
        """The limits of accounts/: the fifth wrong one makes the next wait, whatever it is."""
        port = await house.start()
        for n in range(5):
            client = await house.connect(port)
            await client.ask(f"USER {NAME}")
            assert (await client.ask(f"PASS wrong {n}")).startswith("-ERR [AUTH]")
        await client.ask(f"USER {NAME}")
        assert (await client.ask(f"PASS {PASSWORD}")).startswith("-ERR [LOGIN-DELAY] ")

    async def test_a_fault_of_ours_is_no_wrong_password(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def failing(*_: object, **__: object) -> None:
            raise RuntimeError("inner detail")

        client = await house.client()
        monkeypatch.setattr(house.accounts, "sign_in", failing)
        for _ in range(4):
            await client.ask(f"USER {NAME}")
            answer = await client.ask(f"PASS {PASSWORD}")
            assert answer == "-ERR [SYS/TEMP] Something went wrong here, try again later"
        assert "inner detail" in caplog.text

    async def test_who_does_not_sign_in_is_sent_away(self, house: House) -> None:
        client = await house.client(sign_in_timeout_s=0.2)
        assert await client.end() == b""

    async def test_who_only_sends_octets_is_sent_away(self, house: House) -> None:
        client = await house.client(sign_in_timeout_s=0.2)

        async def flood() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    client.send(b"x" * 1024)
                    await client.writer.drain()
                    await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        try:
            with contextlib.suppress(ConnectionError):
                assert await client.end() == b""
        finally:
            flooding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flooding

    async def test_auth_plain(self, house: House) -> None:
        port = await house.start()
        words = "AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNlIGJhdHRlcnk="
        for lines in ([f"AUTH PLAIN {words}"], ["AUTH PLAIN", words]):
            client = await house.connect(port)
            for line in lines[:-1]:
                assert await client.ask(line) == "+ "
            assert await client.ask(lines[-1]) == "+OK 0 messages (0 octets)"
            assert await client.ask("QUIT") == "+OK Goodbye"


class TestTls:
    async def test_passwords_only_under_tls(self, house: House) -> None:
        client = await house.client(allow_plaintext_loopback=False)
        before = await client.ask_many("CAPA")
        assert "STLS" in before and not {"USER", "SASL SCRAM-SHA-256 PLAIN"} & set(before)
        assert await client.ask(f"USER {NAME}") == "-ERR Sign in over TLS only"
        assert await client.ask("STLS") == "+OK Begin TLS"
        await client.start_tls()
        after = await client.ask_many("CAPA")
        assert "STLS" not in after and {"USER", "SASL SCRAM-SHA-256 PLAIN"} <= set(after)
        await client.sign_in()

    async def test_nothing_injected_before_the_handshake_is_answered_after_it(self, house: House) -> None:
        """CVE-2011-0411 and its kin."""
        client = await house.client()
        client.send(f"STLS\r\nUSER {NAME}\r\nPASS {PASSWORD}\r\nDELE 1\r\nQU".encode())
        assert await client.line() == "+OK Begin TLS"
        await client.start_tls()
        assert await client.ask("NOOP") == "-ERR Sign in first"
        assert await client.ask("PASS x") == "-ERR USER first"

    async def test_a_port_that_begins_with_tls(self, house: House) -> None:
        client = await house.connect(await house.start(implicit_tls=True), tls=True)
        assert "STLS" not in await client.ask_many("CAPA")
        assert await client.ask("STLS") == "-ERR TLS is in use already"
        await client.sign_in()

    async def test_without_a_certificate_the_session_goes_on(self, house: House) -> None:
        client = await house.client()
        house.tls = ssl.SSLError("key values mismatch")
        assert await client.ask("STLS") == "-ERR [SYS/TEMP] TLS is not available now"
        await client.sign_in()

    async def test_a_handshake_that_is_none_ends_the_session(self, house: House) -> None:
        client = await house.client()
        assert await client.ask("STLS") == "+OK Begin TLS"
        client.send(b"USER bob\r\nPASS x\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"+OK" not in await client.end()


class TestPatience:
    async def test_too_many_connections(self, house: House) -> None:
        port = await house.start(limits=ConnectionLimits(most=1, most_per_ip=1))
        await house.connect(port)
        second = await house.connect(port, greeted=False)
        assert await second.line() == "-ERR [SYS/TEMP] Too many connections, try again later"
        assert await second.end() == b""

    async def test_too_many_mistakes(self, house: House) -> None:
        client = await house.client()
        client.send(b"EHLO\r\n" * 25)
        assert [await client.line() for _ in range(20)] == ["-ERR Unknown command"] * 19 + ["-ERR Too many mistakes"]
        assert await client.end() == b""

    async def test_a_long_line_does_not_end_the_session(self, house: House) -> None:
        client = await (await house.client()).sign_in()
        assert await client.ask("N" * 300_000) == "-ERR The line is too long"
        assert await client.ask("NOOP") == "+OK Here"

    async def test_who_never_reads_is_cut_off(self, house: House) -> None:
        house.put(random.Random(1).randbytes(20 << 20))
        port = await house.start(stall_timeout_s=0.3)
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            silent.connect(("127.0.0.1", port))
            silent.sendall(f"USER {NAME}\r\nPASS {PASSWORD}\r\nDELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n".encode())
            await house.locks.released()
            assert len(house.uids) == 1, "QUIT was not reached"

    async def test_health(self, house: House) -> None:
        await house.start()
        server = house.servers[0]
        assert server.health() is None
        await server.stop()
        assert server.health() is not None


class TestFailingCard:
    """A message that does not read back."""

    class Content:
        def __init__(self, *pieces: bytes) -> None:
            self.given = pieces
            self.size = 1 << 20

        def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
            yield from self.given
            raise Damaged(1)

    async def test_from_the_start(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        house.put(HELLO)
        client = await (await house.client()).sign_in()
        monkeypatch.setattr(house.store, "content_in", lambda *_: self.Content())
        assert await client.ask("RETR 1") == "-ERR [SYS/PERM] That message is damaged and cannot be read"
        assert await client.ask("NOOP") == "+OK Here"

    async def test_in_the_middle_no_client_takes_it_for_whole(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.put(HELLO)
        client = await (await house.client()).sign_in()
        monkeypatch.setattr(house.store, "content_in", lambda *_: self.Content(b"x" * 1000 + b"\r\n"))
        client.send(b"RETR 1\r\nNOOP\r\n")
        with contextlib.suppress(ConnectionError):
            octets = await client.end()
            assert b"\r\n.\r\n" not in octets
            assert b"-ERR" not in octets, "that would be read as a line of the message"

    async def test_a_fault_of_ours(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        house.put(HELLO)
        client = await (await house.client()).sign_in()
        with monkeypatch.context() as patch:

            def failing(*_: object) -> None:
                raise RuntimeError("inner detail")

            patch.setattr(house.store, "content_in", failing)
            assert await client.ask("RETR 1") == "-ERR [SYS/TEMP] Something went wrong here, try again later"
        assert "inner detail" in caplog.text
        assert (await client.ask("RETR 1")).startswith("+OK")
        assert await client.whole() == HELLO

    async def test_a_fault_in_the_machine_is_told_and_ends_the_session(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = await (await house.client()).sign_in()

        def failing(*_: object) -> None:
            raise RuntimeError("inner detail")

        monkeypatch.setattr("appliance.pop3.machine.command", failing)
        assert await client.ask("NOOP") == "-ERR [SYS/TEMP] Something went wrong here, try again later"
        assert await client.end() == b""
        assert "inner detail" in caplog.text


async def test_a_large_message_is_not_held(house: House) -> None:
    """20 MB to a client that takes its time: what is held at once stays far below that."""
    message = b"Subject: large\r\n\r\n" + b"".join(
        random.Random(7).randbytes(38).hex().encode() + b"\r\n" for _ in range(268_000)
    )
    assert len(message) > 20_000_000
    house.put(message)
    digest, size = hashlib.sha256(message).digest(), len(message)
    del message
    port = await house.start()
    status = f"+OK {size} octets\r\n".encode()

    def fetch() -> bytes:
        seen = hashlib.sha256()
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client,
            client.makefile("rb") as lines,
        ):
            lines.readline()
            client.sendall(f"USER {NAME}\r\nPASS {PASSWORD}\r\nRETR 1\r\n".encode())
            assert [lines.readline()[:3] for _ in range(2)] == [b"+OK", b"+OK"]
            assert lines.readline() == status
            left = size
            while left:
                octets = lines.read(min(left, 65536))
                assert octets
                seen.update(octets)
                left -= len(octets)
            assert lines.readline() == b".\r\n"
        return seen.digest()

    tracemalloc.start()
    try:
        assert await asyncio.to_thread(fetch) == digest
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000, peak


class TestClients:
    async def test_poplib(self, house: House) -> None:
        eight_bit = EIGHT_BIT[:1000] + b"\r\n"  # poplib takes no line above 2048 octets
        house.put(HELLO, NO_END, eight_bit)
        port = await house.start(allow_plaintext_loopback=False)

        def fetch() -> None:
            client = poplib.POP3("localhost", port, timeout=PATIENCE_S)
            client.stls(client_context())
            assert "PIPELINING" in client.capa()
            client.user(NAME)
            client.pass_(PASSWORD)
            assert client.stat() == (3, len(HELLO) + len(NO_END) + len(eight_bit))
            assert b"\r\n".join(client.retr(1)[1]) + b"\r\n" == HELLO
            assert client.top(2, 0)[1] == [b"Subject: no end", b""]
            assert b"\r\n".join(client.retr(3)[1]) + b"\r\n" == eight_bit
            assert len(client.uidl()[1]) == 3
            client.dele(1)
            client.rset()
            client.dele(3)
            client.quit()

        await asyncio.to_thread(fetch)
        assert len(house.uids) == 2

    async def test_poplib_over_tls(self, house: House) -> None:
        house.put(HELLO)
        port = await house.start(implicit_tls=True)

        def fetch() -> list[bytes]:
            client = poplib.POP3_SSL("localhost", port, context=client_context(), timeout=PATIENCE_S)
            client.user(NAME)
            client.pass_(PASSWORD)
            lines = client.retr(1)[1]
            client.quit()
            return lines

        assert b"\r\n".join(await asyncio.to_thread(fetch)) + b"\r\n" == HELLO

    @pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
    @pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
    async def test_curl(self, house: House, tmp_path: Path, scheme: str) -> None:
        """It signs in with AUTH PLAIN."""
        house.put(HELLO, NO_END)
        port = await house.start(implicit_tls=scheme == "pop3s", allow_plaintext_loopback=False)
        certificate = tmp_path / "certificate.pem"
        certificate.write_bytes(make_certificate()[0])

        async def curl(path: str, *words: str) -> bytes:
            process = await asyncio.create_subprocess_exec(
                "curl", "-sS", "--ssl-reqd", "--cacert", str(certificate), "--user", f"{NAME}:{PASSWORD}",
                *words, f"{scheme}://localhost:{port}/{path}",
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            octets, _ = await process.communicate()
            assert process.returncode == 0
            return octets

        assert await curl("") == f"1 {len(HELLO)}\r\n2 {len(NO_END)}\r\n".encode()
        assert await curl("1") == HELLO
        assert await curl("2") == NO_END + b"\r\n"
        await curl("1", "-X", "DELE", "-I")
        assert len(house.uids) == 1


async def test_many_clients_at_once(house: House) -> None:
    """Eight accounts, each with its own mail, none sees another's."""
    for n in range(8):
        account = house.accounts.add(f"user{n}@example.org", PASSWORD)
        put(house.store, mailbox_of(house.store, account.id).id, f"Subject: {n}\r\n\r\nfor {n}\r\n".encode())
    port = await house.start()

    async def fetch(n: int) -> None:
        client = await house.connect(port)
        client.send(f"USER user{n}\r\nPASS {PASSWORD}\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n".encode())
        assert [(await client.line())[:3] for _ in range(3)] == ["+OK"] * 3
        assert await client.whole() == f"Subject: {n}\r\n\r\nfor {n}\r\n".encode()
        assert await client.line() == "+OK Gone after QUIT"
        assert await client.line() == "+OK Goodbye"

    async with asyncio.TaskGroup() as group:
        for n in range(8):
            group.create_task(fetch(n))
