"""The table of layouts can be printed, and what it says of the octets is as decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import layouts
from bench.corpus import Corpus


def rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    monkeypatch.setattr("sys.argv", ["layouts", "--rounds", "1", *arguments])
    layouts.main()
    lines = capsys.readouterr().out.splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith(("| 1 ", "| 3 "))
    ]


def stored(table: list[list[str]]) -> dict[tuple[str, str, str], float]:
    return {(level, words, base64): float(octets) for level, words, base64, octets, *_ in table}


def test_a_table_for_small_messages_and_one_for_large(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = rows(monkeypatch, capsys, "--messages", "14", "--seed", "3")
    assert len(table) == 16
    small, large = stored(table[:8]), stored(table[8:])
    assert small["3", "1", "as it came"] < 0.98 * small["3", "none", "as it came"]
    assert large["3", "1", "decoded"] < 0.98 * large["3", "1", "as it came"]


def test_mail_of_ones_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    corpus = Corpus(2, attachments=0.0, text_encoding="base64")
    for i in range(5):
        (tmp_path / f"{i}.eml").write_bytes(corpus.message(i).replace(b"\r\n", b"\n"))
    table = stored(rows(monkeypatch, capsys, "--mail", str(tmp_path)))
    assert table["3", "1", "decoded"] < 0.8 * table["3", "1", "as it came"]
