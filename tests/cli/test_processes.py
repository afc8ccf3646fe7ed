"""`merpati run|mail|web|leds` with a merpati.yaml that is not valid: nothing is started half-configured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.services.places import Places
from appliance.services.start import fault_found_elsewhere

from .conftest import Run, refusal

BROKEN = "hostname: mx.near.example\ndomains: [near.example]\nlimits:\n  message_size: big\n"
SENTENCE = "{path}, line 4: limits.message_size: found 'big'; allowed is a number of octets, at least 65536"


@pytest.mark.parametrize("name", ["run", "mail", "web", "leds"])
def test_it_refuses_with_file_line_key_what_was_found_and_what_is_allowed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "merpati.yaml"
    path.write_text(BROKEN)
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "--home", str(tmp_path), name], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == f"merpati: {SENTENCE.format(path=path)}\n"
    assert done.stdout == ""
    assert [each.name for each in tmp_path.iterdir()] == ["merpati.yaml"]


@pytest.mark.parametrize("name", ["run", "mail", "web", "leds"])
def test_by_way_of_the_command_line_it_is_the_same(
    name: str, bare: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bare" / "merpati.yaml"
    path.parent.mkdir()
    path.write_text(BROKEN)
    assert refusal(bare(name, status=1)) == SENTENCE.format(path=path)


def test_what_the_child_finds_comes_back_whole(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "run")
    assert fault_found_elsewhere(places) is None
    places.config.write_text("hostname: mx.near.example\ndomains: [near.example]\n")
    assert fault_found_elsewhere(places) is None
    places.config.write_text(f"limits: {{message_size: {'é' * 40_000}}}\n")  # more than a pipe holds at once
    fault = fault_found_elsewhere(places)
    assert fault is not None and "é" * 40_000 in fault
