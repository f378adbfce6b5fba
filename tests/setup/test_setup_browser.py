"""softhsm-config/browser.sh: for the tests alone; believes only a browser that shows Japanese, says one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from softhsmkit import PROJECT

BARE_TOOLS = (
    "sh", "cat", "cmp", "cp", "dirname", "find", "grep", "head", "id", "mkdir", "mktemp", "mv", "rm", "sort", "timeout",
)  # fmt: skip
CHROMIUM = 'case "$*" in --version) echo "Chromium 156.0.1 built on Debian" ;; *) echo "<p>{said}</p>" ;; esac'
PIP = """case "$*" in
  *"pip download"*) while [ "$1" != --dest ]; do shift; done; : >"$2/axe.whl" ;;
  *) mkdir -p "$5/axe_playwright_python" && echo "/*! axe */" >"$5/axe_playwright_python/axe.min.js" ;;
esac"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project with nothing but the set-up of the browser in it."""
    folder = tmp_path / "project"
    for name in ("softhsm-config/browser.sh", "softhsm-config/packages.sh", "tests/browser/axe.lock"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The tools that are on every Debian, a package index, and a browser with its driver: no apt."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in BARE_TOOLS:
        where = shutil.which(tool)
        assert where, f"{tool} is on every Debian"
        (folder / tool).symlink_to(where)
    put(folder, "python3", PIP)
    put(folder, "chromium", CHROMIUM.format(said="the browser works"))
    put(folder, "chromedriver", 'echo "ChromeDriver 156.0.1 (abc)"')
    return folder


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def run(project: Path, path: Path) -> subprocess.CompletedProcess[str]:
    script = project / "softhsm-config" / "browser.sh"
    return subprocess.run(["/bin/sh", script], env={"PATH": str(path)}, capture_output=True, text=True, timeout=120)


def refused(project: Path, path: Path) -> bool:
    """Whether it ended with the one line about the browser, and wrote down none."""
    ended = run(project, path)
    assert not (project / "var" / "softhsm" / "browser").exists()
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    start = "browser: no working Chromium; install chromium, chromium-driver and fonts-noto-cjk and run this again"
    return ended.stderr.startswith(start)


def test_one_that_works_is_written_down_and_asked_once(copy: Path, bare: Path) -> None:
    put(bare, "chromium", f'echo asked >>"{copy}/asked"; {CHROMIUM.format(said="the browser works")}')
    for _ in range(2):
        ended = run(copy, bare)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    written = (copy / "var" / "softhsm" / "browser").read_text()
    axe = copy / "var" / "softhsm" / "axe.min.js"
    assert written == (
        f"KAGIMORI_CHROMIUM={bare}/chromium\nKAGIMORI_CHROMEDRIVER={bare}/chromedriver\nKAGIMORI_AXE={axe}\n"
    )
    assert (copy / "asked").read_text() == "asked\n" * 2, "for its version and for the trial page"


def test_a_new_axe_lock_makes_it_anew(copy: Path, bare: Path) -> None:
    assert run(copy, bare).returncode == 0
    axe = copy / "var" / "softhsm" / "axe.min.js"
    axe.write_text("old")
    (copy / "tests" / "browser" / "axe.lock").write_text("axe-playwright-python==0.1.9 --hash=sha256:00\n")
    assert run(copy, bare).returncode == 0
    assert axe.read_text() == "/*! axe */\n"


def test_a_machine_without_one_gets_one_clear_line_with_the_packages(copy: Path, bare: Path) -> None:
    (bare / "chromium").unlink()
    assert refused(copy, bare)


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("chromium", CHROMIUM.format(said="no Japanese font")),
        ("chromium", "exit 1"),
        ("chromium", 'echo "Chromium 155.0.9 built on Debian"'),
        ("chromedriver", 'echo "ChromeDriver 155.0.9 (abc)"'),
    ],
)
def test_one_that_does_not_work_is_not_believed(copy: Path, bare: Path, tool: str, text: str) -> None:
    put(bare, tool, text)
    assert refused(copy, bare)


def test_an_index_that_is_not_there_is_named(copy: Path, bare: Path) -> None:
    put(bare, "python3", "echo 'no such index' >&2; exit 1")
    ended = run(copy, bare)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("browser: axe-core could not be fetched; is the package index reachable?")
    assert "no such index" in (copy / "var" / "softhsm" / "browser.log").read_text()


def test_axe_of_another_hash_is_refused(copy: Path, tmp_path: Path) -> None:
    """Pip itself checks it, before anything is unpacked."""
    lock = copy / "tests" / "browser" / "axe.lock"
    text = lock.read_text()
    at = text.index("sha256:") + len("sha256:")
    lock.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    python = PROJECT / ".venv" / "bin" / "python"
    ended = subprocess.run(
        ["/bin/sh", copy / "softhsm-config" / "browser.sh"],
        env={**os.environ, "PYTHON": str(python), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("browser: axe-core could not be fetched")
    assert not (copy / "var" / "softhsm" / "axe.min.js").exists()


def test_only_the_tests_want_a_browser() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    asked = {
        target: subprocess.run(["make", "-n", target], cwd=PROJECT, env=clean, capture_output=True, text=True).stdout
        for target in ("demo", "serve", "bench", "test")
    }
    assert {target for target, said in asked.items() if "browser.sh" in said} == {"test"}
