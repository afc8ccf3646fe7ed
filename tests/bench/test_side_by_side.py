"""The side-by-side bench runs from end to end, and its table says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.peers import PEERS
from bench.side_by_side import ROWS, median, table

ROOT = Path(__file__).parents[2]


def test_the_table_has_a_ratio_to_the_first_column() -> None:
    lines = table({"ours": {"1/rate": 40.0, "start_s": 1.5}, "theirs": {"1/rate": 10.0}})
    assert lines[0] == "|  | ours | theirs |"
    assert "| messages a second | 40 | 10 (0.25 ×) |" in lines
    assert "| Start, s | 1.5 |  |" in lines
    assert len(lines) == len(ROWS) + 2


def test_the_median_is_taken_for_each_figure() -> None:
    assert median([{"a": 1.0, "b": 9.0}, {"a": 5.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]) == {"a": 3.0, "b": 4.0}


@pytest.mark.parametrize("server", ["merpati", "sdbox"])  # maildir differs from sdbox by one word
def test_a_quick_run(server: str, tmp_path: Path) -> None:
    """Without a card: every figure but those that a card counts is there."""
    if (why := PEERS[server].missing()) is not None:
        pytest.skip(why)
    out = tmp_path / "runs.json"
    words = ["--quick", "--profile", "folder", "--servers", server, "--json", str(out), "--work", "/var/tmp"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.side_by_side", *words], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    (run,) = [json.loads(line) for line in out.read_text().splitlines()]
    counted = {"octets_per_octet", "flushes", "erase_programs", "kib"}
    expected = {row.key for row in ROWS if row.key and row.key.rpartition("/")[2] not in counted}
    assert expected <= run.keys()
    assert all(run[key] > 0 for key in expected - {"10/cpu_ms", "1/cpu_ms", "50/cpu_ms"})
    assert PEERS[server].name in done.stdout
