"""The bench of CPU time runs from end to end on a few messages, and its table has a line for each kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.cpu import KINDS, table

ROOT = Path(__file__).parents[2]


def test_the_table_is_in_the_order_of_the_kinds() -> None:
    lines = table({("mix", 10): {"mail": 3.0, "threads": 1.0}, ("hello", 10): {"mail": 0.5}, ("mix", 1): {"mail": 4.0}})
    assert [line.split("|")[1:4] for line in lines[2:]] == [
        [" hello ", " 10 ", " 0.50 "],
        [" mix ", " 1 ", " 4.00 "],
        [" mix ", " 10 ", " 3.00 "],
    ]


def test_a_quick_run(tmp_path: Path) -> None:
    out = tmp_path / "cpu.json"
    words = ["--messages", "8", "--rounds", "1", "--at-once", "2", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.cpu", *words], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(out.read_text())
    assert list(measured) and measured.keys() == {f"{kind.name}/2" for kind in KINDS}
    assert all(each["mail"] > 0 for each in measured.values())
