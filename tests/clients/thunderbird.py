"""Thunderbird without a screen, driven over Marionette: what is asked of it runs in its own chrome, as its menus do."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.world import eventually

PREFERENCES = {
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "mail.shell.checkDefaultClient": False,
    "mail.rights.version": 1,
    "mail.provider.suppress_dialog_on_startup": True,
    "mailnews.start_page.enabled": False,
    "app.donation.eoy.version.viewed": 999,
    "extensions.update.enabled": False,
    "security.sandbox.content.level": 0,
    "network.proxy.type": 0,
    # Nothing but loopback: every other name leads nowhere.
    "network.dns.localDomains": "",
    "network.dns.forceResolve": "127.0.0.1",
}


class Thunderbird:
    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rb")
        self._connection = connection
        self._number = 0
        self._receive()  # who it is
        self._command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": {"script": 120_000}}}})
        self._command("Marionette:SetContext", {"value": "chrome"})

    def run(self, script: str, *arguments: Any) -> Any:
        """script: the body of an async function; what it returns comes back."""
        wrapped = (
            "const done = arguments[arguments.length - 1]; const given = Array.from(arguments).slice(0, -1);"
            "(async (...args) => {" + script + "})(...given).then(v => done({value: v === undefined ? null : v}),"
            " e => done({error: String(e) + ' ' + (e.stack || '')}));"
        )
        answer = self._command("WebDriver:ExecuteAsyncScript", {"script": wrapped, "args": list(arguments)})["value"]
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def quit(self) -> None:
        self._command("Marionette:Quit", {"flags": ["eForceQuit"]})

    def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        octets = json.dumps([0, self._number, name, parameters]).encode()
        self._connection.sendall(b"%d:%b" % (len(octets), octets))
        _, _, error, result = self._receive()
        if error:
            raise AssertionError(f"{name}: {error}")
        return result

    def _receive(self) -> Any:
        length = b""
        while (octet := self._stream.read(1)) != b":":
            assert octet, "Thunderbird hung up"
            length += octet
        return json.loads(self._stream.read(int(length)))


@contextlib.contextmanager
def thunderbird(home: Path) -> Iterator[Thunderbird]:
    profile = home / "profile"
    profile.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    preferences = {**PREFERENCES, "marionette.port": port}
    (profile / "user.js").write_text(
        "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
    )
    with open(home / "thunderbird.log", "wb") as log:
        process = subprocess.Popen(
            [
                "thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote",
                "--profile", str(profile),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "HOME": str(home), "MOZ_CRASHREPORTER_DISABLE": "1"},
        )  # fmt: skip
    try:
        connections: list[socket.socket] = []

        def connected() -> bool:
            assert process.poll() is None, (home / "thunderbird.log").read_text()
            with contextlib.suppress(ConnectionRefusedError):
                connections.append(socket.create_connection(("127.0.0.1", port), timeout=150))
            return bool(connections)

        eventually(connected, lambda: (home / "thunderbird.log").read_text())
        yield Thunderbird(connections[0])
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
