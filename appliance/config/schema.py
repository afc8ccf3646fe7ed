"""The keys of merpati.yaml as frozen values, with what each may hold.

`ALLOWED` says in words what a key may be; it is the only place that does, for the error messages and for the docs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MIB = 1024 * 1024

Port = Annotated[int, Meta(ge=0, le=65535)] | Literal["off"]
Pin = Annotated[int, Meta(ge=0, le=53)]
Positive = Annotated[int, Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of merpati.yaml; unknown keys are refused."""


class ListenConfig(Section, frozen=True):
    """Where the servers listen: one address for all, a port for each; 0 picks a free one, `off` disables."""

    address: str = "127.0.0.1"
    smtp: Port = 2525
    submission: Port = 2587
    submissions: Port = 2465
    imap: Port = 2143
    imaps: Port = 2993
    pop3: Port = 2110
    pop3s: Port = 2995
    managesieve: Literal["off"] = "off"  # not built yet, so it cannot be switched on
    web: Port = 8080


class SmarthostConfig(Section, frozen=True):
    """The provider's server that takes our outgoing mail. password_file: relative to the data folder, or absolute."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 465
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    username: str | None = None
    password_file: str | None = None
    cafile: str | None = None


class OutboundConfig(Section, frozen=True):
    """How mail leaves. mx_port: the port of other domains' servers; anything but 25 is for networks of one's own."""

    mode: Literal["direct", "smarthost", "off"] = "off"
    smarthost: SmarthostConfig | None = None
    mx_port: Annotated[int, Meta(ge=1, le=65535)] = 25


class TlsConfig(Section, frozen=True):
    """A certificate of the owner's own (PEM); without it a self-signed one is made."""

    certificate: str | None = None
    key: str | None = None


class LimitsConfig(Section, frozen=True):
    """message_size: octets; connections: at once on each port, in all and from one IP address; card_endurance: terabytes
    that may be written to the card in its life, by its maker's word; without it, a careful guess from its size; account_size
    (octets), account_messages: what an account may keep that has no quota of its own; without them, as much as there is room."""

    message_size: Annotated[int, Meta(ge=64 * 1024)] = 50 * MIB
    recipients: Annotated[int, Meta(ge=100)] = 1000
    connections: Positive = 250
    connections_per_ip: Positive = 50
    card_endurance: Positive | None = None
    account_size: Annotated[int, Meta(ge=1024)] | None = None
    account_messages: Positive | None = None


class LedsConfig(Section, frozen=True):
    """GPIO numbers (BCM) of the four LEDs and the button; `single` when there is one LED for everything."""

    enabled: bool = True
    power: Pin | None = 17
    queue: Pin | None = 27
    mail: Pin | None = 22
    alert: Pin | None = 24
    single: Pin | None = None
    button: Pin | None = None
    active_low: bool = False
    quiet_hours: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")] | None = None


class BackupConfig(Section, frozen=True):
    """Nothing to choose yet."""


class LocaleConfig(Section, frozen=True):
    language: Literal["en", "id"] = "en"
    timezone: str = "UTC"


class Config(Section, frozen=True):
    """hostname and domains are missing until the appliance has been set up."""

    hostname: str | None = None
    domains: tuple[str, ...] = ()
    listen: ListenConfig = ListenConfig()
    resolver: str | None = None
    outbound: OutboundConfig = OutboundConfig()
    tls: TlsConfig = TlsConfig()
    limits: LimitsConfig = LimitsConfig()
    leds: LedsConfig = LedsConfig()
    backup: BackupConfig = BackupConfig()
    locale: LocaleConfig = LocaleConfig()

    @property
    def is_set_up(self) -> bool:
        return self.hostname is not None and bool(self.domains)

    @property
    def resolver_endpoint(self) -> tuple[str, int] | None:
        """(IP address, port), or None for the system's resolver."""
        if self.resolver is None:
            return None
        host, colon, port = self.resolver.rpartition(":")
        if not colon or port.endswith("]") or (":" in host and not host.startswith("[")):
            return self.resolver.strip("[]"), 53
        return host.strip("[]"), int(port)


_PORT = "a port number from 1 to 65535, 0 for any free port, or off"
_PIN = "a GPIO number from 0 to 53 (BCM), or nothing"
_SECTION = "a section of its own keys, indented below it"

ALLOWED: dict[str, str] = {
    "hostname": "the full name of this server, such as mx.example.org",
    "domains": "a list of the mail domains that live here, such as [example.org]",
    "listen": _SECTION,
    "listen.address": "an IP address of this machine, 0.0.0.0 for all IPv4 or :: for all",
    **{
        f"listen.{name}": _PORT
        for name in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web")
    },
    "listen.managesieve": "off",
    "resolver": "the IP address of a name server, with :PORT if it is not 53",
    "outbound": _SECTION,
    "outbound.mode": "direct, smarthost or off",
    "outbound.smarthost": _SECTION + " (needed when outbound.mode is smarthost)",
    "outbound.smarthost.host": "the name of your provider's mail server",
    "outbound.smarthost.port": "a port number from 1 to 65535",
    "outbound.smarthost.tls": "implicit, starttls or none",
    "outbound.smarthost.username": "the name to sign in with",
    "outbound.smarthost.password_file": "the path of a file that holds the password",
    "outbound.smarthost.cafile": "the path of a file of certificates to trust",
    "outbound.mx_port": "a port number from 1 to 65535; 25 outside of tests",
    "tls": _SECTION,
    "tls.certificate": "the path of a certificate in PEM form",
    "tls.key": "the path of its private key in PEM form",
    "limits": _SECTION,
    "limits.message_size": "a number of octets, at least 65536",
    "limits.recipients": "a number, at least 100",
    "limits.connections": "a number, at least 1",
    "limits.connections_per_ip": "a number, at least 1",
    "limits.card_endurance": "a number of terabytes (TBW), at least 1, or nothing",
    "limits.account_size": "a number of octets, at least 1024, or nothing",
    "limits.account_messages": "a number of messages, at least 1, or nothing",
    "leds": _SECTION,
    "leds.enabled": "true or false",
    **{f"leds.{name}": _PIN for name in ("power", "queue", "mail", "alert", "single", "button")},
    "leds.active_low": "true or false",
    "leds.quiet_hours": "a span such as 22:00-07:00",
    "backup": _SECTION,
    "locale": _SECTION,
    "locale.language": "en or id",
    "locale.timezone": "a time zone such as Asia/Jakarta",
}

SECTIONS = frozenset(key for key, allowed in ALLOWED.items() if allowed.startswith(_SECTION))
