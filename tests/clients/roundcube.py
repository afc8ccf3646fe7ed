"""Roundcube on PHP's own server, driven by the requests that its pages make: what a person sees in a browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.world import eventually

INSTALLED = Path("/var/lib/roundcube/public_html")  # Debian: roundcube-core
CONFIGURATION = """<?php
$config = [
    'db_dsnw' => 'sqlite:///{home}/roundcube.sqlite?mode=0640',
    'imap_host' => '127.0.0.1:{imap}', 'smtp_host' => '127.0.0.1:{submission}', 'smtp_user' => '%u', 'smtp_pass' => '%p',
    'des_key' => '0123456789abcdef01234567', 'skin' => 'elastic', 'plugins' => [], 'enable_spellcheck' => false,
    'log_driver' => 'file', 'log_dir' => '{home}/logs/', 'temp_dir' => '{home}/temp/',
    'message_threading' => ['Threads' => true], 'delete_junk' => true,
    'imap_cache' => 'db', 'messages_cache' => 'db',
];
"""


class Roundcube:
    """A browser's session."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self._token = ""

    def sign_in(self, user: str, password: str) -> str:
        token = _found(r'name="_token" value="([^"]+)"', self._page(_task="login"))
        fields = {"_task": "login", "_action": "login", "_token": token, "_user": user, "_pass": password, "_url": ""}
        page = self._open("?_task=login", fields)
        self._token = _found(r'"request_token":"([^"]+)"', page)
        return page

    def ask(self, action: str, *, task: str = "mail", **fields: str) -> dict[str, Any]:
        """A request as the page's script makes it: its `exec` are the calls that change the page."""
        query = urllib.parse.urlencode({"_task": task, "_action": action, "_remote": 1, **fields})
        answer: dict[str, Any] = json.loads(self._open(f"?{query}"))
        return answer

    def tell(self, action: str, *, task: str = "mail", **fields: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            self._open(f"?_task={task}&_action={action}", {"_remote": "1", "_token": self._token, **fields})
        )
        return answer

    def submit(self, *, task: str, action: str, **fields: str) -> str:
        """A form."""
        return self._open(f"?_task={task}&_action={action}", {"_token": self._token, **fields})

    def page(self, **query: str) -> str:
        return self._page(**query)

    def _page(self, **query: str) -> str:
        return self._open("?" + urllib.parse.urlencode(query))

    def _open(self, path: str, fields: dict[str, str] | None = None) -> str:
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        headers = {"X-Roundcube-Request": self._token} if self._token else {}
        request = urllib.request.Request(self._url + path, data, headers)
        with self._opener.open(request, timeout=60) as answer:
            text: str = answer.read().decode()
            return text


def rows(answer: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """UID: subject and flags, of the messages that an answer puts on the page."""
    found = {}
    for uid, columns, flags in re.findall(r"this\.add_message_row\((.*?),(\{.*?\}),(\{.*?\}|\[\]),", answer["exec"]):
        subject = json.loads(columns)["subject"]
        found[uid.strip('"')] = (subject, json.loads(flags) or {})
    return found


@contextlib.contextmanager
def roundcube(home: Path, imap_port: int, submission_port: int) -> Iterator[Roundcube]:
    for name in ("logs", "temp", "config"):
        (home / name).mkdir(parents=True)
    (home / "config" / "config.inc.php").write_text(
        CONFIGURATION.replace("{home}", str(home))
        .replace("{imap}", str(imap_port))
        .replace("{submission}", str(submission_port))
    )
    (home / "config" / "defaults.inc.php").symlink_to("/etc/roundcube/defaults.inc.php")
    (home / "config" / "mimetypes.php").symlink_to("/etc/roundcube/mimetypes.php")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with open(home / "php.log", "wb") as log:
        process = subprocess.Popen(
            ["php", "-S", f"127.0.0.1:{port}", "-t", str(INSTALLED)],
            stdout=log,
            stderr=log,
            env={**os.environ, "ROUNDCUBE_CONFIG_DIR": str(home / "config")},
        )
    try:
        eventually(lambda: _listens(port), lambda: (home / "php.log").read_text())
        yield Roundcube(port)
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _found(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    assert found, f"no {pattern} in\n{page[:4000]}"
    return found[1]
