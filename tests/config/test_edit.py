"""Changing keys keeps what the owner wrote, never leaves half a file, and never one that is not valid."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config import Config, ConfigFault, edit, get, load, parse_value, render_value
from appliance.config.load import parse

OWNERS = """\
# My server

hostname: mx.example.org  # the name on the sticker
domains:
  - example.org
  - "example.net"   # the old one

# Ports of the house
listen:
  address: 0.0.0.0
  smtp: 25

locale: {language: id}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "merpati.yaml"
    path.write_text(OWNERS)
    return path


def test_comments_order_and_layout_stay(path: Path) -> None:
    config = edit(path, {"listen.smtp": 2525, "limits.recipients": 200})
    assert path.read_text() == OWNERS.replace("smtp: 25", "smtp: 2525") + "limits:\n  recipients: 200\n"
    assert config == load(path)
    assert (config.listen.smtp, config.limits.recipients) == (2525, 200)


def test_none_removes_a_key(path: Path) -> None:
    edit(path, {"listen.smtp": None, "listen.imap": None})
    assert path.read_text() == OWNERS.replace("  smtp: 25\n\n", "")
    assert load(path).listen.smtp == 2525


def test_a_long_value_stays_on_its_line(path: Path) -> None:
    long = "/srv/" + " certificates" * 20
    edit(path, {"tls.certificate": long, "tls.key": long})
    assert f"certificate: {long}\n" in path.read_text()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"listen.smpt": 25}, "no key listen.smpt"),
        ({"hots": "x"}, "no key hots"),
        ({"listen.smtp": "twenty-five"}, "listen.smtp: found 'twenty-five'"),
        ({"listen.smtp": 2525, "outbound.mode": "smarthost"}, "outbound.smarthost"),
        ({"hostname.mx": "a"}, "no key hostname.mx; the keys are hostname, domains"),
        ({"": 1}, "no key"),
        ({"listen": 25}, "listen: found 25"),
    ],
)
def test_what_would_not_be_valid_leaves_the_file_alone(path: Path, values: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigFault, match=word):
        edit(path, values)
    assert path.read_text() == OWNERS
    assert sorted(os.listdir(path.parent)) == ["merpati.yaml"]


def test_a_file_that_is_damaged_already_is_not_touched(path: Path) -> None:
    path.write_text("hostname: [\n")
    with pytest.raises(ConfigFault, match="not YAML"):
        edit(path, {"hostname": "mx.example.org"})
    assert path.read_text() == "hostname: [\n"


def test_a_new_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "home" / "merpati.yaml"
    edit(path, {"hostname": "mx.example.org", "domains": ("example.org",), "outbound.smarthost.host": "relay.example"})
    text = path.read_text()
    assert text.startswith("# Merpati's settings.")
    assert text.endswith(
        "hostname: mx.example.org\ndomains:\n  - example.org\noutbound:\n  smarthost:\n    host: relay.example\n"
    )


@pytest.mark.parametrize("comments", ["# mine\n", "\n  # mine\n", "# mine\n\n# and this\n"])
def test_a_file_of_comments_alone_keeps_them(tmp_path: Path, comments: str) -> None:
    path = tmp_path / "merpati.yaml"
    path.write_text(comments)
    edit(path, {"resolver": "192.0.2.1"})
    assert path.read_text() == comments + "resolver: 192.0.2.1\n"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_before_the_rename_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(os, step, crash)
        with pytest.raises(KeyboardInterrupt):
            edit(path, {"listen.smtp": 2525})
    assert path.read_text() == OWNERS
    assert edit(path, {"listen.smtp": 2526}).listen.smtp == 2526
    assert sorted(os.listdir(path.parent)) == ["merpati.yaml"]


def test_the_file_is_synced_before_the_rename_and_the_folder_after(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    replace, fsync = os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("rename"), replace(a, b)))
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd)))
    edit(path, {"listen.smtp": 2525})
    assert steps == ["fsync", "rename", "fsync"]


def _set_ports(path: Path, name: str) -> None:
    for port in range(20):
        edit(path, {f"listen.{name}": 3000 + 100 * len(name) + port})


def test_who_edits_at_once_takes_turns(path: Path) -> None:
    """Each sets its own key many times; nobody loses another's last word and no half-written file is ever read."""
    names = ("imap", "pop3s", "submission")
    with ThreadPoolExecutor(len(names)) as pool:
        for done in [pool.submit(_set_ports, path, name) for name in names]:
            done.result()
    listen = load(path).listen
    assert [getattr(listen, name) for name in names] == [3000 + 100 * len(name) + 19 for name in names]


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("25", 25, "25"),
        ("0", 0, "0"),
        ("1", 1, "1"),
        ("off", "off", "off"),
        ("true", True, "true"),
        ("false", False, "false"),
        ("", None, ""),
        ("[a.b, c.d]", ["a.b", "c.d"], '["a.b","c.d"]'),
        ("127.0.0.1:53", "127.0.0.1:53", "127.0.0.1:53"),
        ("[::1]:53", "[::1]:53", "[::1]:53"),
        ("22:00-07:00", "22:00-07:00", "22:00-07:00"),
        ("mx.example.org", "mx.example.org", "mx.example.org"),
        ("a: b: c", "a: b: c", "a: b: c"),
        ("!!int x", "!!int x", "!!int x"),
    ],
)
def test_what_is_typed_is_read_as_in_the_file_and_shown_again(text: str, value: Any, shown: str) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)
    assert render_value(value) == shown


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_anything_typed_is_a_value(text: str) -> None:
    parse_value(text)


def test_get_knows_defaults_and_refuses_keys_that_are_none() -> None:
    config = parse("domains: [a.b]\n")
    assert get(config, "listen.smtp") == 2525
    assert list(get(config, "domains")) == ["a.b"]
    assert get(config, "outbound.smarthost.host") is None
    assert get(Config(), "listen")["imap"] == 2143
    with pytest.raises(ConfigFault, match=r"no key listen\.smpt"):
        get(config, "listen.smpt")
