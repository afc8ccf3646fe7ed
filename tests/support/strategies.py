"""What hypothesis draws for more than one room: addresses, domains, messages, settings.

Each strategy draws only what is valid, unless its name says otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from appliance.config.schema import Config, ListenConfig
from appliance.mail.address import Address

# ---- addresses

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=2, max_size=4).map(".".join)
_atoms = st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*/=?^_`{|}~-")
    | st.characters(min_codepoint=0xA0, max_codepoint=0x2FFF, categories=["L", "M"]),
    min_size=1,
    max_size=8,
)
local_parts = st.lists(_atoms, min_size=1, max_size=3).map(".".join).filter(lambda text: len(text.encode()) <= 64)
quoted_local_parts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
addresses = st.builds(Address, local_parts, domains)
odd_addresses = st.builds(Address, quoted_local_parts, domains)

# ---- messages

_header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
headers = st.lists(
    st.tuples(st.sampled_from(["Subject", "From", "To", "X-Note", "Message-ID", "Date"]), _header_values), max_size=6
).map(lambda lines: "".join(f"{name}: {value}\r\n" for name, value in lines).encode())
messages = st.builds(lambda header, body: header + b"\r\n" + body, headers, st.binary(max_size=2000)) | st.binary(
    max_size=300
)
"""Any octets at all are a message; most of these look like one."""

flag_names = st.sets(st.sampled_from(["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Junk", "later"]))

# ---- settings: dotted keys of merpati.yaml with valid values

_ports = st.just("off") | st.just(0) | st.integers(1, 65535)
_pins = st.none() | st.integers(0, 53)
_words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x2FF, categories=["L", "N", "P", "S"]), min_size=1)
_listeners = [name for name in ListenConfig.__struct_fields__ if name not in ("address", "managesieve")]


@st.composite
def _listen(draw: st.DrawFn) -> dict[str, Any]:
    """All of them, since one that is left out has a port of its own that must not be another's."""
    ports: dict[str, Any] = {}
    for name in _listeners:
        port = draw(_ports)
        ports[name] = 0 if port in ports.values() else port
    return ports | {"address": str(draw(st.ip_addresses()))}


_smarthosts = st.fixed_dictionaries(
    {"host": domains},
    optional={
        "port": st.integers(1, 65535),
        "tls": st.sampled_from(["implicit", "starttls", "none"]),
        "username": _words,
        "password_file": _words,
        "cafile": _words,
    },
)
_outbound = st.one_of(
    st.fixed_dictionaries({"mode": st.sampled_from(["direct", "off"]), "mx_port": st.integers(1, 65535)}),
    st.fixed_dictionaries({"mode": st.just("smarthost"), "smarthost": _smarthosts}),
)
_times = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.integers(0, 59))
_leds = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "power": _pins,
        "queue": _pins,
        "mail": _pins,
        "alert": _pins,
        "single": _pins,
        "button": _pins,
        "active_low": st.booleans(),
        "quiet_hours": st.none() | st.builds("{}-{}".format, _times, _times),
    },
)
_limits = st.fixed_dictionaries(
    {},
    optional={
        "message_size": st.integers(65536, 2**40),
        "recipients": st.integers(100, 10**6),
        "connections": st.integers(1, 10**6),
        "connections_per_ip": st.integers(1, 10**6),
    },
)
_resolvers = st.ip_addresses(v=4).map(str) | st.builds(
    lambda ip, port: f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}", st.ip_addresses(), st.integers(1, 65535)
)
settings_documents = st.fixed_dictionaries(
    {},
    optional={
        "hostname": domains,
        "domains": st.lists(domains, max_size=3, unique=True),
        "listen": _listen(),
        "resolver": _resolvers,
        "outbound": _outbound,
        "tls": st.just({}) | st.fixed_dictionaries({"certificate": _words, "key": _words}),
        "limits": _limits,
        "leds": _leds,
        "backup": st.just({}),
        "locale": st.fixed_dictionaries(
            {},
            optional={"language": st.sampled_from(["en", "id"]), "timezone": st.sampled_from(["UTC", "Asia/Jakarta"])},
        ),
    },
)
"""What a valid merpati.yaml holds, as plain values."""


def configs() -> st.SearchStrategy[Config]:
    return settings_documents.map(lambda document: msgspec.convert(document, Config))
