"""One server with some people, a name server and a remote server that takes whatever it is given, for all the attacks."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator

import pytest

from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta
from tests.support.world import PASSWORD, World

USERS = ("bob", "eve", "carol", "dan")


@pytest.fixture(scope="package")
def remote() -> Iterator[RemoteMta]:
    with RemoteMta() as mta:
        yield mta


@pytest.fixture(scope="package")
def names() -> Iterator[DnsServer]:
    with DnsServer("elsewhere.example. MX 10 mx.elsewhere.example.\nmx.elsewhere.example. A 127.0.0.1") as dns:
        yield dns


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, remote: RemoteMta, names: DnsServer) -> Iterator[World]:
    settings = {"resolver": f"127.0.0.1:{names.address[1]}", "outbound.mx_port": remote.port}
    home = tmp_path_factory.mktemp("attacks") / "home"
    with World(home, users=USERS, settings=settings) as world:
        for user in USERS:  # so that no guesses of the attacks make them wait
            with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as imap:
                imap.login(f"{user}@near.example", PASSWORD)
        yield world
        assert "Traceback" not in world.log()
