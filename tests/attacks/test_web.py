"""The pages of a running server: what strangers wrote is only text in them, and they answer nobody they should not."""

from __future__ import annotations

import imaplib
import re
import smtplib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.config import edit
from tests.support.remote_mta import RemoteMta
from tests.support.world import ADMIN_PASSWORD, FREE_PORTS, PASSWORD, World, eventually
from web.security import HEADERS

from .browser import Browser, Page

# Nothing in our pages looks like this unless it came from outside without being escaped.
MARK = "<xss onload=alert(1)>"
LIVE = re.compile(r"<xss|<[^>]*\bonload\b", re.IGNORECASE)
IN_ATTRIBUTES = re.compile(r"=\s*\"[^\"]*[<>][^\"]*\"")


@pytest.fixture(scope="module")
def owner(world: World) -> Browser:
    browser = Browser(world.ports["web"])
    assert browser.post("/sign-in", {"password": ADMIN_PASSWORD}).status == 302
    return browser


@pytest.fixture(scope="module")
def eve(world: World) -> Browser:
    browser = Browser(world.ports["web"])
    assert browser.post("/mail/sign-in", {"address": "eve@near.example", "password": PASSWORD}).status == 302
    return browser


@pytest.fixture(scope="module")
def hostile_mail(world: World, remote: RemoteMta) -> None:
    """In eve's INBOX, in the trace, in the queue and among the refusals."""
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as imap:
        imap.login("eve@near.example", PASSWORD)
        assert imap.create('"%s"' % MARK)[0] == "OK"  # noqa: UP031
    part = (
        f'Content-Type: text/html; name="{MARK}"\r\nContent-Disposition: attachment; filename="{MARK}.html"\r\n\r\n{MARK}'
        "<script>alert(1)</script>"
    )
    message = (
        f'From: "{MARK}" <"{MARK}"@far.example>\r\nTo: "{MARK}" <eve@near.example>\r\nSubject: subject {MARK}\r\n'
        f"Message-ID: <{MARK}@far.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/html\r\n\r\n<p>body</p>&lt;xss onload=alert(1)&gt;<svg onload=alert(1)>"
        f"<a href='javascript:alert(1)'>a</a><a href='https://{MARK}'>b</a>\r\n"
        f"--b\r\n{part}\r\n--b--\r\n"
    ).encode()
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=30) as smtp:
        assert smtp.docmd(f"EHLO {MARK.replace(' ', '/')}")[0] == 250
        assert smtp.docmd(f'MAIL FROM:<"{MARK}"@far.example>')[0] == 250
        assert smtp.docmd(f'RCPT TO:<"{MARK}"@near.example>')[0] == 550
        assert smtp.docmd(f'RCPT TO:<"{MARK}"@elsewhere.example>')[0] == 550
        assert smtp.docmd("RCPT TO:<eve@near.example>")[0] == 250
        assert smtp.data(message)[0] == 250
    remote.say("RCPT", f"450 4.2.0 {MARK}")
    try:
        with smtplib.SMTP("127.0.0.1", world.ports["submission"], timeout=30) as smtp:
            smtp.login("eve@near.example", PASSWORD)
            assert smtp.docmd("MAIL FROM:<eve@near.example>")[0] == 250
            assert smtp.docmd(f'RCPT TO:<"{MARK}"@elsewhere.example>')[0] == 250
            assert smtp.data(f"Subject: out {MARK}\r\n\r\nx\r\n".encode())[0] == 250
        eventually(
            lambda: f"450 4.2.0 {MARK}" in world.cli("queue", "list", "--json").encode().decode("unicode_escape")
        )
    finally:
        remote.say("RCPT", None)


def assert_harmless(page: Page, path: str) -> None:
    assert page.status == 200, path
    outside_attributes = re.sub(r'="[^"<>]*"', "", page.text)
    found = LIVE.search(outside_attributes)
    assert found is None, (path, found, outside_attributes[found.start() - 200 : found.end() + 100])
    assert not IN_ATTRIBUTES.search(page.text), path
    assert "<script>" not in page.text
    assert not re.search(r"(?:href|src|action)=[\"']?\s*(?:javascript|data):", page.text)


def links(page: Page) -> list[str]:
    return sorted(set(re.findall(r'href="(/[^"#?]+)"', page.text)))


def test_what_strangers_wrote_is_text_for_the_reader(world: World, eve: Browser, hostile_mail: None) -> None:
    inbox = eve.get(eve.get("/mail/").headers["Location"])
    assert_harmless(inbox, "inbox")
    assert MARK in inbox.shown
    (message,) = [
        path
        for path in links(inbox)
        if re.fullmatch(r"/mail/\d+/\d+", path) and f"subject {MARK}" in eve.get(path).shown
    ]
    assert_harmless(eve.get(message), message)
    for path in links(inbox):
        if re.fullmatch(r"/mail/\d+/", path):
            assert_harmless(eve.get(path), path)


def test_attachments_are_octets_that_no_browser_shows(world: World, eve: Browser, hostile_mail: None) -> None:
    inbox = eve.get(eve.get("/mail/").headers["Location"])
    downloads = [
        link
        for path in links(inbox)
        if re.fullmatch(r"/mail/\d+/\d+", path) and f"subject {MARK}" in (page := eve.get(path)).shown
        for link in links(page)
        if re.search(r"/part/\d+$|/whole$", link)
    ]
    assert any("/part/" in link for link in downloads) and any(link.endswith("/whole") for link in downloads)
    for link in downloads:
        answer = eve.get(link)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert not re.search(r"[<>\r\n]", answer.headers["Content-Disposition"])
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/admin/", "/admin/news", "/admin/queue", "/admin/accounts", "/admin/aliases", "/admin/system", "/admin/trace", "/admin/dns",
     "/admin/trace?q=xss", "/admin/trace?q=%3Cxss+onload%3Dalert(1)%3E", "/admin/trace?q=eve@near.example", "/admin/welcome"],
)  # fmt: skip
def test_what_strangers_wrote_is_text_for_the_owner(
    world: World, owner: Browser, hostile_mail: None, path: str
) -> None:
    page = owner.get(path)
    if path == "/admin/news":
        assert page.headers["Content-Type"] == "application/json"
        page = Page(page.status, page.headers, page.body.decode("unicode_escape").replace('\\"', '"').encode())
    assert_harmless(page, path)
    if path in ("/admin/queue", "/admin/trace?q=eve@near.example"):
        assert MARK in page.shown, "the test has sent nothing to look at"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sign-in",
        "/mail/sign-in",
        "/nothing",
        "/admin/",
        "/mail/",
        "/static/../../merpati.yaml",
        "/%00",
        "/setup/",
    ],
)
def test_every_answer_carries_what_protects_it(world: World, path: str) -> None:
    answer = Browser(world.ports["web"]).get(path)
    for name in HEADERS:
        assert name in answer.headers, (path, name)
    assert answer.status in (200, 302, 400, 404)
    assert answer.status != 302 or answer.headers["Location"].startswith("/")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/appliance/__init__.py",
        "/static//etc/passwd",
        "/static/..\\..\\etc\\passwd",
        "/static/merpati.css%00.js",
        "//evil.example/static/",
        "/mail/../admin/",
        "/admin/..;/",
    ],
)
def test_no_path_leads_out(world: World, path: str) -> None:
    answer = Browser(world.ports["web"]).get(path)
    assert answer.status in (302, 308, 400, 404), answer.status
    assert b"root:" not in answer.body
    assert re.match(rf"/(?!/)|http://127\.0\.0\.1:{world.ports['web']}/", answer.headers.get("Location", "/"))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "near.example.evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "a@evil.example"],
)
def test_another_hosts_name_is_refused(world: World, host: str) -> None:
    with socket.create_connection(("127.0.0.1", world.ports["web"]), timeout=20) as line:
        line.sendall(f"GET /sign-in HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while got := line.recv(65536):
            said += got
    assert re.match(rb"HTTP/1\.1 (421|400) ", said), said[:100]
    assert b'type="password"' not in said


@pytest.mark.parametrize(
    "path",
    [
        "/admin/accounts/add",
        "/admin/accounts/password",
        "/admin/aliases/set",
        "/admin/queue/flush",
        "/sign-in",
        "/mail/sign-in",
    ],
)
def test_no_form_is_obeyed_without_its_token(world: World, owner: Browser, path: str) -> None:
    form = {"address": "evil@near.example", "password": "an evil password", "targets": "a@evil.example"}
    assert owner.post_without_token(path, form).status == 400
    assert "evil@near.example" not in world.cli("account", "list")


def test_eve_has_no_way_into_the_owners_pages_nor_into_bobs_mail(world: World, eve: Browser) -> None:
    for path in ("/admin/", "/admin/accounts", "/admin/stream", "/admin/news"):
        assert eve.get(path).status in (302, 401)
    mine = int(re.search(r"/mail/(\d+)/", eve.get("/mail/").headers["Location"])[1])
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=30) as smtp:
        smtp.sendmail("a@far.example", ["bob@near.example"], b"Subject: for bob alone\r\n\r\nx\r\n")
    for mailbox in {*range(1, 30)} - {mine}:
        for path in (
            f"/mail/{mailbox}/",
            f"/mail/{mailbox}/1",
            f"/mail/{mailbox}/1/whole",
            f"/mail/{mailbox}/1/part/0",
        ):
            answer = eve.get(path)
            assert b"for bob alone" not in answer.body
    assert eve.post(f"/mail/{mine + 100}/1/trash", {}, page="/mail/sign-in").status in (400, 404)


def test_the_wizard_is_closed(world: World, owner: Browser) -> None:
    for path in ("/setup/", "/setup/claim", "/setup/password", "/setup/mailbox"):
        assert owner.get(path).status in (302, 404)
        answer = owner.post(
            path,
            {"code": "00000000", "password": "stolen by eve", "password_again": "stolen by eve"},
            page="/admin/accounts",
        )
        assert answer.status in (302, 400, 404, 405)
    assert Browser(world.ports["web"]).post("/sign-in", {"password": "stolen by eve"}).status == 401


@contextmanager
def unclaimed(folder: Path) -> Iterator[World]:
    world = World(folder / "home", fresh=False)
    world.home.mkdir()
    edit(world.home / "merpati.yaml", {**FREE_PORTS, "leds.enabled": False})
    with world.start():
        yield world


def test_only_the_house_may_claim_it(tmp_path: Path) -> None:
    """Whoever comes by way of a proxy, or says so, may be anywhere; the right code does not help them."""
    with unclaimed(tmp_path) as world:
        code = (world.home / "run" / "CLAIM.TXT").read_text().strip()
        browser = Browser(world.ports["web"])
        for header in (
            {"X_Forwarded_For": "127.0.0.1"},
            {"Forwarded": "for=127.0.0.1"},
            {"X_Real_IP": "10.0.0.1"},
            {"Via": "1.1 x"},
        ):
            assert browser.get("/setup/claim", **header).status == 403
            assert browser.post("/setup/claim", {"code": code}, **header).status == 403
        assert browser.get("/setup/claim", Host="evil.example").status == 421
        assert browser.post("/setup/claim", {"code": "00000000"}).status == 403
        assert browser.post("/setup/claim", {"code": code}).status == 429, "a wrong code makes the next one wait"
        assert browser.get("/setup/password").status == 302
        assert code not in browser.get("/setup/claim").text


def test_who_opens_many_connections_and_says_little_keeps_nobody_out(world: World) -> None:
    silent = [socket.create_connection(("127.0.0.1", world.ports["web"]), timeout=20) for _ in range(90)]
    try:
        for line in silent:
            line.sendall(b"GET / HTTP/1.1\r\nHost: near.example\r\nX-Slow: ")
        began = time.monotonic()
        assert Browser(world.ports["web"]).get("/").status == 200
        assert time.monotonic() - began < 20
    finally:
        for line in silent:
            line.close()
