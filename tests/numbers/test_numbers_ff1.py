"""FF1 number by number: parameters, limits, and that it asks the AES for no more than it must."""

from __future__ import annotations

import math
import random
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numberkit import IN_USE, OTHERS, software_aes

from appliance.numbers.aes import BlocksLost
from appliance.numbers.ff1 import FF1, FF1Halves, Rounds, check_domain
from appliance.numbers.formats import BASE36, DECIMAL, Format, FormatError, MalformedNumber

AES = software_aes(bytes(range(32)))
RNG = random.Random(2)
LONG = Format(BASE36, 60)  # halves of 156 bits: b = 20, so two AES blocks hold i and NUM(B), and d = 24


class Recorder:
    """An AES that remembers how many blocks each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, data: bytes) -> bytes:
        self.calls.append(len(data) // 16)
        return AES(data)


@pytest.mark.parametrize("radix", [2, 3, 10, 26, 36, 62, 93, 255, 256, 257, 1000, 4095, 4096, 65535, 65536])
def test_b_is_the_bytes_that_the_right_half_needs(radix: int) -> None:
    """``b = ceil(ceil(v * log2(radix)) / 8)``: the least b with ``256**b >= radix**v``."""
    for length in range(2, 60):
        rounds = Rounds(AES, radix, length, b"")
        largest = radix ** (length - length // 2)
        assert 256**rounds.b >= largest > 256 ** (rounds.b - 1)
        assert rounds.d == 4 * -(-rounds.b // 4) + 4


@pytest.mark.parametrize("fmt", [*IN_USE.values(), *OTHERS.values(), LONG], ids=[*IN_USE, *OTHERS, "long"])
@pytest.mark.parametrize("tweak", [b"", b"sspin.B", bytes(16), b"x" * 100], ids=len)
def test_halves_equal_digits(fmt: Format, tweak: bytes) -> None:
    """The quick way on halves and the standard's interface on lists of digits agree, both ways."""
    digits, halves = FF1(AES, fmt.radix, tweak), FF1Halves(AES, fmt, tweak)
    plain_format = Format(fmt.alphabet, fmt.length)
    for value in (0, fmt.size - 1, RNG.randrange(fmt.size)):
        text = plain_format.render(value)
        enciphered = digits.encrypt([fmt.alphabet.index(letter) for letter in text])
        halved = fmt.join(*halves.encrypt(*fmt.split(value)))
        assert plain_format.render(halved) == "".join(fmt.alphabet[digit] for digit in enciphered)
        assert fmt.join(*halves.decrypt(*fmt.split(halved))) == value
        assert digits.decrypt(enciphered) == [fmt.alphabet.index(letter) for letter in text]


def from_the_paper(key: bytes, tweak: bytes, radix: int, x: list[int], *, decrypt: bool = False) -> list[int]:
    """FF1 once more, as SP 800-38G writes it down: with names exchanged, lists of digits, and CBC from a library."""

    def num(digits: list[int]) -> int:
        return sum(digit * radix**place for place, digit in enumerate(reversed(digits)))

    def cipher(mode: modes.Mode, data: bytes) -> bytes:
        return Cipher(algorithms.AES(key), mode).encryptor().update(data)

    n, u = len(x), len(x) // 2
    b = next(b for b in range(999) if 256**b >= radix ** (n - u))
    d = 4 * math.ceil(b / 4) + 4
    p = struct.pack(">BBBBHBBII", 1, 2, 1, radix >> 16, radix & 0xFFFF, 10, u % 256, n, len(tweak))
    left, right = x[:u], x[u:]
    for i in reversed(range(10)) if decrypt else range(10):
        other = num(left if decrypt else right)
        q = tweak + bytes((-len(tweak) - b - 1) % 16) + bytes([i]) + other.to_bytes(b)
        r = cipher(modes.CBC(bytes(16)), p + q)[-16:]
        s = r
        for j in range(1, math.ceil(d / 16)):
            s += cipher(modes.ECB(), (int.from_bytes(r) ^ j).to_bytes(16))
        m = u if i % 2 == 0 else n - u
        y = int.from_bytes(s[:d])
        c = (num(right) - y if decrypt else num(left) + y) % radix**m
        new = [c // radix**place % radix for place in reversed(range(m))]
        left, right = (new, left) if decrypt else (right, new)
    return left + right


@pytest.mark.parametrize("tweak", [b"", b"sspin.B", b"x" * 100], ids=len)
@pytest.mark.parametrize(
    ("radix", "length"), [(10, 6), (10, 11), (36, 11), (36, 13), (36, 24), (36, 60), (2, 400), (65536, 9), (256, 517)]
)
def test_equals_the_paper(radix: int, length: int, tweak: bytes) -> None:
    key = bytes(range(32))
    digits = [RNG.randrange(radix) for _ in range(length)]
    ff1 = FF1(software_aes(key), radix, tweak)
    assert ff1.encrypt(digits) == from_the_paper(key, tweak, radix, digits)
    assert ff1.decrypt(digits) == from_the_paper(key, tweak, radix, digits, decrypt=True)


@pytest.mark.parametrize("fmt", [*IN_USE.values(), *OTHERS.values()], ids=[*IN_USE, *OTHERS])
def test_one_block_a_round_and_nothing_else(fmt: Format) -> None:
    recorder = Recorder()
    halves = FF1Halves(recorder, fmt, b"sspin.B")
    recorder.calls.clear()
    halves.encrypt(1, 2)
    assert recorder.calls == [2] * 10, "each block is asked twice"
    for doubled in (0, 1, 3, 10):
        recorder.calls.clear()
        assert halves.decrypt(*halves.encrypt(1, 2), doubled) == (1, 2)
        assert recorder.calls == [2] * 10 + [1] * (10 - doubled) + [2] * doubled


def test_radix_65536_and_very_long_lists() -> None:
    for radix, length in ((65536, 2), (65536, 33), (2, 999), (10, 500)):
        ff1 = FF1(AES, radix, b"tweak")
        plain = [RNG.randrange(radix) for _ in range(length)]
        assert ff1.decrypt(ff1.encrypt(plain)) == plain
        assert ff1.encrypt(plain) != plain


@pytest.mark.parametrize("radix", [-1, 0, 1, 65537])
def test_radix_out_of_range_is_refused(radix: int) -> None:
    with pytest.raises(FormatError, match=f"radix: 2 to 65536, not {radix}"):
        FF1(AES, radix)


@pytest.mark.parametrize("length", [0, 1])
def test_fewer_than_two_digits_are_refused(length: int) -> None:
    ff1 = FF1(AES, 10, minimum_domain=0)
    for direction in (ff1.encrypt, ff1.decrypt):
        with pytest.raises(FormatError, match="at least 2 digits"):
            direction([1] * length)


def test_the_minimum_domain_is_a_million() -> None:
    ff1 = FF1(AES, 10)
    for direction in (ff1.encrypt, ff1.decrypt):
        with pytest.raises(FormatError, match=r"10\*\*5 numbers, fewer than 1000000"):
            direction([1] * 5)
        direction([1] * 6)
    with pytest.raises(FormatError, match="fewer than 1000000"):
        FF1Halves(AES, Format(DECIMAL, 5), b"")
    check_domain(2, 20)
    with pytest.raises(FormatError, match=r"2\*\*19 numbers"):
        check_domain(2, 19)


@pytest.mark.parametrize("digit", [-1, 10, 65536])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_digits_outside_the_radix_are_refused(digit: int, place: int) -> None:
    digits = [1] * 7
    digits[place] = digit
    for direction in (FF1(AES, 10).encrypt, FF1(AES, 10).decrypt):
        with pytest.raises(MalformedNumber, match="digit outside 0 to 9"):
            direction(digits)


@pytest.mark.parametrize("fmt", [IN_USE["spin and sspin"], LONG], ids=["quick", "general"])
def test_halves_outside_the_format_are_refused(fmt: Format) -> None:
    halves = FF1Halves(AES, fmt, b"")
    for pair in ((-1, 0), (0, -1), (fmt.left_size, 0), (0, fmt.right_size)):
        for direction in (halves.encrypt, halves.decrypt):
            with pytest.raises(ValueError, match="a half is outside the format"):
                direction(*pair)


@pytest.mark.parametrize("fmt", [IN_USE["spin and sspin"], LONG], ids=["quick", "general"])
@pytest.mark.parametrize("wrong", [lambda answer: answer[:-1], lambda answer: answer + answer, lambda answer: b""])
def test_an_aes_that_answers_more_or_less_gives_no_number(fmt: Format, wrong: object) -> None:
    assert callable(wrong)
    sound = True

    def faulty(data: bytes) -> bytes:
        answer = AES(data)
        return answer if sound else wrong(answer)

    halves = FF1Halves(faulty, fmt, b"")
    sound = False
    for direction in (halves.encrypt, halves.decrypt):
        with pytest.raises(BlocksLost, match="AES answered"):
            direction(1, 2)


def test_the_tweak_and_the_key_matter() -> None:
    fmt = IN_USE["spin and sspin"]
    results = {
        FF1Halves(aes, fmt, tweak).encrypt(1, 2)
        for aes in (AES, software_aes(bytes(32)))
        for tweak in (b"", b"sspin.A", b"sspin.B")
    }
    assert len(results) == 6
