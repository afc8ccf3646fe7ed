"""What the commands do and print without a server; and each refusal is one sentence and status 1, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli.root import merpati
from appliance.config.schema import ALLOWED
from appliance.store.database import connect_writer
from tests.support.world import World

Run = Callable[..., Result]
PASSWORD = "correct horse battery"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*words: str, stdin: str = "", status: int = 0) -> Result:
        result = CliRunner().invoke(merpati, ["--home", str(tmp_path / "home"), *words], input=stdin)
        assert result.exit_code == status, (words, result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def set_up(run: Run) -> Run:
    run(
        "init",
        "--hostname",
        "mx.example.org",
        "--domain",
        "example.org",
        "--admin-password-stdin",
        stdin=PASSWORD + "\n",
    )
    run("account", "add", "bob@example.org", "--password-stdin", "--name", "Bob", stdin=PASSWORD + "\n")
    return run


def test_init_prints_what_to_do_next(run: Run) -> None:
    told = run("init", "--hostname", "mx.example.org", "--domain", "example.org").output
    assert "administrator's password is " in told
    assert "example.org.  MX  10 mx.example.org." in told
    assert "_domainkey.example.org.  TXT  v=DKIM1; k=rsa; p=" in told
    assert "k=ed25519" in told
    assert told.count(":") > 31, "the fingerprint"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("init", "--hostname", "mx.example.org", "--domain", "example.org"), "set up already"),
        (("account", "add", "bob@example.org", "--password-stdin"), "is an account or an alias already"),
        (("account", "add", "bob@elsewhere.example", "--password-stdin"), "is not in a domain of this server"),
        (("account", "add", "bob", "--password-stdin"), "is not a mail address"),
        (("account", "passwd", "eve@example.org", "--password-stdin"), "There is no account or alias eve@example.org"),
        (("account", "remove", "eve@example.org", "--yes"), "There is no account or alias eve@example.org"),
        (("alias", "add", "bob@example.org", "eve@example.org"), "is an account or an alias already"),
        (("alias", "add", "x@elsewhere.example", "bob@example.org"), "is not in a domain of this server"),
        (("alias", "remove", "x@example.org"), "There is no account or alias"),
        (("config", "get", "no.such.key"), "there is no key no.such.key"),
        (("config", "set", "listen.smtp", "abc"), "allowed is a port number"),
        (("config", "set", "listen.smpt", "25"), "there is no key listen.smpt"),
        (("config", "set", "outbound.mode", "smarthost"), "does not say which"),
        (("queue", "hold", "17"), "there is no message 17 in the queue"),
        (("queue", "remove", "0123456789ab"), "there is no message 0123456789ab in the queue"),
        (("trace", "nobody@example.org"), "Nothing is known of nobody@example.org"),
    ],
)
def test_a_refusal_is_one_sentence(set_up: Run, tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    before = (tmp_path / "home" / "merpati.yaml").read_text()
    result = set_up(*words, stdin=PASSWORD + "\n", status=1)
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert (tmp_path / "home" / "merpati.yaml").read_text() == before


def test_a_weak_password_is_refused(set_up: Run) -> None:
    assert (
        "at least 8 characters"
        in set_up("account", "add", "eve@example.org", "--password-stdin", stdin="short\n", status=1).stderr
    )


def test_accounts_and_aliases(set_up: Run) -> None:
    set_up("alias", "add", "info@example.org", "bob@example.org", "far@elsewhere.example")
    set_up("alias", "add", "@example.org", "bob@example.org")
    assert json.loads(set_up("alias", "list", "--json").stdout) == [
        {"address": "@example.org", "targets": ["bob@example.org"]},
        {"address": "info@example.org", "targets": ["bob@example.org", "far@elsewhere.example"]},
    ]
    assert "info@example.org -> bob@example.org, far@elsewhere.example" in set_up("alias", "list").stdout
    set_up("alias", "remove", "info@example.org")
    (bob,) = json.loads(set_up("account", "list", "--json").stdout)
    assert (bob["address"], bob["name"]) == ("bob@example.org", "Bob")
    set_up("account", "passwd", "bob@example.org", "--password-stdin", stdin="another good one\n")
    set_up("account", "remove", "bob@example.org", "--yes")
    assert json.loads(set_up("account", "list", "--json").stdout) == []


@pytest.mark.parametrize("key", ALLOWED)
def test_every_key_can_be_read(set_up: Run, key: str) -> None:
    json.loads(set_up("config", "get", key, "--json").stdout)


def test_a_setting_is_set_and_set_back(set_up: Run) -> None:
    assert set_up("config", "get", "outbound.mx_port").stdout == "25\n"
    assert "outbound.mx_port is now 2525." in set_up("config", "set", "outbound.mx_port", "2525").stdout
    assert set_up("config", "get", "outbound.mx_port").stdout == "2525\n"
    set_up("config", "set", "outbound.mx_port")
    assert set_up("config", "get", "outbound.mx_port").stdout == "25\n"
    set_up("config", "set", "listen.pop3", "off")
    assert set_up("config", "get", "listen.pop3").stdout == "off\n"


def test_before_the_set_up_it_says_what_to_do(run: Run) -> None:
    assert "run `merpati init`" in run("account", "list", status=1).stderr


def test_status_without_a_server(set_up: Run) -> None:
    told = json.loads(set_up("status", "--json").stdout)
    assert told["leds"] == {"power": "off", "queue": "off", "mail": "off", "alert": "off"}
    assert told["queue"] == {"waiting": 0, "deferred": 0}
    assert told["problems"][0].keys() == {"what", "do"}


def test_queue_of_nothing(set_up: Run) -> None:
    assert json.loads(set_up("queue", "list", "--json").stdout) == []
    assert "0 recipients due now." in set_up("queue", "flush").stdout


def test_doctor_of_a_sound_and_of_a_damaged_store(set_up: Run, tmp_path: Path) -> None:
    findings = json.loads(set_up("doctor", "--json").stdout)
    assert {finding["topic"] for finding in findings} == {"configuration", "certificate", "store", "queue", "card"}
    assert not [finding for finding in findings if finding["status"] == "broken"]
    connection = connect_writer(tmp_path / "home" / "store.db")
    connection.execute("UPDATE mailboxes SET messages = 7 WHERE name = 'INBOX'")
    connection.close()
    told = set_up("doctor", status=1).stdout
    assert "BROKEN" in told
    assert "counts differ from its messages" in told


def test_a_broken_configuration_is_named_and_nothing_starts(set_up: Run, tmp_path: Path) -> None:
    path = tmp_path / "home" / "merpati.yaml"
    path.write_text(path.read_text() + "\nlimits:\n  message_size: big\n")
    line = path.read_text().splitlines().index("  message_size: big") + 1
    stderr = set_up("run", status=1).stderr
    assert stderr == (
        f"merpati: {path}, line {line}: limits.message_size: found 'big'; allowed is a number of octets, at least 65536\n"
    )


def test_init_while_the_wizard_waits_opens_the_ports_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "merpati.yaml").write_text(
        "listen: {smtp: 0, submission: 0, submissions: 0, imap: 0, imaps: 0, pop3: 0, pop3s: 0, web: 0}\n"
    )
    with World(home, fresh=False) as world:
        assert world.ports.keys() == {"web"}
        assert json.loads(world.cli("status", "--json"))["leds"]["power"] == "slow"
        before = world.pids["mail"]
        world.cli("init", "--hostname", "mx.near.example", "--domain", "near.example")
        world.wait_ready(when=lambda ready: "smtp" in ready["ports"])
        assert world.ports.keys() == {
            "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web",
        }  # fmt: skip
        assert world.pids["mail"] == before
        assert json.loads(world.cli("status", "--json"))["leds"]["power"] == "steady"
