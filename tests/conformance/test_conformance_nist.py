"""The nine sample vectors of NIST SP 800-38G ("FF1samples"), by every way that Kagimori computes FF1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numberkit import software_aes
from softhsmkit import SoftHSM

from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.ff1 import FF1, FF1Halves
from appliance.numbers.formats import DECIMAL, Format
from appliance.numbers.lockstep import Lockstep
from appliance.token.token import Token

SMALL36 = "0123456789abcdefghijklmnopqrstuvwxyz"
KEY128 = "2B7E151628AED2A6ABF7158809CF4F3C"
KEY192 = KEY128 + "EF4359D8D580AA4F"
KEY256 = KEY192 + "7F036D6F04FC6A94"
TWEAK10 = "39383736353433323130"
TWEAK11 = "3737373770717273373737"


class Sample(NamedTuple):
    """One vector."""

    key: str
    alphabet: str
    tweak: str
    plaintext: str
    ciphertext: str

    @property
    def format(self) -> Format:
        return Format(self.alphabet, len(self.plaintext))


SAMPLES = [
    Sample(KEY128, DECIMAL, "", "0123456789", "2433477484"),
    Sample(KEY128, DECIMAL, TWEAK10, "0123456789", "6124200773"),
    Sample(KEY128, SMALL36, TWEAK11, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
    Sample(KEY192, DECIMAL, "", "0123456789", "2830668132"),
    Sample(KEY192, DECIMAL, TWEAK10, "0123456789", "2496655549"),
    Sample(KEY192, SMALL36, TWEAK11, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
    Sample(KEY256, DECIMAL, "", "0123456789", "6657667009"),
    Sample(KEY256, DECIMAL, TWEAK10, "0123456789", "1001623463"),
    Sample(KEY256, SMALL36, TWEAK11, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
]
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=[f"sample-{i}" for i in range(1, 10)])


def check_all_ways(sample: Sample, aes: EncryptBlocks) -> None:
    """Lists of digits, scalar halves and arrays of halves, there and back."""
    fmt, tweak = sample.format, bytes.fromhex(sample.tweak)
    plain, cipher = fmt.split(fmt.parse(sample.plaintext)), fmt.split(fmt.parse(sample.ciphertext))

    digits = FF1(aes, fmt.radix, tweak)
    plain_digits = [fmt.alphabet.index(letter) for letter in sample.plaintext]
    cipher_digits = digits.encrypt(plain_digits)
    assert "".join(fmt.alphabet[digit] for digit in cipher_digits) == sample.ciphertext
    assert digits.decrypt(cipher_digits) == plain_digits

    scalar = FF1Halves(aes, fmt, tweak)
    assert scalar.encrypt(*plain) == cipher
    assert scalar.decrypt(*cipher) == plain

    lockstep = Lockstep(aes, fmt, tweak)
    a, b = (np.array([half], np.uint64) for half in plain)
    left, right = lockstep.encrypt(a, b)
    assert (int(left[0]), int(right[0])) == cipher
    left, right = lockstep.decrypt(left, right)
    assert (int(left[0]), int(right[0])) == plain


@every_sample
def test_nist_sample_in_software(sample: Sample) -> None:
    check_all_ways(sample, software_aes(bytes.fromhex(sample.key)))


@pytest.fixture(scope="module")
def token(softhsm: SoftHSM):
    serial = softhsm.init_token("conformance-nist", pin="123456")
    with Token.open(softhsm.module, label="conformance-nist", serial=serial, pin="123456") as opened:
        yield opened


@every_sample
def test_nist_sample_on_the_token(sample: Sample, token: Token) -> None:
    """The known-answer run through the token itself: the key bytes are imported as a session object."""
    check_all_ways(sample, token.import_session_key(bytes.fromhex(sample.key)))
