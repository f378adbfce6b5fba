"""No rollback: shorter or other than what was seen is refused."""

from __future__ import annotations

import pytest
from ledgerkit import Book

from appliance.ledger import canonical, chain
from appliance.ledger.actions import Suspend
from appliance.ledger.errors import LedgerForked, LedgerRolledBack
from appliance.ledger.rollback import Seen, require_not_behind


def test_going_on_is_fine(book: Book) -> None:
    entries = chain.verify_entries(book.files, book.anchor)
    seen = None
    for length in (1, 1, 2, 3, 3):
        seen = require_not_behind(seen, entries[:length])
        assert seen == Seen(sequence=length, head=entries[length - 1].head)


def test_a_shorter_ledger(book: Book) -> None:
    entries = chain.verify_entries(book.files, book.anchor)
    seen = require_not_behind(None, entries)
    with pytest.raises(LedgerRolledBack, match="the ledger ends at 000002; 000003 has been seen already"):
        require_not_behind(seen, entries[:2])


def test_a_fork_of_the_same_and_of_greater_length(book: Book) -> None:
    seen = require_not_behind(None, chain.verify_entries(book.files, book.anchor))
    fork = Book({k: v for k, v in book.files.items() if "000003" not in k}, book.states[:3], book.anchor)
    for _ in range(2):
        fork.add([Suspend(generation=["sspin.B.1", "sspin.E.1"][len(fork.states) - 3])], ("ito", "kato"))
        with pytest.raises(LedgerForked, match="entry 000003 is another one than was seen"):
            require_not_behind(seen, chain.verify_entries(fork.files, book.anchor))


def test_what_was_seen_can_be_kept_as_canonical_json() -> None:
    seen = Seen(sequence=3, head="ab" * 32)
    assert canonical.decode(canonical.encode(seen), Seen) == seen
