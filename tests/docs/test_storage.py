"""What docs/storage.md tells people to type works, on a store that holds a little of everything."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import checkpoints, segments
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.database import CHECKPOINT_PAGES, WAL_OCTETS
from appliance.store.interface import Store
from appliance.store.transaction import IN_DATABASE_OCTETS
from appliance.store.writer import FREE_AFTER_S, LAZY_S
from tests.support.stores import INTERNAL_DATE, new_account

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "storage.md").read_text()
COMMANDS = re.findall(r"^\$ (sqlite3 -readonly .*)$", TEXT, re.MULTILINE)
MESSAGE = b"Subject: hello\r\n\r\nA small one.\r\n"
PREFIX = b"Return-Path: <eve@far.example>\r\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Open, as beside a running server: one small message, one large, one to leave."""
    folder = tmp_path_factory.mktemp("storage")
    store = Store(folder / "home", scratch=folder)
    account = new_account(store)
    for content in (MESSAGE, random.Random(1).randbytes(60_000)):
        plan = DeliveryPlan(
            trace_id="t",
            content=store.spool_bytes(content),
            prefix=PREFIX,
            internal_date=INTERNAL_DATE,
            filings=(Filing(account.id, account.address, account.address),),
            dispatches=(Dispatch("bob@example.org", (Forwarding("eve@far.example", "far.example"),), b""),),
        )
        store.write_now(deliver(plan))
    yield store
    store.close()


def test_there_are_examples() -> None:
    assert len(COMMANDS) == 7


@pytest.mark.parametrize("command", COMMANDS, ids=[c.split('"')[1][:40] for c in COMMANDS])
def test_each_example_answers(store: Store, command: str) -> None:
    words = shlex.split(command)
    if shutil.which("sqlite3") is not None:
        done = subprocess.run(words, cwd=store.home, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip()
    else:  # the same question without the command
        connection = sqlite3.connect(store.home / words[-2])
        assert connection.execute(words[-1]).fetchall()
        connection.close()


def test_the_script_writes_a_message_as_it_came(store: Store) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=store.home,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=20,
    )
    assert done.stderr == b""
    assert done.stdout == PREFIX + MESSAGE


def test_its_numbers_are_those_of_the_code() -> None:
    for words, value in (
        (f"holds {CHECKPOINT_PAGES} pages", True),
        (f"full length of {WAL_OCTETS // 1_000_000} MB", True),
        (f"waits from {checkpoints.BLOCK_PAGES} pages", True),
        (f"segments of {segments.SEGMENT_OCTETS >> 20} MiB", True),
        (f"larger than {IN_DATABASE_OCTETS >> 10} KiB", True),
        (f"within {LAZY_S:.0f} seconds", True),
        ("two to four minutes later", FREE_AFTER_S == 120),
    ):
        assert words in TEXT, words
        assert value


def test_each_file_it_names_is_there() -> None:
    for name in re.findall(r"`(?:appliance/)?(store/[a-z_/0-9]+\.(?:py|sql))`", TEXT):
        assert (ROOT / "appliance" / name).exists(), name
