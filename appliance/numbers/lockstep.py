"""FF1 over many numbers at once: a round is one AES call with one block per number, or two where it is asked twice.

For one key and format everything in FF1's CBC-MAC before the last block is constant (see
`appliance.numbers.ff1.Rounds`), so ten calls decipher any number of numbers. The halves live in
numpy ``uint64`` arrays and the arithmetic is exact modulo 2**64. Numbers go through in chunks
small enough that all arrays of a round stay in the processor's cache, with buffers made once;
arrays larger than that halve the speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.numbers import blocks
from appliance.numbers.aes import EncryptBlocks, twice
from appliance.numbers.blocks import Rows, aligned, twice_between
from appliance.numbers.ff1 import ROUNDS, Rounds, check_domain
from appliance.numbers.formats import Format, FormatError

Halves = NDArray[np.uint64]

CHUNK = 8192  # numbers; 128 KiB of AES blocks: measured best from 5,120 to 8,192, and half the speed from 16,384
LARGEST_HALF = 2**63
_THIRTY_TWO = np.array(32, np.uint64)


def fits(fmt: Format) -> bool:
    """Whether the format's halves fit 63 bits, so that `Lockstep` takes it."""
    return fmt.right_size <= LARGEST_HALF


def _constant(value: int) -> Halves:
    """A 0-d array: numpy takes it faster than a Python integer or numpy scalar."""
    return np.array(value, np.uint64)


class _Round(NamedTuple):
    """One round: the constant words of its AES block, and the size of the half that it changes.

    ``high`` is None where it is the same in all rounds, and then already in the buffer. ``factor`` is
    2**32 / size, made a little too small (by 2**-50): see `_append_32_bits`.
    """

    high: Halves | None
    low: Halves
    size: Halves
    factor: NDArray[np.float64]
    changes_left: bool


class _Buffers:
    """What one round works in; nothing of this size is made anew. ``high`` and ``low`` are columns of the blocks asked.

    ``once`` enciphers the first n blocks, ``twice`` asks for each a second time and compares; ``word`` and ``more`` are
    the first eight and the next four bytes of each answer.
    """

    def __init__(self, encrypt_blocks: EncryptBlocks, n: int) -> None:
        asked, answer = Rows(n), Rows(n)
        self._asked, self._answer = asked.blocks, answer.blocks
        self._y, self._q, self._estimate = aligned((n,), np.uint64), aligned((n,), np.uint64), aligned((n,), np.float64)
        self.once = blocks.between(encrypt_blocks, asked, answer)
        self.twice = twice_between(encrypt_blocks, asked, answer)
        self.take(n)

    def take(self, n: int) -> None:
        """Work with ``n`` numbers from now on."""
        self.n = n
        self.high, self.low = self._asked[:n, 0], self._asked[:n, 1]
        self.word, self.more = self._answer[:n, 0], self._answer.view(">u4")[:n, 2]
        self.y, self.q, self.estimate = self._y[:n], self._q[:n], self._estimate[:n]


class Lockstep:
    """FF1 on arrays of halves of one `Format`, as `Format.split` makes them.

    Not for use by two threads at once: the buffers belong to the object. ``between`` is called before each round; it
    may do other work under the same key, with another object.

    Raises:
        FormatError: a half does not fit 63 bits, or the format has fewer than a million numbers.
    """

    def __init__(
        self,
        encrypt_blocks: EncryptBlocks,
        fmt: Format,
        tweak: bytes,
        *,
        chunk: int = CHUNK,
        between: Callable[[], None] | None = None,
    ) -> None:
        check_domain(fmt.radix, fmt.length)
        if not fits(fmt):
            raise FormatError(f"length: {fmt.length} digits of {fmt.radix} have halves above 63 bits")
        self._left, self._right = _constant(fmt.left_size), _constant(fmt.right_size)
        rounds = Rounds(twice(encrypt_blocks), fmt.radix, fmt.length, tweak)
        self._wide = rounds.d == 12  # b <= 8, so d is 8 or 12
        self._chunk = chunk
        self._between = between
        self._buffers = _Buffers(encrypt_blocks, chunk)
        self._buffers.high[:] = rounds.last_block(0) >> 64
        self._steps = [self._step(rounds, i) for i in range(ROUNDS)]

    @staticmethod
    def _step(rounds: Rounds, i: int) -> _Round:
        high, low = divmod(rounds.last_block(i), 2**64)
        size = rounds.right_size if i % 2 else rounds.left_size
        factor = np.array(2**32 / size * (1 - 2**-50))
        # with b = 8 the round's number is in the high word, else the low word has it
        return _Round(_constant(high) if rounds.b == 8 else None, _constant(low), _constant(size), factor, i % 2 == 0)

    def encrypt(self, a: Halves, b: Halves) -> tuple[Halves, Halves]:
        """Left and right halves enciphered, ``uint64[n]`` each, in new arrays; every block is asked twice.

        Raises:
            ValueError: the arrays differ in length or type, or a half is outside the format.
            CiphertextAltered: the two answers to a block differ.
        """
        a, b = self._checked(a, b)
        self.encrypt_in_place(a, b)
        return a, b

    def decrypt(self, a: Halves, b: Halves, doubled: int = 0) -> tuple[Halves, Halves]:
        """The inverse of `encrypt`; raises the same. The last ``doubled`` of the ten rounds are asked twice."""
        a, b = self._checked(a, b)
        self.decrypt_in_place(a, b, doubled)
        return a, b

    def encrypt_in_place(self, a: Halves, b: Halves) -> None:
        """As `encrypt`, into the arrays given: contiguous, equally long, halves in range (not checked)."""
        for start in range(0, len(a), self._chunk):
            self._run(a[start : start + self._chunk], b[start : start + self._chunk], ROUNDS, inverse=False)

    def decrypt_in_place(self, a: Halves, b: Halves, doubled: int = 0) -> None:
        """As `decrypt`, into the arrays given: contiguous, equally long, halves in range (not checked)."""
        for start in range(0, len(a), self._chunk):
            self._run(a[start : start + self._chunk], b[start : start + self._chunk], doubled, inverse=True)

    def _checked(self, a: Halves, b: Halves) -> tuple[Halves, Halves]:
        if a.dtype != np.uint64 or b.dtype != np.uint64 or a.ndim != 1 or a.shape != b.shape:
            raise ValueError("halves: two uint64 arrays of one dimension and equal length")
        if (a >= self._left).any() or (b >= self._right).any():
            raise ValueError("a half is outside the format")
        return a.copy(), b.copy()

    def _run(self, a: Halves, b: Halves, doubled: int, *, inverse: bool) -> None:
        """Ten rounds over one chunk, the first ``doubled`` of FF1's asked twice.

        Sums and differences are settled by a minimum: the wrong one has wrapped.
        """
        buffers = self._buffers
        if buffers.n != len(a):
            buffers.take(len(a))
        y, q, between = buffers.y, buffers.q, self._between
        encrypt = [buffers.twice] * doubled + [buffers.once] * (ROUNDS - doubled)
        for i in range(ROUNDS - 1, -1, -1) if inverse else range(ROUNDS):
            if between is not None:
                between()
            step = self._steps[i]
            target, other = (a, b) if step.changes_left else (b, a)
            self._round_function(step, other, buffers, encrypt[i])
            if inverse:
                np.subtract(target, y, target)
                np.add(target, step.size, q)
            else:
                np.add(target, y, target)
                np.subtract(target, step.size, q)
            np.minimum(target, q, out=target)

    def _round_function(self, step: _Round, other: Halves, buffers: _Buffers, encrypt: Callable[[int], None]) -> None:
        """Steps 6.i to 6.iv and the reduction of 6.vi: leaves ``y mod radix**m`` in ``buffers.y``."""
        y, q = buffers.y, buffers.q
        if step.high is not None:
            np.copyto(buffers.high, step.high)
        np.bitwise_xor(other, step.low, q)
        np.copyto(buffers.low, q)  # to big-endian
        encrypt(buffers.n)
        np.copyto(y, buffers.word)  # and back
        _reduce(y, step.size, q)
        if self._wide:
            _append_32_bits(y, buffers.more, step, q, buffers.estimate)


def _reduce(y: Halves, size: Halves, q: Halves) -> None:
    """``y %= size``; numpy's own remainder is three times slower than these."""
    np.floor_divide(y, size, q)
    np.multiply(q, size, q)
    np.subtract(y, q, y)


def _append_32_bits(y: Halves, low: NDArray[np.uint32], step: _Round, q: Halves, estimate: NDArray[np.float64]) -> None:
    """``y = (y * 2**32 + low) % size`` for ``y < size <= 2**63``, exactly.

    The quotient of ``y * 2**32`` is estimated in float64. Its roundings, 2**-53 each, are less than
    the 2**-50 by which the factor is too small, so the estimate is never too large, and with a
    quotient below 2**32 at most one too small. What is left, computed modulo 2**64, is therefore
    below 2 * size, and one subtraction settles it.
    """
    np.multiply(y, step.factor, estimate)
    np.copyto(q, estimate, casting="unsafe")
    np.multiply(q, step.size, q)
    np.left_shift(y, _THIRTY_TWO, y)
    np.subtract(y, q, y)
    np.subtract(y, step.size, q)
    np.minimum(y, q, out=y)
    np.copyto(q, low)
    np.add(y, q, y)
    _reduce(y, step.size, q)
