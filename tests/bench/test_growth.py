"""The growth bench runs from end to end on a mailbox of some hundred messages."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

from bench.growth import mails

ROOT = Path(__file__).parents[2]


def test_the_mails_are_small_and_all_different() -> None:
    some = list(islice(mails(), 200))
    assert len(set(some)) == 200
    assert all(300 < len(octets) < 1000 for octets in some)


def test_a_quick_run(tmp_path: Path) -> None:
    out = tmp_path / "lines.json"
    words = ["--quick", "--folder", str(tmp_path), "--json", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.growth", *words], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["messages"] for line in lines] == [100, 1500]
    assert all(value > 0 for line in lines for value in line.values())
    assert list(tmp_path.iterdir()) == [out]
