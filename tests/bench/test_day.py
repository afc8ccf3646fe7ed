"""The bench of a household's day runs from end to end, and scales what it counted to a day."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.day import table
from bench.peers import PEERS

ROOT = Path(__file__).parents[2]


def test_the_table_adds_the_parts_up() -> None:
    figures = {f"{part}/{what}": 2.0**20 for part in ("in", "read", "out", "idle") for what in ("octets", "flushes")}
    assert table({"ours": figures})[-1] == "| all | 4.0 (4194304) |"


@pytest.mark.parametrize("server", ["merpati", "sdbox"])
def test_a_quick_run(server: str, tmp_path: Path) -> None:
    if (why := PEERS[server].missing()) is not None:
        pytest.skip(why)
    words = ["--quick", "--profile", "folder", "--servers", server, "--work", "/var/tmp"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.day", *words], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "MiB a day" in done.stdout
