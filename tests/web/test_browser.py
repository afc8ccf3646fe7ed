"""A person with a browser: from the claim code to the first mail read, against a whole running server.

Chromium is driven by Playwright; the server is `python -m appliance run` in a temporary home with free ports.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from .support import ADMIN_PASSWORD, MAIL_PASSWORD

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PORTS = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web")
PATIENCE_S = 60.0

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium"),
    pytest.mark.timeout(180),
]


@dataclass
class Server:
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def ports(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads((self.home / "run" / "ready.json").read_text())["ports"]
        except FileNotFoundError:
            found = {}
        return found

    def port(self, name: str) -> int:
        """Waits until it is open."""
        deadline = time.monotonic() + PATIENCE_S
        while name not in self.ports:
            assert self.process.poll() is None, (self.home / "log").read_text()
            assert time.monotonic() < deadline, (self.home / "log").read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        return self.ports[name]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port('web')}"

    def send(self, to: str, subject: str, body: str) -> None:
        """As another mail server would."""
        message = EmailMessage()
        message["From"] = "Bob <bob@elsewhere.example>"
        message["To"] = to
        message["Subject"] = subject
        message["Message-ID"] = f"<{time.time_ns()}@elsewhere.example>"
        message.set_content(body)
        with smtplib.SMTP("127.0.0.1", self.port("smtp"), timeout=30) as smtp:
            smtp.send_message(message, "bob@elsewhere.example", [to])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    home = tmp_path / "home"
    home.mkdir()
    lines = "\n".join(f"  {name}: 0" for name in PORTS)
    (home / "merpati.yaml").write_text(f"listen:\n{lines}\nresolver: 127.0.0.1:{_closed_port()}\n")
    environment = {name: value for name, value in os.environ.items() if name != "RUNTIME_DIRECTORY"}
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "--home", str(home), "run"], stdout=log, stderr=log, env=environment
        )
    try:
        yield Server(home, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (home / "log").read_text()
        assert "Traceback" not in (home / "log").read_text(), (home / "log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _closed_port() -> int:
    """Nobody answers there, so that no name is ever looked up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A browser window that remembers what went wrong in it and whom it asked."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.wrong: list[str] = []
        self.asked: set[str] = set()
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on(
            "console", lambda message: self.wrong.append(message.text) if message.type in ("error", "warning") else None
        )
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.asked.add(re.sub(r"^(\w+://[^/]+).*", r"\1", request.url))


@pytest.fixture
def window(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1000, "height": 800})
    window = Watched(context)
    yield window
    context.close()


def set_up(page: Page, server: Server, *, outbound: str = "off") -> None:
    page.goto(server.address)
    expect(page).to_have_url(f"{server.address}/setup/claim")
    page.get_by_label("Claim code").fill((server.home / "run" / "CLAIM.TXT").read_text().strip().lower())
    page.get_by_role("button", name="Begin").click()

    expect(page.get_by_role("heading", name="Choose the administrator’s password")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("The same once more").fill(ADMIN_PASSWORD)
    expect(page.locator("#password-fault")).to_contain_text("Choose a password")  # told while typing
    page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    page.get_by_label("The same once more").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Continue").click()

    page.get_by_label("Domain").fill("example.org")
    page.get_by_label("Domain").blur()
    expect(page.get_by_label("Name of the server")).to_have_value("mail.example.org")
    page.get_by_role("button", name="Continue").click()

    page.get_by_role("link", name="Back").click()
    expect(page.get_by_label("Domain")).to_have_value("example.org")  # back and forth without loss
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("group", name="The smarthost")).to_be_visible()
    page.get_by_label("Not yet" if outbound == "off" else "Directly").check()
    expect(page.get_by_role("group", name="The smarthost")).to_be_hidden()
    page.get_by_role("button", name="Continue").click()

    page.get_by_label("Address").fill("ann")
    page.get_by_label("Your name").fill("Ann Other")
    page.get_by_label("Password of the mailbox").fill(MAIL_PASSWORD)
    page.get_by_label("The same once more").fill(MAIL_PASSWORD)
    page.get_by_role("button", name="Set up the server").click()
    expect(page.get_by_role("heading", name="Your server is set up")).to_be_visible(timeout=60_000)


def test_from_the_claim_code_to_the_first_mail_read(server: Server, window: Watched) -> None:
    page = window.page
    set_up(page, server)

    # Mail works at once, without a restart.
    expect(page.get_by_text("Mail between the mailboxes here works now.")).to_be_visible()
    expect(page.get_by_text("v=DMARC1")).to_be_visible()
    server.send("ann@example.org", "Greetings from Bob", "Dear Ann, this is the first letter.")

    page.get_by_role("link", name="Read your mail").click()
    page.get_by_label("Mail address").fill("ann@example.org")
    page.get_by_label("Password").fill(MAIL_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    message = page.get_by_role("link", name="Greetings from Bob")
    expect(message).to_be_visible()
    message.click()
    expect(page.get_by_text("Dear Ann, this is the first letter.")).to_be_visible()
    page.get_by_role("link", name="Back").click()
    expect(page.locator(".messages .is-unread")).to_have_count(0)

    # After the set-up the wizard is closed.
    page.goto(f"{server.address}/setup/")
    expect(page).to_have_url(f"{server.address}/")
    assert not (server.home / "run" / "CLAIM.TXT").exists()

    assert window.wrong == []
    assert window.asked == {server.address}  # nobody else was asked for anything


def test_the_overview_is_alive(server: Server, window: Watched) -> None:
    """A delivery is seen without a reload: the light winks, the list grows, the story can be read."""
    page = window.page
    set_up(page, server)
    page.get_by_role("link", name="To the overview").click()
    expect(page.locator("#light-power")).to_have_attribute("data-rhythm", "steady")
    expect(page.locator("#light-power .says")).to_have_text("Running.")
    expect(page.get_by_text("All is well.", exact=False).first).to_be_visible()
    page.evaluate(
        """() => {
            window.winks = 0;
            new MutationObserver((changes) => {
                for (const change of changes) if (change.target.classList.contains("is-winking")) window.winks += 1;
            }).observe(document.getElementById("light-mail"), { attributes: true, attributeFilter: ["class"] });
        }"""
    )
    server.send("ann@example.org", "<b>First</b>", "1")
    expect(page.get_by_text("Filed for ann@example.org in INBOX")).to_have_count(1)
    page.wait_for_function("window.winks > 0")

    page.get_by_role("link", name="Story").first.click()
    expect(page.get_by_role("heading", name="<b>First</b>")).to_be_visible()
    expect(page.get_by_text("Mail from bob@elsewhere.example for ann@example.org came in.")).to_be_visible()
    page.get_by_text("Details").first.click()
    expect(page.get_by_text("no TLS", exact=False).first).to_be_visible()

    # Mail to elsewhere waits, since nothing is to leave yet; the owner may hold and delete it.
    page.get_by_role("link", name="Aliases").click()
    page.get_by_label("Alias", exact=True).fill("away")
    page.get_by_label("Leads to").fill("carol@elsewhere.example")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("now goes to carol@elsewhere.example")).to_be_visible()
    assert window.wrong == []


def test_accounts_come_and_go(server: Server, window: Watched) -> None:
    page = window.page
    set_up(page, server)
    page.get_by_role("link", name="Accounts").click()
    page.get_by_label("Address").fill("bob")
    page.get_by_label("Password").fill(MAIL_PASSWORD)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("bob@example.org can receive")).to_be_visible()
    server.send("bob@example.org", "For the new one", "hello")  # and the mail process knows at once

    page.get_by_role("listitem").filter(has_text="bob@example.org").get_by_role("link", name="Change").click()
    page.get_by_label("Yes, remove bob@example.org and its mail").check()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("bob@example.org and all its mail are removed.")).to_be_visible()
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        server.send("bob@example.org", "Too late", "hello")

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{server.address}/admin/")
    page.get_by_label("Administrator password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("That is not the administrator's password.")).to_be_visible()
    page.get_by_label("Administrator password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".verdict")).to_be_visible()


def test_on_a_phone_and_in_indonesian(server: Server, browser: Browser) -> None:
    """Nothing is wider than the window, and every field has its label."""
    context = browser.new_context(
        locale="id-ID",
        viewport={"width": 360, "height": 640},
        color_scheme="dark",
        reduced_motion="reduce",
        has_touch=True,
    )
    window = Watched(context)
    page = window.page
    page.goto(server.address)
    page.get_by_label("Kode klaim").fill((server.home / "run" / "CLAIM.TXT").read_text())
    with page.expect_navigation():
        page.get_by_role("button", name="Mulai").click()
    for answers in (
        {"password": ADMIN_PASSWORD, "password_again": ADMIN_PASSWORD},
        {"domain": "example.org", "hostname": "mail.example.org"},
        {},
        {"mailbox": "ann", "password": MAIL_PASSWORD, "password_again": MAIL_PASSWORD},
    ):
        assert _fits(page) and _labelled(page), page.url
        for name, value in answers.items():
            page.locator(f"#{name}").fill(value)
        if not answers:
            page.get_by_label("Belum").check()
        with page.expect_navigation(timeout=60_000):
            page.locator("button.main").click()
    expect(page.get_by_role("heading", name="Server Anda sudah siap")).to_be_visible(timeout=60_000)
    for path in ("welcome", "", "accounts", "accounts/ann@example.org", "aliases", "queue", "trace", "dns", "system"):
        page.goto(f"{server.address}/admin/{path}")
        assert _fits(page) and _labelled(page), path
    page.goto(f"{server.address}/admin/")
    assert page.locator("#light-power .lamp").evaluate("lamp => getComputedStyle(lamp).animationName") == "none"
    assert window.wrong == []
    context.close()


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def _labelled(page: Page) -> bool:
    """Every field that can be seen has a name that is read out."""
    return bool(
        page.evaluate(
            """[...document.querySelectorAll("input:not([type=hidden]):not([aria-hidden]), select")].every(
                (field) => field.labels.length > 0 || field.getAttribute("aria-label"))"""
        )
    )
