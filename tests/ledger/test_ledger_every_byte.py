"""No byte of any ledger file is without meaning: whichever is changed, the ledger is refused.

Every position of every file is changed in two ways, and the entry is verified on the state before it, which is
what verifying the whole ledger does; a sample goes through the whole.
"""

from __future__ import annotations

from collections import Counter

import pytest
from ledgerkit import Book, make_attempt, make_refusal

from appliance.ledger import annexes, chain
from appliance.ledger.actions import Suspend
from appliance.ledger.errors import AnnexMismatch, LedgerError

CHANGES = {
    "lowest bit": lambda byte: byte ^ 0x01,
    "bit 5 (upper and lower case, constructed or not)": lambda byte: byte ^ 0x20,
}
KINDS = {"authorization": chain.authorization_name, "outcome": chain.outcome_name}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequence", [1, 2, 3])
def test_every_byte_matters(book: Book, sequence: int, kind: str, change: str) -> None:
    name = KINDS[kind](sequence)
    before, original = book.states[sequence - 1], book.files[name]
    names: Counter[str] = Counter()
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] = CHANGES[change](changed[position])
        entry = {**book.files, name: bytes(changed)}
        authorization, outcome = entry[chain.authorization_name(sequence)], entry[chain.outcome_name(sequence)]
        with pytest.raises(LedgerError) as refusal:
            chain.verify_entry(before, authorization, outcome, book.anchor)
        assert refusal.value.file == name, f"byte {position}: blamed {refusal.value.message}"
        names[type(refusal.value).__name__] += 1
    assert sum(names.values()) == len(original) > 1000
    assert {"MalformedCms", "SignatureInvalid"} <= set(names), names


@pytest.fixture(scope="module")
def annexed(book: Book) -> Book:
    """A fourth entry with annexes, and one that waits for the fifth."""
    beside = {"000004.attempt.1.cms": make_attempt(4), "000004.refusal.1.cms": make_refusal(4)}
    grown = book.fork()
    grown.add([Suspend(generation="sspin.E.1")], ("ito", "kato"), beside)
    grown.files["000005.refusal.1.cms"] = make_refusal(5, "ueda")
    return grown


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["000004.attempt.1.cms", "000004.refusal.1.cms"])
def test_every_byte_of_an_annex_matters(annexed: Book, name: str, change: str) -> None:
    """The outcome's list alone sees every change."""
    original = annexed.files[name]
    pair = annexed.files[chain.authorization_name(4)], annexed.files[chain.outcome_name(4)]
    beside = annexes.of_entry(annexed.files, 4)
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] = CHANGES[change](changed[position])
        with pytest.raises(AnnexMismatch) as refusal:
            chain.verify_entry(annexed.states[3], *pair, annexed.anchor, {**beside, name: bytes(changed)})
        assert refusal.value.reason.endswith(f"{name} is not one of them")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["000005.refusal.1.cms", "000004.attempt.1.cms"])
def test_every_byte_of_an_annex_that_no_outcome_lists_yet(annexed: Book, name: str, change: str) -> None:
    original, sequence = annexed.files[name], int(name[:6])
    before, names = annexed.states[sequence - 1], Counter[str]()
    assert before is not None
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] = CHANGES[change](changed[position])
        with pytest.raises(LedgerError) as refusal:
            chain.open_annexes({name: bytes(changed)}, before)
        assert refusal.value.file == name, f"byte {position}: blamed {refusal.value.message}"
        names[type(refusal.value).__name__] += 1
    assert sum(names.values()) == len(original) > 800
    assert {"MalformedCms", "SignatureInvalid"} <= set(names), names


def test_a_sample_through_the_whole_ledger(annexed: Book) -> None:
    chain.verify(annexed.files, annexed.anchor)
    for name, original in annexed.files.items():
        for position in range(0, len(original), 61):
            changed = bytearray(original)
            changed[position] ^= 0x01
            with pytest.raises(LedgerError) as refusal:
                chain.verify({**annexed.files, name: bytes(changed)}, annexed.anchor)
            assert name in refusal.value.message


def test_inserting_or_deleting_a_byte_anywhere(book: Book) -> None:
    for sequence in (1, 2, 3):
        for kind in KINDS.values():
            name, original = kind(sequence), book.files[kind(sequence)]
            for position in range(0, len(original), 7):
                shorter = original[:position] + original[position + 1 :]
                longer = original[:position] + b"\x00" + original[position:]
                for changed in (shorter, longer):
                    entry = {**book.files, name: changed}
                    with pytest.raises(LedgerError):
                        chain.verify_entry(
                            book.states[sequence - 1],
                            entry[chain.authorization_name(sequence)],
                            entry[chain.outcome_name(sequence)],
                            book.anchor,
                        )
