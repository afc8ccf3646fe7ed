"""Clients that send without end, never read or stay half open: bounded memory and time, and the others unharmed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tracemalloc

import pytest

from .conftest import NAME, PASSWORD, House

MANY = 100_000
HELD_MOST = 2_000_000  # octets; a connection's own buffers are 128 KiB each way

FLOODS = {
    # (what is sent, what has to come back, how many commands)
    "NOOP": (b"NOOP\r\n", b"+OK Here\r\n", MANY),
    "a mark and its end": (b"DELE 1\r\nRSET\r\n", b"+OK Gone after QUIT\r\n+OK 1 message (14 octets)\r\n", MANY // 5),
}


@pytest.mark.parametrize(("commands", "answers", "many"), FLOODS.values(), ids=FLOODS.keys())
async def test_a_hundred_thousand_commands_in_one_go(house: House, commands: bytes, answers: bytes, many: int) -> None:
    """All are answered in their order; meanwhile others are answered too."""
    house.put(b"Subject: x\r\n\r\n")
    house.accounts.add("eve@example.org", PASSWORD)
    port = await house.start()
    flooding, other = await (await house.connect(port)).sign_in(), await house.connect(port)
    times = many // commands.count(b"\n")
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()

        async def send() -> None:
            portion = commands * 1000
            for _ in range(times // 1000):
                flooding.writer.write(portion)
                await flooding.writer.drain()

        async def read() -> int:
            left = len(answers) * times
            while left:
                octets = await flooding.reader.read(min(left, 65536))
                assert octets
                left -= len(octets)
            return left

        sending, reading = asyncio.create_task(send()), asyncio.create_task(read())
        asked = 0
        while not reading.done():
            assert (await other.ask("CAPA")).startswith("+OK")
            await other.many()
            asked += 1
        await sending
        assert await reading == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert asked > many // 1000, "the others waited for it"
    assert peak - before < HELD_MOST, peak - before


async def test_a_hundred_thousand_commands_and_never_reading(house: House) -> None:
    """Its octets are left where they are when its answers are not taken, and then it is cut off."""
    port = await house.start(stall_timeout_s=0.3)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.settimeout(20)
            silent.connect(("127.0.0.1", port))

            def flood() -> None:
                silent.sendall(f"USER {NAME}\r\nPASS {PASSWORD}\r\n".encode())
                silent.sendall(b"UIDL\r\nCAPA\r\n" * MANY)

            with contextlib.suppress(ConnectionError):  # cut off before it could send all of it
                await asyncio.to_thread(flood)
            await house.locks.released()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < HELD_MOST + 25 * (1 << 20), "with a password's hash"


async def test_half_closed(house: House) -> None:
    """Who has said all it wants still gets the answers, and QUIT is done."""
    house.put(b"Subject: x\r\n\r\n")
    client = await house.client()
    client.send(f"USER {NAME}\r\nPASS {PASSWORD}\r\nDELE 1\r\nQUIT\r\n".encode())
    client.writer.write_eof()
    assert (await client.end()).endswith(b"+OK Goodbye\r\n")
    assert house.uids == []


async def test_half_open(house: House) -> None:
    """A peer that is gone without a word is let go when it has been silent for too long, and its maildrop with it."""
    port = await house.start(idle_timeout_s=0.3)
    client = await (await house.connect(port)).sign_in()
    await house.locks.released()
    assert await client.end() == b""
    again = await house.connect(port)
    assert (await (await again.sign_in()).ask("STAT")).startswith("+OK")


async def test_an_exchange_that_is_never_finished(house: House) -> None:
    client = await house.client(sign_in_timeout_s=0.3)
    assert (await client.ask("AUTH SCRAM-SHA-256")).startswith("+ ")
    assert await client.end() == b""
