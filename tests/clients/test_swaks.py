"""swaks, the postmaster's Swiss army knife: delivery, refusal, STARTTLS, submission with AUTH."""

from __future__ import annotations

import pytest

from tests.support.world import PASSWORD, World

from .conftest import Run

SERVER = ("--server", "127.0.0.1", "--helo", "far.example", "--from", "ann@far.example")


def test_mail_for_us_is_accepted(world: World, run: Run) -> None:
    done = run(
        "swaks", *SERVER, "--port", str(world.ports["smtp"]), "--to", "bob@near.example", "--h-Subject", "from swaks"
    )
    assert "<-  250 2.0.0 Accepted as " in done.stdout


@pytest.mark.parametrize(
    ("recipient", "answer"),
    [("nobody@near.example", "550 5.1.1"), ("somebody@elsewhere.example", "550 5.7.1")],
)
def test_mail_for_others_is_refused(world: World, run: Run, recipient: str, answer: str) -> None:
    done = run("swaks", *SERVER, "--port", str(world.ports["smtp"]), "--to", recipient, status=24)
    assert f"<** {answer}" in done.stdout


def test_starttls_then_mail(world: World, run: Run) -> None:
    done = run("swaks", *SERVER, "--port", str(world.ports["smtp"]), "--to", "bob@near.example", "--tls")
    assert "TLS started with cipher" in done.stdout
    assert "<~  250 2.0.0 Accepted as " in done.stdout


def submit(world: World, *words: str) -> tuple[str, ...]:
    return (
        "--server", "127.0.0.1", "--helo", "laptop", "--from", "ann@near.example", "--to", "bob@near.example",
        "--auth-user", "ann@near.example", "--auth-password", PASSWORD, *words,
    )  # fmt: skip


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_submission_on_587(world: World, run: Run, mechanism: str) -> None:
    done = run("swaks", *submit(world, "--port", str(world.ports["submission"]), "--tls", "--auth", mechanism))
    assert "<~  235 2.7.0" in done.stdout
    assert "<~  250 2.0.0 Accepted as " in done.stdout


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_submission_on_465(world: World, run: Run, mechanism: str) -> None:
    port = str(world.ports["submissions"])
    done = run("swaks", *submit(world, "--port", port, "--tls-on-connect", "--auth", mechanism))
    assert "<~  250 2.0.0 Accepted as " in done.stdout


def test_a_wrong_password_is_refused(world: World, run: Run) -> None:
    words = submit(
        world, "--port", str(world.ports["submissions"]), "--tls-on-connect", "--auth-password", "wrong words"
    )
    done = run("swaks", *words, status=28)
    assert "535 5.7.8" in done.stdout


def test_another_persons_address_is_refused(world: World, run: Run) -> None:
    words = submit(world, "--port", str(world.ports["submissions"]), "--tls-on-connect", "--from", "bob@near.example")
    done = run("swaks", *words, status=23)
    assert "553 5.7.1" in done.stdout


def test_a_stranger_cannot_submit(world: World, run: Run) -> None:
    done = run("swaks", *SERVER, "--port", str(world.ports["submission"]), "--to", "bob@near.example", status=23)
    assert "530 5.7.0" in done.stdout


def test_an_attachment_pipelined_in_chunks(world: World, run: Run, tmp_path) -> None:
    attachment = tmp_path / "picture.bin"
    attachment.write_bytes(bytes(range(256)) * 4000)
    done = run(
        "swaks", *SERVER, "--port", str(world.ports["smtp"]), "--to", "all@near.example", "--pipeline",
        "--attach", f"@{attachment}",
    )  # fmt: skip
    assert "<-  250 2.0.0 Accepted as " in done.stdout
