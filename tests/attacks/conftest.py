"""One server with two people, a name server and a remote server that takes whatever it is given, for all the attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta
from tests.support.world import World


@pytest.fixture(scope="package")
def remote() -> Iterator[RemoteMta]:
    with RemoteMta() as mta:
        yield mta


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, remote: RemoteMta) -> Iterator[World]:
    with DnsServer("elsewhere.example. MX 10 mx.elsewhere.example.\nmx.elsewhere.example. A 127.0.0.1") as dns:
        settings = {"resolver": f"127.0.0.1:{dns.address[1]}", "outbound.mx_port": remote.port}
        home = tmp_path_factory.mktemp("attacks") / "home"
        with World(home, users=("bob", "eve"), settings=settings) as world:
            yield world
            assert "Traceback" not in world.log()
