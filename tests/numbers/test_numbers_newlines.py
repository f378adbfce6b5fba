"""Lines are counted as ``bytes.count`` counts them, at any length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.numbers.newlines import count_lines


@given(piece=st.binary(max_size=60), times=st.integers(0, 200), newline=st.sampled_from([b"\n", b"\r\n", b"", b"\n\n"]))
def test_lines_are_counted_at_any_length(piece: bytes, times: int, newline: bytes) -> None:
    data = (piece + newline) * times
    assert count_lines(data) == data.count(b"\n")
