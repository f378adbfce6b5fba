"""How is one column of a pandas frame converted? Through Arrow, so that no number is a Python object on its way."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from appliance.cluster.errors import JobRefused
from appliance.cluster.partition import TEXT, Ask, check_names, check_text, convert_column
from appliance.cluster.terms import Terms

OURS = pd.StringDtype("pyarrow")  # of the errors, and of numbers that came as objects


def convert_frame(frame: pd.DataFrame, terms: Terms, ask: Ask) -> pd.DataFrame:
    """The same rows and index, one column converted and its errors beside it; the frame itself is left alone.

    Raises:
        JobRefused: no such column, it is not text, or the errors' column is there already. Whatever ``ask`` raises.
    """
    check_names(frame.columns, terms)
    series = frame[terms.column]
    numbers, errors = convert_column(_arrow(series, terms), terms, ask)
    new = {terms.column: _series(numbers, series), terms.error_column: _series(errors, series, OURS)}
    return frame.assign(**new)


def _arrow(series: pd.Series, terms: Terms) -> pa.Array | pa.ChunkedArray:
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise JobRefused(f"column {terms.column} holds more than text", "read it as text (dtype string)") from None
    if pa.types.is_null(array.type):  # an object column without any value
        return array.cast(TEXT)
    check_text(array.type, terms)
    return array


def _series(values: pa.Array, like: pd.Series, dtype: pd.api.extensions.ExtensionDtype | None = None) -> pd.Series:
    kind = dtype or (like.dtype if isinstance(like.dtype, pd.StringDtype | pd.ArrowDtype) else OURS)
    wanted = values.cast(kind.pyarrow_dtype) if isinstance(kind, pd.ArrowDtype) else values
    return pd.Series(kind.__from_arrow__(wanted), index=like.index, name=like.name, copy=False)
