"""A WAL that has its full length from the start is still only a WAL."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from appliance.store.changes.messages import remove
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


async def test_the_first_thing_that_a_process_does_may_be_to_prepare(tmp_path: Path) -> None:
    for _ in range(2):
        with open_store(tmp_path / "home") as store:
            await store.prepare()
            assert (tmp_path / "home" / "store.db-wal").stat().st_size == WAL_OCTETS
            assert store.failure is None


@pytest.mark.parametrize(("fault", "fails"), [(errno.ENOSPC, False), (errno.EIO, True)])
async def test_a_server_starts_on_a_full_card_and_on_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int, fails: bool
) -> None:
    """On the one its owner can delete mail, on the other read it and hear what is wrong."""

    def refuse(*_: object) -> int:
        raise OSError(fault, os.strerror(fault))

    with open_store(tmp_path / "home") as store:
        inbox = mailbox_of(store, new_account(store).id).id
        uid = put(store, inbox, b"x")
        with monkeypatch.context() as card:
            card.setattr(os, "pwrite", refuse)
            await store.prepare()
        assert (store.failure is not None) is fails
        assert uids_of(store, inbox) == [uid]
        if not fails:
            assert store.write_now(remove(inbox, [uid])) == [uid]


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
