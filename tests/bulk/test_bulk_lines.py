"""Lines of a segment, against the same done line by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bulk import lines
from appliance.hubkit.errors import ProtocolError

LINE = st.text("ABCXYZ019", max_size=12)
FAILED = {"!malformed_number": lines.MALFORMED, "!unknown_number": lines.UNKNOWN}


def joined(texts: list[str]) -> bytes:
    return "".join(text + "\n" for text in texts).encode()


@given(st.lists(st.tuples(LINE, st.booleans()), min_size=1))
def test_choosing_lines(rows: list[tuple[str, bool]]) -> None:
    mask = np.array([taken for _, taken in rows])
    assert lines.choose(joined([text for text, _ in rows]), mask) == joined([text for text, taken in rows if taken])


@given(st.lists(st.tuples(LINE, st.sampled_from("abc")), min_size=1))
def test_putting_parts_together(rows: list[tuple[str, str]]) -> None:
    """Rows of no part (c) get an empty line."""
    parts = []
    for part in "ab":
        mask = np.array([of == part for _, of in rows])
        parts.append((mask, joined([text for text, of in rows if of == part])))
    assert lines.place(len(rows), *parts) == joined([text if of != "c" else "" for text, of in rows])


@given(st.lists(st.one_of(LINE, st.sampled_from(sorted(FAILED))), min_size=1))
def test_failures_are_found(answers: list[str]) -> None:
    codes = lines.failures(joined(answers), len(answers))
    assert codes.tolist() == [FAILED.get(text, lines.CONVERTED) for text in answers]


@pytest.mark.parametrize("line", ["!", "!other", "!unknown_numbe", "!malformed_numbers", "!unknown_numbeR", "!!"])
def test_a_failure_of_an_unknown_kind_is_no_answer(line: str) -> None:
    with pytest.raises(ProtocolError, match="a number failed in a way that is not known"):
        lines.failures(joined(["ABC", line, "!unknown_number"]), 3)


@pytest.mark.parametrize("answers", [["A"], ["A", "B", "C"], ["!unknown_number"]])
def test_answers_must_be_as_many_as_numbers(answers: list[str]) -> None:
    with pytest.raises(ProtocolError, match="asked about 2 numbers, the answer has"):
        lines.failures(joined(answers), 2)


@given(st.lists(st.tuples(LINE, LINE), min_size=1))
def test_the_first_line_that_differs(rows: list[tuple[str, str]]) -> None:
    ours, theirs = joined([one for one, _ in rows]), joined([other for _, other in rows])
    wanted = next((place for place, (one, other) in enumerate(rows) if one != other), None)
    assert lines.differing(ours, theirs) == wanted


def test_no_lines_at_all() -> None:
    nothing = np.zeros(0, np.bool_)
    assert lines.choose(b"", nothing) == b""
    assert lines.place(0, (nothing, b"")) == b""
    assert lines.failures(b"", 0).tolist() == []
