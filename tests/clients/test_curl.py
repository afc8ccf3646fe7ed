"""curl speaks SMTP, IMAP and POP3, each with and without TLS."""

from __future__ import annotations

import pytest

from tests.support.world import PASSWORD, World

from .conftest import Run

MESSAGE = "From: ann@near.example\r\nTo: carl@near.example\r\nSubject: from curl\r\n\r\nHello, curl.\r\n"
AUTH = ("-sS", "--insecure", "--user", f"carl@near.example:{PASSWORD}")


@pytest.fixture(scope="module", autouse=True)
def a_message(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Carl has one message before he looks."""
    import smtplib

    with smtplib.SMTP("127.0.0.1", world.ports["smtp"]) as smtp:
        smtp.sendmail("ann@far.example", ["carl@near.example"], MESSAGE)


def test_submission(world: World, run: Run, tmp_path) -> None:
    mail = tmp_path / "mail.txt"
    mail.write_text(MESSAGE, newline="")
    run(
        "curl", "-sS", "--insecure", "--url", f"smtps://127.0.0.1:{world.ports['submissions']}",
        "--user", f"ann@near.example:{PASSWORD}", "--mail-from", "ann@near.example", "--mail-rcpt", "carl@near.example",
        "--upload-file", str(mail),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "port", "more"), [("imap", "imap", ()), ("imap", "imap", ("--ssl-reqd",)), ("imaps", "imaps", ())]
)
def test_imap(world: World, run: Run, scheme: str, port: str, more: tuple[str, ...]) -> None:
    url = f"{scheme}://127.0.0.1:{world.ports[port]}"
    assert '"/" INBOX' in run("curl", *AUTH, *more, url).stdout
    assert "Hello, curl." in run("curl", *AUTH, *more, f"{url}/INBOX;MAILINDEX=1").stdout
    assert (
        "Subject: from curl"
        in run("curl", *AUTH, *more, f"{url}/INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)").stdout
    )
    assert "* SEARCH 1" in run("curl", *AUTH, *more, f"{url}/INBOX?SUBJECT%20curl").stdout


def test_imap_append(world: World, run: Run, tmp_path) -> None:
    mail = tmp_path / "mail.txt"
    mail.write_text(MESSAGE, newline="")
    url = f"imap://127.0.0.1:{world.ports['imap']}"
    run("curl", *AUTH, f"{url}/Drafts", "--upload-file", str(mail))
    assert run("curl", *AUTH, f"{url}/Drafts;MAILINDEX=1").stdout.replace("\r\n", "\n") == MESSAGE.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("scheme", "port", "more"), [("pop3", "pop3", ()), ("pop3", "pop3", ("--ssl-reqd",)), ("pop3s", "pop3s", ())]
)
def test_pop3(world: World, run: Run, scheme: str, port: str, more: tuple[str, ...]) -> None:
    url = f"{scheme}://127.0.0.1:{world.ports[port]}"
    assert run("curl", *AUTH, *more, url).stdout.startswith("1 ")
    assert "Hello, curl." in run("curl", *AUTH, *more, f"{url}/1").stdout
    assert "1 " in run("curl", *AUTH, *more, "-X", "UIDL", url).stdout
