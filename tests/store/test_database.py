"""A WAL that has its full length from the start is still only a WAL."""

from __future__ import annotations

import shutil
from pathlib import Path

from appliance.store.check import check
from appliance.store.database import WAL_OCTETS
from appliance.store.interface import Store
from tests.support.stores import mailbox_of, new_account, open_store, put, uids_of


async def test_it_grows_no_more_and_keeps_what_was_in_it(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        inbox = mailbox_of(store, new_account(store).id).id
        uids = [put(store, inbox, b"before %d" % number) for number in range(5)]
        await store.prepare()
        wal = tmp_path / "home" / "store.db-wal"
        assert wal.stat().st_size == WAL_OCTETS
        uids += [put(store, inbox, b"after %d" % number) for number in range(50)]
        assert wal.stat().st_size == WAL_OCTETS
        assert uids_of(store, inbox) == uids
        await store.prepare()
        assert wal.stat().st_size == WAL_OCTETS


async def test_after_a_crash_the_zeros_are_its_end(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        inbox = mailbox_of(store, new_account(store).id).id
        await store.prepare()
        uids = [put(store, inbox, b"message %d" % number) for number in range(20)]
        shutil.copytree(tmp_path / "home", tmp_path / "copy")  # quiet, so the files are as a crash would leave them
    (tmp_path / "copy" / "store.db-shm").unlink()
    again = Store(tmp_path / "copy")
    try:
        assert uids_of(again, inbox) == uids
        assert check(again) == []
    finally:
        again.close()
