"""FF1 (NIST SP 800-38G revision 1) over an injected AES, one number at a time.

FF1 is a ten-round Feistel network on the two halves of a number; its round function is a
CBC-MAC, so it only ever *encrypts* with AES, also to decrypt. `Rounds` is that function for
one radix, length and tweak. `FF1` is the standard's own interface (lists of digits, any radix
and length); `FF1Halves` is the quick way for a `Format`: integer halves in and out, one AES
block a round. The step numbers in the comments are those of the standard's algorithm 7.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from appliance.numbers.aes import BlocksLost, EncryptBlocks, lost, one, twice
from appliance.numbers.formats import Format, FormatError, MalformedNumber

MINIMUM_DOMAIN = 10**6  # SP 800-38G r1, section 5.1
ROUNDS = 10


def check_domain(radix: int, length: int, minimum: int = MINIMUM_DOMAIN) -> None:
    """Raises FormatError for a radix or length that FF1 does not take, or too small a domain."""
    if not 2 <= radix <= 65536:
        raise FormatError(f"radix: 2 to 65536, not {radix}")
    if length < 2:
        raise FormatError(f"length: at least 2 digits, not {length}")
    if length < minimum.bit_length() and radix**length < minimum:
        raise FormatError(f"domain: {radix}**{length} numbers, fewer than {minimum} (SP 800-38G r1, section 5.1)")


class Rounds:
    """The round function of FF1: steps 6.i to 6.iv for one radix, length and tweak.

    Everything in the CBC-MAC before the last ``tail`` bytes is the same for all numbers, and is
    enciphered once, here. ``state`` is the chaining value after it and ``tail`` what follows,
    with room for the round number and the half; both are big-endian integers.
    """

    def __init__(self, encrypt_blocks: EncryptBlocks, radix: int, length: int, tweak: bytes) -> None:
        self._encrypt = encrypt_blocks
        u = length // 2  # 1
        self.left_size, self.right_size = int(radix**u), int(radix ** (length - u))
        self.b = ((self.right_size - 1).bit_length() + 7) // 8  # 3, in integers: a float log2 is wrong for some lengths
        self.d = 4 * ((self.b + 3) // 4) + 4  # 4
        p = bytes((1, 2, 1)) + radix.to_bytes(3) + bytes((10, u % 256)) + struct.pack(">II", length, len(tweak))  # 5
        fixed = p + tweak + bytes((-len(tweak) - self.b - 1) % 16) + bytes(1 + self.b)  # 6.i, for i = 0 and NUM(B) = 0
        self._tail_length = 16 * ((self.b + 16) // 16)
        self.state = int.from_bytes(self._chain(bytes(16), fixed[: -self._tail_length]))
        self.tail = int.from_bytes(fixed[-self._tail_length :])

    def _chain(self, state: bytes, data: bytes) -> bytes:
        """CBC-MAC (algorithm 6, PRF) over whole blocks, begun at ``state``."""
        for start in range(0, len(data), 16):
            block = int.from_bytes(state) ^ int.from_bytes(data[start : start + 16])
            state = self._blocks(block.to_bytes(16))
        return state

    def _blocks(self, data: bytes) -> bytes:
        answer = self._encrypt(data)
        if len(answer) != len(data):
            raise lost(answer, len(data))
        return answer

    def last_block(self, i: int) -> int:
        """What the only AES block of round ``i`` is before NUM(B) is XORed into it (needs b <= 15)."""
        return self.state ^ self.tail ^ i << 8 * self.b

    def __call__(self, i: int, half: int) -> int:
        """``y`` of round ``i`` for NUM(B) = ``half``."""
        q = (self.tail | i << 8 * self.b | half).to_bytes(self._tail_length)  # 6.i
        r = self._chain(self.state.to_bytes(16), q)  # 6.ii
        more = range(1, (self.d + 15) // 16)
        s = r + self._blocks(b"".join((int.from_bytes(r) ^ j).to_bytes(16) for j in more)) if more else r  # 6.iii
        return int.from_bytes(s[: self.d])  # 6.iv

    def encrypt(self, a: int, b: int) -> tuple[int, int]:
        """Algorithm 7, steps 6.v to 6.ix, without the exchange of names: a, b stay left and right."""
        for i in range(0, ROUNDS, 2):
            a = (a + self(i, b)) % self.left_size
            b = (b + self(i + 1, a)) % self.right_size
        return a, b

    def decrypt(self, a: int, b: int) -> tuple[int, int]:
        """Algorithm 8, likewise."""
        for i in range(ROUNDS - 2, -1, -2):
            b = (b - self(i + 1, a)) % self.right_size
            a = (a - self(i, b)) % self.left_size
        return a, b


class FF1:
    """FF1 on lists of digits: any radix from 2 to 65536, any length.

    ``minimum_domain`` is lowered only by conformance runs, whose vectors include the small
    domains of the standard's first edition.

    Raises:
        FormatError: the radix is out of range.
    """

    def __init__(
        self, encrypt_blocks: EncryptBlocks, radix: int, tweak: bytes = b"", *, minimum_domain: int = MINIMUM_DOMAIN
    ) -> None:
        check_domain(radix, 2, 0)
        self._encrypt_blocks = encrypt_blocks
        self._radix = radix
        self._tweak = tweak
        self._minimum = minimum_domain

    def encrypt(self, digits: Sequence[int]) -> list[int]:
        """The digits enciphered, highest first, as many as there were.

        Raises:
            MalformedNumber: a digit is outside ``[0, radix)``.
            FormatError: fewer than two digits, or a domain below the minimum.
        """
        rounds, a, b = self._prepare(digits)
        return self._digits(*rounds.encrypt(a, b), len(digits))

    def decrypt(self, digits: Sequence[int]) -> list[int]:
        """The inverse of `encrypt`; raises the same."""
        rounds, a, b = self._prepare(digits)
        return self._digits(*rounds.decrypt(a, b), len(digits))

    def _prepare(self, digits: Sequence[int]) -> tuple[Rounds, int, int]:
        check_domain(self._radix, len(digits), self._minimum)
        u = len(digits) // 2
        a, b = self._number(digits[:u]), self._number(digits[u:])  # 2
        return Rounds(self._encrypt_blocks, self._radix, len(digits), self._tweak), a, b

    def _number(self, digits: Sequence[int]) -> int:
        """NUM_radix (algorithm 1)."""
        value = 0
        for digit in digits:
            if not 0 <= digit < self._radix:
                raise MalformedNumber(f"has a digit outside 0 to {self._radix - 1}")
            value = value * self._radix + digit
        return value

    def _digits(self, a: int, b: int, length: int) -> list[int]:
        """STR_radix (algorithm 3) of both halves, joined (7)."""
        digits = []
        for value, count in ((b, length - length // 2), (a, length // 2)):
            for _ in range(count):
                value, digit = divmod(value, self._radix)  # noqa: PLW2901
                digits.append(digit)
        return digits[::-1]


class FF1Halves:
    """FF1 on the integer halves of one `Format`, as `Format.split` makes them.

    One call of ``encrypt_blocks`` with one block a round while ``b <= 12`` (halves up to 96
    bits); longer numbers take the general way and are slower, not different. The constants of all rounds, every
    round of `encrypt`, and the general way are asked twice (`appliance.numbers.aes`).

    Raises:
        FormatError: the format has fewer than a million numbers.
        CiphertextAltered: the constants were answered in two ways.
    """

    def __init__(self, encrypt_blocks: EncryptBlocks, fmt: Format, tweak: bytes) -> None:
        check_domain(fmt.radix, fmt.length)
        self._once, self._twice = one(encrypt_blocks), one(encrypt_blocks, again=True)
        self._rounds = rounds = Rounds(twice(encrypt_blocks), fmt.radix, fmt.length, tweak)
        self._quick = rounds.d <= 16
        if self._quick:
            self._lasts = [rounds.last_block(i) for i in range(ROUNDS)]
            self._unpack = struct.Struct(f"{rounds.d}s{16 - rounds.d}x").unpack  # refuses any length but 16

    def encrypt(self, a: int, b: int) -> tuple[int, int]:
        """Left and right half enciphered, every block asked twice.

        Raises:
            ValueError: a half is outside the format.
            CiphertextAltered: the two answers to a block differ.
        """
        self._check(a, b)
        if not self._quick:
            return self._rounds.encrypt(a, b)
        aes, unpack, number = self._twice, self._unpack, int.from_bytes
        left, right, lasts = self._rounds.left_size, self._rounds.right_size, self._lasts
        for i in range(0, ROUNDS, 2):
            a = (a + number(unpack(aes((lasts[i] ^ b).to_bytes(16)))[0])) % left
            b = (b + number(unpack(aes((lasts[i + 1] ^ a).to_bytes(16)))[0])) % right
        return a, b

    def decrypt(self, a: int, b: int, doubled: int = 0) -> tuple[int, int]:
        """The inverse of `encrypt`; raises the same. The last ``doubled`` of the ten rounds are asked twice."""
        self._check(a, b)
        if not self._quick:
            return self._rounds.decrypt(a, b)
        aes, unpack, number = self._by_round(doubled), self._unpack, int.from_bytes
        left, right, lasts = self._rounds.left_size, self._rounds.right_size, self._lasts
        try:
            for i in range(ROUNDS - 2, -1, -2):
                b = (b - number(unpack(aes[i + 1]((lasts[i + 1] ^ a).to_bytes(16)))[0])) % right
                a = (a - number(unpack(aes[i]((lasts[i] ^ b).to_bytes(16)))[0])) % left
        except struct.error:
            raise BlocksLost("AES answered more or less than the one block it was given") from None
        return a, b

    def _by_round(self, doubled: int) -> list[EncryptBlocks]:
        """Which AES each round has; a decryption runs from the last to the first."""
        return [self._twice] * doubled + [self._once] * (ROUNDS - doubled)

    def _check(self, a: int, b: int) -> None:
        if not (0 <= a < self._rounds.left_size and 0 <= b < self._rounds.right_size):
            raise ValueError("a half is outside the format")
