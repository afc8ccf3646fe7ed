"""What protects every page, whatever the page is about."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from web.security import HEADERS, host_is_ours, is_near, local_path, on_link_networks, parse_if_inet6, parse_routes

from .support import ADMIN_PASSWORD, ANN, MAIL_PASSWORD, World

VALUES = {
    "name": "name",
    "verb": "hold",
    "message_id": 1,
    "mailbox_id": 1,
    "uid": 1,
    "number": 0,
    "address": "ann@example.org",
}


def addresses(app: Flask, method: str, where: str | None = None) -> list[str]:
    """One address for each route that answers to the method."""
    found: list[str] = []
    with app.test_request_context():
        adapter = app.url_map.bind("localhost")
        found += [
            adapter.build(rule.endpoint, _values(rule))
            for rule in app.url_map.iter_rules()
            if method in (rule.methods or set()) and (where is None or rule.rule.startswith(where))
        ]
    return sorted(set(found))


def _values(rule: Rule) -> dict[str, object]:
    values = {name: VALUES[name] for name in rule.arguments}
    if rule.endpoint == "asset":
        values["name"] = "merpati.css"
    return values


def assert_protected(headers: object, path: str) -> None:
    for name, value in HEADERS.items():
        got = headers.get(name)  # type: ignore[attr-defined]
        assert got is not None, f"{path} lacks {name}"
        if name not in ("Content-Security-Policy", "Cache-Control"):
            assert got == value, path
    policy = headers["Content-Security-Policy"]  # type: ignore[index]
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy, path


def test_every_answer_carries_every_header(world: World) -> None:
    """Whoever asks: nobody, the administrator, a mailbox's owner; whatever the answer."""
    for tab in (world.tab(), world.administrator(), world.ann()):
        for path in [*addresses(world.app, "GET"), "/nowhere", "/static/none"]:
            if path == "/admin/stream":
                continue  # has a test of its own: it does not end
            assert_protected(tab.get(path).headers, path)


def test_pages_are_not_kept_and_styles_are(world: World) -> None:
    tab = world.administrator()
    assert tab.get("/admin/").headers["Cache-Control"] == "no-store"
    assert "immutable" in tab.get("/static/merpati.css?v=1").headers["Cache-Control"]


def test_pages_hold_no_inline_script_or_style_and_ask_nobody_else(world: World) -> None:
    tab = world.administrator()
    for path in addresses(world.app, "GET"):
        if path in ("/admin/stream", "/admin/news") or path.startswith("/static"):
            continue
        text = tab.get(path).text
        for forbidden in ("<style", " style=", " onclick=", "javascript:", "http://", "https://"):
            assert forbidden not in text, (path, forbidden)
        assert text.count("<script") == text.count("<script src=")


@pytest.mark.parametrize("state", ["empty", "world"])
def test_no_form_is_taken_without_its_token(state: str, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue(state)
    for tab in (world.tab(), world.administrator()) if state == "world" else (world.tab(),):
        for path in addresses(world.app, "POST"):
            answer = tab.client.post(path, data={"address": ANN}, environ_base={"REMOTE_ADDR": "127.0.0.1"})
            assert answer.status_code == 400, path
    assert [a.address for a in world.app.extensions["merpati"].accounts.all()] == ([ANN] if state == "world" else [])


def test_somebody_elses_token_is_no_token(world: World) -> None:
    token = world.tab().token("/sign-in")
    answer = world.tab().client.post("/sign-in", data={"csrf_token": token, "password": ADMIN_PASSWORD})
    assert answer.status_code == 400


def test_the_owners_pages_need_the_owner(world: World) -> None:
    """Neither a stranger nor the owner of a mailbox gets in, to look or to change."""
    for tab in (world.tab(), world.ann()):
        for path in addresses(world.app, "GET", "/admin"):
            answer = tab.get(path)
            assert answer.status_code in (302, 401), path
            if answer.status_code == 302:
                assert answer.headers["Location"].startswith("/sign-in"), path
        for path in addresses(world.app, "POST", "/admin"):
            answer = tab.post(path, {"address": ANN, "sure": "yes", "password": "a new password"}, page="/sign-in")
            assert answer.headers["Location"].startswith("/sign-in"), path
    assert [a.address for a in world.app.extensions["merpati"].accounts.all()] == [ANN]


def test_mail_needs_its_owner(world: World) -> None:
    for tab in (world.tab(), world.administrator()):
        for path in addresses(world.app, "GET", "/mail"):
            if path != "/mail/sign-in":
                assert tab.get(path).headers["Location"] == "/mail/sign-in", path


def test_a_mistake_of_ours_tells_nothing(world: World) -> None:
    """An unexpected fault is answered in plain words, without inner details, and with all headers."""

    def broken() -> object:
        raise RuntimeError("inner detail")

    world.app.testing = False
    world.mail.snapshot = broken  # type: ignore[method-assign, assignment]
    answer = world.administrator().get("/admin/")
    assert answer.status_code == 500
    assert "inner detail" not in answer.text and "Traceback" not in answer.text
    assert_protected(answer.headers, "/admin/")


# -- sessions


def test_the_cookie_is_for_our_pages_only(world: World) -> None:
    cookie = world.tab().get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie
    over_tls = world.tab().client.get("/sign-in", base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in over_tls


def test_signing_in_begins_a_new_session(world: World) -> None:
    """A session that somebody planted in the browser is worth nothing once its victim has signed in."""
    tab = world.tab()
    before = tab.token("/sign-in")
    planted = tab.client.get_cookie("merpati")
    tab.post("/sign-in", {"password": ADMIN_PASSWORD})
    assert tab.token("/admin/accounts") != before
    attacker = world.tab()
    assert planted is not None
    attacker.client.set_cookie("merpati", planted.value)
    assert attacker.get("/admin/").status_code == 302
    # And the victim's page no longer takes the token that the attacker knows.
    answer = tab.client.post("/admin/queue/flush", data={"csrf_token": before})
    assert answer.status_code == 400


def test_a_copied_cookie_ends_with_the_sign_out(world: World) -> None:
    tab = world.administrator()
    cookie = tab.client.get_cookie("merpati")
    assert cookie is not None
    thief = world.tab()
    thief.client.set_cookie("merpati", cookie.value)
    assert thief.get("/admin/").status_code == 200
    tab.post("/sign-out", page="/admin/accounts")
    assert tab.get("/admin/").status_code == 302
    assert thief.get("/admin/").status_code == 302


def test_a_changed_password_signs_out(world: World) -> None:
    ann, admin = world.ann(), world.administrator()
    assert ann.get("/mail/", follow_redirects=True).status_code == 200
    admin.post(
        "/admin/accounts/password", {"address": ANN, "password": "another one now"}, page=f"/admin/accounts/{ANN}"
    )
    assert ann.get("/mail/").headers["Location"] == "/mail/sign-in"
    world.app.extensions["merpati"].accounts.set_administrator_password("quite another one")
    assert admin.get("/admin/").status_code == 302


def test_one_browser_may_be_owner_and_reader(world: World) -> None:
    tab = world.administrator()
    tab.post("/mail/sign-in", {"address": ANN, "password": MAIL_PASSWORD})
    assert tab.get("/admin/").status_code == 200
    assert tab.get("/mail/", follow_redirects=True).status_code == 200
    tab.post("/sign-out", page="/admin/accounts")
    assert tab.get("/admin/").status_code == 302
    assert tab.get("/mail/", follow_redirects=True).status_code == 200


def test_guessing_is_slowed_down(world: World) -> None:
    tab = world.tab()
    for i in range(6):
        assert tab.post("/sign-in", {"password": f"guess {i}"}).status_code == 401
    answer = tab.post("/sign-in", {"password": ADMIN_PASSWORD})
    assert answer.status_code == 401 and "Too many wrong passwords" in answer.text


# -- where pages lead and who they answer


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/admin/queue", "/admin/queue"),
        ("/admin/trace?q=x%20y", "/admin/trace?q=x%20y"),
        ("", "/"),
        (None, "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("evil", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/a\\b", "/"),
        ("/\t/evil.example", "/"),
    ],
)
def test_back_leads_to_our_own_pages_only(path: str | None, leads_to: str) -> None:
    assert local_path(path) == leads_to


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example", "/\\evil.example", "/mail/"])
def test_no_redirect_leads_elsewhere(world: World, back: str) -> None:
    tab = world.tab()
    signed_in = tab.post("/sign-in", {"password": ADMIN_PASSWORD, "back": back})
    assert signed_in.headers["Location"] == "/admin/"
    chosen = tab.post("/language", {"language": "id", "back": back}, page="/admin/accounts")
    assert chosen.headers["Location"] == ("/mail/" if back == "/mail/" else "/")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("192.0.2.1", True),
        ("192.0.2.1:8080", True),
        ("[2001:db8::1]:8080", True),
        ("[fe80::1]", True),
        ("localhost:8080", True),
        ("merpati.local", True),
        ("merpati.fritz.box:8080", True),
        ("merpati", True),
        ("mail.example.org", True),
        ("MAIL.Example.ORG.:443", True),
        ("autoconfig.example.org", True),
        ("example.org", True),
        ("evil.example", False),
        ("mail.example.org.evil.example", False),
        ("notexample.org", False),
        ("local", True),
        ("evil.example:8080", False),
        ("", False),
        ("[::1", False),
        ("a b", False),
        ("exa_mple.org@evil.example", False),
    ],
)
def test_which_host_names_are_ours(host: str, ours: bool) -> None:
    assert host_is_ours(host, ["mail.example.org", "example.org"]) is ours


def test_a_page_elsewhere_cannot_point_its_name_at_us(world: World, empty: World) -> None:
    for path in ("/", "/sign-in", "/setup/", "/static/merpati.css"):
        answer = world.tab().get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 421, path
        assert "evil.example" not in answer.text


def test_redirects_do_not_repeat_the_host_header(world: World) -> None:
    answer = world.tab().get("/admin/", headers={"Host": "anything.local"})
    assert answer.headers["Location"].startswith("/sign-in")


LINKS = [ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8:7::/64")]


@pytest.mark.parametrize(
    ("ip", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("172.31.255.255", True),
        ("172.32.0.1", False),
        ("192.168.7.9", True),
        ("169.254.1.1", True),
        ("::ffff:192.168.7.9", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("100.64.0.1", False),  # a neighbour behind the same carrier is not in the house
        ("203.0.113.9", False),
        ("::ffff:203.0.113.9", False),
        ("198.51.100.77", True),
        ("198.51.101.77", False),
        ("2001:db8:7::99", True),
        ("2001:db8:8::99", False),
        ("", False),
        (None, False),
        ("unix:", False),
    ],
)
def test_who_is_near(ip: str | None, near: bool) -> None:
    assert is_near(ip, LINKS) is near


ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0164A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0064A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth1\t006433C6\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth0\t0000000A\t0164A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0
"""
IF_INET6 = """00000000000000000000000000000001 01 80 10 80       lo
20010db8000700000000000000000001 02 40 00 80     eth0
fe80000000000000ba27ebfffe000001 02 40 20 80     eth0
20010db8000000000000000000000001 03 00 00 80     tun0
"""


def test_the_networks_we_stand_in_are_read_from_linux() -> None:
    assert [str(n) for n in parse_routes(ROUTE.splitlines())] == ["192.168.100.0/24", "198.51.100.0/24"]
    assert [str(n) for n in parse_if_inet6(IF_INET6.splitlines())] == ["::1/128", "2001:db8:7::/64", "fe80::/64"]


def test_a_machine_that_tells_no_networks_has_none(tmp_path: Path) -> None:
    assert on_link_networks(tmp_path) == []
