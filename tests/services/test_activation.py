"""`merpati mail` as systemd starts it: with its sockets, a notify socket, a watchdog and a runtime folder of systemd's."""

from __future__ import annotations

import imaplib
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

from appliance.config import edit
from tests.support.homes import Homes
from tests.support.world import PASSWORD

# Plays systemd: puts its sockets at 3, 4, … and becomes the service, as exec keeps the process id.
SYSTEMD = """
import os, sys
fds, names, home = [int(fd) for fd in sys.argv[1].split(",")], sys.argv[2], sys.argv[3]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names, MERPATI_HOME=home)
os.execv(sys.executable, [sys.executable, "-m", "appliance", "mail"])
"""


def test_it_serves_on_the_sockets_that_systemd_opened(tmp_path: Path, homes: Homes) -> None:
    home, runtime = homes.copy(tmp_path / "home"), tmp_path / "runtime"
    off = ("submission", "submissions", "imaps", "pop3", "pop3s")
    # Its own idea of the ports is one that it could not have: only what it was given will do.
    edit(home / "merpati.yaml", {"listen.smtp": 25, "listen.imap": 143} | {f"listen.{name}": "off" for name in off})
    with (
        socket.create_server(("127.0.0.1", 0)) as smtp,
        socket.create_server(("127.0.0.1", 0)) as imap,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
    ):
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        fds = [smtp.fileno(), imap.fileno()]
        process = subprocess.Popen(
            [sys.executable, "-c", SYSTEMD, ",".join(map(str, fds)), "smtp:imap", str(home)],
            pass_fds=fds,
            env=os.environ
            | {
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "500000",
                "RUNTIME_DIRECTORY": f"{runtime}:{tmp_path}/another",
            },
        )
        try:
            ready = said(notify, "READY=1")
            ports = {"smtp": smtp.getsockname()[1], "imap": imap.getsockname()[1]}
            assert json.loads(ready["MERPATI_PORTS"]) == ports
            said(notify, "WATCHDOG=1")
            said(notify, "WATCHDOG=1")
            assert (runtime / "status.sock").is_socket()
            assert not (home / "run").exists()
            with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=60) as client:
                client.sendmail("a@far.example", ["bob@near.example"], "Subject: over systemd\r\n\r\nx\r\n")
            with imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=60) as reader:
                reader.login("bob@near.example", PASSWORD)
                assert reader.select("INBOX")[1] == [b"1"]
            process.send_signal(signal.SIGTERM)
            said(notify, "STOPPING=1")
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait(60)
        # What comes while it is down waits in systemd's socket.
        socket.create_connection(("127.0.0.1", ports["smtp"]), timeout=10).close()


def said(notify: socket.socket, word: str) -> dict[str, str]:
    """The next message with that line."""
    while True:
        lines = notify.recv(65536).decode().splitlines()
        if word in lines:
            return dict(line.split("=", 1) for line in lines)
