"""The threat model cites what exists: controls, tests, actors, assets, and every claim of SECURITY.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
CONTROL = re.compile(r"`((?:appliance|keyceremony)(?:\.\w+)+)`")
CITED_FILE = re.compile(r"`((?:softhsm-config/[\w./@-]+)|pyproject\.toml|requirements\.lock)`")
TEST = re.compile(r"`(test_\w+)::(test_\w+)`")
ROW = re.compile(r"^\| (D\d+\.\d+) \| (.+) \| ([A-Z ]+) \| ([A-Z\d ]+) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = [match.groups() for match in ROW.finditer(PAGE)]
ids = [row[0] for row in ROWS]


def _rows_of(head: str) -> dict[str, str]:
    """A table by its head: first cell of each row to the whole row."""
    table = PAGE.split(head, 1)[1].split("\n\n", 1)[0]
    return {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}


@cache
def _defined(module: Path) -> frozenset[str]:
    """What a module defines at its top level."""
    body = ast.parse(module.read_text(encoding="utf-8")).body
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    targets = [node.targets if isinstance(node, ast.Assign) else [] for node in body]
    return frozenset(named | {name.id for each in targets for name in each if isinstance(name, ast.Name)})


def _exists(control: str) -> bool:
    """A module or package, or what one defines."""
    path = PROJECT.joinpath(*control.split("."))
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        return True
    module = path.parent.with_suffix(".py")
    return module.is_file() and path.name in _defined(module)


@cache
def _tests() -> frozenset[tuple[str, str]]:
    paths = (PROJECT / "tests").rglob("test_*.py")
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset((stem, node.name) for stem, tree in trees.items() for node in tree.body if isinstance(node, kinds))


def _pairs() -> Iterator[tuple[str, str]]:
    yield from TEST.findall(PAGE)


def test_every_threat_has_its_own_id() -> None:
    assert len(ROWS) > 40
    assert sorted(set(ids)) == sorted(ids)
    assert len(ROWS) == len(re.findall(r"^\| D\d", PAGE, re.MULTILINE)), "a row that this test cannot read"


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_every_threat_has_a_control_and_a_test(row: tuple[str, ...]) -> None:
    _, _, _, _, control, shown = row
    assert CONTROL.search(control) or CITED_FILE.search(control)
    assert TEST.search(shown)


def test_every_control_exists() -> None:
    cited = set(CONTROL.findall(PAGE))
    assert len(cited) > 40
    assert {control for control in cited if not _exists(control)} == set()
    assert {path for path in CITED_FILE.findall(PAGE) if not (PROJECT / path).exists()} == set()


def test_a_control_that_does_not_exist_would_be_noticed() -> None:
    assert _exists("appliance.engine.headmark.check")
    assert not _exists("appliance.engine.headmark.chekc")
    assert not _exists("appliance.engine.heedmark")


def test_every_test_exists() -> None:
    assert set(_pairs()) - _tests() == set()


def test_every_actor_and_asset_is_met_and_no_other() -> None:
    actors = set(_rows_of("| actor | who they are | what they have |"))
    assets = set(_rows_of("| asset | what it is | what its loss would mean |"))
    assert {actor for row in ROWS for actor in row[2].split()} == actors - {"actor"}
    assert {asset for row in ROWS for asset in row[3].split()} == assets - {"asset"}


def test_every_claim_has_its_evidence() -> None:
    promised = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
    section = promised.split("## What is meant to hold")[1].split("\n## ")[0]
    claims = re.findall(r"^(\d+)\. ", section, re.MULTILINE)
    rows = _rows_of("| claim | rests on | shown by |")
    assert [cell.split()[0] for cell in rows] == claims
    assert all(TEST.search(row) for row in rows.values())
