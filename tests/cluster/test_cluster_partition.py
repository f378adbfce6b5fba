"""One partition by itself: what goes out as lines, where answers are put, what is refused; no cluster, no appliance."""

from __future__ import annotations

import io
import pickle

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cluster import node
from appliance.cluster.dask import convert
from appliance.cluster.errors import ApplianceAway, ClusterError, ConversionRefused, JobRefused
from appliance.cluster.frames import convert_frame
from appliance.cluster.partition import convert_table
from appliance.cluster.terms import Terms
from appliance.hubkit import (
    AnswerTimeout,
    ConnectionLost,
    DaemonUnreachable,
    HubkitError,
    ProtocolError,
    Refused,
    StreamBroken,
)

TERMS = Terms("number", "sspin.B.1", "sspin.E.1", "exchange", "a test")


def backwards(terms: Terms, lines: io.BytesIO) -> bytes:
    """An appliance whose numbers of E are those of B backwards; lower case is malformed, 0… is nobody's."""
    asked = lines.read()
    assert asked.endswith(b"\n") and asked.isascii()
    return b"".join(_answer(line) + b"\n" for line in asked.split(b"\n")[:-1])


def _answer(line: bytes) -> bytes:
    if not line or line != line.upper() or line.startswith(b"!"):
        return b"!malformed_number"
    return b"!unknown_number" if line.startswith(b"0") else line[::-1]


def nobody(terms: Terms, lines: io.BytesIO) -> bytes:
    raise AssertionError("asked")


def expected(cell: str | None) -> tuple[str | None, str | None]:
    """What becomes of a cell: the number, the error."""
    if cell is None:
        return None, None
    sendable = cell.encode() if cell.isascii() and cell.isprintable() and " " not in cell and len(cell) <= 64 else b""
    said = _answer(sendable).decode()
    return (None, said[1:]) if said.startswith("!") else (said, None)


CELLS = st.lists(
    st.one_of(
        st.none(),
        st.text("AB01", max_size=12),
        st.text(max_size=5),
        st.sampled_from(["!X", "\n", "A\nB", "A\r", "", " A", "é", "A" * 64, "A" * 65, "\0", "!!stopping", "A\n\n!!x"]),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(cells=CELLS, cut=st.integers(0, 40), kind=st.sampled_from([pa.string(), pa.large_string()]))
def test_every_row_keeps_its_place_whatever_is_in_it(cells: list[str | None], cut: int, kind: pa.DataType) -> None:
    """Nulls, line breaks, wrong lengths and other alphabets shift nothing; the other columns stay as they are."""
    column = pa.chunked_array([pa.array(cells[:cut], kind), pa.array(cells[cut:], kind)], kind)
    table = pa.table({"row": range(len(cells)), "number": column, "more": [b"\0"] * len(cells)})
    table = table.replace_schema_metadata({"kept": "yes"})
    done = convert_table(table, TERMS, backwards if any(cell is not None for cell in cells) else nobody)
    assert list(zip(*(done.column(name).to_pylist() for name in ("number", "number_error")), strict=True)) == [
        expected(cell) for cell in cells
    ]
    assert done.schema.names == ["row", "number", "more", "number_error"]
    assert done.schema.field("number").type == kind and done.schema.metadata == {b"kept": b"yes"}
    assert done.select(["row", "more"]).equals(table.select(["row", "more"]))


@settings(deadline=None, max_examples=60)
@given(cells=CELLS)
def test_a_slice_is_converted_as_the_slice_that_it_is(cells: list[str | None]) -> None:
    table = pa.table({"number": pa.array(["A", None, *cells, "0"], pa.string())}).slice(2, len(cells))
    done = convert_table(table, TERMS, backwards)
    assert done.column("number").to_pylist() == [expected(cell)[0] for cell in cells]


@pytest.mark.parametrize(
    "dtype", ["str", "string", "object", pd.ArrowDtype(pa.string()), pd.StringDtype("python")], ids=str
)
def test_frames_keep_their_index_and_their_type(dtype: object) -> None:
    """Also an empty one, which tells Dask what the others will look like."""
    cells = ["AB", None, "0A", "a", "A\nB"]
    frame = pd.DataFrame({"number": pd.Series(cells, dtype=dtype), "row": range(5)}).set_index(
        pd.Index([9, 7, 7, 1, 0])
    )
    before = frame.copy()
    done = convert_frame(frame, TERMS, backwards)
    assert [None if pd.isna(cell) else cell for cell in done["number"]] == [expected(cell)[0] for cell in cells]
    assert [None if pd.isna(cell) else cell for cell in done["number_error"]] == [expected(cell)[1] for cell in cells]
    assert done.index.equals(frame.index) and list(done.columns) == ["number", "row", "number_error"]
    assert dtype == "object" or done["number"].dtype == frame["number"].dtype
    pd.testing.assert_frame_equal(frame, before)
    assert list(convert_frame(frame.iloc[:0], TERMS, nobody).dtypes) == list(done.dtypes)


def test_data_that_is_refused() -> None:
    """Before anybody is asked, and with what to do next."""
    integers = "column number holds int64, not text\n  → read it as text"
    for data, message in (
        ({"number": [1]}, integers),
        ({"other": ["A"]}, "the data has 0 columns named number, not one"),
        ({"number": ["A"], "number_error": ["x"]}, "has a column number_error already\n  → it is where failures go"),
    ):
        with pytest.raises(JobRefused, match=message):
            convert_table(pa.table(data), TERMS, nobody)
        with pytest.raises(JobRefused, match=message):
            convert_frame(pd.DataFrame(data), TERMS, nobody)
    with pytest.raises(JobRefused, match="column number holds more than text") as refused:
        convert_frame(pd.DataFrame({"number": pd.Series(["ABC98765XYZ", 5], dtype=object)}), TERMS, nobody)
    assert "ABC98765XYZ" not in str(refused.value)


def test_a_wrong_job_is_refused_when_it_is_made() -> None:
    """Not on some worker, later."""
    frame = dd.from_pandas(pd.DataFrame({"number": ["A"], "age": [1]}), npartitions=1)
    why = {"purpose": "exchange", "reference": "r"}
    with pytest.raises(JobRefused, match="the data has 0 columns named numbers, not one"):
        convert(frame, "numbers", "sspin.B.1", "sspin.E.1", **why)
    with pytest.raises(JobRefused, match="column age holds int64, not text"):
        convert(frame, "age", "sspin.B.1", "sspin.E.1", **why)
    with pytest.raises(JobRefused, match="sspin.E is a domain"):
        convert(frame, "number", "sspin.B.1", "sspin.E", **why)


def test_an_answer_that_does_not_fit_gives_nothing() -> None:
    table = pa.table({"number": ["A", "B"]})
    for answer in (b"A\n", b"A\nB", b"A\nB\nC", b"A\nB\nC\n", b"\n", b""):
        with pytest.raises(ValueError, match="whole lines in the answer to 2"):
            convert_table(table, TERMS, lambda terms, lines, answer=answer: answer)


@pytest.mark.parametrize("name", ["sspin.B", "spin", "sspin.B.x", "sspin.B.", "", "common"])
def test_generations_are_named(name: str) -> None:
    """A domain's current generation may change while a job runs."""
    with pytest.raises(JobRefused, match=f"^{name} is a domain; a job names the key generation\n  → such as"):
        Terms("number", name, "sspin.E.1", "p", "r")
    with pytest.raises(JobRefused):
        Terms("number", "resident", name, "p", "r")
    assert Terms("number", "resident", "common.1", "p", "r").error_column == "number_error"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (DaemonUnreachable("nobody listens"), ApplianceAway),
        (ConnectionLost("cut"), ApplianceAway),
        (AnswerTimeout("late"), ApplianceAway),
        (Refused("stopping", "The daemon is stopping.", 503, 5), ApplianceAway),
        (Refused("audit_unavailable", "No room.", 503, 2), ApplianceAway),
        (StreamBroken("engine_lost", 8192), ApplianceAway),
        (StreamBroken("cut_short", 0), ApplianceAway),
        (StreamBroken("order_exhausted", 10), ConversionRefused),
        (StreamBroken("wrong_count", 10), ConversionRefused),
        (Refused("purpose_denied", "Not one of this role's.", 403), ConversionRefused),
        (Refused("quota_exhausted", "Tomorrow.", 429, 60), ConversionRefused),
        (Refused("internal", "A defect.", 500), ConversionRefused),
        (ProtocolError("nonsense"), ConversionRefused),
    ],
    ids=lambda one: getattr(one, "code", None) or getattr(one, "__name__", type(one).__name__),
)
def test_what_an_error_means_for_the_job(error: HubkitError, meaning: type[ClusterError]) -> None:
    """Another node may do it, or nobody will. It arrives whole where the job was submitted."""
    said = node.meaning(error)
    assert type(said) is meaning
    assert error.message in said.message and said.hint == error.hint
    arrived = pickle.loads(pickle.dumps(said))
    assert (type(arrived), str(arrived)) == (meaning, str(said))


def test_a_worker_that_was_not_told_its_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    monkeypatch.delenv("KAGIMORI_SOCKET", raising=False)
    with pytest.raises(JobRefused, match="the worker on .* does not know its appliance\n  → start it with KAGIMORI_SO"):
        node.ask(TERMS, io.BytesIO(b"A\n"))


def test_the_socket_is_no_part_of_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither it nor a disclosure order is in what shows when terms are printed."""
    monkeypatch.setenv("KAGIMORI_SOCKET", "/run/secret-place.sock")
    terms = Terms("number", "sspin.B.1", "sspin.E.1", "exchange", "r", b"signed by many")
    assert b"secret-place" not in pickle.dumps(terms) and "signed by many" not in repr(terms)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGIMORI_SOCKET", "/nonexistent/hub.sock")
    with pytest.raises(ApplianceAway, match="does not serve: /nonexistent/hub.sock: No such file"):
        node.ask(TERMS, io.BytesIO(b"A\n"))


def test_a_busy_appliance_is_asked_again_with_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times in all; then it counts as away."""
    seen: list[bytes] = []

    class Busy:
        """A client whose appliance reads half a question before it refuses."""

        def __init__(self, path: str, timeout: float) -> None:
            pass

        def __enter__(self) -> Busy:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def convert_stream(self, source: str, target: str, lines: io.BytesIO, **why: object) -> object:
            seen.append(lines.read(3))
            raise Refused("overloaded", "Too much is waiting already.", 503, 0.01)

    monkeypatch.setenv("KAGIMORI_SOCKET", "/run/hub.sock")
    monkeypatch.setattr(node, "Client", Busy)
    with pytest.raises(ApplianceAway, match="does not serve: overloaded"):
        node.ask(TERMS, io.BytesIO(b"AB\nCD\n"))
    assert seen == [b"AB\n"] * 3
