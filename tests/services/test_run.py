"""`merpati run`: what is up is announced, what falls is started again, nothing is left behind; settings are taken up."""

from __future__ import annotations

import imaplib
import json
import os
import signal
import smtplib
import socket
from pathlib import Path

import pytest

from tests.support.world import PASSWORD, World, eventually


def alive(pid: int) -> bool:
    """Zombies are not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def sign_in(world: World) -> imaplib.IMAP4:
    imap = imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=60)
    imap.login("bob@near.example", PASSWORD)
    imap.select("INBOX")
    return imap


def test_a_process_that_falls_is_started_again_and_the_others_stay(tmp_path: Path) -> None:
    with World(tmp_path / "home") as world:
        for name in ("web", "leds", "mail"):
            before = dict(world.pids)
            os.kill(before[name], signal.SIGKILL)
            world.wait_ready(when=lambda ready, name=name, old=before[name]: ready["pids"].get(name, old) != old)
            assert {other: pid for other, pid in world.pids.items() if other != name} == {
                other: pid for other, pid in before.items() if other != name
            }
        sign_in(world).logout()


def test_killed_itself_it_leaves_no_process_behind(tmp_path: Path) -> None:
    world = World(tmp_path / "home").start()
    pids = list(world.pids.values())
    world.kill()
    eventually(lambda: not any(alive(pid) for pid in pids))
    with world.start():  # and what they left lying about is in nobody's way
        sign_in(world).logout()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked_and_takes_its_word_back(tmp_path: Path, number: signal.Signals) -> None:
    world = World(tmp_path / "home").start()
    pids = list(world.pids.values())
    imap = sign_in(world)
    process = world._process
    assert process is not None
    process.send_signal(number)
    assert process.wait(10) == 0, world.log()
    world._process = None
    assert not any(alive(pid) for pid in pids)
    assert not (tmp_path / "home" / "run" / "ready.json").exists()
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        imap.noop()
    imap.shutdown()
    assert "Traceback" not in world.log()


def test_a_port_that_is_taken_keeps_no_other_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with World(tmp_path / "home", settings={"listen.pop3": port}) as world:
            assert "pop3" not in world.ports
            sign_in(world).logout()
            status = json.loads(world.cli("status", "--json"))
            assert str(port) in status["problems"][0]["what"]
            assert status["problems"][0]["do"]
            assert status["leds"]["alert"] == "slow"


def test_settings_are_taken_up_and_only_what_they_touch_is_restarted(tmp_path: Path) -> None:
    with World(tmp_path / "home") as world:
        imap = sign_in(world)
        pop3 = world.ports["pop3"]
        world.cli("config", "set", "listen.pop3", "off")
        world.wait_ready(when=lambda ready: "pop3" not in ready["ports"])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", pop3), timeout=10)
        world.cli("config", "set", "outbound.mode", "off")
        assert imap.noop()[0] == "OK"
        world.cli("config", "set", "listen.pop3", "0")
        world.wait_ready(when=lambda ready: "pop3" in ready["ports"])
        assert imap.noop()[0] == "OK"
        imap.logout()


def test_an_account_added_while_it_runs_has_mail_at_once(tmp_path: Path) -> None:
    with World(tmp_path / "home") as world, smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=60) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@far.example", ["eve@near.example"], "Subject: x\r\n\r\nx\r\n")
        world.cli("account", "add", "eve@near.example", "--password-stdin", stdin=PASSWORD + "\n")
        assert smtp.sendmail("a@far.example", ["eve@near.example"], "Subject: x\r\n\r\nx\r\n") == {}


def test_an_idle_server_writes_nothing(tmp_path: Path) -> None:
    """With somebody in IDLE and the lights on. Two heartbeats of the status socket are waited for."""
    from appliance.status.client import StatusClient

    with World(tmp_path / "home", settings={"leds.enabled": True}) as world:
        imap = sign_in(world)
        imap.send(b"x IDLE\r\n")
        assert imap.readline().startswith(b"+")
        heard = StatusClient(tmp_path / "home" / "run" / "status.sock").events(timeout_s=60, types=("Snapshot",))
        for _ in range(3):  # lazily written things have had their 5 s
            next(heard)
        before = {name: written(pid) for name, pid in world.pids.items()}
        for _ in range(2):
            next(heard)
        assert {name: written(pid) for name, pid in world.pids.items()} == before
        heard.close()
        imap.send(b"DONE\r\n")
        while not imap.readline().startswith(b"x OK"):
            pass
        imap.logout()


def written(pid: int) -> int:
    """Octets that a process has sent towards the disk."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])
