"""AUTH SCRAM-SHA-256 at a submission port with real accounts, and being cut off when the password changes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from appliance.accounts.accounts import Accounts
from appliance.smtp import Listener
from appliance.store.interface import Store
from tests.support.scram_client import ScramClient
from tests.support.smtp_client import SmtpClient
from tests.support.stores import open_store

from .conftest import House

ADDRESS, PASSWORD, OTHER = "ana@example.org", "trees and rivers", "another long sentence"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
async def accounts(store: Store) -> AsyncIterator[Accounts]:
    store.bus.attach(asyncio.get_running_loop())
    accounts = Accounts(store, ("example.org",))
    await asyncio.to_thread(accounts.add, ADDRESS, PASSWORD)
    yield accounts
    accounts.close()


@pytest.fixture
async def house(store: Store, accounts: Accounts) -> AsyncIterator[House]:
    house = House()
    house.sign_in = accounts  # type: ignore[assignment]
    house.bus = store.bus
    await house.start(Listener.SUBMISSION)
    yield house
    await house.server.stop()


async def authenticate(smtp: SmtpClient, scram: ScramClient, last: int | str) -> None:
    challenge = await smtp.command("AUTH SCRAM-SHA-256 " + base64.b64encode(scram.first()).decode(), 334)
    said = await smtp.command(
        base64.b64encode(scram.final(base64.b64decode(challenge[4:]))).decode(), 334 if last == 235 else last
    )
    if last == 235:
        scram.check(base64.b64decode(said[4:]))
        await smtp.command("", 235)


async def test_signing_in(house: House) -> None:
    """RFC 4954 4: the server's last word goes as one more challenge, which is answered with nothing."""
    async with await SmtpClient.greeted(house.port) as smtp:
        await authenticate(smtp, ScramClient(ADDRESS, PASSWORD), 235)
        await smtp.envelope("x@elsewhere.example")
        await smtp.message(b"Subject: x\r\n\r\n")
    assert house.intake.taken[0].peer.account_id == 1


async def test_a_wrong_password_is_slow(house: House) -> None:
    async with await SmtpClient.greeted(house.port) as smtp:
        await authenticate(smtp, ScramClient(ADDRESS, OTHER), "535 5.7.8")
        assert len(house.slept_s) == 1
        await smtp.command("MAIL FROM:<ana@example.org>", 530)
        await authenticate(smtp, ScramClient(ADDRESS, PASSWORD), 235)


CUT_OFF = "421 4.7.0 The password was changed or the account removed, sign in again"


@pytest.mark.parametrize("what", ["changed", "removed"])
async def test_cut_off(house: House, accounts: Accounts, what: str) -> None:
    """Others stay."""
    async with await SmtpClient.greeted(house.port) as smtp, await SmtpClient.greeted(house.port) as other:
        await smtp.sign_in()
        if what == "changed":
            await asyncio.to_thread(accounts.change_password, ADDRESS, OTHER)
        else:
            await asyncio.to_thread(accounts.remove, ADDRESS)
        await smtp.expect(CUT_OFF)
        assert await smtp.closed()
        await other.command("NOOP", 250)


async def test_a_message_under_way_is_not_taken(house: House, accounts: Accounts) -> None:
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.sign_in()
        await smtp.envelope("x@elsewhere.example")
        await smtp.command("DATA", 354)
        await asyncio.to_thread(accounts.change_password, ADDRESS, OTHER)
        smtp.send(b"Subject: x\r\n\r\n.\r\n")
        await smtp.expect(CUT_OFF)
        assert await smtp.closed()
    assert house.intake.taken == []
