"""How is one column of a partition converted? Any framework that hands out Arrow tables or pandas frames can call this.

A partition is converted whole or not at all: anything but a full answer raises, and nothing of it is returned. What
comes back has the rows of what went in, in their order. The column holds the new numbers; a second one,
``<column>_error``, is null where all is well and otherwise the code (``unknown_number``, ``malformed_number``), the
number then being null. A null stays null, without an error.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from appliance.cluster.errors import JobRefused
from appliance.cluster.terms import Terms

Ask = Callable[[Terms, io.BytesIO], bytes]  # lines to the answer's lines, exactly as many; raises otherwise
TEXT = pa.large_string()  # 64-bit offsets: a partition may be larger than 2 GiB
ONE_LINE = r"^[!-~]{1,64}$"  # what can be sent as a line; anything else is nobody's number and sent as an empty line


def convert_table(table: pa.Table, terms: Terms, ask: Ask) -> pa.Table:
    """The same rows, one column converted and its errors beside it.

    Raises:
        JobRefused: no such column, it is not text, or the errors' column is there already. Whatever ``ask`` raises.
    """
    check_names(table.schema.names, terms)
    place = table.schema.get_field_index(terms.column)
    field = table.schema.field(place)
    check_text(field.type, terms)
    numbers, errors = convert_column(table.column(place), terms, ask)
    nullable = field.with_nullable(True)  # a number that failed is null, even where none was before
    converted = table.set_column(place, nullable, numbers.cast(field.type))
    return converted.append_column(terms.error_column, errors.cast(pa.string()))


def check_names(names: Iterable[object], terms: Terms) -> None:
    """Raises JobRefused unless the column is there once, and the one for errors is not."""
    every = list(names)
    if every.count(terms.column) != 1:
        raise JobRefused(f"the data has {every.count(terms.column)} columns named {terms.column}, not one")
    if terms.error_column in every:
        raise JobRefused(
            f"the data has a column {terms.error_column} already", "it is where failures go: rename or drop yours"
        )


def check_text(kind: pa.DataType, terms: Terms) -> None:
    """Raises JobRefused when a column of this type is not text."""
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise JobRefused(
            f"column {terms.column} holds {kind}, not text",
            "read it as text (dtype string): numbers may begin with zeros, which other types lose",
        )


def convert_column(column: pa.Array | pa.ChunkedArray, terms: Terms, ask: Ask) -> tuple[pa.Array, pa.Array]:
    """The converted numbers and the codes of those that failed, each as long as the column, as large strings."""
    text = column.cast(TEXT)
    cells = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    there = pc.is_valid(cells)
    asked = pc.drop_null(cells)
    answers = _parsed(ask(terms, io.BytesIO(_lines(asked))), len(asked)) if len(asked) else asked
    failed = pc.starts_with(answers, "!")
    nothing = pa.scalar(None, TEXT)
    numbers = pc.if_else(failed, nothing, answers)
    codes = pc.if_else(failed, pc.utf8_slice_codeunits(answers, 1), nothing)
    everywhere = pa.nulls(len(cells), TEXT)
    return pc.replace_with_mask(everywhere, there, numbers), pc.replace_with_mask(everywhere, there, codes)


def _lines(asked: pa.Array) -> bytes:
    """Every cell as one line."""
    sendable = pc.if_else(pc.match_substring_regex(asked, ONE_LINE), asked, pa.scalar("", TEXT))
    ended = pc.binary_join_element_wise(sendable, pa.scalar("", TEXT), pa.scalar("\n", TEXT))
    size: int = pc.sum(pc.binary_length(ended)).as_py()
    return bytes(memoryview(ended.buffers()[2])[:size])  # a fresh array: its text begins where the buffer does


def _parsed(answer: bytes, count: int) -> pa.Array:
    """The answer's lines as an array.

    Raises:
        ValueError: not ``count`` lines; ``ask`` has promised them, so this is a defect.
    """
    lines = pc.split_pattern(pa.array([answer], pa.large_binary()).cast(TEXT), "\n").values
    if len(lines) != count + 1 or lines[count].as_py():
        raise ValueError(f"{len(lines) - 1} whole lines in the answer to {count}")
    return lines.slice(0, count)
