"""A browser as small as the demo needs: pages, forms and a cookie, over HTTP to this machine."""

from __future__ import annotations

import base64
import html
import http.client
import re
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from layout import DemoError

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Page:
    """What came back. ``path``: where from, after redirections."""

    status: int
    path: str
    text: str

    def between(self, name: str) -> str:
        """The text of the element with that ``id``.

        Raises:
            DemoError: the page has none.
        """
        found = re.search(rf'<(\w+)[^>]* id="{name}"[^>]*>(.*?)</\1>', self.text, re.DOTALL)
        if found is None:
            raise DemoError(f"the page {self.path} has no {name}")
        return html.unescape(found[2])


class Browsing:
    """One person's browser. ``key``: what a server asks for by HTTP Basic."""

    def __init__(self, origin: str, user: str = "", key: str = "") -> None:
        self._origin = origin
        self._cookies: SimpleCookie = SimpleCookie()
        given = base64.b64encode(f"{user}:{key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {given}"} if key else {}

    def get(self, path: str) -> Page:
        """A page, wherever it leads."""
        return self._ask("GET", path, None)

    def send(self, path: str, form: Page, **fields: str) -> Page:
        """Send a form that stood on a page.

        Raises:
            DemoError: there was none.
        """
        token = _CSRF.search(form.text)
        if token is None:
            raise DemoError(f"the page {form.path} has no form")
        return self._ask("POST", path, urlencode({"csrf": token[1], **fields}))

    def _ask(self, method: str, path: str, body: str | None) -> Page:
        headers = {**self._headers, "Origin": self._origin, "Accept-Language": "ja"}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{one.key}={one.value}" for one in self._cookies.values())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self._origin.partition("//")[2], timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8")
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self._cookies.load(cookie)
        if answer.status in (302, 303):
            return self._ask("GET", answer.headers["Location"], None)
        return Page(answer.status, path, text)
