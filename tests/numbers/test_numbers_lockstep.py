"""FF1 in lockstep: equal to the scalar one number by number, and exact at every edge of 64 bits."""

from __future__ import annotations

import random
from hashlib import sha256

import numpy as np
import pytest
from numberkit import IN_USE, OTHERS, random_halves, software_aes

from appliance.numbers.aes import BlocksLost, EncryptBlocks
from appliance.numbers.ff1 import FF1Halves, Rounds
from appliance.numbers.formats import BASE36, DECIMAL, Format, FormatError
from appliance.numbers.lockstep import CHUNK, Lockstep, fits

AES = software_aes(bytes(range(32)))
FORMATS = pytest.mark.parametrize("fmt", [*IN_USE.values(), *OTHERS.values()], ids=[*IN_USE, *OTHERS])


def assert_equals_scalar(aes: EncryptBlocks, fmt: Format, tweak: bytes, count: int = 50) -> None:
    a, b = random_halves(fmt, count)
    lockstep, scalar = Lockstep(aes, fmt, tweak, chunk=16), FF1Halves(aes, fmt, tweak)
    for many, one in ((lockstep.encrypt, scalar.encrypt), (lockstep.decrypt, scalar.decrypt)):
        left, right = many(a, b)
        expected = [one(int(x), int(y)) for x, y in zip(a, b, strict=True)]
        assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected


@FORMATS
@pytest.mark.parametrize("tweak", [b"", b"sspin.B", b"x" * 33], ids=len)
def test_lockstep_equals_scalar(fmt: Format, tweak: bytes) -> None:
    assert_equals_scalar(AES, fmt, tweak)


@FORMATS
def test_lockstep_equals_scalar_where_the_arithmetic_is_at_its_limits(fmt: Format) -> None:
    """An "AES" whose answers make y all ones, all zeros, and one below, at and above multiples of both moduli."""
    rounds = Rounds(AES, fmt.radix, fmt.length, b"")
    limit = 256**rounds.d
    extremes = [0, 1, limit - 1, limit - 2, 2**64 - 1, 2**32 - 1]
    for size in (fmt.left_size, fmt.right_size):
        for multiple in (size, (limit // size) * size, (limit // size // 2) * size, (2**64 // size) * size):
            extremes += [(multiple + near) % limit for near in (-1, 0, 1)]

    def crafted(data: bytes) -> bytes:
        blocks = [data[start : start + 16] for start in range(0, len(data), 16)]
        picked = [extremes[sha256(block).digest()[0] % len(extremes)] for block in blocks]
        return b"".join(y.to_bytes(rounds.d) + bytes(16 - rounds.d) for y in picked)

    assert_equals_scalar(crafted, fmt, b"", 200)


@FORMATS
def test_every_round_asks_one_block_a_number_and_asks_it_twice_where_it_must(fmt: Format) -> None:
    calls: list[int] = []

    def recording(data: bytes) -> bytes:
        calls.append(len(data))
        assert type(data) is bytes
        return AES(data)

    lockstep = Lockstep(recording, fmt, b"sspin.B", chunk=100)
    a, b = random_halves(fmt, 250)
    calls.clear()
    lockstep.encrypt(a, b)
    assert calls == [1600] * 40 + [800] * 20
    for doubled in (0, 1, 3, 10):
        calls.clear()
        lockstep.decrypt(a, b, doubled)
        assert calls == [1600] * 2 * (10 + doubled) + [800] * (10 + doubled)
    calls.clear()
    lockstep.encrypt(a[:0], b[:0])
    assert calls == []


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_chunks_join_without_seams(count: int) -> None:
    fmt = IN_USE["spin and sspin"]
    a, b = random_halves(fmt, count)
    before = a.copy(), b.copy()
    whole, small = Lockstep(AES, fmt, b"spin"), Lockstep(AES, fmt, b"spin", chunk=1000)
    left, right = whole.encrypt(a, b)
    for one, other in zip((left, right), small.encrypt(a, b), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.decrypt(left, right), before, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(a, before[0])  # the question is not written into
    np.testing.assert_array_equal(b, before[1])


def test_a_million_numbers_are_permuted() -> None:
    """The least domain, whole: every number comes out once, and goes back."""
    fmt = Format(DECIMAL, 6)
    values = np.arange(10**6, dtype=np.uint64)
    a, b = values // np.uint64(1000), values % np.uint64(1000)
    lockstep = Lockstep(AES, fmt, b"")
    left, right = lockstep.encrypt(a, b)
    np.testing.assert_array_equal(np.sort(left * np.uint64(1000) + right), values)
    back = lockstep.decrypt(left, right)
    np.testing.assert_array_equal(back[0] * np.uint64(1000) + back[1], values)


@pytest.mark.parametrize("fmt", [Format("01", 127), Format(BASE36, 25), Format(DECIMAL, 37)])
def test_halves_above_63_bits_are_refused(fmt: Format) -> None:
    assert not fits(fmt)
    with pytest.raises(FormatError, match="have halves above 63 bits"):
        Lockstep(AES, fmt, b"")


def test_a_small_domain_is_refused() -> None:
    with pytest.raises(FormatError, match="fewer than 1000000"):
        Lockstep(AES, Format(DECIMAL, 5), b"")


def test_halves_outside_the_format_are_refused() -> None:
    fmt = IN_USE["spin and sspin"]
    lockstep = Lockstep(AES, fmt, b"")
    zero = np.zeros(3, np.uint64)
    for a, b in ((zero + np.uint64(fmt.left_size), zero), (zero, zero + np.uint64(fmt.right_size))):
        for direction in (lockstep.encrypt, lockstep.decrypt):
            with pytest.raises(ValueError, match="a half is outside the format"):
                direction(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros(3, np.int64), np.zeros(3, np.uint64)),
        (np.zeros(3, np.uint64), np.zeros(3, np.uint32)),
        (np.zeros(3, np.uint64), np.zeros(4, np.uint64)),
        (np.zeros((3, 1), np.uint64), np.zeros((3, 1), np.uint64)),
    ],
)
def test_other_arrays_are_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two uint64 arrays of one dimension and equal length"):
        Lockstep(AES, IN_USE["spin and sspin"], b"").encrypt(a, b)


@pytest.mark.parametrize("wrong", [-16, -1, 1, 16])
def test_an_aes_that_answers_more_or_less_gives_no_numbers(wrong: int) -> None:
    sound = True

    def faulty(data: bytes) -> bytes:
        answer = AES(data)
        if sound:
            return answer
        return answer[:wrong] if wrong < 0 else answer + bytes(wrong)

    fmt = IN_USE["spin and sspin"]
    lockstep = Lockstep(faulty, fmt, b"")
    sound = False
    for direction in (lockstep.encrypt, lockstep.decrypt):
        with pytest.raises(BlocksLost, match="AES answered"):
            direction(*random_halves(fmt, 10))


def test_random_96_bit_reductions_are_exact() -> None:
    """The only place with floating point: many random y and moduli up to 2**63, through whole rounds."""
    rng = random.Random(7)
    for _ in range(40):
        radix, length = rng.choice([(2, 126), (2, 100), (3, 78), (7, 44), (10, 36), (38, 24), (78, 20), (93, 18)])
        alphabet = "".join(chr(ord('"') + value) for value in range(radix))
        fmt = Format(alphabet, length)
        key = rng.randbytes(16)
        assert_equals_scalar(software_aes(key), fmt, rng.randbytes(rng.randrange(20)), 100)
