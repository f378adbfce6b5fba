"""No byte of any ledger file is without meaning: whichever is changed, the ledger is refused.

Every position of every file is changed in two ways, and the entry is verified on the state before it, which is
what verifying the whole ledger does; a sample goes through the whole.
"""

from __future__ import annotations

from collections import Counter

import pytest
from ledgerkit import Book

from appliance.ledger import chain
from appliance.ledger.errors import LedgerError

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


def test_a_sample_through_the_whole_ledger(book: Book) -> None:
    for name, original in book.files.items():
        for position in range(0, len(original), 61):
            changed = bytearray(original)
            changed[position] ^= 0x01
            with pytest.raises(LedgerError) as refusal:
                chain.verify({**book.files, name: bytes(changed)}, book.anchor)
            assert refusal.value.message.startswith(f"{name}: ")


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
