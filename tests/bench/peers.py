"""What others make of the same work: a number of B to the person's number of E, verified at the root in between.

Each peer has its keys in this process's memory and does three runs of its own cipher. Only `fastfpe` does the same work
as we do: FF1 with AES-256, ten rounds. `ff3` is FF3-1 (eight rounds of AES-256, so 24 blocks instead of 30) and
`pyffx` an older FFX with ten rounds of HMAC-SHA1 (no AES at all). Every answer is compared with the known one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import fastfpe.ff1
import pyffx
from ff3 import FF3Cipher

from appliance.numbers.formats import BASE36
from tests.bench.limits import PROCESSOR, rate

LENGTH = 11
CODES = 10**11
Text = Callable[[str], str]
DOMAINS = ("sspin.B", "spin", "sspin.E")


@dataclass(frozen=True)
class Cipher:
    """One key of a peer's: there and back."""

    encrypt: Text
    decrypt: Text


class Peer:
    """A chain of three ciphers, and numbers of people that exist in it."""

    def __init__(self, ciphers: Sequence[Cipher], people: int) -> None:
        self._b, self._spin, self._e = ciphers
        codes = [_base36(secrets.randbelow(CODES)) for _ in range(people)]
        spins = [self._spin.encrypt(code) for code in codes]
        self._pairs = [(self._b.encrypt(spin), self._e.encrypt(spin)) for spin in spins]

    def conversions(self, seconds: float) -> float:
        """Verified conversions a second.

        Raises:
            SystemExit: it answered a wrong number.
        """
        return rate(self._all, seconds, PROCESSOR)

    def _all(self) -> int:
        for number, expected in self._pairs:
            spin = self._b.decrypt(number)
            if int(self._spin.decrypt(spin), 36) >= CODES or self._e.encrypt(spin) != expected:
                raise SystemExit("bench: a peer answered a wrong number")
        return len(self._pairs)


def fastfpe_chain(people: int = 200) -> Peer:
    """The fastest FF1 library on PyPI."""

    def cipher(domain: str) -> Cipher:
        key, tweak = secrets.token_hex(32), domain.encode().hex()
        return Cipher(
            lambda text: fastfpe.ff1.encrypt(key, tweak, BASE36, text),
            lambda text: fastfpe.ff1.decrypt(key, tweak, BASE36, text),
        )

    return Peer([cipher(domain) for domain in DOMAINS], people)


def ff3_chain(people: int = 20) -> Peer:
    """FF3-1; its tweak is 56 bits, too short for our domains' names."""

    def cipher(_domain: str) -> Cipher:
        one = FF3Cipher.withCustomAlphabet(secrets.token_hex(32), secrets.token_hex(7), BASE36)
        return Cipher(one.encrypt, one.decrypt)

    return Peer([cipher(domain) for domain in DOMAINS], people)


def pyffx_chain(people: int = 20) -> Peer:
    """The oldest format-preserving encryption on PyPI."""

    def cipher(_domain: str) -> Cipher:
        one = pyffx.String(secrets.token_bytes(32), alphabet=BASE36, length=LENGTH)
        return Cipher(one.encrypt, one.decrypt)

    return Peer([cipher(domain) for domain in DOMAINS], people)


def _base36(value: int) -> str:
    digits = ""
    for _ in range(LENGTH):
        value, digit = divmod(value, 36)
        digits = BASE36[digit] + digits
    return digits
