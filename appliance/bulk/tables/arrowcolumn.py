"""A column of strings in Arrow's memory, as lines and back, without any Python per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from appliance.bulk.tables.cells import Bytes, Flags, Places, lines_of, packed


def is_text(kind: Any) -> bool:
    """Whether a column of this Arrow type holds strings, plain or by dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def column_lines(array: Any) -> tuple[bytes, Flags]:
    """The cells as lines (see `table.Batch`), and which are null or empty."""
    text = _large(array)
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int64, len(text) + 1, 8 * text.offset)
    widths = np.diff(ends)
    if text.null_count:
        widths[text.is_null().to_numpy(zero_copy_only=False)] = 0
    block = np.frombuffer(data or b"", np.uint8)
    return lines_of(block, ends[:-1], widths), widths == 0


def column_of(new: tuple[Bytes, Places, Places], old: Any) -> Any:
    """An array of the old one's type with new cells; an empty new cell is null where the old one is.

    ``new``: a block, and starts and widths in it, one a cell of ``old``.
    """
    block, starts, widths = new
    offsets = np.zeros(len(widths) + 1, np.int64)
    np.cumsum(widths, out=offsets[1:])
    nulls = _null_mask(old) & (widths == 0)
    valid = pa.array(~nulls).buffers()[1] if nulls.any() else None
    data = pa.py_buffer(packed(block, starts, widths))
    text = pa.LargeStringArray.from_buffers(len(widths), pa.py_buffer(offsets), data, valid)
    if pa.types.is_dictionary(old.type):
        return text.cast(old.type.value_type).dictionary_encode().cast(old.type)
    return text.cast(old.type)


def _large(array: Any) -> Any:
    """The same strings with 64-bit offsets."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array if pa.types.is_large_string(array.type) else array.cast(pa.large_string())


def _null_mask(array: Any) -> Flags:
    if not array.null_count:
        return np.zeros(len(array), np.bool_)
    mask: Flags = array.is_null().to_numpy(zero_copy_only=False)
    return mask
