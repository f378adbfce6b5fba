"""A browser without a screen: real requests over real sockets, cookies and forms as a browser has them."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


def toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of text, numbers, lists and tables as a TOML file."""

    def value(one: Any) -> str:
        if isinstance(one, Mapping):
            return "{ " + ", ".join(f"{json.dumps(name)} = {value(held)}" for name, held in one.items()) + " }"
        return json.dumps(one, ensure_ascii=False)

    lines = []
    for table, held in tables.items():
        lines += [f"[{table}]", *(f"{json.dumps(name)} = {value(one)}" for name, one in held.items()), ""]
    return "\n".join(lines)


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Page:
    """What a browser got. ``text``: the HTML; ``words``: what a person reads of it."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def words(self) -> str:
        reader = _Words()
        reader.feed(self.text)
        return " ".join(" ".join(reader.words).split())

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def csrf(self) -> str:
        return found[1] if (found := re.search(r'name="csrf" value="([^"]+)"', self.text)) else ""

    @property
    def language(self) -> str:
        return re.search(r'<html lang="(..)">', self.text)[1]  # type: ignore[index]

    def pre(self, name: str) -> str:
        """The text of a <pre> by its id."""
        found = re.search(rf'<pre id="{name}">(.*?)</pre>', self.text, re.DOTALL)
        assert found is not None, self.text
        return found[1].replace("&#34;", '"').replace("&#39;", "'").replace("&amp;", "&")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass
class Browser:
    """Keeps cookies as a browser does, follows redirects when told to, and knows the page it is on."""

    origin: str
    port: int
    language: str = "ja"
    cookies: dict[str, str] = field(default_factory=dict)
    page: Page | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Page:
        given = {"Host": self.origin.removeprefix("http://"), "Accept-Language": self.language, **(headers or {})}
        if self.cookies and "Cookie" not in given:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            with connection.getresponse() as answer:
                pairs = answer.getheaders()
                lower = {name.lower(): value for name, value in pairs}
                cookies = [value for name, value in pairs if name.lower() == "set-cookie"]
                self._keep(cookies)
                return Page(answer.status, lower, cookies, answer.read())

    def get(self, path: str, *, follow: bool = True, **headers: str) -> Page:
        page = self.ask("GET", path, headers=headers)
        while follow and page.status == 303:
            page = self.ask("GET", page.headers["location"])
        self.page = page
        return page

    def post(self, path: str, fields: Mapping[str, str] | None = None, *, follow: bool = True, **headers: str) -> Page:
        """Send a form of the page that the browser is on."""
        csrf = self.page.csrf if self.page is not None else ""
        body = urlencode({"csrf": csrf, **(fields or {})}).encode()
        given = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": FORM}
        page = self.ask("POST", path, body, {**given, **{name.replace("_", "-"): one for name, one in headers.items()}})
        if follow and page.status == 303:
            return self.get(page.headers["location"])
        self.page = page if page.csrf else self.page
        return page

    def _keep(self, cookies: list[str]) -> None:
        for one in cookies:
            name, _, value = one.partition(";")[0].partition("=")
            if "Max-Age=0" in one:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value.strip('"')
