"""`merpati run`: what is up is announced, what falls is started again, nothing is left behind; and who idles writes
nothing."""

from __future__ import annotations

import imaplib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.services import supervisor as module
from appliance.services.places import Places
from appliance.services.supervisor import Supervisor
from appliance.status.client import StatusClient
from tests.support.homes import Homes
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


def run(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", "--home", str(home), *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def test_from_the_first_start_to_ctrl_c(tmp_path: Path, homes: Homes) -> None:
    """One server for all of it, since a start takes seconds: others are refused, what falls is started again, and at the
    end nothing is left."""
    home = homes.copy(tmp_path / "home")
    world = World(home, fresh=False).start()
    ready = home / "run" / "ready.json"
    told = json.loads(ready.read_text())
    assert told.keys() == {"pid", "ports", "pids"}
    assert told["ports"].keys() == {
        "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web",
    }  # fmt: skip
    assert told["pids"].keys() == {"mail", "web", "leds"}
    assert (home / "run" / "status.sock").stat().st_mode & 0o777 == 0o660

    # A second server takes nothing away from the first, whatever runtime folder it has.
    for second in (run(home, "run"), run(home, "mail", RUNTIME_DIRECTORY=str(tmp_path / "other"))):
        assert second.returncode == 1
        assert second.stderr == f"merpati: a Merpati server is running on {home} already\n"
    assert json.loads(ready.read_text()) == told

    # What falls is started again; the others stay.
    for name in ("web", "leds", "mail"):
        before = dict(world.pids)
        os.kill(before[name], signal.SIGKILL)
        world.wait_ready(when=lambda ready, name=name, old=before[name]: ready["pids"].get(name, old) != old)
        assert {other: pid for other, pid in world.pids.items() if other != name} == {
            other: pid for other, pid in before.items() if other != name
        }
    imap = sign_in(world)

    # Ctrl-C, which a terminal sends to all of them.
    process = world._process
    assert process is not None
    for pid in (*world.pids.values(), process.pid):
        os.kill(pid, signal.SIGINT)
    assert process.wait(10) == 0, world.log()
    world._process = None
    assert not any(alive(pid) for pid in world.pids.values())
    assert not ready.exists()
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        imap.noop()
    imap.shutdown()
    assert "Traceback" not in world.log()


def test_killed_itself_it_leaves_no_process_behind(tmp_path: Path, homes: Homes) -> None:
    world = World(homes.copy(tmp_path / "home"), fresh=False).start()
    pids = list(world.pids.values())
    world.kill()
    eventually(lambda: not any(alive(pid) for pid in pids))
    world.start()  # and what they left lying about is in nobody's way
    sign_in(world).logout()
    pids = list(world.pids.values())
    world.stop()  # SIGTERM
    assert not any(alive(pid) for pid in pids)
    assert {path.name for path in (tmp_path / "home" / "run").iterdir()} <= {"run.lock"}


def test_taken_ports_keep_no_other_closed(tmp_path: Path, homes: Homes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as pop3, socket.create_server(("127.0.0.1", 0)) as web:
        taken = {"listen.pop3": pop3.getsockname()[1], "listen.web": web.getsockname()[1]}
        with World(tmp_path / "home", settings=taken) as world:
            assert world.ports.keys() == {"smtp", "submission", "submissions", "imap", "imaps", "pop3s"}
            sign_in(world).logout()

            def problems() -> list[dict[str, str]]:
                found: list[dict[str, str]] = json.loads(world.cli("status", "--json"))["problems"]
                return found

            eventually(lambda: len(problems()) == 2, lambda: str(problems()))
            for name, port in taken.items():  # told by two processes, in whichever order
                (problem,) = [each for each in problems() if str(port) in each["what"]]
                assert name.partition(".")[2] in problem["what"] and "choose another port" in problem["do"]
            assert json.loads(world.cli("status", "--json"))["leds"]["alert"] == "slow"
            web.close()
            world.wait_ready(when=lambda ready: ready["ports"].get("web") == taken["listen.web"])
            eventually(lambda: len(problems()) == 1, lambda: str(problems()))


def test_an_idle_server_writes_nothing(tmp_path: Path, homes: Homes) -> None:
    """With somebody in IDLE and the lights on, through two heartbeats of the status socket: ten seconds."""
    home = homes.copy(tmp_path / "home")
    with World(home, fresh=False) as world:
        imap = sign_in(world)
        imap.send(b"x IDLE\r\n")
        assert imap.readline().startswith(b"+")
        heard = StatusClient(home / "run" / "status.sock").events(timeout_s=60, types=("Snapshot",))
        for _ in range(2):  # what is written lazily has had its 5 s
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


# -- with children that do what a test wants: the supervisor alone, in a process of its own

SUPERVISOR = """
import os, subprocess, sys
from appliance.services import supervisor as module
from appliance.services.places import find_places
popen = subprocess.Popen
def child(words, **more):
    return popen([sys.executable, "-S", "-c", sys.argv[2], words[-1]], **more)
module.subprocess.Popen = child
module.STOP_WITHIN_S = 0.5
sys.exit(module.Supervisor(find_places(sys.argv[1])).run())
"""
CHILD = """
import os, signal, socket, sys
name = sys.argv[1]
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
"""


def supervise(home: Path, child: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(home), CHILD + child], stderr=subprocess.PIPE, text=True
    )


def end(process: subprocess.Popen[str]) -> str:
    """Its log, once it has ended well."""
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return log


def test_lamps_that_cannot_be_lit_keep_nothing_back(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        'if name == "leds": sys.exit(3)\nsay(\'READY=1\\nMERPATI_PORTS={"%s": 7}\' % name)\nsignal.pause()\n',
    )
    ready = tmp_path / "run" / "ready.json"
    eventually(ready.exists)
    told = json.loads(ready.read_text())
    assert told["ports"] == {"mail": 7, "web": 7}
    assert told["pids"].keys() == {"mail", "web"}
    assert "merpati-leds ended with status 3; starting it again" in end(process)
    assert not ready.exists()


def test_until_everything_is_up_nothing_is_announced(tmp_path: Path) -> None:
    """And what others than its children say counts for nothing."""
    process = supervise(
        tmp_path,
        f'if name == "web":\n open("{tmp_path}/asleep", "w").close()\n signal.pause()\nsay("READY=1")\nsignal.pause()\n',
    )
    eventually((tmp_path / "asleep").exists)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        for _ in range(10):
            line.sendto(b"READY=1\nMERPATI_NAME=web", str(tmp_path / "run" / "notify.sock"))
    end(process)
    assert not (tmp_path / "run" / "ready.json").exists()


def test_one_that_will_not_end_is_killed(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        'signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay("READY=1")\nwhile True: signal.pause()\n',
    )
    ready = tmp_path / "run" / "ready.json"
    eventually(ready.exists)
    pids = json.loads(ready.read_text())["pids"].values()
    assert "did not end in time and was killed" in end(process)
    assert not any(alive(pid) for pid in pids)


def test_one_that_falls_again_and_again_is_started_more_and_more_seldom(tmp_path: Path) -> None:
    supervisor = Supervisor(Places(tmp_path, tmp_path / "run"))
    child = supervisor._children["mail"]
    waits = []
    for _ in range(9):
        child.started_at = 1000.0
        supervisor._put_off(child, 1001.0)
        waits.append(child.restart_at - 1001.0)
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0])
    supervisor._put_off(child, 1000.0 + module.STEADY_AFTER_S + 1)
    assert child.wait_s == module.RESTART_AFTER_S


def test_it_stays_small(tmp_path: Path) -> None:
    """It idles for months beside the others: no YAML, no command line, no asyncio, none of the server."""
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import appliance.services.supervisor, appliance.services.start, sys; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert not {"ruamel", "click", "asyncio", "msgspec", "sqlite3", "ssl"} & set(loaded)
