"""``appliance oversight report``: what a person types, and what is left on the disk afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from logkit import Log
from reportkit import sample
from reportreading import read


@pytest.fixture
def copy(log: Log, tmp_path: Path) -> Path:
    return log.write(tmp_path / "copy", cosigned=1_000)


def test_it_writes_one_page_and_says_what_it_found(run: Callable[..., Any], log: Log, copy: Path) -> None:
    out = copy.parent / "report.html"
    ran = run("report", copy, "--anchor", log.book.anchor, "-o", out)
    size = f"{out.stat().st_size:,} bytes, 1,000 records"
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Written: {out} ({size}): 0 findings to be asked about, 0 for information\n"
    assert "Oversight report" in read(out.read_bytes()).words
    assert sorted(path.name for path in copy.parent.iterdir()) == ["copy", "report.html"]


def test_nothing_is_overwritten_unless_it_is_said(run: Callable[..., Any], log: Log, copy: Path) -> None:
    out = copy.parent / "report.html"
    out.write_text("evidence")
    ran = run("report", copy, "--anchor", log.book.anchor, "-o", out)
    assert ran.code == 3
    assert "exists already; nothing is overwritten" in ran.err
    assert "add --force" in ran.err
    assert out.read_text() == "evidence"
    assert run("report", copy, "--anchor", log.book.anchor, "-o", out, "--force").code == 0
    assert b"</html>" in out.read_bytes()


def test_a_damaged_copy_is_reported_with_exit_code_1(run: Callable[..., Any], log: Log, copy: Path) -> None:
    bundle = copy / "tile/entries/002"
    bundle.write_bytes(bundle.read_bytes()[:-1])
    out = copy.parent / "report.html"
    ran = run("report", copy, "--anchor", log.book.anchor, "-o", out)
    assert ran.code == 1
    assert "WRONG: records: tile/entries/002: the bundle ends in its entry 256 of 256" in ran.err
    assert "Something in this copy is wrong" in read(out.read_bytes()).words


def test_another_anchor_is_refused_and_nothing_written(run: Callable[..., Any], copy: Path) -> None:
    out = copy.parent / "report.html"
    ran = run("report", copy, "--anchor", "ab" * 32, "-o", out)
    assert ran.code == 4
    assert "the trust anchor is" in ran.err
    assert not out.exists()


def test_language_time_zone_period_and_orders_are_taken(run: Callable[..., Any], tmp_path: Path) -> None:
    out, held = tmp_path / "houkoku.html", sample()
    words = ["--language", "ja", "--timezone", "UTC", "--from", "2026-05-01", "--until", "2026-05-31"]
    order = held.folder / "case-17.order.cms"
    ran = run("report", held.folder / "copy", "--anchor", held.anchor, "-o", out, *words, "--order", order)
    assert ran.code == 0, ran.err
    page = read(out.read_bytes())
    assert "2026-05-01 から 2026-05-31 まで（31 日間）" in page.words
    assert "時刻はすべて UTC" in page.words
    assert "令和8年(フ)第17号" in page.words
    assert "期間を限った報告です" in page.words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "May"], "Invalid value for '--from'"),
        (["--language", "fr"], "Invalid value for '--language'"),
        (["--timezone", "Mars/Olympus"], "this machine knows no time zone 'Mars/Olympus'"),
    ],
)
def test_what_is_typed_wrongly_is_named(
    run: Callable[..., Any], log: Log, copy: Path, words: list[str], said: str
) -> None:
    ran = run("report", copy, "--anchor", log.book.anchor, "-o", copy.parent / "r.html", *words)
    assert ran.code == 2
    assert said in ran.err


def test_a_page_that_cannot_be_written_leaves_nothing(run: Callable[..., Any], log: Log, copy: Path) -> None:
    ran = run("report", copy, "--anchor", log.book.anchor, "-o", copy.parent / "none" / "r.html")
    assert ran.code == 3
    assert "No such file or directory" in ran.err


def test_a_finding_never_changes_the_exit_code(run: Callable[..., Any], tmp_path: Path) -> None:
    held = sample()
    ran = run("report", held.folder / "copy", "--anchor", held.anchor, "-o", tmp_path / "r.html")
    assert ran.code == 0
    assert "findings to be asked about" in ran.out
