"""The lock file: everything pinned and hashed, nothing that names a host."""

from __future__ import annotations

import re
import tomllib

from softhsmkit import PROJECT

LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
WANTED = (PROJECT / "requirements.in").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
DECISION = (PROJECT / "docs" / "decisions" / "0001-libraries-and-lock-file.md").read_text(encoding="utf-8")


def entries() -> list[str]:
    """One string per locked library, continuation lines joined, comments left out."""
    lines = [line for line in LOCK.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return " ".join(line.rstrip("\\") if line.endswith("\\") else line + "\n" for line in lines).splitlines()


def wanted(section: str | None = None) -> set[str]:
    part = WANTED if section is None else WANTED.split(f"# {section}")[1].split("\n\n")[0]
    return {line for line in part.splitlines()[1:] if line and not line.startswith("#")}


def test_every_library_is_pinned_and_hashed() -> None:
    assert len(entries()) > 40
    for entry in entries():
        assert re.fullmatch(r"\s*[a-z0-9-]+==[0-9][^ ;]*(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry), entry[:80]


def test_no_host_no_path_no_option() -> None:
    assert not re.search(r"://|www\.|\.(org|com|net|io)\b|/(root|home|tmp)/", LOCK)
    assert not re.search(r"^--", LOCK, re.MULTILINE)


def test_everything_wanted_is_locked_and_reasoned() -> None:
    locked = {entry.strip().split("==")[0] for entry in entries()}
    assert wanted() <= locked
    assert {name for name in wanted() if f"| {name} |" not in DECISION} == set()


def test_run_time_libraries_are_those_of_the_package() -> None:
    declared = {re.match(r"[a-z0-9-]+", text)[0] for text in PYPROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert declared == wanted("run time")
