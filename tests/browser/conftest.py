"""A browser for every test of this folder: one process for each test process, and a new person for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import sitekit
from tests.browser.sitekit import Site
from tests.browser.webdriverkit import Browser
from tests.world import PROJECT

_NEEDED = ("KAGIMORI_CHROMIUM", "KAGIMORI_CHROMEDRIVER", "KAGIMORI_AXE")
_MISSING = "no browser is set up here: `make test` installs one (softhsm-config/browser.sh alone does, too)"


@pytest.fixture(scope="session")
def installed() -> dict[str, Path]:
    """The paths that softhsm-config/browser.sh has written."""
    written = PROJECT / "var" / "softhsm" / "browser"
    if not written.is_file():
        pytest.fail(_MISSING, pytrace=False)
    paths = dict(line.split("=", 1) for line in written.read_text(encoding="utf-8").splitlines())
    if absent := [name for name in _NEEDED if name not in paths or not Path(paths[name]).exists()]:
        pytest.fail(f"{', '.join(absent)} in {written}: not there. {_MISSING}", pytrace=False)
    return {name: Path(path) for name, path in paths.items()}


@pytest.fixture(scope="session")
def axe(installed: dict[str, Path]) -> Path:
    """axe-core's script."""
    return installed["KAGIMORI_AXE"]


@pytest.fixture(scope="session")
def process(installed: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of this test process."""
    folder = tmp_path_factory.mktemp("browser")
    with Browser(installed["KAGIMORI_CHROMIUM"], installed["KAGIMORI_CHROMEDRIVER"], folder) as browser:
        yield browser


@pytest.fixture
def browser(process: Browser) -> Browser:
    """A browser in which nobody was before, at the size of a desktop, light."""
    process.forget()
    process.size(1280, 900)
    process.media()
    return process


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Portal and desk of this test process."""
    with sitekit.running(tmp_path_factory.mktemp("s")) as running:
        yield running
