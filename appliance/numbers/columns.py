"""Lines of text to arrays of halves and back, without any Python per number.

Digits are read two at a time (a table over every pair of bytes) and written up to four at a
time (a table over ``radix**k`` values), column by column over all lines. Where every line has the
length it should have, lines are read in place; else the good ones are gathered first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.numbers.checkdigits import CHECK_RULES, CheckRule
from appliance.numbers.formats import Format, FormatError
from appliance.numbers.lockstep import Halves, fits

OK, MALFORMED, UNKNOWN = 0, 1, 2
ERROR_LINES = {MALFORMED: b"!malformed_number\n", UNKNOWN: b"!unknown_number\n"}

Flags = NDArray[np.bool_]
_Bytes = NDArray[np.uint8]
_Numbers = NDArray[np.unsignedinteger[Any]]
_NEWLINE, _RETURN = 10, 13
_BAD = 0xFFFF  # in the tables for reading: a byte outside the alphabet (93**2 is far below)
_TABLE_SIZE = 1 << 16
_LARGEST_GROUP = 4


def parse_lines(data: bytes, fmt: Format) -> tuple[Halves, Halves, Flags]:
    r"""Every line's halves, ``uint64[n]`` twice, and whether it is a number of the format, ``bool[n]``.

    A line ends with ``\n`` or ``\r\n``; the last one may lack it, and nothing after the last ``\n`` is
    no line. Halves of lines that are not well formed (length, alphabet, check digit) are 0.

    Raises:
        FormatError: the format's halves do not fit 63 bits.
    """
    codec = _codec(fmt)
    if data and not data.endswith(b"\n"):
        data += b"\n"
    raw = np.frombuffer(data, np.uint8)
    stride = codec.width + 1
    if len(raw) % stride == 0:
        rows = raw.reshape(-1, stride)
        if (rows[:, -1] == _NEWLINE).all():
            a, b, ok = codec.read(rows)
            # A newline inside a row means that its lines are not where the rows are.
            if ok.all() or not (rows[~ok, :-1] == _NEWLINE).any():
                return a, b, ok
    return _parse_ragged(raw, codec)


def render_lines(a: Halves, b: Halves, status: NDArray[np.uint8], fmt: Format) -> bytes:
    r"""One line a number: its text where ``status`` is 0, ``!malformed_number`` (1) or ``!unknown_number`` (2).

    Every line ends with ``\n``. Halves of failed ones are not looked at.

    Raises:
        FormatError: the format's halves do not fit 63 bits.
    """
    codec = _codec(fmt)
    if not status.any():
        return codec.write(a, b)
    good = status == OK
    rows = np.frombuffer(codec.write(a[good], b[good]), np.uint8).reshape(-1, codec.width + 1)
    texts = [(good, rows)]
    texts += [(status == code, np.frombuffer(text, np.uint8)[None, :]) for code, text in ERROR_LINES.items()]
    lengths = np.empty(len(status), np.intp)
    for chosen, text in texts:
        lengths[chosen] = text.shape[1]
    ends = np.cumsum(lengths)
    out = np.empty(ends[-1], np.uint8)
    for chosen, text in texts:
        if chosen.any():
            windows = np.lib.stride_tricks.sliding_window_view(out, text.shape[1], writeable=True)
            windows[(ends - lengths)[chosen]] = text
    return out.tobytes()


def _parse_ragged(raw: _Bytes, codec: _Codec) -> tuple[Halves, Halves, Flags]:
    """Lines of any lengths: those of the right one are gathered into rows and read."""
    ends = np.flatnonzero(raw == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.intp)[: len(ends)]
    lengths = ends - starts
    lengths -= raw[ends - 1] == _RETURN  # of an empty line that byte is a newline, even of the first: raw[-1]
    ok = lengths == codec.width
    a, b = np.zeros(len(ends), np.uint64), np.zeros(len(ends), np.uint64)
    if ok.any():
        # one byte more than the number, whatever it is (\r or \n), to have rows as in the regular case
        windows = np.lib.stride_tricks.sliding_window_view(raw, codec.width + 1)
        a[ok], b[ok], ok[ok] = codec.read(windows[starts[ok]])
    return a, b, ok


@lru_cache(maxsize=64)
def _codec(fmt: Format) -> _Codec:
    return _Codec(fmt)


class _Codec:
    """The tables of one format, and reading and writing of whole columns with them."""

    def __init__(self, fmt: Format) -> None:
        if not fits(fmt):
            raise FormatError(f"length: {fmt.length} digits of {fmt.radix} have halves above 63 bits")
        self.width = fmt.text_length
        self._radix, self._length, self._left = fmt.radix, fmt.length, fmt.length // 2
        self._rule: CheckRule | None = CHECK_RULES[fmt.check]
        letters = fmt.alphabet.encode("ascii")
        self._single = np.full(256, _BAD, np.uint16)
        self._single[list(letters)] = np.arange(fmt.radix)
        high, low = self._single[None, :].astype(np.uint32), self._single[:, None].astype(np.uint32)
        pairs = np.where((high == _BAD) | (low == _BAD), _BAD, high * fmt.radix + low)
        self._pair = pairs.astype(np.uint16).reshape(-1)  # by the two bytes as a little-endian number
        self._group = max(k for k in range(1, _LARGEST_GROUP + 1) if fmt.radix**k <= _TABLE_SIZE)
        self._cells = {k: _cells(letters, k) for k in range(1, self._group + 1)}

    def read(self, rows: _Bytes) -> tuple[Halves, Halves, Flags]:
        """Halves and well-formedness of rows ``uint8[n, width + 1]``; the last byte is not looked at."""
        worst = np.zeros(len(rows), np.uint16)
        a = self._read_half(rows, 0, self._left, worst)
        b = self._read_half(rows, self._left, self._length, worst)
        ok = worst != _BAD
        if self._rule is not None:
            ok &= rows[:, self._length] == _check_digits(rows, self._rule)
        if not ok.all():
            a[~ok] = 0
            b[~ok] = 0
        return a, b, ok

    def _read_half(self, rows: _Bytes, column: int, end: int, worst: NDArray[np.uint16]) -> Halves:
        """Horner's rule over pairs of columns, the odd one first; ``worst`` keeps the largest table entry seen."""
        index, digits = np.empty(len(rows), np.intp), np.empty(len(rows), np.uint16)
        total: Halves | None = None
        step = np.array(self._radix**2, np.uint64)
        while column < end:
            width = 2 - (end - column) % 2
            np.copyto(index, _as_numbers(rows, column, width))
            np.take(self._pair if width == 2 else self._single, index, out=digits, mode="wrap")  # wrap: no bounds check
            np.maximum(worst, digits, out=worst)
            if total is None:
                total = digits.astype(np.uint64)
            else:
                np.multiply(total, step, total)
                np.add(total, digits, total)
            column += width
        return total if total is not None else np.zeros(len(rows), np.uint64)

    def write(self, a: Halves, b: Halves) -> bytes:
        """The lines of the numbers, each with its newline."""
        stride = self.width + 1
        out = np.empty(len(a) * stride + 1, np.uint8)  # one byte in front: see `_write_half`
        rows = out[1:].reshape(-1, stride)
        self._write_half(out, b, self._left, self._length)
        self._write_half(out, a, 0, self._left)
        if self._rule is not None:
            rows[:, self._length] = _check_digits(rows, self._rule)
        rows[:, -1] = _NEWLINE
        return rows.tobytes()

    def _write_half(self, out: _Bytes, value: Halves, start: int, column: int) -> None:
        """Groups of digits from the right.

        A group of three is written as four bytes, the foremost of them a newline in the place of the digit
        to the left, which is written after it (or is no digit but the newline of the line before).
        """
        size = np.array(self._radix**self._group, np.uint64)
        cells = np.empty(len(value), self._cells[self._group].dtype)
        while column - start > self._group:
            rest = value // size
            np.take(self._cells[self._group], (value - rest * size).view(np.intp), out=cells, mode="wrap")
            column -= self._group
            self._store(out, column, self._group, cells)
            value = rest
        self._store(out, start, column - start, self._cells[column - start][value.view(np.intp)])

    def _store(self, out: _Bytes, column: int, count: int, cells: _Numbers) -> None:
        rows = (out[:-1] if count == 3 else out[1:]).reshape(-1, self.width + 1)
        _as_numbers(rows, column, cells.itemsize)[:] = cells


def _as_numbers(rows: _Bytes, column: int, count: int) -> _Numbers:
    """1, 2 or 4 columns of rows as one little-endian number a row, in place."""
    numbers: _Numbers = rows[:, column : column + count].view(f"<u{count}")[:, 0]
    return numbers


def _cells(letters: bytes, count: int) -> _Numbers:
    """The text of every number of ``count`` digits, as one integer that is these bytes in memory."""
    alphabet = np.frombuffer(letters, np.uint8)
    numbers = np.arange(len(letters) ** count)
    filler = count == 3
    texts = np.full((len(numbers), count + filler), _NEWLINE, np.uint8)
    for place in range(count):
        texts[:, place + filler] = alphabet[numbers // len(letters) ** (count - 1 - place) % len(letters)]
    return texts.view(f"<u{count + filler}")[:, 0]


def _check_digits(rows: _Bytes, rule: CheckRule) -> _Bytes:
    """The check digits of rows of decimal digits (of anything else: some byte)."""
    total = np.zeros(len(rows), np.uint32)
    for column, weight in enumerate(rule.weights):
        total += (rows[:, column] - np.uint8(ord("0"))) * np.uint32(weight)
    modulus = np.uint32(len(rule.by_remainder))
    return np.frombuffer(rule.by_remainder.encode("ascii"), np.uint8)[total - total // modulus * modulus]
