"""The chain as a whole: a good ledger gives the right state; missing, swapped and foreign files are refused."""

from __future__ import annotations

from ledgerkit import Book

from appliance.ledger import chain


def test_a_good_ledger_gives_its_state(book: Book) -> None:
    state = chain.verify(book.files, book.anchor)
    assert state.sequence == 3
    assert {str(g): r.state.value for g, r in state.keys.items()} == {
        "common.1": "active",
        "spin.1": "active",
        "sspin.B.1": "active",
        "sspin.E.1": "active",
        "sspin.B.2": "active",
    }
    assert {name: str(generation) for name, generation in state.current.items()} == {
        "common": "common.1",
        "spin": "spin.1",
        "sspin.B": "sspin.B.2",
        "sspin.E": "sspin.E.1",
    }
