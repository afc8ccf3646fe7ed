"""A whole web application over a real store, with the mail process played by a fake."""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.config import load
from appliance.setup.set_up import Answers, set_up
from appliance.status.events import Phase
from appliance.status.lines import Told
from appliance.status.snapshot import Snapshot
from appliance.store.interface import Store
from web import WebDeps, create_app

ADMIN_PASSWORD = "a quiet white pigeon"
MAIL_PASSWORD = "letters come home"
DOMAIN = "example.org"
ANN = "ann@example.org"


class FakeMail:
    """Answers as the mail process would: what it was asked is in `asked`, what it tells comes from `state`."""

    def __init__(self) -> None:
        self.state: Snapshot | None = Snapshot(at=time.time(), started_at=time.time(), phase=Phase.UNCLAIMED)
        self.asked: list[Mapping[str, Any]] = []
        self.heard: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
        self.followers = 0

    def snapshot(self) -> Snapshot | None:
        return self.state

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        self.asked.append(question)
        self.heard.put(question)
        if self.state is None:
            return None
        if question["verb"] == "reload":
            self.runs()
        return {"ok": True}

    def events(self, timeout_s: float | None = None, types: tuple[str, ...] = ()) -> Iterator[Told]:
        self.followers += 1
        if self.state is not None:
            yield self.state
        while (told := self.told.get()) is not None:
            yield told

    def runs(self, **more: Any) -> None:
        self.state = Snapshot(at=time.time(), started_at=time.time(), phase=Phase.RUNNING, **more)

    def silent(self) -> None:
        self.state = None


class World:
    """home, store, fake and app together. `tab()` is a new browser."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.runtime = folder / "run"
        self.store = Store(self.home)
        self.mail = FakeMail()
        self.app: Flask = self.start()

    def start(self) -> Flask:
        """Also again, as after a restart of the web process."""
        deps = WebDeps(
            home=self.home,
            runtime=self.runtime,
            store=self.store,
            load_config=lambda: load(self.home / "merpati.yaml"),
            status=self.mail,
            secret_key=b"k" * 32,
        )
        self.app = create_app(deps)
        self.app.testing = True
        return self.app

    def close(self) -> None:
        self.mail.told.put(None)
        self.store.close()

    def set_up(self, **more: Any) -> None:
        answers = {
            "hostname": "mail.example.org",
            "domain": DOMAIN,
            "admin_password": ADMIN_PASSWORD,
            "first_address": ANN,
            "first_password": MAIL_PASSWORD,
            "first_name": "Ann",
        }
        set_up(self.home, self.store, Answers(**(answers | more)))
        self.mail.runs()

    def claim_code(self) -> str:
        return (self.runtime / "CLAIM.TXT").read_text().strip()

    def tab(self, ip: str = "127.0.0.1") -> Tab:
        return Tab(self.app.test_client(), ip)

    def administrator(self) -> Tab:
        tab = self.tab()
        tab.post("/sign-in", {"password": ADMIN_PASSWORD})
        return tab

    def ann(self) -> Tab:
        tab = self.tab()
        tab.post("/mail/sign-in", {"address": ANN, "password": MAIL_PASSWORD}, page="/mail/sign-in")
        return tab


class Tab:
    """A browser: keeps cookies, and sends with each form the token of the page it stands on."""

    def __init__(self, client: FlaskClient, ip: str) -> None:
        self.client = client
        self.ip = ip

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, environ_base={"REMOTE_ADDR": self.ip}, buffered=True, **more)

    def post(
        self, path: str, form: Mapping[str, str] | None = None, *, page: str | None = None, **more: Any
    ) -> TestResponse:
        token = self.token(page or path)
        return self.client.post(
            path,
            data={"csrf_token": token, **(form or {})},
            environ_base={"REMOTE_ADDR": self.ip},
            buffered=True,
            **more,
        )

    def token(self, page: str) -> str:
        answer = self.get(page)
        found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
        assert found is not None, f"{page} has no form: {answer.status} {answer.text[:300]}"
        return found.group(1)
