"""What protects every page: headers, cookies, CSRF tokens, which host names and which networks are answered.

The headers stand in one table. Nothing here knows what a page is about.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}

# A page is some kilobytes of form; nothing is uploaded.
LARGEST_REQUEST_OCTETS = 256 * 1024

# Names that no public name server answers for: a page elsewhere cannot point one of them at us (DNS rebinding).
LOCAL_SUFFIXES = ("local", "localhost", "localdomain", "lan", "home", "internal", "home.arpa", "fritz.box")

NEAR = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fe80::/10",
        "fc00::/7",
    )
)

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Cookies(SecureCookieSessionInterface):
    """The session cookie is Secure whenever the page came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def protect(app: Flask, secret_key: bytes) -> None:
    app.secret_key = secret_key
    app.session_interface = Cookies()
    app.config.update(
        SESSION_COOKIE_NAME="merpati",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=LARGEST_REQUEST_OCTETS,
        MAX_FORM_MEMORY_SIZE=LARGEST_REQUEST_OCTETS,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session that it belongs to
        WTF_CSRF_SSL_STRICT=False,  # asks for a Referer, which our own pages do not send
    )
    CSRFProtect(app)
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def host_is_ours(host: str, names: Iterable[str]) -> bool:
    """Whether the Host header names this server: an IP address, a name only the house knows, or one of `names` or
    anything below them. Whoever comes under another name was sent here by somebody else's page."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](:\d{1,5})?", host)
    name = bracketed.group(1) if bracketed else re.sub(r":\d{1,5}$", "", host)
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        pass
    name = name.lower().rstrip(".")
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        return False
    if "." not in name:
        return True
    return any(name == ours or name.endswith("." + ours) for ours in (*LOCAL_SUFFIXES, *names))


def is_near(ip: str | None, on_link: Iterable[IpNetwork]) -> bool:
    """Whether an address belongs to somebody in the same house: private, link-local, loopback, or on our own links."""
    try:
        address = ipaddress.ip_address((ip or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in (*NEAR, *on_link))


def came_directly(headers: Any) -> bool:
    """A proxy stands in for people who may be anywhere."""
    return not any(name in headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"))


def on_link_networks(proc: Path = Path("/proc/net")) -> list[IpNetwork]:
    """The networks this machine has an address in, as Linux tells them."""
    return [*parse_routes(_lines(proc / "route")), *parse_if_inet6(_lines(proc / "if_inet6"))]


def parse_routes(lines: Sequence[str]) -> list[IpNetwork]:
    """/proc/net/route: interface, destination, gateway, flags, ... mask; numbers in hex, host byte order."""
    found: list[IpNetwork] = []
    for line in lines[1:]:
        fields = line.split()
        if len(fields) < 8 or int(fields[2], 16) != 0 or int(fields[7], 16) == 0:
            continue  # by way of a router, or the default route: not on the link
        network, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        found.append(ipaddress.ip_network((network & mask, mask.bit_count())))
    return found


def parse_if_inet6(lines: Sequence[str]) -> list[IpNetwork]:
    """/proc/net/if_inet6: address, interface number, prefix length, scope, flags, interface."""
    found: list[IpNetwork] = []
    for line in lines:
        fields = line.split()
        if len(fields) < 6 or int(fields[2], 16) < 48:
            continue  # a tunnel's whole world is no neighbourhood
        found.append(ipaddress.ip_network((int.from_bytes(bytes.fromhex(fields[0])), int(fields[2], 16)), strict=False))
    return found


def local_path(path: str | None) -> str:
    """Where to go back to: a path of ours, or the front page. `//host` and `/\\host` lead elsewhere in browsers."""
    if path and re.fullmatch(r"/(?![/\\])[!-~]*", path) and "\\" not in path:
        return path
    return "/"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
