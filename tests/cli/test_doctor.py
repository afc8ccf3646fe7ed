"""`merpati doctor`: what it says, and status 1 exactly when something is broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.cli import running
from appliance.config import edit
from appliance.services.alone import alone
from appliance.store import recover
from appliance.store.database import FILE_NAME, connect_writer
from tests.support.fake_sys import FakeSys

from .conftest import Run, refusal, run_in


def told(run: Run, status: int = 0) -> dict[str, tuple[str, str]]:
    """Topic → (status, sentence)."""
    findings = json.loads(run("doctor", "--json", status=status).stdout)
    assert {tuple(finding) for finding in findings} == {("topic", "status", "what", "do")}
    return {finding["topic"]: (finding["status"], finding["what"]) for finding in findings}


def test_of_a_sound_home(run: Run) -> None:
    findings = told(run)
    assert list(findings) == ["configuration", "certificate", "store", "queue", "card", "card-wear"]
    assert [findings[topic][0] for topic in ("configuration", "store", "queue")] == ["good"] * 3
    lines = run("doctor").stdout.splitlines()
    assert len(lines) == 6
    assert lines[0] == "good       The configuration is valid."


def test_of_a_home_that_is_not_there(bare: Run, tmp_path: Path) -> None:
    findings = told(bare)
    assert list(findings) == ["configuration", "card", "card-wear"]
    assert findings["configuration"][0] == "needs-you"
    assert not (tmp_path / "bare").exists()


def test_of_a_damaged_store(run: Run, home: Path) -> None:
    connection = connect_writer(home / FILE_NAME)
    connection.execute("UPDATE mailboxes SET messages = 7 WHERE name = 'INBOX'")
    connection.close()
    status, what = told(run, 1)["store"]
    assert status == "broken"
    assert "counts differ from its messages" in what
    assert "\nBROKEN     The mail store is damaged: " in run("doctor", status=1).stdout


def test_of_a_store_that_is_none(run: Run, home: Path) -> None:
    (home / FILE_NAME).write_bytes(b"no database" * 1000)
    findings = told(run, 1)
    assert findings["store"] == ("broken", "The mail store is damaged: file is not a database.")
    assert findings["configuration"][0] == "good"  # the rest is looked at all the same
    assert "card" in findings


def test_of_a_store_that_is_gone(run: Run, home: Path) -> None:
    (home / FILE_NAME).unlink()
    assert told(run, 1)["store"] == ("broken", "The mail store is damaged: store.db is not there.")
    assert not (home / FILE_NAME).exists()


def test_of_a_broken_configuration(run: Run, home: Path) -> None:
    (home / "merpati.yaml").write_text("listen: {smtp: many}\n")
    findings = told(run, 1)
    assert findings["configuration"][0] == "broken"
    assert "line 1: listen.smtp: found 'many'" in findings["configuration"][1]
    assert findings["store"][0] == "good"
    assert "certificate" not in findings


def test_of_a_certificate_that_is_gone(run: Run, home: Path) -> None:
    edit(home / "merpati.yaml", {"tls.certificate": "own.crt", "tls.key": "own.key"})
    assert told(run, 1)["certificate"] == (
        "broken",
        "The certificate cannot be used (it is not there), so nobody can sign in safely.",
    )


def test_of_a_disk_that_says_it_fails(run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """smartctl is asked here, where root may be the one who runs the command."""
    fake = FakeSys(tmp_path / "fake")
    fake.disk("nvme0n1", "259:0", bus="pci0")
    smartctl = tmp_path / "smartctl"
    smartctl.write_text(
        '#!/bin/sh\necho \'{"smart_status": {"passed": false}, "endurance_used": {"current_percent": 95}}\''
    )
    smartctl.chmod(0o700)
    monkeypatch.setattr(running, "CardReader", lambda home: fake.reader(home, "259:0", str(smartctl)))
    findings = [each for each in json.loads(run("doctor", "--json", status=1).stdout) if each["topic"] == "card-wear"]
    assert [(each["status"], each["what"]) for each in findings] == [
        ("broken", "The disk says of itself that it is failing."),
        ("needs-you", "The card is nearly worn out: it says that 95 percent of its life is used, or more."),
    ]
    card = json.loads(run("status", "--json").stdout)["card"]
    assert (card["disk"]["kind"], card["health"]["failing"]) == ("ssd", False)  # a glance does not take seconds


def test_it_changes_nothing(run: Run, home: Path) -> None:
    def kept() -> dict[str, bytes]:
        files = (path for path in home.rglob("*") if path.is_file() and not path.name.startswith(f"{FILE_NAME}-"))
        return {str(path.relative_to(home)): path.read_bytes() for path in files}

    before = kept()
    run("doctor")
    assert kept() == before
    assert run_in(home)("doctor").stdout == run("doctor").stdout


# -- --repair


def test_a_store_that_is_whole_is_left_alone(run: Run, home: Path) -> None:
    before = (home / FILE_NAME).read_bytes()
    assert run("doctor", "--repair").stdout == "The mail store is whole. Nothing was changed.\n"
    assert json.loads(run("doctor", "--repair", "--json").stdout)["outcome"] == "whole"
    assert (home / FILE_NAME).read_bytes() == before
    assert not list(home.glob("store.db.*"))


def test_a_repair_says_what_it_did_and_what_to_do_next(run: Run, home: Path) -> None:
    octets = bytearray((home / FILE_NAME).read_bytes())
    octets[:100] = bytes(100)
    (home / FILE_NAME).write_bytes(octets)
    lines = run("doctor", "--repair").stdout.splitlines()
    assert lines[0].startswith("Recovered: 1 account, 0 aliases, 0 messages in 6 mailboxes")
    assert "Nothing is known to be lost." in lines
    (aside,) = home.glob("store.db.damaged-*")
    assert aside.read_bytes() == octets
    assert f"The damaged files are kept as {aside.name}." in lines
    assert any("Start the server again." in line for line in lines[lines.index("What to do next:") :])
    assert told(run)["store"][0] == "good"


def test_a_repair_for_programs(run: Run, home: Path) -> None:
    (home / FILE_NAME).write_bytes(b"no database" * 1000)
    done = json.loads(run("doctor", "--repair", "--json").stdout)
    assert done["outcome"] == "repaired"
    assert done["left"] == []
    assert done["report"]["lost"]
    assert done["report"]["accounts"] == 0
    assert set(done["report"]["lost"][0]) == {"what", "account", "mailbox", "uid", "subject", "header_from"}


REFUSED = {
    "a home that is not there": (("doctor", "--repair"), "there is no mail store in"),
    "no address": (("doctor", "--repair", "--recovered-to", "bob"), "is not a mail address"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_repair_that_cannot_be(name: str, bare: Run, run: Run) -> None:
    words, sentence = REFUSED[name]
    refused = (bare if "home" in name else run)(*words, status=1)
    assert sentence in refusal(refused)


def test_who_gets_the_rest_is_asked_only_for_a_repair(run: Run) -> None:
    run("doctor", "--recovered-to", "bob@near.example", status=2)


def test_a_repair_is_alone(run: Run, home: Path) -> None:
    lock = alone(home / "mail.lock", home)
    try:
        assert "Stop it first" in refusal(run("doctor", "--repair", status=1))
    finally:
        os.close(lock)


def test_a_repair_needs_room(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / FILE_NAME).write_bytes(b"no database" * 1000)
    monkeypatch.setattr(recover, "SPARE_OCTETS", 1 << 60)
    assert "needs 11529215046" in refusal(run("doctor", "--repair", status=1))
    assert (home / FILE_NAME).read_bytes() == b"no database" * 1000
