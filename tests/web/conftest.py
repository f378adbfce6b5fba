"""A site on the web base, running."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemonkit import wait_for
from tests.web.pagekit import Browser, free_port
from tests.world import PROJECT


@dataclass(frozen=True)
class Site:
    """A running site. ``log``: what it wrote, on both streams."""

    port: int
    process: subprocess.Popen[bytes]
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text("utf-8")

    def browser(self) -> Browser:
        return Browser(f"http://localhost:{self.port}", self.port)


@contextmanager
def running(folder: Path, *more: str) -> Iterator[Site]:
    """The site as a process."""
    port, file = free_port(), folder / "site.log"
    with file.open("wb") as log:
        command = [sys.executable, "-m", "tests.web.site", str(port), *more]
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
    site = Site(port, process, file)
    try:
        wait_for(lambda: "listening" in site.log or process.poll() is not None, 60)
        yield site
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site")) as one:
        yield one
