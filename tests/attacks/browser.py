"""A browser without any script: cookies, forms with their tokens, and nothing that follows by itself."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True)
class Page:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def shown(self) -> str:
        """As a reader sees it: tags taken away, then references resolved."""
        return html.unescape(re.sub(r"<[^>]*>", "", self.text))


class Browser:
    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Page:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str], *, page: str | None = None, **headers: str) -> Page:
        """With the token of `page`, which is where the form stands; by default at its own path."""
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(page or path).text)
        return self._ask("POST", path, {"csrf_token": token[1] if token else "", **form}, headers)

    def post_without_token(self, path: str, form: Mapping[str, str]) -> Page:
        return self._ask("POST", path, form, {})

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if self._cookies:
                sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            if form is not None:
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, urlencode(form) if form is not None else None, sent)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _, value = cookie.partition(";")[0].partition("=")
                self._cookies[name] = value
            return Page(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()
