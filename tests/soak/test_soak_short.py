"""A soak of one round, so that it works when it is wanted, and so that its checks find what they are for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.soak import checks, report
from tests.soak.faults import FAULTS, in_some_order
from tests.soak.notebook import Answered, Notebook, Streamed
from tests.soak.run import Met, Result, Terms, run
from tests.soak.setting import Truth
from tests.soak.watch import by_tenths, growth

ROUND = (
    "both engines killed",
    "token removed for 3 s",
    "disk full for 1 s",
    "altered ciphertext",
    "rotation by ceremony",
)
TERMS = Terms(seconds=1.0, clients=16, seed=7, faults=ROUND, back=60.0, calm=(0.1, 0.5))


def test_one_round_of_faults_gives_no_wrong_answer_and_leaves_everything_on_record(tmp_path: Path) -> None:
    said: list[str] = []
    result = run(tmp_path / "w", TERMS, said.append)
    assert result.failures == [], said
    assert sorted(met.name for met in result.met) == sorted(ROUND)
    assert "sspin.E.2" in result.notebook.truth.numbers, "the new key was answered with, and checked"
    assert result.notebook.refused["audit_unavailable"]
    assert result.records > len(result.notebook.answered) > 100
    assert result.notebook.streamed and result.notebook.histories
    assert dict(report.facts(result))["wrong"] == "0"


# --- that its checks can fail ---------------------------------------------------------------------------

ANSWER = Answered(2, "client-1-1", "sspin.B.1", "sspin.E.1", (1, 1, 0, 0), frozenset({0}))
STREAM = Streamed("stream-1", "sspin.B.1", 10, None)


def conversion(reference: str, count: int, stream: int | None, target: str = "sspin.E.1") -> dict[str, Any]:
    counts = {"count": count, "converted": count, "malformed": 0, "unknown": 0}
    names = {"kind": "conversion", "reference": reference, "source": "sspin.B.1", "target": target, "stream": stream}
    return {**names, **counts}


RECORDS = [{"kind": "start"}, conversion("client-1-1", 1, None), conversion("stream-1", 10, 1, "sspin.B.1")]


def notebook() -> Notebook:
    return Notebook(Truth(("1",), {"sspin.E.1": ("right",)}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one, []),
        (lambda one: one._replace(record=4), ["client-1-1: answered, and record 4 does not say so"]),
        (lambda one: one._replace(record=1), ["client-1-1: answered, and record 1 does not say so"]),
        (lambda one: one._replace(target="sspin.E.2"), ["client-1-1: answered, and record 2 does not say so"]),
        (lambda one: one._replace(counts=(2, 2, 0, 0)), ["client-1-1: answered, and record 2 does not say so"]),
    ],
)
def test_an_answer_without_its_record_is_found(change: Callable[[Answered], Answered], said: list[str]) -> None:
    book = notebook()
    book.answered.append(change(ANSWER))
    assert list(checks.unrecorded(RECORDS, book)) == said


@pytest.mark.parametrize(
    ("stream", "good"),
    [
        (STREAM, True),
        (STREAM._replace(lines=9), False),
        (STREAM._replace(lines=9, broken="engine_lost"), True),
        (STREAM._replace(lines=11, broken="engine_lost"), False),
        (STREAM._replace(target="sspin.B.2"), False),
    ],
)
def test_streamed_lines_that_no_record_counts_are_found(stream: Streamed, good: bool) -> None:
    book = notebook()
    book.streamed.append(stream)
    assert (list(checks.uncounted(RECORDS, book)) == []) is good


def test_a_wrong_number_is_found_at_once_or_at_the_end() -> None:
    book = notebook()
    assert book.is_right("sspin.E.1", 0, "right")
    assert not book.is_right("sspin.E.1", 0, "wrong")
    assert book.is_right("sspin.E.2", 0, "some number"), "nobody knows yet"
    assert not book.is_right("sspin.E.2", 0, "another number")
    book.truth.numbers["sspin.E.2"] = ("the right one",)
    book.hold_against_the_end()
    assert book.wrong == ["sspin.E.2: a wrong number was answered"]


def test_memory_that_grows_is_found() -> None:
    assert growth([100_000] * 40) == 0
    assert growth([50_000] * 10 + [100_000] * 30) == 0, "the beginning does not count"
    assert growth([100_000 + 1_024 * second for second in range(40)]) == 20.0
    assert by_tenths([*range(100)])[::9] == [4, 94]


def test_faults_come_in_rounds_each_once_and_the_seed_decides_the_order() -> None:

    order = in_some_order(random.Random(3), list(FAULTS))
    rounds = [[next(order) for _ in range(len(FAULTS) - skipped)] for skipped in (0, 1, 0)]
    assert sorted(rounds[0]) == sorted(rounds[2]) == sorted(FAULTS)
    assert set(rounds[1]) == set(FAULTS) - {"rotation by ceremony"}
    assert rounds[0] != rounds[2]
    again = in_some_order(random.Random(3), list(FAULTS))
    assert [next(again) for _ in rounds[0]] == rounds[0]


def test_the_page_gets_the_figures_between_its_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(
        "a\n<!-- soak: faults -->\nold\n<!-- /soak -->\nb\n<!-- soak: figures -->\n<!-- /soak -->\n", "utf-8"
    )
    monkeypatch.setattr(report, "PAGE", page)
    result = replace(
        Result(TERMS, notebook()), met=[Met("engine killed", 1.0, 0.0, 0.5), Met("engine killed", 9.0, 0.0, 1.5)]
    )
    report.write_docs(result)
    lines = page.read_text("utf-8").splitlines()
    assert lines[:2] == ["a", "<!-- soak: faults -->"] and "old" not in lines
    assert "| engine killed | 2 | 0.0 s | 1.00 s | 1.50 s |" in lines
    assert "| wrong | 0 |" in lines


def test_the_page_has_every_marker() -> None:
    text = report.PAGE.read_text("utf-8")
    for part in ("machine", "faults", "figures"):
        assert text.count(f"<!-- soak: {part} -->\n") == 1
    assert text.count("<!-- /soak -->") == 3
