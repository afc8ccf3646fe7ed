"""Merpati, as it ships: `merpati run` with its three processes.

Not counted is the supervisor `merpati run` itself, whose part systemd has on the appliance.
"""

from __future__ import annotations

import sys

from appliance.accounts.accounts import Accounts
from appliance.config import edit
from appliance.setup.set_up import Answers, set_up
from appliance.store.interface import Store
from bench.rig import DOMAIN, HOST, PASSWORD, Command, Place


class Merpati:
    name = "Merpati"

    def missing(self) -> str | None:
        return None

    def set_up(self, place: Place) -> None:
        store = Store(place.data, scratch=place.run)
        try:
            set_up(place.data, store, Answers(hostname=f"mail.{DOMAIN}", domain=DOMAIN, admin_password=PASSWORD))
            accounts = Accounts(store, (DOMAIN,))
            for user in place.users:
                accounts.add(user, PASSWORD)
            accounts.close()
        finally:
            store.close()
        edit(place.data / "merpati.yaml", self._settings(place))

    def commands(self, place: Place) -> list[Command]:
        words = [sys.executable, "-m", "appliance", "--home", str(place.data), "run"]
        env = {"RUNTIME_DIRECTORY": str(place.run), "TMPDIR": str(place.run)}
        return [Command(words, env, counted=False)]

    def _settings(self, place: Place) -> dict[str, object]:
        ports = place.ports
        settings: dict[str, object] = {
            "listen.address": HOST,
            "listen.smtp": ports.smtp,
            "listen.submission": ports.submission,
            "listen.submissions": "off",
            "listen.imap": ports.imap,
            "listen.imaps": "off",
            "listen.pop3": ports.pop3,
            "listen.pop3s": "off",
            "listen.web": ports.web,
            "limits.connections_per_ip": 200,  # all clients of a bench have one address
        }
        if place.resolver is not None and place.mx_port is not None:
            settings["outbound.mode"] = "direct"
            settings["outbound.mx_port"] = place.mx_port
            settings["resolver"] = "{}:{}".format(*place.resolver)
        return settings
