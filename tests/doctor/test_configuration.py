"""merpati.yaml: valid, not set up yet, or wrong; the sentence names the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.doctor import configuration
from appliance.doctor.finding import Status

CASES: dict[str, tuple[bytes | None, Status, str]] = {
    "no file": (None, Status.NEEDS_YOU, "The server is not set up."),
    "empty": (b"", Status.NEEDS_YOU, "not set up"),
    "no domains": (b"hostname: mx.near.example\n", Status.NEEDS_YOU, "not set up"),
    "set up": (b"hostname: mx.near.example\ndomains: [near.example]\n", Status.GOOD, "is valid"),
    "a wrong value": (
        b"\nlisten:\n  smtp: many\n",
        Status.BROKEN,
        "line 3: listen.smtp: found 'many'; allowed is a port",
    ),
    "no YAML": (b"listen: [\n", Status.BROKEN, "this is not YAML"),
    "no text": (b"hostname: \xff\n", Status.BROKEN, "line 1: this is not UTF-8 text"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_a_file(name: str, tmp_path: Path) -> None:
    content, status, words = CASES[name]
    path = tmp_path / "merpati.yaml"
    if content is not None:
        path.write_bytes(content)
    finding, config = configuration.check(path)
    assert (finding.topic, finding.status) == ("configuration", status)
    assert words in finding.what
    assert (config is not None) == (status is Status.GOOD)
    assert bool(finding.do) == (status is not Status.GOOD)
    assert path.exists() == (content is not None)
