"""The lock files: everything pinned and hashed, nothing that names a host."""

from __future__ import annotations

import re
import tomllib

import pytest
from softhsmkit import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
DECISION = (PROJECT / "docs" / "decisions" / "0001-libraries-and-lock-file.md").read_text(encoding="utf-8")
LISTS = pytest.mark.parametrize("name", ["requirements", "requirements-scale", "requirements-sbom"])


def text_of(file: str) -> str:
    return (PROJECT / file).read_text(encoding="utf-8")


def entries(name: str) -> list[str]:
    """One string per locked library, continuation lines joined, comments left out."""
    every = text_of(f"{name}.lock").splitlines()
    lines = [line for line in every if line.strip() and not line.lstrip().startswith("#")]
    return " ".join(line.rstrip("\\") if line.endswith("\\") else line + "\n" for line in lines).splitlines()


def versions(name: str) -> dict[str, str]:
    pairs = (entry.split()[0].split("==") for entry in entries(name))
    return dict(pairs)  # type: ignore[arg-type]


def wanted(name: str, section: str | None = None) -> set[str]:
    whole = text_of(f"{name}.in")
    part = whole if section is None else whole.split(f"# {section}")[1].split("\n\n")[0]
    return {line for line in part.splitlines()[1:] if line and not line.startswith(("#", "-c "))}


@LISTS
def test_every_library_is_pinned_and_hashed(name: str) -> None:
    assert len(entries(name)) > 30
    for entry in entries(name):
        assert re.fullmatch(r"\s*[a-z0-9-]+==[0-9][^ ;]*(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry), entry[:80]


@LISTS
def test_no_host_no_path_no_option(name: str) -> None:
    assert not re.search(r"://|www\.|\.(org|com|net|io)\b|/(root|home|tmp)/", text_of(f"{name}.lock"))
    assert not re.search(r"^--", text_of(f"{name}.lock"), re.MULTILINE)


@LISTS
def test_everything_wanted_is_locked_and_reasoned(name: str) -> None:
    assert {library.partition("[")[0] for library in wanted(name)} <= set(versions(name))
    assert {library for library in wanted(name) if f"| {library} |" not in DECISION} == set()


def test_both_locks_agree() -> None:
    """The second is installed over the first, and must not change what an appliance runs on."""
    first, second = versions("requirements"), versions("requirements-scale")
    both = first.keys() & second.keys()
    assert {"click", "numpy"} <= both
    assert {library: second[library] for library in both} == {library: first[library] for library in both}


def test_run_time_libraries_are_those_of_the_package() -> None:
    declared = {re.match(r"[a-z0-9-]+", text)[0] for text in PYPROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert declared == wanted("requirements", "run time")


@pytest.mark.parametrize("extra", ["parquet", "dask"])
def test_extras_are_locked(extra: str) -> None:
    declared = {re.split(r"[<>=]", text)[0] for text in PYPROJECT["project"]["optional-dependencies"][extra]}
    assert declared <= wanted("requirements-scale")
    assert wanted("requirements-scale", f'extra "{extra}"') <= declared
