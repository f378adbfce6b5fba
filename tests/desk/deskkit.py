"""A desk for tests: its settings, its parts in this process, and the real one in a process of its own."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import TracebackType
from typing import Self

from logkit import Log
from reportkit import NOW, sample

from appliance.bilingual import Language
from appliance.desk import settings
from appliance.desk.looking import Looking, View
from appliance.desk.orderfolder import OrderFolder
from appliance.desk.pages.every import PAGES
from appliance.desk.seen import Seen
from appliance.desk.settings import Desk
from appliance.desk.standing import Standing
from appliance.desk.words import DeskWords
from appliance.oversight.copy import Copy
from appliance.oversight.report.moments import Clock
from tests.daemonkit import wait_for

CLOCK = Clock.named("Asia/Tokyo")
HOST = "localhost:8444"
VOID = frozenset({"meta", "br", "link", "img"})


def written(folder: Path, anchor: str, more: str = "", log: str = "", socket_path: Path | str = "o.sock") -> Path:
    """``desk.toml`` in a folder, for a Unix socket beside it."""
    path = folder / "desk.toml"
    path.write_text(
        f'[log]\nsocket = "{socket_path}"\ntrust_anchor = "{anchor}"\ndirectory = "state"\nevery_seconds = 1\n{log}\n'
        f'[listen]\norigin = "http://{HOST}"\nsocket = "desk.sock"\n{more}',
        "utf-8",
    )
    return path


def looking_at(folder: Path, log: Log, orders: Path | None = None) -> Looking:
    """A desk's folder for a log."""
    folder.mkdir(exist_ok=True)
    return Looking(folder, log.book.anchor, CLOCK, OrderFolder(orders))


@cache
def spring(folder: Path) -> tuple[Desk, View]:
    """The desk's view of the believable log of ninety days, and settings to go with it."""
    held = sample()
    desk = settings.load(written(folder, held.anchor, log=f'orders = "{held.folder}"'))
    view = Looking(folder / "state", held.anchor, CLOCK, OrderFolder(held.folder)).at(Copy(held.folder / "copy"))
    assert view is not None
    return desk, view


def seen(folder: Path, language: Language = "en", now: datetime = NOW, standing: Standing | None = None) -> Seen:
    """What pages about it are made from."""
    desk, view = spring(folder)
    standing = standing or Standing(began=NOW, view=view, fresh=NOW)
    return Seen(DeskWords(language), CLOCK, desk, standing, standing.view or view, now)


@dataclass
class Read(HTMLParser):
    """A page as a browser reads it: elements in balance, what a person reads, rows of tables, addresses."""

    open: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    verbatim: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "pre":
            self.verbatim.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> where <{self.open[-1]}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "pre" in self.open:
            self.verbatim[-1] += data
        if data.strip():
            self.texts.append(data.strip())
            if "td" in self.open or "th" in self.open:
                self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()

    @property
    def words(self) -> str:
        """All text, runs of white space drawn together."""
        return " ".join(" ".join(self.texts).split())

    @property
    def links(self) -> list[str]:
        """Where its links lead to."""
        return [held["href"] for tag, held in self.tags if tag == "a"]


def read(data: bytes) -> Read:
    """A page, read to its end."""
    made = Read()
    made.feed(data.decode("utf-8"))
    made.close()
    assert made.open == [], f"left open: {made.open}"
    return made


@dataclass(frozen=True)
class Answer:
    """One answer of a desk."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def page(self) -> Read:
        return read(self.body)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__(HOST, timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def ask(path: Path, target: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """One request to a Unix socket, on a connection of its own."""
    connection = _Connection(path)
    try:
        connection.request(method, target, headers=dict(headers or {}))
        with connection.getresponse() as response:
            return Answer(
                response.status, {name.lower(): text for name, text in response.getheaders()}, response.read()
            )
    finally:
        connection.close()


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Until the condition holds, which asks a page each time; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


class DeskProcess:
    """``appliance desk serve`` in a process of its own."""

    def __init__(self, config: Path, env: Mapping[str, str]) -> None:
        self.config = config
        self._env = dict(env)
        self._log = config.with_name("desk.log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "appliance.cli", "desk", "serve", "--config", str(self.config)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self._env, stdout=log, stderr=log)
        wait_for(lambda: "listening" in self.log or (self.process and self.process.poll() is not None), 30)
        assert self.process.poll() is None, self.log
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                self.process.kill()
                self.process.wait()

    def get(self, target: str, language: str = "en", method: str = "GET", **headers: str) -> Answer:
        """One request."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return ask(self.config.with_name("desk.sock"), target, method, {"Accept-Language": language, **named})

    def page(self, target: str, language: str = "en") -> Read:
        """A page that must be there."""
        said = self.get(target, language)
        assert said.status == 200, (said.status, said.page.words, self.log)
        return said.page


def refused_start(config: Path) -> subprocess.CompletedProcess[str]:
    """How the command ends when it cannot begin."""
    command = [sys.executable, "-m", "appliance.cli", "desk", "serve", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


PATHS = tuple("/" if name == "overview" else f"/{name}" for name in PAGES)
