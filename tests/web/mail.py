"""Messages for the tests of the owner's pages and of the reader."""

from __future__ import annotations

import time

from appliance.store.accounts import find_account
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.mailboxes import INBOX, find_mailbox

from .support import ANN, World

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def message(subject: str = "Hello", body: str = "Good morning\r\n", **fields: str) -> bytes:
    header = {
        "From": "Bob <bob@elsewhere.example>",
        "To": "Ann <ann@example.org>",
        "Date": "Tue, 14 Nov 2023 22:13:20 +0000",
        "Subject": subject,
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in header.items()).encode() + b"\r\n" + body.encode()


def file(world: World, raw: bytes, address: str = ANN, mailbox: str = INBOX, flags: int = 0) -> tuple[int, int]:
    """As the mail process would. Returns (mailbox id, UID)."""
    account = world.store.read_now(lambda c: find_account(c, address))
    assert account is not None
    content = world.store.spool_bytes(raw)
    plan = DeliveryPlan(
        trace_id="t1",
        content=content,
        prefix=b"Return-Path: <bob@elsewhere.example>\r\n",
        internal_date=int(time.time()),
        filings=(Filing(account.id, account.address, address, mailbox, flags),),
    )
    world.store.write_now(deliver(plan))
    found = world.store.read_now(lambda c: find_mailbox(c, account.id, mailbox))
    assert found is not None
    return found.id, found.uidnext - 1


def enqueue(
    world: World, *, subject: str = "Going out", to: str = "bob@elsewhere.example", reverse_path: str = ANN
) -> int:
    """Returns the id of the queued message."""
    plan = DeliveryPlan(
        trace_id="t2",
        content=world.store.spool_bytes(message(subject)),
        prefix=b"",
        internal_date=int(time.time()),
        dispatches=(
            Dispatch(
                reverse_path=reverse_path,
                recipients=(Forwarding(to, to.rpartition("@")[2]),),
                prefix=b"",
                subject=subject,
            ),
        ),
    )
    world.store.write_now(deliver(plan))
    return int(world.store.read_now(lambda c: c.execute("SELECT max(id) FROM queue_messages").fetchone()[0]))
