"""Killed at any moment, the store has every message that was acknowledged, once, and is consistent."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from appliance.store.changes.accounts import add_account
from appliance.store.check import check
from appliance.store.interface import Store
from appliance.store.messages import rows
from appliance.store.queue_rows import all_messages
from tests.support.stores import octets_of, open_store, put, read_message, uids_of

CHILD = Path(__file__).parent / "acknowledging_child.py"
ROUNDS = 10


def killed_after(home: Path, number: int, acknowledgements: int) -> list[str]:
    """What a child said until it was killed: after so many lines, wherever its threads were by then."""
    child = subprocess.Popen([sys.executable, str(CHILD), str(home), str(number)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    lines = []
    with child.stdout:
        for line in child.stdout:
            lines.append(line)
            if len(lines) == acknowledgements:
                child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.returncode == -signal.SIGKILL, "it ended by itself"
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_store(home) as store:
        store.write_now(add_account("bob@example.org", "hash"))
    choice = random.Random(20_24)
    there: set[str] = set()
    maybe: set[str] = set()
    queued: set[str] = set()
    for number in range(ROUNDS):
        for line in killed_after(home, number, choice.randint(1, 120)):
            match line[0]:
                case "+":
                    there.add(line[1:])
                    queued.add(line[1:])
                case "?":
                    there.discard(line[1:])
                    maybe.add(line[1:])
                case "-":
                    maybe.discard(line[1:])
        with open_store(home) as store:  # which also checks it whole
            found = _message_ids(store)
            assert max(found.values(), default=1) == 1, "a message is there twice"
            assert there - set(found) == set(), "acknowledged, and lost"
            # What is there and was not acknowledged was under way when the child was killed: at most one a thread.
            extra = set(found) - there - maybe
            assert all(message_id.startswith(tuple(f"{n}." for n in range(number + 1))) for message_id in extra)
            assert len([e for e in extra if e.startswith(f"{number}.")]) <= 4
            there |= extra
            waiting = Counter(message.trace_id for message in store.read_now(all_messages))
            assert max(waiting.values(), default=1) == 1, "queued twice"
            assert queued - set(waiting) == set(), "acknowledged, and not queued"
    assert len(there) > ROUNDS


def _message_ids(store: Store) -> Counter[str]:
    """By what the content says of itself, so that contents are not only there but each in its own row."""
    found: Counter[str] = Counter()
    uids = uids_of(store, 1)
    for row in store.read_now(lambda c: rows(c, 1, uids)):
        header = octets_of(store.content(row.blob_id)).split(b"\r\n", 1)[0]
        message_id = header.removeprefix(b"Message-ID: <").removesuffix(b">").decode()
        assert message_id == row.trace_id
        found[message_id] += 1
    return found


def test_one_process_is_killed_while_another_goes_on(tmp_path: Path) -> None:
    """What the one held it lets go of by dying; the other neither waits for it nor writes over what it acknowledged."""
    home = tmp_path / "home"
    with open_store(home) as store:
        store.write_now(add_account("bob@example.org", "hash"))
        ours: dict[int, bytes] = {}
        theirs: set[str] = set()
        deleted: set[str] = set()
        for number in range(3):
            child = subprocess.Popen([sys.executable, str(CHILD), str(home), str(number)], stdout=subprocess.PIPE)
            assert child.stdout is not None
            with child.stdout:
                for count, line in enumerate(child.stdout):
                    if line.startswith(b"+"):
                        theirs.add(line[1:].decode().strip())
                    elif line.startswith(b"?"):
                        deleted.add(line[1:].decode().strip())
                    if count % 5 == 0:
                        octets = random.Random(number * 1000 + count).randbytes(60_000)
                        ours[put(store, 2, octets)] = octets
                    if count == 25:
                        child.send_signal(signal.SIGKILL)
            child.wait()
        assert {uid: read_message(store, 2, uid) for uid in uids_of(store, 2)} == ours
        assert theirs - deleted - set(_message_ids(store)) == set()
        assert check(store) == []
