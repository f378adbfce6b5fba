"""The measurement itself: 20,000 people in the suite, what the table tells, and limits that are really held."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.matching import __main__ as command
from tests.matching.measured import AMONG, NOT_FOUND, RIGHT, WRONG, Measured, measure
from tests.matching.measuredtable import PAGE, markdown, text, write_docs
from tests.matching.sectornoise import KINDS
from tests.world import PROJECT

PEOPLE, SEED = 20_000, 11
WRITING = (
    *("as registered", "full or half width", "spaces", "variant kanji", "old kanji", "hiragana and katakana"),
    *("address form", "building left out", "date by era", "moved in the same town", "lot mistyped"),
    *("surname mistyped", "birth date mistyped", "other surname (married)", "wrong sex", "two ways of writing"),
)  # fmt: skip
ASKED_ABOUT = ("given name mistyped", "another birth date", "name in kana only")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(tmp_path_factory.mktemp("matching"), PEOPLE, SEED, 2)


def test_nobody_is_taken_for_somebody_else(measured: Measured) -> None:
    assert measured.wrong == []
    assert measured.precision == 1.0
    assert measured.matched > 0.8 * PEOPLE
    assert command.faults(measured) == []


@pytest.mark.parametrize("kind", WRITING)
def test_nearly_everybody_is_found_in_spite_of_one_difference(measured: Measured, kind: str) -> None:
    """Short of all: some are asked for twice, or have a twin."""
    became = measured.became[kind]
    assert became[RIGHT] >= 0.95 * became.total() - 1
    assert became[NOT_FOUND] == 0


@pytest.mark.parametrize("kind", ASKED_ABOUT)
def test_what_is_never_certain_has_the_right_one_among_its_candidates(measured: Measured, kind: str) -> None:
    assert measured.became[kind][RIGHT] == 0
    assert measured.became[kind][AMONG] == measured.became[kind].total() > 0


def test_strangers_and_those_who_resemble_a_resident_are_matched_with_nobody(measured: Measured) -> None:
    strangers = {kind: became for kind, became in measured.became.items() if kind.startswith("stranger")}
    assert len(strangers) >= 4
    assert sum(became.total() for became in strangers.values()) > 500
    assert all(became[RIGHT] == became[WRONG] == 0 for became in strangers.values())


def test_every_kind_of_difference_was_measured(measured: Measured) -> None:
    assert set(KINDS) <= set(measured.became)
    shown = text(measured)
    assert all(kind in shown and kind in markdown(measured) for kind in measured.became)


def invented(wrong: int = 0, seconds: float = 1.0, memory: int = 1) -> Measured:
    """Of a million, some of them matched with somebody else."""
    became = {"moved": Counter({RIGHT: 1_000_000 - wrong, WRONG: wrong})}
    return Measured(1_000_000, 1_000_000, 1_000_000, became, seconds, seconds, memory)


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        (invented(100), []),
        (invented(101), ["not good enough: precision is below 99.99%"]),
        (invented(seconds=301), ["not good enough: it took too long"]),
        (invented(memory=4_100_000_000), ["not good enough: it took too much memory"]),
    ],
)
def test_each_limit_is_held(measured: Measured, missed: list[str]) -> None:
    assert command.faults(measured) == missed


def test_bounds_of_the_precision() -> None:
    assert invented().precision_bound == pytest.approx(1 - 3e-6)
    assert invented(10).precision_bound < invented(10).precision


def test_the_page_is_written_between_its_markers_only(tmp_path: Path) -> None:
    page = tmp_path / "matching.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n", encoding="utf-8")
    write_docs(invented(), page)
    written = page.read_text(encoding="utf-8")
    assert written.startswith("before\n<!-- measured -->\n| kind of record |")
    assert "| moved | 1,000,000 | 1,000,000 | 0 | 0 | 0 | 0 | 100.00% |" in written
    assert written.endswith("<!-- /measured -->\nafter\n")
    page.write_text("no place", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no place for the measured table"):
        write_docs(invented(), page)


def test_the_page_shows_a_measurement_of_a_million() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "<!-- measured -->\n| kind of record | records |" in page
    assert all(f"| {kind} |" in page for kind in KINDS)


def test_the_command_prints_its_table_and_says_how_it_went() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.matching", "--people", "600", "--processes", "1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "address form" in run.stdout
    assert "precision 100.00000%" in run.stdout
