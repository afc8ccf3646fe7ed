"""The table of IMAP beside Dovecot: a quick run fills all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.imap import ROWS
from bench.peers import PEERS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("server", ["merpati", "sdbox"])
def test_a_quick_run(server: str, tmp_path: Path) -> None:
    if (why := PEERS[server].missing()) is not None:
        pytest.skip(why)
    out = tmp_path / "runs.json"
    words = ["--quick", "--profile", "folder", "--servers", server, "--json", str(out), "--work", "/var/tmp"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.imap", *words], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    (run,) = [json.loads(line) for line in out.read_text().splitlines()]
    expected = {row.key for row in ROWS if row.key}
    assert expected <= run.keys()
    assert all(run[key] > 0 for key in expected)
