"""Nobody gets into somebody else's account, and passwords are nowhere to be read."""

from __future__ import annotations

import base64
import imaplib
import poplib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support.world import ADMIN_PASSWORD, PASSWORD, World, eventually

from .browser import Browser
from .dialogue import dialogue


def trusting(world: World) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(world.home / "keys" / "tls" / "self-signed.crt"))
    context.check_hostname = False
    return context


@contextmanager
def imap_of(world: World, user: str, password: str = PASSWORD) -> Iterator[imaplib.IMAP4]:
    imap = imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30)
    try:
        imap.login(f"{user}@near.example", password)
        yield imap
    finally:
        imap.shutdown()


PLAIN_EVE = base64.b64encode(f"\0eve@near.example\0{PASSWORD}".encode())

NAMES_OF_BOBS_BOXES = [
    "../bob@near.example/INBOX", "/bob@near.example/INBOX", "bob@near.example/INBOX", "~bob/INBOX", "#user/bob/INBOX", "user/bob", "user.bob",
    "Other Users/bob", "INBOX/../../1/INBOX", "1", "2", "%", "*", "bob%", "INBOX\x01", "BobsOwn", "bobsown", "INBOX' OR '1'='1", "\" OR 1=1 --",
]  # fmt: skip


def test_no_name_of_a_mailbox_leads_to_somebody_elses(world: World) -> None:
    with imap_of(world, "bob") as bob, imap_of(world, "eve") as eve:
        bob.create("BobsOwn")
        assert bob.append("BobsOwn", None, None, b"Subject: bobs secret\r\n\r\nx\r\n")[0] == "OK"
        eve.append("Drafts", None, None, b"Subject: by eve\r\n\r\nx\r\n")
        assert b"BobsOwn" not in b"".join(each for each in eve.list('""', "*")[1] if isinstance(each, bytes))
        for name in NAMES_OF_BOBS_BOXES:
            quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
            for read_only in (False, True):
                if eve.select(quoted, readonly=read_only)[0] == "OK":
                    assert b"bobs secret" not in repr(eve.fetch("1:*", "(BODY.PEEK[HEADER])")).encode(), name
            eve.select("Drafts")
            eve.copy("1", quoted)
            eve.append(quoted, None, None, b"Subject: by eve\r\n\r\nx\r\n")
            eve.status(quoted, "(MESSAGES)")
            eve.rename(quoted, '"stolen"')
            eve.delete(quoted)
            eve.delete("stolen")
        assert bob.select("BobsOwn")[1] == [b"1"]
        assert b"bobs secret" in bob.fetch("1", "(BODY.PEEK[HEADER] FLAGS)")[1][0][1]
        for mailbox in ("INBOX", "BobsOwn", "Drafts", "Trash"):
            bob.select(mailbox, readonly=True)
            assert bob.search(None, "SUBJECT", '"by eve"')[1] == [b""], mailbox


@pytest.mark.parametrize(
    "name",
    [
        "nul\0",
        "line\r\nfeed",
        "a/../b",
        "//",
        "/",
        "",
        "x" * 5000,
        "a/" * 200,
        "&AAA-",
        "&AAo-",
        "&2AA-",
        "%",
        "*",
        "\x07",
    ],
)
def test_strange_names_of_mailboxes_are_refused_or_are_only_names(world: World, name: str) -> None:
    octets = name.encode()
    with socket.create_connection(("127.0.0.1", world.ports["imap"]), timeout=30) as line:
        line.sendall(
            f'a LOGIN eve@near.example "{PASSWORD}"\r\n'.encode()
            + b"b CREATE {%d+}\r\n" % len(octets) + octets + b'\r\nc LIST "" *\r\nd DELETE {%d+}\r\n' % len(octets) + octets + b"\r\ne LOGOUT\r\n"
        )  # fmt: skip
        said = line.makefile("rb").read()
    lines = said.split(b"\r\n")
    assert any(each.startswith(b"b ") for each in lines), said
    assert not [each for each in lines if each and not re.match(rb"\* |[a-e] ", each)], (
        "an answer that is more than one line"
    )
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", said)


def test_a_changed_password_ends_the_old_one_on_every_port(world: World) -> None:
    with imap_of(world, "carol"):  # now it is remembered, and needs no hash for ten minutes
        pass
    world.cli("account", "passwd", "carol@near.example", "--password-stdin", stdin="another good password\n")
    with pytest.raises(imaplib.IMAP4.error), imap_of(world, "carol"):
        pass
    with (
        smtplib.SMTP("127.0.0.1", world.ports["submission"], timeout=30) as smtp,
        pytest.raises(smtplib.SMTPAuthenticationError),
    ):
        smtp.login("carol@near.example", PASSWORD)
    pop3 = poplib.POP3("127.0.0.1", world.ports["pop3"], timeout=30)
    pop3.user("carol@near.example")
    with pytest.raises(poplib.error_proto):
        pop3.pass_(PASSWORD)
    pop3.close()
    browser = Browser(world.ports["web"])
    assert browser.post("/mail/sign-in", {"address": "carol@near.example", "password": PASSWORD}).status == 401
    with imap_of(world, "carol", "another good password"):
        pass


def test_a_removed_accounts_open_sessions_can_do_nothing(world: World) -> None:
    browser = Browser(world.ports["web"])
    submission = smtplib.SMTP("127.0.0.1", world.ports["submission"], timeout=30)
    with imap_of(world, "dan") as selected, imap_of(world, "dan") as idle, submission:
        selected.append("INBOX", None, None, b"Subject: mine\r\n\r\nx\r\n")
        selected.select("INBOX")
        submission.login("dan@near.example", PASSWORD)
        browser.post("/mail/sign-in", {"address": "dan@near.example", "password": PASSWORD})
        assert browser.get("/mail/").status == 302 and "sign-in" not in browser.get("/mail/").headers["Location"]
        world.cli("account", "remove", "dan@near.example", "--yes")
        with suppress(imaplib.IMAP4.error):  # hung up on: the mailbox is no more
            assert b"mine" not in repr(selected.fetch("1", "(BODY[])")).encode()
        with suppress(imaplib.IMAP4.error):
            assert idle.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "NO"
            assert idle.create("mine")[0] == "NO"
        assert submission.docmd("MAIL FROM:<dan@near.example>")[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            submission.docmd("MAIL FROM:<>")
        assert "sign-in" in browser.get("/mail/").headers["Location"]


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        pytest.param([b"EHLO x", b"AUTH PLAIN " + PLAIN_EVE, b"RSET", b"MAIL FROM:<eve@near.example>"], None, id="RSET keeps it"),
        pytest.param([b"EHLO x", b"AUTH PLAIN " + PLAIN_EVE, b"EHLO y", b"MAIL FROM:<bob@near.example>"], b"553", id="another's address"),
        pytest.param([b"EHLO x", b"AUTH PLAIN " + PLAIN_EVE, b"AUTH PLAIN " + PLAIN_EVE], b"503", id="twice"),
        pytest.param([b"AUTH PLAIN " + PLAIN_EVE], b"503", id="before EHLO"),
        pytest.param([b"HELO x", b"AUTH PLAIN " + PLAIN_EVE], b"503", id="after HELO"),
        pytest.param([b"EHLO x", b"AUTH PLAIN " + base64.b64encode(f"bob@near.example\0eve@near.example\0{PASSWORD}".encode())], b"501", id="acting for another"),
        pytest.param([b"EHLO x", b"AUTH PLAIN =", b"MAIL FROM:<eve@near.example>"], b"530", id="nothing"),
        pytest.param([b"EHLO x", b"AUTH PLAIN", b"*", b"MAIL FROM:<eve@near.example>"], b"530", id="cancelled"),
        pytest.param([b"EHLO x", b"AUTH EXTERNAL =", b"MAIL FROM:<eve@near.example>"], b"530", id="EXTERNAL"),
        pytest.param([b"EHLO x", b"AUTH ANONYMOUS", b"MAIL FROM:<eve@near.example>"], b"530", id="ANONYMOUS"),
    ],
)  # fmt: skip
def test_who_is_signed_in_is_never_in_doubt(world: World, lines: list[bytes], refused: bytes | None) -> None:
    last = dialogue(world.ports["submission"], *lines)[-1]
    assert last[:3] == (refused or b"250"), last


def test_starttls_forgets_the_sign_in_and_what_came_before_it(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.ports["submission"]), timeout=30) as plain:
        file = plain.makefile("rb")
        file.readline()
        plain.sendall(b"EHLO x\r\n")
        while file.readline()[3:4] == b"-":
            pass
        plain.sendall(b"AUTH PLAIN " + PLAIN_EVE + b"\r\n")
        assert file.readline().startswith(b"235")
        plain.sendall(b"STARTTLS\r\nMAIL FROM:<eve@near.example>\r\nRCPT TO:<bob@near.example>\r\n")
        assert file.readline().startswith(b"220")
        with trusting(world).wrap_socket(plain) as tls:
            tls.sendall(b"NOOP\r\n")
            assert tls.recv(4096).startswith(b"250 2.0.0"), "the answer to what was said in plaintext"
            tls.sendall(b"MAIL FROM:<eve@near.example>\r\n")
            assert tls.recv(4096).startswith(b"530"), "the sign-in outlived STARTTLS"


@pytest.mark.parametrize(
    ("port", "start", "ok"),
    [
        ("imap", b"a STARTTLS\r\nb LOGIN eve@near.example x\r\n", b"a OK"),
        ("pop3", b"STLS\r\nUSER eve@near.example\r\n", b"+OK"),
    ],
)
def test_commands_before_the_handshake_are_not_run_after_it(world: World, port: str, start: bytes, ok: bytes) -> None:
    with socket.create_connection(("127.0.0.1", world.ports[port]), timeout=30) as plain:
        file = plain.makefile("rb")
        file.readline()
        plain.sendall(start)
        assert file.readline().startswith(ok)
        with trusting(world).wrap_socket(plain) as tls:
            tls.sendall(b"z NOOP\r\n" if port == "imap" else b"CAPA\r\n")
            assert tls.recv(4096).startswith(b"z OK" if port == "imap" else b"+OK Capa"), port


def test_passwords_are_nowhere_to_be_read(world: World) -> None:
    """Right, wrong, malformed, over every protocol: not in the log, the trace, the status, nor anywhere in the home."""
    secret = "hunter2-was-never-a-good-one"
    encoded = base64.b64encode(f"\0eve@near.example\0{secret}".encode())
    for port, said in {
        "imap": [b'a LOGIN eve@near.example "' + secret.encode() + b'"\r\nb LOGIN {5}\r\nx\r\nc AUTHENTICATE PLAIN ' + encoded + b"\r\nd LOGIN " + secret.encode() + b"\r\n"],
        "pop3": [b"USER eve@near.example\r\nPASS " + secret.encode() + b"\r\n", b"PASS " + secret.encode() + b"\r\n"],
        "submission": [b"EHLO x\r\nAUTH PLAIN " + encoded + b"\r\nAUTH LOGIN " + encoded + b"\r\n" + encoded + b"\r\n"],
        "smtp": [b"EHLO x\r\nAUTH PLAIN " + encoded + b"\r\n"],
    }.items():  # fmt: skip
        for octets in said:
            with socket.create_connection(("127.0.0.1", world.ports[port]), timeout=30) as line:
                line.sendall(octets)
                line.shutdown(socket.SHUT_WR)
                line.makefile("rb").read()
    Browser(world.ports["web"]).post("/mail/sign-in", {"address": "eve@near.example", "password": secret})
    Browser(world.ports["web"]).post("/sign-in", {"password": secret})
    eventually(lambda: "sign-in-failed" in world.log())
    told = world.log() + world.cli("status") + world.cli("status", "--json")
    for word in (secret, encoded.decode(), PASSWORD, ADMIN_PASSWORD, PLAIN_EVE.decode()):
        assert word not in told
        for path in world.home.rglob("*"):
            if path.is_file() and path.suffix != ".sock":
                assert word.encode() not in path.read_bytes(), path
