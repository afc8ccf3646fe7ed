"""merpati.yaml is checked whole: each fault is one sentence with file, line, key, what was found and what is allowed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from appliance.config import Config, ConfigFault, load
from appliance.config.load import parse
from tests.support import strategies

FAULTS = [
    # (name, text, line, words that have to stand in the sentence)
    ("not YAML", "hostname: [", 1, ["this is not YAML"]),
    ("a key twice", "hostname: a.b\nhostname: c.d\n", 2, ["duplicate key"]),
    ("a list", "- hostname", 1, ["keys such as hostname and domains"]),
    ("a word", "hostname", 1, ["keys such as hostname and domains"]),
    ("unknown key", "hostname: mx.a.b\nhots: 1\n", 2, ["no key hots", "hostname, leds", "tls"]),
    ("unknown key in a section", "listen:\n  smtp: 25\n  smpt: 25\n", 3, ["no key listen.smpt", "smtp, submission"]),
    (
        "unknown key deep down",
        "outbound:\n  smarthost:\n    host: a.b\n    prt: 1\n",
        4,
        ["smarthost.prt", "port, tls"],
    ),
    ("key where none is", "backup:\n  when: daily\n", 2, ["no key backup.when", "none yet"]),
    ("number for a name", "hostname: 1\n", 1, ["hostname", "found 1", "such as mx.example.org"]),
    ("host name without a dot", "\nhostname: localhost\n", 2, ["hostname", "found 'localhost'", "mx.example.org"]),
    ("host name with a space", "hostname: mx example.org\n", 1, ["found 'mx example.org'"]),
    ("address as host name", "hostname: '[192.0.2.1]'\n", 1, ["hostname", "192.0.2.1"]),
    ("domains as one word", "domains: example.org\n", 1, ["domains", "found 'example.org'", "a list"]),
    ("number among the domains", "domains: [example.org, 1]\n", 1, ["domains", "found ['example.org', 1]"]),
    ("bad domain", "domains:\n  - example..org\n", 1, ["domains", "example..org"]),
    ("domain twice", "domains: [example.org, EXAMPLE.org]\n", 1, ["domains", "named twice"]),
    ("domain twice in two alphabets", "domains: [münchen.de, xn--mnchen-3ya.de]\n", 1, ["named twice"]),
    ("section that is none", "listen: 25\n", 1, ["listen", "found 25", "a section of its own keys"]),
    ("port too high", "listen:\n  imap: 65536\n", 2, ["listen.imap", "found 65536", "1 to 65535", "off"]),
    ("port as a word", "listen:\n  imap: on\n", 2, ["listen.imap", "found 'on'"]),
    ("port as a truth", "listen:\n  imap: true\n", 2, ["listen.imap", "found True"]),
    ("port missing", "listen:\n  imap:\n", 2, ["listen.imap", "found nothing"]),
    ("port twice", "listen:\n  smtp: 2143\n", 1, ["listen.imap", "found 2143", "the port of smtp already"]),
    ("not built", "listen:\n  managesieve: 4190\n", 2, ["listen.managesieve", "found 4190", "allowed is off"]),
    ("address as a name", "listen:\n  address: localhost\n", 2, ["listen.address", "'localhost'", "0.0.0.0"]),
    ("resolver as a name", "resolver: dns.example\n", 1, ["resolver", "found 'dns.example'", "IP address"]),
    ("resolver's port", "resolver: 192.0.2.1:0\n", 1, ["resolver", "192.0.2.1:0"]),
    ("resolver's port as a word", "resolver: 192.0.2.1:dns\n", 1, ["resolver"]),
    ("mode", "outbound:\n  mode: relay\n", 2, ["outbound.mode", "'relay'", "direct, smarthost or off"]),
    ("smarthost missing", "outbound:\n  mode: smarthost\n", 2, ["outbound.mode", "outbound.smarthost"]),
    ("smarthost nameless", "outbound:\n  smarthost:\n    port: 25\n", 2, ["outbound.smarthost lacks the key host"]),
    ("smarthost's port", "outbound:\n  smarthost:\n    host: a.b\n    port: 0\n", 4, ["smarthost.port", "found 0"]),
    ("key without certificate", "tls:\n  key: my.key\n", 1, ["tls", "belong together"]),
    ("message size", "limits:\n  message_size: 10\n", 2, ["limits.message_size", "found 10", "at least 65536"]),
    ("recipients", "limits:\n  recipients: 99\n", 2, ["limits.recipients", "at least 100"]),
    ("no connections", "limits:\n  connections: 0\n", 2, ["limits.connections", "at least 1"]),
    ("pin", "leds:\n  mail: 54\n", 2, ["leds.mail", "found 54", "0 to 53"]),
    ("half an hour past", "leds:\n  quiet_hours: 22:60-07:00\n", 2, ["leds.quiet_hours", "22:00-07:00"]),
    ("language", "locale:\n  language: de\n", 2, ["locale.language", "found 'de'", "en or id"]),
    ("time zone", "locale:\n  timezone: Mars/Olympus\n", 2, ["locale.timezone", "Asia/Jakarta"]),
    ("time zone that is a path", "locale:\n  timezone: ../../etc/passwd\n", 2, ["locale.timezone"]),
]


@pytest.mark.parametrize(("text", "line", "words"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_names_file_line_key_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, words: list[str]
) -> None:
    path = tmp_path / "merpati.yaml"
    path.write_text(text)
    with pytest.raises(ConfigFault) as caught:
        load(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}, line {line}: ")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "merpati.yaml"
    path.write_bytes(b"hostname: mx.a.b\n# caf\xe9\n")
    with pytest.raises(ConfigFault, match="line 2: this is not UTF-8 text"):
        load(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "merpati.yaml").mkdir()
    with pytest.raises(ConfigFault, match="cannot be read"):
        load(tmp_path / "merpati.yaml")


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "---\n", "{}\n", "listen:\nleds:\n  # power: 4\n"])
def test_an_absent_or_empty_file_or_section_is_all_defaults(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "merpati.yaml"
    if text is not None:
        path.write_text(text)
    config = load(path)
    assert config == Config()
    assert not config.is_set_up


def test_names_come_out_in_lower_case_a_labels() -> None:
    config = parse("hostname: MX.Münster.example\ndomains: [Münster.example, Example.ORG]\n")
    assert config.hostname == "mx.xn--mnster-3ya.example"
    assert config.domains == ("xn--mnster-3ya.example", "example.org")
    assert config.is_set_up


def test_words_are_read_as_yaml_1_2_does() -> None:
    """`off` is a word and not a truth value, and a port in quotes is no port."""
    assert parse("listen: {smtp: off}\noutbound: {mode: off}\n").listen.smtp == "off"
    with pytest.raises(ConfigFault, match=r"listen\.smtp: found '25'"):
        parse("listen: {smtp: '25'}\n")


@pytest.mark.parametrize(
    ("resolver", "endpoint"),
    [
        (None, None),
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_resolver_is_an_address_with_or_without_a_port(
    resolver: str | None, endpoint: tuple[str, int] | None
) -> None:
    assert parse("" if resolver is None else f"resolver: '{resolver}'").resolver_endpoint == endpoint


@settings(max_examples=100, deadline=None)
@given(strategies.settings_documents)
def test_what_is_written_is_read(document: dict[str, Any]) -> None:
    """parse(dump(values)) holds exactly these values, and so does parse(dump(all of the configuration))."""
    config = parse(_dump(document))
    assert config == msgspec.convert(document, Config)
    assert parse(_dump(msgspec.to_builtins(config))) == config


_PIECES = [
    "hostname",
    "listen",
    "smtp",
    ": ",
    "\n",
    "\n  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "!!int",
    "? ",
    "'",
    "~",
]
_PIECES += ["!!timestamp ", "|", "<<", "1", "#", "\t", "%YAML", "---", ",", "é", " "]


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(_PIECES),
        max_size=16,
    ).map("".join)
)
def test_whatever_stands_in_the_file_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        assert isinstance(parse(text), Config)
    except ConfigFault as fault:
        assert str(fault).startswith("merpati.yaml")
        assert "\n" not in str(fault)


def test_a_value_that_contains_itself_or_is_far_too_deep_is_refused() -> None:
    for text in ("hostname: &a [*a]\n", "backup: &a {b: *a}\n", "[" * 400):
        with pytest.raises(ConfigFault):
            parse(text)


def _dump(document: dict[str, Any]) -> str:
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(document, out)
    return out.getvalue()
