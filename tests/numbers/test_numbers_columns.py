"""Text to arrays and back: line by line the same as `Format.parse` and `Format.render`."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numberkit import IN_USE, OTHERS

from appliance.numbers.columns import parse_lines, render_lines
from appliance.numbers.formats import BASE36, DECIMAL, Format, FormatError, MalformedNumber
from appliance.numbers.lockstep import Halves

FORMATS = pytest.mark.parametrize("fmt", [*IN_USE.values(), *OTHERS.values()], ids=[*IN_USE, *OTHERS])
SSPIN = IN_USE["spin and sspin"]


def expected_of(data: bytes, fmt: Format) -> list[int | None]:
    """What `Format.parse` says of every line."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    values: list[int | None] = []
    for line in lines:
        try:
            values.append(fmt.parse(line.removesuffix(b"\r").decode("latin-1")))
        except MalformedNumber:
            values.append(None)
    return values


def assert_parsed(data: bytes, fmt: Format) -> None:
    a, b, ok = parse_lines(data, fmt)
    assert (a.dtype, b.dtype, ok.dtype) == (np.uint64, np.uint64, np.bool_)
    found = [
        fmt.join(left, right) if good else None
        for left, right, good in zip(a.tolist(), b.tolist(), ok.tolist(), strict=True)
    ]
    assert found == expected_of(data, fmt)
    assert not a[~ok].any()
    assert not b[~ok].any()


def numbers(fmt: Format, count: int, seed: int = 3) -> list[int]:
    rng = random.Random(seed)
    return [0, fmt.size - 1, *(rng.randrange(fmt.size) for _ in range(count))]


def text_of(fmt: Format, values: list[int], end: str = "\n") -> bytes:
    return "".join(fmt.render(value) + end for value in values).encode()


def halves(fmt: Format, values: list[int]) -> tuple[Halves, Halves]:
    pairs = [fmt.split(value) for value in values]
    return np.array([left for left, _ in pairs], np.uint64), np.array([right for _, right in pairs], np.uint64)


@FORMATS
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_all_good(fmt: Format, end: str) -> None:
    data = text_of(fmt, numbers(fmt, 100), end)
    assert parse_lines(data, fmt)[2].all()
    assert_parsed(data, fmt)
    assert_parsed(data.removesuffix(b"\n"), fmt)
    assert_parsed(data.removesuffix(end.encode()), fmt)


@FORMATS
def test_rendered_as_one_by_one(fmt: Format) -> None:
    values = numbers(fmt, 100)
    a, b = halves(fmt, values)
    assert render_lines(a, b, np.zeros(len(a), np.uint8), fmt) == text_of(fmt, values)


@FORMATS
def test_failed_lines_are_named_in_place(fmt: Format) -> None:
    values = numbers(fmt, 50)
    a, b = halves(fmt, values)
    rng = random.Random(4)
    for weights in ((1, 1, 1), (0, 1, 1), (0, 0, 1), (50, 1, 0)):
        status = rng.choices([0, 1, 2], weights, k=len(values))
        expected = [
            (fmt.render(value), "!malformed_number", "!unknown_number")[what] + "\n"
            for value, what in zip(values, status, strict=True)
        ]
        assert render_lines(a, b, np.array(status, np.uint8), fmt) == "".join(expected).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"A",
        b"\r",
        b"ABC98765XYZ",
        b"ABC98765XYZ\r",
        b"ABC98765XYZ\r\r\n",
        b"ABC98765XYZ\n\n",
        b"\nABC98765XYZ",
        b"ABC98765XYZ\nABC98765XYZ",
        b"ABC98765XYZ\nABC98765XYZ\n\n",
        b"ABC98765XYZABC98765XYZ\n",
        b"ABC98765XYZ ABC98765XYZ\n",  # as long as two lines, and with a newline where the second ends
        b"ABC98765XYZ\nABC987\n5XYZ\n",  # likewise, but three lines
        b"ABC98\n65XYZ\nABC987\n5XYZ\n",
        b"\n" * 12,
        b"\n" * 24,
        b"\r\n" * 12,
        b"abc98765XYZ\nABC98765XYZ\n",
        b"ABC98765XY\x00\nABC98765XYZ\n",
        b"ABC98765XY\xff\n\xffBC98765XYZ\n",
        b"ABC98765XY!\n!BC98765XYZ\n",
        b"ABC98765XY \n ABC98765XYZ\n",
        "ＡBC98765X\nABC98765XYZ\n".encode(),
        b"ABC98\r765XY\nABC98765XYZ\n",
        b"ABC98765XYZ\r\nABC98765XYZ\nABC98765XYZ\r\n",
    ],
)
def test_lines_of_every_kind(data: bytes) -> None:
    assert_parsed(data, SSPIN)


def test_how_many_lines_there_are() -> None:
    counts = {b"": 0, b"\n": 1, b"A": 1, b"A\n": 1, b"A\n\n": 2, b"\nA": 2, b"ABC98765XYZ\nABC98765XYZ": 2}
    assert {data: len(parse_lines(data, SSPIN)[2]) for data in counts} == counts


def test_every_byte_in_every_place() -> None:
    """Only bytes of the alphabet are taken, wherever they stand; the lines beside them are left alone."""
    for place in range(11):
        bad = bytearray(b"ABC98765XYZ\n" * 256)
        bad[place::12] = bytes(range(256))
        assert_parsed(bytes(bad), SSPIN)


def test_every_wrong_check_digit_is_malformed() -> None:
    data = b"".join(b"12345678901%d\n" % digit for digit in range(10)) + b"12345678901:\n"
    assert parse_lines(data, IN_USE["common"])[2].tolist() == [digit == 8 for digit in range(11)]
    assert_parsed(data, IN_USE["common"])


def test_lower_case_is_malformed_unless_the_alphabet_has_it() -> None:
    small = Format(BASE36.lower(), 11)
    assert parse_lines(b"abc98765xyz\n", small)[2].all()
    assert not parse_lines(b"abc98765xyz\n", SSPIN)[2].any()
    assert not parse_lines(b"ABC98765XYZ\n", small)[2].any()


def test_halves_above_63_bits_are_refused() -> None:
    wide = Format(DECIMAL, 40)
    with pytest.raises(FormatError, match="have halves above 63 bits"):
        parse_lines(b"", wide)
    with pytest.raises(FormatError, match="have halves above 63 bits"):
        render_lines(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint8), wide)


def test_nothing_is_rendered_as_nothing() -> None:
    assert render_lines(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint8), SSPIN) == b""
