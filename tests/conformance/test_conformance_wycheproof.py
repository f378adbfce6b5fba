"""Every AES-FF1 file of C2SP/wycheproof that is found: strings and lists of digits, valid and invalid cases.

The vectors are not part of this project. ``KAGIMORI_VECTORS`` names the folder that holds
``wycheproof/aes_ff1_*_test.json``; once it is set, a missing folder or file is a failure.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numberkit import software_aes

from appliance.numbers.ff1 import FF1, MINIMUM_DOMAIN, FF1Halves
from appliance.numbers.formats import MAXIMUM_LENGTH, Format, FormatError, MalformedNumber
from appliance.numbers.lockstep import Lockstep, fits

VARIABLE = "KAGIMORI_VECTORS"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "vectors"
PATTERN = "wycheproof/aes_ff1_*_test.json"
FIRST_EDITION_MINIMUM = 100  # SP 800-38G before revision 1; the vectors flagged SmallMessageSize rely on it
HOW_TO = (
    "Wycheproof's FF1 vectors are not here, so FF1 was NOT checked against them. Get them with `git clone "
    f"https://github.com/C2SP/wycheproof`, copy its testvectors_v1/aes_ff1_*_test.json into a folder named "
    f"wycheproof, and set {VARIABLE} to the folder that holds that one"
)


@dataclass(frozen=True)
class Vectors:
    """The files found, or why there are none."""

    files: list[Path]
    failure: str | None = None
    skip: str | None = None


def find_vectors() -> Vectors:
    named = os.environ.get(VARIABLE)
    if named is None and not BESIDE.is_dir():
        return Vectors([], skip=HOW_TO)
    folder = Path(named) if named is not None else BESIDE
    files = sorted(folder.glob(PATTERN)) if folder.is_dir() else []
    if named == "" or not files:
        return Vectors([], failure=f"{VARIABLE}: no {PATTERN} in {str(folder)!r}. {HOW_TO}")
    return Vectors(files)


VECTORS = find_vectors()


def test_vectors_are_here() -> None:
    """A folder that is named but holds nothing must not look like a pass."""
    if VECTORS.skip:
        pytest.skip(VECTORS.skip)
    if VECTORS.failure:
        pytest.fail(VECTORS.failure, pytrace=False)
    assert VECTORS.files


def as_digits(text: str | list[int], alphabet: str | None) -> list[int]:
    """A message of either kind of file as digits, as the product would take it.

    Raises MalformedNumber for a character outside the alphabet.
    """
    if alphabet is None:
        assert isinstance(text, list)
        return text
    assert isinstance(text, str)
    if not set(text) <= set(alphabet):
        raise MalformedNumber("has a character outside the alphabet")
    return [alphabet.index(letter) for letter in text]


@dataclass(frozen=True)
class Group:
    """What all cases of a test group share; an FpeListTest has no alphabet."""

    radix: int
    alphabet: str | None

    @classmethod
    def of(cls, group: dict[str, Any]) -> Group:
        alphabet = group.get("alphabet")
        assert group["type"] == ("FpeListTest" if alphabet is None else "FpeStrTest")
        assert alphabet is None or len(alphabet) == group["radix"]
        return cls(group["radix"], alphabet)


def run_valid(group: Group, case: dict[str, Any]) -> None:
    """Encrypt and decrypt, on digits; on halves too, where a product's format could be this one."""
    aes, tweak = software_aes(bytes.fromhex(case["key"])), bytes.fromhex(case["tweak"])
    plain, cipher = (as_digits(case[name], group.alphabet) for name in ("msg", "ct"))
    ff1 = FF1(aes, group.radix, tweak, minimum_domain=FIRST_EDITION_MINIMUM)
    assert ff1.encrypt(plain) == cipher
    assert ff1.decrypt(cipher) == plain
    if group.radix ** len(plain) < MINIMUM_DOMAIN:
        with pytest.raises(FormatError, match="fewer than 1000000"):
            FF1(aes, group.radix, tweak).encrypt(plain)
        return
    if group.radix <= 93 and len(plain) <= MAXIMUM_LENGTH:
        run_halves(group, aes, tweak, plain, cipher)


def run_halves(group: Group, aes: Any, tweak: bytes, plain: list[int], cipher: list[int]) -> None:
    alphabet = "".join(chr(ord('"') + value) for value in range(group.radix))
    fmt = Format(alphabet, len(plain))
    a, b = fmt.split(fmt.parse("".join(alphabet[digit] for digit in plain)))
    left, right = fmt.split(fmt.parse("".join(alphabet[digit] for digit in cipher)))
    assert FF1Halves(aes, fmt, tweak).encrypt(a, b) == (left, right)
    assert FF1Halves(aes, fmt, tweak).decrypt(left, right) == (a, b)
    if fits(fmt):
        lockstep = Lockstep(aes, fmt, tweak, chunk=1)
        arrays = lockstep.encrypt(np.array([a], np.uint64), np.array([b], np.uint64))
        assert (int(arrays[0][0]), int(arrays[1][0])) == (left, right)
        arrays = lockstep.decrypt(*arrays)
        assert (int(arrays[0][0]), int(arrays[1][0])) == (a, b)


def run_invalid(group: Group, case: dict[str, Any]) -> None:
    """Both directions refuse, and for the reason that the case was made for."""
    flags, key = set(case["flags"]), bytes.fromhex(case["key"])
    if flags == {"InvalidKeySize"}:
        with pytest.raises(ValueError, match="Invalid key size"):
            software_aes(key)
        return
    refusal = {"InvalidMessageSize": FormatError, "InvalidPlaintext": MalformedNumber}[flags.pop()]
    assert not flags
    ff1 = FF1(software_aes(key), group.radix, bytes.fromhex(case["tweak"]), minimum_domain=FIRST_EDITION_MINIMUM)
    for direction in (ff1.encrypt, ff1.decrypt):
        with pytest.raises(refusal):
            direction(as_digits(case["msg"], group.alphabet))


@pytest.mark.parametrize("file", VECTORS.files, ids=lambda path: path.stem)
def test_wycheproof_file(file: Path) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["algorithm"] == "AES-FF1"
    ran: Counter[str] = Counter()
    wrong = []
    for description in content["testGroups"]:
        group = Group.of(description)
        for case in description["tests"]:
            try:
                {"valid": run_valid, "invalid": run_invalid}[case["result"]](group, case)
            except (Exception, pytest.fail.Exception) as error:  # every failing case is named, not the first alone
                wrong.append(f"tcId {case['tcId']} ({', '.join(case['flags'])}): {type(error).__name__}: {error}")
            ran[case["result"]] += 1
    assert not wrong, "\n".join(wrong[:20])
    assert sum(ran.values()) == content["numberOfTests"]
    assert ran["valid"] > 0
    assert ran["invalid"] > 0
