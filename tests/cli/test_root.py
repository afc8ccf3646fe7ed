"""What all commands share: where the home is, how a refusal looks, and that no disk, store or stranger brings a traceback."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import _process
from appliance.cli.root import _COMMANDS, merpati
from appliance.config import edit, load
from appliance.services import places
from appliance.store.database import FILE_NAME, connect_writer
from appliance.store.interface import Store
from tests.support.homes import put_in_queue

from .conftest import Run, refusal, run_in


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(merpati, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.output


@pytest.mark.parametrize("words", [["sing"], ["queue", "sing"], ["init"], ["account", "add"], ["status", "--loudly"]])
def test_words_that_are_not_understood_are_status_2(words: list[str]) -> None:
    assert CliRunner().invoke(merpati, words).exit_code == 2


HOMES = {
    "the option": (["--home", "option"], {"MERPATI_HOME": "variable"}, "option"),
    "the option with =": (["--home=option"], {}, "option"),
    "the variable": ([], {"MERPATI_HOME": "variable"}, "variable"),
    "the desk's": ([], {}, "var"),
    "an empty variable": ([], {"MERPATI_HOME": ""}, "var"),
}


@pytest.mark.parametrize("name", HOMES)
def test_the_home_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, variables, folder = HOMES[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "APPLIANCE_HOME", tmp_path / "appliance")
    monkeypatch.delenv("MERPATI_HOME", raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    edit(tmp_path / folder / "merpati.yaml", {"outbound.mx_port": 2525})
    result = CliRunner().invoke(merpati, [*words, "config", "get", "outbound.mx_port"])
    assert result.stdout == "2525\n"


def test_the_appliances_home_comes_before_the_desks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERPATI_HOME", raising=False)
    monkeypatch.setattr(places, "APPLIANCE_HOME", tmp_path)
    assert places.find_places().home == tmp_path
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/merpati:/run/other")
    assert places.find_places().runtime == Path("/run/merpati")


PROCESSES = {
    "one word": (["mail"], ("mail", None)),
    "with its home": (["--home", "there", "web"], ("web", "there")),
    "all of them": (["run"], ("run", None)),
    "another command": (["status"], None),
    "nothing": ([], None),
    "help": (["mail", "--help"], None),
    "help for all": (["--help"], None),
    "in one word": (["--home=there", "leds"], None),
    "no home": (["--home", "mail"], None),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_what_is_started_without_the_command_lines_library(name: str) -> None:
    words, process = PROCESSES[name]
    assert _process(words) == process


READING = [
    ("account", "list"),
    ("alias", "list"),
    ("dns",),
    ("queue", "list"),
    ("queue", "flush"),
    ("queue", "hold", "1"),
]


@pytest.mark.parametrize("words", READING)
def test_a_mistyped_home_is_no_wish_for_a_new_one(words: tuple[str, ...], bare: Run, tmp_path: Path) -> None:
    assert refusal(bare(*words, status=1)).startswith(f"{tmp_path}/bare is not set up yet: run `merpati init`")
    assert not (tmp_path / "bare").exists()


@pytest.mark.parametrize("words", [("status", "--json"), ("doctor",), ("config", "get", "hostname"), ("trace", "x")])
def test_looking_makes_nothing(words: tuple[str, ...], tmp_path: Path) -> None:
    CliRunner().invoke(merpati, ["--home", str(tmp_path / "bare"), *words])
    assert not (tmp_path / "bare").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["account", "list"],
        ["queue", "list"],
        ["config", "set", "outbound.mx_port", "25"],
        ["init", "--hostname", "mx.b.example", "--domain", "b.example"],
    ],
)
def test_a_home_that_is_a_file(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert str(tmp_path / "file") in refusal(run_in(tmp_path / "file")(*words, status=1))


def test_a_full_disk_is_a_sentence(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (home / "merpati.yaml").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(home / "merpati.yaml.new"))

    monkeypatch.setattr(os, "replace", full)
    assert refusal(run("config", "set", "outbound.mx_port", "26", status=1)) == (
        f"{home}/merpati.yaml.new: No space left on device"
    )
    assert (home / "merpati.yaml").read_bytes() == before


def test_a_fault_of_ours_is_not_dressed_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.cli.config.render_value", lambda value: 1 // 0)
    result = CliRunner().invoke(merpati, ["--home", str(home), "config", "get", "hostname"])
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize("words", [("queue", "list"), ("account", "list"), ("status",)])
def test_what_is_no_store_is_a_sentence(words: tuple[str, ...], run: Run, home: Path) -> None:
    (home / FILE_NAME).write_bytes(b"this is no database" * 1000)
    assert "the mail store cannot be used (file is not a database)" in refusal(run(*words, status=1))


def test_a_store_of_a_newer_version_is_a_sentence(run: Run, home: Path) -> None:
    connection = connect_writer(home / FILE_NAME)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert "install a newer Merpati" in refusal(run("queue", "list", status=1))
    assert "install a newer Merpati" in run("doctor", status=1).stdout


def test_whatever_page_of_the_store_is_damaged_there_is_no_traceback(run: Run, home: Path) -> None:
    sound = (home / FILE_NAME).read_bytes()
    broken = 0
    for at in range(0, len(sound), 4096):
        (home / FILE_NAME).write_bytes(sound[:at] + b"\xa5" * 4096 + sound[at + 4096 :])
        for leftover in (f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"):
            (home / leftover).unlink(missing_ok=True)
        for words in (["doctor"], ["queue", "list"], ["account", "list"]):
            result = CliRunner().invoke(merpati, ["--home", str(home), *words])
            assert result.exception is None or isinstance(result.exception, SystemExit), (at, words, result.exception)
            broken += words == ["doctor"] and result.exit_code == 1
    assert broken > len(sound) // 4096 // 2


def test_what_strangers_write_cannot_repaint_the_terminal(run: Run, home: Path) -> None:
    store = Store(home)
    put_in_queue(store, "t1", "a@far.example", subject="\x1b[2J\x9b1A\r\nmerpati: all is well\a")
    store.close()
    told = run("queue", "list").stdout
    assert not {c for c in told if not c.isprintable()} - {"\n"}
    assert len(told.splitlines()) == 2
    assert "merpati: all is well" in told


def test_the_reader_may_leave(home: Path) -> None:
    """`merpati account list | head -0`: no traceback, as with any other program."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "--home", str(home), "account", "list"],
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert b"Traceback" not in done.stderr


def test_while_another_program_writes_it_waits(run: Run, home: Path) -> None:
    """The lock of SQLite is not a refusal."""
    connection = sqlite3.connect(home / FILE_NAME, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, connection.execute, ["COMMIT"])
    timer.start()
    run("alias", "add", "info@near.example", "bob@near.example")
    timer.join()
    connection.close()


def test_a_broken_file_is_named_by_every_command_that_needs_it(run: Run, home: Path) -> None:
    path = home / "merpati.yaml"
    path.write_text(path.read_text() + "limits:\n  message_size: big\n")
    line = len(path.read_text().splitlines())
    sentence = f"{path}, line {line}: limits.message_size: found 'big'; allowed is a number of octets, at least 65536"
    for words in (
        ["account", "list"],
        ["alias", "list"],
        ["dns"],
        ["config", "get", "hostname"],
        ["config", "set", "locale.language", "id"],
    ):
        assert refusal(run(*words, status=1)) == sentence
    run("queue", "list")  # what waits can be seen all the same
    assert sentence in run("doctor", status=1).stdout
    path.write_text("\n".join(path.read_text().splitlines()[:-2]))
    assert load(path).is_set_up
