"""AUTH SCRAM-SHA-256 over a socket, being cut off when the password changes, and UTF8 and LANG as a client meets them."""

from __future__ import annotations

import asyncio
import base64
import ssl

import pytest

from tests.support.ca import client_context
from tests.support.scram_client import ScramClient

from .conftest import NAME, PASSWORD, Client, House

OTHER = "another long sentence"


async def authenticate(client: Client, scram: ScramClient, mechanism: str = "SCRAM-SHA-256") -> str:
    line = await client.ask(f"AUTH {mechanism} " + base64.b64encode(scram.first()).decode())
    for answer in (scram.final, scram.check):
        if not line.startswith("+ "):
            return line
        line = await client.ask(base64.b64encode(answer(base64.b64decode(line[2:])) or b"").decode())
    return line


async def test_signing_in(house: House) -> None:
    client = await house.client()
    assert await authenticate(client, ScramClient(NAME, OTHER)) == "-ERR [AUTH] The name or the password is wrong"
    assert house.slept_s == [3.0]
    assert (await authenticate(client, ScramClient(NAME, PASSWORD))).startswith("+OK 0 messages")
    assert (await client.ask("QUIT")).startswith("+OK")


async def test_bound_to_its_connection(house: House) -> None:
    port = await house.start(implicit_tls=True)
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    client = Client(reader, writer)
    house._clients.append(client)
    await client.line()
    assert "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN" in await client.ask_many("CAPA")
    binding = writer.get_extra_info("ssl_object").get_channel_binding("tls-unique")
    assert (await authenticate(client, ScramClient(NAME, PASSWORD, flag="y"))).startswith("-ERR [AUTH]")
    bound = ScramClient(NAME, PASSWORD, flag="p=tls-unique", binding=binding)
    assert (await authenticate(client, bound, "SCRAM-SHA-256-PLUS")).startswith("+OK 0 messages")


@pytest.mark.parametrize("what", ["changed", "removed"])
async def test_cut_off(house: House, what: str) -> None:
    """What was marked is kept, and the maildrop is free again."""
    house.store.bus.attach(asyncio.get_running_loop())
    house.put(b"Subject: x\r\n\r\n")
    port = await house.start()
    client, stranger = await (await house.connect(port)).sign_in(), await house.connect(port)
    await client.ask("DELE 1")
    if what == "changed":
        await asyncio.to_thread(house.accounts.change_password, NAME, OTHER)
    else:
        await asyncio.to_thread(house.accounts.remove, NAME)
    assert await client.line() == "-ERR [AUTH] The password was changed or the account removed, sign in again"
    assert await client.end() == b""
    assert (await stranger.ask("CAPA")).startswith("+OK")
    assert len(house.uids) == (what == "changed")
    await house.locks.released()
    if what == "changed":
        again = await house.connect(port)
        await again.ask(f"USER {NAME}")
        assert (await again.ask(f"PASS {OTHER}")).startswith("+OK 1 message")


KAF = "Subject: Kaf\u00e9\r\nFrom: J\u00f6rg <j@example.org>\r\n\r\nKaf\u00e9\r\n".encode()


async def test_a_message_for_who_takes_utf8_and_who_does_not(house: House) -> None:
    """RFC 6856 2.1."""
    house.put(KAF)
    port = await house.start()
    for say_it in (False, True):
        client = await house.connect(port)
        if say_it:
            assert (await client.ask("UTF8")).startswith("+OK")
        await client.sign_in()
        for asked in ("RETR 1", "TOP 1 99"):
            assert (await client.ask(asked)).startswith("+OK")
            got = await client.whole()
            header, _, body = got.partition(b"\r\n\r\n")
            assert body == "Kaf\u00e9\r\n".encode()
            assert header.isascii() is not say_it
            assert (got == KAF) is say_it
        assert (await client.ask("QUIT")).startswith("+OK")
        assert await client.end() == b""


async def test_a_language(house: House) -> None:
    client = await house.client()
    assert await client.ask("LANG id") == "+OK id Bahasa ini yang dipakai sekarang"
    await client.ask(f"USER {NAME}")
    assert await client.ask(f"PASS {PASSWORD}") == "+OK 0 pesan (0 oktet)"
    assert await client.ask("RETR 1") == "-ERR Tidak ada pesan dengan nomor itu"
    assert await client.ask("QUIT") == "+OK Sampai jumpa"
