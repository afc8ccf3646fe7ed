"""`merpati init`: the same as the wizard's result, once; also while the wizard waits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.accounts.accounts import Accounts
from appliance.config import edit, load
from appliance.store.interface import Store
from tests.support.world import ADMIN_PASSWORD, FREE_PORTS, World

from .conftest import Run, refusal

INIT = ("init", "--hostname", "mx.near.example", "--domain", "near.example")


def administrator_signs_in(home: Path, password: str) -> bool:
    store = Store(home)
    accounts = Accounts(store, ("near.example",))
    try:
        return accounts.administrator_sign_in_now(password, ip="127.0.0.1") is None
    finally:
        accounts.close()
        store.close()


def test_it_sets_up_and_prints_what_to_do_next(bare: Run, tmp_path: Path) -> None:
    told = bare(*INIT).stdout
    password = re.search(r"administrator's password is (\S+)", told)
    assert password is not None
    assert administrator_signs_in(tmp_path / "bare", password[1])
    assert "near.example.  MX  10 mx.near.example." in told
    assert "_domainkey.near.example.  TXT  v=DKIM1; k=rsa; p=" in told
    assert "_domainkey.near.example.  TXT  v=DKIM1; k=ed25519; p=" in told
    assert re.search(r"fingerprint is ([0-9A-F]{2}:){31}[0-9A-F]{2}\n", told)
    assert told.endswith("Next: merpati account add NAME@DOMAIN --password-stdin, then merpati run\n")
    config = load(tmp_path / "bare" / "merpati.yaml")
    assert (config.hostname, config.domains, config.outbound.mode) == ("mx.near.example", ("near.example",), "direct")
    assert refusal(bare(*INIT, status=1)) == "This server has been set up already. Sign in to change it."


def test_with_everything_said(bare: Run, tmp_path: Path) -> None:
    more = ("--admin-password-stdin", "--listen", "127.0.0.2", "--resolver", "127.0.0.1:5353")
    told = bare(*INIT, *more, stdin=ADMIN_PASSWORD + "\n").stdout
    assert "password" not in told.partition("Next:")[0]
    assert administrator_signs_in(tmp_path / "bare", ADMIN_PASSWORD)
    config = load(tmp_path / "bare" / "merpati.yaml")
    assert (config.listen.address, config.resolver) == ("127.0.0.2", "127.0.0.1:5353")


REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no domain": (("--hostname", "mx.near.example", "--domain", "near"), "", "near is not a domain name"),
    "no host name": (("--hostname", "mx..example", "--domain", "near.example"), "", "mx..example is not a domain name"),
    "an address literal": (("--hostname", "[127.0.0.1]", "--domain", "near.example"), "", "is not a domain name"),
    "a weak password": ((*INIT[1:], "--admin-password-stdin"), "short\n", "at least 8 characters"),
    "no password": ((*INIT[1:], "--admin-password-stdin"), "", "no password came on standard input"),
    "no address": ((*INIT[1:], "--listen", "localhost"), "", "listen.address: found 'localhost'"),
    "no resolver": ((*INIT[1:], "--resolver", "dns.far.example"), "", "resolver: found 'dns.far.example'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_sets_nothing_up_and_the_next_try_succeeds(name: str, bare: Run, tmp_path: Path) -> None:
    words, stdin, sentence = REFUSED[name]
    assert sentence in refusal(bare("init", *words, stdin=stdin, status=1))
    assert not load(tmp_path / "bare" / "merpati.yaml").is_set_up
    bare(*INIT)


def test_a_file_that_is_broken_is_not_written_over(bare: Run, tmp_path: Path) -> None:
    path = tmp_path / "bare" / "merpati.yaml"
    path.parent.mkdir()
    path.write_text("listen:\n  smtp: many\n")
    assert "line 2: listen.smtp: found 'many'" in refusal(bare(*INIT, status=1))
    assert path.read_text() == "listen:\n  smtp: many\n"


def test_while_the_wizard_waits_it_opens_the_ports_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    edit(home / "merpati.yaml", {**FREE_PORTS, "leds.enabled": False})
    with World(home, fresh=False) as world:
        assert world.ports.keys() == {"web"}
        status = json.loads(world.cli("status", "--json"))
        assert (status["leds"]["power"], status["phase"]) == ("slow", "unclaimed")
        before = dict(world.pids)
        told = world.cli(*INIT)
        assert told.endswith("Next: merpati account add NAME@DOMAIN --password-stdin\n")
        world.wait_ready(when=lambda ready: "smtp" in ready["ports"])
        assert world.ports.keys() == {
            "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web",
        }  # fmt: skip
        assert world.pids == before
        assert json.loads(world.cli("status", "--json"))["leds"]["power"] == "steady"


def test_the_server_is_told_though_the_reader_leaves(tmp_path: Path) -> None:
    """`merpati init … | head -1`: the records are long, and it is set up all the same."""
    home = tmp_path / "home"
    edit(home / "merpati.yaml", {**FREE_PORTS, "leds.enabled": False})
    reading, writing = os.pipe()
    os.close(reading)
    with World(home, fresh=False) as world:
        with open(writing, "wb") as gone:
            subprocess.run(
                [sys.executable, "-m", "appliance", "--home", str(home), *INIT, "--admin-password-stdin"],
                input=f"{ADMIN_PASSWORD}\n".encode(),
                stdout=gone,
                stderr=subprocess.PIPE,
                timeout=60,
            )
        world.wait_ready(when=lambda ready: "smtp" in ready["ports"])
        assert json.loads(world.cli("status", "--json"))["phase"] == "running"
