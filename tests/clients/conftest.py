"""One server for all the clients, with three people; and a way to say which program is missing."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
from collections.abc import Callable, Iterator

import imapclient
import pytest

from tests.support.world import PASSWORD, World

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("clients") / "home"
    with World(
        home, users=("ann", "bob", "carl"), aliases={"all@near.example": ("ann@near.example", "bob@near.example")}
    ) as world:
        yield world


@pytest.fixture
def run() -> Run:
    """Runs a program and returns what it printed; skips where Debian's package for it is not installed."""

    def run(
        program: str, *words: str, package: str | None = None, status: int = 0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: {package or program})")
        done = subprocess.run(
            [program, *words], input=stdin, capture_output=True, text=True, timeout=60, errors="replace"
        )
        assert done.returncode == status, (
            f"{program} {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    return run


def send(world: World, recipient: str, *subjects: str) -> None:
    """Mail from elsewhere."""
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"]) as smtp:
        for subject in subjects:
            smtp.sendmail("x@far.example", [recipient], f"Subject: {subject}\r\n\r\nbody of {subject}\r\n")


def sign_in(world: World, user: str) -> imapclient.IMAPClient:
    """An independent look at what another client did."""
    client = imapclient.IMAPClient("127.0.0.1", world.ports["imap"], ssl=False)
    client.login(f"{user}@near.example", PASSWORD)
    return client
