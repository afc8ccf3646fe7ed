"""SCRAM as others wrote it: GNU SASL (gsasl) and Cyrus SASL (below mbsync)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.world import PASSWORD, World

from .conftest import Run

USER = "ann@near.example"
AS_ANN = ("--authentication-id", USER, "--password", PASSWORD, "--x509-ca-file=")
WAYS = {
    "in the clear on loopback": ("--mechanism", "SCRAM-SHA-256", "--no-starttls", "--no-cb"),
    "over TLS": ("--mechanism", "SCRAM-SHA-256", "--starttls", "--no-cb"),
    "bound, over TLS 1.2": ("--mechanism", "SCRAM-SHA-256-PLUS", "--starttls", "--priority", "NORMAL:-VERS-TLS1.3"),
    "left to choose, over TLS 1.2": ("--starttls", "--priority", "NORMAL:-VERS-TLS1.3"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("protocol", "listener"), [("--imap", "imap"), ("--smtp", "submission")])
def test_gsasl(world: World, run: Run, protocol: str, listener: str, way: tuple[str, ...]) -> None:
    """It signs in, and is content with what the server proves."""
    done = run("gsasl", protocol, *AS_ANN, *way, "127.0.0.1", str(world.ports[listener]))
    assert "Client authentication finished (server trusted)" in done.stdout + done.stderr
    mechanism = "SCRAM-SHA-256-PLUS" if "NORMAL:-VERS-TLS1.3" in way else "SCRAM-SHA-256"
    assert any(line.endswith(f" {mechanism}") or line == f"AUTH {mechanism}" for line in done.stdout.splitlines())


def test_gsasl_with_a_wrong_password(world: World, run: Run) -> None:
    words = (
        "--authentication-id",
        USER,
        "--password",
        "wrong",
        "--mechanism",
        "SCRAM-SHA-256",
        "--no-starttls",
        "--no-cb",
    )
    run("gsasl", "--imap", *words, "127.0.0.1", str(world.ports["imap"]), status=1)


def test_mbsync(world: World, run: Run, tmp_path: Path) -> None:
    """Cyrus SASL's client goes along with our number of iterations, the most that it does."""
    (tmp_path / "mail").mkdir()
    settings = tmp_path / "mbsyncrc"
    settings.write_text(f"""IMAPAccount near
Host 127.0.0.1
Port {world.ports["imap"]}
User {USER}
Pass "{PASSWORD}"
SSLType None
AuthMechs SCRAM-SHA-256

IMAPStore far
Account near

MaildirStore here
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX

Channel inbox
Far :far:
Near :here:
Create Near
SyncState *
""")
    run("mbsync", "-c", str(settings), "inbox", package="isync")
    assert (tmp_path / "mail/INBOX/cur").is_dir()
