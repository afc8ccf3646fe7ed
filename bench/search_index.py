"""The search index by itself: what it takes to fill, what it is on the card, and what a search costs without and with it.

    python -m bench.search_index [--messages N] [--folder FOLDER] [--attachments SHARE]

A mailbox of the corpus is searched over IMAP, filled into the index while another client's NOOP is timed, and searched
again. The IMAP server runs in this process; answers without and with the index are compared. Times are medians, in
milliseconds. Beside Dovecot: `make bench-imap`.
"""

from __future__ import annotations

import argparse
import asyncio
import imaplib
import statistics
import tempfile
import time
from pathlib import Path

from appliance.accounts.accounts import Accounts
from appliance.accounts.passwords import hash_password
from appliance.imap.server import ImapServer, ImapSettings
from appliance.imap.text_index import TextIndex
from appliance.store.changes.accounts import add_account
from appliance.store.changes.messages import NewMessage, append
from appliance.store.interface import Store
from appliance.store.mailboxes import INBOX, find_mailbox
from bench.corpus import FIRST_AT, Corpus

USER, PASSWORD = "sari@near.example", "correct horse battery"
TOGETHER = 200
# One that nobody wrote, one of two in five messages, one of nearly all of them, two words, two letters; fields; a field
# that no structure tells of; both kinds at once.
SEARCHES = (
    'TEXT "xylophone"',
    'TEXT "harbour"',
    'TEXT "the"',
    'BODY "please wait"',
    'BODY "po"',
    'SUBJECT "harbour"',
    'FROM "wijaya"',
    'HEADER List-Id "letters-7"',
    'OR SUBJECT "harbour" NOT TEXT "kettle"',
)


def fill(store: Store, mailbox_id: int, corpus: Corpus, count: int) -> int:
    octets = 0
    for start in range(0, count, TOGETHER):
        new = []
        for i in range(start, min(start + TOGETHER, count)):
            message = corpus.message(i)
            octets += len(message)
            new.append(NewMessage(store.spool_bytes(message), 0, "", FIRST_AT + 400 * i))
        store.write_now(append(mailbox_id, new), durable=False)
        for each in new:
            each.content.discard()
    return octets


def timed(imap: imaplib.IMAP4, search: str, times: int) -> tuple[float, bytes]:
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        found = imap.search(None, search)[1][0]
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), found


class Lag:
    """How late the loop is, at worst."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - began - 0.005) * 1000)

    def stop(self) -> float:
        self._task.cancel()
        return self.worst_ms


async def run(folder: Path, messages: int, attachments: float) -> None:
    store = Store(folder / "home", scratch=folder)
    store.bus.attach(asyncio.get_running_loop())
    accounts = Accounts(store, ("near.example",))
    store.write_now(add_account(USER, hash_password(PASSWORD)))
    account_id = store.read_now(lambda c: c.execute("SELECT id FROM accounts").fetchone()[0])
    mailbox = store.read_now(lambda c: find_mailbox(c, account_id, INBOX))
    assert mailbox is not None
    octets = await asyncio.to_thread(fill, store, mailbox.id, Corpus(7, attachments=attachments), messages)
    index = TextIndex(store)
    server = ImapServer(ImapSettings("mx.near.example"), store, accounts, tls=None, index=index)
    port = await server.start("127.0.0.1", 0)
    imap = await asyncio.to_thread(imaplib.IMAP4, "127.0.0.1", port)
    await asyncio.to_thread(imap.login, USER, PASSWORD)
    await asyncio.to_thread(imap.select)
    without = {each: await asyncio.to_thread(timed, imap, each, 1) for each in SEARCHES}

    lag, began, cpu = Lag(), time.perf_counter(), time.process_time()
    await index.start()
    index.want(account_id, mailbox.id)
    await asyncio.sleep(0)
    await index.idle.wait()
    filled_s, filled_cpu_s, filling_lag_ms = time.perf_counter() - began, time.process_time() - cpu, lag.stop()
    files = list((store.home / "derived" / "search").rglob("*.index"))
    size = sum(file.stat().st_size for file in files)

    lag = Lag()
    print(f"{messages} messages of {octets / messages:.0f} octets: {len(files)} files, {size / messages:.0f} octets a")
    print(f"message on the card, {index.written_octets / messages:.0f} written; filled in {filled_s:.1f} s,")
    print(
        f"{filled_cpu_s / messages * 1000:.1f} ms of CPU a message, the loop late by {filling_lag_ms:.0f} ms at worst"
    )
    print("| search | found | without, ms | with, ms |\n| --- | --- | --- | --- |")
    for each in SEARCHES:
        took_ms, found = await asyncio.to_thread(timed, imap, each, 7)
        assert found == without[each][1], each
        print(f"| {each} | {len(found.split())} | {without[each][0]:.0f} | {took_ms:.1f} |")
    print(f"the loop late by {lag.stop():.0f} ms at worst")
    await asyncio.to_thread(imap.logout)
    await server.stop()
    await index.stop()
    accounts.close()
    store.close()


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--attachments", type=float, default=0.0, help="share of messages that have one")
    parser.add_argument("--folder", type=Path, help="lies on the medium in question")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        asyncio.run(run(Path(folder), asked.messages, asked.attachments))


if __name__ == "__main__":
    main()
