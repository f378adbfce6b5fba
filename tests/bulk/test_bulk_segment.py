"""What becomes of each row, with permutations in the place of the daemon, against the rules row by row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from bulkkit import NEW, OLD
from hypothesis import given
from hypothesis import strategies as st

from appliance.bulk import counting, segment
from appliance.bulk.errors import RoundTripFailed
from appliance.bulk.segment import Outcome, Segment
from appliance.bulk.tables.table import Batch

PEOPLE = {OLD: "O{}", NEW: "N{}", "sspin.B.1": "B{}"}
BOTH = "X1"  # passes as a number of either generation: of person 1 under the old key, of person 2 under the new
CELL = st.one_of(
    st.builds("O{}".format, st.integers(0, 9)),
    st.builds("N{}".format, st.integers(0, 9)),
    st.sampled_from(["U1", "m!", "", "broken", BOTH]),
)


class Asked:
    """A daemon of dictionaries; ``counts`` numbers it was asked about, by the way."""

    def __init__(self, wrong: dict[tuple[str, str, str], str] | None = None) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._wrong = wrong or {}

    def __call__(self, source: str, target: str, lines: bytes) -> bytes:
        asked = lines.decode().split("\n")[:-1]
        self.counts[source, target] += len(asked)
        return "".join(
            self._wrong.get((source, target, one)) or self._one(source, target, one) for one in asked
        ).encode()

    def _one(self, source: str, target: str, number: str) -> str:
        if not number.isalnum():
            return "!malformed_number\n"
        if number == BOTH:
            return f"{PEOPLE[target].format({OLD: 1, NEW: 2}[source])}x\n"
        if number.endswith("x"):  # the way back of such a one
            return f"{BOTH}\n"
        if number[0] != PEOPLE[source][0]:
            return "!unknown_number\n"
        return PEOPLE[target].format(number[1:]) + "\n"


def batch(cells: list[str], first: int = 0) -> Batch:
    broken = np.array([cell == "broken" for cell in cells], np.bool_)
    empty = np.array([cell == "" for cell in cells], np.bool_)
    text = "".join(("" if cell == "broken" else cell) + "\n" for cell in cells).encode()
    return Batch(first=first, count=len(cells), lines=text, empty=empty, broken=broken, rows=None, end={})


def shown(done: Segment) -> list[tuple[str, str]]:
    """Outcome and answer of every row; answers of rows that are not written do not matter."""
    answers = done.answers.decode().split("\n")[:-1]
    assert len(answers) == done.batch.count
    return [
        (Outcome(code).name, answer if code <= Outcome.KEPT else "")
        for code, answer in zip(done.outcome.tolist(), answers, strict=True)
    ]


def expected(cell: str, keep: bool) -> tuple[str, str] | None:
    """What `convert` from the old generation to B makes of a cell."""
    if cell == "":
        return ("KEPT" if keep else "EMPTY", "")
    fixed = {"broken": "WRONG_COLUMNS", "m!": "MALFORMED_NUMBER", "U1": "UNKNOWN_NUMBER"}
    if cell in fixed:
        return fixed[cell], ""
    if cell == BOTH:
        return "CONVERTED", "B1x"
    return ("CONVERTED", f"B{cell[1:]}") if cell[0] == "O" else ("UNKNOWN_NUMBER", "")


@given(st.lists(CELL, min_size=1, max_size=30), st.booleans())
def test_converting(cells: list[str], keep: bool) -> None:
    done = segment.convert(batch(cells), Asked(), OLD, "sspin.B.1", keep_empty=keep)
    assert shown(done) == [expected(cell, keep) for cell in cells]
    assert done.keep.tolist() == [outcome in ("CONVERTED", "KEPT") for outcome, _ in shown(done)]


@given(st.lists(CELL, min_size=1, max_size=30), st.booleans())
def test_rekeying(cells: list[str], keep: bool) -> None:
    """Mixed segments: what is new already is said to be, and what passes as both is set aside. Others: it is old."""
    ask = Asked()
    done = segment.rekey(batch(cells), ask, OLD, NEW, keep_empty=keep)
    mixed = any(cell.startswith("N") for cell in cells)
    for cell, (outcome, answer) in zip(cells, shown(done), strict=True):
        if cell.startswith("N"):
            assert outcome == "ALREADY_CURRENT"
        elif cell == BOTH:
            assert (outcome, answer) == (("AMBIGUOUS", "") if mixed else ("CONVERTED", "N1x"))
        elif cell.startswith("O"):
            assert (outcome, answer) == ("CONVERTED", f"N{cell[1:]}")
        else:
            assert (outcome, answer) == expected(cell, keep)
    numbers = [cell for cell in cells if cell not in ("", "broken")]
    assert ask.counts[OLD, NEW] == len(numbers)
    assert ask.counts[NEW, OLD] >= len([cell for cell in numbers if cell != "m!"])  # each one is asked back


@pytest.mark.parametrize("answer", ["O4\n", "!unknown_number\n", "!malformed_number\n", "O33\n"])
def test_a_number_that_does_not_come_back_stops_everything(answer: str) -> None:
    """The row is named, the number is not."""
    ask = Asked({(NEW, OLD, "N3"): answer})
    with pytest.raises(RoundTripFailed) as caught:
        segment.rekey(batch(["", "O1", "broken", "U1", "O2", "O3", "O4"], first=100), ask, OLD, NEW, keep_empty=False)
    assert caught.value.message == (
        "row 106: the number did not come back as itself; the job stopped, and nothing of this segment was written"
    )
    assert "keyceremony inventory" in str(caught.value.hint)


def test_two_numbers_swapped_on_the_way_back() -> None:
    ask = Asked({(NEW, OLD, "N3"): "O4\n", (NEW, OLD, "N4"): "O3\n"})
    with pytest.raises(RoundTripFailed, match="row 3:"):
        segment.rekey(batch(["O1", "O2", "O3", "O4"]), ask, OLD, NEW, keep_empty=False)


@given(st.lists(CELL, min_size=1, max_size=30))
def test_counting_by_generation(cells: list[str]) -> None:
    """The newest first; what it does not know is asked of the next."""
    ask = Asked()
    done = segment.census(batch(cells), ask, (NEW, OLD), NEW)
    named = counting.words((NEW, OLD))
    fixed = {"broken": "wrong_columns", "m!": "malformed_number", "U1": "unknown_number", "": "empty", BOTH: NEW}
    wanted = [fixed.get(cell) or (NEW if cell.startswith("N") else OLD) for cell in cells]
    assert [named[code] for code in done.outcome.tolist()] == wanted
    assert counting.added({}, done, named) == Counter(wanted)
    assert counting.reasons(done, np.ones(len(cells), np.bool_), named) == wanted


def test_counts_add_up() -> None:
    named = counting.words(())
    one = segment.convert(batch(["O1", "", "U1"]), Asked(), OLD, NEW, keep_empty=True)
    counts = counting.added(counting.added({}, one, named), one, named)
    assert counts == {"converted": 2, "kept": 2, "unknown_number": 2}
    assert counting.rejected(counts) == 2
