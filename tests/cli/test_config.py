"""`merpati config get|set`: every key, what is refused, and that a refusal leaves the file alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.config import Config, get, load
from appliance.config.schema import ALLOWED

from .conftest import Run, refusal


def test_every_key_can_be_read(run: Run, home: Path) -> None:
    config = load(home / "merpati.yaml")
    for key in ALLOWED:
        told = run("config", "get", key, "--json").stdout
        value = get(config, key)
        assert json.loads(told) == (list(value) if isinstance(value, tuple) else value), key
        assert run("config", "get", key).stdout.endswith("\n")


def test_defaults_are_told_as_well(bare: Run) -> None:
    assert bare("config", "get", "listen.smtp").stdout == "2525\n"
    assert bare("config", "get", "listen.managesieve").stdout == "off\n"
    assert bare("config", "get", "leds.active_low").stdout == "false\n"
    assert bare("config", "get", "hostname").stdout == "\n"
    assert bare("config", "get", "hostname", "--json").stdout == "null\n"
    assert json.loads(bare("config", "get", "listen").stdout) == get(Config(), "listen")


SET: dict[str, tuple[str, str, object]] = {
    "a number": ("outbound.mx_port", "2525", 2525),
    "off": ("listen.pop3", "off", "off"),
    "a free port": ("listen.pop3", "0", 0),
    "a list": ("domains", "[near.example, other.example]", ["near.example", "other.example"]),
    "true": ("leds.enabled", "true", True),
    "nothing": ("leds.mail", "null", 22),
    "a word": ("locale.timezone", "Asia/Jakarta", "Asia/Jakarta"),
    "a time": ("leds.quiet_hours", "22:00-07:00", "22:00-07:00"),
    "a name": ("hostname", "Mail.Near.Example", "mail.near.example"),
    "an address": ("resolver", "127.0.0.1:5353", "127.0.0.1:5353"),
    "IPv6": ("listen.address", "::1", "::1"),
}


@pytest.mark.parametrize("name", SET)
def test_a_setting_is_set_and_set_back(name: str, run: Run) -> None:
    key, value, kept = SET[name]
    before = run("config", "get", key, "--json").stdout
    told = run("config", "set", key, value).stdout.splitlines()
    assert told[0].startswith(f"{key} is now ")
    assert told[1] == "The server is not running; it takes this up when it starts."
    assert json.loads(run("config", "get", key, "--json").stdout) == kept
    if key in ("hostname", "domains"):
        return
    run("config", "set", key)
    if key not in ("listen.pop3", "leds.enabled"):  # which the home of these tests has set
        assert run("config", "get", key, "--json").stdout == before


def test_what_belongs_together_is_set_together(run: Run) -> None:
    run("config", "set", "tls", "{certificate: own.crt, key: own.key}")
    assert run("config", "get", "tls.key").stdout == "own.key\n"
    run("config", "set", "tls")
    assert run("config", "get", "tls.key").stdout == "\n"
    run("config", "set", "outbound.smarthost.host", "smtp.far.example")
    run("config", "set", "outbound.mode", "smarthost")
    assert run("config", "get", "outbound.smarthost.port").stdout == "465\n"


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no port": (("listen.smtp", "many"), "listen.smtp: found 'many'; allowed is a port number"),
    "too high": (("listen.smtp", "65536"), "listen.smtp: found 65536; allowed is a port number"),
    "twice": (("listen.imap", "2525"), "listen"),
    "0 to dial": (("outbound.mx_port", "0"), "outbound.mx_port: found 0; allowed is a port number from 1"),
    "no such key": (("listen.smpt", "25"), "there is no key listen.smpt; the keys are hostname, domains, listen"),
    "no key": (("", "25"), "there is no key"),
    "a part of a key": (("limits.message_size.octets", "25"), "there is no key"),
    "no section": (("listen", "25"), "listen: found 25; allowed is a section"),
    "a list that is none": (("domains", "near.example"), "domains: found 'near.example'; allowed is a list"),
    "no host": (("outbound.mode", "smarthost"), "outbound.smarthost does not say which"),
    "half a certificate": (("tls.key", "own.key"), "give both or none"),
    "no such zone": (("locale.timezone", "Asia/Nowhere"), "locale.timezone"),
    "not built yet": (("listen.managesieve", "4190"), "listen.managesieve: found 4190; allowed is off"),
    "no address": (("listen.address", "localhost"), "listen.address: found 'localhost'; allowed is an IP address"),
    "broken YAML": (("domains", "[near.example"), "domains"),
    "the host name away": (("hostname",), "hostname cannot be taken away from a server that is set up"),
    "the host name null": (("hostname", "null"), "hostname cannot be taken away"),
    "the domains away": (("domains",), "domains cannot be taken away"),
    "no domains": (("domains", "[]"), "domains cannot be taken away"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_value_is_refused_and_the_file_is_as_it_was(name: str, run: Run, home: Path) -> None:
    words, sentence = REFUSED[name]
    (home / "merpati.yaml").write_text("# mine\n" + (home / "merpati.yaml").read_text() + "# the end\n")
    run("config", "set", "listen.smtp", "2525")
    before = (home / "merpati.yaml").read_bytes()
    assert sentence in refusal(run("config", "set", *words, status=1))
    assert (home / "merpati.yaml").read_bytes() == before
    assert not (home / "merpati.yaml.new").exists()
    assert before.startswith(b"# mine\n") and before.endswith(b"# the end\n")


def test_no_such_key_to_read(run: Run) -> None:
    assert "there is no key no.such.key" in refusal(run("config", "get", "no.such.key", status=1))
