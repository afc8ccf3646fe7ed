"""Run as a program by `test_crash.py`: changes a store from several threads, and says what was acknowledged.

    python acknowledging_child.py HOME ROUND

One line on standard output for each thing that is on the card (`+ID`: delivered, `-ID`: removed), and one before a
removal is begun (`?ID`), each written at once. Ends only when it is killed.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path

from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.changes.flags import store_flags
from appliance.store.changes.messages import remove
from appliance.store.flags import SEEN
from appliance.store.interface import Store
from appliance.store.mailboxes import INBOX, find_mailbox
from appliance.store.messages import rows, snapshot

THREADS = 4


def main() -> None:
    home, number = Path(sys.argv[1]), int(sys.argv[2])
    store = Store(home, scratch=home.parent)
    mailbox = store.read_now(lambda c: find_mailbox(c, 1, INBOX))
    assert mailbox is not None
    say("ready")
    threads = [threading.Thread(target=work, args=(store, mailbox.id, f"{number}.{n}")) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def work(store: Store, mailbox_id: int, name: str) -> None:
    choice = random.Random(name)
    mine: list[str] = []
    for n in range(100_000):
        message_id = f"{name}.{n}"
        content = store.spool_bytes(message(message_id, choice))
        plan = DeliveryPlan(
            trace_id=message_id,
            content=content,
            prefix=b"",
            internal_date=0,
            filings=(Filing(1, "bob@example.org", "bob@example.org"),),
            dispatches=(Dispatch("", (Forwarding("eve@elsewhere.example", "elsewhere.example"),), b""),),
        )
        store.write_now(deliver(plan))
        content.discard()
        say(f"+{message_id}")
        mine.append(message_id)
        uids = [row[0] for row in store.read_now(lambda c: snapshot(c, mailbox_id))]
        store.write_now(store_flags(mailbox_id, choice.sample(uids, 1), "+", SEEN, ""), durable=False)
        if choice.random() < 0.3:
            gone = mine.pop(choice.randrange(len(mine)))
            say(f"?{gone}")
            found = [r.uid for r in store.read_now(lambda c, u=uids: rows(c, mailbox_id, u)) if r.trace_id == gone]
            store.write_now(remove(mailbox_id, found))
            say(f"-{gone}")


def message(message_id: str, choice: random.Random) -> bytes:
    """Small ones, and some that go to a segment."""
    return f"Message-ID: <{message_id}>\r\n\r\n".encode() + choice.randbytes(choice.choice((100, 4_000, 60_000)))


if __name__ == "__main__":
    main()
