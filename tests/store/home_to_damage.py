"""Makes a home with all sorts of things in it and leaves it as a power cut would.

`main` is for a process of its own; it tells what is in the home on standard output, as a pickled `Kept`.
"""

from __future__ import annotations

import os
import pickle
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

from appliance.store.changes import queue as queue_changes
from appliance.store.changes.accounts import add_account, set_administrator, set_alias, set_setting
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.changes.flags import store_flags
from appliance.store.changes.mailboxes import create_mailbox
from appliance.store.changes.messages import NewMessage, append, copy, expunge, move
from appliance.store.flags import ANSWERED, DELETED, FLAGGED, SEEN
from appliance.store.interface import Store
from appliance.store.mailboxes import find_mailbox, list_mailboxes
from appliance.store.messages import rows
from appliance.store.queue_rows import all_messages, all_recipients

PEOPLE = ("ayu@x.example", "budi@x.example", "citra@x.example")


@dataclass
class Kept:
    """messages: (account, mailbox, UID) → (octets, flags, keywords); queued: (address, subject); hashes: by address."""

    messages: dict[tuple[str, str, int], tuple[bytes, int, str]] = field(default_factory=dict)
    uidvalidities: dict[tuple[str, str], int] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    queued: set[tuple[str, str]] = field(default_factory=set)


def message(random_: random.Random, number: int, to: str) -> bytes:
    body = random_.choice(
        (b"short", random_.randbytes(1500).hex().encode(), random_.randbytes(12_000), b"words " * 900)
    )
    if number % 12 == 0:
        body = random_.randbytes(70_000)
    if number % 40 == 0:
        body = random_.randbytes(300_000)
    head = f"From: friend{number}@far.example\r\nTo: {to}\r\nSubject: letter {number}\r\nMessage-ID: <{number}@far.example>\r\n\r\n"
    return head.encode() + body


def fill(store: Store, messages: int = 100) -> None:
    choice = random.Random(4)
    accounts = [store.write_now(add_account(address, f"$argon2id$of-{address}")) for address in PEOPLE]
    store.write_now(set_alias("post@x.example", [PEOPLE[1]]))
    store.write_now(set_administrator("$argon2id$of-the-administrator"))
    store.write_now(set_setting("some", "thing"))
    made = store.write_now(create_mailbox(accounts[0].id, "Projects/Garden"))
    for number in range(messages):
        account = accounts[number % 3]
        octets = message(choice, number, account.address)
        content = store.spool_bytes(octets)
        if number % 7 == 3:
            mailbox = store.read_now(lambda c, id=account.id: find_mailbox(c, id, "Sent"))  # type: ignore[misc]
            assert mailbox is not None
            store.write_now(append(mailbox.id, [NewMessage(content, SEEN, "$Forwarded", 1_700_000_000 + number)]))
        else:
            prefix = (
                f"Return-Path: <>\r\nReceived: from far\r\n\tby us\r\n\tfor <{account.address}>;\r\n\tnow\r\n".encode()
            )
            filings = (Filing(account.id, account.address, account.address),)
            dispatches: tuple[Dispatch, ...] = ()
            if number % 20 == 5:
                to = (Forwarding(f"guest{number}@away.example", "away.example"),)
                dispatches = (Dispatch("ayu@x.example", to, b"DKIM: x\r\n", account.id, subject=f"letter {number}"),)
            plan = DeliveryPlan(f"trace{number}", content, prefix, 1_700_000_000 + number, filings, dispatches)
            store.write_now(deliver(plan))
        content.discard()
    for account in accounts:
        inbox = store.read_now(lambda c, id=account.id: find_mailbox(c, id, "INBOX"))  # type: ignore[misc]
        assert inbox is not None
        store.write_now(store_flags(inbox.id, [1, 4, 9], "+", SEEN | FLAGGED, "$Later"), durable=False)
        store.write_now(store_flags(inbox.id, [2, 7], "+", DELETED | ANSWERED, ""))
        store.write_now(expunge(inbox.id))
        if account is accounts[0]:
            store.write_now(copy(inbox.id, [3, 4], made.id))
            store.write_now(move(inbox.id, [5, 6], made.id))
    store.write_now(queue_changes.hold(1))


def kept(store: Store) -> Kept:
    found = Kept()
    with_accounts = store.read_now(lambda c: c.execute("SELECT id, address, password_hash FROM accounts").fetchall())
    for account_id, address, password_hash in with_accounts:
        found.hashes[address] = password_hash
        for mailbox in store.read_now(lambda c, id=account_id: list_mailboxes(c, id)):  # type: ignore[misc]
            found.uidvalidities[address, mailbox.name] = mailbox.uidvalidity
            uids = [
                uid
                for (uid,) in store.read_now(
                    lambda c, id=mailbox.id: c.execute(  # type: ignore[misc]
                        "SELECT uid FROM messages WHERE mailbox_id = ?", (id,)
                    ).fetchall()
                )
            ]
            for row in store.read_now(lambda c, id=mailbox.id, uids=uids: rows(c, id, uids)):  # type: ignore[misc]
                octets = row.prefix + b"".join(store.content(row.blob_id).pieces())
                found.messages[address, mailbox.name, row.uid] = (octets, row.flags, row.keywords)
    subjects = {message.id: message.subject for message in store.read_now(all_messages)}
    found.queued = {(to.address, subjects[to.message_id]) for to in store.read_now(all_recipients)}
    return found


def main(home: Path) -> None:
    there = Store(home, scratch=home.parent)
    fill(there)
    sys.stdout.buffer.write(pickle.dumps(kept(there)))
    sys.stdout.buffer.flush()
    os._exit(0)  # the log stays as it is
