"""The printed sheets are, byte for byte, those that people have looked at."""

from __future__ import annotations

import difflib

import pytest

from .golden import FOLDER, SHEETS


@pytest.mark.parametrize("name", SHEETS)
def test_sheets_are_those_that_were_looked_at(name: str) -> None:
    made = SHEETS[name]().decode("utf-8")
    kept = (FOLDER / f"{name}.html").read_text(encoding="utf-8")
    if made != kept:
        changes = list(difflib.unified_diff(kept.splitlines(), made.splitlines(), "golden", "now", n=0, lineterm=""))
        again = (
            "python -m tests.sheets.regenerate writes the golden sheets anew; python -m tests.sheets.look shows them"
        )
        pytest.fail("\n".join([f"{name}: {len(changes)} lines differ", *changes[:20], again]), pytrace=False)


def test_no_golden_sheet_is_left_over() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SHEETS)
